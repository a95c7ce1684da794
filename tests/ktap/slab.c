// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's memory in slab caches
 */
#include "slab.h"

#include <dirent.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "hist.h"
#include "vm.h"

#define CACHES		"/sys/kernel/slab"
#define INFO		"/proc/slabinfo"

#define LARGEST		512

#define READINGS	8
#define PAUSE_US	50000

const char *slab_missing(void)
{
	if (access(CACHES, R_OK) || access(INFO, R_OK))
		return "the kernel does not list its slab caches (CONFIG_SLUB_DEBUG)";
	return hist_possible("kmem/kmalloc") ? NULL :
	       "the kernel has no histograms of its tracepoints (CONFIG_HIST_TRIGGERS)";
}

/* Count caches of kmalloc() and of KVM, without reclaimable memory. */
static bool counted(const char *name)
{
	return (!strncmp(name, "kmalloc-", 8) && strncmp(name, "kmalloc-rcl-", 12)) ||
	       !strncmp(name, "kvm", 3);
}

static void give_back(void)
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

/* Count only small objects: other users have many large ones. */
static long read_bytes(void)
{
	char line[512], name[64];
	long objects, size, total = 0;
	FILE *file;

	give_back();
	file = fopen(INFO, "r");
	if (!file)
		die("open " INFO ": %m");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld %*d %ld", name, &objects, &size) == 3 &&
		    size <= LARGEST && counted(name))
			total += objects * size;
	fclose(file);
	return total;
}

long slab_bytes(void)
{
	long least = read_bytes(), now;
	unsigned int i;

	for (i = 1; i < READINGS; i++) {
		usleep(PAUSE_US);
		now = read_bytes();
		if (now < least)
			least = now;
	}
	return least;
}

/* Size of all unreclaimable slab memory, in bytes. */
long slab_unreclaimable(void)
{
	FILE *file = fopen("/proc/meminfo", "r");
	char line[128];
	long kib = -1;

	while (file && fgets(line, sizeof(line), file) &&
	       sscanf(line, "SUnreclaim: %ld", &kib) != 1)
		;
	if (kib < 0)
		die("/proc/meminfo has no SUnreclaim");
	fclose(file);
	return kib * 1024;
}

static const char *const allocations[] = { "kmem/kmalloc", "kmem/kmem_cache_alloc" };
static const char *const frees[] = { "kmem/kfree", "kmem/kmem_cache_free" };

/* Filter out kfree(NULL), which is an event as well. */
static const char *trigger(pid_t thread)
{
	static char text[96];

	snprintf(text, sizeof(text),
		 "hist:keys=common_pid if common_pid == %d && ptr != 0", thread);
	return text;
}

void slab_count_start(pid_t thread)
{
	unsigned int i;

	for (i = 0; i < 2; i++) {
		hist_start(allocations[i], trigger(thread));
		hist_start(frees[i], trigger(thread));
	}
}

long slab_count_stop(pid_t thread)
{
	long count = 0;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		count += hist_stop(allocations[i], trigger(thread));
		count -= hist_stop(frees[i], trigger(thread));
	}
	return count;
}
