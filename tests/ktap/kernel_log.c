// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel log
 */
#include "kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

int kernel_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		die("open the kernel's log: %m");
	return fd;
}

/* Read the next record as text. Return false if there is none. */
static bool next_record(int fd, char *record, size_t size)
{
	ssize_t got = read(fd, record, size - 1);

	if (got < 0 && errno == EAGAIN)
		return false;
	if (got < 0)
		die("read the kernel's log: %m");
	record[got] = 0;
	return true;
}

void kernel_log_read(int fd, const char *prefix, char *text, size_t size)
{
	char record[8192], *message;
	size_t used = 0;

	text[0] = 0;
	while (next_record(fd, record, sizeof(record))) {
		/* "priority,number,time,flags;message", then properties */
		message = strchr(record, ';');
		if (!message || strncmp(message + 1, prefix, strlen(prefix)))
			continue;
		message += 1 + strlen(prefix);
		message[strcspn(message, "\n")] = 0;
		if (strstr(message, "taints kernel") || strstr(message, "tainting kernel"))
			continue;
		used += snprintf(text + used, size - used, "%s\n", message);
		if (used >= size)
			die("the kernel's log is longer than %zu bytes", size);
	}
}

unsigned int kernel_log_count(int fd, const char *expression)
{
	unsigned int count = 0;
	char record[8192];
	regex_t regex;

	if (regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		die("not a regular expression: %s", expression);
	while (next_record(fd, record, sizeof(record)))
		count += !regexec(&regex, record, 0, NULL, 0);
	regfree(&regex);
	return count;
}
