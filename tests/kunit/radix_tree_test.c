// SPDX-License-Identifier: GPL-2.0
/*
 * Page-table pages: random leaves of all sizes in a tree, compared with a list
 * of them.
 */
#include <linux/random.h>
#include <linux/sort.h>

#include "compat.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "table.h"

#define NR_LEAVES	300
#define BITS		(_PAGE_PRESENT | _PAGE_PTE | _PAGE_READ)

struct leaf {
	unsigned long gpa;
	unsigned int level;
};

struct model {
	struct leaf leaf[NR_LEAVES];
	unsigned int nr;
};

static unsigned long size_of(unsigned int level)
{
	return 1UL << khx_tree_level_shift(level);
}

/* Return a leaf at a random address, often near others. */
static struct leaf random_leaf(void)
{
	struct leaf l = { .level = get_random_u32() % KHX_LEVELS };
	unsigned long gpa = get_random_u64();

	if (get_random_u32() % 2)
		gpa %= 4 * PUD_SIZE;
	l.gpa = round_down(gpa % RADIX_PGTABLE_RANGE, size_of(l.level));
	return l;
}

static const struct leaf *overlapping(const struct model *m, const struct leaf *l)
{
	unsigned int i;

	for (i = 0; i < m->nr; i++)
		if (m->leaf[i].gpa < l->gpa + size_of(l->level) &&
		    l->gpa < m->leaf[i].gpa + size_of(m->leaf[i].level))
			return &m->leaf[i];
	return NULL;
}

/* Find the entry for a leaf. Allocate the page-table pages that are missing. */
static pte_t *entry_for(struct kunit *test, pgd_t *root, unsigned long gpa,
			unsigned int *level)
{
	struct khx_tables tables = {};
	unsigned int wanted = *level, tries = 0;
	pte_t *entry;

	while (!(entry = khx_tree_entry(root, gpa, level, &tables))) {
		KUNIT_ASSERT_LT(test, *level, KHX_LEVELS);
		KUNIT_ASSERT_LE(test, ++tries, KHX_LEVELS);
		KUNIT_ASSERT_NULL(test, tables.table[*level]);
		tables.table[*level] = khx_tree_table_alloc(*level);
		KUNIT_ASSERT_NOT_NULL(test, tables.table[*level]);
		*level = wanted;
	}
	/* the tree has used each page that it asked for */
	for (wanted = 0; wanted < KHX_LEVELS; wanted++)
		KUNIT_EXPECT_NULL(test, tables.table[wanted]);
	return entry;
}

static int by_gpa(const void *a, const void *b)
{
	const struct leaf *one = a, *two = b;

	return one->gpa < two->gpa ? -1 : one->gpa > two->gpa;
}

static void expect_leaves(struct kunit *test, pgd_t *root, struct model *m)
{
	struct khx_walk w;
	unsigned int i;

	sort(m->leaf, m->nr, sizeof(m->leaf[0]), by_gpa, NULL);
	khx_walk_init(&w, root, 0, RADIX_PGTABLE_RANGE, UINT_MAX);
	for (i = 0; i < m->nr; i++) {
		KUNIT_ASSERT_TRUE(test, khx_walk_next(&w));
		KUNIT_ASSERT_EQ(test, w.leaf.gpa, m->leaf[i].gpa);
		KUNIT_ASSERT_EQ(test, w.leaf.shift, khx_tree_level_shift(m->leaf[i].level));
	}
	KUNIT_EXPECT_FALSE(test, khx_walk_next(&w));
}

static void random_leaves(struct kunit *test)
{
	struct model *m = test_zalloc(test, sizeof(*m));
	pgd_t *root = test_table(test), *other_root = test_table(test);
	unsigned int i, level;
	pte_t *entry;

	for (i = 0; i < NR_LEAVES; i++) {
		struct leaf l = random_leaf();
		const struct leaf *other = overlapping(m, &l);

		level = l.level;
		entry = entry_for(test, root, l.gpa, &level);
		if (!other) {
			KUNIT_ASSERT_EQ(test, level, l.level);
			KUNIT_ASSERT_FALSE(test, pte_val(*entry) & _PAGE_PTE);
			if (khx_tree_is_table(*entry))
				khx_tree_prune(*entry, level);
			*entry = __pte(BITS);
			m->leaf[m->nr++] = l;
		} else if (other->level >= l.level) {
			/* the entry is that of the leaf that contains it */
			KUNIT_ASSERT_EQ(test, level, other->level);
			KUNIT_ASSERT_EQ(test, pte_val(*entry), BITS);
		} else {
			/* smaller leaves are below the entry */
			KUNIT_ASSERT_EQ(test, level, l.level);
			KUNIT_ASSERT_TRUE(test, khx_tree_is_table(*entry));
		}
	}
	expect_leaves(test, root, m);

	khx_tree_move(other_root, root);
	expect_leaves(test, other_root, m);
	khx_tree_free(other_root);
	m->nr = 0;
	expect_leaves(test, other_root, m);
	for (i = 0; i < PTRS_PER_PGD; i++) {
		KUNIT_ASSERT_EQ(test, pgd_val(root[i]), 0);
		KUNIT_ASSERT_EQ(test, pgd_val(other_root[i]), 0);
	}
}

/* A large leaf replaces the tables below an entry, and nothing else. */
static void prune(struct kunit *test)
{
	struct model *m = test_zalloc(test, sizeof(*m));
	pgd_t *root = test_table(test);
	unsigned int level, at, i;
	pte_t *entry, old;

	for (level = 1; level < KHX_LEVELS; level++) {
		for (i = 0; i < 40; i++) {
			unsigned long gpa = 3 * PUD_SIZE + get_random_u64() % PUD_SIZE;

			at = 0;
			entry = entry_for(test, root, gpa, &at);
			if (!at)
				*entry = __pte(BITS);
		}
		test_map(test, root, 2 * PUD_SIZE, PAGE_SHIFT, 0, 0);
		test_map(test, root, 4 * PUD_SIZE, PMD_SHIFT, 0, 0);
		at = level;
		entry = entry_for(test, root, 3 * PUD_SIZE, &at);
		KUNIT_ASSERT_EQ(test, at, level);
		old = khx_tree_table_unlink(entry);
		KUNIT_ASSERT_TRUE(test, pte_none(*entry));
		*entry = __pte(BITS);
		if (khx_tree_is_table(old))
			khx_tree_prune(old, level);
	}
	m->leaf[0] = (struct leaf){ .gpa = 2 * PUD_SIZE, .level = 0 };
	m->leaf[1] = (struct leaf){ .gpa = 3 * PUD_SIZE, .level = 2 };
	m->leaf[2] = (struct leaf){ .gpa = 4 * PUD_SIZE, .level = 1 };
	m->nr = 3;
	expect_leaves(test, root, m);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(random_leaves),
	KUNIT_CASE(prune),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_tree",
	.test_cases = cases,
};

kunit_test_suite(suite);
