// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own count of partition-scoped TLB invalidations
 */
#include "tlb_count.h"

#include <stdio.h>
#include <unistd.h>

#include "vm.h"

#define TRACEFS		"/sys/kernel/tracing/events/powerpc/"
#define HIST_HCALL	"hist:keys=opcode if opcode == 0xf808 || opcode == 0x448"
#define HIST_TLBIE	"hist:keys=local if local == 0 && lpid != 0"

static const char *trigger_file(void)
{
	return host_is_lpar() ? TRACEFS "hcall_entry/trigger" :
				TRACEFS "tlbie/trigger";
}

static const char *hist_file(void)
{
	return host_is_lpar() ? TRACEFS "hcall_entry/hist" :
				TRACEFS "tlbie/hist";
}

static const char *hist(void)
{
	/* H_TLB_INVALIDATE and H_RPT_INVALIDATE; tlbie of any guest. */
	return host_is_lpar() ? HIST_HCALL : HIST_TLBIE;
}

const char *tlb_count_missing(void)
{
	return access(hist_file(), R_OK) ?
	       "the kernel has no histograms of its tracepoints (CONFIG_HIST_TRIGGERS)" :
	       NULL;
}

void tlb_count_start(void)
{
	write_file(trigger_file(), hist());
}

unsigned long tlb_count_stop(void)
{
	unsigned long hits, total = 0;
	char line[256], stop[128];
	FILE *file = fopen(hist_file(), "r");
	bool read = false;

	if (!file)
		die("open %s: %m", hist_file());
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "{ %*[^}]} hitcount: %lu", &hits) == 1)
			total += hits;
		read |= sscanf(line, " Dropped: %lu", &hits) == 1 && !hits;
	}
	fclose(file);
	if (!read)
		die("the histogram is incomplete");
	snprintf(stop, sizeof(stop), "!%s", hist());
	write_file(trigger_file(), stop);
	return total;
}
