// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrent unmapping, faulting, aging and harvesting of the same pages
 *
 * While vCPUs load and store, one thread unmaps the pages, one ages them, and
 * one collects the dirty log and copies what it reports, as a migration does.
 * Each vCPU remembers what it has stored to each page and counts loads of other
 * values. In the end both memory and copy must hold the remembered values: each
 * store was reported by a later collection.
 *
 * The test takes a minute for each variant at a scale of 100 percent.
 */
#include "ktap.h"

#include <time.h>
#include <unistd.h>

#include "idle.h"
#include "rounds.h"
#include "thief.h"

#define NR_VCPUS	2
#define NR_PAGES	64
#define SECONDS		60
#define COLLECTIONS	12	/* per run of the vCPUs */
#define AFTERWARDS_US	50000
#define TIMEOUT		900

#define IDLE_US		1000

FIXTURE(race) {
	struct logged_vm *l;
	struct thief thief;
	pthread_t ager;
	int idle;
	atomic_bool stop;
	__u64 random;
	char *copy;
	unsigned long aged, used;
	unsigned long stores, unreported, lost;
	bool judged;
};

FIXTURE_VARIANT(race) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(race, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(race, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(race, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(race, hpt) { VM_MMU_HPT, BACKING_SMALL };
FIXTURE_VARIANT_ADD(race, hpt_memfd) { VM_MMU_HPT, BACKING_MEMFD };

FIXTURE_SETUP(race)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };

	self->idle = idle_open();
	if (self->idle < 0)
		SKIP(return, "the host does not track idle pages (CONFIG_IDLE_PAGE_TRACKING)");
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, variant->backing));
	/*
	 * The host may map an anonymous page read-only when it is read from
	 * swap, by a PTE that is not soft-dirty. A store then makes this PTE
	 * writable and soft-dirty in place. kvm-hv copies the soft-dirty bit
	 * into the guest's PTE, does not expect it to change there, and WARNs.
	 */
	if (variant->mmu == VM_MMU_RADIX && variant->backing != BACKING_MEMFD &&
	    may_xfail(self->l->vm))
		SKIP(return, "stock warns of the host's soft-dirty bit");
	self->random = option("KTAP_SEED", 1);
	self->copy = mem_alloc(self->l->size, BACKING_SMALL, NULL);
	self->judged = judges_theft(self->l->vm);
	self->thief.l = self->l;
	self->thief.ways = thefts_from(variant->backing);
	self->thief.random = ~self->random;
}

FIXTURE_TEARDOWN(race)
{
	close(self->idle);
	mem_free(self->copy, self->l->size);
	logged_vm_destroy(self->l);
}

/* Mark a page idle, and check after a while whether it has been used. */
static void age(struct _test_data_race *self, size_t page)
{
	__u64 pfn = idle_pfn(self->l->memory + page * self->l->page);

	if (!pfn)
		return;
	idle_set(self->idle, pfn);
	self->aged++;
	usleep(IDLE_US);
	self->used += !idle_test(self->idle, pfn);
}

static void *age_thread(void *arg)
{
	struct _test_data_race *self = arg;
	__u64 random = self->random;

	while (!atomic_load(&self->stop))
		age(self, random_below(&random, NR_PAGES));
	return NULL;
}

/*
 * Run the vCPUs for a while. After they stop, the other threads keep unmapping
 * and aging the memory: at that time only the pages' mappings, which are being
 * zapped, know of the last stores.
 */
static void run_vcpus(struct _test_data_race *self)
{
	struct guest_area *area[NR_VCPUS];
	struct logged_vm *l = self->l;
	unsigned int i;

	rounds_churn(l, area, GUEST_REMEMBER, &self->random);
	for (i = 0; i < COLLECTIONS; i++) {
		rounds_await_stores(area, NR_VCPUS);
		rounds_copy_dirty(l, self->copy);
	}
	rounds_await_stores(area, NR_VCPUS);
	for (i = 0; i < NR_VCPUS; i++) {
		vcpu_stop(&l->vm->vcpu[i]);
		self->stores += area_progress(area[i]);
	}
	usleep(AFTERWARDS_US);
	rounds_copy_dirty(l, self->copy);
	self->unreported += rounds_differing(l, self->copy);
	for (i = 0; i < NR_VCPUS; i++)
		self->lost += rounds_lost(l, area[i]);
}

TEST_F_TIMEOUT(race, all_at_once, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	unsigned long times = 0, wrong = 0;
	unsigned int i;

	thief_start(&self->thief);
	ASSERT_EQ(0, pthread_create(&self->ager, NULL, age_thread, self));
	do {
		run_vcpus(self);
		times++;
	} while (time(NULL) < end);
	atomic_store(&self->stop, true);
	pthread_join(self->ager, NULL);
	thief_stop(&self->thief);
	for (i = 0; i < NR_VCPUS; i++)
		wrong += self->l->vm->vcpu[i].area->wrong;

	TH_LOG("%lu times %u collections; %lu pages aged, %lu of them used", times,
	       COLLECTIONS, self->aged, self->used);
	TH_LOG("%lu stores; %lu pages unreported, %lu lost, %lu wrong loads",
	       self->stores, self->unreported, self->lost, wrong);
	EXPECT_TRUE(thief_succeeded(&self->thief));
	EXPECT_LT(0, self->used);
	EXPECT_NONE(self->judged, self->unreported);
	EXPECT_NONE(self->judged, self->lost);
	EXPECT_NONE(self->judged, wrong);
}

TEST_HARNESS_MAIN
