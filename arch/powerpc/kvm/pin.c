// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that are not paged: which pages are pinned.
 *
 * Lock order: kvm->slots_lock or kvm->srcu, the lock of the pins, then mmap_lock
 * (to pin and to account) or kvm->mmu_lock. Notifiers, which come with mmap_lock
 * held, look pages up under kvm->mmu_lock alone.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>

#include "compat.h"
#include "mmu.h"
#include "pin.h"
#include "vm.h"

void kvm_ext_pins_init(struct kvm_ext_pins *pins, bool on)
{
	pins->on = on;
	mutex_init(&pins->lock);
	xa_init(&pins->pages);
}

/* The guest may have written it, without a trace in any host PTE. */
static void put(struct page *page)
{
	unpin_user_pages_dirty_lock(&page, 1, true);
}

/* Another page than the one pinned: nothing may map that any more. */
static void replace(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		    gfn_t gfn, struct page *old, struct page *page)
{
	spin_lock(&vm->kvm->mmu_lock);
	kvm_ext_mmu(vm->kvm)->unmap(vm, slot, gfn, gfn + 1, false);
	vm->kvm->mmu_invalidate_seq++;
	/* cannot fail: there is an entry */
	xa_store(&vm->pins.pages, gfn, page, GFP_ATOMIC);
	spin_unlock(&vm->kvm->mmu_lock);
	put(old);
}

static int pin_one(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t gfn)
{
	struct kvm_ext_pins *pins = &vm->pins;
	struct page *page, *old;
	int err;

	lockdep_assert_held(&pins->lock);

	if (pin_user_pages_fast(__gfn_to_hva_memslot(slot, gfn), 1,
				FOLL_WRITE | FOLL_LONGTERM, &page) != 1)
		return -EFAULT;

	old = xa_load(&pins->pages, gfn);
	if (old == page) {
		unpin_user_page(page);
		return 0;
	}
	if (old) {
		replace(vm, slot, gfn, old, page);
		return 0;
	}

	err = account_locked_vm(vm->kvm->mm, 1, true);
	if (!err) {
		err = xa_err(xa_store(&pins->pages, gfn, page, GFP_KERNEL_ACCOUNT));
		if (err)
			account_locked_vm(vm->kvm->mm, 1, false);
	}
	if (err)
		unpin_user_page(page);
	return err;
}

int kvm_ext_pin(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		gfn_t start, gfn_t end)
{
	gfn_t gfn = max(start, slot->base_gfn);
	int err = 0;

	end = min(end, slot->base_gfn + slot->npages);
	mutex_lock(&vm->pins.lock);
	for (; gfn < end && !err; gfn++)
		err = pin_one(vm, slot, gfn);
	mutex_unlock(&vm->pins.lock);
	return err;
}

bool kvm_ext_pinned(struct kvm_ext_vm *vm, gfn_t start, gfn_t end,
		    unsigned long pfn)
{
	struct page *page;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	for (; start < end; start++, pfn++) {
		page = xa_load(&vm->pins.pages, start);
		if (!page || page_to_pfn(page) != pfn)
			return false;
	}
	return true;
}

void kvm_ext_unpin(struct kvm_ext_vm *vm, gfn_t start, gfn_t end)
{
	struct kvm_ext_pins *pins = &vm->pins;
	unsigned long gfn, nr = 0;
	struct page *page;

	if (start >= end)
		return;
	mutex_lock(&pins->lock);
	xa_for_each_range(&pins->pages, gfn, page, start, end - 1) {
		xa_erase(&pins->pages, gfn);
		put(page);
		nr++;
	}
	mutex_unlock(&pins->lock);

	account_locked_vm(vm->kvm->mm, nr, false);
}
