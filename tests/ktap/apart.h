/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A part of a test that may never end, in a process of its own
 *
 * A system call that a defect keeps in the kernel is not ended by a signal either.
 * So the part is given up; the process stays, with its VM, and only a reboot ends it.
 */
#ifndef TESTS_KTAP_APART_H
#define TESTS_KTAP_APART_H

#include <stdbool.h>

#define APART_RESULTS	64

/**
 * struct apart - what the part tells
 * @doing: what it does now
 * @steps: how much it has done
 * @result: of each step
 * @found: a number that is the caller's to judge
 * @ended: it has come to its end
 */
struct apart {
	const char *doing;
	unsigned int steps;
	long result[APART_RESULTS];
	long found;
	bool ended;
};

/*
 * Returns whether the part has ended by itself, and says where it is if not. No step
 * may take long. The VMs of the part are its own.
 */
bool apart_run(struct apart *result, void (*part)(struct apart *a, const void *arg),
	       const void *arg);

/* In the part: one step, a call that returns 0 or -errno, or a count. */
#define APART_STEP(a, call) do {					\
	struct apart *part = (a);					\
									\
	part->doing = #call;						\
	apart_done(part, call);						\
} while (0)

void apart_done(struct apart *a, long result);

#endif
