/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Try a program in a process of its own, and judge what it has left behind
 */
#ifndef TESTS_FUZZ_TRIAL_H
#define TESTS_FUZZ_TRIAL_H

#include "feedback.h"
#include "program.h"

/* Once: create the witnesses, and see what the module holds for them. */
void trial_init(void);

/*
 * Return what is wrong afterwards, or NULL. Prints what each call has returned if
 * something is wrong, or if asked to. The host should run no other program after
 * one that is wrong.
 */
const char *trial_run(const struct program *p, struct places *reached, bool verbose);

#endif
