/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's idle page tracking: it ages pages, and tells which were used since
 *
 * It knows pages by their frame numbers. A page that a huge page is made of has
 * the bit of the first one only.
 */
#ifndef TESTS_KTAP_IDLE_H
#define TESTS_KTAP_IDLE_H

#include <linux/types.h>
#include <stdbool.h>

/* A file descriptor, -1 when the host does not track idle pages. */
int idle_open(void);

/* Frame number of the page that is mapped at mem, 0 when there is none. */
__u64 idle_pfn(const void *mem);

void idle_set(int fd, __u64 pfn);
bool idle_test(int fd, __u64 pfn);

#endif
