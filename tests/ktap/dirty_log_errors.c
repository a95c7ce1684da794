// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_GET_DIRTY_LOG with wrong arguments and inaccessible memory
 *
 * Every error has the errno of stock, and no error may lose a bit: pages that
 * were dirty when a call failed are in the bitmap of the next call. Stock loses
 * the bits if the copy to userspace faults, which is an expected failure.
 */
#include "ktap.h"

#include <sys/ioctl.h>

#include "logged_vm.h"

#define NPAGES		256
#define UNLOGGED_SLOT	2
#define ABSENT_SLOT	3
#define SLOT_BIT	0x10000		/* address space id in a slot number */
#define VPA_PAGE	100

FIXTURE(errors) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	char *end;		/* end of memory: an inaccessible page */
	void *crossing;		/* a bitmap whose second half is in it */
};

FIXTURE_VARIANT(errors) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(errors, radix) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(errors, radix_memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(errors, hpt) { VM_MMU_HPT, BACKING_SMALL };

FIXTURE_SETUP(errors)
{
	struct vm_config config = { .mmu = variant->mmu };
	size_t page = page_size();
	const char *why;
	char *pages;

	SKIP_IF(return, logged_vm_create(&self->l, &config, NPAGES, variant->backing));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	ASSERT_EQ(0, vm_set_slot(self->vm, UNLOGGED_SLOT, 2 * VM_DATA_GPA,
				 self->l->size, self->l->memory, 0));

	pages = mem_alloc(2 * page, BACKING_SMALL, &why);
	ASSERT_EQ(0, mprotect(pages + page, page, PROT_NONE));
	self->end = pages + page;
	self->crossing = self->end - self->l->bitmap_bytes / 2;
}

FIXTURE_TEARDOWN(errors)
{
	mem_free(self->end - self->l->page, 2 * self->l->page);
	logged_vm_destroy(self->l);
}

TEST_F(errors, slot_numbers)
{
	int slots = ioctl(self->vm->fd, KVM_CHECK_EXTENSION,
			  KVM_CAP_NR_MEMSLOTS);
	struct vm *vm = self->vm;

	ASSERT_LT(0, slots);
	EXPECT_EQ(-EINVAL, vm_get_dirty_log(vm, slots, self->l->bitmap));
	EXPECT_EQ(-EINVAL, vm_get_dirty_log(vm, ~0u, self->l->bitmap));
	EXPECT_EQ(-EINVAL, vm_get_dirty_log(vm, SLOT_BIT | LOGGED_SLOT,
					    self->l->bitmap));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, slots - 1, self->l->bitmap));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, ABSENT_SLOT, self->l->bitmap));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, UNLOGGED_SLOT, self->l->bitmap));
	EXPECT_EQ(0, logged_vm_collect(self->l));
}

TEST_F(errors, slot_no_longer_logged)
{
	struct vm *vm = self->vm;

	vcpu_store(self->vcpu, logged_vm_gpa(self->l, 1), 1);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, LOGGED_SLOT, self->l->bitmap));
	ASSERT_EQ(0, vm_set_slot(vm, LOGGED_SLOT, VM_DATA_GPA, 0,
				 self->l->memory, 0));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, LOGGED_SLOT, self->l->bitmap));
}

/* With several errors the first check determines the errno. */
TEST_F(errors, precedence)
{
	struct vm *vm = self->vm;

	EXPECT_EQ(-EINVAL, vm_get_dirty_log(vm, ~0u, NULL));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, ABSENT_SLOT, NULL));
	EXPECT_EQ(-ENOENT, vm_get_dirty_log(vm, UNLOGGED_SLOT, NULL));
	EXPECT_EQ(-EFAULT, vm_get_dirty_log(vm, LOGGED_SLOT, NULL));
}

TEST_F(errors, argument_faults)
{
	int fd = self->vm->fd;

	vcpu_store(self->vcpu, logged_vm_gpa(self->l, 7), 1);
	EXPECT_EQ(-1, ioctl(fd, KVM_GET_DIRTY_LOG, NULL));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(fd, KVM_GET_DIRTY_LOG, self->end));
	EXPECT_EQ(EFAULT, errno);
	EXPECT_EQ(-1, ioctl(fd, KVM_GET_DIRTY_LOG, self->end - 8));
	EXPECT_EQ(EFAULT, errno);

	/* KVM refused all of these before it touched the dirty bits. */
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_TRUE(test_bit(self->l->bitmap, 7));
}

TEST_F(errors, unaligned_bitmap)
{
	char *odd = self->end - self->l->page + 3;
	__u64 copy[NPAGES / 64];

	vcpu_store(self->vcpu, logged_vm_gpa(self->l, 7), 1);
	vcpu_store(self->vcpu, logged_vm_gpa(self->l, 255), 1);
	ASSERT_EQ(0, vm_get_dirty_log(self->vm, LOGGED_SLOT, odd));
	memcpy(copy, odd, sizeof(copy));
	EXPECT_TRUE(test_bit(copy, 7));
	EXPECT_TRUE(test_bit(copy, 255));
	EXPECT_EQ(2, count_bits(copy, sizeof(copy)));
}

/*
 * Make a collection fail on the bitmap @bad, and expect the next one to report
 * exactly the pages in @want.
 */
static void check_fault(struct __test_metadata *_metadata, struct logged_vm *l,
			void *bad, const __u64 *want)
{
	size_t dirty = count_bits(want, l->bitmap_bytes), missing = 0, page;

	EXPECT_EQ(-EFAULT, vm_get_dirty_log(l->vm, LOGGED_SLOT, bad));
	ASSERT_EQ(0, logged_vm_collect(l));
	for (page = 0; page < NPAGES; page++) {
		missing += test_bit(want, page) && !test_bit(l->bitmap, page);
		EXPECT_FALSE(test_bit(l->bitmap, page) && !test_bit(want, page))
			TH_LOG("page %zu was not dirty", page);
	}
	if (missing && may_xfail(l->vm))
		XFAIL(return, "stock loses %zu of %zu bits when the copy faults",
		      missing, dirty);
	EXPECT_EQ(0, missing)
		TH_LOG("%zu of %zu bits lost", missing, dirty);
}

/* Store to every third page, and add these pages to @want. */
static void store_some(struct logged_vm *l, __u64 *want)
{
	size_t page;

	vcpu_store_pages(&l->vm->vcpu[0], VM_DATA_GPA, 3 * l->page,
			 (NPAGES + 2) / 3, 1);
	for (page = 0; page < NPAGES; page += 3)
		set_bit(want, page);
}

/* The call also fails if no page is dirty, and makes none dirty. */
TEST_F(errors, fault_with_clean_slot)
{
	__u64 want[NPAGES / 64] = { 0 };

	check_fault(_metadata, self->l, self->end, want);
}

TEST_F(errors, fault_unmapped)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	check_fault(_metadata, self->l, self->end, want);
}

TEST_F(errors, fault_null)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	check_fault(_metadata, self->l, NULL, want);
}

TEST_F(errors, fault_kernel_address)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	check_fault(_metadata, self->l, (void *)0xc000000000000000ul, want);
}

TEST_F(errors, fault_read_only)
{
	__u64 want[NPAGES / 64] = { 0 };
	void *page = mmap(NULL, self->l->page, PROT_READ,
			  MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);

	ASSERT_NE(MAP_FAILED, page);
	store_some(self->l, want);
	check_fault(_metadata, self->l, page, want);
}

/* KVM copies a part of the bitmap before the fault. */
TEST_F(errors, fault_crossing)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	check_fault(_metadata, self->l, self->crossing, want);
}

TEST_F(errors, fault_crossing_unaligned)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	check_fault(_metadata, self->l, self->crossing + 5, want);
}

/*
 * Report pages of several failed calls and of stores between them, each once.
 */
TEST_F(errors, fault_repeated)
{
	__u64 want[NPAGES / 64] = { 0 };
	unsigned int i;

	store_some(self->l, want);
	for (i = 0; i < 10; i++) {
		EXPECT_EQ(-EFAULT, vm_get_dirty_log(self->vm, LOGGED_SLOT,
						    self->crossing));
		vcpu_store(self->vcpu, logged_vm_gpa(self->l, 1 + 3 * i), i);
		set_bit(want, 1 + 3 * i);
	}
	check_fault(_metadata, self->l, self->crossing, want);

	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(0, logged_vm_count(self->l));
}

/* Pages unmapped before, whose dirty bits were accumulated then. */
TEST_F(errors, fault_after_unmap)
{
	__u64 want[NPAGES / 64] = { 0 };

	store_some(self->l, want);
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size / 2, MADV_DONTNEED));
	check_fault(_metadata, self->l, self->crossing, want);
}

/* The host's own stores to a VPA. */
TEST_F(errors, fault_vpa)
{
	__u64 want[NPAGES / 64] = { 0 };
	__u64 vpa = logged_vm_gpa(self->l, VPA_PAGE);

	ASSERT_EQ(0, vcpu_set_one_reg(self->vcpu, KVM_REG_PPC_VPA_ADDR, &vpa));
	store_some(self->l, want);
	set_bit(want, VPA_PAGE);
	check_fault(_metadata, self->l, self->crossing, want);
}

/* The same if the VPA is unregistered before the failed call. */
TEST_F(errors, fault_vpa_unregistered)
{
	__u64 want[NPAGES / 64] = { 0 };
	__u64 vpa = logged_vm_gpa(self->l, VPA_PAGE);

	ASSERT_EQ(0, vcpu_set_one_reg(self->vcpu, KVM_REG_PPC_VPA_ADDR, &vpa));
	vcpu_store(self->vcpu, logged_vm_gpa(self->l, 1), 1);
	set_bit(want, 1);
	set_bit(want, VPA_PAGE);
	vpa = 0;
	ASSERT_EQ(0, vcpu_set_one_reg(self->vcpu, KVM_REG_PPC_VPA_ADDR, &vpa));
	store_some(self->l, want);
	check_fault(_metadata, self->l, self->crossing, want);
}

TEST_HARNESS_MAIN
