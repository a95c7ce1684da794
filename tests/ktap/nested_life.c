// SPDX-License-Identifier: GPL-2.0
/*
 * Nested guests that are created and destroyed on all vCPUs of an L1 at once
 *
 * The host allocates its data of a nested guest when L1 first enters the LPID,
 * and frees it when L1 invalidates the LPID after clearing its partition table
 * entry. Each vCPU repeats this with LPIDs of its own. Each guest must run, and
 * the kernel must not report anything.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <time.h>
#include <unistd.h>

#include "nested.h"

#define NR_VCPUS	4
#define NR_GUESTS	8	/* per vCPU */
#define FIRST_LPID	16
#define LAST_LPID	(FIRST_LPID + NR_VCPUS * NR_GUESTS - 1)
#define L2_AREA(i)	(NR_VCPUS + (i))

#define SECONDS		15
#define TIMEOUT		300

#define TRAP_HISI	0xe20
#define TRAP_SYSCALL	0xc00

FIXTURE(life) {
	struct vm *vm;
	struct nested *n;
	struct l2 l2[NR_VCPUS];
	__u64 *entry;	/* partition table entry, the same for each guest */
};

/* runs: an L2 has memory, and runs until it exits with a hypercall. */
FIXTURE_VARIANT(life) {
	bool runs;
};

FIXTURE_VARIANT_ADD(life, runs) { true };
/* the fastest cycle: the host only allocates and frees its data */
FIXTURE_VARIANT_ADD(life, has_nothing) { false };

/* The guests of one vCPU differ only in their LPIDs. */
static void set_up_guests(struct _test_data_life *self, unsigned int i, bool runs)
{
	struct guest_area *area = self->vm->vcpu[i].area;
	unsigned int guest, lpid;
	__u64 *entry;

	l2_init(&self->l2[i], self->n, i, 0, L2_AREA(i));
	self->l2[i].area->op = GUEST_LOAD;
	area->count = NR_GUESTS;
	area->regs[0] = self->entry[0];
	area->trap = runs ? TRAP_SYSCALL : TRAP_HISI;
	for (guest = 0; guest < NR_GUESTS; guest++) {
		lpid = FIRST_LPID + i * NR_GUESTS + guest;
		entry = nested_guest_entry(self->n, lpid);
		entry[1] = self->entry[1];
		area->list[guest].addr = NESTED_TABLES_GPA +
			((char *)entry - self->n->tables);
		area->list[guest].value = lpid;
	}
}

FIXTURE_SETUP(life)
{
	unsigned int i;

	SKIP_IF(return, nested_vm_create(&self->vm, NR_VCPUS));
	self->n = nested_create(self->vm);
	nested_add_guest(self->n, LAST_LPID);
	self->entry = nested_guest_entry(self->n, LAST_LPID);
	if (!variant->runs)
		*nested_tree_entry(self->n, LAST_LPID, 0, 0) = 0;
	for (i = 0; i < NR_VCPUS; i++)
		set_up_guests(self, i, variant->runs);
}

FIXTURE_TEARDOWN(life)
{
	vm_destroy(self->vm);
	nested_destroy(self->n);
}

static void expect_all_ran(struct __test_metadata *_metadata, struct _test_data_life *self,
			   unsigned int count)
{
	__u64 begun = 0, wrong = 0, refused = 0;
	struct guest_area *area;
	unsigned int i;

	for (i = 0; i < count; i++) {
		area = self->vm->vcpu[i].area;
		begun += area->progress;
		wrong += area->wrong;
		refused += area->refused;
	}
	TH_LOG("%llu guests entered, %llu unexpected exits, %llu invalidations refused", begun,
	       wrong, refused);
	EXPECT_NE(0, begun);
	EXPECT_EQ(0, wrong);
	EXPECT_EQ(0, refused);
}

TEST_F_TIMEOUT(life, begin_and_end, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < NR_VCPUS; i++)
		vcpu_start(&self->vm->vcpu[i], GUEST_GUESTS);
	sleep(scaled(SECONDS));
	for (i = 0; i < NR_VCPUS; i++)
		vcpu_stop(&self->vm->vcpu[i]);
	expect_all_ran(_metadata, self, NR_VCPUS);
}

/* The last vCPU has no guests, and invalidates all LPIDs. */
TEST_F_TIMEOUT(life, all_invalidated, TIMEOUT)
{
	struct vcpu *last = &self->vm->vcpu[NR_VCPUS - 1];
	time_t end = time(NULL) + scaled(SECONDS);
	unsigned long times = 0;
	unsigned int i;

	for (i = 0; i < NR_VCPUS - 1; i++)
		vcpu_start(&self->vm->vcpu[i], GUEST_GUESTS);
	do {
		ASSERT_EQ(0, nested_tlbie(last, NESTED_RIC_ALL, 0, NESTED_RB_ALL));
		times++;
	} while (time(NULL) < end);
	for (i = 0; i < NR_VCPUS - 1; i++)
		vcpu_stop(&self->vm->vcpu[i]);
	TH_LOG("all invalidated %lu times", times);
	expect_all_ran(_metadata, self, NR_VCPUS - 1);
}

TEST_HARNESS_MAIN
