// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on shadow tables, on tables that the test builds.
 */
#include <linux/bitmap.h>
#include <linux/idr.h>

#include "compat.h"
#include "hooks.h"
#include "nested_mmu.h"
#include "nested_rmap.h"
#include "params.h"
#include "radix_tree.h"
#include "radix_vm.h"

#define N_GPA	(3 * PMD_SIZE)	/* where the nested guest maps the page */

/*
 * The guest's leaf (own) and the shadow PTE: levels, and pages of the slot
 * where they begin. The leaf contains all that the shadow PTE maps.
 */
static const struct sizes {
	unsigned int own, shadow;
	unsigned long own_page, shadow_page;
} sizes[] = {
	{ .own = 0, .shadow = 0, .own_page = 5, .shadow_page = 5 },
	{ .own = 1, .shadow = 0, .own_page = 0, .shadow_page = 0 },
	{ .own = 1, .shadow = 0, .own_page = 0, .shadow_page = 5 },
	{ .own = 1, .shadow = 1, .own_page = 0, .shadow_page = 0 },
};

static unsigned int shift_of(unsigned int level)
{
	return level ? PMD_SHIFT : PAGE_SHIFT;
}

static unsigned long n_gpa_of(const struct sizes *s)
{
	return N_GPA + (s->shadow_page << PAGE_SHIFT);
}

/* Harvest, age, unmap: with all states of R and C in both tables, all sizes. */
static void clear_truth_table(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	const struct sizes *s;
	unsigned int state;

	for (s = sizes; s < sizes + ARRAY_SIZE(sizes); s++) {
		for (state = 0; state < 16; state++) {
			unsigned long own_rc = state & 1 ? _PAGE_ACCESSED : 0;
			unsigned long shadow_rc = state & 4 ? _PAGE_ACCESSED : 0;
			unsigned long pages = s->own ? TEST_PMD_PAGES : 1;
			bool dirty = state & 10, young = state & 5;
			pte_t *own, *shadow;

			own_rc |= state & 2 ? _PAGE_DIRTY : 0;
			shadow_rc |= state & 8 ? _PAGE_DIRTY : 0;
			own = test_map_page(test, s->own_page, shift_of(s->own), own_rc);
			shadow = test_map_nested(test, s->shadow_page, gp, n_gpa_of(s),
						 shift_of(s->shadow), shadow_rc);

			test_requests_reset();
			KUNIT_ASSERT_TRUE(test, test_harvest(f));
			KUNIT_ASSERT_EQ(test, bitmap_weight(f->map, TEST_SLOT_PAGES),
					dirty ? pages : 0);
			KUNIT_ASSERT_EQ(test, test_reported(f, s->own_page), dirty);
			KUNIT_ASSERT_FALSE(test, pte_dirty(*own) || pte_dirty(*shadow));
			KUNIT_ASSERT_EQ(test, pte_young(*own), !!(state & 1));
			KUNIT_ASSERT_EQ(test, pte_young(*shadow), !!(state & 4));
			KUNIT_ASSERT_EQ(test, test_requests_of(TEST_LPID), !!(state & 2));
			/* by the shadow LPID, not by the LPID that L1 uses */
			KUNIT_ASSERT_EQ(test, test_requests_of(2), !!(state & 8));
			KUNIT_ASSERT_EQ(test, test_requests_of(9), 0);
			if (state & 8)
				KUNIT_ASSERT_TRUE(test,
						  test_request_covers(2, n_gpa_of(s)));

			test_requests_reset();
			KUNIT_ASSERT_EQ(test, test_age(f, s->own_page, s->own_page + 1,
						       false), young);
			KUNIT_ASSERT_EQ(test, test_requests.nr, 0);
			KUNIT_ASSERT_EQ(test, test_age(f, s->own_page, s->own_page + 1,
						       true), young);
			KUNIT_ASSERT_FALSE(test, pte_young(*own) || pte_young(*shadow));
			KUNIT_ASSERT_TRUE(test, pte_present(*own) && pte_present(*shadow));
			KUNIT_ASSERT_EQ(test, test_requests_of(TEST_LPID), state & 1);
			KUNIT_ASSERT_EQ(test, test_requests_of(2), !!(state & 4));
			KUNIT_ASSERT_FALSE(test, test_age(f, s->own_page,
							  s->own_page + 1, true));

			/* unmapping zaps both, and removes the entry */
			test_unmap(f, s->own_page, s->own_page + 1);
			KUNIT_ASSERT_FALSE(test, pte_present(*own) || pte_present(*shadow));
			KUNIT_ASSERT_TRUE(test, test_request_covers(2, n_gpa_of(s)));
			KUNIT_ASSERT_EQ(test, f->vm->nested.rmap.entries, 0);
			KUNIT_ASSERT_EQ(test, test_count_rmap(f, s->shadow_page), 0);
		}
		/* start with empty tables for the next sizes */
		f->root = test_table(test);
		f->kvm->arch.pgtable = f->root;
		gp->shadow_pgtable = test_table(test);
	}
}

static bool set_rc(struct test_vm *f, bool writing, unsigned long n_gpa,
		   const struct kvm_nested_guest *gp)
{
	unsigned int shift;
	pte_t *ptep;

	/* as kvm-hv does after a fault for R or C */
	spin_lock(&f->kvm->mmu_lock);
	ptep = khx_nested_find_for_rc(f->vm, gp, writing, n_gpa, &shift);
	if (ptep)
		__radix_pte_update(ptep, 0, writing ? TEST_RC : TEST_R);
	spin_unlock(&f->kvm->mmu_lock);
	return ptep;
}

/* A shadow PTE that allows no stores gets R, and a fault for a store installs another. */
static void set_r_of_read_only(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *shadow;

	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	shadow = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, 0);
	*shadow = __pte(pte_val(*shadow) & ~_PAGE_WRITE);
	KUNIT_EXPECT_FALSE(test, set_rc(f, true, N_GPA, gp));
	KUNIT_EXPECT_TRUE(test, set_rc(f, false, N_GPA, gp));
	KUNIT_EXPECT_TRUE(test, pte_young(*shadow));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*shadow));
}

/* R and C are set in a shadow PTE only if the guest's leaf has them. */
static void set_truth_table(struct kunit *test)
{
	static const unsigned long rc[] = {
		0, _PAGE_ACCESSED, _PAGE_DIRTY, _PAGE_ACCESSED | _PAGE_DIRTY,
	};
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned int own, shadow, writing;
	const struct sizes *s;

	for (s = sizes; s < sizes + ARRAY_SIZE(sizes); s++) {
		for (own = 0; own < 4; own++) {
			for (shadow = 0; shadow < 4; shadow++) {
				for (writing = 0; writing < 2; writing++) {
					unsigned long want = rc[writing ? 3 : 1], bits;
					bool may = !(want & ~rc[own]) &&
						   s->own_page <= s->shadow_page;
					pte_t *ptep;

					test_map_page(test, s->own_page, shift_of(s->own),
						      rc[own]);
					ptep = test_map_nested(test, s->shadow_page, gp,
							       n_gpa_of(s),
							       shift_of(s->shadow),
							       rc[shadow]);
					KUNIT_ASSERT_EQ(test, set_rc(f, writing,
								     n_gpa_of(s) + 8, gp),
							may);
					bits = pte_val(*ptep) & rc[3];
					KUNIT_ASSERT_EQ(test, bits, may ?
							rc[shadow] | want : rc[shadow]);
				}
			}
		}
		f->root = test_table(test);
		f->kvm->arch.pgtable = f->root;
		gp->shadow_pgtable = test_table(test);
	}
}

/* L1 has remapped its page without a tlbie: C of the old page is not set. */
static void set_rc_of_another_page(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct kvm_nested_guest *other = test_add_nested(test, 10, 3);
	pte_t *ptep;

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	test_map_page(test, 2, PAGE_SHIFT, TEST_RC);
	ptep = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_R);
	KUNIT_EXPECT_FALSE(test, set_rc(f, true, N_GPA, gp));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*ptep));

	KUNIT_EXPECT_TRUE(test, set_rc(f, false, N_GPA, gp));
	/* the entry exists, but the guest's leaf now maps another host page */
	test_map(test, f->root, test_gpa(1), PAGE_SHIFT, test_hpa(7), TEST_RC);
	KUNIT_EXPECT_FALSE(test, set_rc(f, true, N_GPA, gp));

	/* no shadow PTE at the address, none in the other table, no W */
	KUNIT_EXPECT_FALSE(test, set_rc(f, false, N_GPA + PAGE_SIZE, gp));
	KUNIT_EXPECT_FALSE(test, set_rc(f, false, N_GPA, other));
	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	__radix_pte_update(ptep, _PAGE_WRITE, 0);
	KUNIT_EXPECT_FALSE(test, set_rc(f, true, N_GPA, gp));
}

/* A fault at N_GPA that has read the guest's leaf, which begins at a page. */
static struct khx_nested_fault fault_at(const struct test_vm *f, struct kvm_nested_guest *gp,
					unsigned long leaf, unsigned long page,
					unsigned int level, unsigned long bits)
{
	return (struct khx_nested_fault) {
		.vm = f->vm,
		.gp = gp,
		.n_gpa = N_GPA,
		.pte = pfn_pte(test_hpa(page) >> PAGE_SHIFT,
			       __pgprot(_PAGE_PRESENT | _PAGE_READ | _PAGE_WRITE | bits)),
		.level = level,
		.seq = f->kvm->mmu_invalidate_seq,
		.word = &f->slot->arch.rmap[leaf],
	};
}

/* The shadow PTE at N_GPA, or zero. */
static pte_t shadow_at(const struct kvm_nested_guest *gp, unsigned int shift)
{
	unsigned int level = khx_tree_shift_level(shift);
	struct khx_tables none = {};
	pte_t *ptep = khx_tree_entry(gp->shadow_pgtable, N_GPA, &level, &none);

	return ptep ? *ptep : __pte(0);
}

/* As a vCPU does, with kvm->srcu held. */
static int nested_map(struct khx_nested_fault *fault)
{
	struct kvm *kvm = fault->vm->kvm;
	int idx = srcu_read_lock(&kvm->srcu);
	int err = khx_nested_map(fault);

	srcu_read_unlock(&kvm->srcu, idx);
	return err;
}

static int enter(struct test_vm *f, struct kvm_nested_guest *gp, unsigned long leaf,
		 unsigned long page, unsigned int level, unsigned long bits)
{
	struct khx_nested_fault fault = fault_at(f, gp, leaf, page, level, bits);

	return nested_map(&fault);
}

static void enters(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct kvm_nested_guest *other = test_add_nested(test, 10, 3);

	test_map_page(test, 3, PAGE_SHIFT, TEST_R);
	KUNIT_EXPECT_EQ(test, enter(f, gp, 3, 3, 0, TEST_R), 0);
	KUNIT_EXPECT_TRUE(test, pte_young(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 3), 1);

	/* kvm-hv passes the word of the first page of the guest's leaf */
	test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_RC);
	KUNIT_EXPECT_EQ(test, enter(f, other, TEST_PMD_PAGES, TEST_PMD_PAGES + 7, 0, TEST_RC), 0);
	KUNIT_EXPECT_TRUE(test, pte_dirty(shadow_at(other, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, TEST_PMD_PAGES), 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, TEST_PMD_PAGES + 7), 1);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 3), 1);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	/* the fault sets bits of a shadow PTE that exists */
	test_map_page(test, 3, PAGE_SHIFT, TEST_RC);
	KUNIT_EXPECT_EQ(test, enter(f, gp, 3, 3, 0, TEST_RC), 0);
	KUNIT_EXPECT_TRUE(test, pte_dirty(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 3), 1);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/* A shadow PTE that must not exist is never installed. */
static void enters_not(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct kvm_nested_guest *large = test_add_nested(test, 10, 0x1003);
	const struct {
		unsigned long leaf, page;	/* what the shadow PTE maps */
		unsigned int level;
	} wrong[] = {
		{ 3, 2, 0 },			/* another page */
		{ 3, TEST_PMD_PAGES - 1, 0 },	/* has no leaf */
		{ 3, 0, 1 },			/* larger than the leaf */
		{ 4, 4, 0 },			/* writable, and the leaf is not */
	};
	struct khx_nested_fault fault;
	unsigned int i;

	test_map_page(test, 2, PAGE_SHIFT, TEST_R);
	test_map_page(test, 3, PAGE_SHIFT, TEST_R);
	__radix_pte_update(test_map_page(test, 4, PAGE_SHIFT, TEST_R), _PAGE_WRITE, 0);
	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		KUNIT_EXPECT_EQ(test, enter(f, gp, wrong[i].leaf, wrong[i].page, wrong[i].level,
					    TEST_R), -EAGAIN);
		KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, shift_of(wrong[i].level))));
	}

	/* the guest's leaf was zapped meanwhile */
	KUNIT_EXPECT_EQ(test, enter(f, gp, 5, 5, 0, TEST_R), -EAGAIN);

	/* KVM has invalidated memory meanwhile */
	fault = fault_at(f, gp, 3, 3, 0, TEST_R);
	f->kvm->mmu_invalidate_seq++;
	KUNIT_EXPECT_EQ(test, nested_map(&fault), -EAGAIN);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.tables, 0);

	/* the LPID does not fit in an entry; tables are linked, and counted, nevertheless */
	KUNIT_EXPECT_EQ(test, enter(f, large, 3, 3, 0, TEST_R), 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.tables, KHX_LEVELS);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(large, PAGE_SHIFT)));

	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/*
 * A harvest, or aging, has cleared bits of the guest's leaf since the fault read it. The
 * shadow PTE must not get such a bit, and no fault must start again.
 */
static void enters_during_harvest(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct khx_nested_fault stale, other, again;
	pte_t shadow;

	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	test_map_page(test, 2, PAGE_SHIFT, TEST_R);
	stale = fault_at(f, gp, 1, 1, 0, TEST_RC);
	again = stale;
	other = fault_at(f, gp, 2, 2, 0, TEST_R);
	other.n_gpa = N_GPA + PAGE_SIZE;
	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_TRUE(test, test_reported(f, 1));
	KUNIT_EXPECT_EQ(test, nested_map(&other), 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 2), 1);
	KUNIT_EXPECT_EQ(test, nested_map(&stale), 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 1), 1);
	shadow = shadow_at(gp, PAGE_SHIFT);
	KUNIT_EXPECT_TRUE(test, pte_present(shadow) && pte_write(shadow) && pte_young(shadow));
	KUNIT_EXPECT_FALSE(test, pte_dirty(shadow));

	/* the same where a shadow PTE exists, and with R */
	KUNIT_EXPECT_TRUE(test, test_age(f, 1, 2, true));
	KUNIT_EXPECT_EQ(test, nested_map(&again), 0);
	shadow = shadow_at(gp, PAGE_SHIFT);
	KUNIT_EXPECT_FALSE(test, pte_young(shadow) || pte_dirty(shadow));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 1), 1);
}

/*
 * Two pages of the guest have the same memory. The entry of a shadow PTE that was made
 * for one moves when L1 maps the other: what visits shadow PTEs goes by page.
 */
static void enters_at_other_page(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *ptep;

	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	test_map(test, f->root, test_gpa(2), PAGE_SHIFT, test_hpa(1), TEST_RC);
	ptep = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);

	KUNIT_EXPECT_EQ(test, enter(f, gp, 2, 1, 0, TEST_RC), 0);
	KUNIT_EXPECT_TRUE(test, pte_dirty(*ptep));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 1), 0);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 2), 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	test_unmap(f, 2, 3);
	KUNIT_EXPECT_FALSE(test, pte_present(*ptep));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
}

static void make_room(struct test_vm *f, struct kvm_nested_guest *gp,
		      unsigned int shift, pte_t pte)
{
	int tables;

	khx_nested_make_room(f->vm, gp, N_GPA, shift, pte, &tables);
}

/* L1 has mapped another page at the address without a tlbie. */
static void room_for_another_page(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *ptep, other;

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	test_map_page(test, 2, PAGE_SHIFT, TEST_R);
	ptep = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	other = __pte((pte_val(*ptep) & ~PTE_RPN_MASK) | test_hpa(2));

	/* the same page for another kind of access: the old shadow PTE stays */
	make_room(f, gp, PAGE_SHIFT, __pte(pte_val(*ptep) & ~(_PAGE_WRITE | _PAGE_DIRTY)));
	KUNIT_EXPECT_TRUE(test, pte_present(*ptep));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	make_room(f, gp, PAGE_SHIFT, other);
	KUNIT_EXPECT_FALSE(test, pte_present(*ptep));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	KUNIT_EXPECT_EQ(test, test_requests_of(9), 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES), 1);
}

/* A new leaf of another size: large in place of small ones, and vice versa. */
static void room_for_another_size(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *ptes[8], *large;
	unsigned int i;

	test_map_page(test, 0, PMD_SHIFT, TEST_RC);
	for (i = 0; i < ARRAY_SIZE(ptes); i++)
		ptes[i] = test_map_nested(test, i, gp, N_GPA + (i << PAGE_SHIFT), PAGE_SHIFT,
					  i % 2 ? TEST_RC : TEST_R);
	make_room(f, gp, PMD_SHIFT, *ptes[0]);
	for (i = 0; i < ARRAY_SIZE(ptes); i++) {
		KUNIT_EXPECT_FALSE(test, pte_present(*ptes[i]));
		KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA + (i << PAGE_SHIFT)));
		KUNIT_EXPECT_EQ(test, !!test_bit_le(i, f->slot->dirty_bitmap), i % 2);
	}
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);

	gp->shadow_pgtable = test_table(test);
	large = test_map_nested(test, 0, gp, N_GPA, PMD_SHIFT, TEST_RC);
	test_requests_reset();
	make_room(f, gp, PAGE_SHIFT, *large);
	KUNIT_EXPECT_FALSE(test, pte_present(*large));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA + PMD_SIZE - PAGE_SIZE));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES),
			TEST_PMD_PAGES);
}

/*
 * A page of 1 GiB in place of pages in many tables: more than one hold of mmu_lock walks,
 * and all their tables are uncounted.
 */
static void room_for_largest_size(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	const unsigned int nr = 128;
	struct khx_shadow *shadow;
	unsigned int i;
	int tables;
	pte_t *ptep;

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	for (i = 0; i < nr; i++)
		ptep = test_map_nested(test, 1, gp, PUD_SIZE + i * PMD_SIZE, PAGE_SHIFT,
				       TEST_R);
	spin_lock(&f->kvm->mmu_lock);
	shadow = khx_rmap_get_shadow(&f->vm->nested.rmap, gp);
	if (shadow)
		shadow->tables = nr + 1;
	f->vm->nested.rmap.tables = nr + 1;
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_ASSERT_NOT_NULL(test, shadow);

	KUNIT_ASSERT_EQ(test, 0, khx_nested_make_room(f->vm, gp, PUD_SIZE, PUD_SHIFT, *ptep,
						      &tables));
	KUNIT_EXPECT_EQ(test, tables, -(int)(nr + 1));
	KUNIT_EXPECT_EQ(test, shadow->tables, 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.tables, 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_FALSE(test, pte_present(*ptep));
}

/* A leaf that would have replaced a table is not installed; the limit is reached. */
static void room_that_is_not_used(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct khx_shadow *shadow;
	int tables, counted = 5;
	long limit = LONG_MAX / 2;
	pte_t *small;

	test_map_page(test, 0, PMD_SHIFT, TEST_RC);
	small = test_map_nested(test, 0, gp, N_GPA, PAGE_SHIFT, TEST_R);
	spin_lock(&f->kvm->mmu_lock);
	shadow = khx_rmap_get_shadow(&f->vm->nested.rmap, gp);
	KUNIT_EXPECT_NOT_NULL(test, shadow);
	if (shadow)
		shadow->tables = counted;
	f->vm->nested.rmap.tables = counted;
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_ASSERT_NOT_NULL(test, shadow);

	KUNIT_ASSERT_EQ(test, 0, khx_nested_make_room(f->vm, gp, N_GPA, PMD_SHIFT, *small,
						      &tables));
	KUNIT_EXPECT_GT(test, 0, tables);
	KUNIT_EXPECT_EQ(test, counted + tables, shadow->tables);

	/* other faults have taken all that is left */
	f->vm->nested.rmap.tables = limit;
	khx_nested_undo_room(f->vm, gp, tables);
	KUNIT_EXPECT_EQ(test, counted, shadow->tables);
	KUNIT_EXPECT_EQ(test, limit - tables, f->vm->nested.rmap.tables);
	f->vm->nested.rmap.tables = counted;
}

/* The page beside which another is mapped, and what each size needs then; -1: not tried. */
struct room {
	unsigned long beside;
	int page, pmd, pud;
};

/* A leaf needs page-table pages for each level that the table does not have yet. */
static void room_per_level(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	const struct room rooms[] = {
		{ PGDIR_SIZE, 3, 2, 1 },
		{ PUD_SIZE, 2, 1, 0 },
		{ PMD_SIZE, 1, 0, -1 },
		{ PAGE_SIZE, 0, -1, -1 },
	};
	unsigned int i;
	int tables;
	pte_t pte;

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	for (i = 0; i < ARRAY_SIZE(rooms); i++) {
		pte = *test_map_nested(test, 1, gp, N_GPA + rooms[i].beside, PAGE_SHIFT, TEST_R);
		khx_nested_make_room(f->vm, gp, N_GPA, PAGE_SHIFT, pte, &tables);
		KUNIT_EXPECT_EQ(test, tables, rooms[i].page);
		if (rooms[i].pmd >= 0) {
			khx_nested_make_room(f->vm, gp, N_GPA, PMD_SHIFT, pte, &tables);
			KUNIT_EXPECT_EQ(test, tables, rooms[i].pmd);
		}
		if (rooms[i].pud >= 0) {
			khx_nested_make_room(f->vm, gp, N_GPA, PUD_SHIFT, pte, &tables);
			KUNIT_EXPECT_EQ(test, tables, rooms[i].pud);
		}
	}
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, i);
}

/*
 * The shadow tables of a VM have a limit. For a page-table page beyond it, the largest
 * table is freed, or the nested guest's own if the largest is in use or goes anyway.
 */
static void room_at_the_limit(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct khx_nested_rmap *r = &f->vm->nested.rmap;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct kvm_nested_guest *large = test_add_nested(test, 10, 3);
	const unsigned long limit = 4 * (f->kvm->nr_memslot_pages / TEST_PMD_PAGES) + 1024;
	const unsigned long n_gpa = N_GPA + PMD_SIZE;
	pte_t pte;
	int tables;

	KUNIT_ASSERT_EQ(test, 0, khx_nested_allow(&f->vm->nested));
	KUNIT_ASSERT_EQ(test, 0, khx_nested_allow(&f->vm->nested));
	mutex_init(&gp->tlb_lock);
	mutex_init(&large->tlb_lock);
	gp->refcnt = 1;
	large->refcnt = 1;
	pte = *test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_R);
	test_map_nested(test, 1, large, N_GPA, PAGE_SHIFT, TEST_R);
	khx_rmap_shadow(r, 2)->tables = KHX_LEVELS;
	khx_rmap_shadow(r, 3)->tables = KHX_LEVELS + 2;
	r->tables = limit - 1;

	mutex_lock(&gp->tlb_lock);
	KUNIT_EXPECT_EQ(test, 0, khx_nested_make_room(f->vm, gp, n_gpa, PAGE_SHIFT, pte, &tables));
	KUNIT_EXPECT_EQ(test, tables, 1);
	KUNIT_EXPECT_EQ(test, r->tables, limit);
	KUNIT_EXPECT_EQ(test, r->entries, 2);

	KUNIT_EXPECT_EQ(test, 0, khx_nested_make_room(f->vm, gp, n_gpa, PAGE_SHIFT, pte, &tables));
	KUNIT_EXPECT_EQ(test, tables, 1);
	KUNIT_EXPECT_EQ(test, r->tables, limit - KHX_LEVELS - 1);
	KUNIT_EXPECT_EQ(test, r->entries, 1);
	KUNIT_EXPECT_FALSE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(large, PAGE_SHIFT)));
	KUNIT_EXPECT_FALSE(test, mutex_is_locked(&large->tlb_lock));

	test_map_nested(test, 1, large, N_GPA, PAGE_SHIFT, TEST_R);
	khx_rmap_shadow(r, 3)->tables = 2 * KHX_LEVELS;
	r->tables = limit;
	mutex_lock_nested(&large->tlb_lock, SINGLE_DEPTH_NESTING);
	KUNIT_EXPECT_EQ(test, 0, khx_nested_make_room(f->vm, gp, n_gpa, PAGE_SHIFT, pte, &tables));
	mutex_unlock(&large->tlb_lock);
	KUNIT_EXPECT_EQ(test, tables, KHX_LEVELS);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_FALSE(test, pte_none(shadow_at(large, PAGE_SHIFT)));

	/* the largest has ended: kvm-hv frees its table */
	test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_R);
	large->refcnt = 0;
	r->tables = limit;
	KUNIT_EXPECT_EQ(test, 0, khx_nested_make_room(f->vm, gp, n_gpa, PAGE_SHIFT, pte, &tables));
	mutex_unlock(&gp->tlb_lock);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_FALSE(test, pte_none(shadow_at(large, PAGE_SHIFT)));
}

/* On a tlbie of L1 kvm-hv zaps one shadow PTE, by any address that it maps. */
static void unmap_shadow_pte(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *own, *one, *two;

	own = test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	one = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	two = test_map_nested(test, 1, gp, N_GPA + PAGE_SIZE, PAGE_SHIFT, TEST_R);

	spin_lock(&f->kvm->mmu_lock);
	khx_nested_unmap_pte(f->kvm, one, N_GPA + 0x128, 0, NULL, 2);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_FALSE(test, pte_present(*one));
	KUNIT_EXPECT_TRUE(test, pte_present(*two) && pte_present(*own));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 1), 1);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	/* an MMU that sets C sets it in the shadow PTE only */
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
}

/*
 * L1 passes an address with high bits that a table walk ignores, or kvm-hv
 * passes an address that the shadow PTE does not map.
 */
static void unmap_shadow_pte_by_wrong_address(struct kunit *test)
{
	const unsigned long wrong[] = {
		N_GPA | RADIX_PGTABLE_RANGE, N_GPA | 15UL << 56, test_hpa(1), 0, ~0UL,
	};
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned int i;
	pte_t *ptep;

	for (i = 0; i < ARRAY_SIZE(wrong); i++) {
		bitmap_zero(f->slot->dirty_bitmap, TEST_SLOT_PAGES);
		test_requests_reset();
		ptep = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
		spin_lock(&f->kvm->mmu_lock);
		khx_nested_unmap_pte(f->kvm, ptep, wrong[i], 0, NULL, 2);
		spin_unlock(&f->kvm->mmu_lock);
		KUNIT_EXPECT_FALSE(test, pte_present(*ptep));
		KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
		KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
		KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	}
}

/* The nested guest's access has an address with such high bits. */
static void set_rc_by_high_address(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *ptep;

	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	ptep = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_R);
	KUNIT_EXPECT_TRUE(test, set_rc(f, true, N_GPA | RADIX_PGTABLE_RANGE, gp));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*ptep));
}

/* A page has the maximum number of shadow PTEs: a new one replaces another. */
static void crowded_page(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned long base = 4 * PMD_SIZE, i;

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	for (i = 0; i < KHX_RMAP_MOST; i++)
		test_map_nested(test, 1, gp, base + (i << PAGE_SHIFT), PAGE_SHIFT,
				i + 1 < KHX_RMAP_MOST ? TEST_R : TEST_RC);
	KUNIT_ASSERT_TRUE(test, khx_rmap_crowded(f->slot->arch.rmap[1]));
	KUNIT_EXPECT_EQ(test, enter(f, gp, 1, 1, 0, TEST_R), 0);
	KUNIT_EXPECT_TRUE(test, pte_present(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 1), KHX_RMAP_MOST);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, KHX_RMAP_MOST);
	/* the one that was inserted last, and its C bit is accumulated */
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, base + ((i - 1) << PAGE_SHIFT)));
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));

	/* removals from the middle of the list count, too */
	spin_lock(&f->kvm->mmu_lock);
	for (i = 1; i < 64; i++)
		khx_rmap_remove(&f->vm->nested.rmap, gp, base + (i << PAGE_SHIFT));
	KUNIT_EXPECT_FALSE(test, khx_rmap_crowded(f->slot->arch.rmap[1]));
	spin_unlock(&f->kvm->mmu_lock);
}

/* L1 has ended a nested guest and reused its LPID for the next one. */
static void unmap_shadow_pte_of_namesake(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *next = test_add_nested(test, 9, 3);
	struct kvm_nested_guest *given_up = test_add_nested(test, 10, 2);
	pte_t *old, *new, *other;

	old = test_map_nested(test, 1, given_up, N_GPA, PAGE_SHIFT, TEST_R);
	new = test_map_nested(test, 2, next, N_GPA, PAGE_SHIFT, TEST_RC);
	other = test_map_nested(test, 1, given_up, N_GPA + PAGE_SIZE, PAGE_SHIFT, TEST_R);

	/* zaps the PTE of the LPID, and the PTE that kvm-hv has found */
	spin_lock(&f->kvm->mmu_lock);
	khx_nested_unmap_pte(f->kvm, new, N_GPA, 0, NULL, 2);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_FALSE(test, pte_present(*old) || pte_present(*new));
	KUNIT_EXPECT_TRUE(test, pte_present(*other));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	KUNIT_EXPECT_TRUE(test, test_request_covers(3, N_GPA));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 1);
	KUNIT_EXPECT_TRUE(test, test_bit_le(2, f->slot->dirty_bitmap));

	/* its shadow PTEs are found even if L1 has freed its LPID */
	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	idr_remove(&f->kvm->arch.kvm_nested_guest_idr, 10);
	test_unmap(f, 1, 2);
	KUNIT_EXPECT_FALSE(test, pte_present(*other));
}

/* kvm-hv has replaced a large leaf of the guest by a small one. */
static void leaf_replaced(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct khx_nested_fault fault;
	pte_t *inside, *last, *outside, *own;

	inside = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	last = test_map_nested(test, TEST_PMD_PAGES - 1, gp, N_GPA + PAGE_SIZE, PAGE_SHIFT,
			       TEST_R);
	outside = test_map_nested(test, TEST_PMD_PAGES, gp, N_GPA + 2 * PAGE_SIZE,
				  PAGE_SHIFT, TEST_RC);
	own = test_map_page(test, 0, PMD_SHIFT, TEST_R);
	fault = fault_at(f, gp, 0, 3, 0, TEST_R);
	fault.n_gpa += 3 * PAGE_SIZE;

	spin_lock(&f->kvm->mmu_lock);
	*own = __pte(0);
	khx_hook_remove_nest_rmap_range(f->kvm, f->slot, test_gpa(0), test_hpa(0), PMD_SIZE);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_FALSE(test, pte_present(*inside) || pte_present(*last));
	KUNIT_EXPECT_TRUE(test, pte_present(*outside));
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 1);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	KUNIT_EXPECT_FALSE(test, test_bit_le(TEST_PMD_PAGES, f->slot->dirty_bitmap));
	/* a nested fault that has read the leaf retries */
	KUNIT_EXPECT_EQ(test, nested_map(&fault), -EAGAIN);
}

/* Stock's loops over pages call this for the word of each page. */
static void update_rc(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *one = test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	pte_t *two = test_map_nested(test, 2, gp, N_GPA + PAGE_SIZE, PAGE_SHIFT, TEST_RC);

	spin_lock(&f->kvm->mmu_lock);
	khx_hook_update_nest_rmap_rc_list(f->kvm, &f->slot->arch.rmap[1], _PAGE_DIRTY, 0,
					  test_hpa(1), 1);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_FALSE(test, pte_dirty(*one));
	KUNIT_EXPECT_TRUE(test, pte_young(*one) && pte_dirty(*two));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* More shadow LPIDs than gatherers, several shadow PTEs each. */
static void nested_many_guests(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned int nr = 3 * KHX_NESTED_FLUSHES, aliases = 5, i, j;
	pte_t **ptes = test_zalloc(test, nr * aliases * sizeof(*ptes));

	test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	for (i = 0; i < nr; i++) {
		struct kvm_nested_guest *gp = test_add_nested(test, 100 + i, 200 + i);

		for (j = 0; j < aliases; j++)
			ptes[i * aliases + j] = test_map_nested(test, 1, gp, j << PAGE_SHIFT,
								PAGE_SHIFT, TEST_RC);
	}

	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->map, TEST_SLOT_PAGES), 1);
	KUNIT_EXPECT_TRUE(test, test_reported(f, 1));
	for (i = 0; i < nr * aliases; i++)
		KUNIT_EXPECT_FALSE(test, pte_dirty(*ptes[i]));
	for (i = 0; i < nr; i++)
		for (j = 0; j < aliases; j++)
			KUNIT_EXPECT_TRUE(test, test_request_covers(200 + i, j << PAGE_SHIFT));
	KUNIT_EXPECT_EQ(test, f->vm->stats.log.requests, test_requests.nr);
}

/* Unmapping a page zaps its shadow PTEs and accumulates their C bits. */
static void unmap_nested(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *one = test_add_nested(test, 9, 2);
	struct kvm_nested_guest *two = test_add_nested(test, 10, 3);
	pte_t *own = test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	pte_t *clean = test_map_nested(test, 1, one, 0, PAGE_SHIFT, TEST_R);
	pte_t *dirty = test_map_nested(test, 1, two, 7 << PAGE_SHIFT, PAGE_SHIFT, TEST_RC);
	pte_t *other;

	test_map_page(test, 2, PAGE_SHIFT, TEST_R);
	other = test_map_nested(test, 2, two, 8 << PAGE_SHIFT, PAGE_SHIFT, TEST_RC);

	test_unmap(f, 1, 2);
	KUNIT_EXPECT_FALSE(test, pte_present(*own));
	KUNIT_EXPECT_FALSE(test, pte_present(*clean));
	KUNIT_EXPECT_FALSE(test, pte_present(*dirty));
	KUNIT_EXPECT_TRUE(test, pte_present(*other));
	KUNIT_EXPECT_EQ(test, f->slot->arch.rmap[1], 0);
	KUNIT_EXPECT_NE(test, f->slot->arch.rmap[2], 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES), 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(1)));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, 0));
	KUNIT_EXPECT_TRUE(test, test_request_covers(3, 7 << PAGE_SHIFT));
}

/*
 * L1 invalidates all of its nested guest, which goes on with an empty table; or it has
 * ended, and nothing of it is left.
 */
static void free_table(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	struct khx_nested_rmap *r = &f->vm->nested.rmap;

	KUNIT_ASSERT_EQ(test, 0, khx_nested_allow(&f->vm->nested));
	mutex_init(&gp->tlb_lock);
	test_map_nested(test, 1, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	test_map_nested(test, 2, gp, N_GPA + PAGE_SIZE, PAGE_SHIFT, TEST_R);
	khx_rmap_shadow(r, 2)->tables = KHX_LEVELS;
	r->tables = KHX_LEVELS;

	gp->refcnt = 1;
	test_requests.root = gp->shadow_pgtable;
	mutex_lock(&gp->tlb_lock);
	spin_lock(&f->kvm->mmu_lock);
	khx_hook_free_pgtable_radix(f->kvm, gp->shadow_pgtable, 2);
	lockdep_assert_held(&f->kvm->mmu_lock);
	spin_unlock(&f->kvm->mmu_lock);
	mutex_unlock(&gp->tlb_lock);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_requests_of(2), 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, N_GPA));
	KUNIT_EXPECT_EQ(test, r->entries, 0);
	KUNIT_EXPECT_EQ(test, r->tables, 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	KUNIT_EXPECT_FALSE(test, test_bit_le(2, f->slot->dirty_bitmap));
	KUNIT_EXPECT_NOT_NULL(test, khx_rmap_shadow(r, 2));

	gp->refcnt = 0;
	test_map_nested(test, 2, gp, N_GPA, PAGE_SHIFT, TEST_RC);
	khx_hook_free_pgtable_radix(f->kvm, gp->shadow_pgtable, 2);
	KUNIT_EXPECT_TRUE(test, pte_none(shadow_at(gp, PAGE_SHIFT)));
	KUNIT_EXPECT_EQ(test, test_requests_of(2), 2);
	KUNIT_EXPECT_EQ(test, r->entries, 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(2, f->slot->dirty_bitmap));
	KUNIT_EXPECT_NULL(test, khx_rmap_shadow(r, 2));
	KUNIT_EXPECT_EQ(test, test_requests.with_tables, 0);
}

/*
 * With nested=0. A vCPU of the nested guest may still walk tables that are linked, and
 * cache their entries after a flush.
 */
static void free_table_of_stock(struct kunit *test)
{
	static const unsigned int tables[] = { 1, 10, 40 };
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	unsigned int i, j;

	for (i = 0; i < ARRAY_SIZE(tables); i++) {
		for (j = 0; j < tables[i]; j++)
			test_map(test, gp->shadow_pgtable, N_GPA + j * PGDIR_SIZE, PAGE_SHIFT,
				 test_hpa(1), TEST_RC);
		test_requests_reset();
		test_requests.root = gp->shadow_pgtable;
		khx_param.nested = false;
		spin_lock(&f->kvm->mmu_lock);
		khx_hook_free_pgtable_radix(f->kvm, gp->shadow_pgtable, 2);
		spin_unlock(&f->kvm->mmu_lock);
		khx_param.nested = true;
		KUNIT_EXPECT_NULL(test, memchr_inv(gp->shadow_pgtable, 0, KHX_ROOT_SIZE));
		/* a few at once: the last flush finds nothing linked */
		KUNIT_EXPECT_EQ(test, test_requests.nr, 1 + tables[i] / 16);
		KUNIT_EXPECT_EQ(test, test_requests.with_tables, tables[i] / 16);
		KUNIT_EXPECT_EQ(test, test_requests_of(2), test_requests.nr);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(clear_truth_table),
	KUNIT_CASE(set_truth_table),
	KUNIT_CASE(set_r_of_read_only),
	KUNIT_CASE(set_rc_of_another_page),
	KUNIT_CASE(enters),
	KUNIT_CASE(enters_not),
	KUNIT_CASE(enters_during_harvest),
	KUNIT_CASE(enters_at_other_page),
	KUNIT_CASE(room_for_another_page),
	KUNIT_CASE(room_for_another_size),
	KUNIT_CASE(room_for_largest_size),
	KUNIT_CASE(room_that_is_not_used),
	KUNIT_CASE(room_per_level),
	KUNIT_CASE(room_at_the_limit),
	KUNIT_CASE(unmap_shadow_pte),
	KUNIT_CASE(unmap_shadow_pte_by_wrong_address),
	KUNIT_CASE(set_rc_by_high_address),
	KUNIT_CASE(crowded_page),
	KUNIT_CASE(unmap_shadow_pte_of_namesake),
	KUNIT_CASE(leaf_replaced),
	KUNIT_CASE(update_rc),
	KUNIT_CASE(nested_many_guests),
	KUNIT_CASE(unmap_nested),
	KUNIT_CASE(free_table),
	KUNIT_CASE(free_table_of_stock),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_nested_mmu",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
