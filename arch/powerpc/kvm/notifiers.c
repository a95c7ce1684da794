// SPDX-License-Identifier: GPL-2.0
/*
 * Memory under guests comes and goes: who serves a call.
 */
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

#include "compat.h"
#include "mmu.h"
#include "notifiers.h"
#include "pin.h"
#include "radix_mmu.h"
#include "radix_resize.h"
#include "stock.h"
#include "vm.h"

bool kvm_ext_unmap_gfn_range(struct kvm_ext_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return kvm_ext_stock.unmap_gfn_range(vm->kvm, range);

	kvm_ext_mmu(vm->kvm)->unmap(vm, range->slot, range->start, range->end,
				    (range->may_block ? KVM_EXT_MAY_SLEEP : 0) |
				    (vm->pins.on ? KVM_EXT_SPARE_PINNED : 0));
	return false;
}

bool kvm_ext_age_gfn(struct kvm_ext_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return kvm_ext_stock.age_gfn(vm->kvm, range);

	/* what is pinned is not a candidate to be paged out */
	if (vm->pins.on)
		return false;
	return kvm_ext_mmu(vm->kvm)->age(vm, range->slot, range->start, range->end);
}

bool kvm_ext_test_age_gfn(struct kvm_ext_vm *vm, struct kvm_gfn_range *range)
{
	if (vm->kvm->arch.secure_guest)
		return kvm_ext_stock.test_age_gfn(vm->kvm, range);

	if (vm->pins.on)
		return false;
	return kvm_ext_mmu(vm->kvm)->test_age(vm, range->slot, range->start,
					      range->end);
}

void kvm_ext_flush_memslot(struct kvm_ext_vm *vm, struct kvm_memory_slot *slot)
{
	if (vm->kvm->arch.secure_guest)
		kvm_ext_stock.flush_memslot(vm->kvm, slot);
	else
		kvm_ext_mmu(vm->kvm)->flush_slot(vm, slot);
	kvm_ext_unpin(vm, slot->base_gfn, slot->base_gfn + slot->npages);
}

/*
 * kvm-hv takes all of a memslot away when its log is switched on, to have single
 * pages from then on, and again when it is switched off. The log needs less: large
 * leaves are split, or joined again. Where everything is dirty to begin with, they
 * are split when they are cleaned.
 */
void kvm_ext_flush_radix_memslot(struct kvm *kvm, const struct kvm_memory_slot *slot)
{
	void (*original)(struct kvm *kvm, const struct kvm_memory_slot *slot) =
		kvm_ext_original(KVM_EXT_FLUSH_MEMSLOT);
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);
	struct kvm_memory_slot *new;

	/* as it was before the switch */
	if (kvm->arch.secure_guest) {
		original(kvm, slot);
	} else if (slot->flags & KVM_MEM_LOG_DIRTY_PAGES) {
		kvm_ext_radix_join(vm, slot);
	} else if (!kvm_dirty_log_manual_protect_and_init_set(kvm) &&
		   !kvm_ext_radix_clean(vm, slot, NULL, 0, slot->npages)) {
		/* stores may go on unseen: the first log has every page */
		new = id_to_memslot(kvm_memslots(kvm), slot->id);
		if (new && new->dirty_bitmap)
			bitmap_set(new->dirty_bitmap, 0, new->npages);
	}
}
