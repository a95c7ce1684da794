/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results of a run on stock, which those of a run on kvm-hv-ext must equal
 *
 * Nothing is written or compared unless KTAP_RECORDS is set. Intended
 * differences are not recorded.
 */
#ifndef TESTS_KTAP_RECORD_H
#define TESTS_KTAP_RECORD_H

#include <stdbool.h>
#include <stdio.h>

#include "kselftest.h"

/**
 * struct record - results of one test
 * @file: file with stock's results, NULL if there is none
 * @compare: compare with @file instead of writing it
 * @lines: number of results so far
 */
struct record {
	FILE *file;
	bool compare;
	unsigned long lines;
};

/* Only one test may use a name. The run on stock must be the first. */
void __printf(3, 4) record_open(struct record *r, bool compare, const char *fmt, ...);
void record_close(struct record *r);

/* Record one result, without a newline. Ends the test if stock's differs. */
void __printf(2, 3) record(struct record *r, const char *fmt, ...);

#endif
