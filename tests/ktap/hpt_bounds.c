// SPDX-License-Identifier: GPL-2.0
/*
 * A 16 MiB guest page on a host huge page with a different alignment
 *
 * Guest and host address of the memslot have different offsets in the 16 MiB.
 * On stock the HPTE nevertheless maps the whole huge page, including the memory
 * before the memslot, or turns into an HPTE of another page size.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <errno.h>
#include <linux/mman.h>
#include <sys/mman.h>
#include <unistd.h>

#include "vm.h"

#define LARGE		(16ul << 20)
#define NR_LARGE	2
#define HUGE		"/sys/kernel/mm/hugepages/hugepages-16384kB/nr_hugepages"
#define SLOT		1
#define GPA		VM_DATA_GPA

#define OWN		0x0141
#define STORED		0x0142
#define FOREIGN		0x0143

FIXTURE(hpt) {
	struct vm *vm;
	char *memory;
};

/* offset: of the memslot's start in the huge page. */
FIXTURE_VARIANT(hpt) {
	size_t offset;
};

FIXTURE_VARIANT_ADD(hpt, same) { 0 };
FIXTURE_VARIANT_ADD(hpt, half) { LARGE / 2 };
/* a host address bit that is part of the HPTE's page size encoding */
FIXTURE_VARIANT_ADD(hpt, one_page) { 0x10000 };

FIXTURE_SETUP(hpt)
{
	struct vm_config config = { .mmu = VM_MMU_HPT };
	size_t i;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	if (access(HUGE, W_OK))
		SKIP(return, "the host has no huge pages of 16 MiB");
	write_file(HUGE, "2");
	self->memory = mmap(NULL, NR_LARGE * LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_16MB,
			    -1, 0);
	if (self->memory == MAP_FAILED)
		SKIP(return, "the host has too few huge pages of 16 MiB");
	for (i = 0; i < NR_LARGE * LARGE; i += sizeof(__u64))
		*(__u64 *)(self->memory + i) = i < variant->offset ? FOREIGN : OWN;
	self->vm = vm_create(&config);
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE,
				    self->memory + variant->offset, 0));
}

FIXTURE_TEARDOWN(hpt)
{
	vm_destroy(self->vm);
	munmap(self->memory, NR_LARGE * LARGE);
}

/* Do not access memory through a wrong HPTE: the guest may hang. */
TEST_F(hpt, page_of_16_mib)
{
	bool mapped = vm_map_hpt_large(self->vm, GPA);

	if (variant->offset) {
		EXPECT_OURS(self->vm, !mapped, "stock accepts it");
		return;
	}
	ASSERT_TRUE(mapped);
	EXPECT_EQ(OWN, vcpu_load(&self->vm->vcpu[0], GPA));
}

/* Smaller pages of the same memory work. */
TEST_F(hpt, pages_of_host_size)
{
	vm_map_hpt(self->vm, GPA, LARGE);
	EXPECT_EQ(OWN, vcpu_load(&self->vm->vcpu[0], GPA));
	vcpu_store(&self->vm->vcpu[0], GPA + LARGE - 8, STORED);
	EXPECT_EQ(STORED, *(__u64 *)(self->memory + variant->offset + LARGE - 8));
}

/* Load from the first word and store to it. Return 0 or -errno of KVM_RUN. */
static int access_first_word(struct _test_data_hpt *self, __u64 *loaded)
{
	struct vcpu *vcpu = &self->vm->vcpu[0];
	int ret;

	area_list(vcpu->area, GPA, 0, 1, STORED);
	ret = vcpu_try(vcpu, GUEST_LOAD);
	*loaded = vcpu->area->list[0].value;
	if (ret)
		return ret;
	area_list(vcpu->area, GPA, 0, 1, STORED);
	return vcpu_try(vcpu, GUEST_STORE);
}

/* Access memory through an HPTE that was right, or absent, when entered. */
static void expect_own(struct __test_metadata *_metadata, struct _test_data_hpt *self,
		       size_t offset)
{
	__u64 loaded, *before = (__u64 *)self->memory;
	int ret = access_first_word(self, &loaded);
	bool foreign = !ret && (loaded == FOREIGN || *before == STORED);

	if (!offset) {
		EXPECT_EQ(0, ret);
		EXPECT_EQ(OWN, loaded);
		EXPECT_EQ(STORED, *before);
		return;
	}
	if (foreign && may_xfail(self->vm))
		XFAIL(return, "on stock the guest accesses memory before the memslot");
	EXPECT_EQ(-EFAULT, ret);
	EXPECT_NE(FOREIGN, loaded);
	EXPECT_EQ(FOREIGN, *before);
}

TEST_F(hpt, entered_before_memslot)
{
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, 0, self->memory, 0));
	ASSERT_TRUE(vm_map_hpt_large(self->vm, GPA));
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE,
				    self->memory + variant->offset, 0));
	expect_own(_metadata, self, variant->offset);
}

TEST_F(hpt, entered_for_another_memslot)
{
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, 0, self->memory, 0));
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE, self->memory, 0));
	ASSERT_TRUE(vm_map_hpt_large(self->vm, GPA));
	vcpu_load(&self->vm->vcpu[0], GPA);
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, 0, self->memory, 0));
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE,
				    self->memory + variant->offset, 0));
	expect_own(_metadata, self, variant->offset);
}

/*
 * The memslot covers only the first half of the page, with the same alignment.
 * The HPTE covers all of it, and the processor may cache the whole translation.
 */
TEST_F(hpt, reaches_beyond_memslot)
{
	__u64 loaded;

	if (variant->offset)
		SKIP(return, "the offset does not matter");
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, 0, self->memory, 0));
	ASSERT_TRUE(vm_map_hpt_large(self->vm, GPA));
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE / 2, self->memory, 0));
	EXPECT_OURS(self->vm, access_first_word(self, &loaded) == -EFAULT,
		    "stock maps the whole page");
}

TEST_HARNESS_MAIN
