/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel says
 */
#ifndef TESTS_KTAP_KERNEL_LOG_H
#define TESTS_KTAP_KERNEL_LOG_H

/* A descriptor that sees what the kernel logs from now on. */
int kernel_log_open(void);

/* Of the messages since the last call, those that match an extended regular expression. */
unsigned int kernel_log_count(int fd, const char *expression);

#endif
