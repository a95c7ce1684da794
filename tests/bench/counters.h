/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel's own tracepoints and probes count while a phase lasts
 *
 * Counting makes everything slower, so it is switched on for rounds of its own,
 * of which the times are not used.
 */
#ifndef TESTS_BENCH_COUNTERS_H
#define TESTS_BENCH_COUNTERS_H

#include <stdbool.h>

#define MAX_HCALLS	64

/**
 * struct hcall_count - hypercalls that the host itself has made
 * @nr: number of the hypercall
 * @count: how often
 */
struct hcall_count {
	unsigned long nr;
	unsigned long count;
};

/**
 * struct counters - counts since counters_on(), or since others were read
 * @faults: page faults of guests
 * @set_rc: of these, those that only ask for R or C of an entry that is there
 * @tlbie: tlbie instructions for guests, on bare metal
 * @nr_hcalls: number of entries in @hcall
 * @hcall: hypercalls, in a partition
 * @holds: how often mmu_lock was held
 * @held_ns: for how long in all, from before it was waited for
 * @longest_ns: the longest of these times; that of a phase, not a difference
 */
struct counters {
	unsigned long faults;
	unsigned long set_rc;
	unsigned long tlbie;
	unsigned int nr_hcalls;
	struct hcall_count hcall[MAX_HCALLS];
	unsigned long holds;
	unsigned long held_ns;
	unsigned long longest_ns;
};

/* Why this kernel cannot count; NULL when it can. */
const char *counters_missing(void);

/* Has this kernel events of its locks? */
bool counters_see_locks(void);

void counters_on(void);
void counters_off(void);

/* Around a phase; the second puts what the phase took into *c. */
void counters_begin(struct counters *c);
void counters_end(struct counters *c);

#endif
