/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The calls that programs consist of: ioctls, changes of the host's memory,
 * accesses and hypercalls of a guest, and what an L1 does to its tables
 */
#ifndef TESTS_FUZZ_CALLS_H
#define TESTS_FUZZ_CALLS_H

#include "subject.h"
#include "value.h"

#define CALL_ARGS	7

/**
 * struct call - a call
 * @name: its name in programs
 * @arg: what its arguments are; V_NONE ends them
 * @only: the one kind of VM that it makes sense for, or NR_SUBJECTS
 * @make: makes it; or
 * @hypercall: its number, if it is a hypercall and the arguments are r4 and so on
 */
struct call {
	const char *name;
	enum value arg[CALL_ARGS];
	enum subject_kind only;
	long (*make)(struct subject *s, const __u64 *arg);
	__u64 hypercall;
};

extern const struct call calls[];
extern const unsigned int nr_calls;

long call_make(const struct call *call, struct subject *s, const __u64 *arg);

static inline unsigned int call_args(const struct call *call)
{
	unsigned int nr = 0;

	while (nr < CALL_ARGS && call->arg[nr])
		nr++;
	return nr;
}

#endif
