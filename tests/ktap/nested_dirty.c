// SPDX-License-Identifier: GPL-2.0
/*
 * The dirty log of pages that a nested guest stores to
 *
 * Shadow PTEs map these pages. Stock flushes them with the wrong LPID, and an
 * MMU that sets C itself sets it there, where stock does not look. So stock
 * misses stores of an L2 that runs on.
 */
#include "ktap.h"

#include "nested.h"
#include "rounds.h"

#define NR_PAGES	256
#define LPID		9

#define SERVED_ROUNDS	800
#define MIGRATIONS	20
#define COPY_ROUNDS	4
#define TIMEOUT		300

FIXTURE(nested) {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2;
};

FIXTURE_VARIANT(nested) {
	enum backing backing;
};

FIXTURE_VARIANT_ADD(nested, small) { BACKING_SMALL };
FIXTURE_VARIANT_ADD(nested, memfd) { BACKING_MEMFD };

FIXTURE_SETUP(nested)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX, .nested = true };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, variant->backing));
	self->n = nested_create_one(self->l->vm, &self->l2, LPID);
	nested_map(self->n, LPID, VM_DATA_GPA, VM_DATA_GPA, self->l->size,
		   NESTED_READ | NESTED_WRITE);
}

FIXTURE_TEARDOWN(nested)
{
	logged_vm_destroy(self->l);
	nested_destroy(self->n);
}

static void serve(struct __test_metadata *_metadata, struct logged_vm *l,
		  struct l2 *l2, size_t pages)
{
	struct served served = {
		.rounds = scaled(SERVED_ROUNDS),
		.pages = pages,
		.random = option("KTAP_SEED", 1),
	};

	rounds_pin(l2->l1);
	l2_start(l2, GUEST_SERVE);
	rounds_serve(l, l2->area, &served);
	l2_stop(l2);
	TH_LOG("%lu stores asked for, %lu missed", served.asked, served.missed);
	if (served.missed && may_xfail(l->vm))
		XFAIL(return, "stock misses %lu of %lu stores of L2",
		      served.missed, served.asked);
	EXPECT_EQ(0, served.missed);
}

TEST_F_TIMEOUT(nested, served_1_page, TIMEOUT)
{
	serve(_metadata, self->l, &self->l2, 1);
}

TEST_F_TIMEOUT(nested, served_8_pages, TIMEOUT)
{
	serve(_metadata, self->l, &self->l2, 8);
}

TEST_F_TIMEOUT(nested, served_256_pages, TIMEOUT)
{
	serve(_metadata, self->l, &self->l2, NR_PAGES);
}

/*
 * Migrate L1 while L2 stores to random pages. Return whether the copy differs.
 */
static bool migrate(struct logged_vm *l, struct l2 *l2, char *copy, __u64 *random)
{
	struct guest_area *area = l2->area;
	unsigned int round;

	area->addr = VM_DATA_GPA;
	area->stride = l->page;
	area->count = l->pages;
	area->seed = random_u64(random) | 1;
	l2_start(l2, GUEST_CHURN);
	rounds_copy_all(l, copy);
	for (round = 0; round < COPY_ROUNDS; round++) {
		rounds_await_stores(&area, 1);
		rounds_copy_dirty(l, copy);
	}
	l2_stop(l2);
	rounds_copy_dirty(l, copy);
	return rounds_differing(l, copy);
}

TEST_F_TIMEOUT(nested, copied_in_rounds, TIMEOUT)
{
	unsigned long migrations = scaled(MIGRATIONS), wrong = 0, i;
	char *copy = mem_alloc(self->l->size, BACKING_SMALL, NULL);
	__u64 random = option("KTAP_SEED", 1);

	for (i = 0; i < migrations; i++) {
		ASSERT_EQ(0, logged_vm_set_log(self->l, false));
		wrong += migrate(self->l, &self->l2, copy, &random);
	}
	TH_LOG("%lu migrations, %lu wrong", migrations, wrong);
	mem_free(copy, self->l->size);
	if (wrong && may_xfail(self->l->vm))
		XFAIL(return, "on stock %lu of %lu copies are wrong", wrong,
		      migrations);
	EXPECT_EQ(0, wrong);
}

TEST_HARNESS_MAIN
