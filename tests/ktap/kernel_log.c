// SPDX-License-Identifier: GPL-2.0
/*
 * What the kernel says
 */
#include "kernel_log.h"

#include <errno.h>
#include <fcntl.h>
#include <regex.h>
#include <unistd.h>

#include "vm.h"

int kernel_log_open(void)
{
	int fd = open("/dev/kmsg", O_RDONLY | O_NONBLOCK | O_CLOEXEC);

	if (fd < 0 || lseek(fd, 0, SEEK_END) < 0)
		die("open the kernel's log: %m");
	return fd;
}

unsigned int kernel_log_count(int fd, const char *expression)
{
	unsigned int count = 0;
	char record[8192];
	regex_t regex;
	ssize_t size;

	if (regcomp(&regex, expression, REG_EXTENDED | REG_NOSUB | REG_NEWLINE))
		die("not a regular expression: %s", expression);
	for (;;) {
		size = read(fd, record, sizeof(record) - 1);
		if (size < 0 && errno == EAGAIN)
			break;
		if (size < 0)
			die("read the kernel's log: %m");
		record[size] = 0;
		count += !regexec(&regex, record, 0, NULL, 0);
	}
	regfree(&regex);
	return count;
}
