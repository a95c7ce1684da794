// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of a VM whose MMU mode changes
 *
 * A guest that reboots during its migration switches from radix to HPT and
 * back. KVM frees the page tables of the old mode. Pages that were dirty in
 * them must still be reported, and a concurrent collection must not walk freed
 * tables.
 */
#include "ktap.h"

#include <stdatomic.h>

#include "logged_vm.h"

#define NR_PAGES	512
#define BITMAP_WORDS	(NR_PAGES / 64)
#define SWITCHES	400
#define TIMEOUT		300

FIXTURE(modeswitch) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	__u64 random;
	__u64 stored[BITMAP_WORDS];
};

FIXTURE_SETUP(modeswitch)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };

	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	self->vcpu = &self->l->vm->vcpu[0];
	self->random = option("KTAP_SEED", 1);
}

FIXTURE_TEARDOWN(modeswitch)
{
	logged_vm_destroy(self->l);
}

/* Store to about one page in eight, and set their bits in @stored. */
static void store_random(struct logged_vm *l, __u64 *random, __u64 *stored)
{
	size_t i, page;

	for (i = 0; i < NR_PAGES / 8; i++) {
		page = random_below(random, NR_PAGES);
		vcpu_store(&l->vm->vcpu[0], logged_vm_gpa(l, page), i);
		set_bit(stored, page);
	}
}

/* Count the pages in @stored that are missing from @reported. */
static size_t count_missing(const __u64 *stored, const __u64 *reported)
{
	size_t i, missing = 0;

	for (i = 0; i < BITMAP_WORDS; i++)
		missing += __builtin_popcountll(stored[i] & ~reported[i]);
	return missing;
}

static void check_reported(struct __test_metadata *_metadata,
			   struct logged_vm *l, const __u64 *stored)
{
	size_t dirty = count_bits(stored, l->bitmap_bytes), missing;

	ASSERT_LT(0, dirty);
	ASSERT_EQ(0, logged_vm_collect(l));
	missing = count_missing(stored, l->bitmap);
	if (missing && may_xfail(l->vm))
		XFAIL(return, "stock loses %zu of %zu bits with the page table",
		      missing, dirty);
	EXPECT_EQ(0, missing)
		TH_LOG("%zu of %zu bits lost", missing, dirty);
}

TEST_F(modeswitch, to_hpt)
{
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_set_mmu(self->l->vm, VM_MMU_HPT));
	check_reported(_metadata, self->l, self->stored);
}

TEST_F(modeswitch, to_hpt_by_allocation)
{
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_alloc_hpt(self->l->vm));
	check_reported(_metadata, self->l, self->stored);
}

TEST_F(modeswitch, to_hpt_and_back)
{
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_set_mmu(self->l->vm, VM_MMU_HPT));
	ASSERT_EQ(0, vm_set_mmu(self->l->vm, VM_MMU_RADIX));
	check_reported(_metadata, self->l, self->stored);
}

/* The guest reboots, and its HPT is cleared. */
TEST_F(modeswitch, new_hpt)
{
	struct vm *vm = self->l->vm;

	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_HPT));
	ASSERT_EQ(0, vm_alloc_hpt(vm));
	vm_map_slots(vm);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_alloc_hpt(vm));
	check_reported(_metadata, self->l, self->stored);
}

TEST_F(modeswitch, from_hpt_to_radix)
{
	struct vm *vm = self->l->vm;

	ASSERT_EQ(0, vm_alloc_hpt(vm));
	vm_map_slots(vm);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_RADIX));
	check_reported(_metadata, self->l, self->stored);
}

/* The HPT is freed again before there is another: the kernel may report a shift. */
TEST_F(modeswitch, freed_twice)
{
	struct vm *vm = self->l->vm;

	if (may_xfail(vm))
		SKIP(return, "stock shifts by a negative number, and UBSAN reports it");
	ASSERT_EQ(0, vm_alloc_hpt(vm));
	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_RADIX));
	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_HPT));
	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_RADIX));
}

/* The log reports stores from before and after the switch. */
TEST_F(modeswitch, stores_in_both_modes)
{
	struct vm *vm = self->l->vm;

	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_alloc_hpt(vm));
	vm_map_slots(vm);
	store_random(self->l, &self->random, self->stored);
	check_reported(_metadata, self->l, self->stored);

	memset(self->stored, 0, sizeof(self->stored));
	ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_RADIX));
	store_random(self->l, &self->random, self->stored);
	check_reported(_metadata, self->l, self->stored);
}

/* A log that begins after the switch must be empty. */
TEST_F(modeswitch, log_begins_afterwards)
{
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	store_random(self->l, &self->random, self->stored);
	ASSERT_EQ(0, vm_set_mmu(self->l->vm, VM_MMU_HPT));
	ASSERT_EQ(0, vm_set_mmu(self->l->vm, VM_MMU_RADIX));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(0, logged_vm_count(self->l));
}

/* A thread that collects all the time; @reported accumulates the bitmaps. */
struct collector {
	struct vm *vm;
	pthread_t thread;
	pthread_mutex_t lock;
	__u64 reported[BITMAP_WORDS];
	atomic_bool stop;
	unsigned long collections;
};

static void collect(struct collector *c)
{
	__u64 bitmap[BITMAP_WORDS];
	int ret = vm_get_dirty_log(c->vm, LOGGED_SLOT, bitmap);
	size_t i;

	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	for (i = 0; i < BITMAP_WORDS; i++)
		c->reported[i] |= bitmap[i];
	c->collections++;
}

static void *collector_thread(void *arg)
{
	struct collector *c = arg;

	while (!atomic_load(&c->stop)) {
		pthread_mutex_lock(&c->lock);
		collect(c);
		pthread_mutex_unlock(&c->lock);
	}
	return NULL;
}

TEST_F_TIMEOUT(modeswitch, while_collecting, TIMEOUT)
{
	unsigned long switches = scaled(SWITCHES), lost = 0, i;
	struct collector c = {
		.vm = self->l->vm,
		.lock = PTHREAD_MUTEX_INITIALIZER,
	};

	if (may_xfail(self->l->vm))
		SKIP(return, "stock walks freed page tables, and the host crashes");
	ASSERT_EQ(0, pthread_create(&c.thread, NULL, collector_thread, &c));
	for (i = 0; i < switches; i++) {
		store_random(self->l, &self->random, self->stored);
		ASSERT_EQ(0, i % 2 ? vm_alloc_hpt(c.vm) :
				     vm_set_mmu(c.vm, VM_MMU_HPT));
		ASSERT_EQ(0, vm_set_mmu(c.vm, VM_MMU_RADIX));

		pthread_mutex_lock(&c.lock);
		collect(&c);
		lost += count_missing(self->stored, c.reported);
		memset(c.reported, 0, sizeof(c.reported));
		pthread_mutex_unlock(&c.lock);
		memset(self->stored, 0, sizeof(self->stored));
	}
	atomic_store(&c.stop, true);
	ASSERT_EQ(0, pthread_join(c.thread, NULL));
	TH_LOG("%lu switches, %lu collections", 2 * switches, c.collections);
	EXPECT_LT(2 * switches, c.collections);
	EXPECT_EQ(0, lost);
}

TEST_HARNESS_MAIN
