// SPDX-License-Identifier: GPL-2.0
/*
 * Splitting leaves to clean some of their pages, and joining leaves, on tables
 * that the test builds.
 */
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "mmu.h"
#include "radix_mmu.h"
#include "radix_resize.h"
#include "radix_vm.h"
#include "vm.h"

#define BITS		(_PAGE_PRESENT | _PAGE_PTE | _PAGE_READ | _PAGE_WRITE)

static int no_tables(struct khx_vm *vm)
{
	return -ENOMEM;
}

static bool clean(struct test_vm *f, const unsigned long *pages, unsigned long start,
		  unsigned long end)
{
	bool flushed;

	mutex_lock(&f->kvm->slots_lock);
	flushed = khx_radix_clean(f->vm, f->slot, pages, start, end);
	mutex_unlock(&f->kvm->slots_lock);
	return flushed;
}

static void peek(struct test_vm *f)
{
	bitmap_zero(f->map, TEST_SLOT_PAGES);
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	khx_radix_peek(f->vm, f->slot, f->map);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
}

/* Return the leaf of a page, or NULL. Store log2 of its size. */
static pte_t *leaf_of(const struct test_vm *f, unsigned long page, unsigned int *shift)
{
	pte_t *ptep = __find_linux_pte(f->root, test_gpa(page), NULL, shift);

	if (!*shift)
		*shift = PAGE_SHIFT;
	return ptep && pte_present(*ptep) ? ptep : NULL;
}

/* Pages of a random table: large leaves, base pages, holes; dirty or clean. */
struct pages {
	DECLARE_BITMAP(present, TEST_SLOT_PAGES);
	DECLARE_BITMAP(dirty, TEST_SLOT_PAGES);
	unsigned int large;
};

static struct pages *random_pages(struct kunit *test)
{
	struct pages *t = test_zalloc(test, sizeof(*t));
	unsigned long page, nr;

	for (page = 0; page < TEST_SLOT_PAGES; page += nr) {
		bool large = IS_ALIGNED(TEST_SLOT_GFN + page, TEST_PMD_PAGES) &&
			     page + TEST_PMD_PAGES <= TEST_SLOT_PAGES &&
			     get_random_u32() % 2;
		unsigned long bits = get_random_u32() % 2 ? TEST_R : TEST_RC;

		nr = large ? TEST_PMD_PAGES : 1;
		if (!(get_random_u32() % 4))
			continue;
		test_map_page(test, page, large ? PMD_SHIFT : PAGE_SHIFT, bits);
		bitmap_set(t->present, page, nr);
		if (bits & _PAGE_DIRTY)
			bitmap_set(t->dirty, page, nr);
		t->large += large;
	}
	((struct test_vm *)test->priv)->kvm->stat.num_2M_pages = t->large;
	return t;
}

static void expect_page(struct kunit *test, unsigned long page, bool present, bool dirty)
{
	struct test_vm *f = test->priv;
	unsigned int shift;
	pte_t *leaf = leaf_of(f, page, &shift);

	KUNIT_ASSERT_EQ(test, present, !!leaf);
	if (!leaf)
		return;
	KUNIT_ASSERT_EQ(test, dirty, pte_dirty(*leaf));
	KUNIT_ASSERT_TRUE(test, pte_young(*leaf));
	KUNIT_ASSERT_TRUE(test, pte_write(*leaf));
	if (shift == PAGE_SHIFT)
		KUNIT_ASSERT_EQ(test, pte_pfn(*leaf), test_hpa(page) >> PAGE_SHIFT);
}

static void clean_all(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct pages *t = random_pages(test);
	unsigned int shift;
	unsigned long page;

	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		expect_page(test, page, test_bit(page, t->present), false);
		if (leaf_of(f, page, &shift))
			KUNIT_ASSERT_EQ(test, shift, PAGE_SHIFT);
		if (test_bit(page, t->dirty))
			KUNIT_ASSERT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(page)));
	}
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, 0);

	test_requests_reset();
	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/* Clean random pages of a random range: no other page loses C. */
static void clean_named(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct pages *t = random_pages(test);
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned long start = get_random_u32() % TEST_SLOT_PAGES, page;
	unsigned long end = start + get_random_u32() % (TEST_SLOT_PAGES - start) + 1;
	unsigned int i;

	for (i = 0; i < 100; i++)
		bitmap_set(named, get_random_u32() % (TEST_SLOT_PAGES - 40),
			   1 + get_random_u32() % 40);

	KUNIT_EXPECT_TRUE(test, clean(f, named, start, end));
	bitmap_clear(named, 0, start);
	bitmap_clear(named, end, TEST_SLOT_PAGES - end);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		expect_page(test, page, test_bit(page, t->present),
			    test_bit(page, t->dirty) && !test_bit(page, named));
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->slot->dirty_bitmap, TEST_SLOT_PAGES));
}

/* The range is inside a leaf, and the bitmap has bits outside the range. */
static void clean_part_of_leaf(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned long page, i;

	bitmap_fill(named, TEST_SLOT_PAGES);
	test_map_page(test, 0, PMD_SHIFT, TEST_RC);
	test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_RC);
	f->kvm->stat.num_2M_pages = 2;

	KUNIT_EXPECT_TRUE(test, clean(f, named, 3, 5));
	KUNIT_EXPECT_TRUE(test, clean(f, NULL, TEST_PMD_PAGES + 3, TEST_PMD_PAGES + 5));
	for (page = 0; page < 2 * TEST_PMD_PAGES; page++) {
		i = page % TEST_PMD_PAGES;
		expect_page(test, page, true, i < 3 || i >= 5);
	}
}

/* Without memory for a split, leaves are zapped, and dirty ones accumulated. */
static void clean_without_memory(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned long page;
	unsigned int shift;

	f->vm->radix.fill_spare = no_tables;
	test_map_page(test, 0, PMD_SHIFT, TEST_RC);
	test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_R);
	test_map_page(test, 2 * TEST_PMD_PAGES, PAGE_SHIFT, TEST_RC);
	f->kvm->stat.num_2M_pages = 2;
	bitmap_fill(named, 2 * TEST_PMD_PAGES + 1);

	KUNIT_EXPECT_TRUE(test, clean(f, named, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_NULL(test, leaf_of(f, 0, &shift));
	KUNIT_EXPECT_NULL(test, leaf_of(f, TEST_PMD_PAGES, &shift));
	expect_page(test, 2 * TEST_PMD_PAGES, true, false);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		KUNIT_ASSERT_EQ(test, !!test_bit_le(page, f->slot->dirty_bitmap),
				page < TEST_PMD_PAGES);
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(0)));
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, 0);
}

/* A PUD leaf is split to base pages in the slot, to PMD leaves elsewhere. */
static void clean_pud(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long page;
	unsigned int shift;
	pte_t *outside;

	test_map(test, f->root, 0, PUD_SHIFT, PUD_SIZE, TEST_RC);
	f->kvm->stat.num_1G_pages = 1;
	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	for (page = 0; page < TEST_SLOT_PAGES; page++) {
		expect_page(test, page, true, false);
		leaf_of(f, page, &shift);
		KUNIT_ASSERT_EQ(test, shift, PAGE_SHIFT);
	}
	outside = leaf_of(f, TEST_SLOT_PAGES + TEST_PMD_PAGES, &shift);
	KUNIT_ASSERT_NOT_NULL(test, outside);
	KUNIT_EXPECT_EQ(test, shift, PMD_SHIFT);
	KUNIT_EXPECT_TRUE(test, pte_dirty(*outside));
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_1G_pages, 0);
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages,
			PTRS_PER_PMD - TEST_SLOT_PAGES / TEST_PMD_PAGES);
}

/* A split zaps the leaf's shadow PTEs, and the small leaves inherit their C. */
static void clean_nested(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 7, 70);
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	pte_t *large, *small;

	test_map_page(test, 0, PMD_SHIFT, TEST_R);
	large = test_map_nested(test, 0, gp, PMD_SIZE, PMD_SHIFT, TEST_RC);
	small = test_map_nested(test, 5, gp, 4 * PMD_SIZE, PAGE_SHIFT, TEST_R);
	__set_bit_le(3, named);

	KUNIT_EXPECT_TRUE(test, clean(f, named, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_FALSE(test, pte_present(*large));
	KUNIT_EXPECT_FALSE(test, pte_present(*small));
	KUNIT_EXPECT_TRUE(test, test_request_covers(70, PMD_SIZE));
	KUNIT_EXPECT_EQ(test, f->vm->stats.log.requests, test_requests.nr);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 0), 0);
	expect_page(test, 2, true, true);
	expect_page(test, 3, true, false);
	expect_page(test, 4, true, true);
}

/*
 * A leaf is zapped, since there is no memory for its split, when the flush of a
 * shadow PTE is still pending.
 */
static void clean_nested_without_memory(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_add_nested(test, 7, 70);
	pte_t *first;

	f->vm->radix.fill_spare = no_tables;
	test_map_page(test, 0, PMD_SHIFT, TEST_R);
	test_map_page(test, TEST_PMD_PAGES, PAGE_SHIFT, TEST_R);
	first = test_map_nested(test, TEST_PMD_PAGES, gp, 0, PAGE_SHIFT, TEST_RC);
	test_map_page(test, 2 * TEST_PMD_PAGES, PMD_SHIFT, TEST_R);
	test_map_nested(test, 2 * TEST_PMD_PAGES, gp, PMD_SIZE, PAGE_SHIFT, TEST_RC);
	f->kvm->stat.num_2M_pages = 2;

	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, pte_present(*first));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*first));
	KUNIT_EXPECT_TRUE(test, test_request_covers(70, 0));
	KUNIT_EXPECT_TRUE(test, test_request_covers(70, PMD_SIZE));
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, TEST_PMD_PAGES), 1);
	KUNIT_EXPECT_EQ(test, test_count_rmap(f, 2 * TEST_PMD_PAGES), 0);
}

static void clean_refused(struct kunit *test)
{
	struct test_vm *f = test->priv;

	test_map_page(test, 0, PMD_SHIFT, TEST_RC);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	KUNIT_EXPECT_FALSE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	expect_page(test, 0, true, false);
}

/* The flush when a log begins is refused: the first log has every page. */
static void log_started_refused(struct kunit *test)
{
	struct test_vm *f = test->priv;

	test_map_page(test, 3, PAGE_SHIFT, TEST_RC);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	mutex_lock(&f->kvm->slots_lock);
	khx_radix_mmu.start_log(f->vm, f->slot);
	mutex_unlock(&f->kvm->slots_lock);
	KUNIT_EXPECT_TRUE(test, bitmap_full(f->slot->dirty_bitmap, TEST_SLOT_PAGES));
	KUNIT_EXPECT_FALSE(test, test_bit(TEST_SLOT_PAGES, f->slot->dirty_bitmap));
}

/* After a refused flush, pages that lose C are accumulated at once. */
static void clean_after_refusal(struct kunit *test)
{
	struct test_vm *f = test->priv;

	atomic_set(&f->vm->flusher.refusals, 1);
	test_map_page(test, 3, PAGE_SHIFT, TEST_RC);
	test_map_page(test, 4, PAGE_SHIFT, TEST_R);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, test_bit_le(3, f->slot->dirty_bitmap));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, TEST_SLOT_PAGES), 1);
}

/* Memslots that end or begin beyond the tree: the walk ends with the tree. */
static void clean_beyond_the_tree(struct kunit *test)
{
	static const struct {
		long first;	/* page, relative to the end of the tree */
		unsigned long pages;
	} slots[] = {
		{ -1, 2 }, { -1, TEST_SLOT_PAGES }, { 0, 1 }, { 0, TEST_SLOT_PAGES },
		{ 7, 64 }, { (15L << (52 - PAGE_SHIFT)) - 64, 63 },
		/* the last page that a memslot can have */
		{ (4095L << (52 - PAGE_SHIFT)) - 2, 1 },
	};
	struct test_vm *f = test->priv;
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	pte_t *first, *last;
	unsigned int i;

	bitmap_fill(named, TEST_SLOT_PAGES);
	first = test_map(test, f->root, 0, PAGE_SHIFT, test_hpa(0), TEST_RC);
	last = test_map(test, f->root, RADIX_PGTABLE_RANGE - PAGE_SIZE, PAGE_SHIFT,
			test_hpa(1), TEST_RC);
	for (i = 0; i < ARRAY_SIZE(slots); i++) {
		f->slot->base_gfn = (RADIX_PGTABLE_RANGE >> PAGE_SHIFT) + slots[i].first;
		f->slot->npages = slots[i].pages;
		__radix_pte_update(last, 0, _PAGE_DIRTY);
		KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, slots[i].pages));
		KUNIT_EXPECT_EQ(test, !!pte_dirty(*last), slots[i].first >= 0);
		KUNIT_EXPECT_TRUE(test, clean(f, named, 0, slots[i].pages));
		peek(f);
		test_unmap_slot(f);
		khx_join_memslot(f->vm, f->slot);
		last = test_map(test, f->root, RADIX_PGTABLE_RANGE - PAGE_SIZE, PAGE_SHIFT,
				test_hpa(1), TEST_RC);
	}
	/* the leaf at address 0 was not changed */
	KUNIT_EXPECT_TRUE(test, pte_dirty(*first));
}

/* Clean single pages at growing distances. */
static void clean_sparse(struct kunit *test)
{
	struct test_vm *f = test->priv;
	unsigned long *named = test_zalloc(test, TEST_SLOT_PAGES / 8);
	unsigned long page, step;

	for (page = 0; page < TEST_SLOT_PAGES; page++)
		test_map_page(test, page, PAGE_SHIFT, TEST_RC);
	for (page = 0, step = 1; page < TEST_SLOT_PAGES; page += step, step += 7)
		__set_bit_le(page, named);
	KUNIT_EXPECT_TRUE(test, clean(f, named, 0, TEST_SLOT_PAGES));
	peek(f);
	for (page = 0; page < TEST_SLOT_PAGES; page++)
		KUNIT_ASSERT_EQ(test, test_reported(f, page), !test_bit_le(page, named));
}

/* The VM has left radix mode: its table may be freed and must not be used. */
static void clean_no_radix_guest(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *leaf = test_map_page(test, 0, PAGE_SHIFT, TEST_RC);

	f->kvm->arch.radix = 0;
	KUNIT_EXPECT_TRUE(test, clean(f, NULL, 0, TEST_SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*leaf));
}

static void peek_leaves_it(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct pages *t = random_pages(test);
	unsigned int i;

	for (i = 0; i < 2; i++) {
		peek(f);
		KUNIT_EXPECT_TRUE(test, bitmap_equal(f->map, t->dirty, TEST_SLOT_PAGES));
	}
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, t->large);
}

static pte_t *page_of_ptes(struct kunit *test)
{
	return test_zalloc(test, PTRS_PER_PTE * sizeof(pte_t));
}

static void joined(struct kunit *test)
{
	unsigned long hpa = 8 * PMD_SIZE;
	pte_t *entry = page_of_ptes(test), host = __pte(BITS | TEST_RC | hpa);
	pte_t read_only = __pte(pte_val(host) & ~_PAGE_WRITE);
	unsigned long i;

	/* all entries are absent */
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), 0);

	for (i = 0; i < PTRS_PER_PTE; i++)
		entry[i] = __pte(BITS | hpa | i << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), BITS | hpa);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, read_only), 0);

	/* R and C if any entry has them */
	entry[3] = __pte(pte_val(entry[3]) | _PAGE_ACCESSED);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), BITS | hpa | TEST_R);
	entry[PTRS_PER_PTE - 1] = __pte(pte_val(entry[PTRS_PER_PTE - 1]) | _PAGE_DIRTY);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), BITS | hpa | TEST_RC);

	/* some entries are absent, some read-only */
	entry[0] = __pte(0);
	entry[7] = __pte(0);
	entry[2] = __pte(pte_val(entry[2]) & ~_PAGE_WRITE);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), BITS | hpa | TEST_RC);

	/* what is left of an absent entry does not matter */
	entry[0] = __pte((BITS & ~_PAGE_PRESENT) | hpa | 1 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), BITS | hpa | TEST_RC);

	/* another host page */
	entry[0] = __pte(BITS | hpa | 1 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), 0);
	entry[0] = __pte(0);
	entry[7] = __pte(BITS | hpa | 8 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), 0);
	/* another memory type */
	entry[7] = __pte(BITS | hpa | 7 << PAGE_SHIFT | _PAGE_NON_IDEMPOTENT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, host), 0);
}

/* Read-only entries are joined to a read-only leaf. */
static void joined_read_only(struct kunit *test)
{
	unsigned long hpa = 8 * PMD_SIZE, bits = BITS & ~_PAGE_WRITE;
	pte_t *entry = page_of_ptes(test);

	entry[4] = __pte(bits | hpa | 4 << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, __pte(BITS | hpa)), bits | hpa);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PMD_SHIFT, __pte(bits | hpa)), bits | hpa);
}

/* Leaves of 2 MiB are joined, too, but no page-table page among them. */
static void joined_pud(struct kunit *test)
{
	unsigned long hpa = 2 * PUD_SIZE;
	pte_t *entry = test_zalloc(test, PTRS_PER_PMD * sizeof(pte_t)), host = __pte(BITS | hpa);
	unsigned int i;

	for (i = 0; i < PTRS_PER_PMD; i++)
		entry[i] = __pte(BITS | (hpa + i * PMD_SIZE));
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PUD_SHIFT, host), BITS | hpa);
	entry[5] = __pte(BITS | (hpa + 6 * PMD_SIZE));
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PUD_SHIFT, host), 0);
	entry[5] = __pte(0);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PUD_SHIFT, host), BITS | hpa);
	khx_tree_table_link(&entry[5], page_of_ptes(test), 0);
	KUNIT_EXPECT_EQ(test, khx_join_leaf(entry, PUD_SHIFT, host), 0);
}

#define HVA	(7 * PUD_SIZE)

/*
 * When logging ends, leaves are joined where the memslot has all pages of a large
 * one, and the host maps them by one leaf. This memslot begins and ends inside large
 * leaves of the host.
 */
static void join_memslot(struct kunit *test)
{
	const unsigned long half = TEST_PMD_PAGES / 2;
	struct test_vm *f = test->priv;
	struct mm_struct *mm = test_zalloc(test, sizeof(*mm));
	unsigned long page, large;
	unsigned int shift;
	pte_t *leaf;

	mm->pgd = test_table(test);
	f->kvm->mm = mm;
	f->slot->base_gfn += half;
	f->slot->npages = 3 * TEST_PMD_PAGES;
	f->slot->userspace_addr = HVA + (half << PAGE_SHIFT);
	for (large = 0; large < 4; large++) {
		page = large * TEST_PMD_PAGES;
		test_map(test, mm->pgd, HVA + (page << PAGE_SHIFT), PMD_SHIFT, test_hpa(page),
			 TEST_RC);
		/* the guest has not used the third */
		if (large != 2)
			test_map_page(test, page + half, PAGE_SHIFT, TEST_R);
	}
	test_map_page(test, TEST_PMD_PAGES, PAGE_SHIFT, TEST_R);

	khx_join_memslot(f->vm, f->slot);
	for (large = 0; large < 4; large++) {
		page = large * TEST_PMD_PAGES + half;
		leaf = leaf_of(f, page, &shift);
		KUNIT_EXPECT_EQ_MSG(test, !!leaf, large != 2, "%lu", large);
		if (leaf)
			KUNIT_EXPECT_EQ_MSG(test, shift, large == 1 ? PMD_SHIFT : PAGE_SHIFT,
					    "%lu", large);
	}
	leaf = leaf_of(f, TEST_PMD_PAGES, &shift);
	KUNIT_ASSERT_NOT_NULL(test, leaf);
	KUNIT_EXPECT_EQ(test, pte_pfn(*leaf), test_hpa(TEST_PMD_PAGES) >> PAGE_SHIFT);
	KUNIT_EXPECT_TRUE(test, pte_dirty(*leaf));
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, 1);
	KUNIT_EXPECT_EQ(test, f->vm->stats.mmu.joins, 1);
	KUNIT_EXPECT_EQ(test, test_requests_of(TEST_LPID), 1);
}

/*
 * When logging ends, writable leaves of the slot get C. The slot's host address
 * does not allow a join here.
 */
static void c_is_given_back(struct kunit *test)
{
	struct test_vm *f = test->priv;
	pte_t *clean, *dirty, *read_only, *large, *behind;

	clean = test_map_page(test, 1, PAGE_SHIFT, TEST_R);
	dirty = test_map_page(test, 2, PAGE_SHIFT, TEST_RC);
	read_only = test_map_page(test, 3, PAGE_SHIFT, TEST_R);
	*read_only = __pte(pte_val(*read_only) & ~_PAGE_WRITE);
	large = test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_R);
	behind = test_map_page(test, TEST_SLOT_PAGES, PAGE_SHIFT, TEST_R);
	f->slot->userspace_addr = PAGE_SIZE;

	khx_join_memslot(f->vm, f->slot);
	KUNIT_EXPECT_TRUE(test, pte_dirty(*clean));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*dirty));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*read_only));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*large));
	KUNIT_EXPECT_FALSE(test, pte_dirty(*behind));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(c_is_given_back),
	KUNIT_CASE(clean_all),
	KUNIT_CASE(clean_named),
	KUNIT_CASE(clean_part_of_leaf),
	KUNIT_CASE(clean_without_memory),
	KUNIT_CASE(clean_pud),
	KUNIT_CASE(clean_nested),
	KUNIT_CASE(clean_nested_without_memory),
	KUNIT_CASE(clean_refused),
	KUNIT_CASE(log_started_refused),
	KUNIT_CASE(clean_after_refusal),
	KUNIT_CASE(clean_beyond_the_tree),
	KUNIT_CASE(clean_sparse),
	KUNIT_CASE(clean_no_radix_guest),
	KUNIT_CASE(peek_leaves_it),
	KUNIT_CASE(joined),
	KUNIT_CASE(joined_read_only),
	KUNIT_CASE(joined_pud),
	KUNIT_CASE(join_memslot),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_resize",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
