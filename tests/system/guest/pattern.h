/* SPDX-License-Identifier: GPL-2.0 */
/* What each word of the guest's watched memory must hold. */
#ifndef PATTERN_H
#define PATTERN_H

#include <stdint.h>

/* @page was last written in @pass; both fit into 32 bits. */
static inline uint64_t word_of(uint64_t page, uint64_t pass, uint64_t word)
{
	return (page << 32 | pass) ^ (word * 0x9e3779b97f4a7c15UL);
}

#endif
