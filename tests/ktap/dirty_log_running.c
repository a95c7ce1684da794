// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of running vCPUs
 *
 * See rounds.h for the two ways to find a lost bit.
 */
#include "ktap.h"

#include "rounds.h"
#include "stuck.h"
#include "thief.h"

#define NR_VCPUS	4
#define NR_PAGES	256
#define TIMEOUT		300

#define SERVED_ROUNDS	500
#define SWITCHES	1000
#define MIGRATIONS	6
#define COPY_ROUNDS	8
#define UPDATE_ROUNDS	20
#define UPDATED_PAGES	64

FIXTURE(running) {
	struct logged_vm *l;
	__u64 random;
	struct thief thief;
	bool judged;
};

/* stolen: a thief unmaps the guest's memory all the time. */
FIXTURE_VARIANT(running) {
	enum vm_mmu mmu;
	enum backing backing;
	bool stolen;
};

FIXTURE_VARIANT_ADD(running, small) { VM_MMU_RADIX, BACKING_SMALL, false };
FIXTURE_VARIANT_ADD(running, thp) { VM_MMU_RADIX, BACKING_THP, false };
FIXTURE_VARIANT_ADD(running, memfd) { VM_MMU_RADIX, BACKING_MEMFD, false };
FIXTURE_VARIANT_ADD(running, small_stolen) { VM_MMU_RADIX, BACKING_SMALL, true };
FIXTURE_VARIANT_ADD(running, thp_stolen) { VM_MMU_RADIX, BACKING_THP, true };
FIXTURE_VARIANT_ADD(running, memfd_stolen) { VM_MMU_RADIX, BACKING_MEMFD, true };
FIXTURE_VARIANT_ADD(running, hpt) { VM_MMU_HPT, BACKING_SMALL, false };
FIXTURE_VARIANT_ADD(running, hpt_stolen) { VM_MMU_HPT, BACKING_SMALL, true };

FIXTURE_SETUP(running)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };

	stuck_watch(TIMEOUT / 3);
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, variant->backing));
	self->random = option("KTAP_SEED", 1);
	self->judged = !variant->stolen || judges_theft(self->l->vm);
	if (variant->stolen) {
		self->thief.l = self->l;
		self->thief.ways = thefts_from(variant->backing);
		self->thief.random = ~self->random;
		thief_start(&self->thief);
	}
}

FIXTURE_TEARDOWN(running)
{
	if (variant->stolen) {
		/* it may have been held up for as long as the test ran */
		while (!thief_has_taken(&self->thief))
			usleep(1000);
		thief_stop(&self->thief);
		EXPECT_TRUE(thief_succeeded(&self->thief));
	}
	logged_vm_destroy(self->l);
}

/* Continue until the thief has used each way at least once. */
static void serve(struct __test_metadata *_metadata, struct _test_data_running *self,
		  size_t pages)
{
	struct logged_vm *l = self->l;
	struct vcpu *vcpu = &l->vm->vcpu[0];
	struct served served = {
		.rounds = scaled(SERVED_ROUNDS),
		.pages = pages,
		.random = self->random,
	};

	rounds_pin(vcpu);
	vcpu->area->count = 0;
	vcpu_start(vcpu, GUEST_SERVE);
	do
		rounds_serve(l, vcpu->area, &served);
	while (!thief_has_taken(&self->thief));
	vcpu_stop(vcpu);
	TH_LOG("%lu stores asked for, %lu missed, %lu lost", served.asked,
	       served.missed, served.lost);
	EXPECT_NONE(self->judged, served.missed);
	EXPECT_NONE(self->judged, served.lost);
}

TEST_F_TIMEOUT(running, served_1_page, TIMEOUT)
{
	serve(_metadata, self, 1);
}

TEST_F_TIMEOUT(running, served_8_pages, TIMEOUT)
{
	serve(_metadata, self, 8);
}

TEST_F_TIMEOUT(running, served_256_pages, TIMEOUT)
{
	serve(_metadata, self, NR_PAGES);
}

/* Migrate running vCPUs. Return the number of pages that differ in the copy. */
static size_t migrate(struct __test_metadata *_metadata, struct logged_vm *l,
		      char *copy, __u64 *random, unsigned long *stores)
{
	struct guest_area *area[NR_VCPUS];
	unsigned int round, i;

	rounds_churn(l, area, GUEST_CHURN, random);
	rounds_await_stores(area, NR_VCPUS);
	rounds_copy_all(l, copy);
	for (round = 0; round < COPY_ROUNDS; round++) {
		rounds_await_stores(area, NR_VCPUS);
		rounds_copy_dirty(l, copy);
	}
	for (i = 0; i < NR_VCPUS; i++) {
		vcpu_stop(&l->vm->vcpu[i]);
		*stores += area_progress(area[i]);
	}
	rounds_copy_dirty(l, copy);
	ASSERT_EQ(0, logged_vm_set_log(l, false));
	return rounds_differing(l, copy);
}

static void migrate_repeatedly(struct __test_metadata *_metadata,
			       struct logged_vm *l, __u64 random, bool judged)
{
	unsigned long migrations = scaled(MIGRATIONS), migration, stores = 0;
	size_t differing;
	char *copy = mem_alloc(l->size, BACKING_SMALL, NULL);

	ASSERT_EQ(0, logged_vm_set_log(l, false));
	for (migration = 0; migration < migrations; migration++) {
		differing = migrate(_metadata, l, copy, &random, &stores);
		if (differing)
			TH_LOG("migration %lu: %zu pages differ from the copy",
			       migration, differing);
		EXPECT_NONE(judged, differing);
	}
	TH_LOG("%lu migrations, %lu stores", migrations, stores);
	mem_free(copy, l->size);
}

TEST_F_TIMEOUT(running, copied_in_rounds, TIMEOUT)
{
	migrate_repeatedly(_metadata, self->l, self->random, self->judged);
}

/*
 * Stores requested while the log is on must be reported before it is off again.
 */
static void switch_repeatedly(struct __test_metadata *_metadata,
			      struct logged_vm *l, __u64 random, bool judged)
{
	struct served served = { .rounds = 1, .pages = l->pages, .random = random };
	unsigned long switches = scaled(SWITCHES), i;
	struct vcpu *vcpu = &l->vm->vcpu[0];

	rounds_pin(vcpu);
	vcpu->area->count = 0;
	vcpu_start(vcpu, GUEST_SERVE);
	for (i = 0; i < switches; i++) {
		ASSERT_EQ(0, logged_vm_set_log(l, false));
		ASSERT_EQ(0, logged_vm_set_log(l, true));
		rounds_kick(l);
		rounds_serve(l, vcpu->area, &served);
	}
	vcpu_stop(vcpu);
	TH_LOG("log switched %lu times, %lu stores asked for, %lu missed, %lu lost",
	       switches, served.asked, served.missed, served.lost);
	EXPECT_NONE(judged, served.missed);
	EXPECT_NONE(judged, served.lost);
}

TEST_F_TIMEOUT(running, switched, TIMEOUT)
{
	switch_repeatedly(_metadata, self->l, self->random, self->judged);
}

FIXTURE(updated) {
	struct logged_vm *l;
};

FIXTURE_VARIANT(updated) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(updated, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(updated, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(updated, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(updated, hpt) { VM_MMU_HPT, BACKING_SMALL };

FIXTURE_SETUP(updated)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, UPDATED_PAGES, variant->backing));
}

FIXTURE_TEARDOWN(updated)
{
	logged_vm_destroy(self->l);
}

/*
 * The guest loads from each page and then stores to it without an exit in
 * between. The store must set C although the load has already cached the
 * translation.
 */
TEST_F(updated, loaded_then_stored)
{
	unsigned long round, page, missed = 0, lost = 0;
	struct logged_vm *l = self->l;
	struct vcpu *vcpu = &l->vm->vcpu[0];

	for (round = 1; round <= UPDATE_ROUNDS; round++) {
		area_list(vcpu->area, l->gpa, l->page, UPDATED_PAGES, round);
		ASSERT_EQ(0, vcpu_run(vcpu, GUEST_UPDATE));
		ASSERT_EQ(0, logged_vm_collect(l));
		for (page = 0; page < UPDATED_PAGES; page++) {
			missed += !test_bit(l->bitmap, page);
			lost += *(__u64 *)vm_hva(l->vm, logged_vm_gpa(l, page)) !=
				round + page;
		}
	}
	TH_LOG("%d stores after loads, %lu missed, %lu lost",
	       UPDATE_ROUNDS * UPDATED_PAGES, missed, lost);
	EXPECT_NONE(host_is_exact(), missed);
	EXPECT_EQ(0, lost);
}

TEST_HARNESS_MAIN
