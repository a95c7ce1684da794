/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Run, in a process of its own, a part of a test that may never end
 *
 * A signal does not end a system call that a defect keeps in the kernel. The
 * test then abandons the part; its process and VM stay until a reboot.
 */
#ifndef TESTS_KTAP_APART_H
#define TESTS_KTAP_APART_H

#include <stdbool.h>

#define APART_RESULTS	64

/**
 * struct apart - progress and results of the part
 * @doing: the current step
 * @steps: number of steps done
 * @result: result of each step
 * @found: a number for the caller to judge
 * @ended: the part has returned
 */
struct apart {
	const char *doing;
	unsigned int steps;
	long result[APART_RESULTS];
	long found;
	bool ended;
};

/*
 * Run a part. Return true if it ended by itself; otherwise print the step that
 * it is in and return false. No step may take long. The part creates its own
 * VMs.
 */
bool apart_run(struct apart *result, void (*part)(struct apart *a, const void *arg),
	       const void *arg);

/* Called in the part: one step, a call that returns 0, -errno or a count. */
#define APART_STEP(a, call) do {					\
	struct apart *part = (a);					\
									\
	part->doing = #call;						\
	apart_done(part, call);						\
} while (0)

void apart_done(struct apart *a, long result);

#endif
