// SPDX-License-Identifier: GPL-2.0
/*
 * Several guests of one L1 on several vCPUs at once, and an L1 that invalidates
 * at random or changes its partition table meanwhile
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <endian.h>
#include <sched.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nested.h"
#include "rounds.h"
#include "slab.h"
#include "thief.h"

#define NR_L2		4
#define NR_PAGES	64
#define SIZE		(NR_PAGES * NESTED_PAGE)
#define LPID		9
#define L2_AREA(i)	(GUEST_MAX_VCPUS - 1 - (i))

/*
 * The first two are vCPUs of the same guest, the third guest has 2 MiB entries.
 */
static const unsigned int lpid_of[NR_L2] = { LPID, LPID, LPID + 1, LPID + 2 };
#define LARGE_L2	2

#define ROUNDS		40
#define TIMEOUT		300

#define H_SUCCESS	0
#define H_PARAMETER	-4ull

#define PATE_ROOT	0x0fffffffffffff00ull
#define HISI		0xe20

FIXTURE(many) {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2[NR_L2];
	struct guest_area *area[NR_L2];
	char *copy;
	__u64 random;
	bool judged;
};

FIXTURE_VARIANT(many) {
	enum backing backing;
};

FIXTURE_VARIANT_ADD(many, small) { BACKING_SMALL };
FIXTURE_VARIANT_ADD(many, thp) { BACKING_THP };
FIXTURE_VARIANT_ADD(many, memfd) { BACKING_MEMFD };

static void map_all(struct nested *n, unsigned int lpid, bool large)
{
	const unsigned int access = NESTED_READ | NESTED_WRITE;
	__u64 at;

	if (!large)
		nested_map(n, lpid, VM_DATA_GPA, VM_DATA_GPA, SIZE, access);
	else
		for (at = VM_DATA_GPA; at < VM_DATA_GPA + SIZE; at += NESTED_LARGE_PAGE)
			nested_map_large(n, lpid, at, at, access);
}

FIXTURE_SETUP(many)
{
	struct vm_config config = {
		.nr_vcpus = NR_L2,
		.mmu = VM_MMU_RADIX,
		.nested = true,
	};
	unsigned int i;

	SKIP_IF(return, logged_vm_create(&self->l, &config, SIZE / page_size(), variant->backing));
	self->n = nested_create(self->l->vm);
	for (i = 0; i < NR_L2; i++) {
		if (!i || lpid_of[i] != lpid_of[i - 1]) {
			nested_add_guest(self->n, lpid_of[i]);
			map_all(self->n, lpid_of[i], i == LARGE_L2);
		}
		l2_init(&self->l2[i], self->n, i, lpid_of[i], L2_AREA(i));
		self->area[i] = self->l2[i].area;
	}
	self->copy = mem_alloc(SIZE, BACKING_SMALL, NULL);
	self->random = option("KTAP_SEED", 1);
	self->judged = judges_theft(self->l->vm);
}

FIXTURE_TEARDOWN(many)
{
	logged_vm_destroy(self->l);
	nested_destroy(self->n);
	mem_free(self->copy, SIZE);
}

/* Each L2 stores to a word of its own in each page, and remembers its value. */
static void start(struct _test_data_many *self, unsigned int i)
{
	struct guest_area *area = self->area[i];

	area->addr = VM_DATA_GPA + i * sizeof(__u64);
	area->stride = NESTED_PAGE;
	area->count = NR_PAGES;
	area->seed = random_u64(&self->random) | 1;
	area->progress = 0;
	l2_start(&self->l2[i], GUEST_REMEMBER);
}

/* Count words that lack the value an L2 remembers, and wrong loads of L2s. */
static unsigned long count_lost(struct _test_data_many *self)
{
	unsigned long lost = 0;
	unsigned int i, page;

	for (i = 0; i < NR_L2; i++) {
		for (page = 0; page < NR_PAGES; page++)
			lost += *(__u64 *)(self->l->memory + page * NESTED_PAGE +
					   i * sizeof(__u64)) !=
				self->area[i]->list[page].value;
		lost += self->area[i]->wrong;
	}
	return lost;
}

static void start_all(struct _test_data_many *self, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		start(self, i);
}

static void stop_all(struct _test_data_many *self, unsigned int count)
{
	unsigned int i;

	for (i = 0; i < count; i++)
		l2_stop(&self->l2[i]);
}

TEST_F_TIMEOUT(many, copied_in_rounds, TIMEOUT)
{
	unsigned long rounds = scaled(ROUNDS), differing;

	start_all(self, NR_L2);
	rounds_copy_all(self->l, self->copy);
	while (rounds--) {
		rounds_await_stores(self->area, NR_L2);
		rounds_copy_dirty(self->l, self->copy);
	}
	stop_all(self, NR_L2);
	rounds_copy_dirty(self->l, self->copy);
	differing = rounds_differing(self->l, self->copy);
	TH_LOG("%zu pages in the copy differ", differing);
	EXPECT_EQ(0, count_lost(self));
	if (differing && may_xfail(self->l->vm))
		XFAIL(return, "on stock %lu pages in the copy are wrong", differing);
	EXPECT_EQ(0, differing);
}

TEST_F_TIMEOUT(many, memory_is_taken, TIMEOUT)
{
	unsigned long rounds = scaled(4 * ROUNDS);
	struct thief thief = {
		.l = self->l,
		.ways = thefts_from(variant->backing),
		.random = self->random,
	};

	/* see paging_race.c */
	if (may_xfail(self->l->vm))
		SKIP(return, "stock warns of the host's soft-dirty bit");
	start_all(self, NR_L2);
	thief_start(&thief);
	while (rounds--)
		rounds_await_stores(self->area, NR_L2);
	thief_stop(&thief);
	stop_all(self, NR_L2);
	EXPECT_NONE(self->judged, count_lost(self));
}

/*
 * The last vCPU of L1 runs no guest, and makes valid and invalid invalidations.
 */
TEST_F_TIMEOUT(many, invalidated_at_random, TIMEOUT)
{
	bool no_4k = nested_4k_reported();
	unsigned long calls = scaled(100 * ROUNDS), refused = 0, i;
	struct vcpu *l1 = self->l2[NR_L2 - 1].l1;
	__u64 ric, lpid, rb, rc;

	start_all(self, NR_L2 - 1);
	for (i = 0; i < calls; i++) {
		ric = random_below(&self->random, 4);
		lpid = i & 1 ? LPID + random_below(&self->random, 4) :
		       random_u64(&self->random);
		rb = i & 2 ? VM_DATA_GPA + random_below(&self->random, SIZE) :
		     random_u64(&self->random);
		/* not with 1 GiB pages, which takes long */
		if ((rb >> 5 & 7) == 2)
			rb ^= 0x20;
		if (no_4k && !(rb >> 5 & 7))
			rb |= 0x20;
		rc = nested_tlbie(l1, ric, lpid, rb);
		if (rc != H_SUCCESS && rc != H_PARAMETER)
			die("H_TLB_INVALIDATE: %lld", (long long)rc);
		refused += rc != H_SUCCESS;
		if (i % 64 == 0)
			rounds_await_stores(self->area, NR_L2 - 1);
	}
	stop_all(self, NR_L2 - 1);
	TH_LOG("%lu calls, %lu refused", calls, refused);
	EXPECT_NE(0, refused);
	EXPECT_NE(calls, refused);
	EXPECT_EQ(0, count_lost(self));
}

/* An L2 exits when its partition table entry is cleared, and can re-enter. */
TEST_F_TIMEOUT(many, guest_entry_goes, TIMEOUT)
{
	__u64 *entry = nested_guest_entry(self->n, LPID), was = *entry, trap;
	unsigned long rounds = scaled(ROUNDS), stayed = 0;
	struct vcpu *l1 = self->l2[NR_L2 - 1].l1;

	start(self, 0);
	while (rounds--) {
		rounds_await_stores(self->area, 1);
		__atomic_store_n(entry, 0, __ATOMIC_SEQ_CST);
		ASSERT_EQ(0, nested_tlbie(l1, NESTED_RIC_ALL, LPID, NESTED_RB_LPID));
		/* the thread ends by itself, on some hosts only after a kick */
		if (host_keeps_stale_translations())
			vm_kick(self->l->vm);
		pthread_join(self->l2[0].l1->thread, NULL);
		trap = self->l2[0].l1->area->nested.trap;
		stayed += trap != NESTED_HDSI && trap != HISI;
		__atomic_store_n(entry, was, __ATOMIC_SEQ_CST);
		vcpu_start(self->l2[0].l1, GUEST_ENTER_NESTED);
	}
	l2_stop(&self->l2[0]);
	EXPECT_EQ(0, stayed);
	EXPECT_EQ(0, self->area[0]->wrong);
}

/* A thread that clears and restores the partition table entry all the time. */
struct flicker {
	__u64 *entry;
	bool stop;
};

static void *flicker(void *arg)
{
	struct flicker *f = arg;
	__u64 was = *f->entry;

	while (!__atomic_load_n(&f->stop, __ATOMIC_SEQ_CST)) {
		__atomic_store_n(f->entry, 0, __ATOMIC_SEQ_CST);
		sched_yield();
		__atomic_store_n(f->entry, was, __ATOMIC_SEQ_CST);
		sched_yield();
	}
	return NULL;
}

/* Let the first L2 store to a page. Return false if it has exited, or exits. */
static bool serve_one(struct _test_data_many *self, unsigned int page, __u64 value)
{
	struct guest_area *area = self->area[0];
	__u64 request = area->request + 1;

	area->count = 1;
	area->list[0].addr = VM_DATA_GPA + page * NESTED_PAGE;
	area->list[0].value = value;
	__atomic_store_n(&area->request, request, __ATOMIC_SEQ_CST);
	while (__atomic_load_n(&area->served, __ATOMIC_SEQ_CST) != request) {
		if (!__atomic_load_n(&self->l2[0].l1->running, __ATOMIC_SEQ_CST))
			return false;
		sched_yield();
	}
	return true;
}

/*
 * The entry is absent while L1 invalidates it and present when L2 needs it: L2
 * runs on, and the host must still find the shadow PTEs it has installed.
 */
TEST_F_TIMEOUT(many, guest_entry_flickers, TIMEOUT)
{
	struct flicker f = { .entry = nested_guest_entry(self->n, LPID) };
	unsigned long rounds = scaled(4 * ROUNDS), stayed = 0, lost = 0, round;
	struct l2 *l2 = &self->l2[0];
	struct vcpu *l1 = self->l2[NR_L2 - 1].l1;
	unsigned int page;
	pthread_t thread;

	l2_start(l2, GUEST_SERVE);
	for (round = 1; round <= rounds; round++) {
		page = random_below(&self->random, NR_PAGES / 2);
		f.stop = false;
		if (pthread_create(&thread, NULL, flicker, &f))
			die("thread: %m");
		ASSERT_EQ(0, nested_tlbie(l1, NESTED_RIC_ALL, LPID, NESTED_RB_LPID));
		usleep(1000);
		__atomic_store_n(&f.stop, true, __ATOMIC_SEQ_CST);
		pthread_join(thread, NULL);
		if (!serve_one(self, page, round)) {
			pthread_join(l2->l1->thread, NULL);
			vcpu_start(l2->l1, GUEST_ENTER_NESTED);
			continue;
		}
		stayed++;
		if (madvise(self->l->memory + page * NESTED_PAGE, NESTED_PAGE,
			    variant->backing == BACKING_MEMFD ? MADV_REMOVE : MADV_DONTNEED))
			die("madvise: %m");
		/* an unmapped page: exit, to drop stale translations */
		if (!serve_one(self, NR_PAGES / 2 + page, round) ||
		    !serve_one(self, page, ~round))
			die("L2 exited");
		lost += *(__u64 *)(self->l->memory + page * NESTED_PAGE) != ~round;
	}
	l2_stop(l2);
	TH_LOG("%lu times, L2 ran on %lu times, %lu stores to dropped memory",
	       rounds, stayed, lost);
	EXPECT_OURS(self->l->vm, !lost, "stock does not find an L2's shadow PTEs");
}

TEST_HARNESS_MAIN
