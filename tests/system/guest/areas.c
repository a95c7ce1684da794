// SPDX-License-Identifier: GPL-2.0
/*
 * The areas that the guest's kernel shares with the host, as the guest sees
 * them: the VPA and the dispatch trace log. The host writes both, so no store
 * of the guest repairs what a migration loses here.
 *
 * The kernel needs CONFIG_DTL and CONFIG_LPARCFG.
 */
#include <endian.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "areas.h"
#include "mounts.h"

#define LOG	"/debug/powerpc/dtl/cpu-0"
#define COUNTS	"/proc/powerpc/lparcfg"

/* An entry of the log (PAPR, dispatch trace log), big endian. */
struct entry {
	uint8_t dispatch_reason;
	uint8_t preempt_reason;
	uint16_t processor_id;
	uint32_t waited[3];
	uint64_t timebase;
	uint64_t fault_address;
	uint64_t srr[2];
};

/* Entries in the kernel's log. A read returns whole entries, at most all. */
#define MAX_ENTRIES	85

unsigned long areas_dispatches, areas_entries;
static int log_fd = -1;

bool areas_open(void)
{
	if (!mounts_have("proc", "/proc") || !mounts_have("debugfs", "/debug"))
		return false;
	log_fd = open(LOG, O_RDONLY);
	if (log_fd < 0) {
		perror(LOG);
		return false;
	}
	return areas_check() && areas_dispatches;
}

/* Checks the yield count of the VPA. The kernel shows the sum over all CPUs. */
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
 * Checks that the times of the entries do not decrease. If more entries were
 * written than the log holds, the host may overwrite the oldest while the
 * kernel copies them. These are then newer than the last entry: skip them.
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
 * If the host writes as many entries as the log holds while the kernel copies
 * it, the last entry may be overwritten, too, so nothing can be checked. A
 * guest is dispatched that often if it stores to many pages for the first time
 * after a collection.
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
	/* the yield count increases by one or two per dispatch */
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
