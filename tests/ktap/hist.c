// SPDX-License-Identifier: GPL-2.0
/*
 * Counts events with the kernel's histograms of tracepoints and probes
 */
#include "hist.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

#define PATH_SIZE	128

static void path_of(char *path, const char *event, const char *file)
{
	snprintf(path, PATH_SIZE, TRACEFS "events/%s/%s", event, file);
}

bool hist_possible(const char *event)
{
	char path[PATH_SIZE];

	path_of(path, event, "hist");
	return !access(path, R_OK);
}

void hist_start(const char *event, const char *trigger)
{
	char path[PATH_SIZE];

	path_of(path, event, "trigger");
	write_file(path, trigger);
}

void hist_read(const char *event, hist_see see, void *arg)
{
	char path[PATH_SIZE], line[256], *count;
	unsigned long key, hits;
	bool read = false;
	FILE *file;

	path_of(path, event, "hist");
	file = fopen(path, "r");
	if (!file)
		die("open %s: %m", path);
	while (fgets(line, sizeof(line), file)) {
		count = strstr(line, "} hitcount:");
		if (count && sscanf(line, "{ %*[^:]: %lu", &key) == 1 &&
		    sscanf(count, "} hitcount: %lu", &hits) == 1)
			see(key, hits, arg);
		read |= sscanf(line, " Dropped: %lu", &hits) == 1 && !hits;
	}
	fclose(file);
	if (!read)
		die("the histogram of %s is incomplete", event);
}

static void add_hits(unsigned long key, unsigned long hits, void *total)
{
	(void)key;
	*(unsigned long *)total += hits;
}

unsigned long hist_stop(const char *event, const char *trigger)
{
	char path[PATH_SIZE], stop[256];
	unsigned long total = 0;

	hist_read(event, add_hits, &total);
	path_of(path, event, "trigger");
	snprintf(stop, sizeof(stop), "!%s", trigger);
	write_file(path, stop);
	return total;
}
