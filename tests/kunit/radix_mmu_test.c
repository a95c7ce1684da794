// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on leaves, on tables that the test builds.
 */
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "mmu.h"
#include "radix_mmu.h"
#include "radix_vm.h"

/* A random table: the leaf of each page, and which pages are dirty. */
struct random_table {
	pte_t *leaf[TEST_SLOT_PAGES];
	unsigned int shift[TEST_SLOT_PAGES];
	DECLARE_BITMAP(dirty, TEST_SLOT_PAGES);
};

static struct random_table *random_table(struct kunit *test)
{
	struct random_table *t = test_zalloc(test, sizeof(*t));
	unsigned long page = 0, pages, i;

	for (; page < TEST_SLOT_PAGES; page += pages) {
		bool large = IS_ALIGNED(TEST_SLOT_GFN + page, TEST_PMD_PAGES) &&
			     page + TEST_PMD_PAGES <= TEST_SLOT_PAGES &&
			     !(get_random_u32() % 4);
		unsigned int shift = large ? PMD_SHIFT : PAGE_SHIFT;
		unsigned long bits = get_random_u32() % 3 ? TEST_R : TEST_RC;
		pte_t *leaf;

		pages = large ? TEST_PMD_PAGES : 1;
		if (!(get_random_u32() % 4))
			continue;
		leaf = test_map_page(test, page, shift, bits);
		for (i = page; i < page + pages; i++) {
			t->leaf[i] = leaf;
			t->shift[i] = shift;
		}
		if (bits & _PAGE_DIRTY)
			bitmap_set(t->dirty, page, pages);
	}
	return t;
}

/* Harvest random leaves with random C bits, and compare with a list of them. */
static void random_leaves(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct random_table *t = random_table(test);
	unsigned long page;

	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		/* the map is little endian, as this machine is */
		KUNIT_ASSERT_EQ(test, test_reported(f, page), test_bit(page, t->dirty));
		if (test_bit(page, t->dirty))
			KUNIT_ASSERT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(page)));
		if (t->leaf[page]) {
			KUNIT_ASSERT_FALSE(test, pte_dirty(*t->leaf[page]));
			KUNIT_ASSERT_TRUE(test, pte_young(*t->leaf[page]));
			KUNIT_ASSERT_TRUE(test, pte_present(*t->leaf[page]));
		}
	}
	KUNIT_EXPECT_EQ(test, f->vm->radix.flush.pages, bitmap_weight(t->dirty, TEST_SLOT_PAGES));

	/* a second harvest finds nothing */
	test_requests_reset();
	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->map, TEST_SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

static void all_dirty_is_one_request(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	test_vm_backend(f, &test_backend_pages);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		test_map_page(test, page, PAGE_SHIFT, TEST_RC);

	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_TRUE(test, bitmap_full(f->map, TEST_SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* The slot covers a large leaf in part: only its pages are reported. */
static void leaf_across_the_end(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long base = TEST_SLOT_PAGES - TEST_PMD_PAGES, page;
	pte_t *ptep;

	f->slot->base_gfn += TEST_PMD_PAGES / 2;
	f->slot->npages -= TEST_PMD_PAGES;
	ptep = test_map_page(test, base, PMD_SHIFT, TEST_RC);
	test_map_page(test, 0, PMD_SHIFT, TEST_RC);

	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*ptep));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->map, TEST_SLOT_PAGES), TEST_PMD_PAGES);
	for (page = 0; page < TEST_PMD_PAGES / 2; page++) {
		KUNIT_EXPECT_TRUE(test, test_reported(f, page));
		KUNIT_EXPECT_TRUE(test, test_reported(f, f->slot->npages - 1 - page));
	}
}

static void neighbours_keep_their_bits(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *before = test_map_page(test, -1UL, PAGE_SHIFT, TEST_RC);
	pte_t *after = test_map_page(test, TEST_SLOT_PAGES, PAGE_SHIFT, TEST_RC);

	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->map, TEST_SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*before));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*after));
}

static void saved_before_the_table_goes(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	f->kvm->arch.radix = 0;
	test_map_page(test, 3, PAGE_SHIFT, TEST_RC);
	test_map_page(test, 4, PAGE_SHIFT, TEST_R);
	test_map_page(test, TEST_SLOT_PAGES - 1, PAGE_SHIFT, TEST_RC);
	test_map_page(test, TEST_SLOT_PAGES, PAGE_SHIFT, TEST_RC);
	test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_RC);
	__set_bit_le(7, f->slot->dirty_bitmap);

	khx_radix_save_dirty(f->vm, f->slot);
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		bool want = page == 3 || page == 7 || page == TEST_SLOT_PAGES - 1 ||
			    (page >= TEST_PMD_PAGES && page < 2 * TEST_PMD_PAGES);

		KUNIT_ASSERT_EQ(test, !!test_bit_le(page, f->slot->dirty_bitmap), want);
	}
}

static void refused_flush_is_told(struct kunit *test)
{
	struct test_vm *f = test->priv;

	test_map_page(test, 9, PAGE_SHIFT, TEST_RC);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	KUNIT_EXPECT_FALSE(test, test_harvest(f));
	/* the page is reported; the caller must report it again later */
	KUNIT_EXPECT_TRUE(test, test_reported(f, 9));

	/* the next harvest flushes the page, though it has nothing to clear */
	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(9)));

	test_requests_reset();
	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/* A harvest issues any number of flush requests only without mmu_lock. */
static void harvest_flushes_without_the_lock(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	for (page = 0; page < TEST_SLOT_PAGES; page += 2)
		test_map_page(test, page, PAGE_SHIFT, TEST_RC);
	test_requests.locked = &f->kvm->mmu_lock;
	KUNIT_EXPECT_TRUE(test, test_harvest(f));
	KUNIT_EXPECT_EQ(test, test_requests.nr, TEST_SLOT_PAGES / 2);
	KUNIT_EXPECT_EQ(test, test_requests.under_lock, 0);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		KUNIT_ASSERT_EQ(test, test_reported(f, page), !(page & 1));
}

/* Count flushes that are issued when the slot has accumulated bits. */
static struct test_vm *watched;
static unsigned long early_bits;

static long watch_range(u64 lpid, unsigned long start, unsigned long end, unsigned int shift)
{
	early_bits += !bitmap_empty(watched->slot->dirty_bitmap, TEST_SLOT_PAGES);
	return test_backend_pages.range(lpid, start, end, shift);
}

static long watch_lpid(u64 lpid)
{
	early_bits += !bitmap_empty(watched->slot->dirty_bitmap, TEST_SLOT_PAGES);
	return test_backend_pages.lpid(lpid);
}

static const struct khx_flush_backend watching = {
	.name = "watching",
	.range_pages = 1,
	.ceiling = 33,
	.range = watch_range,
	.lpid = watch_lpid,
};

/*
 * A page is accumulated only after the flush of the guest's own translation and
 * that of its nested guest: from then on no store to it can go unnoticed.
 */
static void bits_come_after_the_flush(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);

	watched = f;
	early_bits = 0;
	test_vm_backend(f, &watching);
	test_map_page(test, 1, PAGE_SHIFT, TEST_RC);
	test_map_page(test, 2, PAGE_SHIFT, TEST_R);
	test_map_nested(test, 2, gp, PMD_SIZE, PAGE_SHIFT, TEST_RC);
	test_unmap(f, 0, 8);
	KUNIT_EXPECT_EQ(test, test_requests_of(TEST_LPID), 2);
	KUNIT_EXPECT_EQ(test, test_requests_of(2), 1);
	KUNIT_EXPECT_EQ(test, early_bits, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES), 2);
}

/* More ranges of dirty pages than a pass holds. */
static void many_dirty_ranges(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	for (page = 0; page < TEST_SLOT_PAGES; page++)
		test_map_page(test, page, PAGE_SHIFT, page % 3 ? TEST_R : TEST_RC);
	test_unmap(f, 0, TEST_SLOT_PAGES);
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		KUNIT_ASSERT_EQ(test, !!test_bit_le(page, f->slot->dirty_bitmap), !(page % 3));
		KUNIT_ASSERT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(page)));
	}
}

/* Unmapping zaps each leaf that overlaps the range, whole, and no other. */
static void unmap_random_ranges(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct random_table *t = random_table(test);
	unsigned long *gone = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned long *want = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned int round;

	for (round = 0; round < 8; round++) {
		unsigned long start = get_random_u32() % TEST_SLOT_PAGES;
		unsigned long end = start + 1 + get_random_u32() % (TEST_SLOT_PAGES / 8);
		unsigned long page, i;

		end = min(end, TEST_SLOT_PAGES);
		test_requests_reset();
		test_unmap(f, start, end);
		for (page = start; page < end; page++) {
			unsigned long pages, base;

			if (!t->leaf[page] || test_bit(page, gone))
				continue;
			pages = 1UL << (t->shift[page] - PAGE_SHIFT);
			base = round_down(TEST_SLOT_GFN + page, pages) - TEST_SLOT_GFN;
			for (i = base; i < base + pages; i++) {
				__set_bit(i, gone);
				if (test_bit(i, t->dirty))
					__set_bit(i, want);
				KUNIT_ASSERT_TRUE(test, test_request_covers(TEST_LPID,
									    test_gpa(i)));
			}
		}
		for (page = 0; page < TEST_SLOT_PAGES; page++)
			if (t->leaf[page])
				KUNIT_ASSERT_EQ(test, pte_present(*t->leaf[page]),
						!test_bit(page, gone));
		KUNIT_ASSERT_TRUE(test, bitmap_equal(f->slot->dirty_bitmap, want,
						     TEST_SLOT_PAGES));
	}
}

static void unmap_is_one_request(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	test_vm_backend(f, &test_backend_pages);
	test_unmap(f, 0, TEST_SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	for (page = 0; page < TEST_SLOT_PAGES; page++)
		test_map_page(test, page, PAGE_SHIFT, TEST_R);
	test_unmap(f, 0, TEST_SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(0)));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->slot->dirty_bitmap, TEST_SLOT_PAGES));
}

static void unmap_part_of_a_large_leaf(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *leaf = test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_RC);
	pte_t *next = test_map_page(test, 2 * TEST_PMD_PAGES, PAGE_SHIFT, TEST_RC);

	f->kvm->stat.num_2M_pages = 1;
	test_unmap(f, TEST_PMD_PAGES + 1, TEST_PMD_PAGES + 2);
	KUNIT_EXPECT_FALSE(test, pte_present(*leaf));
	KUNIT_EXPECT_TRUE(test, pte_present(*next));
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES),
			TEST_PMD_PAGES);
	KUNIT_EXPECT_EQ(test, find_first_bit(f->slot->dirty_bitmap, TEST_SLOT_PAGES),
			TEST_PMD_PAGES);
}

/*
 * Recorded at flushes of shadow LPIDs: shadow PTEs left, the most zapped
 * between two flushes, and whether the leaf was zapped while any were left.
 */
static unsigned long left_over, most_at_once, flushes;
static const pte_t *watched_leaf;
static bool leaf_went_first;

static void watch_shadows(u64 lpid)
{
	unsigned long left = watched->vm->nested.rmap.entries;

	if (lpid == TEST_LPID)
		return;
	leaf_went_first |= left && !pte_present(*watched_leaf);
	most_at_once = max(most_at_once, left_over - left);
	left_over = left;
	flushes++;
}

static long shadows_range(u64 lpid, unsigned long start, unsigned long end, unsigned int shift)
{
	watch_shadows(lpid);
	return test_backend_pages.range(lpid, start, end, shift);
}

static long shadows_lpid(u64 lpid)
{
	watch_shadows(lpid);
	return test_backend_pages.lpid(lpid);
}

static const struct khx_flush_backend watching_shadows = {
	.name = "watching_shadows",
	.range_pages = 1,
	.ceiling = 33,
	.range = shadows_range,
	.lpid = shadows_lpid,
};

#define ALIASES		(40000 / TEST_PMD_PAGES)

/*
 * Each page of a large leaf has many shadow PTEs. They are zapped in several
 * holds of mmu_lock, and the leaf after them: collections find shadow PTEs by
 * the leaf.
 */
static void unmap_many_shadows(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 9, 2);
	pte_t *leaf = test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_R);
	unsigned long i, nr = ALIASES * TEST_PMD_PAGES;

	for (i = 0; i < nr; i++)
		test_map_nested(test, TEST_PMD_PAGES + i / ALIASES, gp, i << PAGE_SHIFT,
				PAGE_SHIFT, i == nr - 1 ? TEST_RC : TEST_R);
	watched = f;
	watched_leaf = leaf;
	leaf_went_first = false;
	most_at_once = 0;
	flushes = 0;
	left_over = f->vm->nested.rmap.entries;
	KUNIT_ASSERT_EQ(test, left_over, nr);
	test_vm_backend(f, &watching_shadows);

	/* unmapping a part of the leaf unmaps all of it */
	spin_lock(&f->kvm->mmu_lock);
	khx_radix_unmap(f->vm, f->slot, TEST_SLOT_GFN + TEST_PMD_PAGES + 3,
			TEST_SLOT_GFN + TEST_PMD_PAGES + 4, KHX_UNMAP_MAY_SLEEP);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_FALSE(test, pte_present(*leaf));
	KUNIT_EXPECT_FALSE(test, leaf_went_first);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_GE(test, flushes, 3);
	KUNIT_EXPECT_LT(test, most_at_once, nr / 2);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES),
			TEST_PMD_PAGES);
}

static void unmap_unlogged(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *leaf = test_map_page(test, 5, PAGE_SHIFT, TEST_RC);

	f->slot->dirty_bitmap = NULL;
	test_unmap(f, 5, 6);
	KUNIT_EXPECT_FALSE(test, pte_present(*leaf));
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(5)));
}

static void age_is_one_request(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;

	test_vm_backend(f, &test_backend_pages);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		test_map_page(test, page, PAGE_SHIFT, TEST_R);
	KUNIT_EXPECT_TRUE(test, test_age(f, 0, TEST_SLOT_PAGES, true));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(0)));
	KUNIT_EXPECT_FALSE(test, test_age(f, 0, TEST_SLOT_PAGES, true));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* Zap all leaves of a slot, in several holds of mmu_lock. */
static void flush_slot(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct random_table *t = random_table(test);
	pte_t *before = test_map_page(test, -1UL, PAGE_SHIFT, TEST_RC);
	pte_t *after = test_map_page(test, TEST_SLOT_PAGES, PAGE_SHIFT, TEST_RC);
	unsigned long seq = f->kvm->mmu_invalidate_seq, page;

	khx_radix_flush_slot(f->vm, f->slot);
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		if (!t->leaf[page])
			continue;
		KUNIT_ASSERT_FALSE(test, pte_present(*t->leaf[page]));
		KUNIT_ASSERT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(page)));
	}
	KUNIT_EXPECT_TRUE(test, pte_present(*before));
	KUNIT_EXPECT_TRUE(test, pte_present(*after));
	KUNIT_EXPECT_TRUE(test, bitmap_equal(f->slot->dirty_bitmap, t->dirty, TEST_SLOT_PAGES));
	KUNIT_EXPECT_NE(test, f->kvm->mmu_invalidate_seq, seq);
}

/* The VM has left radix mode: its table may be freed and must not be used. */
static void flush_slot_of_no_radix_guest(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *leaf = test_map_page(test, 0, PAGE_SHIFT, TEST_RC);

	f->kvm->arch.radix = 0;
	khx_radix_flush_slot(f->vm, f->slot);
	KUNIT_EXPECT_TRUE(test, pte_present(*leaf));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(random_leaves),
	KUNIT_CASE(all_dirty_is_one_request),
	KUNIT_CASE(leaf_across_the_end),
	KUNIT_CASE(neighbours_keep_their_bits),
	KUNIT_CASE(saved_before_the_table_goes),
	KUNIT_CASE(refused_flush_is_told),
	KUNIT_CASE(harvest_flushes_without_the_lock),
	KUNIT_CASE(bits_come_after_the_flush),
	KUNIT_CASE(many_dirty_ranges),
	KUNIT_CASE(unmap_random_ranges),
	KUNIT_CASE(unmap_is_one_request),
	KUNIT_CASE(unmap_part_of_a_large_leaf),
	KUNIT_CASE(unmap_many_shadows),
	KUNIT_CASE(unmap_unlogged),
	KUNIT_CASE(age_is_one_request),
	KUNIT_CASE(flush_slot),
	KUNIT_CASE(flush_slot_of_no_radix_guest),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_mmu",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
