// SPDX-License-Identifier: GPL-2.0
/*
 * Changes of single leaves: what is written, flushed and counted.
 */
#include <linux/kvm_host.h>

#include "compat.h"
#include "radix_pass.h"
#include "radix_tree.h"
#include "radix_vm.h"
#include "radix_walk.h"

#define BITS	(_PAGE_PRESENT | _PAGE_PTE | _PAGE_READ | _PAGE_WRITE)

static struct khx_leaf leaf_at(pte_t *ptep, unsigned long page, unsigned int shift)
{
	return (struct khx_leaf){
		.ptep = ptep,
		.old = READ_ONCE(*ptep),
		.gpa = round_down(test_gpa(page), 1UL << shift),
		.shift = shift,
	};
}

/* Run a pass over one leaf. Return the old value. */
static unsigned long write_leaf(struct test_vm *f, u64 lpid, const struct khx_leaf *leaf,
				unsigned long clear, unsigned long set)
{
	struct khx_pass p = { .vm = f->vm, .flush = &f->vm->radix.notifier_flush };
	unsigned long old;

	test_requests_reset();
	spin_lock(&f->kvm->mmu_lock);
	khx_flush_begin(p.flush, f->kvm->arch.lpid, f->kvm->nr_memslot_pages);
	old = khx_pass_write(&p, lpid, leaf, clear, set);
	khx_pass_finish(&p);
	spin_unlock(&f->kvm->mmu_lock);
	return old;
}

/* Clearing bits flushes; setting does not. Nested faults need not retry. */
static void clear_and_set(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *ptep = test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	struct khx_leaf leaf = leaf_at(ptep, 1, PAGE_SHIFT);
	unsigned long seq = f->kvm->mmu_invalidate_seq;

	f->kvm->arch.nested_enable = true;
	KUNIT_EXPECT_EQ(test, write_leaf(f, TEST_LPID, &leaf, _PAGE_DIRTY, 0),
			pte_val(leaf.old));
	KUNIT_EXPECT_EQ(test, pte_val(*ptep), pte_val(leaf.old) & ~_PAGE_DIRTY);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(1)));
	KUNIT_EXPECT_EQ(test, f->kvm->mmu_invalidate_seq, seq);

	/* a bit that is clear already */
	leaf = leaf_at(ptep, 1, PAGE_SHIFT);
	write_leaf(f, TEST_LPID, &leaf, _PAGE_DIRTY, _PAGE_EXEC);
	KUNIT_EXPECT_EQ(test, pte_val(*ptep), pte_val(leaf.old) | _PAGE_EXEC);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	leaf = leaf_at(ptep, 1, PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, write_leaf(f, TEST_LPID, &leaf, 0, _PAGE_DIRTY),
			pte_val(leaf.old));
	KUNIT_EXPECT_EQ(test, pte_val(*ptep), pte_val(leaf.old) | _PAGE_DIRTY);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
	KUNIT_EXPECT_EQ(test, f->kvm->mmu_invalidate_seq, seq);
}

/*
 * A nested guest has stored to large pages of a memslot that is not logged. That costs
 * nothing for each page: page by page this would last until the watchdog reports it.
 */
static void large_without_log(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct khx_pass p = { .vm = f->vm };
	unsigned long *bitmap = f->slot->dirty_bitmap, npages = f->slot->npages;

	f->slot->dirty_bitmap = NULL;
	f->slot->npages = 1UL << 40;
	spin_lock(&f->kvm->mmu_lock);
	khx_pass_found_dirty(&p, NULL, f->slot->base_gfn, f->slot->base_gfn + f->slot->npages);
	khx_pass_finish(&p);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_EQ(test, 0, f->vm->radix.dirty.nr);
	f->slot->dirty_bitmap = bitmap;
	f->slot->npages = npages;
}

/*
 * L1 invalidates a nested translation while a harvest has yet to flush the same page. Debug
 * builds see nothing wrong: the harvest flushes before userspace has its bitmap.
 */
static void shadow_during_harvest(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *ptep = test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	struct khx_pass harvest = {
		.vm = f->vm, .flush = &f->vm->radix.flush, .flush_later = true,
	};
	struct khx_pass shadow = { .vm = f->vm };
	struct khx_leaf leaf = leaf_at(ptep, 1, PAGE_SHIFT);

	test_requests_reset();
	spin_lock(&f->kvm->mmu_lock);
	khx_flush_begin(harvest.flush, f->kvm->arch.lpid, f->kvm->nr_memslot_pages);
	khx_pass_write(&harvest, TEST_LPID, &leaf, _PAGE_DIRTY, 0);
	khx_pass_finish(&harvest);
	khx_pass_found_dirty(&shadow, f->slot, f->slot->base_gfn + 1, f->slot->base_gfn + 2);
	khx_pass_finish(&shadow);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	khx_flush_finish(harvest.flush);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(1)));
}

/* C that the MMU sets after the leaf was read stays for the next pass. */
static void set_after_it_was_read(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *ptep = test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	struct khx_leaf leaf = leaf_at(ptep, 1, PAGE_SHIFT);

	__radix_pte_update(ptep, 0, _PAGE_DIRTY);
	KUNIT_EXPECT_FALSE(test, write_leaf(f, TEST_LPID, &leaf, _PAGE_DIRTY, 0) & _PAGE_DIRTY);
	KUNIT_EXPECT_TRUE(test, pte_dirty(*ptep));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	/* zapping the leaf returns C */
	KUNIT_EXPECT_TRUE(test, write_leaf(f, TEST_LPID, &leaf, KHX_PASS_ALL, 0) &
				_PAGE_DIRTY);
	KUNIT_EXPECT_TRUE(test, pte_none(*ptep));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

static void expect_counts(struct kunit *test, long pmds, long puds)
{
	struct test_vm *f = test->priv;

	KUNIT_EXPECT_EQ(test, (long)f->kvm->stat.num_2M_pages, pmds);
	KUNIT_EXPECT_EQ(test, (long)f->kvm->stat.num_1G_pages, puds);
}

/* A pass counts large leaves of the guest's own table that it adds or zaps. */
static void large_leaves(struct kunit *test)
{
	const unsigned int shifts[] = { PAGE_SHIFT, PMD_SHIFT, PUD_SHIFT };
	struct test_vm *f = test->priv;
	struct khx_leaf leaf;
	unsigned int i;
	pte_t entry;

	for (i = 0; i < ARRAY_SIZE(shifts); i++) {
		entry = __pte(0);
		leaf = leaf_at(&entry, 0, shifts[i]);
		write_leaf(f, TEST_LPID, &leaf, 0, BITS);
		KUNIT_EXPECT_EQ(test, pte_val(entry), BITS);
		KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
		expect_counts(test, i == 1, i == 2);

		leaf = leaf_at(&entry, 0, shifts[i]);
		write_leaf(f, TEST_LPID, &leaf, 0, TEST_RC);
		expect_counts(test, i == 1, i == 2);
		leaf = leaf_at(&entry, 0, shifts[i]);
		write_leaf(f, TEST_LPID, &leaf, TEST_RC, 0);
		expect_counts(test, i == 1, i == 2);
		KUNIT_EXPECT_EQ(test, test_requests_of(TEST_LPID), 1);

		/* those of a nested guest are not counted */
		leaf = leaf_at(&entry, 0, shifts[i]);
		write_leaf(f, 70, &leaf, KHX_PASS_ALL, 0);
		expect_counts(test, i == 1, i == 2);
		KUNIT_EXPECT_EQ(test, test_requests_of(TEST_LPID), 0);
		KUNIT_EXPECT_EQ(test, test_requests_of(70), 1);

		entry = __pte(BITS);
		leaf = leaf_at(&entry, 0, shifts[i]);
		write_leaf(f, TEST_LPID, &leaf, KHX_PASS_ALL, 0);
		KUNIT_EXPECT_EQ(test, pte_val(entry), 0);
		expect_counts(test, 0, 0);
	}
}

/* Leaves are also counted when the page-table page that has them is linked. */
static void tables_of_leaves(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct khx_pass p = { .vm = f->vm };
	unsigned int level, i;
	pte_t entry, *table;

	for (level = 0; level < 2; level++) {
		table = khx_tree_table_alloc(level);
		KUNIT_ASSERT_NOT_NULL(test, table);
		for (i = 0; i < 7; i++)
			table[i] = __pte(BITS);
		entry = __pte(0);

		spin_lock(&f->kvm->mmu_lock);
		khx_pass_link(&p, &entry, table, level);
		expect_counts(test, level ? 7 : 0, 0);
		KUNIT_EXPECT_TRUE(test, khx_tree_is_table(entry));
		KUNIT_EXPECT_PTR_EQ(test, khx_tree_table_of(khx_pass_unlink(&p, &entry, level),
							    level + 1), table);
		spin_unlock(&f->kvm->mmu_lock);
		expect_counts(test, 0, 0);
		KUNIT_EXPECT_TRUE(test, pte_none(entry));
		khx_tree_table_free(table);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(clear_and_set),
	KUNIT_CASE(shadow_during_harvest),
	KUNIT_CASE(set_after_it_was_read),
	KUNIT_CASE(large_without_log),
	KUNIT_CASE(large_leaves),
	KUNIT_CASE(tables_of_leaves),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_pass",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
