// SPDX-License-Identifier: GPL-2.0
/*
 * Changes the size of the guest's hash page table (PAPR, H_RESIZE_HPT_PREPARE
 * and H_RESIZE_HPT_COMMIT), by way of the guest kernel's debugfs.
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "hpt.h"
#include "mounts.h"

#define ORDER	"/debug/powerpc/hpt_order"
/* Passes from one change to the next */
#define PERIOD	8

static unsigned long first_order;

bool hpt_open(void)
{
	char text[32] = "";
	int fd;

	if (!mounts_have("debugfs", "/debug"))
		return false;
	fd = open(ORDER, O_RDONLY);
	if (fd < 0 || read(fd, text, sizeof(text) - 1) < 0) {
		perror(ORDER);
		return false;
	}
	close(fd);
	first_order = strtoul(text, NULL, 0);
	return first_order;
}

bool hpt_resize(uint64_t pass)
{
	char text[32];
	bool fits = true;
	ssize_t written;
	int fd;

	if (pass % PERIOD)
		return true;
	fd = open(ORDER, O_WRONLY);
	snprintf(text, sizeof(text), "%lu", first_order + pass / PERIOD % 2);
	written = write(fd, text, strlen(text));
	if (written < 0) {
		perror(ORDER);
		/* The HPTEs do not always fit into a smaller one. */
		fits = errno != ENOSPC;
	} else {
		printf("HPT of order %s\n", text);
	}
	close(fd);
	return written > 0 || !fits;
}
