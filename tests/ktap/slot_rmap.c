// SPDX-License-Identifier: GPL-2.0
/*
 * A memslot that ends inside a huge page of the host, and whose rmap array ends
 * at a page boundary
 *
 * The rmap array has 8 bytes per guest page. If a leaf reaches beyond the
 * memslot, zapping it reads beyond the array, and the host faults with a lock
 * held: on stock this program crashes the host. Run it there in a boot of its
 * own.
 */
#include "ktap.h"

#include <sys/mman.h>

#define SLOT		1
#define START		(THP_SIZE / 2)
#define VALUE		0x5a5a5a5a5a5a5a5aull

FIXTURE(rmap) {
	struct vm *vm;
	size_t page;
	size_t size;		/* size of the memslot */
	char *memory;		/* start of the first huge page */
	__u64 last;		/* guest address of the memslot's last page */
	char *last_hva;		/* host address of the same page */
};

FIXTURE_SETUP(rmap)
{
	const struct vm_config config = { .mmu = VM_MMU_RADIX };
	const char *why;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	self->page = page_size();
	self->size = self->page / sizeof(__u64) * self->page;
	self->memory = mem_alloc(self->size + THP_SIZE, BACKING_THP, &why);
	if (!self->memory)
		SKIP(return, "%s", why);
	self->vm = vm_create(&config);
	ASSERT_EQ(0, vm_set_slot(self->vm, SLOT, VM_DATA_GPA + START, self->size,
				 self->memory + START, 0));
	self->last = VM_DATA_GPA + START + self->size - self->page;
	self->last_hva = self->memory + START + self->size - self->page;
	vcpu_store(&self->vm->vcpu[0], self->last, VALUE);
	ASSERT_EQ(VALUE, *(__u64 *)self->last_hva);
}

FIXTURE_TEARDOWN(rmap)
{
	vm_destroy(self->vm);
	mem_free(self->memory, self->size + THP_SIZE);
}

TEST_F(rmap, unmapped)
{
	ASSERT_EQ(0, madvise(self->last_hva, self->page, MADV_DONTNEED));
	EXPECT_EQ(0, vcpu_load(&self->vm->vcpu[0], self->last));
}

TEST_F(rmap, deleted)
{
	ASSERT_EQ(0, vm_set_slot(self->vm, SLOT, VM_DATA_GPA + START, 0,
				 self->memory + START, 0));
	EXPECT_EQ(VALUE, *(__u64 *)self->last_hva);
}

TEST_HARNESS_MAIN
