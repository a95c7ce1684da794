// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that are not paged: pin pages, and account them.
 *
 * Lock order: kvm->slots_lock or kvm->srcu, khx_pins.lock, kvm->mmu_lock.
 * Pinning and accounting of a page may wait for userspace, so khx_pin_range()
 * does both without khx_pins.lock.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/mmu_notifier.h>

#include "compat.h"
#include "hooks.h"
#include "mmu.h"
#include "pin.h"
#include "vm.h"

/*
 * KVM's own notifier does not pass on why memory is invalidated, and keeps
 * pinned pages mapped. This notifier zaps them when the protection changes, so
 * that the guest observes the change. It is registered before KVM's and so is
 * called after it. At that time KVM has marked the invalidation as in progress,
 * and until its end no page fault maps a page of the range.
 */
static int pin_protection_changes(struct mmu_notifier *mn, const struct mmu_notifier_range *range)
{
	struct khx_vm *vm = container_of(mn, struct khx_vm, pins.notifier);
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	unsigned long start, end;
	int bkt, idx;

	if (range->event != MMU_NOTIFY_PROTECTION_VMA &&
	    range->event != MMU_NOTIFY_PROTECTION_PAGE)
		return 0;

	idx = srcu_read_lock(&kvm->srcu);
	/* read kvm->memslots once: it may change during the walk */
	slots = kvm_memslots(kvm);
	spin_lock(&kvm->mmu_lock);
	kvm_for_each_memslot(slot, bkt, slots) {
		start = max(range->start, slot->userspace_addr);
		end = min(range->end, slot->userspace_addr + (slot->npages << PAGE_SHIFT));
		if (start >= end)
			continue;
		start = (start - slot->userspace_addr) >> PAGE_SHIFT;
		end = PAGE_ALIGN(end - slot->userspace_addr) >> PAGE_SHIFT;
		khx_mmu_of(kvm)->unmap(vm, slot, slot->base_gfn + start, slot->base_gfn + end,
				       mmu_notifier_range_blockable(range) ?
				       KHX_UNMAP_MAY_SLEEP : 0);
	}
	spin_unlock(&kvm->mmu_lock);
	srcu_read_unlock(&kvm->srcu, idx);
	return 0;
}

static const struct mmu_notifier_ops notifier_ops = {
	.invalidate_range_start = pin_protection_changes,
};

int khx_pins_init(struct khx_pins *pins, struct mm_struct *mm)
{
	int err;

	mutex_init(&pins->lock);
	xa_init(&pins->pages);
	if (!mm)
		return 0;

	pins->notifier.ops = &notifier_ops;
	err = mmu_notifier_register(&pins->notifier, mm);
	pins->on = !err;
	return err;
}

int khx_pin_nested_fault(struct kvm_vcpu *vcpu, int err)
{
	if (!err || !vcpu->arch.nested)
		return err;
	khx_vcpu_find(khx_vm_find(vcpu->kvm), vcpu)->run_error = err;
	return -EINTR;
}

/**
 * khx_hook_vcpu_run_hv() - kvmppc_vcpu_run_hv() of VMs with pinned pages
 * @vcpu:	the vCPU
 *
 * Context: KVM_RUN.
 * Return: as stock, or the error passed to khx_pin_nested_fault().
 */
int khx_hook_vcpu_run_hv(struct kvm_vcpu *vcpu)
{
	struct khx_vcpu *ext = khx_vcpu_find(khx_vm_find(vcpu->kvm), vcpu);
	int ret = khx_stock_vcpu_run_hv(vcpu);

	if (ret != -EINTR || !ext->run_error)
		return ret;
	ret = ext->run_error;
	ext->run_error = 0;
	return ret;
}

void khx_pins_stop(struct khx_vm *vm)
{
	if (vm->pins.on)
		mmu_notifier_unregister(&vm->pins.notifier, vm->kvm->mm);
}

/* The guest may have written the page, and no host PTE shows that. */
static void pin_put_page(struct page *page)
{
	unpin_user_pages_dirty_lock(&page, 1, true);
}

/* Replace the pinned page of @gfn. Nothing may map the old page any longer. */
static void pin_replace(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			gfn_t gfn, struct page *old, struct page *page)
{
	lockdep_assert_held(&vm->pins.lock);

	spin_lock(&vm->kvm->mmu_lock);
	khx_mmu_of(vm->kvm)->unmap(vm, slot, gfn, gfn + 1, 0);
	vm->kvm->mmu_invalidate_seq++;
	/* cannot fail: the entry exists */
	xa_store(&vm->pins.pages, gfn, page, GFP_ATOMIC);
	spin_unlock(&vm->kvm->mmu_lock);
	pin_put_page(old);
}

/*
 * Pin the page at @hva. For a load an anonymous page is good enough, even if
 * write-protected: FOLL_LONGTERM makes it exclusive to this process. A later
 * store of userspace replaces other pages (zero pages, pages of private file
 * mappings), so first try to pin for writing, and pin them as they are only
 * where no store is possible.
 */
static struct page *pin_get_page(unsigned long hva, bool writing)
{
	struct page *page;

	if (!writing && pin_user_pages_fast(hva, 1, FOLL_LONGTERM, &page) == 1) {
		if (PageAnon(page))
			return page;
		unpin_user_page(page);
	}
	if (pin_user_pages_fast(hva, 1, FOLL_WRITE | FOLL_LONGTERM, &page) == 1)
		return page;
	if (!writing && pin_user_pages_fast(hva, 1, FOLL_LONGTERM, &page) == 1)
		return page;
	return NULL;
}

/*
 * On some kernels FOLL_LONGTERM cannot wait for userspace to provide the memory
 * (userfaultfd). get_user_pages_fast() without it can.
 */
static bool pin_fault_in(unsigned long hva, bool writing)
{
	struct page *page;

	if (get_user_pages_fast(hva, 1, writing ? FOLL_WRITE : 0, &page) != 1)
		return false;
	put_page(page);
	return true;
}

/* Returns 1 if @gfn had no pinned page before: the caller accounts the page. */
static int pin_gfn(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t gfn, bool writing)
{
	struct khx_pins *pins = &vm->pins;
	unsigned long hva = __gfn_to_hva_memslot(slot, gfn);
	struct page *page, *old;
	int err = 0;

	page = pin_get_page(hva, writing);
	if (!page && pin_fault_in(hva, writing))
		page = pin_get_page(hva, writing);
	if (!page)
		return -EFAULT;

	mutex_lock(&pins->lock);
	old = xa_load(&pins->pages, gfn);
	if (old == page)
		unpin_user_page(page);
	else if (old)
		pin_replace(vm, slot, gfn, old, page);
	else
		err = xa_err(xa_store(&pins->pages, gfn, page, GFP_KERNEL_ACCOUNT)) ?: 1;
	mutex_unlock(&pins->lock);
	if (err < 0)
		unpin_user_page(page);
	return err;
}

static bool pin_is_current(const struct khx_vm *vm, gfn_t gfn)
{
	return xa_load((struct xarray *)&vm->pins.pages, gfn);
}

/*
 * Account pages that are not pinned yet. Returns their number, or -ENOMEM. If
 * they exceed the limit, retry page by page: other vCPUs may have accounted the
 * same pages at the same time, and have pinned them since.
 */
static long pin_account(struct khx_vm *vm, gfn_t start, gfn_t end)
{
	struct mm_struct *mm = vm->kvm->mm;
	long nr = 0, accounted = 0;
	gfn_t gfn;

	for (gfn = start; gfn < end; gfn++)
		nr += !pin_is_current(vm, gfn);
	if (!nr || !account_locked_vm(mm, nr, true))
		return nr;

	for (gfn = start; gfn < end; gfn++) {
		if (pin_is_current(vm, gfn))
			continue;
		if (!account_locked_vm(mm, 1, true)) {
			accounted++;
		} else if (!pin_is_current(vm, gfn)) {
			account_locked_vm(mm, accounted, false);
			return -ENOMEM;
		}
	}
	return accounted;
}

int khx_pin_range(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		  gfn_t start, gfn_t end, bool writing)
{
	gfn_t gfn = max(start, slot->base_gfn);
	long accounted;
	int err = 0;

	end = min(end, slot->base_gfn + slot->npages);
	accounted = pin_account(vm, gfn, end);
	if (accounted < 0)
		return accounted;

	for (; gfn < end; gfn++) {
		err = pin_gfn(vm, slot, gfn, writing);
		if (err < 0)
			break;
		accounted -= err;
		cond_resched();
	}
	/* others may have pinned or unpinned pages since pin_account() */
	if (accounted > 0)
		account_locked_vm(vm->kvm->mm, accounted, false);
	else if (accounted < 0 && account_locked_vm(vm->kvm->mm, -accounted, true))
		pr_warn_ratelimited("pid %d: %ld pinned pages are not accounted\n",
				    vm->kvm->userspace_pid, -accounted);
	return min(err, 0);
}

bool khx_pin_covers(struct khx_vm *vm, gfn_t start, gfn_t end,
		    unsigned long pfn)
{
	struct page *page;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	for (; start < end; start++, pfn++) {
		page = xa_load(&vm->pins.pages, start);
		if (!page || page_to_pfn(page) != pfn || is_page_hwpoison(page))
			return false;
	}
	return true;
}

void khx_pin_release(struct khx_vm *vm, gfn_t start, gfn_t end)
{
	struct khx_pins *pins = &vm->pins;
	unsigned long gfn, nr = 0;
	struct page *page;

	if (start >= end)
		return;
	mutex_lock(&pins->lock);
	xa_for_each_range(&pins->pages, gfn, page, start, end - 1) {
		xa_erase(&pins->pages, gfn);
		pin_put_page(page);
		nr++;
		cond_resched();
	}
	mutex_unlock(&pins->lock);

	account_locked_vm(vm->kvm->mm, nr, false);
}

void khx_pins_destroy(struct khx_vm *vm)
{
	khx_pin_release(vm, 0, ULONG_MAX);
	xa_destroy(&vm->pins.pages);
}
