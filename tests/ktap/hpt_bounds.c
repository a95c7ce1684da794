// SPDX-License-Identifier: GPL-2.0
/*
 * A guest's page of 16 MiB on a huge page of the host that begins elsewhere
 *
 * Guest and host address of the memslot do not have the same offset in it. On
 * stock the HPTE maps the whole huge page all the same, with what lies before the
 * memslot, or has become an HPTE of another page size.
 */
#define _GNU_SOURCE
#include "ktap.h"

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

FIXTURE(hpt) {
	struct vm *vm;
	char *memory;
};

/* How far into the huge page the memslot begins. */
FIXTURE_VARIANT(hpt) {
	size_t offset;
};

FIXTURE_VARIANT_ADD(hpt, same) { 0 };
FIXTURE_VARIANT_ADD(hpt, half) { LARGE / 2 };
/* a bit of the host address where the HPTE has its page size */
FIXTURE_VARIANT_ADD(hpt, one_page) { 0x10000 };

FIXTURE_SETUP(hpt)
{
	struct vm_config config = { .mmu = VM_MMU_HPT };
	const char *why = vm_mmu_missing(VM_MMU_HPT);
	size_t i;

	if (why)
		SKIP(return, "%s", why);
	if (access(HUGE, W_OK))
		SKIP(return, "the host has no huge pages of 16 MiB");
	write_file(HUGE, "2");
	self->memory = mmap(NULL, NR_LARGE * LARGE, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_HUGE_16MB,
			    -1, 0);
	if (self->memory == MAP_FAILED)
		SKIP(return, "the host has not enough huge pages of 16 MiB");
	for (i = 0; i < NR_LARGE * LARGE; i += sizeof(__u64))
		*(__u64 *)(self->memory + i) = i < variant->offset ? 0 : OWN;
	self->vm = vm_create(&config);
	check_subject(self->vm);
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, GPA, LARGE,
				    self->memory + variant->offset, 0));
}

FIXTURE_TEARDOWN(hpt)
{
	if (!self->vm)
		return;
	vm_destroy(self->vm);
	munmap(self->memory, NR_LARGE * LARGE);
}

/* What a guest gets by an HPTE that cannot be right is not asked: it may hang. */
TEST_F(hpt, page_of_16_mib)
{
	bool mapped = vm_map_hpt_large(self->vm, GPA);

	if (variant->offset) {
		EXPECT_OURS(self->vm, !mapped, "stock takes it");
		return;
	}
	ASSERT_TRUE(mapped);
	EXPECT_EQ(OWN, vcpu_load(&self->vm->vcpu[0], GPA));
}

/* The same memory in smaller pages is all right. */
TEST_F(hpt, pages_of_host_size)
{
	vm_map_hpt(self->vm, GPA, LARGE);
	EXPECT_EQ(OWN, vcpu_load(&self->vm->vcpu[0], GPA));
	vcpu_store(&self->vm->vcpu[0], GPA + LARGE - 8, STORED);
	EXPECT_EQ(STORED, *(__u64 *)(self->memory + variant->offset + LARGE - 8));
}

TEST_HARNESS_MAIN
