// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to leaves, on tables that the test builds: the guest's, and
 * shadow tables of nested guests found through the reverse map.
 */
#include <linux/kvm_host.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <asm/kvm_book3s_64.h>

#include "attach.h"
#include "compat.h"
#include "radix_mmu.h"
#include "table.h"

#define LPID		5
#define RC		(_PAGE_ACCESSED | _PAGE_DIRTY)
#define R		_PAGE_ACCESSED
#define SLOT_GFN	0x1000UL
#define SLOT_PAGES	2048UL
#define PMD_PAGES	(PMD_SIZE >> PAGE_SHIFT)

/* A VM with one logged memslot and nothing else. */
struct fixture {
	struct kvm *kvm;
	struct kvm_ext_vm *vm;
	struct kvm_memory_slot *slot;
	unsigned long *map;
	pgd_t *root;
};

static void *must(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static void use_backend(struct fixture *f, const struct kvm_ext_flush_backend *b)
{
	unsigned int i;

	f->vm->flush.backend = b;
	f->vm->notifier_flush.backend = b;
	for (i = 0; i < KVM_EXT_NESTED_FLUSHES; i++)
		f->vm->nested[i].backend = b;
}

static int fixture_init(struct kunit *test)
{
	struct fixture *f = must(test, sizeof(*f));

	f->root = test_table(test);
	f->kvm = must(test, sizeof(*f->kvm));
	f->vm = must(test, sizeof(*f->vm));
	f->slot = must(test, sizeof(*f->slot));
	f->map = must(test, SLOT_PAGES / 8);

	mutex_init(&f->kvm->arch.mmu_setup_lock);
	mutex_init(&f->kvm->slots_lock);
	spin_lock_init(&f->kvm->mmu_lock);
	idr_init(&f->kvm->arch.kvm_nested_guest_idr);
	f->kvm->arch.radix = 1;
	f->kvm->arch.lpid = LPID;
	f->kvm->arch.pgtable = f->root;
	f->kvm->nr_memslot_pages = 1UL << 20;

	f->slot->base_gfn = SLOT_GFN;
	f->slot->npages = SLOT_PAGES;
	f->slot->arch.rmap = must(test, SLOT_PAGES * sizeof(unsigned long));
	f->slot->dirty_bitmap = must(test, 2 * SLOT_PAGES / 8);

	KUNIT_ASSERT_EQ(test, 0, kvm_ext_vm_init(f->vm, f->kvm));
	use_backend(f, &test_backend_ranges);
	test_requests_reset();
	test->priv = f;
	return 0;
}

static void free_rmap(unsigned long rmap)
{
	struct llist_node *node, *next;

	for (node = (struct llist_node *)rmap;
	     node && !((unsigned long)node & RMAP_NESTED_IS_SINGLE_ENTRY); node = next) {
		next = node->next;
		kfree(llist_entry(node, struct rmap_nested, list));
	}
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	if (!f)
		return;
	for (page = 0; page < SLOT_PAGES; page++)
		free_rmap(f->slot->arch.rmap[page]);
	idr_destroy(&f->kvm->arch.kvm_nested_guest_idr);
	kvm_ext_vm_release(f->vm);
}

static int harvest(struct fixture *f)
{
	int err;

	bitmap_zero(f->map, SLOT_PAGES);
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	err = kvm_ext_radix_harvest(f->vm, f->slot, f->map);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
	return err;
}

static pte_t *map_page(struct kunit *test, unsigned long page, unsigned int shift,
		       unsigned long bits)
{
	struct fixture *f = test->priv;
	unsigned long gpa = (SLOT_GFN + page) << PAGE_SHIFT;

	/* host pages at the same distance, so that a leaf knows its own */
	return test_map(test, f->root, gpa, shift, PUD_SIZE + gpa, bits);
}

static bool reported(struct fixture *f, unsigned long page)
{
	return test_bit_le(page, f->map);
}

static unsigned long gpa_of(unsigned long page)
{
	return (SLOT_GFN + page) << PAGE_SHIFT;
}

/* A random table: the leaf of each page, and which pages are dirty. */
struct random_table {
	pte_t *leaf[SLOT_PAGES];
	unsigned int shift[SLOT_PAGES];
	DECLARE_BITMAP(dirty, SLOT_PAGES);
};

static struct random_table *random_table(struct kunit *test)
{
	struct random_table *t = must(test, sizeof(*t));
	unsigned long page = 0, pages, i;

	for (; page < SLOT_PAGES; page += pages) {
		bool large = IS_ALIGNED(SLOT_GFN + page, PMD_PAGES) &&
			     page + PMD_PAGES <= SLOT_PAGES &&
			     !(get_random_u32() % 4);
		unsigned int shift = large ? PMD_SHIFT : PAGE_SHIFT;
		unsigned long bits = get_random_u32() % 3 ? R : RC;
		pte_t *leaf;

		pages = large ? PMD_PAGES : 1;
		if (!(get_random_u32() % 4))
			continue;
		leaf = map_page(test, page, shift, bits);
		for (i = page; i < page + pages; i++) {
			t->leaf[i] = leaf;
			t->shift[i] = shift;
		}
		if (bits & _PAGE_DIRTY)
			bitmap_set(t->dirty, page, pages);
	}
	return t;
}

/* Random leaves with random C bits, compared with a plain list of them. */
static void random_leaves(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct random_table *t = random_table(test);
	unsigned long page;

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	for (page = 0; page < SLOT_PAGES; page++) {
		/* bits of the map are little endian, as is this machine */
		KUNIT_ASSERT_EQ(test, reported(f, page), test_bit(page, t->dirty));
		if (test_bit(page, t->dirty))
			KUNIT_ASSERT_TRUE(test, test_request_covers(LPID, gpa_of(page)));
		if (t->leaf[page]) {
			KUNIT_ASSERT_FALSE(test, pte_dirty(*t->leaf[page]));
			KUNIT_ASSERT_TRUE(test, pte_young(*t->leaf[page]));
			KUNIT_ASSERT_TRUE(test, pte_present(*t->leaf[page]));
		}
	}
	KUNIT_EXPECT_EQ(test, f->vm->flush.pages, bitmap_weight(t->dirty, SLOT_PAGES));

	/* nothing is left for a second harvest */
	test_requests_reset();
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->map, SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

static void all_dirty_is_one_request(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	use_backend(f, &test_backend_pages);
	for (page = 0; page < SLOT_PAGES; page++)
		map_page(test, page, PAGE_SHIFT, RC);

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_full(f->map, SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* A large leaf that the slot covers in part: bits inside the slot only. */
static void leaf_across_the_end(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long base = SLOT_PAGES - PMD_PAGES, page;
	pte_t *ptep;

	f->slot->base_gfn += PMD_PAGES / 2;
	f->slot->npages -= PMD_PAGES;
	ptep = map_page(test, base, PMD_SHIFT, RC);
	map_page(test, 0, PMD_SHIFT, RC);

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_FALSE(test, pte_dirty(*ptep));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->map, SLOT_PAGES), PMD_PAGES);
	for (page = 0; page < PMD_PAGES / 2; page++) {
		KUNIT_EXPECT_TRUE(test, reported(f, page));
		KUNIT_EXPECT_TRUE(test, reported(f, f->slot->npages - 1 - page));
	}
}

static void neighbours_keep_their_bits(struct kunit *test)
{
	struct fixture *f = test->priv;
	pte_t *before = map_page(test, -1UL, PAGE_SHIFT, RC);
	pte_t *after = map_page(test, SLOT_PAGES, PAGE_SHIFT, RC);

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->map, SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*before));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*after));
}

static void saved_before_the_table_goes(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	f->kvm->arch.radix = 0;
	map_page(test, 3, PAGE_SHIFT, RC);
	map_page(test, 4, PAGE_SHIFT, R);
	map_page(test, SLOT_PAGES - 1, PAGE_SHIFT, RC);
	map_page(test, SLOT_PAGES, PAGE_SHIFT, RC);
	map_page(test, PMD_PAGES, PMD_SHIFT, RC);
	__set_bit_le(7, f->slot->dirty_bitmap);

	kvm_ext_radix_save_dirty(f->vm, f->slot);
	for (page = 0; page < SLOT_PAGES; page++) {
		bool want = page == 3 || page == 7 || page == SLOT_PAGES - 1 ||
			    (page >= PMD_PAGES && page < 2 * PMD_PAGES);

		KUNIT_ASSERT_EQ(test, !!test_bit_le(page, f->slot->dirty_bitmap), want);
	}
}

static void refused_flush_is_an_error(struct kunit *test)
{
	struct fixture *f = test->priv;

	map_page(test, 9, PAGE_SHIFT, RC);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	KUNIT_EXPECT_EQ(test, harvest(f), -EIO);
	/* the bit is there, for the caller to put back */
	KUNIT_EXPECT_TRUE(test, reported(f, 9));

	/* made up for by the next harvest, though it has nothing to clear */
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(LPID, gpa_of(9)));

	test_requests_reset();
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/* A nested guest of the fixture's VM. */
static struct kvm_nested_guest *add_nested(struct kunit *test, int l1_lpid,
					   int shadow_lpid)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *gp = must(test, sizeof(*gp));

	gp->l1_host = f->kvm;
	gp->l1_lpid = l1_lpid;
	gp->shadow_lpid = shadow_lpid;
	gp->shadow_pgtable = test_table(test);
	KUNIT_ASSERT_EQ(test, idr_alloc(&f->kvm->arch.kvm_nested_guest_idr, gp, l1_lpid,
					l1_lpid + 1, GFP_KERNEL), l1_lpid);
	f->kvm->arch.nested_enable = true;
	return gp;
}

static unsigned long rmap_entry(const struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	return (unsigned long)gp->l1_lpid << RMAP_NESTED_LPID_SHIFT |
	       (n_gpa & RMAP_NESTED_GPA_MASK);
}

/* Put an entry in front of the list of a page. The list goes with its leaf. */
static void add_rmap(struct kunit *test, unsigned long page,
		     const struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	struct fixture *f = test->priv;
	unsigned long *rmapp = &f->slot->arch.rmap[page];

	if (!*rmapp) {
		*rmapp = rmap_entry(gp, n_gpa) | RMAP_NESTED_IS_SINGLE_ENTRY;
	} else {
		struct rmap_nested *n = kzalloc(sizeof(*n), GFP_KERNEL);

		KUNIT_ASSERT_NOT_NULL(test, n);
		n->rmap = rmap_entry(gp, n_gpa);
		n->list.next = (struct llist_node *)*rmapp;
		*rmapp = (unsigned long)n;
	}
}

/* Map a page of the slot for a nested guest, and remember it. */
static pte_t *map_nested(struct kunit *test, unsigned long page,
			 const struct kvm_nested_guest *gp, unsigned long n_gpa,
			 unsigned long bits)
{
	add_rmap(test, page, gp, n_gpa);
	return test_map(test, gp->shadow_pgtable, n_gpa, PAGE_SHIFT,
			PUD_SIZE + gpa_of(page), bits);
}

/* The four states of the two tables. */
static void nested_truth_table(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *gp = add_nested(test, 9, 2);
	unsigned int state;

	for (state = 0; state < 4; state++) {
		pte_t *own = map_page(test, state, PAGE_SHIFT, state & 1 ? RC : R);
		pte_t *shadow = map_nested(test, state, gp, state << PAGE_SHIFT,
					   state & 2 ? RC : R);

		test_requests_reset();
		KUNIT_EXPECT_EQ(test, harvest(f), 0);
		KUNIT_EXPECT_EQ(test, bitmap_weight(f->map, SLOT_PAGES), !!state);
		KUNIT_EXPECT_EQ(test, reported(f, state), !!state);
		KUNIT_EXPECT_FALSE(test, pte_dirty(*own));
		KUNIT_EXPECT_FALSE(test, pte_dirty(*shadow));
		KUNIT_EXPECT_EQ(test, test_requests_of(LPID), state & 1);
		/* under the LPID it lives under, not the one that L1 uses */
		KUNIT_EXPECT_EQ(test, test_requests_of(2), state >> 1);
		KUNIT_EXPECT_EQ(test, test_requests_of(9), 0);
		if (state & 2)
			KUNIT_EXPECT_TRUE(test, test_request_covers(2, state << PAGE_SHIFT));
	}
}

static void nested_sequence(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *gp = add_nested(test, 9, 2);
	unsigned long seq = f->kvm->mmu_invalidate_seq;
	pte_t *own = map_page(test, 1, PAGE_SHIFT, R);

	/* nothing cleared: faults need not retry */
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_EQ(test, f->kvm->mmu_invalidate_seq, seq);

	/* a fault in flight has seen C in the guest's PTE */
	__radix_pte_update(own, 0, _PAGE_DIRTY);
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_NE(test, f->kvm->mmu_invalidate_seq, seq);

	seq = f->kvm->mmu_invalidate_seq;
	map_nested(test, 1, gp, 0, RC);
	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_NE(test, f->kvm->mmu_invalidate_seq, seq);
}

/* Entries that no longer mean this page: other host page, gone, no guest. */
static void nested_stale_entries(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *gp = add_nested(test, 9, 2);
	struct kvm_nested_guest gone = { .l1_lpid = 77 };
	pte_t *other;

	map_page(test, 1, PAGE_SHIFT, R);
	add_rmap(test, 1, gp, 0);
	other = test_map(test, gp->shadow_pgtable, 0, PAGE_SHIFT,
			 PUD_SIZE + gpa_of(2), RC);
	add_rmap(test, 1, gp, 5 << PAGE_SHIFT);
	add_rmap(test, 1, &gone, 0);

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->map, SLOT_PAGES));
	KUNIT_EXPECT_TRUE(test, pte_dirty(*other));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/* More shadow LPIDs than gatherers, several aliases each. */
static void nested_many_guests(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int nr = 3 * KVM_EXT_NESTED_FLUSHES, aliases = 5, i, j;
	pte_t **ptes = must(test, nr * aliases * sizeof(*ptes));

	map_page(test, 1, PAGE_SHIFT, R);
	for (i = 0; i < nr; i++) {
		struct kvm_nested_guest *gp = add_nested(test, 100 + i, 200 + i);

		for (j = 0; j < aliases; j++)
			ptes[i * aliases + j] = map_nested(test, 1, gp, j << PAGE_SHIFT, RC);
	}

	KUNIT_EXPECT_EQ(test, harvest(f), 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->map, SLOT_PAGES), 1);
	KUNIT_EXPECT_TRUE(test, reported(f, 1));
	for (i = 0; i < nr * aliases; i++)
		KUNIT_EXPECT_FALSE(test, pte_dirty(*ptes[i]));
	for (i = 0; i < nr; i++)
		for (j = 0; j < aliases; j++)
			KUNIT_EXPECT_TRUE(test, test_request_covers(200 + i, j << PAGE_SHIFT));
}

static void unmap(struct fixture *f, unsigned long page, unsigned long end)
{
	spin_lock(&f->kvm->mmu_lock);
	kvm_ext_radix_unmap(f->vm, f->slot, SLOT_GFN + page, SLOT_GFN + end, false);
	spin_unlock(&f->kvm->mmu_lock);
}

static bool age(struct fixture *f, unsigned long page, unsigned long end, bool clear)
{
	bool young;

	spin_lock(&f->kvm->mmu_lock);
	if (clear)
		young = kvm_ext_radix_age(f->vm, f->slot, SLOT_GFN + page, SLOT_GFN + end);
	else
		young = kvm_ext_radix_test_age(f->vm, f->slot, SLOT_GFN + page,
					       SLOT_GFN + end);
	spin_unlock(&f->kvm->mmu_lock);
	return young;
}

/* Each leaf that the range touches goes, whole; no other is changed. */
static void unmap_random_ranges(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct random_table *t = random_table(test);
	unsigned long *gone = must(test, SLOT_PAGES / 8);
	unsigned long *want = must(test, SLOT_PAGES / 8);
	unsigned int round;

	for (round = 0; round < 8; round++) {
		unsigned long start = get_random_u32() % SLOT_PAGES;
		unsigned long end = start + 1 + get_random_u32() % (SLOT_PAGES / 8);
		unsigned long page, i;

		end = min(end, SLOT_PAGES);
		test_requests_reset();
		unmap(f, start, end);
		for (page = start; page < end; page++) {
			unsigned long pages = 1UL << (t->shift[page] - PAGE_SHIFT);
			unsigned long base = round_down(SLOT_GFN + page, pages) - SLOT_GFN;

			if (!t->leaf[page] || test_bit(page, gone))
				continue;
			for (i = base; i < base + pages; i++) {
				__set_bit(i, gone);
				if (test_bit(i, t->dirty))
					__set_bit(i, want);
				KUNIT_ASSERT_TRUE(test, test_request_covers(LPID, gpa_of(i)));
			}
		}
		for (page = 0; page < SLOT_PAGES; page++)
			if (t->leaf[page])
				KUNIT_ASSERT_EQ(test, pte_present(*t->leaf[page]),
						!test_bit(page, gone));
		KUNIT_ASSERT_TRUE(test, bitmap_equal(f->slot->dirty_bitmap, want,
						     SLOT_PAGES));
	}
}

static void unmap_is_one_request(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	use_backend(f, &test_backend_pages);
	unmap(f, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	for (page = 0; page < SLOT_PAGES; page++)
		map_page(test, page, PAGE_SHIFT, R);
	unmap(f, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_TRUE(test, bitmap_empty(f->slot->dirty_bitmap, SLOT_PAGES));
}

static void unmap_part_of_a_large_leaf(struct kunit *test)
{
	struct fixture *f = test->priv;
	pte_t *leaf = map_page(test, PMD_PAGES, PMD_SHIFT, RC);
	pte_t *next = map_page(test, 2 * PMD_PAGES, PAGE_SHIFT, RC);

	f->kvm->stat.num_2M_pages = 1;
	unmap(f, PMD_PAGES + 1, PMD_PAGES + 2);
	KUNIT_EXPECT_FALSE(test, pte_present(*leaf));
	KUNIT_EXPECT_TRUE(test, pte_present(*next));
	KUNIT_EXPECT_EQ(test, f->kvm->stat.num_2M_pages, 0);
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, SLOT_PAGES), PMD_PAGES);
	KUNIT_EXPECT_EQ(test, find_first_bit(f->slot->dirty_bitmap, SLOT_PAGES), PMD_PAGES);
}

static void unmap_unlogged(struct kunit *test)
{
	struct fixture *f = test->priv;
	pte_t *leaf = map_page(test, 5, PAGE_SHIFT, RC);

	f->slot->dirty_bitmap = NULL;
	unmap(f, 5, 6);
	KUNIT_EXPECT_FALSE(test, pte_present(*leaf));
	KUNIT_EXPECT_TRUE(test, test_request_covers(LPID, gpa_of(5)));
}

/* A page's shadow PTEs go with it, and what they know of stores stays. */
static void unmap_nested(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *one = add_nested(test, 9, 2), *two = add_nested(test, 10, 3);
	pte_t *own = map_page(test, 1, PAGE_SHIFT, R);
	pte_t *clean = map_nested(test, 1, one, 0, R);
	pte_t *dirty = map_nested(test, 1, two, 7 << PAGE_SHIFT, RC);
	pte_t *other;

	map_page(test, 2, PAGE_SHIFT, R);
	other = map_nested(test, 2, two, 8 << PAGE_SHIFT, RC);

	unmap(f, 1, 2);
	KUNIT_EXPECT_FALSE(test, pte_present(*own));
	KUNIT_EXPECT_FALSE(test, pte_present(*clean));
	KUNIT_EXPECT_FALSE(test, pte_present(*dirty));
	KUNIT_EXPECT_TRUE(test, pte_present(*other));
	KUNIT_EXPECT_EQ(test, f->slot->arch.rmap[1], 0);
	KUNIT_EXPECT_NE(test, f->slot->arch.rmap[2], 0);
	KUNIT_EXPECT_TRUE(test, test_bit_le(1, f->slot->dirty_bitmap));
	KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap, SLOT_PAGES), 1);
	KUNIT_EXPECT_TRUE(test, test_request_covers(LPID, gpa_of(1)));
	KUNIT_EXPECT_TRUE(test, test_request_covers(2, 0));
	KUNIT_EXPECT_TRUE(test, test_request_covers(3, 7 << PAGE_SHIFT));
}

/* The four states of the two tables, now of R. */
static void age_truth_table(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct kvm_nested_guest *gp = add_nested(test, 9, 2);
	unsigned int state;

	for (state = 0; state < 4; state++) {
		unsigned long seq = f->kvm->mmu_invalidate_seq;
		pte_t *own = map_page(test, state, PAGE_SHIFT,
				      state & 1 ? RC : _PAGE_DIRTY);
		pte_t *shadow = map_nested(test, state, gp, state << PAGE_SHIFT,
					   state & 2 ? RC : _PAGE_DIRTY);

		test_requests_reset();
		KUNIT_EXPECT_EQ(test, age(f, state, state + 1, false), !!state);
		KUNIT_EXPECT_EQ(test, age(f, state, state + 1, false), !!state);
		KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
		KUNIT_EXPECT_EQ(test, f->kvm->mmu_invalidate_seq, seq);

		KUNIT_EXPECT_EQ(test, age(f, state, state + 1, true), !!state);
		KUNIT_EXPECT_FALSE(test, pte_young(*own));
		KUNIT_EXPECT_FALSE(test, pte_young(*shadow));
		KUNIT_EXPECT_TRUE(test, pte_dirty(*own) && pte_present(*own));
		KUNIT_EXPECT_TRUE(test, pte_dirty(*shadow) && pte_present(*shadow));
		KUNIT_EXPECT_EQ(test, test_requests_of(LPID), state & 1);
		KUNIT_EXPECT_EQ(test, test_requests_of(2), state >> 1);
		KUNIT_EXPECT_EQ(test, f->kvm->mmu_invalidate_seq != seq, !!state);
		KUNIT_EXPECT_NE(test, f->slot->arch.rmap[state], 0);

		KUNIT_EXPECT_FALSE(test, age(f, state, state + 1, true));
	}
}

static void age_is_one_request(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	use_backend(f, &test_backend_pages);
	for (page = 0; page < SLOT_PAGES; page++)
		map_page(test, page, PAGE_SHIFT, R);
	KUNIT_EXPECT_TRUE(test, age(f, 0, SLOT_PAGES, true));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_FALSE(test, age(f, 0, SLOT_PAGES, true));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* All of a slot, in several holds of the lock. */
static void flush_slot(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct random_table *t = random_table(test);
	pte_t *before = map_page(test, -1UL, PAGE_SHIFT, RC);
	pte_t *after = map_page(test, SLOT_PAGES, PAGE_SHIFT, RC);
	unsigned long seq = f->kvm->mmu_invalidate_seq, page;

	kvm_ext_radix_flush_slot(f->vm, f->slot);
	for (page = 0; page < SLOT_PAGES; page++) {
		if (!t->leaf[page])
			continue;
		KUNIT_ASSERT_FALSE(test, pte_present(*t->leaf[page]));
		KUNIT_ASSERT_TRUE(test, test_request_covers(LPID, gpa_of(page)));
	}
	KUNIT_EXPECT_TRUE(test, pte_present(*before));
	KUNIT_EXPECT_TRUE(test, pte_present(*after));
	KUNIT_EXPECT_TRUE(test, bitmap_equal(f->slot->dirty_bitmap, t->dirty, SLOT_PAGES));
	KUNIT_EXPECT_NE(test, f->kvm->mmu_invalidate_seq, seq);
}

/* The VM has left radix mode, its table may be gone. */
static void flush_slot_of_no_radix_guest(struct kunit *test)
{
	struct fixture *f = test->priv;
	pte_t *leaf = map_page(test, 0, PAGE_SHIFT, RC);

	f->kvm->arch.radix = 0;
	kvm_ext_radix_flush_slot(f->vm, f->slot);
	KUNIT_EXPECT_TRUE(test, pte_present(*leaf));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(random_leaves),
	KUNIT_CASE(all_dirty_is_one_request),
	KUNIT_CASE(leaf_across_the_end),
	KUNIT_CASE(neighbours_keep_their_bits),
	KUNIT_CASE(saved_before_the_table_goes),
	KUNIT_CASE(refused_flush_is_an_error),
	KUNIT_CASE(nested_truth_table),
	KUNIT_CASE(nested_sequence),
	KUNIT_CASE(nested_stale_entries),
	KUNIT_CASE(nested_many_guests),
	KUNIT_CASE(unmap_random_ranges),
	KUNIT_CASE(unmap_is_one_request),
	KUNIT_CASE(unmap_part_of_a_large_leaf),
	KUNIT_CASE(unmap_unlogged),
	KUNIT_CASE(unmap_nested),
	KUNIT_CASE(age_truth_table),
	KUNIT_CASE(age_is_one_request),
	KUNIT_CASE(flush_slot),
	KUNIT_CASE(flush_slot_of_no_radix_guest),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_mmu",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
