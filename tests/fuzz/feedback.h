/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which code of the module a program has reached, by KCOV
 *
 * KCOV sees what one thread does in system calls, and the module must be built
 * with COVERAGE=1.
 */
#ifndef TESTS_FUZZ_FEEDBACK_H
#define TESTS_FUZZ_FEEDBACK_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* Places in the text of the module, by instruction. */
#define FEEDBACK_PLACES	0x40000

/**
 * struct places - a set of places
 * @bit: one for each
 */
struct places {
	uint64_t bit[FEEDBACK_PLACES / 64];
};

/* Return why there is no feedback, or NULL. */
const char *feedback_open(void);

/* Called by the thread that runs a program, which then ends. */
void feedback_start(void);

/* Get what it has reached. */
void feedback_take(struct places *reached);

/* Return the number of places in @a that are not in @b. */
size_t places_beyond(const struct places *a, const struct places *b);

/* a |= b; a &= ~b */
void places_add(struct places *a, const struct places *b);
void places_remove(struct places *a, const struct places *b);

/* Print the offset of each, in lines of several. */
void places_print(const struct places *places);

#endif
