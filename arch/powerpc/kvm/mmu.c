// SPDX-License-Identifier: GPL-2.0
/*
 * Which page table serves a call: the MMU notifier operations, and memslots that
 * are changed or deleted. kvm-hv serves secure guests, by a backend of its own.
 */
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

#include "compat.h"
#include "hooks.h"
#include "mmu.h"
#include "pin.h"
#include "trace.h"
#include "vm.h"

static struct kvm_gfn_range mmu_range(const struct kvm_memory_slot *slot,
				      gfn_t start, gfn_t end, bool may_block)
{
	return (struct kvm_gfn_range){
		.slot = (struct kvm_memory_slot *)slot,
		.start = start,
		.end = end,
		.may_block = may_block,
	};
}

/* The ultravisor does not tell how many pages were mapped. */
static unsigned long secure_unmap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
				  gfn_t start, gfn_t end, unsigned int how)
{
	struct kvm_gfn_range range = mmu_range(slot, start, end,
					       how & KHX_UNMAP_MAY_SLEEP);

	khx_stock_ops.unmap_gfn_range(vm->kvm, &range);
	return 0;
}

static bool secure_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		       gfn_t start, gfn_t end)
{
	struct kvm_gfn_range range = mmu_range(slot, start, end, false);

	return khx_stock_ops.age_gfn(vm->kvm, &range);
}

static bool secure_test_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			    gfn_t start, gfn_t end)
{
	struct kvm_gfn_range range = mmu_range(slot, start, end, false);

	return khx_stock_ops.test_age_gfn(vm->kvm, &range);
}

/* The ultravisor tracks the pages: there is no C bit to clear. */
static bool secure_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			 const unsigned long *pages, unsigned long start,
			 unsigned long end)
{
	return true;
}

static void secure_flush_slot(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	khx_stock_ops.flush_memslot(vm->kvm, (struct kvm_memory_slot *)slot);
}

static void secure_switch_log(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	khx_stock_radix_flush_memslot(vm->kvm, slot);
}

/* A collection leaves secure guests to kvm-hv whole: see khx_dirty_log_get(). */
const struct khx_mmu khx_secure_mmu = {
	.unmap = secure_unmap,
	.age = secure_age,
	.test_age = secure_test_age,
	.clean = secure_clean,
	.flush_slot = secure_flush_slot,
	.start_log = secure_switch_log,
	.stop_log = secure_switch_log,
};

void khx_mmu_unmap_gfn_range(struct khx_vm *vm, const struct kvm_gfn_range *range)
{
	u64 begin = trace_khx_unmap_enabled() ? mftb() : 0;
	unsigned long pages;

	pages = khx_mmu_of(vm->kvm)->unmap(vm, range->slot, range->start, range->end,
					   (range->may_block ? KHX_UNMAP_MAY_SLEEP : 0) |
					   (vm->pins.on ? KHX_UNMAP_KEEP_PINNED : 0));
	vm->stats.mmu.unmap_calls++;
	vm->stats.mmu.unmapped += pages;
	if (begin)
		trace_khx_unmap(vm->kvm, range, pages, khx_ns_since(begin));
}

/* Pinned pages are no candidates to be paged out. */
bool khx_mmu_age_gfn(struct khx_vm *vm, const struct kvm_gfn_range *range)
{
	u64 begin = trace_khx_age_enabled() ? mftb() : 0;
	unsigned long before = vm->stats.mmu.aged;
	bool young;

	young = !vm->pins.on &&
		khx_mmu_of(vm->kvm)->age(vm, range->slot, range->start, range->end);
	vm->stats.mmu.age_calls++;
	if (begin)
		trace_khx_age(vm->kvm, range, vm->stats.mmu.aged - before, khx_ns_since(begin));
	return young;
}

bool khx_mmu_test_age_gfn(struct khx_vm *vm, const struct kvm_gfn_range *range)
{
	return !vm->pins.on &&
	       khx_mmu_of(vm->kvm)->test_age(vm, range->slot, range->start, range->end);
}

void khx_mmu_flush_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	khx_mmu_of(vm->kvm)->flush_slot(vm, slot);
	khx_pin_release(vm, slot->base_gfn, slot->base_gfn + slot->npages);
}

/**
 * khx_hook_radix_flush_memslot() - kvmppc_radix_flush_memslot() of tracked VMs
 * @kvm:	the VM
 * @slot:	a memslot whose logging is switched, as it was before
 *
 * kvm-hv unmaps the whole memslot when its log is switched on, to have single
 * pages from then on, and again when it is switched off. A log needs less.
 *
 * Context: kvm->slots_lock held; may sleep. The VM may leave radix mode
 * meanwhile.
 */
void khx_hook_radix_flush_memslot(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	const struct khx_mmu *mmu = khx_mmu_of(kvm);
	struct khx_vm *vm = khx_vm_find(kvm);

	if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		if (mmu->stop_log)
			mmu->stop_log(vm, slot);
	} else if (mmu->start_log) {
		mmu->start_log(vm, slot);
	}
}
