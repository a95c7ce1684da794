// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on HPTEs, in an HPT and rmap chains that the test builds; also
 * against a thread that locks an HPTE first and then its chain.
 */
#include <kunit/test.h>
#include <linux/completion.h>
#include <linux/kthread.h>
#include <linux/kvm_host.h>
#include <linux/vmalloc.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "hpt_fault.h"
#include "hpt_mmu.h"
#include "mmu.h"
#include "table.h"
#include "vm.h"

#define LPID		5
#define RC		(HPTE_R_R | HPTE_R_C)
#define RMAP_R		(HPTE_R_R << KVMPPC_RMAP_RC_SHIFT)
#define RMAP_C		(HPTE_R_C << KVMPPC_RMAP_RC_SHIFT)
#define ORDER		18
#define NR_HPTES	(1UL << (ORDER - 4))
#define CEILING		33

/* The slot: two guest pages of 16 MiB, aligned. */
#define LARGE		24
#define LARGE_PAGES	(1UL << (LARGE - PAGE_SHIFT))
#define SLOT_GFN	(4 * LARGE_PAGES)
#define SLOT_PAGES	(2 * LARGE_PAGES)

struct fixture {
	struct kvm *kvm;
	struct khx_vm *vm;
	struct kvm_memory_slot *slot;
	unsigned long *map;
	unsigned long used;
};

/* Requests to the backend. */
static struct {
	unsigned int single;
	unsigned int lpid;
	unsigned int unlocked;
	unsigned long late;		/* HPTE that gets C by the next flush */
} seen;

static void processor_writes_back(struct kvm *kvm)
{
	__be64 *hptep = (__be64 *)(kvm->arch.hpt.virt + (seen.late << 4));

	if (seen.late != -1UL)
		hptep[1] |= cpu_to_be64(HPTE_R_C);
	seen.late = -1UL;
}

static void test_hpte(struct kvm *kvm, __be64 *hptep, unsigned long index)
{
	seen.single++;
	seen.unlocked += !(hptep[0] & cpu_to_be64(HPTE_V_HVLOCK));
	hptep[0] &= ~cpu_to_be64(HPTE_V_VALID);
	processor_writes_back(kvm);
}

static void test_clear_ref(struct kvm *kvm, __be64 *hptep, unsigned long index)
{
	seen.single++;
	seen.unlocked += !(hptep[0] & cpu_to_be64(HPTE_V_HVLOCK));
	hptep[1] &= ~cpu_to_be64(HPTE_R_R);
}

static void test_lpid(struct kvm *kvm)
{
	seen.lpid++;
	processor_writes_back(kvm);
}

static const struct khx_hpt_flush_backend power9 = {
	.ceiling = CEILING,
	.hpte = test_hpte,
	.clear_ref = test_clear_ref,
	.lpid = test_lpid,
};

static const struct khx_hpt_flush_backend power8 = {
	.hpte = test_hpte,
	.clear_ref = test_clear_ref,
};

static void forget(void)
{
	memset(&seen, 0, sizeof(seen));
	seen.late = -1UL;
}

static int fixture_init(struct kunit *test)
{
	struct fixture *f = test_zalloc(test, sizeof(*f));

	f->kvm = test_zalloc(test, sizeof(*f->kvm));
	f->vm = test_zalloc(test, sizeof(*f->vm));
	f->slot = test_zalloc(test, sizeof(*f->slot));
	f->map = test_zalloc(test, SLOT_PAGES / 8);

	mutex_init(&f->kvm->arch.mmu_setup_lock);
	mutex_init(&f->kvm->slots_lock);
	spin_lock_init(&f->kvm->mmu_lock);
	f->kvm->arch.lpid = LPID;
	f->kvm->arch.hpt.order = ORDER;
	f->kvm->arch.hpt.virt = (unsigned long)test_zalloc(test, 1UL << ORDER);
	f->kvm->arch.hpt.rev = test_zalloc(test, NR_HPTES * sizeof(struct revmap_entry));

	f->slot->base_gfn = SLOT_GFN;
	f->slot->npages = SLOT_PAGES;
	f->slot->arch.rmap = test_zalloc(test, SLOT_PAGES * sizeof(unsigned long));
	f->slot->dirty_bitmap = test_zalloc(test, 2 * SLOT_PAGES / 8);

	KUNIT_ASSERT_EQ(test, 0, khx_vm_init(f->vm, f->kvm));
	if (!f->vm->hpt.locked)
		f->vm->hpt.locked = kvzalloc(sizeof(*f->vm->hpt.locked), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, f->vm->hpt.locked);
	f->vm->hpt.backend = &power9;
	forget();
	test->priv = f;
	return 0;
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (f)
		khx_vm_release(f->vm);
}

static __be64 *hpte(struct fixture *f, unsigned long index)
{
	return (__be64 *)(f->kvm->arch.hpt.virt + (index << 4));
}

static unsigned long v_of(struct fixture *f, unsigned long index)
{
	return be64_to_cpu(hpte(f, index)[0]);
}

static unsigned long r_of(struct fixture *f, unsigned long index)
{
	return be64_to_cpu(hpte(f, index)[1]);
}

static unsigned long *rmap(struct fixture *f, unsigned long page)
{
	return &f->slot->arch.rmap[page];
}

static struct revmap_entry *rev(struct fixture *f, unsigned long index)
{
	return &f->kvm->arch.hpt.rev[index];
}

/* Add a valid HPTE, as H_ENTER does, to the chain of its first page. */
static unsigned long enter(struct fixture *f, unsigned long page, unsigned int shift,
			   unsigned long bits)
{
	unsigned long v = HPTE_V_VALID, index = f->used++;
	unsigned long r = (SLOT_GFN + page) << PAGE_SHIFT;

	if (shift != 12) {
		v |= HPTE_V_LARGE;
		r |= (unsigned long)kvmppc_pgsize_lp_encoding(shift, shift) << 12;
	}
	rev(f, index)->guest_rpte = r;
	hpte(f, index)[1] = cpu_to_be64(r | bits);
	hpte(f, index)[0] = cpu_to_be64(v);
	lock_rmap(rmap(f, page));
	kvmppc_add_revmap_chain(f->kvm, rev(f, index), rmap(f, page), index, 0);
	return index;
}

static void unmap(struct fixture *f, unsigned long start, unsigned long end)
{
	spin_lock(&f->kvm->mmu_lock);
	khx_hpt_unmap(f->vm, f->slot, SLOT_GFN + start, SLOT_GFN + end, 0);
	spin_unlock(&f->kvm->mmu_lock);
}

static bool age(struct fixture *f, unsigned long start, unsigned long end)
{
	bool young;

	spin_lock(&f->kvm->mmu_lock);
	young = khx_hpt_age(f->vm, f->slot, SLOT_GFN + start, SLOT_GFN + end);
	spin_unlock(&f->kvm->mmu_lock);
	return young;
}

static bool test_age(struct fixture *f, unsigned long start, unsigned long end)
{
	bool young;

	spin_lock(&f->kvm->mmu_lock);
	young = khx_hpt_test_age(f->vm, f->slot, SLOT_GFN + start, SLOT_GFN + end);
	spin_unlock(&f->kvm->mmu_lock);
	return young;
}

/* Returns the number of pages reported. */
static unsigned long harvest(struct fixture *f)
{
	bitmap_zero(f->map, SLOT_PAGES);
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	khx_hpt_harvest(f->vm, f->slot, f->map);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
	return bitmap_weight(f->map, SLOT_PAGES);
}

/* The same for a peek, which changes nothing. */
static unsigned long peek(struct fixture *f)
{
	bitmap_zero(f->map, SLOT_PAGES);
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	khx_hpt_peek(f->vm, f->slot, f->map);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
	return bitmap_weight(f->map, SLOT_PAGES);
}

static void clean(struct fixture *f, const unsigned long *pages, unsigned long start,
		  unsigned long end)
{
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	khx_hpt_clean(f->vm, f->slot, pages, start, end);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
}

static bool reported(struct fixture *f, unsigned long page)
{
	return test_bit_le(page, f->map);
}

static bool accumulated(struct fixture *f, unsigned long page)
{
	return test_bit_le(page, f->slot->dirty_bitmap);
}

static void expect_absent(struct kunit *test, unsigned long index)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, HPTE_V_ABSENT,
			v_of(f, index) & (HPTE_V_VALID | HPTE_V_ABSENT | HPTE_V_HVLOCK));
}

static void expect_valid(struct kunit *test, unsigned long index)
{
	struct fixture *f = test->priv;

	KUNIT_EXPECT_EQ(test, HPTE_V_VALID,
			v_of(f, index) & (HPTE_V_VALID | HPTE_V_ABSENT | HPTE_V_HVLOCK));
}

static void unmap_one(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i = enter(f, 7, PAGE_SHIFT, RC | HPTE_R_KEY_LO), other;

	other = enter(f, 8, PAGE_SHIFT, RC);
	unmap(f, 7, 8);

	expect_absent(test, i);
	expect_valid(test, other);
	/* an absent HPTE with key 31 would be one of emulated MMIO */
	KUNIT_EXPECT_EQ(test, 0, r_of(f, i) & (HPTE_R_KEY_HI | HPTE_R_KEY_LO));
	KUNIT_EXPECT_EQ(test, RMAP_R | RMAP_C, *rmap(f, 7) & (RMAP_R | RMAP_C));
	KUNIT_EXPECT_FALSE(test, *rmap(f, 7) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_EQ(test, RC, rev(f, i)->guest_rpte & RC);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 7));
	KUNIT_EXPECT_FALSE(test, accumulated(f, 8));
	KUNIT_EXPECT_EQ(test, 1, seen.single);
	KUNIT_EXPECT_EQ(test, 0, seen.lpid);
	KUNIT_EXPECT_EQ(test, 0, seen.unlocked);

	unmap(f, 7, 8);
	KUNIT_EXPECT_EQ(test, 1, seen.single);
}

static void unmap_clean(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i = enter(f, 7, PAGE_SHIFT, HPTE_R_R);

	atomic_set(&f->kvm->arch.hpte_mod_interest, 1);
	unmap(f, 7, 8);
	KUNIT_EXPECT_FALSE(test, accumulated(f, 7));
	KUNIT_EXPECT_EQ(test, RMAP_R, *rmap(f, 7) & (RMAP_R | RMAP_C));
	KUNIT_EXPECT_EQ(test, HPTE_R_R | HPTE_GR_MODIFIED,
			rev(f, i)->guest_rpte & (RC | HPTE_GR_MODIFIED));
}

static void unmap_many_by_one_flush(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	for (page = 0; page < CEILING; page++)
		enter(f, page, PAGE_SHIFT, RC);
	unmap(f, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, CEILING, seen.single);
	KUNIT_EXPECT_EQ(test, 0, seen.lpid);

	forget();
	for (page = 0; page < SLOT_PAGES; page++)
		enter(f, page, PAGE_SHIFT, page & 1 ? RC : HPTE_R_R);
	unmap(f, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, 0, seen.single);
	KUNIT_EXPECT_EQ(test, DIV_ROUND_UP(SLOT_PAGES, KHX_HPTES), seen.lpid);
	for (page = 0; page < SLOT_PAGES; page++) {
		expect_absent(test, CEILING + page);
		KUNIT_EXPECT_EQ(test, page & 1 || page < CEILING, accumulated(f, page));
	}
}

/*
 * What may not sleep has no reason to give up mmu_lock, or to flush before the end. The
 * HPTEs are in two chunks.
 */
static void unmap_at_once(struct kunit *test)
{
	static const unsigned int how[] = { 0, KHX_UNMAP_KEEP_PINNED, KHX_UNMAP_MAY_SLEEP };
	struct fixture *f = test->priv;
	unsigned long npages = KHX_HPTES + SLOT_PAGES, page;
	unsigned int i;

	f->slot->npages = npages;
	f->slot->arch.rmap = test_zalloc(test, npages * sizeof(unsigned long));
	for (i = 0; i < ARRAY_SIZE(how); i++) {
		for (page = 0; page <= CEILING; page++) {
			enter(f, page, PAGE_SHIFT, HPTE_R_R);
			enter(f, npages - 1 - page, PAGE_SHIFT, HPTE_R_R);
		}
		forget();
		spin_lock(&f->kvm->mmu_lock);
		KUNIT_EXPECT_EQ(test, 2 * (CEILING + 1),
				khx_hpt_unmap(f->vm, f->slot, SLOT_GFN, SLOT_GFN + npages, how[i]));
		spin_unlock(&f->kvm->mmu_lock);
		KUNIT_EXPECT_EQ(test, 0, seen.single);
		KUNIT_EXPECT_EQ(test, how[i] & KHX_UNMAP_MAY_SLEEP ? 2 : 1, seen.lpid);
	}
}

/* A processor may set C until the flush is complete. */
static void unmap_late_c(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	seen.late = enter(f, 1, PAGE_SHIFT, HPTE_R_R);
	unmap(f, 1, 2);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 1));

	for (page = 10; page < 100; page++)
		enter(f, page, PAGE_SHIFT, HPTE_R_R);
	seen.late = f->used - 2;
	unmap(f, 10, 100);
	KUNIT_EXPECT_EQ(test, 1, seen.lpid);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 98));
	KUNIT_EXPECT_FALSE(test, accumulated(f, 99));
}

static void unmap_aliases(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i, nr = 2 * KHX_HPTES + 5;

	for (i = 0; i < nr; i++)
		enter(f, 3, PAGE_SHIFT, i == nr - 1 ? RC : HPTE_R_R);
	unmap(f, 3, 4);
	for (i = 0; i < nr; i++)
		expect_absent(test, i);
	KUNIT_EXPECT_FALSE(test, *rmap(f, 3) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 3));
	/* two passes of KHX_HPTES, one flush each, and five single HPTEs */
	KUNIT_EXPECT_EQ(test, 2, seen.lpid);
	KUNIT_EXPECT_EQ(test, 5, seen.single);
}

/* Unmapping a host page unmaps all guest pages of 4 KiB in it. */
static void unmap_small(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i;

	for (i = 0; i < PAGE_SIZE >> 12; i++)
		enter(f, 5, 12, i ? HPTE_R_R : RC);
	unmap(f, 5, 6);
	for (i = 0; i < PAGE_SIZE >> 12; i++)
		expect_absent(test, i);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 5));
	KUNIT_EXPECT_FALSE(test, accumulated(f, 6));
}

/* A page that is pinned stays mapped, unless its memslot goes. */
static void unmap_pinned(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long pinned = enter(f, 7, PAGE_SHIFT, RC), other = enter(f, 8, PAGE_SHIFT, RC);
	void *page = pfn_to_page(SLOT_GFN + 7);

	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&f->vm->pins.pages, SLOT_GFN + 7, page,
						 GFP_KERNEL)));
	spin_lock(&f->kvm->mmu_lock);
	khx_hpt_unmap(f->vm, f->slot, SLOT_GFN, SLOT_GFN + 16, KHX_UNMAP_KEEP_PINNED);
	spin_unlock(&f->kvm->mmu_lock);
	expect_valid(test, pinned);
	expect_absent(test, other);
	KUNIT_EXPECT_TRUE(test, *rmap(f, 7) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_FALSE(test, accumulated(f, 7));

	unmap(f, 0, 16);
	expect_absent(test, pinned);
	KUNIT_EXPECT_TRUE(test, accumulated(f, 7));
	xa_erase(&f->vm->pins.pages, SLOT_GFN + 7);
}

/* The first HPTE of a chain maps another host page than the pinned one, and alone goes. */
static void unmap_first_of_chain(struct kunit *test)
{
	struct fixture *f = test->priv;
	void *page = pfn_to_page(SLOT_GFN + 7);
	unsigned long first, pinned;

	enter(f, 8, PAGE_SHIFT, RC);
	first = enter(f, 7, PAGE_SHIFT, RC);
	pinned = enter(f, 7, PAGE_SHIFT, RC);
	KUNIT_ASSERT_TRUE(test, first & ~pinned);
	hpte(f, first)[1] = cpu_to_be64(r_of(f, first) + PAGE_SIZE);
	KUNIT_ASSERT_EQ(test, 0, xa_err(xa_store(&f->vm->pins.pages, SLOT_GFN + 7, page,
						 GFP_KERNEL)));
	spin_lock(&f->kvm->mmu_lock);
	khx_hpt_unmap(f->vm, f->slot, SLOT_GFN + 7, SLOT_GFN + 8, KHX_UNMAP_KEEP_PINNED);
	spin_unlock(&f->kvm->mmu_lock);
	expect_absent(test, first);
	expect_valid(test, pinned);
	KUNIT_EXPECT_EQ(test, *rmap(f, 7) & KVMPPC_RMAP_INDEX, pinned);
	KUNIT_EXPECT_EQ(test, rev(f, pinned)->forw, pinned);
	xa_erase(&f->vm->pins.pages, SLOT_GFN + 7);
}

/* An HPTE that is left in the chain of a page that it does not map, maybe of no memslot. */
static void chain_of_other_page(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i = enter(f, 2, PAGE_SHIFT, RC);

	rev(f, i)->guest_rpte += PAGE_SIZE;
	KUNIT_EXPECT_EQ(test, 0, harvest(f));
	unmap(f, 2, 3);
	KUNIT_EXPECT_FALSE(test, *rmap(f, 2) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_EQ(test, 0, bitmap_weight(f->slot->dirty_bitmap, SLOT_PAGES));
	expect_valid(test, i);
}

/* The range is inside a large page, whose HPTE is in its first page's chain. */
static void unmap_part_of_large(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long large = enter(f, LARGE_PAGES, LARGE, RC), page;
	unsigned long small = enter(f, LARGE_PAGES, PAGE_SHIFT, RC);
	unsigned long before = enter(f, 0, LARGE, RC);

	unmap(f, LARGE_PAGES + 9, LARGE_PAGES + 10);
	expect_absent(test, large);
	expect_valid(test, small);
	expect_valid(test, before);
	for (page = 0; page < SLOT_PAGES; page++)
		KUNIT_EXPECT_EQ(test, page >= LARGE_PAGES, accumulated(f, page));
	/* the rest of the chain is intact */
	KUNIT_EXPECT_EQ(test, small, *rmap(f, LARGE_PAGES) & KVMPPC_RMAP_INDEX);
	KUNIT_EXPECT_EQ(test, small, rev(f, small)->forw);
	KUNIT_EXPECT_EQ(test, small, rev(f, small)->back);
}

static void harvest_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long dirty = enter(f, 2, PAGE_SHIFT, RC);
	unsigned long clean = enter(f, 3, PAGE_SHIFT, HPTE_R_R);
	unsigned long large = enter(f, LARGE_PAGES, LARGE, RC);

	KUNIT_EXPECT_EQ(test, 1 + LARGE_PAGES, harvest(f));
	KUNIT_EXPECT_TRUE(test, reported(f, 2));
	KUNIT_EXPECT_TRUE(test, reported(f, LARGE_PAGES));
	KUNIT_EXPECT_TRUE(test, reported(f, SLOT_PAGES - 1));

	expect_valid(test, dirty);
	expect_valid(test, clean);
	expect_valid(test, large);
	KUNIT_EXPECT_EQ(test, HPTE_R_R, r_of(f, dirty) & RC);
	KUNIT_EXPECT_EQ(test, HPTE_R_C, rev(f, dirty)->guest_rpte & RC);
	KUNIT_EXPECT_EQ(test, 0, rev(f, clean)->guest_rpte & RC);
	KUNIT_EXPECT_TRUE(test, *rmap(f, 2) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_EQ(test, 0, seen.unlocked);

	KUNIT_EXPECT_EQ(test, 0, harvest(f));
}

/* A harvest begins with a flush, by which processors write back cached C. */
static void harvest_late_c(struct kunit *test)
{
	struct fixture *f = test->priv;

	seen.late = enter(f, 2, PAGE_SHIFT, HPTE_R_R);
	KUNIT_EXPECT_EQ(test, 1, harvest(f));
	KUNIT_EXPECT_TRUE(test, reported(f, 2));
}

static void harvest_many_by_few_flushes(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	for (page = 0; page < SLOT_PAGES; page++)
		enter(f, page, PAGE_SHIFT, RC);
	KUNIT_EXPECT_EQ(test, SLOT_PAGES, harvest(f));
	KUNIT_EXPECT_EQ(test, 0, seen.single);
	KUNIT_EXPECT_EQ(test, 1 + DIV_ROUND_UP(SLOT_PAGES, 512UL), seen.lpid);
}

/* Unmapping an HPTE accumulates its C: a harvest clears C in the rmap word. */
static void harvest_rmap_c(struct kunit *test)
{
	struct fixture *f = test->priv;

	enter(f, 4, PAGE_SHIFT, RC);
	unmap(f, 4, 5);
	KUNIT_EXPECT_EQ(test, RMAP_R | RMAP_C, *rmap(f, 4) & (RMAP_R | RMAP_C));
	KUNIT_EXPECT_EQ(test, 0, harvest(f));
	KUNIT_EXPECT_EQ(test, RMAP_R, *rmap(f, 4) & (RMAP_R | RMAP_C));
	KUNIT_EXPECT_TRUE(test, accumulated(f, 4));
}

/* Nothing but the guest's next access makes an HPTE valid that is not. */
static void harvest_absent(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i = enter(f, 2, PAGE_SHIFT, RC);

	hpte(f, i)[0] ^= cpu_to_be64(HPTE_V_VALID | HPTE_V_ABSENT);
	KUNIT_EXPECT_EQ(test, 0, harvest(f));
	KUNIT_EXPECT_FALSE(test, age(f, 2, 3));
	expect_absent(test, i);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, i) & RC);

	unmap(f, 2, 3);
	expect_absent(test, i);
	KUNIT_EXPECT_FALSE(test, *rmap(f, 2) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_FALSE(test, accumulated(f, 2));
}

/*
 * POWER8 cannot be made to write back all C bits at once. While no vCPU runs, a
 * harvest invalidates writable HPTEs one by one, also if a page has more than
 * KHX_HPTES of them.
 */
static void harvest_power8(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long nr = KHX_HPTES + 5, i, read_only;

	f->vm->hpt.backend = &power8;
	for (i = 0; i < nr; i++)
		enter(f, 2, PAGE_SHIFT, HPTE_R_R);
	read_only = enter(f, 3, PAGE_SHIFT, HPTE_R_R | PP_RXRX);

	atomic_set(&f->kvm->arch.vcpus_running, 1);
	KUNIT_EXPECT_EQ(test, 0, harvest(f));
	KUNIT_EXPECT_EQ(test, 0, seen.single);

	atomic_set(&f->kvm->arch.vcpus_running, 0);
	seen.late = nr - 1;
	KUNIT_EXPECT_EQ(test, 1, harvest(f));
	KUNIT_EXPECT_TRUE(test, reported(f, 2));
	KUNIT_EXPECT_EQ(test, nr, seen.single);
	for (i = 0; i <= read_only; i++)
		expect_valid(test, i);
}

static void peek_leaves_it(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long dirty = enter(f, 2, PAGE_SHIFT, RC);
	unsigned int i;

	enter(f, 3, PAGE_SHIFT, HPTE_R_R);
	enter(f, LARGE_PAGES, LARGE, RC);
	for (i = 0; i < 2; i++) {
		KUNIT_EXPECT_EQ(test, 1 + LARGE_PAGES, peek(f));
		KUNIT_EXPECT_TRUE(test, reported(f, 2));
		KUNIT_EXPECT_TRUE(test, reported(f, SLOT_PAGES - 1));
	}
	expect_valid(test, dirty);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, dirty) & RC);
	KUNIT_EXPECT_EQ(test, 0, seen.single);
	KUNIT_EXPECT_EQ(test, 2, seen.lpid);
}

static void peek_late_c(struct kunit *test)
{
	struct fixture *f = test->priv;

	seen.late = enter(f, 2, PAGE_SHIFT, HPTE_R_R);
	KUNIT_EXPECT_EQ(test, 1, peek(f));
}

static void peek_power8(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long late = enter(f, 2, PAGE_SHIFT, HPTE_R_R);
	unsigned long dirty = enter(f, 3, PAGE_SHIFT, RC);

	f->vm->hpt.backend = &power8;
	atomic_set(&f->kvm->arch.vcpus_running, 1);
	KUNIT_EXPECT_EQ(test, 1, peek(f));
	atomic_set(&f->kvm->arch.vcpus_running, 0);
	seen.late = late;
	KUNIT_EXPECT_EQ(test, 2, peek(f));
	expect_valid(test, late);
	expect_valid(test, dirty);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, dirty) & RC);
}

/* Cleaning some pages of a larger HPTE accumulates its other pages. */
static void clean_named(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long named = enter(f, 2, PAGE_SHIFT, RC);
	unsigned long other = enter(f, 3, PAGE_SHIFT, RC);
	unsigned long behind = enter(f, 70, PAGE_SHIFT, RC);
	unsigned long large = enter(f, LARGE_PAGES, LARGE, RC);
	unsigned long *pages = test_zalloc(test, SLOT_PAGES / 8), page;

	__set_bit_le(2, pages);
	__set_bit_le(70, pages);
	__set_bit_le(LARGE_PAGES + 5, pages);
	clean(f, pages, 0, 64);
	KUNIT_EXPECT_EQ(test, HPTE_R_R, r_of(f, named) & RC);
	KUNIT_EXPECT_EQ(test, HPTE_R_C, rev(f, named)->guest_rpte & RC);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, other) & RC);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, behind) & RC);
	KUNIT_EXPECT_EQ(test, RC, r_of(f, large) & RC);

	clean(f, pages, 64, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, HPTE_R_R, r_of(f, behind) & RC);
	KUNIT_EXPECT_EQ(test, HPTE_R_R, r_of(f, large) & RC);
	for (page = 0; page < SLOT_PAGES; page++)
		KUNIT_ASSERT_EQ(test, accumulated(f, page),
				page >= LARGE_PAGES && page != LARGE_PAGES + 5);
	expect_valid(test, named);
	expect_valid(test, large);
	KUNIT_EXPECT_EQ(test, 0, seen.unlocked);
}

/*
 * A range that ends, or begins, inside of a larger HPTE: the others of its pages are
 * accumulated, whatever the bitmap has beyond the range.
 */
static void clean_part_of_large(struct kunit *test)
{
	static const unsigned long begins[] = { 0, 64, LARGE_PAGES - 64 };
	struct fixture *f = test->priv;
	unsigned long large = enter(f, LARGE_PAGES, LARGE, RC);
	unsigned long *pages = test_zalloc(test, SLOT_PAGES / 8), page, begin;
	unsigned int i;

	memset(pages, 0xff, SLOT_PAGES / 8);
	for (i = 0; i < ARRAY_SIZE(begins); i++) {
		begin = LARGE_PAGES + begins[i];
		hpte(f, large)[1] |= cpu_to_be64(HPTE_R_C);
		memset(f->slot->dirty_bitmap, 0, SLOT_PAGES / 8);
		clean(f, pages, begin, begin + 64);
		KUNIT_EXPECT_EQ(test, HPTE_R_R, r_of(f, large) & RC);
		for (page = 0; page < SLOT_PAGES; page++)
			KUNIT_ASSERT_EQ_MSG(test, accumulated(f, page),
					    page >= LARGE_PAGES &&
					    (page < begin || page >= begin + 64),
					    "page %lu, range from %lu", page, begin);
	}
}

/* C that a processor still caches from an earlier store is cleared too. */
static void clean_late_c(struct kunit *test)
{
	struct fixture *f = test->priv;

	seen.late = enter(f, 2, PAGE_SHIFT, HPTE_R_R);
	clean(f, NULL, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, 0, peek(f));
}

static void clean_nothing(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long *pages = test_zalloc(test, SLOT_PAGES / 8);

	enter(f, 2, PAGE_SHIFT, RC);
	clean(f, pages, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, 0, seen.lpid + seen.single);
	KUNIT_EXPECT_EQ(test, 1, peek(f));
}

/* Cleaning also clears C in the rmap word, which unmapping an HPTE sets. */
static void clean_rmap_c(struct kunit *test)
{
	struct fixture *f = test->priv;

	enter(f, 4, PAGE_SHIFT, RC);
	unmap(f, 4, 5);
	clean(f, NULL, 0, SLOT_PAGES);
	KUNIT_EXPECT_EQ(test, RMAP_R, *rmap(f, 4) & (RMAP_R | RMAP_C));
}

static void aging(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i = enter(f, 6, PAGE_SHIFT, RC);

	KUNIT_EXPECT_FALSE(test, test_age(f, 0, 6));
	KUNIT_EXPECT_TRUE(test, test_age(f, 6, 7));
	KUNIT_EXPECT_TRUE(test, age(f, 0, 16));
	expect_valid(test, i);
	KUNIT_EXPECT_EQ(test, HPTE_R_C, r_of(f, i) & RC);
	KUNIT_EXPECT_EQ(test, HPTE_R_R, rev(f, i)->guest_rpte & RC);
	KUNIT_EXPECT_EQ(test, 1, seen.single);
	KUNIT_EXPECT_EQ(test, 0, seen.unlocked);
	KUNIT_EXPECT_FALSE(test, test_age(f, 0, 16));
	KUNIT_EXPECT_FALSE(test, age(f, 0, 16));

	/* R in the rmap word, which unmapping an HPTE sets */
	enter(f, 9, PAGE_SHIFT, HPTE_R_R);
	unmap(f, 9, 10);
	KUNIT_EXPECT_TRUE(test, test_age(f, 9, 10));
	KUNIT_EXPECT_TRUE(test, age(f, 9, 10));
	KUNIT_EXPECT_FALSE(test, age(f, 9, 10));
}

static void aging_many_by_one_flush(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long page;

	for (page = 0; page < SLOT_PAGES; page++)
		enter(f, page, PAGE_SHIFT, RC);
	KUNIT_EXPECT_TRUE(test, age(f, 0, SLOT_PAGES));
	KUNIT_EXPECT_EQ(test, 0, seen.single);
	KUNIT_EXPECT_EQ(test, DIV_ROUND_UP(SLOT_PAGES, KHX_HPTES), seen.lpid);
	for (page = 0; page < SLOT_PAGES; page++) {
		expect_valid(test, page);
		KUNIT_EXPECT_EQ(test, HPTE_R_C, r_of(f, page) & RC);
	}
}

/* More HPTEs map a page than a pass holds. */
static void aging_aliases(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long i, nr = 2 * KHX_HPTES + 5;

	for (i = 0; i < nr; i++)
		enter(f, 3, PAGE_SHIFT, RC);
	KUNIT_EXPECT_TRUE(test, age(f, 3, 4));
	for (i = 0; i < nr; i++) {
		expect_valid(test, i);
		KUNIT_EXPECT_EQ(test, HPTE_R_C, r_of(f, i) & RC);
	}
	KUNIT_EXPECT_EQ(test, 2, seen.lpid);
	KUNIT_EXPECT_EQ(test, 5, seen.single);
}

static void aging_part_of_large(struct kunit *test)
{
	struct fixture *f = test->priv;

	enter(f, 0, PAGE_SHIFT, RC);
	KUNIT_EXPECT_FALSE(test, test_age(f, 9, 10));
	KUNIT_EXPECT_FALSE(test, age(f, 9, 10));
	enter(f, 0, LARGE, RC);
	KUNIT_EXPECT_TRUE(test, test_age(f, 9, 10));
	KUNIT_EXPECT_TRUE(test, age(f, 9, 10));
	KUNIT_EXPECT_FALSE(test, age(f, 9, 10));
}

static void flush_slot(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long seq = f->kvm->mmu_invalidate_seq, page;

	for (page = 0; page < SLOT_PAGES; page += 2)
		enter(f, page, PAGE_SHIFT, RC);
	khx_hpt_flush_slot(f->vm, f->slot);
	for (page = 0; page < f->used; page++)
		expect_absent(test, page);
	KUNIT_EXPECT_LT(test, seq, f->kvm->mmu_invalidate_seq);
	KUNIT_EXPECT_EQ(test, SLOT_PAGES / 2,
			bitmap_weight(f->slot->dirty_bitmap, SLOT_PAGES));
}

/* A large page of the guest needs a host address with the same alignment. */
static void congruent(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long gpa = SLOT_GFN << PAGE_SHIFT, large = 1UL << LARGE;

	f->slot->userspace_addr = 16 * large;
	KUNIT_EXPECT_TRUE(test, khx_hpt_fault_congruent(f->slot, gpa, large));
	KUNIT_EXPECT_TRUE(test, khx_hpt_fault_congruent(f->slot, gpa + large, large));

	f->slot->userspace_addr += large / 2;
	KUNIT_EXPECT_FALSE(test, khx_hpt_fault_congruent(f->slot, gpa, large));
	KUNIT_EXPECT_TRUE(test, khx_hpt_fault_congruent(f->slot, gpa, 1UL << 12));
	KUNIT_EXPECT_TRUE(test, khx_hpt_fault_congruent(f->slot, gpa, PAGE_SIZE));

	f->slot->userspace_addr += PAGE_SIZE;
	KUNIT_EXPECT_FALSE(test, khx_hpt_fault_congruent(f->slot, gpa + large, large));
	KUNIT_EXPECT_TRUE(test, khx_hpt_fault_congruent(f->slot, gpa, PAGE_SIZE));
}

/* Locks an HPTE and then its chain, as a guest's hypercall does. */
struct rival {
	struct fixture *f;
	struct completion started;
	unsigned long locked;
};

static int rival_thread(void *arg)
{
	struct rival *rival = arg;
	struct fixture *f = rival->f;
	unsigned long i = 0;

	complete(&rival->started);
	while (!kthread_should_stop()) {
		i = (i + 7) % f->used;
		preempt_disable();
		if (try_lock_hpte(hpte(f, i), HPTE_V_HVLOCK)) {
			lock_rmap(rmap(f, i % 8));
			unlock_rmap(rmap(f, i % 8));
			unlock_hpte(hpte(f, i), v_of(f, i));
			rival->locked++;
		}
		preempt_enable();
		cond_resched();
	}
	return 0;
}

static void against_a_rival(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct rival rival = { .f = f };
	struct task_struct *thread;
	unsigned long i, round;

	for (i = 0; i < 64; i++)
		enter(f, i % 8, PAGE_SHIFT, RC);
	init_completion(&rival.started);
	thread = kthread_run(rival_thread, &rival, "hpte-rival");
	KUNIT_ASSERT_FALSE(test, IS_ERR(thread));
	wait_for_completion(&rival.started);

	for (round = 0; round < 2000; round++) {
		harvest(f);
		age(f, 0, 8);
		cond_resched();
	}
	unmap(f, 0, 8);
	kthread_stop(thread);
	for (i = 0; i < 64; i++)
		expect_absent(test, i);
	for (i = 0; i < 8; i++)
		KUNIT_EXPECT_FALSE(test, *rmap(f, i) & KVMPPC_RMAP_PRESENT);
	KUNIT_EXPECT_LT(test, 0, rival.locked);
	KUNIT_EXPECT_EQ(test, 0, seen.unlocked);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(unmap_one),
	KUNIT_CASE(unmap_clean),
	KUNIT_CASE(unmap_many_by_one_flush),
	KUNIT_CASE(unmap_at_once),
	KUNIT_CASE(unmap_late_c),
	KUNIT_CASE(unmap_aliases),
	KUNIT_CASE(unmap_small),
	KUNIT_CASE(unmap_pinned),
	KUNIT_CASE(unmap_first_of_chain),
	KUNIT_CASE(chain_of_other_page),
	KUNIT_CASE(unmap_part_of_large),
	KUNIT_CASE(harvest_once),
	KUNIT_CASE(harvest_late_c),
	KUNIT_CASE(harvest_many_by_few_flushes),
	KUNIT_CASE(harvest_rmap_c),
	KUNIT_CASE(harvest_absent),
	KUNIT_CASE(harvest_power8),
	KUNIT_CASE(peek_leaves_it),
	KUNIT_CASE(peek_late_c),
	KUNIT_CASE(peek_power8),
	KUNIT_CASE(clean_named),
	KUNIT_CASE(clean_part_of_large),
	KUNIT_CASE(clean_late_c),
	KUNIT_CASE(clean_nothing),
	KUNIT_CASE(clean_rmap_c),
	KUNIT_CASE(aging),
	KUNIT_CASE(aging_many_by_one_flush),
	KUNIT_CASE(aging_aliases),
	KUNIT_CASE(aging_part_of_large),
	KUNIT_CASE(flush_slot),
	KUNIT_CASE(congruent),
	KUNIT_CASE(against_a_rival),
	{ }
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_hpt_mmu",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
