/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Shared by the suites: zeroed memory, partition-scoped tables that a test
 * builds, and flush backends that record their requests.
 */
#ifndef KHX_TEST_TABLE_H
#define KHX_TEST_TABLE_H

#include <kunit/test.h>
#include <linux/pgtable.h>
#include <linux/xarray.h>

#include "radix_flush.h"

/* Allocate zeroed memory that is freed with the test. */
void *test_zalloc(struct kunit *test, size_t size);

/*
 * Do what a store does that finds memory for the nodes of an XArray, but then for
 * nothing more. Return the lowest of these nodes. @index: not 0
 */
struct xa_node *test_store_half(struct kunit *test, struct xarray *xa, unsigned long index);

/* Allocate an empty tree, freed with the test. Skip the test on a hash MMU. */
pgd_t *test_table(struct kunit *test);

/*
 * Map a leaf of 1 << shift bytes (PAGE_SHIFT, PMD_SHIFT or PUD_SHIFT) at @gpa
 * to @hpa, with the given R/C bits. Return the entry.
 */
pte_t *test_map(struct kunit *test, pgd_t *root, unsigned long gpa,
		unsigned int shift, unsigned long hpa, unsigned long bits);

#define TEST_REQUESTS	8192

/* Requests to the recording backends, in order; @end: -1UL for a whole LPID. */
struct test_requests {
	unsigned int nr;
	unsigned int fail_range;	/* number of next ranges to refuse */
	unsigned int fail_lpid;
	spinlock_t *locked;		/* count requests while it is held */
	unsigned int under_lock;
	const pgd_t *root;		/* count requests while it has entries */
	unsigned int with_tables;
	struct {
		u64 lpid;
		unsigned long start;
		unsigned long end;
	} seen[TEST_REQUESTS];
};

extern struct test_requests test_requests;

void test_requests_reset(void);
bool test_request_covers(u64 lpid, unsigned long gpa);
unsigned int test_requests_of(u64 lpid);

/* One flushes page by page with a ceiling; one flushes ranges, without. */
extern const struct khx_flush_backend test_backend_pages;
extern const struct khx_flush_backend test_backend_ranges;

#endif /* KHX_TEST_TABLE_H */
