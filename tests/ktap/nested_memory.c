// SPDX-License-Identifier: GPL-2.0
/*
 * The host's memory for nested rmaps and shadow page tables
 *
 * It must depend on the number of shadow PTEs that exist, not on the number
 * that ever existed.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "nested.h"
#include "slab.h"

#define NR_PAGES	256
#define SIZE		(NR_PAGES * NESTED_PAGE)
#define SLOT		1
#define LPID		9

#define ROUNDS		128
#define OBJECTS		64		/* tolerance: frees by other threads */
#define NOISE		(256 << 10)	/* half of what a leak would add */

#define ALIASES		100000
#define BATCH		1000
#define ALIAS_SECONDS	20
#define ALIAS_GPA	0x1000000000ull
#define OLD		0x01d01d01d01dull
#define NEW		0x0e30e30e30e3ull

#define SPARSE		2000	/* L2 addresses, SPARSE_STEP apart */
#define SPARSE_STEP	(512ull << 30)	/* size that a root entry covers */
#define SPARSE_MOST	(6 << 20)	/* bytes; stock: 8 KiB per address */

#define CYCLES		160
#define TIMEOUT		300

FIXTURE(memory) {
	struct vm *vm;
	char *pages;
	struct nested *n;
	struct l2 l2;
};

static void create(struct _test_data_memory *self)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX, .nested = true };
	int ret;

	self->vm = vm_create(&config);
	ret = vm_set_slot(self->vm, SLOT, VM_DATA_GPA, SIZE, self->pages, 0);
	if (ret)
		die("memslot: %s", strerror(-ret));
	self->n = nested_create_one(self->vm, &self->l2, LPID);
}

static void destroy(struct _test_data_memory *self)
{
	vm_destroy(self->vm);
	nested_destroy(self->n);
}

FIXTURE_SETUP(memory)
{
	SKIP_IF(return, nested_missing());
	self->pages = mem_alloc(SIZE, BACKING_SMALL, NULL);
	memset(self->pages, 1, SIZE);
	create(self);
}

FIXTURE_TEARDOWN(memory)
{
	destroy(self);
	mem_free(self->pages, SIZE);
}

/*
 * Map L2's page n to L1's page n + @by, invalidate if @told, and use all pages.
 */
static void rotate(struct _test_data_memory *self, unsigned int by, bool told)
{
	unsigned int i;

	for (i = 0; i < NR_PAGES; i++)
		nested_map(self->n, LPID, VM_DATA_GPA + i * NESTED_PAGE,
			   VM_DATA_GPA + (i + by) % NR_PAGES * NESTED_PAGE,
			   NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	if (told && nested_tlbie(self->l2.l1, NESTED_RIC_TLB, LPID, NESTED_RB_LPID))
		die("H_TLB_INVALIDATE");
	l2_store_pages(&self->l2, VM_DATA_GPA, NR_PAGES, by);
}

/**
 * struct rotation - rotations by a separate thread
 * @self: the fixture
 * @rounds: number of rotations
 * @told: L1 invalidates the entries that it has changed
 * @tid: thread ID
 * @step: barrier before and after the rotations
 */
struct rotation {
	struct _test_data_memory *self;
	unsigned long rounds;
	bool told;
	pid_t tid;
	pthread_barrier_t step;
};

static void *rotate_thread(void *arg)
{
	struct rotation *r = arg;
	unsigned long round;

	r->tid = gettid();
	rotate(r->self, 0, true);
	pthread_barrier_wait(&r->step);
	pthread_barrier_wait(&r->step);
	for (round = 1; round <= r->rounds; round++)
		rotate(r->self, round, r->told);
	pthread_barrier_wait(&r->step);
	pthread_barrier_wait(&r->step);
	return NULL;
}

/*
 * Return by how many slab objects the thread's allocations exceed its frees,
 * although the number of mappings is the same before and after.
 */
static long growth_of(struct __test_metadata *_metadata,
		      struct _test_data_memory *self, bool told)
{
	struct rotation r = {
		.self = self, .rounds = scaled(ROUNDS), .told = told,
	};
	pthread_t thread;
	long growth;

	pthread_barrier_init(&r.step, NULL, 2);
	if (pthread_create(&thread, NULL, rotate_thread, &r))
		die("thread: %m");
	pthread_barrier_wait(&r.step);
	slab_count_start(r.tid);
	pthread_barrier_wait(&r.step);
	pthread_barrier_wait(&r.step);
	growth = slab_count_stop(r.tid);
	pthread_barrier_wait(&r.step);
	pthread_join(thread, NULL);
	TH_LOG("%lu rounds of %u frames: %ld objects more", r.rounds, NR_PAGES, growth);
	return growth;
}

TEST_F_TIMEOUT(memory, flat_while_rotating, TIMEOUT)
{
	long growth;

	SKIP_IF(return, slab_missing());
	growth = growth_of(_metadata, self, true);
	if (growth > OBJECTS && may_xfail(self->vm))
		XFAIL(return, "stock keeps %ld objects for past mappings", growth);
	EXPECT_LE(growth, OBJECTS);
}

TEST_F_TIMEOUT(memory, flat_while_rotating_untold, TIMEOUT)
{
	SKIP_IF(return, slab_missing());
	if (!self->vm->ours)
		SKIP(return, "stock would store to pages that are not L1's");
	EXPECT_LE(growth_of(_metadata, self, false), OBJECTS);
}

/* Destroying an L1 that has an L2 with mappings must free all objects. */
TEST_F_TIMEOUT(memory, none_left_after_end, TIMEOUT)
{
	unsigned long cycles = scaled(CYCLES), cycle;
	long before = 0, growth;

	SKIP_IF(return, slab_missing());
	for (cycle = 0; cycle <= cycles; cycle++) {
		/* the first cycle makes one-time allocations */
		if (cycle == 1)
			before = slab_bytes();
		rotate(self, 0, true);
		rotate(self, 1 + cycle, true);
		destroy(self);
		create(self);
	}
	growth = slab_bytes() - before;
	TH_LOG("%lu times: %ld bytes more", cycles, growth);
	EXPECT_LE(growth, NOISE);
}

/* No floating point, see vm.h. */
static unsigned long now_ms(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000ul + t.tv_nsec / 1000000;
}

static __u64 *first_word(struct _test_data_memory *self)
{
	return (__u64 *)self->pages;
}

/* Return how many aliases of a batch lack @value. */
static unsigned long count_stale(struct _test_data_memory *self, unsigned long first,
				 __u64 value)
{
	unsigned long stale = 0;
	unsigned int i;

	l2_load_pages(&self->l2, ALIAS_GPA + first * NESTED_PAGE, BATCH);
	for (i = 0; i < BATCH; i++)
		stale += self->l2.area->list[i].value != value;
	return stale;
}

/* L2 maps one L1 page at very many addresses; then the host unmaps the page. */
TEST_F_TIMEOUT(memory, aliases_go_with_page, TIMEOUT)
{
	unsigned long end = now_ms() + scaled(1000 * ALIAS_SECONDS);
	unsigned long count = 0, stale = 0, i, begin;

	for (i = 0; i < ALIASES; i++)
		nested_map(self->n, LPID, ALIAS_GPA + i * NESTED_PAGE, VM_DATA_GPA,
			   NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	*first_word(self) = OLD;
	for (; count < ALIASES && now_ms() < end; count += BATCH)
		stale += count_stale(self, count, OLD);
	EXPECT_EQ(0, stale);
	begin = now_ms();
	ASSERT_EQ(0, madvise(self->pages, NESTED_PAGE, MADV_DONTNEED));
	TH_LOG("%lu aliases unmapped in %lu ms", count, now_ms() - begin);
	*first_word(self) = NEW;
	for (i = 0; i < count; i += BATCH)
		stale += count_stale(self, i, NEW);
	EXPECT_EQ(0, stale);
}

/*
 * L1 uses one table for all of L2's address space, and L2 accesses sparse
 * addresses. For each one the host allocates page tables, and must not keep
 * them all.
 */
TEST_F_TIMEOUT(memory, tables_are_bounded, TIMEOUT)
{
	long before = slab_unreclaimable(), growth;
	unsigned int wrong = 0, i;
	__u64 entry, gpa;

	nested_map(self->n, LPID, VM_DATA_GPA, VM_DATA_GPA, NESTED_PAGE,
		   NESTED_READ | NESTED_WRITE);
	entry = *nested_tree_entry(self->n, LPID, VM_DATA_GPA, 0);
	for (i = 1; i <= SPARSE; i++) {
		gpa = VM_DATA_GPA + i * SPARSE_STEP;
		*nested_tree_entry(self->n, LPID, gpa, 0) = entry;
		l2_store(&self->l2, gpa, i);
		if (nested_tlbie(self->l2.l1, NESTED_RIC_TLB, LPID, NESTED_RB_PAGE(gpa)))
			die("H_TLB_INVALIDATE");
		wrong += *first_word(self) != i;
	}
	growth = slab_unreclaimable() - before;
	TH_LOG("%u addresses: %ld bytes more", SPARSE, growth);
	EXPECT_EQ(0, wrong);
	if (growth > SPARSE_MOST && may_xfail(self->vm))
		XFAIL(return, "stock keeps %ld bytes of page tables for one page", growth);
	EXPECT_LE(growth, SPARSE_MOST);
}

TEST_HARNESS_MAIN
