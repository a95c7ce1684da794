// SPDX-License-Identifier: GPL-2.0
/*
 * The areas that the guest's kernel shares with the host, as the guest sees
 * them. The host writes both, so what is lost or stale here no store of the
 * guest will ever repair.
 *
 * The kernel needs CONFIG_DTL and CONFIG_LPARCFG.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "areas.h"

#define LOG	"/debug/powerpc/dtl/cpu-0"
#define COUNTS	"/proc/powerpc/lparcfg"

/* An entry of the log: PAPR, dispatch trace log. Big endian. */
struct entry {
	uint8_t dispatch_reason;
	uint8_t preempt_reason;
	uint16_t processor_id;
	uint32_t waited[3];
	uint64_t timebase;
	uint64_t fault_address;
	uint64_t srr[2];
};

/* The kernel reads whole entries, and no more of them than its log holds. */
#define MAX_ENTRIES	85

unsigned long areas_dispatches, areas_entries;
static int log_fd = -1;

bool areas_open(void)
{
	mkdir("/proc", 0755);
	mkdir("/debug", 0755);
	if (mount("proc", "/proc", "proc", 0, NULL) ||
	    mount("debugfs", "/debug", "debugfs", 0, NULL)) {
		perror("mount");
		return false;
	}
	log_fd = open(LOG, O_RDONLY);
	if (log_fd < 0) {
		perror(LOG);
		return false;
	}
	return areas_check() && areas_dispatches;
}

/* The yield count of the VPA: the kernel shows the sum over all CPUs. */
static bool check_count(void)
{
	FILE *file = fopen(COUNTS, "r");
	unsigned long count = 0;
	bool found = false;
	char line[128];

	if (!file) {
		perror(COUNTS);
		return false;
	}
	while (fgets(line, sizeof(line), file))
		found |= sscanf(line, "dispatches=%lu", &count) == 1;
	fclose(file);
	if (!found || count < areas_dispatches) {
		printf("CORRUPT yield count: %lu after %lu\n", count, areas_dispatches);
		return false;
	}
	areas_dispatches = count;
	return true;
}

/*
 * Each entry carries the time it was written at. When more were written than the
 * log holds, the kernel copies the oldest while the host may overwrite them: those
 * are newer than the last.
 */
static bool in_order(const struct entry *entry, size_t count)
{
	static uint64_t latest;
	uint64_t last = be64toh(entry[count - 1].timebase), time;

	for (size_t i = 0; i < count; i++) {
		time = be64toh(entry[i].timebase);
		if (time > last)
			continue;
		if (time < latest || !entry[i].dispatch_reason) {
			printf("CORRUPT log: %lu (%zu of %zu): time %#lx after %#lx, last %#lx\n",
			       areas_entries + i, i, count, time, latest, last);
			return false;
		}
		latest = time;
	}
	return true;
}

/*
 * When the host writes as many entries as the log holds while it is copied, the last
 * may be overwritten too, and nothing can be said: a guest is interrupted that often
 * when it stores to many pages for the first time since they were collected.
 */
static bool check_log(void)
{
	struct entry entry[MAX_ENTRIES];
	unsigned long dispatches = areas_dispatches;
	ssize_t bytes = read(log_fd, entry, sizeof(entry));
	size_t count = bytes / sizeof(*entry);

	if (bytes < 0 || bytes % sizeof(*entry)) {
		printf("CORRUPT log: read returned %zd\n", bytes);
		return false;
	}
	/* each dispatch is counted once or twice */
	if (!check_count() ||
	    (count && areas_dispatches - dispatches < MAX_ENTRIES && !in_order(entry, count)))
		return false;
	areas_entries += count;
	return true;
}

bool areas_check(void)
{
	return check_count() && check_log();
}
