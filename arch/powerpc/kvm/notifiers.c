// SPDX-License-Identifier: GPL-2.0
/*
 * Memory under guests comes and goes: who serves a call.
 */
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

#include "compat.h"
#include "hooks.h"
#include "mmu.h"
#include "notifiers.h"
#include "pin.h"
#include "radix_mmu.h"
#include "radix_resize.h"
#include "vm.h"

bool khx_notifier_unmap(struct khx_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return khx_stock_ops.unmap_gfn_range(vm->kvm, range);

	khx_mmu_of(vm->kvm)->unmap(vm, range->slot, range->start, range->end,
				   (range->may_block ? KHX_UNMAP_MAY_SLEEP : 0) |
				   (vm->pins.on ? KHX_UNMAP_KEEP_PINNED : 0));
	return false;
}

bool khx_notifier_age(struct khx_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return khx_stock_ops.age_gfn(vm->kvm, range);

	/* what is pinned is not a candidate to be paged out */
	if (vm->pins.on)
		return false;
	return khx_mmu_of(vm->kvm)->age(vm, range->slot, range->start, range->end);
}

bool khx_notifier_test_age(struct khx_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return khx_stock_ops.test_age_gfn(vm->kvm, range);

	if (vm->pins.on)
		return false;
	return khx_mmu_of(vm->kvm)->test_age(vm, range->slot, range->start,
					     range->end);
}

void khx_notifier_flush_memslot(struct khx_vm *vm, struct kvm_memory_slot *slot)
{
	if (vm->kvm->arch.secure_guest)
		khx_stock_ops.flush_memslot(vm->kvm, slot);
	else
		khx_mmu_of(vm->kvm)->flush_slot(vm, slot);
	khx_pin_release(vm, slot->base_gfn, slot->base_gfn + slot->npages);
}

/*
 * kvm-hv takes all of a memslot away when its log is switched on, to have single
 * pages from then on, and again when it is switched off. The log needs less: large
 * leaves are split, or joined again. Where everything is dirty to begin with, they
 * are split when they are cleaned.
 */
/**
 * khx_hook_radix_flush_memslot() - kvmppc_radix_flush_memslot() of VMs of ours
 * @kvm:	the VM
 * @slot:	a memslot whose logging is switched
 *
 * The same for a memslot that stays.
 *
 * Context: kvm->slots_lock held; may sleep.
 */
void khx_hook_radix_flush_memslot(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	struct khx_vm *vm = khx_vm_find(kvm);
	struct kvm_memory_slot *new;

	/* as it was before the switch */
	if (kvm->arch.secure_guest) {
		khx_stock_radix_flush_memslot(kvm, slot);
	} else if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		khx_join_memslot(vm, slot);
	} else if (!kvm_dirty_log_manual_protect_and_init_set(kvm) &&
		   !khx_radix_clean(vm, slot, NULL, 0, slot->npages)) {
		/* stores may go on unseen: the first log has every page */
		new = id_to_memslot(kvm_memslots(kvm), slot->id);
		if (new && new->dirty_bitmap)
			bitmap_set(new->dirty_bitmap, 0, new->npages);
	}
}
