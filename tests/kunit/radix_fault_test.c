// SPDX-License-Identifier: GPL-2.0
/*
 * Limits of leaf sizes, with memslots that start and end at every page around
 * the borders of large pages. And what a fault maps from host tables that the
 * test builds: without an invalidation in progress, with one of the faulting
 * page, and with one of other addresses.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "compat.h"
#include "hooks.h"
#include "radix_fault.h"
#include "radix_vm.h"
#include "radix_walk.h"

#define PAGES_OF(size)	((size) >> PAGE_SHIFT)

/* Guest and host address of a large page. */
#define GPA		(3 * PUD_SIZE)
#define HPA		(5 * PUD_SIZE)
#define BITS		(_PAGE_PRESENT | _PAGE_READ | _PAGE_WRITE | _PAGE_PTE)

#define NR_LEVELS	3

/* On Book3S the sizes are known at run time only. */
static unsigned long size_of(unsigned int level)
{
	return level == 2 ? PUD_SIZE : level == 1 ? PMD_SIZE : PAGE_SIZE;
}

/* The leaf that kvm-hv asks for: the host's of that level, which maps @gpa. */
static pte_t wanted(unsigned long gpa, unsigned int level)
{
	return pfn_pte(round_down(HPA + gpa - GPA, size_of(level)) >> PAGE_SHIFT,
		       __pgprot(BITS));
}

static unsigned int want(const struct kvm_memory_slot *slot, unsigned long gpa,
			 unsigned int level)
{
	unsigned long start = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = start + (slot->npages << PAGE_SHIFT);

	for (; level; level--)
		if (round_down(gpa, size_of(level)) >= start &&
		    round_down(gpa, size_of(level)) + size_of(level) <= end)
			break;
	return level;
}

static void check(struct kunit *test, const struct kvm_memory_slot *slot,
		  unsigned long gpa, unsigned int level)
{
	unsigned int bound = want(slot, gpa, level);
	pte_t pte = wanted(gpa, level);

	KUNIT_ASSERT_EQ_MSG(test, khx_fault_bound_leaf(slot, gpa, level, &pte), bound,
			    "gpa %lx level %u slot %llx + %lx", gpa, level,
			    slot->base_gfn, slot->npages);
	KUNIT_ASSERT_EQ(test, pte_val(pte), pte_val(wanted(gpa, bound)));
}

/* Check the first, middle and last page, and borders of large pages. */
static void check_slot(struct kunit *test, unsigned long first, unsigned long pages)
{
	struct kvm_memory_slot slot = {
		.base_gfn = PAGES_OF(GPA) + first, .npages = pages,
	};
	unsigned long start = GPA + (first << PAGE_SHIFT);
	unsigned long last = start + ((pages - 1) << PAGE_SHIFT);
	unsigned long gpas[] = {
		start, last, start + (pages / 2 << PAGE_SHIFT),
		min(last, round_up(start, PMD_SIZE)),
		max(start, round_down(last, PMD_SIZE)),
		min(last, round_up(start, PUD_SIZE)),
		max(start, round_down(last, PUD_SIZE)),
	};
	unsigned int i, level;

	for (i = 0; i < ARRAY_SIZE(gpas); i++)
		for (level = 0; level < NR_LEVELS; level++)
			check(test, &slot, gpas[i], level);
}

static void every_border(struct kunit *test)
{
	const unsigned long borders[] = {
		0, PMD_SIZE, PUD_SIZE, PUD_SIZE + PMD_SIZE, 2 * PUD_SIZE,
	};
	unsigned int i, j;
	int a, b;

	for (i = 0; i < ARRAY_SIZE(borders); i++)
		for (j = i; j < ARRAY_SIZE(borders); j++)
			for (a = -2; a <= 2; a++)
				for (b = -2; b <= 2; b++) {
					long first = PAGES_OF(borders[i]) + a;
					long end = PAGES_OF(borders[j]) + b;

					if (first >= 0 && end > first)
						check_slot(test, first, end - first);
				}
}

/* No slot: only a base page; an invalidation will make the fault retry. */
static void no_slot(struct kunit *test)
{
	unsigned long gpa = GPA + PMD_SIZE + 7 * PAGE_SIZE;
	pte_t pte = wanted(gpa, 2);

	KUNIT_EXPECT_EQ(test, khx_fault_bound_leaf(NULL, gpa, 2, &pte), 0);
	KUNIT_EXPECT_EQ(test, pte_val(pte), pte_val(wanted(gpa, 0)));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_border),
	KUNIT_CASE(no_slot),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_fault",
	.test_cases = cases,
};

#define HVA		(7 * PUD_SIZE)
#define HOST_LEAF	(_PAGE_PRESENT | _PAGE_PTE | _PAGE_READ | _PAGE_ACCESSED)

struct faulting {
	struct test_vm *f;
	struct kvm_vcpu *vcpu;
	struct mm_struct *mm;
};

static struct faulting faulting_vm(struct kunit *test)
{
	struct faulting t = {
		.f = test->priv,
		.vcpu = test_zalloc(test, sizeof(*t.vcpu)),
		.mm = test_zalloc(test, sizeof(*t.mm)),
	};

	t.mm->pgd = test_table(test);
	t.f->kvm->mm = t.mm;
	t.f->slot->userspace_addr = HVA;
	t.vcpu->kvm = t.f->kvm;
	return t;
}

/* Map a page of the slot in the host's table. */
static void host_map(struct kunit *test, const struct faulting *t, unsigned long page,
		     unsigned int shift, unsigned long bits)
{
	pte_t *ptep = test_map(test, t->mm->pgd, HVA + (page << PAGE_SHIFT), shift,
			       test_hpa(page), 0);

	*ptep = __pte((pte_val(*ptep) & PTE_RPN_MASK) | HOST_LEAF | bits);
}

static int fault(const struct faulting *t, unsigned long page, bool writing, pte_t *pte,
		 unsigned int *level)
{
	int idx = srcu_read_lock(&t->f->kvm->srcu), err;

	err = khx_radix_map(t->vcpu, test_gpa(page), t->f->slot, writing, pte, level);
	srcu_read_unlock(&t->f->kvm->srcu, idx);
	return err;
}

static bool mapped(const struct faulting *t, unsigned long page)
{
	struct khx_walk w;

	khx_walk_init(&w, t->f->root, test_gpa(page), test_gpa(page + 1), UINT_MAX);
	return khx_walk_next(&w);
}

/*
 * The leaf has W if the host's leaf has it. A store sets C. A load sets C if
 * the leaf is writable and the slot is not logged.
 */
static void bits_of_a_fault(struct kunit *test)
{
	struct faulting t = faulting_vm(test);
	unsigned int i, level;
	pte_t pte;

	test_map_page(test, 0, PAGE_SHIFT, TEST_R);	/* allocates tables */
	for (i = 0; i < 8; i++) {
		bool logged = i & 1, writing = i & 2, writable = i & 4;
		unsigned long page = i + 1;

		if (writing && !writable)
			continue;	/* the host must fault first */
		t.f->slot->flags = logged ? KVM_MEM_LOG_DIRTY_PAGES : 0;
		host_map(test, &t, page, PAGE_SHIFT, _PAGE_SOFT_DIRTY |
			 (writable ? _PAGE_WRITE | _PAGE_DIRTY : 0));
		KUNIT_ASSERT_EQ(test, 0, fault(&t, page, writing, &pte, &level));
		KUNIT_EXPECT_EQ(test, level, 0);
		KUNIT_EXPECT_EQ(test, pte_pfn(pte), test_hpa(page) >> PAGE_SHIFT);
		KUNIT_EXPECT_EQ(test, !!pte_write(pte), writable);
		KUNIT_EXPECT_EQ(test, !!pte_dirty(pte), writable && (writing || !logged));
		KUNIT_EXPECT_FALSE(test, pte_soft_dirty(pte));
		KUNIT_EXPECT_TRUE(test, mapped(&t, page));
	}
}

/* A store to a page maps it by a leaf of level @size, from host page @first on. */
static void expect_leaf(struct kunit *test, const struct faulting *t, unsigned long page,
			unsigned int size, unsigned long first)
{
	unsigned int level;
	pte_t pte;

	KUNIT_ASSERT_EQ(test, 0, fault(t, page, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, level, size);
	KUNIT_EXPECT_EQ(test, pte_pfn(pte), test_hpa(first) >> PAGE_SHIFT);
}

/*
 * The guest's leaf is as large as the host's, wherever in it the access is, if
 * guest and host address have the same offset in it.
 */
static void size_of_a_leaf(struct kunit *test)
{
	const unsigned long large = TEST_PMD_PAGES, apart = 3 * TEST_PMD_PAGES;
	struct faulting t = faulting_vm(test);

	t.f->slot->flags = 0;
	host_map(test, &t, large, PMD_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);
	expect_leaf(test, &t, large + 3, 1, large);

	/* the page before this one in the guest is the first of the host's leaf */
	host_map(test, &t, apart, PMD_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);
	t.f->slot->userspace_addr = HVA + PAGE_SIZE;
	expect_leaf(test, &t, apart - 1, 0, apart);
	KUNIT_EXPECT_FALSE(test, mapped(&t, apart - 2));
}

/*
 * The host has split its leaf, and the guest's is still large. A store sets C in the
 * large leaf if that is writable. Otherwise the guest may write to this page only,
 * because the host has checked only this one.
 */
static void host_leaf_is_smaller(struct kunit *test)
{
	const unsigned long page = TEST_PMD_PAGES + 3;
	struct faulting t = faulting_vm(test);
	unsigned int level;
	pte_t *large, pte;

	t.f->slot->flags = 0;
	large = test_map_page(test, TEST_PMD_PAGES, PMD_SHIFT, TEST_R);
	t.f->kvm->stat.num_2M_pages = 1;
	host_map(test, &t, page, PAGE_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);
	KUNIT_ASSERT_EQ(test, 0, fault(&t, page, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, level, 1);
	KUNIT_EXPECT_TRUE(test, pte_dirty(pte));
	KUNIT_EXPECT_EQ(test, pte_val(pte), pte_val(*large));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	*large = __pte(pte_val(*large) & ~(_PAGE_WRITE | _PAGE_DIRTY));
	KUNIT_ASSERT_EQ(test, 0, fault(&t, page, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, level, 0);
	KUNIT_EXPECT_TRUE(test, pte_write(pte));
	KUNIT_EXPECT_TRUE(test, mapped(&t, page));
	KUNIT_EXPECT_FALSE(test, mapped(&t, page - 1));
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(page - 1)));
	KUNIT_EXPECT_EQ(test, t.f->kvm->stat.num_2M_pages, 0);
}

/*
 * Page-table pages without a leaf make room for a leaf as large as the host's. Others
 * do not.
 */
static void table_in_the_way(struct kunit *test)
{
	const unsigned long empty = TEST_PMD_PAGES, used = 2 * TEST_PMD_PAGES;
	struct faulting t = faulting_vm(test);

	t.f->slot->flags = 0;
	*test_map_page(test, empty + 5, PAGE_SHIFT, TEST_R) = __pte(0);
	test_map_page(test, used + 5, PAGE_SHIFT, TEST_R);
	host_map(test, &t, empty, PMD_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);
	host_map(test, &t, used, PMD_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);

	expect_leaf(test, &t, empty + 3, 1, empty);
	KUNIT_EXPECT_TRUE(test, mapped(&t, empty + 5));
	KUNIT_EXPECT_TRUE(test, test_request_covers(TEST_LPID, test_gpa(empty)));
	test_requests_reset();

	expect_leaf(test, &t, used + 3, 0, used + 3);
	KUNIT_EXPECT_FALSE(test, mapped(&t, used + 4));
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

/*
 * Begin an invalidation of all memory, or of a range without the slot's pages.
 * The kernel keeps the range in host addresses before 6.9, in gfns since.
 */
static void invalidate(struct kvm *kvm, bool all)
{
	kvm->mmu_invalidate_in_progress = 1;
	kvm->mmu_invalidate_range_start = all ? 0 : ULONG_MAX - 2;
	kvm->mmu_invalidate_range_end = ULONG_MAX - 1;
}

static void fault_while_invalidated(struct kunit *test)
{
	const unsigned long small = TEST_PMD_PAGES + 1, large = 2 * TEST_PMD_PAGES;
	struct faulting t = faulting_vm(test);
	unsigned int level;
	pte_t pte;

	t.f->slot->flags = 0;
	/* allocates tables */
	test_map_page(test, TEST_PMD_PAGES, PAGE_SHIFT, TEST_R);
	host_map(test, &t, small, PAGE_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);
	host_map(test, &t, large, PMD_SHIFT, _PAGE_WRITE | _PAGE_DIRTY);

	invalidate(t.f->kvm, true);
	KUNIT_EXPECT_EQ(test, -EAGAIN, fault(&t, small, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, -EAGAIN, fault(&t, large, true, &pte, &level));
	KUNIT_EXPECT_FALSE(test, mapped(&t, small));
	KUNIT_EXPECT_FALSE(test, mapped(&t, large));

	/* other pages of a large leaf may be in the range */
	invalidate(t.f->kvm, false);
	KUNIT_EXPECT_EQ(test, 0, fault(&t, small, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, -EAGAIN, fault(&t, large, true, &pte, &level));
	KUNIT_EXPECT_TRUE(test, mapped(&t, small));
	KUNIT_EXPECT_FALSE(test, mapped(&t, large));

	t.f->kvm->mmu_invalidate_in_progress = 0;
	KUNIT_EXPECT_EQ(test, 0, fault(&t, large, true, &pte, &level));
	KUNIT_EXPECT_EQ(test, level, 1);
	KUNIT_EXPECT_TRUE(test, mapped(&t, large));
	KUNIT_EXPECT_TRUE(test, mapped(&t, large + TEST_PMD_PAGES - 1));
}

static struct kunit_case fault_cases[] = {
	KUNIT_CASE(bits_of_a_fault),
	KUNIT_CASE(size_of_a_leaf),
	KUNIT_CASE(host_leaf_is_smaller),
	KUNIT_CASE(table_in_the_way),
	KUNIT_CASE(fault_while_invalidated),
	{}
};

static struct kunit_suite fault_suite = {
	.name = "kvm_hv_ext_radix_fault_vm",
	.init = test_vm_init,
	.exit = test_vm_exit,
	.test_cases = fault_cases,
};

kunit_test_suites(&suite, &fault_suite);
