/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Count events by the kernel's histograms of tracepoints and probes
 */
#ifndef TESTS_KTAP_HIST_H
#define TESTS_KTAP_HIST_H

#include <stdbool.h>

#define TRACEFS		"/sys/kernel/tracing/"

/* Does this event ("powerpc/tlbie") exist, and can it be counted? */
bool hist_possible(const char *event);

/* Start to count what the trigger ("hist:keys=... if ...") matches. */
void hist_start(const char *event, const char *trigger);

/* Call see() for each line of a histogram, with its key, or with the first of several. */
typedef void (*hist_see)(unsigned long key, unsigned long hits, void *arg);
void hist_read(const char *event, hist_see see, void *arg);

/* Stop to count; return the total number of hits. */
unsigned long hist_stop(const char *event, const char *trigger);

#endif
