// SPDX-License-Identifier: GPL-2.0
/*
 * TLB invalidations of one collection of the dirty log
 *
 * Stock issues an invalidation for each dirty page. The module never issues
 * more, and only a few if many pages are dirty.
 */
#include "ktap.h"
#include "logged_vm.h"
#include "tlb_count.h"

#define NR_PAGES	2048

/* Most single-page requests before the module flushes the whole LPID. */
#define MAX_PAGEWISE	33

/* Collect, expect @dirty pages, and return the number of invalidations. */
static unsigned long count_pass(struct __test_metadata *_metadata,
				struct logged_vm *l, size_t dirty)
{
	unsigned long count;
	int ret;

	tlb_count_start(VM_MMU_RADIX);
	ret = logged_vm_collect(l);
	count = tlb_count_stop(VM_MMU_RADIX);
	ASSERT_EQ(0, ret);
	EXPECT_EQ(dirty, logged_vm_count(l));
	TH_LOG("%zu pages dirty: %lu invalidations", dirty, count);
	return count;
}

/* Store to a cluster of pages at each stride, and count a collection. */
static unsigned long count_clusters(struct __test_metadata *_metadata,
				    struct logged_vm *l, size_t cluster,
				    size_t stride)
{
	size_t first, clusters = 0;

	for (first = 0; first < NR_PAGES; first += stride, clusters++)
		vcpu_store_pages(&l->vm->vcpu[0], logged_vm_gpa(l, first),
				 l->page, cluster, 1);
	return count_pass(_metadata, l, clusters * cluster);
}

FIXTURE(counts) {
	struct logged_vm *l;
	unsigned long unit;	/* invalidations for one page */
};

/* Leave every page mapped and clean. */
FIXTURE_SETUP(counts)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };

	SKIP_IF(return, tlb_count_missing());
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	vcpu_store_pages(&self->l->vm->vcpu[0], VM_DATA_GPA, self->l->page,
			 NR_PAGES, 1);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	self->unit = count_clusters(_metadata, self->l, 1, NR_PAGES);
	if (!self->unit) /* see tlb_count_start() */
		self->unit = count_clusters(_metadata, self->l, 1, NR_PAGES);
	ASSERT_LT(0, self->unit);
	ASSERT_GE(host_is_lpar() ? 1 : 3, self->unit);
}

FIXTURE_TEARDOWN(counts)
{
	logged_vm_destroy(self->l);
}

/*
 * Expect the invalidations of @dirty pages on stock, and of at most @most pages
 * on the module. Unless @most is 0, the module must invalidate: stores through
 * a stale translation would not be reported.
 */
static void check(struct __test_metadata *_metadata, const struct vm *vm,
		  unsigned long unit, unsigned long count, size_t dirty,
		  size_t most)
{
	if (may_xfail(vm)) {
		EXPECT_EQ(dirty * unit, count);
	} else {
		EXPECT_GE(most * unit, count);
		EXPECT_EQ(most == 0, count == 0);
	}
}

TEST_F(counts, clean)
{
	unsigned long count = count_pass(_metadata, self->l, 0);

	check(_metadata, self->l->vm, self->unit, count, 0, 0);
}

TEST_F(counts, never_mapped)
{
	unsigned long count;

	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	count = count_pass(_metadata, self->l, 0);
	check(_metadata, self->l->vm, self->unit, count, 0, 0);
}

TEST_F(counts, one)
{
	unsigned long count = count_clusters(_metadata, self->l, 1, NR_PAGES);

	check(_metadata, self->l->vm, self->unit, count, 1, 1);
}

TEST_F(counts, all)
{
	unsigned long count = count_clusters(_metadata, self->l, NR_PAGES, NR_PAGES);

	check(_metadata, self->l->vm, self->unit, count, NR_PAGES, 1);
}

TEST_F(counts, all_again)
{
	unsigned int i;

	for (i = 0; i < 3; i++) {
		unsigned long count = count_clusters(_metadata, self->l, NR_PAGES,
						     NR_PAGES);

		check(_metadata, self->l->vm, self->unit, count, NR_PAGES, 1);
	}
}

TEST_F(counts, sparse)
{
	unsigned long count = count_clusters(_metadata, self->l, 1, 16);

	check(_metadata, self->l->vm, self->unit, count, NR_PAGES / 16, MAX_PAGEWISE);
}

TEST_F(counts, few_sparse)
{
	unsigned long count = count_clusters(_metadata, self->l, 1, 128);

	check(_metadata, self->l->vm, self->unit, count, 16, 16);
}

TEST_F(counts, clustered)
{
	unsigned long count = count_clusters(_metadata, self->l, 32, 256);

	check(_metadata, self->l->vm, self->unit, count, 256, MAX_PAGEWISE);
}

/* Dirty pages that were unmapped were invalidated at that time. */
TEST_F(counts, unmapped)
{
	unsigned long count;

	vcpu_store_pages(&self->l->vm->vcpu[0], VM_DATA_GPA, self->l->page,
			 NR_PAGES, 1);
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	count = count_pass(_metadata, self->l, NR_PAGES);
	check(_metadata, self->l->vm, self->unit, count, 0, 0);
}

TEST_HARNESS_MAIN
