// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that the kernel has allocated in small pieces
 */
#include "slab.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

#define CACHES		"/sys/kernel/slab"
#define INFO		"/proc/slabinfo"

#define SETTLE_US	100000
#define SETTLE_TRIES	20

const char *slab_missing(void)
{
	return access(CACHES, R_OK) || access(INFO, R_OK) ?
	       "the kernel does not tell its slab caches (CONFIG_SLUB)" : NULL;
}

/* Memory that is reclaimed at any time is not what we look for. */
static bool counted(const char *name)
{
	return (!strncmp(name, "kmalloc-", 8) && strncmp(name, "kmalloc-rcl-", 12)) ||
	       !strncmp(name, "kvm", 3);
}

static void shrink(void)
{
	struct dirent *entry;
	char path[512];
	DIR *dir = opendir(CACHES);

	if (!dir)
		die("open " CACHES ": %m");
	while ((entry = readdir(dir))) {
		if (!counted(entry->d_name))
			continue;
		snprintf(path, sizeof(path), CACHES "/%s/shrink", entry->d_name);
		write_file(path, "1");
	}
	closedir(dir);
}

static long read_bytes(void)
{
	char line[512], name[64];
	long objects, size, total = 0;
	FILE *file;

	shrink();
	file = fopen(INFO, "r");
	if (!file)
		die("open " INFO ": %m");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld %*d %ld", name, &objects, &size) == 3 &&
		    counted(name))
			total += objects * size;
	fclose(file);
	return total;
}

/* What is freed after a grace period is waited for. */
long slab_bytes(void)
{
	long before, now = read_bytes();
	unsigned int tries = SETTLE_TRIES;

	do {
		usleep(SETTLE_US);
		before = now;
		now = read_bytes();
	} while (now != before && --tries);
	return now;
}
