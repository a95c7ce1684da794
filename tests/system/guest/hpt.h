/* SPDX-License-Identifier: GPL-2.0 */
/* The hash page table of the guest */
#ifndef TESTS_SYSTEM_GUEST_HPT_H
#define TESTS_SYSTEM_GUEST_HPT_H

#include <stdbool.h>
#include <stdint.h>

/* Can the kernel change the size of its HPT? */
bool hpt_open(void);

/* Double or halve the HPT in some passes; false on failure. */
bool hpt_resize(uint64_t pass);

#endif
