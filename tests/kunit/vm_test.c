// SPDX-License-Identifier: GPL-2.0
/*
 * What a tracked VM begins with, and what is left of it.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/cputable.h>

#include "compat.h"
#include "table.h"
#include "vm.h"

static struct khx_vm *new_vm(struct kunit *test)
{
	struct khx_vm *vm = test_zalloc(test, sizeof(*vm));
	struct kvm *kvm = test_zalloc(test, sizeof(*kvm));

	spin_lock_init(&kvm->mmu_lock);
	KUNIT_ASSERT_EQ(test, 0, khx_vm_init(vm, kvm));
	return vm;
}

static void begins(struct kunit *test)
{
	struct khx_vm *vm = new_vm(test);

	/* messages name the process that has created it */
	KUNIT_EXPECT_EQ(test, task_pid_nr(current), vm->flusher.pid);
	/* a tlbie for all HPTEs of an LPID: from POWER9 on */
	KUNIT_EXPECT_EQ(test, cpu_has_feature(CPU_FTR_ARCH_300), !!vm->hpt.backend->lpid);
	khx_vm_release(vm);
}

/* The index of counters goes with the counters of each memslot. */
static void ends(struct kunit *test)
{
	struct khx_vm *vm = new_vm(test);
	struct xarray *slots = &vm->stats.log.slots;
	unsigned long id;
	struct khx_slot_stats *slot;

	for (id = 0; id < 100; id += 33) {
		slot = kzalloc(sizeof(*slot), GFP_KERNEL);
		if (!slot || xa_err(xa_store(slots, id, slot, GFP_KERNEL))) {
			kfree(slot);
			KUNIT_FAIL(test, "no memory");
		}
	}
	khx_vm_release(vm);
	KUNIT_EXPECT_TRUE(test, xa_empty(slots));
}

/* What stores leave that found no memory goes with the VM. */
static void ends_after_no_memory(struct kunit *test)
{
	struct khx_vm *vm = new_vm(test);
	struct xarray *const all[] = {
		&vm->vcpus, &vm->areas.pages, &vm->areas.told, &vm->nested.rmap.shadows,
		&vm->pins.pages, &vm->stats.log.slots,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(all); i++)
		test_store_half(test, all[i], 1UL << 40);
	khx_vm_release(vm);
	for (i = 0; i < ARRAY_SIZE(all); i++)
		KUNIT_EXPECT_TRUE_MSG(test, xa_empty(all[i]), "XArray %u", i);
}

/* A vCPU is known from its creation until it is freed, and once. */
static void knows_vcpus(struct kunit *test)
{
	struct kvm_vcpu *vcpu = test_zalloc(test, sizeof(*vcpu));
	struct khx_vm *vm = new_vm(test);
	struct khx_vcpu *ext;

	KUNIT_EXPECT_EQ(test, 0, khx_vcpu_create(vm, vcpu));
	ext = khx_vcpu_find(vm, vcpu);
	KUNIT_EXPECT_NOT_NULL(test, ext);
	KUNIT_EXPECT_EQ(test, -EBUSY, khx_vcpu_create(vm, vcpu));
	KUNIT_EXPECT_PTR_EQ(test, ext, khx_vcpu_find(vm, vcpu));
	khx_vcpu_free(vm, vcpu);
	KUNIT_EXPECT_NULL(test, khx_vcpu_find(vm, vcpu));
	khx_vm_release(vm);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(begins),
	KUNIT_CASE(ends),
	KUNIT_CASE(ends_after_no_memory),
	KUNIT_CASE(knows_vcpus),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_vm",
	.test_cases = cases,
};

kunit_test_suite(suite);
