// SPDX-License-Identifier: GPL-2.0
/*
 * Shared by the suites: zeroed memory, tables, and recorded flush requests.
 */
#include <kunit/resource.h>
#include <linux/slab.h>
#include <linux/string.h>

#include "compat.h"
#include "radix_tree.h"
#include "table.h"

void *test_zalloc(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

struct xa_node *test_store_half(struct kunit *test, struct xarray *xa, unsigned long index)
{
	XA_STATE(xas, xa, index);

	do {
		xas_lock(&xas);
		xas_create_range(&xas);
		xas_unlock(&xas);
	} while (xas_nomem(&xas, GFP_KERNEL));
	KUNIT_ASSERT_EQ(test, 0, xas_error(&xas));
	return xas.xa_node;
}

static int make_root(struct kunit_resource *resource, void *unused)
{
	resource->data = kzalloc(sizeof(pgd_t) << RADIX_PGD_INDEX_SIZE, GFP_KERNEL);
	return resource->data ? 0 : -ENOMEM;
}

static void free_root(struct kunit_resource *resource)
{
	khx_tree_free(resource->data);
	kfree(resource->data);
}

pgd_t *test_table(struct kunit *test)
{
	pgd_t *root;

	if (!radix_enabled())
		kunit_skip(test, "the host uses the hash MMU");
	root = kunit_alloc_resource(test, make_root, free_root, GFP_KERNEL, NULL);
	KUNIT_ASSERT_NOT_NULL(test, root);
	return root;
}

pte_t *test_map(struct kunit *test, pgd_t *root, unsigned long gpa,
		unsigned int shift, unsigned long hpa, unsigned long bits)
{
	pte_t pte = pfn_pte(hpa >> PAGE_SHIFT,
			    __pgprot(_PAGE_PRESENT | _PAGE_READ | _PAGE_WRITE | bits));
	struct khx_tables tables = {};
	unsigned int level;
	pte_t *ptep;

	for (;;) {
		level = khx_tree_shift_level(shift);
		ptep = khx_tree_entry(root, gpa, &level, &tables);
		if (ptep)
			break;
		tables.table[level] = khx_tree_table_alloc(level);
		KUNIT_ASSERT_NOT_NULL(test, tables.table[level]);
	}
	KUNIT_ASSERT_EQ(test, level, khx_tree_shift_level(shift));
	if (level && khx_tree_is_table(*ptep))
		khx_tree_prune(*ptep, level);
	*ptep = pte;
	return ptep;
}

struct test_requests test_requests;

void test_requests_reset(void)
{
	test_requests.nr = 0;
	test_requests.fail_range = 0;
	test_requests.fail_lpid = 0;
	test_requests.locked = NULL;
	test_requests.under_lock = 0;
	test_requests.root = NULL;
	test_requests.with_tables = 0;
}

static long record(u64 lpid, unsigned long start, unsigned long end,
		   unsigned int *fail)
{
	if (test_requests.locked)
		test_requests.under_lock +=
			arch_spin_is_locked(&test_requests.locked->rlock.raw_lock);
	if (test_requests.root)
		test_requests.with_tables +=
			!!memchr_inv(test_requests.root, 0, sizeof(pgd_t) << RADIX_PGD_INDEX_SIZE);
	if (*fail) {
		(*fail)--;
		return H_HARDWARE;
	}
	if (WARN_ON_ONCE(test_requests.nr == TEST_REQUESTS))
		return H_HARDWARE;
	test_requests.seen[test_requests.nr].lpid = lpid;
	test_requests.seen[test_requests.nr].start = start;
	test_requests.seen[test_requests.nr++].end = end;
	return 0;
}

static long record_range(u64 lpid, unsigned long start, unsigned long end,
			 unsigned int shift)
{
	return record(lpid, start, end, &test_requests.fail_range);
}

static long record_lpid(u64 lpid)
{
	return record(lpid, 0, -1UL, &test_requests.fail_lpid);
}

bool test_request_covers(u64 lpid, unsigned long gpa)
{
	unsigned int i;

	for (i = 0; i < test_requests.nr; i++)
		if (test_requests.seen[i].lpid == lpid &&
		    test_requests.seen[i].start <= gpa &&
		    gpa < test_requests.seen[i].end)
			return true;
	return false;
}

unsigned int test_requests_of(u64 lpid)
{
	unsigned int i, nr = 0;

	for (i = 0; i < test_requests.nr; i++)
		nr += test_requests.seen[i].lpid == lpid;
	return nr;
}

const struct khx_flush_backend test_backend_pages = {
	.name = "pages",
	.range_pages = 1,
	.ceiling = 33,
	.range = record_range,
	.lpid = record_lpid,
};

const struct khx_flush_backend test_backend_ranges = {
	.name = "ranges",
	.range_pages = 33,
	.range = record_range,
	.lpid = record_lpid,
};
