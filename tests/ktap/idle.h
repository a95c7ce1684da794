/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's idle page tracking: it ages pages and reports which were used
 * since
 *
 * It identifies pages by frame number. A huge page has only the bit of its
 * first frame.
 */
#ifndef TESTS_KTAP_IDLE_H
#define TESTS_KTAP_IDLE_H

#include <linux/types.h>
#include <stdbool.h>

/* Return a file descriptor, or -1 if the host does not track idle pages. */
int idle_open(void);

/* Return the frame number of the page mapped at @mem, or 0 if none is. */
__u64 idle_pfn(const void *mem);

void idle_set(int fd, __u64 pfn);
bool idle_test(int fd, __u64 pfn);

#endif
