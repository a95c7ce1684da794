/* SPDX-License-Identifier: GPL-2.0 */
/*
 * VMs that no program touches and that must work after each: their stores reach
 * memory, and their logs have exactly these
 */
#ifndef TESTS_FUZZ_WITNESS_H
#define TESTS_FUZZ_WITNESS_H

/* Create one of each kind that the host has. */
void witnesses_create(void);

/* Return what is wrong, or NULL. */
const char *witnesses_ask(void);

#endif
