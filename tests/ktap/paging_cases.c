// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is write-protected, moved away or emptied under a guest
 *
 * While the VMM withholds memory from its guest, KVM_RUN fails with EFAULT when
 * the guest accesses it, and continues the guest once the memory is back. No
 * store is lost, and each is reported, whatever was mapped before.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <errno.h>
#include <sched.h>
#include <sys/mman.h>

#include "record.h"
#include "rounds.h"

#define NR_VCPUS	4
#define SIZE		(2 * THP_SIZE)
#define HUGETLB_SIZE	(16ul << 20)	/* a huge page of a host with an HPT */
#define TIMEOUT		300

#define ROUNDS		40
#define STORES		8
#define VALUE		0x1234567

/* Ways to withhold memory from a guest. */
enum way { READ_ONLY, MOVED };

FIXTURE(cases) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	struct record record;
	size_t first, count;	/* the affected part of the slot, in pages */
	char *reserved;
	char *elsewhere;	/* in @reserved, aligned like the slot */
	char *copy;
	__u64 random;
	bool judged;
};

FIXTURE_VARIANT(cases) {
	const char *name;
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(cases, small) { "small", VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(cases, thp) { "thp", VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(cases, memfd) { "memfd", VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(cases, hugetlb) { "hugetlb", VM_MMU_RADIX, BACKING_HUGETLB };
FIXTURE_VARIANT_ADD(cases, hpt) { "hpt", VM_MMU_HPT, BACKING_SMALL };
FIXTURE_VARIANT_ADD(cases, hpt_memfd) { "hpt_memfd", VM_MMU_HPT, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(cases, hpt_hugetlb) { "hpt_hugetlb", VM_MMU_HPT, BACKING_HUGETLB };

FIXTURE_SETUP(cases)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };
	bool hugetlb = variant->backing == BACKING_HUGETLB;
	size_t size = hugetlb ? HUGETLB_SIZE : SIZE;

	SKIP_IF(return, logged_vm_create(&self->l, &config, size / page_size(), variant->backing));
	/*
	 * A private page of hugetlbfs that is read first becomes writable and
	 * soft-dirty in place: see paging_race.c.
	 */
	if (hugetlb && variant->mmu == VM_MMU_RADIX && may_xfail(self->l->vm))
		SKIP(return, "stock warns of the host's soft-dirty bit");
	self->vcpu = self->l->vm->vcpu;
	/* Use a part of the slot. Pages of hugetlbfs do not split. */
	self->count = self->l->pages;
	if (!hugetlb)
		self->count /= 4;
	self->first = (self->l->pages - self->count) / 2;
	self->reserved = mem_alloc(2 * size, BACKING_SMALL, NULL);
	self->elsewhere = self->reserved + (-(unsigned long)self->reserved & (size - 1));
	self->copy = mem_alloc(self->l->size, BACKING_SMALL, NULL);
	self->random = option("KTAP_SEED", 1);
	self->judged = judges_theft(self->l->vm);
	record_open(&self->record, self->l->vm->ours, "paging_cases.%s.%s", _metadata->name,
		    variant->name);
}

FIXTURE_TEARDOWN(cases)
{
	record_close(&self->record);
	mem_free(self->reserved, 2 * self->l->size);
	mem_free(self->copy, self->l->size);
	logged_vm_destroy(self->l);
}

static void protect(void *memory, size_t size, int prot)
{
	if (mprotect(memory, size, prot))
		die("mprotect(%d): %m", prot);
}

/* Move memory, and keep its old addresses reserved. */
static void move(void *from, void *to, size_t size)
{
	if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		die("mremap: %m");
	if (mmap(from, size, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
		 -1, 0) != from)
		die("reserve addresses: %m");
}

/* Withhold pages. Return the slot's address for the test's own accesses. */
static char *take(struct _test_data_cases *self, enum way way, size_t first,
		  size_t count)
{
	size_t at = first * self->l->page, size = count * self->l->page;

	if (way == READ_ONLY) {
		protect(self->l->memory + at, size, PROT_READ);
		return self->l->memory;
	}
	move(self->l->memory + at, self->elsewhere + at, size);
	return self->elsewhere;
}

static void give_back(struct _test_data_cases *self, enum way way, size_t first,
		      size_t count)
{
	size_t at = first * self->l->page, size = count * self->l->page;

	if (way == READ_ONLY)
		protect(self->l->memory + at, size, PROT_READ | PROT_WRITE);
	else
		move(self->elsewhere + at, self->l->memory + at, size);
}

/* Drop pages; for shared memory by a hole in the file. */
static void empty(struct _test_data_cases *self, enum backing backing,
		  size_t first, size_t count)
{
	int advice = backing == BACKING_MEMFD ? MADV_REMOVE : MADV_DONTNEED;

	if (madvise(self->l->memory + first * self->l->page,
		    count * self->l->page, advice))
		die("madvise(%d): %m", advice);
}

static void ask(struct _test_data_cases *self, struct vcpu *vcpu, size_t page,
		__u64 value)
{
	vcpu->area->count = 1;
	vcpu->area->list[0] = (struct guest_access){
		.addr = logged_vm_gpa(self->l, page),
		.value = value,
	};
}

static __u64 word(const struct logged_vm *l, const char *memory, size_t page)
{
	return __atomic_load_n((const __u64 *)(memory + page * l->page),
			       __ATOMIC_RELAXED);
}

/* Page n holds n + 1, and is clean. */
static void fill(struct __test_metadata *_metadata, struct _test_data_cases *self)
{
	struct logged_vm *l = self->l;

	vcpu_store_pages(self->vcpu, VM_DATA_GPA, l->page, l->pages, 1);
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(l->pages, logged_vm_count(l));
}

static void withhold(struct __test_metadata *_metadata,
		     struct _test_data_cases *self, enum way way)
{
	struct vcpu *reader = self->vcpu, *writer = reader + 1, *other = reader + 2;
	size_t page = self->first + self->count / 2;
	size_t outside = (self->first + self->count) % self->l->pages;
	struct logged_vm *l = self->l;
	char *now;

	fill(_metadata, self);
	now = take(self, way, self->first, self->count);
	ask(self, reader, page, 0);
	EXPECT_EQ(way == READ_ONLY ? 0 : -EFAULT, vcpu_try(reader, GUEST_LOAD));
	ask(self, writer, page, VALUE);
	EXPECT_EQ(-EFAULT, vcpu_try(writer, GUEST_STORE));
	EXPECT_EQ(-EFAULT, vcpu_try(writer, GUEST_STORE));
	EXPECT_EQ(page + 1, word(l, now, page));
	ASSERT_EQ(0, logged_vm_collect(l));
	record(&self->record, "%zu pages reported", logged_vm_count(l));
	if (outside != self->first) {
		vcpu_store(other, logged_vm_gpa(l, outside), VALUE);
		EXPECT_EQ(VALUE, word(l, l->memory, outside));
	}

	give_back(self, way, self->first, self->count);
	if (way == READ_ONLY)
		ask(self, reader, page, 0);
	EXPECT_EQ(0, vcpu_try(reader, GUEST_LOAD));
	EXPECT_EQ(page + 1, reader->area->list[0].value);
	EXPECT_EQ(0, vcpu_try(writer, GUEST_STORE));
	EXPECT_EQ(VALUE, word(l, l->memory, page));
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_TRUE(test_bit(l->bitmap, page));
	EXPECT_TRUE(test_bit(l->bitmap, outside) || outside == self->first);
	record(&self->record, "%zu pages reported", logged_vm_count(l));
}

TEST_F(cases, read_only)
{
	withhold(_metadata, self, READ_ONLY);
}

TEST_F(cases, moved)
{
	withhold(_metadata, self, MOVED);
}

/* The contents of the pages are lost, but the stores must still be reported. */
TEST_F(cases, emptied)
{
	struct logged_vm *l = self->l;
	size_t page;

	fill(_metadata, self);
	vcpu_store_pages(self->vcpu, logged_vm_gpa(l, self->first), l->page,
			 self->count, VALUE);
	empty(self, variant->backing, self->first, self->count);
	ASSERT_EQ(0, logged_vm_collect(l));
	for (page = self->first; page < self->first + self->count; page++)
		EXPECT_TRUE(test_bit(l->bitmap, page));
	record(&self->record, "%zu pages reported", logged_vm_count(l));
	vcpu_load_pages(self->vcpu, VM_DATA_GPA, l->page, l->pages);
	for (page = 0; page < l->pages; page++) {
		bool inside = page - self->first < self->count;

		EXPECT_EQ(inside ? 0 : page + 1, self->vcpu->area->list[page].value);
	}
	ASSERT_EQ(0, logged_vm_collect(l));

	vcpu_store_pages(self->vcpu, logged_vm_gpa(l, self->first), l->page,
			 self->count, VALUE);
	ASSERT_EQ(0, logged_vm_collect(l));
	for (page = self->first; page < self->first + self->count; page++) {
		EXPECT_EQ(VALUE + page - self->first, word(l, l->memory, page));
		EXPECT_TRUE(test_bit(l->bitmap, page));
	}
	record(&self->record, "%zu pages reported", logged_vm_count(l));
}

/*
 * After MADV_FREE the host may drop pages until they are written. A store by
 * the guest counts as such a write: the host must notice it.
 */
TEST_F(cases, offered)
{
	struct logged_vm *l = self->l;
	char *memory = l->memory + self->first * l->page;
	size_t size = self->count * l->page, page;

	if (variant->backing != BACKING_SMALL && variant->backing != BACKING_THP)
		SKIP(return, "MADV_FREE needs private memory");
	fill(_metadata, self);
	if (madvise(memory, size, MADV_FREE))
		die("madvise(MADV_FREE): %m");
	/* map the pages, so that a store might succeed without a fault */
	vcpu_load_pages(self->vcpu, logged_vm_gpa(l, self->first), l->page, self->count);
	vcpu_store_pages(self->vcpu, logged_vm_gpa(l, self->first), l->page,
			 self->count, VALUE);
	if (madvise(memory, size, MADV_PAGEOUT))
		die("madvise(MADV_PAGEOUT): %m");
	for (page = self->first; page < self->first + self->count; page++)
		EXPECT_EQ(VALUE + page - self->first, word(l, l->memory, page));
	ASSERT_EQ(0, logged_vm_collect(l));
	for (page = self->first; page < self->first + self->count; page++)
		EXPECT_TRUE(test_bit(l->bitmap, page));
}

/* On such hosts a vCPU uses stale translations until it exits the guest. */
static void forget_translations(struct _test_data_cases *self)
{
	if (!self->judged)
		vm_kick(self->l->vm);
}

/* Stores to pages just dropped; in odd rounds the host reads them first. */
TEST_F_TIMEOUT(cases, emptied_under_load, TIMEOUT)
{
	unsigned long rounds = scaled(ROUNDS), round, i, lost = 0, missed = 0;
	bool whole = variant->backing == BACKING_HUGETLB;
	struct guest_area *area = self->vcpu->area;
	struct logged_vm *l = self->l;
	size_t page[STORES];

	area->count = 0;
	vcpu_start(self->vcpu, GUEST_SERVE);
	for (round = 1; round <= rounds; round++) {
		for (i = 0; i < STORES; i++) {
			page[i] = random_below(&self->random, l->pages);
			area->list[i].addr = logged_vm_gpa(l, page[i]);
			area->list[i].value = ~round;
		}
		area->count = STORES;
		area_serve(area);
		for (i = 0; i < STORES; i++)
			empty(self, variant->backing, whole ? 0 : page[i],
			      whole ? l->pages : 1);
		forget_translations(self);
		for (i = 0; i < STORES; i++) {
			area->list[i].value = round;
			if (round & 1)
				lost += word(l, l->memory, page[i]) != 0;
		}
		area_serve(area);
		for (i = 0; i < STORES; i++)
			lost += word(l, l->memory, page[i]) != round;
		ASSERT_EQ(0, logged_vm_collect(l));
		forget_translations(self);
		for (i = 0; i < STORES; i++)
			missed += !test_bit(l->bitmap, page[i]);
	}
	vcpu_stop(self->vcpu);
	TH_LOG("%lu stores, %lu lost, %lu missed", rounds * STORES, lost, missed);
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, missed);
}

/* Wait until each vCPU has more failed KVM_RUN calls than in @before. */
static void await_faults(const struct vm *vm, const unsigned long before[])
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		while (__atomic_load_n(&vm->vcpu[i].faults, __ATOMIC_SEQ_CST) == before[i])
			sched_yield();
}

static void withhold_under_load(struct __test_metadata *_metadata,
				struct _test_data_cases *self, enum way way)
{
	unsigned long rounds = scaled(ROUNDS), round, before[NR_VCPUS];
	struct guest_area *area[NR_VCPUS];
	struct logged_vm *l = self->l;
	char *memory = l->memory;
	size_t unreported;
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		self->vcpu[i].patient = true;
	rounds_churn(l, area, GUEST_REMEMBER, &self->random);
	for (round = 0; round < rounds; round++) {
		rounds_await_stores(area, NR_VCPUS);
		for (i = 0; i < NR_VCPUS; i++)
			before[i] = __atomic_load_n(&self->vcpu[i].faults, __ATOMIC_SEQ_CST);
		l->memory = take(self, way, 0, l->pages);
		rounds_copy_dirty(l, self->copy);
		await_faults(l->vm, before);
		l->memory = memory;
		give_back(self, way, 0, l->pages);
		rounds_await_stores(area, NR_VCPUS);
		rounds_copy_dirty(l, self->copy);
	}
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_stop(&self->vcpu[i]);
	rounds_copy_dirty(l, self->copy);
	unreported = rounds_differing(l, self->copy);
	TH_LOG("%lu times, %zu pages unreported", rounds, unreported);
	EXPECT_NONE(self->judged, unreported);
	for (i = 0; i < NR_VCPUS; i++) {
		TH_LOG("vCPU %u: %llu stores, %lu faults", i, area_progress(area[i]),
		       self->vcpu[i].faults);
		EXPECT_EQ(0, rounds_lost(l, area[i]));
		EXPECT_EQ(0, area[i]->wrong);
	}
}

TEST_F_TIMEOUT(cases, read_only_under_load, TIMEOUT)
{
	withhold_under_load(_metadata, self, READ_ONLY);
}

TEST_F_TIMEOUT(cases, moved_under_load, TIMEOUT)
{
	withhold_under_load(_metadata, self, MOVED);
}

TEST_HARNESS_MAIN
