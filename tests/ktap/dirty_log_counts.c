// SPDX-License-Identifier: GPL-2.0
/*
 * TLB invalidations of one pass over the dirty log
 *
 * Stock invalidates each dirty page by itself. Ours never needs more than
 * that, and few where many pages are dirty.
 */
#include "ktap.h"
#include "logged_vm.h"
#include "tlb_count.h"

#define NR_PAGES	2048

/* Requests that ours may make page by page before it drops all of an LPID. */
#define MAX_PAGEWISE	33

/* Number of invalidations of a pass that must report that many pages. */
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

/* Stores to a cluster of pages at each stride, and counts the pass that follows. */
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
	unsigned long unit;	/* invalidations that one page takes */
};

/* Afterwards every page is mapped and clean. */
FIXTURE_SETUP(counts)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };

	SKIP_IF(return, tlb_count_missing());
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	vcpu_store_pages(&self->l->vm->vcpu[0], VM_DATA_GPA, self->l->page,
			 NR_PAGES, 1);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	self->unit = count_clusters(_metadata, self->l, 1, NR_PAGES);
	ASSERT_LT(0, self->unit);
	ASSERT_GE(host_is_lpar() ? 1 : 3, self->unit);
}

FIXTURE_TEARDOWN(counts)
{
	logged_vm_destroy(self->l);
}

/*
 * On ours at most so many times what one page takes; but never nothing, or a
 * later store through a stale translation would not be seen.
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

/* A dirty page that was unmapped has been invalidated then. */
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
