// SPDX-License-Identifier: GPL-2.0
/*
 * The walk over the leaves of a partition-scoped tree.
 */
#include <linux/mm.h>
#include <linux/random.h>

#include "compat.h"
#include "radix_walk.h"
#include "table.h"

#define UNLIMITED	UINT_MAX

struct leaf {
	unsigned long gpa;
	unsigned int shift;
	pte_t *ptep;
};

static void expect_leaf(struct kunit *test, struct khx_walk *w,
			unsigned long gpa, unsigned int shift, pte_t *ptep)
{
	KUNIT_ASSERT_TRUE(test, khx_walk_next(w));
	KUNIT_EXPECT_EQ(test, w->leaf.gpa, gpa);
	KUNIT_EXPECT_EQ(test, w->leaf.shift, shift);
	KUNIT_EXPECT_PTR_EQ(test, w->leaf.ptep, ptep);
	KUNIT_EXPECT_EQ(test, pte_val(w->leaf.old), pte_val(*ptep));
}

static void expect_end(struct kunit *test, struct khx_walk *w)
{
	KUNIT_EXPECT_FALSE(test, khx_walk_next(w));
	KUNIT_EXPECT_TRUE(test, khx_walk_done(w));
}

static void empty(struct kunit *test)
{
	struct khx_walk w;

	khx_walk_init(&w, NULL, 0, -PAGE_SIZE, UNLIMITED);
	expect_end(test, &w);

	khx_walk_init(&w, test_table(test), 0, -PAGE_SIZE, UNLIMITED);
	expect_end(test, &w);
	/* the walk has read each root entry once, and nothing below */
	KUNIT_EXPECT_EQ(test, UNLIMITED - w.budget, PTRS_PER_PGD);
}

static void every_level(struct kunit *test)
{
	pgd_t *root = test_table(test);
	pte_t *small = test_map(test, root, 5 * PAGE_SIZE, PAGE_SHIFT, 0, 0);
	pte_t *large = test_map(test, root, 3 * PMD_SIZE, PMD_SHIFT, 0, 0);
	pte_t *huge = test_map(test, root, 7 * PUD_SIZE, PUD_SHIFT, 0, 0);
	pte_t *far = test_map(test, root, 2 * PGDIR_SIZE + PAGE_SIZE, PAGE_SHIFT, 0, 0);
	struct khx_walk w;

	khx_walk_init(&w, root, 0, RADIX_PGTABLE_RANGE, UNLIMITED);
	expect_leaf(test, &w, 5 * PAGE_SIZE, PAGE_SHIFT, small);
	expect_leaf(test, &w, 3 * PMD_SIZE, PMD_SHIFT, large);
	expect_leaf(test, &w, 7 * PUD_SIZE, PUD_SHIFT, huge);
	expect_leaf(test, &w, 2 * PGDIR_SIZE + PAGE_SIZE, PAGE_SHIFT, far);
	expect_end(test, &w);
}

/* The walk skips leaves without the wanted bits, whatever their size. */
static void only_with_bits(struct kunit *test)
{
	const unsigned long dirty = _PAGE_DIRTY, young = _PAGE_ACCESSED;
	pgd_t *root = test_table(test);
	pte_t *small, *large, *huge;
	struct khx_walk w;

	test_map(test, root, 0, PAGE_SHIFT, 0, 0);
	test_map(test, root, PAGE_SIZE, PAGE_SHIFT, 0, young);
	small = test_map(test, root, 2 * PAGE_SIZE, PAGE_SHIFT, 0, dirty);
	test_map(test, root, PMD_SIZE, PMD_SHIFT, 0, young);
	large = test_map(test, root, 2 * PMD_SIZE, PMD_SHIFT, 0, young | dirty);
	test_map(test, root, PUD_SIZE, PUD_SHIFT, 0, 0);
	huge = test_map(test, root, 2 * PUD_SIZE, PUD_SHIFT, 0, dirty);
	test_map(test, root, 3 * PUD_SIZE, PAGE_SHIFT, 0, 0);

	khx_walk_init(&w, root, 0, RADIX_PGTABLE_RANGE, UNLIMITED);
	w.only = dirty;
	expect_leaf(test, &w, 2 * PAGE_SIZE, PAGE_SHIFT, small);
	expect_leaf(test, &w, 2 * PMD_SIZE, PMD_SHIFT, large);
	expect_leaf(test, &w, 2 * PUD_SIZE, PUD_SHIFT, huge);
	expect_end(test, &w);

	/* one of the bits suffices; skipped leaves use up budget, too */
	khx_walk_init(&w, root, 0, RADIX_PGTABLE_RANGE, 4);
	w.only = dirty | young;
	expect_leaf(test, &w, PAGE_SIZE, PAGE_SHIFT, small - 1);
	expect_leaf(test, &w, 2 * PAGE_SIZE, PAGE_SHIFT, small);
	KUNIT_EXPECT_FALSE(test, khx_walk_next(&w));
	KUNIT_EXPECT_FALSE(test, khx_walk_done(&w));
	KUNIT_EXPECT_EQ(test, w.next, 3 * PAGE_SIZE);
}

static void bounds(struct kunit *test)
{
	pgd_t *root = test_table(test);
	pte_t *large = test_map(test, root, PMD_SIZE, PMD_SHIFT, 0, 0);
	pte_t *a = test_map(test, root, 2 * PMD_SIZE, PAGE_SHIFT, 0, 0);
	pte_t *b = test_map(test, root, 2 * PMD_SIZE + PAGE_SIZE, PAGE_SHIFT, 0, 0);
	struct khx_walk w;

	/* begins inside a large leaf, ends before b */
	khx_walk_init(&w, root, PMD_SIZE + 3 * PAGE_SIZE,
		      2 * PMD_SIZE + PAGE_SIZE, UNLIMITED);
	expect_leaf(test, &w, PMD_SIZE, PMD_SHIFT, large);
	expect_leaf(test, &w, 2 * PMD_SIZE, PAGE_SHIFT, a);
	expect_end(test, &w);

	/* begins after a */
	khx_walk_init(&w, root, 2 * PMD_SIZE + PAGE_SIZE, 3 * PMD_SIZE, UNLIMITED);
	expect_leaf(test, &w, 2 * PMD_SIZE + PAGE_SIZE, PAGE_SHIFT, b);
	expect_end(test, &w);

	/* nothing in an empty range */
	khx_walk_init(&w, root, PMD_SIZE, PMD_SIZE, UNLIMITED);
	expect_end(test, &w);
}

static void beyond_the_tree(struct kunit *test)
{
	pgd_t *root = test_table(test);
	pte_t *first = test_map(test, root, 0, PAGE_SHIFT, 0, 0);
	pte_t *last = test_map(test, root, RADIX_PGTABLE_RANGE - PAGE_SIZE, PAGE_SHIFT, 0, 0);
	struct khx_walk w;

	/* 1 << 52 must not be taken for 0 */
	khx_walk_init(&w, root, RADIX_PGTABLE_RANGE, RADIX_PGTABLE_RANGE + PAGE_SIZE,
		      UNLIMITED);
	expect_end(test, &w);

	khx_walk_init(&w, root, 0, RADIX_PGTABLE_RANGE + PAGE_SIZE, UNLIMITED);
	expect_leaf(test, &w, 0, PAGE_SHIFT, first);
	expect_leaf(test, &w, RADIX_PGTABLE_RANGE - PAGE_SIZE, PAGE_SHIFT, last);
	expect_end(test, &w);
}

/* Map random leaves of all sizes. Return them in ascending order. */
static struct leaf *random_leaves(struct kunit *test, pgd_t *root, unsigned int nr)
{
	const unsigned int shifts[] = {
		PAGE_SHIFT, PAGE_SHIFT, PAGE_SHIFT, PMD_SHIFT, PUD_SHIFT
	};
	struct leaf *leaves = kunit_kcalloc(test, nr, sizeof(*leaves), GFP_KERNEL);
	unsigned long gpa = 0;
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, leaves);
	for (i = 0; i < nr; i++) {
		unsigned int shift = shifts[get_random_u32() % ARRAY_SIZE(shifts)];

		/* a hole of 0 to 3 units of some level, then align */
		gpa += (unsigned long)(get_random_u32() % 4) <<
		       shifts[get_random_u32() % ARRAY_SIZE(shifts)];
		gpa = ALIGN(gpa, 1UL << shift);
		leaves[i].gpa = gpa;
		leaves[i].shift = shift;
		leaves[i].ptep = test_map(test, root, gpa, shift, 0, 0);
		gpa += 1UL << shift;
	}
	return leaves;
}

/* Walks find all leaves of a range, whatever the budget of each. */
static void random_tables(struct kunit *test)
{
	unsigned int round, nr = 300;

	for (round = 0; round < 20; round++) {
		pgd_t *root = test_table(test);
		struct leaf *leaves = random_leaves(test, root, nr);
		unsigned long span = leaves[nr - 1].gpa + (1UL << leaves[nr - 1].shift);
		unsigned long start = PAGE_ALIGN(get_random_u64() % span);
		unsigned long end = start + PAGE_ALIGN(get_random_u64() % span);
		unsigned int budget = 2 + get_random_u32() % (round < 10 ? 3 : 300);
		struct khx_walk w;
		unsigned int i = 0;

		while (i < nr && leaves[i].gpa + (1UL << leaves[i].shift) <= start)
			i++;

		khx_walk_init(&w, root, start, end, budget);
		for (;;) {
			while (khx_walk_next(&w)) {
				KUNIT_ASSERT_LT(test, i, nr);
				KUNIT_ASSERT_EQ(test, w.leaf.gpa, leaves[i].gpa);
				KUNIT_ASSERT_EQ(test, w.leaf.shift, leaves[i].shift);
				KUNIT_ASSERT_PTR_EQ(test, w.leaf.ptep, leaves[i].ptep);
				i++;
			}
			if (khx_walk_done(&w))
				break;
			khx_walk_init(&w, root, w.next, end, budget);
		}
		KUNIT_EXPECT_TRUE(test, i == nr || leaves[i].gpa >= end);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(empty),
	KUNIT_CASE(every_level),
	KUNIT_CASE(only_with_bits),
	KUNIT_CASE(bounds),
	KUNIT_CASE(beyond_the_tree),
	KUNIT_CASE(random_tables),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_walk",
	.test_cases = cases,
};

kunit_test_suite(suite);
