// SPDX-License-Identifier: GPL-2.0
/*
 * TLB invalidations when guest memory is unmapped, a log is switched, or the
 * dirty log of an HPT guest is collected
 *
 * Stock looks up each page and invalidates each that was mapped. The module
 * walks the range once, and invalidates at most once per page, or once for the
 * range.
 */
#include "ktap.h"

#include <sys/mman.h>

#include "logged_vm.h"
#include "tlb_count.h"

#define SIZE		(256ul << 20)
#define TIMEOUT		240	/* enough for 65,536 pages of 4K */

FIXTURE(counts) {
	struct logged_vm *l;
	unsigned long unit;	/* invalidations for one page */
};

FIXTURE_VARIANT(counts) {
	enum vm_mmu mmu;
};

FIXTURE_VARIANT_ADD(counts, radix) { VM_MMU_RADIX };
FIXTURE_VARIANT_ADD(counts, hpt) { VM_MMU_HPT };

static unsigned long count_advice(struct __test_metadata *_metadata,
				  struct logged_vm *l, size_t pages, int advice)
{
	unsigned long count;
	int ret;

	tlb_count_start(l->vm->mmu);
	ret = madvise(l->memory, pages * l->page, advice);
	count = tlb_count_stop(l->vm->mmu);
	ASSERT_EQ(0, ret);
	TH_LOG("%zu pages: %lu invalidations", pages, count);
	return count;
}

static void map_all(struct logged_vm *l)
{
	vcpu_store_pages(&l->vm->vcpu[0], VM_DATA_GPA, l->page, l->pages, 1);
}

FIXTURE_SETUP(counts)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, tlb_count_missing());
	SKIP_IF(return, logged_vm_create(&self->l, &config, SIZE / page_size(), BACKING_SMALL));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	map_all(self->l);
	self->unit = count_advice(_metadata, self->l, 1, MADV_DONTNEED);
	if (!self->unit) { /* see tlb_count_start() */
		map_all(self->l);
		self->unit = count_advice(_metadata, self->l, 1, MADV_DONTNEED);
	}
	ASSERT_LT(0, self->unit);
	ASSERT_GE(host_is_lpar() || variant->mmu == VM_MMU_HPT ? 1 : 3, self->unit);
	map_all(self->l);
}

FIXTURE_TEARDOWN(counts)
{
	logged_vm_destroy(self->l);
}

static void check(struct __test_metadata *_metadata, const struct vm *vm,
		  unsigned long count, unsigned long stock, unsigned long most)
{
	if (may_xfail(vm)) {
		EXPECT_EQ(stock, count);
	} else {
		EXPECT_GE(most, count);
		EXPECT_EQ(most == 0, count == 0);
	}
}

/*
 * The module splits long work into several holds of a lock, each of which
 * visits
 * @in_each pages or tree entries: one entry per page, and one per table of
 * PTEs.
 */
static unsigned long holds(const struct logged_vm *l, unsigned long in_each)
{
	unsigned long tables = l->vm->mmu == VM_MMU_RADIX ? l->size / THP_SIZE : 0;

	return (l->pages + tables + in_each - 1) / in_each;
}

/* 64K pages take one hold. One invalidation covers at most 4,096 HPTEs. */
TEST_F_TIMEOUT(counts, dropped, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned long most = holds(l, variant->mmu == VM_MMU_RADIX ? 6144 : 4096);

	check(_metadata, l->vm, count_advice(_metadata, l, l->pages, MADV_DONTNEED),
	      l->pages * self->unit, most * self->unit);
	/* No page is mapped now. */
	check(_metadata, l->vm, count_advice(_metadata, l, l->pages, MADV_DONTNEED),
	      0, 0);
}

/*
 * Switching the log on clears C bits, in several holds. Stock zaps all
 * mappings, both then and when the log is switched off.
 */
TEST_F_TIMEOUT(counts, log_switched, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned int i;

	if (variant->mmu == VM_MMU_HPT)
		SKIP(return, "HPTEs stay when a log is switched");
	for (i = 0; i < 2; i++) {
		unsigned long count;
		int ret;

		tlb_count_start(VM_MMU_RADIX);
		ret = logged_vm_set_log(l, !i);
		count = tlb_count_stop(VM_MMU_RADIX);
		ASSERT_EQ(0, ret);
		TH_LOG("log switched %s: %lu invalidations", i ? "off" : "on", count);
		check(_metadata, l->vm, count, l->pages * self->unit,
		      i ? 0 : holds(l, 2048) * self->unit);
		map_all(l);
	}
}

/* In chunks of 512 HPTEs, after one flush that writes back cached C bits. */
TEST_F_TIMEOUT(counts, collected, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned long count;
	int ret;

	if (variant->mmu == VM_MMU_RADIX)
		SKIP(return, "dirty_log_counts is about radix guests");
	ASSERT_EQ(0, logged_vm_set_log(l, true));
	ASSERT_EQ(0, logged_vm_collect(l));
	map_all(l);
	tlb_count_start(VM_MMU_HPT);
	ret = logged_vm_collect(l);
	count = tlb_count_stop(VM_MMU_HPT);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(l->pages, logged_vm_count(l));
	TH_LOG("%zu pages collected: %lu invalidations", l->pages, count);
	check(_metadata, l->vm, count, l->pages, 1 + l->pages / 512);
}

TEST_F_TIMEOUT(counts, slot_deleted, TIMEOUT)
{
	struct logged_vm *l = self->l;
	unsigned long count;
	int ret;

	tlb_count_start(l->vm->mmu);
	ret = vm_set_memslot(l->vm, LOGGED_SLOT, VM_DATA_GPA, 0, l->memory, 0);
	count = tlb_count_stop(l->vm->mmu);
	ASSERT_EQ(0, ret);
	TH_LOG("memslot deleted: %lu invalidations", count);
	check(_metadata, l->vm, count, l->pages * self->unit, holds(l, 2048) * self->unit);
}

TEST_HARNESS_MAIN
