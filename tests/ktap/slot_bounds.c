// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots that start or end inside a huge page of the host
 *
 * The rest of the huge page belongs to the VMM, or to a neighbouring memslot.
 * Stock maps the whole huge page.
 */
#include "ktap.h"

#include <sys/mman.h>

#define MIB		0x100000ul
#define ARENA		(2 * THP_SIZE)
#define SLOT		1
#define NEIGHBOUR	2

#define VALUE		0x5a5a5a5a5a5a5a5aull
#define BEYOND		"stock maps memory outside of the memslot, in the same huge page"

FIXTURE(bounds) {
	struct vm *vm;
	struct vcpu *vcpu;
	size_t page;
	char *arena;		/* under the slot, and around it */
	char *other;		/* under the neighbour */
	char *before;		/* a copy of the arena */
};

FIXTURE_VARIANT(bounds) {
	enum backing backing;
};

FIXTURE_VARIANT_ADD(bounds, thp) { BACKING_THP };
FIXTURE_VARIANT_ADD(bounds, hugetlb) { BACKING_HUGETLB };

FIXTURE_SETUP(bounds)
{
	const struct vm_config config = { .mmu = VM_MMU_RADIX };
	const char *why;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	self->page = page_size();
	self->arena = mem_alloc(ARENA, variant->backing, &why);
	if (!self->arena)
		SKIP(return, "%s", why);
	memset(self->arena, 0x11, ARENA);
	self->other = mem_alloc(THP_SIZE, BACKING_SMALL, &why);
	self->before = malloc(ARENA);
	self->vm = vm_create(&config);
	self->vcpu = &self->vm->vcpu[0];
}

FIXTURE_TEARDOWN(bounds)
{
	vm_destroy(self->vm);
	mem_free(self->other, THP_SIZE);
	mem_free(self->arena, ARENA);
	free(self->before);
}

/* Guest and host addresses have the same offset in a huge page. */
static int set_slot(struct _test_data_bounds *self, unsigned int id, size_t from,
		    size_t to, char *memory, __u32 flags)
{
	return vm_set_slot(self->vm, id, VM_DATA_GPA + from, to - from,
			   memory + from, flags);
}

/* Fault in a leaf by a first access inside of the slot, then copy the arena. */
static void touch(struct _test_data_bounds *self, size_t offset)
{
	vcpu_store(self->vcpu, VM_DATA_GPA + offset, VALUE);
	memcpy(self->before, self->arena, ARENA);
}

/* Does an access reach memory? Otherwise it must exit as MMIO. */
static bool reaches(struct _test_data_bounds *self, size_t offset, enum guest_op op)
{
	__u64 gpa = VM_DATA_GPA + offset;
	int reason;

	self->vcpu->area->count = 1;
	self->vcpu->area->list[0].addr = gpa;
	self->vcpu->area->list[0].value = VALUE;
	reason = vcpu_run(self->vcpu, op);
	if (!reason)
		return true;
	if (reason != KVM_EXIT_MMIO || self->vcpu->run->mmio.phys_addr != gpa)
		die("access to 0x%llx: unexpected exit reason %d", gpa, reason);
	/* The VMM ignores the access, and the guest must continue. */
	if (vcpu_run(self->vcpu, op))
		die("the guest did not continue");
	return false;
}

/* True if loads and stores at @offset reach no memory and change none. */
static bool beyond_reach(struct _test_data_bounds *self, size_t offset)
{
	bool reached = reaches(self, offset, GUEST_LOAD);

	reached |= reaches(self, offset, GUEST_STORE);
	return !reached && !memcmp(self->before, self->arena, ARENA);
}

TEST_F(bounds, start)
{
	ASSERT_EQ(0, set_slot(self, SLOT, MIB, ARENA, self->arena, 0));
	touch(self, MIB);
	EXPECT_OURS(self->vm, beyond_reach(self, MIB - self->page), BEYOND);
	EXPECT_OURS(self->vm, beyond_reach(self, 0), BEYOND);
}

TEST_F(bounds, end)
{
	size_t end = THP_SIZE + MIB;

	ASSERT_EQ(0, set_slot(self, SLOT, 0, end, self->arena, 0));
	touch(self, end - self->page);
	EXPECT_OURS(self->vm, beyond_reach(self, end), BEYOND);
	EXPECT_OURS(self->vm, beyond_reach(self, ARENA - self->page), BEYOND);
}

TEST_F(bounds, both)
{
	size_t end = MIB + 4 * self->page;

	ASSERT_EQ(0, set_slot(self, SLOT, MIB, end, self->arena, 0));
	touch(self, MIB + self->page);
	EXPECT_OURS(self->vm, beyond_reach(self, MIB - self->page), BEYOND);
	EXPECT_OURS(self->vm, beyond_reach(self, end), BEYOND);
}

/* Huge pages that are completely inside of the slot. */
TEST_F(bounds, inside)
{
	size_t offset;

	ASSERT_EQ(0, set_slot(self, SLOT, 0, ARENA, self->arena, 0));
	for (offset = 0; offset < ARENA; offset += self->page)
		ASSERT_TRUE(reaches(self, offset, GUEST_STORE));
	for (offset = 0; offset < ARENA; offset += self->page)
		EXPECT_EQ(VALUE, *(__u64 *)(self->arena + offset));
}

TEST_F(bounds, neighbour)
{
	ASSERT_EQ(0, set_slot(self, SLOT, 0, MIB, self->arena, 0));
	ASSERT_EQ(0, set_slot(self, NEIGHBOUR, MIB, THP_SIZE, self->other, 0));
	touch(self, 0);
	vcpu_store(self->vcpu, VM_DATA_GPA + MIB, VALUE);
	EXPECT_OURS(self->vm, *(__u64 *)(self->other + MIB) == VALUE, BEYOND);
	EXPECT_OURS(self->vm, !memcmp(self->before, self->arena, ARENA), BEYOND);
}

TEST_F(bounds, neighbour_logged)
{
	size_t pages = MIB / self->page;
	void *bitmap = calloc(1, bitmap_size(MIB));

	ASSERT_EQ(0, set_slot(self, SLOT, 0, MIB, self->arena, 0));
	ASSERT_EQ(0, set_slot(self, NEIGHBOUR, MIB, THP_SIZE, self->other,
			      KVM_MEM_LOG_DIRTY_PAGES));
	touch(self, 0);
	vcpu_store_pages(self->vcpu, VM_DATA_GPA + MIB, self->page, pages, VALUE);
	ASSERT_EQ(0, vm_get_dirty_log(self->vm, NEIGHBOUR, bitmap));
	EXPECT_OURS(self->vm, count_bits(bitmap, bitmap_size(MIB)) == pages, BEYOND);
	EXPECT_OURS(self->vm, !memcmp(self->before, self->arena, ARENA), BEYOND);
	free(bitmap);
}

TEST_F(bounds, unmapped_inside)
{
	size_t end = THP_SIZE + MIB;

	if (variant->backing == BACKING_HUGETLB)
		SKIP(return, "a part of such a page cannot be dropped");
	ASSERT_EQ(0, set_slot(self, SLOT, 0, end, self->arena, 0));
	vcpu_store_pages(self->vcpu, VM_DATA_GPA + THP_SIZE, self->page,
			 MIB / self->page, VALUE);
	ASSERT_EQ(0, madvise(self->arena + end - self->page, self->page,
			     MADV_DONTNEED));
	EXPECT_EQ(0, vcpu_load(self->vcpu, VM_DATA_GPA + end - self->page));
	EXPECT_EQ(VALUE, vcpu_load(self->vcpu, VM_DATA_GPA + THP_SIZE));
}

TEST_F(bounds, unmapped_outside)
{
	size_t end = THP_SIZE + MIB, offset;

	if (variant->backing == BACKING_HUGETLB)
		SKIP(return, "a part of such a page cannot be dropped");
	ASSERT_EQ(0, set_slot(self, SLOT, 0, end, self->arena, 0));
	vcpu_store_pages(self->vcpu, VM_DATA_GPA + THP_SIZE, self->page,
			 MIB / self->page, VALUE);
	ASSERT_EQ(0, madvise(self->arena + end, MIB, MADV_DONTNEED));
	for (offset = 0; offset < MIB; offset += self->page)
		EXPECT_EQ(VALUE + offset / self->page,
			  vcpu_load(self->vcpu, VM_DATA_GPA + THP_SIZE + offset));
	EXPECT_EQ(0, *(__u64 *)(self->arena + end));
}

TEST_F(bounds, deleted)
{
	size_t end = THP_SIZE + MIB;

	ASSERT_EQ(0, set_slot(self, SLOT, 0, end, self->arena, 0));
	touch(self, end - self->page);
	ASSERT_EQ(0, vm_set_slot(self->vm, SLOT, VM_DATA_GPA, 0, self->arena, 0));
	EXPECT_TRUE(beyond_reach(self, end - self->page));
	EXPECT_OURS(self->vm, beyond_reach(self, end), BEYOND);
}

TEST_HARNESS_MAIN
