// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots at and above guest address 2^52
 *
 * KVM accepts them, and a guest reaches them by its own page table. The tree of
 * a radix guest does not cover them: stock uses the lower 52 bits, and thus
 * also maps such a memslot at the address below, over what may be there. The
 * module never maps it in the tree: KVM_RUN fails with EFAULT. In an HPT guest
 * they are like other memslots.
 */
#include "ktap.h"

#include <errno.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "translate.h"

#define KIB_64		0x10000ull
#define MIB		0x100000ull
#define SIZE		(4 * MIB)
#define SLOT		1
#define NEIGHBOUR	2
#define NEIGHBOURS	4		/* of 64 KiB */

#define MSR_IR		0x20

#define OWN		0x0141		/* initial contents of pages */
#define VALUE		0x5a5a5a5a5a5a5a5aull

#define MAPPED		"stock maps it at the lower 52 bits of its address"
#define ASTRAY		"stock reports dirty pages of a memslot below for this one"

/* The result of an access. */
enum outcome {
	DONE,
	REFUSED,	/* KVM_RUN: EFAULT */
	TO_EMULATE,	/* KVM_EXIT_MMIO; then the guest continued */
};

FIXTURE(high) {
	struct vm *vm;
	struct vcpu *vcpu;
	size_t page;
	__u64 gpa;		/* start of the memslot */
	size_t size;
	char *memory;
	__u64 *bitmap;
	__u64 at;		/* address in the memslot, 2^52 or higher */
	__u64 low;		/* lower 52 bits of @at */
	size_t nearby;		/* size of the memslot from @at on, limited */
};

FIXTURE_VARIANT(high) {
	__u64 gpa;
	size_t size;
	size_t at;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(high, above) {
	GPA_TREE_END + VM_DATA_GPA, SIZE, MIB, BACKING_SMALL
};

FIXTURE_VARIANT_ADD(high, above_thp) {
	GPA_TREE_END + VM_DATA_GPA, SIZE, MIB, BACKING_THP
};

FIXTURE_VARIANT_ADD(high, above_one_page) {
	GPA_TREE_END + VM_DATA_GPA, KIB_64, 0, BACKING_SMALL
};

FIXTURE_VARIANT_ADD(high, all_bits) {
	GPA_ALL_HIGH + VM_DATA_GPA, SIZE, MIB, BACKING_SMALL
};

/* The lower 52 bits of these are addresses of the system slot. */
FIXTURE_VARIANT_ADD(high, at) {
	GPA_TREE_END, SIZE, 3 * MIB, BACKING_SMALL
};

FIXTURE_VARIANT_ADD(high, across) {
	GPA_TREE_END - KIB_64, SIZE, KIB_64 + 3 * MIB, BACKING_SMALL
};

static int set_slot(struct _test_data_high *self, __u64 gpa, __u32 flags)
{
	return vm_set_memslot(self->vm, SLOT, gpa, self->size, self->memory, flags);
}

static int delete_slot(struct _test_data_high *self)
{
	return vm_set_memslot(self->vm, SLOT, self->gpa, 0, self->memory, 0);
}

FIXTURE_SETUP(high)
{
	const struct vm_config config = { .mmu = VM_MMU_RADIX };
	const char *why;
	size_t i;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	self->page = page_size();
	self->gpa = variant->gpa;
	self->size = variant->size;
	self->at = variant->gpa + variant->at;
	self->low = self->at & (GPA_TREE_END - 1);
	self->nearby = self->gpa + self->size - self->at;
	if (self->nearby > NEIGHBOURS * KIB_64)
		self->nearby = NEIGHBOURS * KIB_64;
	self->memory = mem_alloc(SIZE, variant->backing, &why);
	if (!self->memory)
		SKIP(return, "%s", why);
	for (i = 0; i < self->size; i += sizeof(__u64))
		*(__u64 *)(self->memory + i) = OWN;
	self->bitmap = calloc(1, bitmap_size(SIZE));
	self->vm = vm_create(&config);
	self->vcpu = &self->vm->vcpu[0];
	translate_vm(self->vm);
	/* switching the log on later may never return: see slot_ioctls.c */
	ASSERT_EQ(0, set_slot(self, self->gpa, KVM_MEM_LOG_DIRTY_PAGES));
}

FIXTURE_TEARDOWN(high)
{
	vm_destroy(self->vm);
	mem_free(self->memory, SIZE);
	free(self->bitmap);
}

static char *hva(const struct _test_data_high *self, __u64 gpa)
{
	return self->memory + (gpa - self->gpa);
}

static __u64 word(const struct _test_data_high *self, __u64 gpa)
{
	return *(__u64 *)hva(self, gpa);
}

/* Try one access, and abandon it if KVM refuses it. */
static enum outcome try_access(struct vcpu *vcpu, enum guest_op op, __u64 ea, __u64 gpa,
			       __u64 *value)
{
	struct guest_access *access = &vcpu->area->list[0];
	int ret;

	vcpu->area->count = 1;
	*access = (struct guest_access){ ea, *value };
	ret = vcpu_try(vcpu, op);
	switch (ret) {
	case 0:
		*value = access->value;
		return DONE;
	case -EFAULT:
		vcpu_restart(vcpu);
		return REFUSED;
	case KVM_EXIT_MMIO:
		if (vcpu->run->mmio.phys_addr != gpa)
			die("access to 0x%llx exits as MMIO at 0x%llx", gpa,
			    vcpu->run->mmio.phys_addr);
		if (vcpu_run(vcpu, op))
			die("the guest did not continue");
		return TO_EMULATE;
	default:
		die("access to 0x%llx: unexpected exit reason %d", gpa, ret);
	}
}

static enum outcome store(struct _test_data_high *self, __u64 gpa, __u64 value)
{
	return try_access(self->vcpu, GUEST_STORE, translate_ea(gpa), gpa, &value);
}

/* Return the value, or 0 if the guest did not load it from memory. */
static __u64 load(struct _test_data_high *self, __u64 gpa)
{
	__u64 value = 0;
	enum outcome outcome;

	outcome = try_access(self->vcpu, GUEST_LOAD, translate_ea(gpa), gpa, &value);
	return outcome == DONE ? value : 0;
}

static size_t collect(struct _test_data_high *self, unsigned int slot)
{
	int ret = vm_get_dirty_log(self->vm, slot, self->bitmap);

	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	return count_bits(self->bitmap, bitmap_size(self->vm->slot[slot].size));
}

static bool reported(const struct _test_data_high *self, unsigned int slot, __u64 gpa)
{
	return test_bit(self->bitmap, (gpa - self->vm->slot[slot].gpa) / self->page);
}

TEST_F(high, is_not_mapped)
{
	bool refused = true, absent = true, reported = false;
	__u64 ea = translate_ea(self->at), value = OWN;
	int i;

	for (i = 0; i < 2; i++) {
		refused &= store(self, self->at, VALUE) == REFUSED;
		refused &= try_access(self->vcpu, GUEST_LOAD, ea, self->at, &value) ==
			   REFUSED;
		absent &= store(self, self->low, VALUE) == TO_EMULATE;
		absent &= !load(self, self->low);
		reported |= collect(self, SLOT);
	}
	EXPECT_OURS(self->vm, refused, MAPPED);
	EXPECT_OURS(self->vm, absent, MAPPED);
	EXPECT_OURS(self->vm, !reported, MAPPED);
	EXPECT_OURS(self->vm, word(self, self->at) == OWN, MAPPED);
}

/* From here on: if stock maps it, it must behave like other memory. */
TEST_F(high, stores_are_reported)
{
	bool done;
	int i;

	for (i = 1; i <= 3; i++) {
		done = store(self, self->at, i) == DONE;
		EXPECT_EQ(done ? i : OWN, word(self, self->at));
		EXPECT_OURS(self->vm, collect(self, SLOT) == done, ASTRAY);
		EXPECT_EQ(done, reported(self, SLOT, self->at));
	}
}

TEST_F(high, emptied)
{
	bool done;

	store(self, self->at, VALUE);
	mem_drop(hva(self, self->at), self->page);
	EXPECT_EQ(0, load(self, self->at));
	EXPECT_EQ(0, load(self, self->low));
	done = store(self, self->at, VALUE) == DONE;
	EXPECT_EQ(done ? VALUE : 0, word(self, self->at));
}

static void gone(struct __test_metadata *_metadata, struct _test_data_high *self)
{
	__u64 before = word(self, self->at);

	EXPECT_EQ(TO_EMULATE, store(self, self->at, ~VALUE));
	EXPECT_EQ(0, load(self, self->at));
	EXPECT_EQ(TO_EMULATE, store(self, self->low, ~VALUE));
	EXPECT_EQ(0, load(self, self->low));
	EXPECT_EQ(before, word(self, self->at));
}

TEST_F(high, deleted)
{
	store(self, self->at, VALUE);
	ASSERT_EQ(0, delete_slot(self));
	gone(_metadata, self);
}

TEST_F(high, moved)
{
	store(self, self->at, VALUE);
	ASSERT_EQ(0, set_slot(self, self->gpa + 2 * SIZE, KVM_MEM_LOG_DIRTY_PAGES));
	gone(_metadata, self);
}

TEST_F(high, never_was)
{
	ASSERT_EQ(0, delete_slot(self));
	gone(_metadata, self);
}

/* The part of the memslot that is below 2^52. */
TEST_F(high, below)
{
	size_t pages = (GPA_TREE_END - self->gpa) / self->page, i;

	if (self->gpa >= GPA_TREE_END)
		SKIP(return, "all of it is above");
	store(self, self->at, VALUE);
	collect(self, SLOT);
	for (i = 0; i < pages; i++)
		EXPECT_EQ(DONE, store(self, self->gpa + i * self->page, i));
	EXPECT_OURS(self->vm, collect(self, SLOT) == pages, ASTRAY);
	for (i = 0; i < pages; i++) {
		EXPECT_EQ(i, word(self, self->gpa + i * self->page));
		EXPECT_TRUE(reported(self, SLOT, self->gpa + i * self->page));
	}
	mem_drop(self->memory, self->page);
	EXPECT_EQ(0, load(self, self->gpa));
	ASSERT_EQ(0, delete_slot(self));
	EXPECT_EQ(TO_EMULATE, store(self, GPA_TREE_END - self->page, VALUE));
}

/* Add another logged memslot at the lower 52 bits of the address. */
static char *add_neighbour(struct _test_data_high *self)
{
	char *memory = mem_alloc(self->nearby, BACKING_SMALL, NULL);
	int ret;

	ret = vm_set_memslot(self->vm, NEIGHBOUR, self->low, self->nearby, memory,
			     KVM_MEM_LOG_DIRTY_PAGES);
	if (ret)
		die("memslot at 0x%llx: %s", self->low, strerror(-ret));
	return memory;
}

/* Count the neighbour's pages that lack the value which the guest stored. */
static size_t differing(struct _test_data_high *self)
{
	size_t i, count = 0;

	for (i = 0; i < self->nearby; i += self->page)
		count += load(self, self->low + i) != VALUE + i;
	return count;
}

/* Changes of the high memslot must not affect the memslot below. */
TEST_F(high, neighbour)
{
	char *below = add_neighbour(self);
	size_t pages = self->nearby / self->page, i;

	for (i = 0; i < self->nearby; i += self->page)
		EXPECT_EQ(DONE, store(self, self->low + i, VALUE + i));
	EXPECT_OURS(self->vm, !collect(self, SLOT), ASTRAY);
	mem_drop(self->memory, self->size);
	EXPECT_EQ(0, differing(self));
	ASSERT_EQ(0, set_slot(self, self->gpa + 2 * SIZE, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, set_slot(self, self->gpa, KVM_MEM_LOG_DIRTY_PAGES));
	EXPECT_EQ(0, differing(self));
	ASSERT_EQ(0, delete_slot(self));
	EXPECT_EQ(0, differing(self));
	EXPECT_OURS(self->vm, collect(self, NEIGHBOUR) == pages, ASTRAY);
	mem_free(below, self->nearby);
}

/* The same, but without loads between the stores and the collection. */
TEST_F(high, neighbour_is_reported)
{
	char *below = add_neighbour(self);
	size_t pages = self->nearby / self->page, i;
	int round;

	for (round = 0; round < 3; round++) {
		for (i = 0; i < self->nearby; i += self->page)
			EXPECT_EQ(DONE, store(self, self->low + i, VALUE + i));
		switch (round) {
		case 0:
			mem_drop(self->memory, self->size);
			break;
		case 1:
			ASSERT_EQ(0, set_slot(self, self->gpa, 0));
			break;
		case 2:
			ASSERT_EQ(0, delete_slot(self));
		}
		EXPECT_OURS(self->vm, collect(self, NEIGHBOUR) == pages, ASTRAY);
	}
	mem_free(below, self->nearby);
}

/*
 * A processor that translates only the lower 52 bits finds the neighbour's
 * page, and no fault reaches KVM. The store then goes to the neighbour's page.
 */
TEST_F(high, store_to_neighbour)
{
	char *below = add_neighbour(self);
	bool done;
	__u64 i;

	EXPECT_EQ(DONE, store(self, self->low, 0));
	for (i = 1; i <= 3; i++) {
		collect(self, NEIGHBOUR);
		done = store(self, self->at, i) == DONE;
		EXPECT_EQ(done ? i : 0, *(__u64 *)below);
		EXPECT_EQ(OWN, word(self, self->at));
		EXPECT_EQ(done, collect(self, NEIGHBOUR));
		EXPECT_OURS(self->vm, !collect(self, SLOT), ASTRAY);
		*(__u64 *)below = 0;
	}
	mem_free(below, self->nearby);
}

/*
 * The slot below maps the same memory read-only. On stock a store to the high
 * slot makes the page below writable too. (With different memory stock would
 * map a frame whose number is the OR of both. The memset()s make the host's
 * PTEs of both mappings dirty: stock WARNs where they differ in such a bit.)
 */
TEST_F(high, read_only_below)
{
	int file = memfd_create("guest", 0);
	char *above, *below;

	if (ftruncate(file, self->size))
		die("memfd: %m");
	above = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	below = mmap(NULL, self->size, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
	if (above == MAP_FAILED || below == MAP_FAILED)
		die("map memfd: %m");
	memset(above, 0, self->size);
	memset(below, 0, self->size);
	if (mprotect(below, self->size, PROT_READ))
		die("mprotect: %m");
	ASSERT_EQ(0, delete_slot(self));
	ASSERT_EQ(0, vm_set_memslot(self->vm, SLOT, self->gpa, self->size, above, 0));
	ASSERT_EQ(0, vm_set_memslot(self->vm, NEIGHBOUR, self->low, self->nearby,
				    below + (self->at - self->gpa), 0));
	EXPECT_EQ(0, load(self, self->low));
	EXPECT_EQ(REFUSED, store(self, self->low, VALUE));
	EXPECT_OURS(self->vm, store(self, self->at, VALUE) == REFUSED,
		    "stock maps it by the read-only page below");
	EXPECT_OURS(self->vm, store(self, self->low, ~VALUE) == REFUSED,
		    "stock then makes it writable below as well");
	EXPECT_OURS(self->vm, !*(__u64 *)(above + (self->at - self->gpa)), MAPPED);
}

/* The guest fetches instructions from there. */
TEST_F(high, executed)
{
	struct kvm_regs regs;
	int ret;

	memcpy(hva(self, self->at), guest_image, KIB_64);
	if (ioctl(self->vcpu->fd, KVM_GET_REGS, &regs) < 0)
		die("KVM_GET_REGS: %m");
	regs.msr |= MSR_IR;
	regs.pc = translate_ea(self->at) + GUEST_ENTRY;
	if (ioctl(self->vcpu->fd, KVM_SET_REGS, &regs) < 0)
		die("KVM_SET_REGS: %m");
	self->vcpu->area->count = 0;
	ret = vcpu_try(self->vcpu, GUEST_LOAD);
	if (ret)
		EXPECT_EQ(-EFAULT, ret);
	EXPECT_OURS(self->vm, ret, MAPPED);
}

/* The guest's own page table is there. */
TEST_F(high, page_table)
{
	__u64 value = 0;
	enum outcome outcome;

	if (self->nearby < TRANSLATE_SIZE)
		SKIP(return, "the memslot is too small");
	translate_write(hva(self, self->at), self->at);
	translate_use(self->vm, self->at);
	outcome = try_access(self->vcpu, GUEST_LOAD, 0, 0, &value);
	if (outcome != DONE)
		EXPECT_EQ(REFUSED, outcome);
	EXPECT_OURS(self->vm, outcome == REFUSED, MAPPED);
	translate_vm(self->vm);
	EXPECT_EQ(DONE, try_access(self->vcpu, GUEST_LOAD, 0, 0, &value));
}

/* The host writes a VPA by its host address, without the guest's tree. */
static void vpa_is_kept(struct __test_metadata *_metadata, struct vcpu *vcpu, __u64 gpa,
			char *vpa, __u64 *bitmap, size_t page)
{
	__u32 was;

	memset(vpa, 0, page_size());
	ASSERT_EQ(0, area_set(vcpu, VPA, gpa, 0));
	vcpu_dispatch(vcpu);
	EXPECT_NE(0, vpa_yield_count(vpa));
	ASSERT_EQ(0, vm_get_dirty_log(vcpu->vm, SLOT, bitmap));
	EXPECT_TRUE(test_bit(bitmap, page));
	was = vpa_yield_count(vpa);
	vcpu_dispatch(vcpu);
	EXPECT_LT(was, vpa_yield_count(vpa));
	ASSERT_EQ(0, vm_get_dirty_log(vcpu->vm, SLOT, bitmap));
	EXPECT_TRUE(test_bit(bitmap, page));
	mem_drop(vpa, page_size());
	vcpu_dispatch(vcpu);
	EXPECT_OURS(vcpu->vm, vpa_yield_count(vpa), "stock keeps writing the old page");
	area_unset_all(vcpu);
	/* the same, registered by the guest */
	memset(vpa, 0, page_size());
	area_put_length(vpa, VPA, VPA_LENGTH);
	EXPECT_EQ(H_SUCCESS, h_register_vpa(vcpu, REG_VPA, vcpu->id, gpa));
	vcpu_dispatch(vcpu);
	EXPECT_NE(0, vpa_yield_count(vpa));
}

TEST_F(high, area)
{
	vpa_is_kept(_metadata, self->vcpu, self->at, hva(self, self->at), self->bitmap,
		    (self->at - self->gpa) / self->page);
}

/* HPT guests: HPTEs hold real addresses of up to 60 bits. */
#define HPT_ALL_HIGH	(0xffull << 52)

FIXTURE(hpt) {
	struct vm *vm;
	struct vcpu *vcpu;
	size_t page;
	size_t pages;
	char *memory;
	__u64 *bitmap;
};

FIXTURE_VARIANT(hpt) {
	__u64 gpa;
};

FIXTURE_VARIANT_ADD(hpt, above) { GPA_TREE_END + VM_DATA_GPA };
FIXTURE_VARIANT_ADD(hpt, all_bits) { HPT_ALL_HIGH + VM_DATA_GPA };
FIXTURE_VARIANT_ADD(hpt, at) { GPA_TREE_END };
FIXTURE_VARIANT_ADD(hpt, across) { GPA_TREE_END - KIB_64 };

static int set_hpt_slot(struct _test_data_hpt *self, __u64 gpa, size_t size, __u32 flags)
{
	return vm_set_memslot(self->vm, SLOT, gpa, size, self->memory, flags);
}

FIXTURE_SETUP(hpt)
{
	const struct vm_config config = { .mmu = VM_MMU_HPT };

	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	self->page = page_size();
	self->pages = SIZE / self->page;
	self->memory = mem_alloc(SIZE, BACKING_SMALL, NULL);
	self->bitmap = calloc(1, bitmap_size(SIZE));
	self->vm = vm_create(&config);
	self->vcpu = &self->vm->vcpu[0];
	ASSERT_EQ(0, set_hpt_slot(self, variant->gpa, SIZE, KVM_MEM_LOG_DIRTY_PAGES));
	vm_map_hpt_at(self->vm, VM_DATA_GPA, variant->gpa, SIZE);
}

FIXTURE_TEARDOWN(hpt)
{
	vm_destroy(self->vm);
	mem_free(self->memory, SIZE);
	free(self->bitmap);
}

static void store_pages(struct _test_data_hpt *self, size_t first, size_t count,
			__u64 value)
{
	vcpu_store_pages(self->vcpu, VM_DATA_GPA + first * self->page, self->page, count,
			 value);
}

static size_t count_reported(struct __test_metadata *_metadata,
			     struct _test_data_hpt *self)
{
	ASSERT_EQ(0, vm_get_dirty_log(self->vm, SLOT, self->bitmap));
	return count_bits(self->bitmap, bitmap_size(SIZE));
}

TEST_F(hpt, logged)
{
	size_t i;

	store_pages(self, 0, self->pages, VALUE);
	for (i = 0; i < self->pages; i++)
		EXPECT_EQ(VALUE + i, *(__u64 *)(self->memory + i * self->page));
	EXPECT_EQ(self->pages, count_reported(_metadata, self));
	EXPECT_EQ(0, count_reported(_metadata, self));
	store_pages(self, 7, 1, 0);
	EXPECT_EQ(1, count_reported(_metadata, self));
	EXPECT_TRUE(test_bit(self->bitmap, 7));
	ASSERT_EQ(0, set_hpt_slot(self, variant->gpa, SIZE, 0));
	ASSERT_EQ(0, set_hpt_slot(self, variant->gpa, SIZE, KVM_MEM_LOG_DIRTY_PAGES));
	count_reported(_metadata, self);
	store_pages(self, 0, 2, 0);
	EXPECT_EQ(2, count_reported(_metadata, self));
}

TEST_F(hpt, cleared)
{
	if (!self->vm->ours)
		SKIP(return, "stock has no manual protection");
	ASSERT_EQ(0, vm_manual_protect(self->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE));
	store_pages(self, 0, self->pages, VALUE);
	EXPECT_EQ(self->pages, count_reported(_metadata, self));
	EXPECT_EQ(0, vm_clear_dirty_log(self->vm, SLOT, 0, self->pages, self->bitmap));
	EXPECT_EQ(0, count_reported(_metadata, self));
	store_pages(self, 3, 1, 0);
	EXPECT_EQ(1, count_reported(_metadata, self));
}

TEST_F(hpt, emptied_and_deleted)
{
	__u64 value = 0;

	store_pages(self, 0, self->pages, VALUE);
	count_reported(_metadata, self);
	store_pages(self, 5, 1, VALUE);
	mem_drop(self->memory + 5 * self->page, self->page);
	EXPECT_EQ(1, count_reported(_metadata, self));
	EXPECT_EQ(0, vcpu_load(self->vcpu, VM_DATA_GPA + 5 * self->page));
	EXPECT_EQ(VALUE + 6, vcpu_load(self->vcpu, VM_DATA_GPA + 6 * self->page));
	store_pages(self, 5, 1, VALUE);
	EXPECT_EQ(VALUE, *(__u64 *)(self->memory + 5 * self->page));
	ASSERT_EQ(0, set_hpt_slot(self, variant->gpa, 0, 0));
	EXPECT_EQ(TO_EMULATE, try_access(self->vcpu, GUEST_STORE, VM_DATA_GPA,
					 variant->gpa, &value));
	EXPECT_EQ(VALUE, *(__u64 *)self->memory);
}

TEST_F(hpt, area)
{
	vpa_is_kept(_metadata, self->vcpu, variant->gpa, self->memory, self->bitmap, 0);
}

TEST_HARNESS_MAIN
