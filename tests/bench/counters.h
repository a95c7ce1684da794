/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Count events during a phase with the kernel's tracepoints and kprobes
 *
 * Counting slows everything down, so the benchmark counts in separate rounds
 * and ignores their times.
 */
#ifndef TESTS_BENCH_COUNTERS_H
#define TESTS_BENCH_COUNTERS_H

#include <stdbool.h>

#define MAX_HCALLS	64

/**
 * struct hcall_count - hypercalls that the host has made
 * @nr: number of the hypercall
 * @count: how many of them
 */
struct hcall_count {
	unsigned long nr;
	unsigned long count;
};

/**
 * struct counters - counts since counters_on(), or during a phase
 * @faults: page faults of guests
 * @set_rc: those of @faults that only set R or C in a valid entry
 * @tlbie: tlbie instructions for guests; bare metal only
 * @nr_hcalls: number of entries in @hcall
 * @hcall: hypercalls; LPAR only
 * @holds: number of holds of mmu_lock
 * @held_ns: sum of their times, each with the wait for the lock
 * @longest_ns: the longest of these times, in the current phase
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

/* Return why this kernel cannot count, or NULL if it can. */
const char *counters_missing(void);

/* Does this kernel have lock events? */
bool counters_see_locks(void);

void counters_on(void);
void counters_off(void);

/* Call around a phase; counters_end() stores the counts of the phase in *c. */
void counters_begin(struct counters *c);
void counters_end(struct counters *c);

#endif
