/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counting events by the kernel's own histograms of tracepoints and probes
 */
#ifndef TESTS_KTAP_HIST_H
#define TESTS_KTAP_HIST_H

#include <stdbool.h>

#define TRACEFS		"/sys/kernel/tracing/"

/* Is there such an event ("powerpc/tlbie"), and can it be counted? */
bool hist_possible(const char *event);

/* Counts what the trigger ("hist:keys=... if ...") matches, from now on. */
void hist_start(const char *event, const char *trigger);

/*
 * What there was until now, of histograms whose key is one number: see() is called
 * for each line.
 */
typedef void (*hist_see)(unsigned long key, unsigned long hits, void *arg);
void hist_read(const char *event, hist_see see, void *arg);

/* Ends that; how many there were. */
unsigned long hist_stop(const char *event, const char *trigger);

#endif
