/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs: sequences of calls
 *
 * A program is one line of text: the kind of VM, and calls with their numbers,
 * each after a semicolon:
 *
 *	radix; memslot 0x3 0x30000000 0x10000 0x600000200000 0x1; getlog ...
 */
#ifndef TESTS_FUZZ_PROGRAM_H
#define TESTS_FUZZ_PROGRAM_H

#include "calls.h"

#define PROGRAM_CALLS	30
#define PROGRAM_TEXT	8192

struct step {
	const struct call *call;
	__u64 arg[CALL_ARGS];
};

/**
 * struct program - a program
 * @kind: the VM that it needs
 * @nr: number of its calls
 * @step: the calls
 */
struct program {
	enum subject_kind kind;
	unsigned int nr;
	struct step step[PROGRAM_CALLS];
};

/* Return false if the text is no program. */
bool program_parse(struct program *p, const char *text);
void program_print(const struct program *p, char text[PROGRAM_TEXT]);

void program_generate(struct program *p, enum subject_kind kind, __u64 *random);

/* Change a few calls; @other, of the same kind, may give some of its own. */
void program_mutate(struct program *p, const struct program *other, __u64 *random);

void program_drop(struct program *p, unsigned int step);

/* Make the calls on a VM of its kind. *done counts those that have returned. */
void program_run(const struct program *p, struct subject *s, unsigned int *done);

#endif
