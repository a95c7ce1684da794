/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel says
 */
#ifndef TESTS_KTAP_KERNEL_LOG_H
#define TESTS_KTAP_KERNEL_LOG_H

#include <stddef.h>

/* A descriptor that sees what the kernel logs from now on. */
int kernel_log_open(void);

/* Of the messages since the last call, those that match an extended regular expression. */
unsigned int kernel_log_count(int fd, const char *expression);

/*
 * The messages since the last call that begin with a prefix, without it, each on a
 * line of its own. Not those of the kernel about what taints it.
 */
void kernel_log_read(int fd, const char *prefix, char *text, size_t size);

#endif
