/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Results of a run on stock, kept for the run on ours, which must equal them
 *
 * Nothing is kept or compared unless KTAP_RECORDS is set. What differs on purpose
 * is not recorded.
 */
#ifndef TESTS_KTAP_RECORD_H
#define TESTS_KTAP_RECORD_H

#include <stdbool.h>
#include <stdio.h>

#include "kselftest.h"

/**
 * struct record - results of one test
 * @file: where stock's are, NULL when nothing is kept
 * @compare: they are compared, not written
 * @lines: number of results so far
 */
struct record {
	FILE *file;
	bool compare;
	unsigned long lines;
};

/* A name is used by one test only; the run on stock comes first. */
void __printf(3, 4) record_open(struct record *r, bool compare, const char *fmt, ...);
void record_close(struct record *r);

/* One result, without a newline. Ends the test when stock's was another. */
void __printf(2, 3) record(struct record *r, const char *fmt, ...);

#endif
