/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which mutant is in effect, for code that tests/mutants/generate has rewritten.
 * Included before each file of the modules that are tested.
 */
#ifndef KHX_MUTANTS_H
#define KHX_MUTANTS_H

#include <linux/compiler.h>
#include <linux/types.h>

extern unsigned int khx_mutant_chosen;
extern char khx_mutants_reached[];

/* Is this mutant in effect? Notes that its place was reached. */
static __always_inline bool khx_mutant(unsigned int number)
{
	khx_mutants_reached[number] = '1';
	return READ_ONCE(khx_mutant_chosen) == number;
}

#endif /* KHX_MUTANTS_H */
