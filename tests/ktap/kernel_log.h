/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel log
 */
#ifndef TESTS_KTAP_KERNEL_LOG_H
#define TESTS_KTAP_KERNEL_LOG_H

#include <stddef.h>

/* Return a descriptor that reads what the kernel logs from now on. */
int kernel_log_open(void);

/* Count the messages since the last call that match an extended regexp. */
unsigned int kernel_log_count(int fd, const char *expression);

/*
 * Read the messages since the last call that begin with a prefix, one per line
 * and without the prefix. Leaves out messages about a tainted kernel.
 */
void kernel_log_read(int fd, const char *prefix, char *text, size_t size);

#endif
