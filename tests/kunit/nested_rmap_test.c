// SPDX-License-Identifier: GPL-2.0
/*
 * The reverse map: packed entries, the three states of a word, and removal.
 */
#include <linux/ktime.h>
#include <linux/random.h>
#include <linux/sched.h>

#include "compat.h"
#include "nested_rmap.h"
#include "radix_vm.h"

static void packed(struct kunit *test)
{
	static const unsigned long lpids[] = { 1, 2, 0x7ff, 0x800, 0xffe, 0xfff };
	static const unsigned long gpas[] = {
		0, 0x1000, PAGE_SIZE, 1UL << 51, (1UL << 52) - 0x1000,
	};
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(lpids); i++) {
		for (j = 0; j < ARRAY_SIZE(gpas); j++) {
			unsigned long entry = khx_rmap_pack(lpids[i], gpas[j]);

			KUNIT_EXPECT_NE(test, entry, 0);
			KUNIT_EXPECT_EQ(test, entry & ~(RMAP_NESTED_LPID_MASK |
							RMAP_NESTED_GPA_MASK), 0);
			KUNIT_EXPECT_EQ(test, khx_rmap_lpid(entry), lpids[i]);
			KUNIT_EXPECT_EQ(test, khx_rmap_gpa(entry), gpas[j]);
			KUNIT_EXPECT_EQ(test, khx_rmap_first(entry | 1), entry);
		}
	}
	/* an entry has no page offset */
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(1, 0xfff), khx_rmap_pack(1, 0));
	/* the LPID of the host, and values that do not fit */
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(0, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(0x1000, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(-1UL, PAGE_SIZE), 0);
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(1, 1UL << 52), 0);
	KUNIT_EXPECT_EQ(test, khx_rmap_pack(1, -PAGE_SIZE), 0);
}

static int insert(struct test_vm *f, unsigned long page,
		  struct kvm_nested_guest *gp, unsigned long n_page)
{
	int err;

	spin_lock(&f->kvm->mmu_lock);
	err = khx_rmap_insert(&f->vm->nested.rmap, f->slot, TEST_SLOT_GFN + page, gp,
			      n_page << PAGE_SHIFT);
	spin_unlock(&f->kvm->mmu_lock);
	return err;
}

static bool remove(struct test_vm *f, struct kvm_nested_guest *gp,
		   unsigned long n_page)
{
	bool was;

	spin_lock(&f->kvm->mmu_lock);
	was = khx_rmap_remove(&f->vm->nested.rmap, gp, n_page << PAGE_SHIFT);
	spin_unlock(&f->kvm->mmu_lock);
	return was;
}

/* Return the page of the slot that a shadow PTE maps, or -1. */
static long find(struct test_vm *f, struct kvm_nested_guest *gp,
		 unsigned long n_page)
{
	gfn_t gfn;

	return khx_rmap_find(&f->vm->nested.rmap, gp, n_page << PAGE_SHIFT, &gfn) ?
	       (long)(gfn - TEST_SLOT_GFN) : -1;
}

/* Does the word of the page have the entry exactly once? */
static bool listed(struct test_vm *f, unsigned long page,
		   struct kvm_nested_guest *gp, unsigned long n_page)
{
	struct llist_node *node = (struct llist_node *)f->slot->arch.rmap[page];
	unsigned long want = khx_rmap_pack(gp->shadow_lpid, n_page << PAGE_SHIFT);
	struct rmap_nested *cursor;
	unsigned int nr = 0;
	unsigned long entry;

	for_each_nest_rmap_safe(cursor, node, &entry)
		nr += (entry & ~RMAP_NESTED_IS_SINGLE_ENTRY) == want;
	return nr == 1;
}

static void states(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned long *word = &f->slot->arch.rmap[7], single;

	single = khx_rmap_pack(2, 3 << PAGE_SHIFT) | RMAP_NESTED_IS_SINGLE_ENTRY;
	KUNIT_EXPECT_EQ(test, *word, 0);

	KUNIT_EXPECT_EQ(test, insert(f, 7, gp, 3), 0);
	KUNIT_EXPECT_EQ(test, *word, single);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 0);
	KUNIT_EXPECT_EQ(test, khx_rmap_first(*word), single & ~1UL);

	/* inserting it again changes nothing */
	KUNIT_EXPECT_EQ(test, insert(f, 7, gp, 3), 0);
	KUNIT_EXPECT_EQ(test, *word, single);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 1);

	KUNIT_EXPECT_EQ(test, insert(f, 7, gp, 4), 0);
	KUNIT_EXPECT_EQ(test, *word & RMAP_NESTED_IS_SINGLE_ENTRY, 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 7), 2);
	KUNIT_EXPECT_TRUE(test, listed(f, 7, gp, 3));
	KUNIT_EXPECT_TRUE(test, listed(f, 7, gp, 4));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 2);

	KUNIT_EXPECT_EQ(test, insert(f, 7, gp, 4), 0);
	KUNIT_EXPECT_EQ(test, insert(f, 7, gp, 5), 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 7), 3);

	/* the middle of the list, then its head; one entry needs no list */
	KUNIT_EXPECT_TRUE(test, remove(f, gp, 4));
	KUNIT_EXPECT_FALSE(test, remove(f, gp, 4));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 7), 2);
	KUNIT_EXPECT_TRUE(test, remove(f, gp, 5));
	KUNIT_EXPECT_EQ(test, *word, single);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 0);
	KUNIT_EXPECT_EQ(test, find(f, gp, 3), 7);

	KUNIT_EXPECT_TRUE(test, remove(f, gp, 3));
	KUNIT_EXPECT_EQ(test, *word, 0);
	KUNIT_EXPECT_EQ(test, find(f, gp, 3), -1);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
}

/* A new entry of a shadow PTE replaces its entry for the previous page. */
static void moved(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 0xfff);
	unsigned long page;

	for (page = 0; page < 100; page++) {
		KUNIT_EXPECT_EQ(test, insert(f, page, gp, 0), 0);
		KUNIT_EXPECT_EQ(test, find(f, gp, 0), page);
		KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 1);
		if (page)
			KUNIT_EXPECT_EQ(test, f->slot->arch.rmap[page - 1], 0);
	}
}

static void refused(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *zero = test_add_nested(test, 1, 0);
	struct kvm_nested_guest *large = test_add_nested(test, 2, 0x1003);

	KUNIT_EXPECT_EQ(test, insert(f, 1, zero, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, insert(f, 1, large, 1), -EINVAL);
	KUNIT_EXPECT_EQ(test, f->slot->arch.rmap[1], 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_TRUE(test, xa_empty(&f->vm->nested.rmap.shadows));
}

#define MODEL_GUESTS	3
#define MODEL_N_PAGES	256
#define MODEL_PAGES	32
#define MODEL_STEPS	1000000
#define MODEL_CHECKS	50

struct model {
	struct kvm_nested_guest *gp[MODEL_GUESTS];
	long page[MODEL_GUESTS][MODEL_N_PAGES];	/* -1: none */
};

static void model_check(struct kunit *test, const struct model *m)
{
	struct test_vm *f = test->priv;
	unsigned int count[MODEL_PAGES] = {}, entries = 0, nodes = 0, g, n;

	for (g = 0; g < MODEL_GUESTS; g++) {
		for (n = 0; n < MODEL_N_PAGES; n++) {
			KUNIT_ASSERT_EQ(test, find(f, m->gp[g], n), m->page[g][n]);
			if (m->page[g][n] < 0)
				continue;
			KUNIT_ASSERT_TRUE(test, listed(f, m->page[g][n], m->gp[g], n));
			count[m->page[g][n]]++;
			entries++;
		}
	}
	for (n = 0; n < MODEL_PAGES; n++) {
		KUNIT_ASSERT_EQ(test, test_count_rmap(f, n), count[n]);
		nodes += count[n] > 1 ? count[n] : 0;
	}
	KUNIT_ASSERT_EQ(test, f->vm->nested.rmap.entries, entries);
	KUNIT_ASSERT_EQ(test, f->vm->nested.rmap.nodes, nodes);
}

#define MODEL_BATCH	1000

/* Do random operations in one hold of the lock. Return how many failed. */
static unsigned int model_steps(struct test_vm *f, struct model *m, unsigned long *seed,
				bool mostly_in)
{
	unsigned int wrong = 0, step, what, g, n;
	struct khx_nested_rmap *r = &f->vm->nested.rmap;
	long *page;

	spin_lock(&f->kvm->mmu_lock);
	for (step = 0; step < MODEL_BATCH; step++) {
		*seed = *seed * 6364136223846793005UL + 1442695040888963407UL;
		what = *seed >> 33;
		g = what % MODEL_GUESTS;
		n = what / 4 % MODEL_N_PAGES;
		page = &m->page[g][n];

		if (what / 1024 % 10 < (mostly_in ? 7 : 3)) {
			*page = what / 16384 % MODEL_PAGES;
			wrong += khx_rmap_insert(r, f->slot, TEST_SLOT_GFN + *page,
						 m->gp[g], (gpa_t)n << PAGE_SHIFT) != 0;
		} else {
			wrong += khx_rmap_remove(r, m->gp[g], (gpa_t)n << PAGE_SHIFT) !=
				 (*page >= 0);
			*page = -1;
		}
	}
	spin_unlock(&f->kvm->mmu_lock);
	return wrong;
}

/* A million random operations, compared with an array. */
static void random_operations(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct model *m = test_zalloc(test, sizeof(*m));
	unsigned long seed = get_random_u32(), batch;
	unsigned int g, n;

	kunit_info(test, "seed %lu", seed);
	for (g = 0; g < MODEL_GUESTS; g++) {
		m->gp[g] = test_add_nested(test, 100 + g, 200 + g);
		for (n = 0; n < MODEL_N_PAGES; n++)
			m->page[g][n] = -1;
	}

	for (batch = 1; batch <= MODEL_STEPS / MODEL_BATCH; batch++) {
		/* in turns mostly insertions and mostly removals */
		KUNIT_ASSERT_EQ(test, model_steps(f, m, &seed, batch / 4 % 2), 0);
		if (!(batch % (MODEL_STEPS / MODEL_BATCH / MODEL_CHECKS)))
			model_check(test, m);
		cond_resched();
	}
}

/* A nested guest ends; entries of another one in the same lists stay. */
static void guest_ends(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *one = test_add_nested(test, 1, 2);
	struct kvm_nested_guest *two = test_add_nested(test, 2, 3);
	unsigned long n;

	for (n = 0; n < 64; n++) {
		KUNIT_ASSERT_EQ(test, insert(f, n % 4, one, n), 0);
		if (n < 5)
			KUNIT_ASSERT_EQ(test, insert(f, n % 4, two, n), 0);
	}
	spin_lock(&f->kvm->mmu_lock);
	khx_rmap_remove_all(&f->vm->nested.rmap, khx_rmap_shadow(&f->vm->nested.rmap, 2));
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_NULL(test, khx_rmap_shadow(&f->vm->nested.rmap, 2));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 5);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 2);
	for (n = 0; n < 5; n++)
		KUNIT_EXPECT_TRUE(test, listed(f, n % 4, two, n));
}

#define ALIASES		100000UL

/* Measure insertion and removal with many shadow PTEs of one page. */
static void aliases(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned long n, i;
	u64 begin, few = 0;

	begin = ktime_get_ns();
	for (n = 0; n < ALIASES; n++) {
		KUNIT_ASSERT_EQ(test, insert(f, 1, gp, n), 0);
		if (n == 99)
			few = ktime_get_ns() - begin;
		if (!(n % 1024))
			cond_resched();
	}
	kunit_info(test, "insert: %llu ns each for 100, %llu for %lu", few / 100,
		   (ktime_get_ns() - begin) / ALIASES, ALIASES);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, ALIASES);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, ALIASES);

	/* not in the order of insertion: a plain list would be searched */
	begin = ktime_get_ns();
	for (n = 0, i = 0; n < ALIASES; n++, i = (i + 77777) % ALIASES) {
		KUNIT_ASSERT_TRUE(test, remove(f, gp, i));
		if (!(n % 1024))
			cond_resched();
	}
	kunit_info(test, "remove: %llu ns each", (ktime_get_ns() - begin) / ALIASES);
	KUNIT_EXPECT_EQ(test, f->slot->arch.rmap[1], 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 0);
}

/* Nodes of the index that an insertion left, which then found no memory, are freed. */
static void guest_ends_after_no_memory(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct khx_nested_rmap *r = &f->vm->nested.rmap;
	const struct xarray *owner;
	struct xa_node *node;
	bool freed;

	KUNIT_ASSERT_EQ(test, 0, insert(f, 7, gp, 3));
	node = test_store_half(test, &khx_rmap_shadow(r, 2)->pages, 1UL << 30);
	owner = node->array;
	/* until this ends the memory of a freed node is not used again */
	rcu_read_lock();
	spin_lock(&f->kvm->mmu_lock);
	khx_rmap_remove_all(r, khx_rmap_shadow(r, 2));
	spin_unlock(&f->kvm->mmu_lock);
	freed = node->array != owner;
	rcu_read_unlock();
	KUNIT_EXPECT_TRUE(test, freed);
	KUNIT_EXPECT_EQ(test, r->entries, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(packed),
	KUNIT_CASE(states),
	KUNIT_CASE(moved),
	KUNIT_CASE(refused),
	KUNIT_CASE(random_operations),
	KUNIT_CASE(guest_ends),
	KUNIT_CASE(guest_ends_after_no_memory),
	KUNIT_CASE(aliases),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_nested_rmap",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
