/* SPDX-License-Identifier: GPL-2.0 */
/* The expected content of each word of the guest's memory under test */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>

/* @pass is the one that last wrote @page; both fit in 32 bits. */
static inline uint64_t word_of(uint64_t page, uint64_t pass, uint64_t word)
{
	return (page << 32 | pass) ^ (word * 0x9e3779b97f4a7c15UL);
}

#endif
