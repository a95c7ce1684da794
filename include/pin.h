/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that are not paged (paging=0): the module pins a page when it is first
 * mapped for the guest, and keeps it pinned until its memslot is deleted or the
 * VM ends. Such a guest never waits for the host to page memory in, as on
 * processors that cannot virtualize partition memory. The pages count against
 * RLIMIT_MEMLOCK of the process, as those that VFIO pins.
 *
 * MMU notifiers spare a translation to the page that is pinned for its guest
 * address, unless the page is poisoned, and zap all others. So a page that is
 * mapped but not pinned (not yet, or because userspace has mapped another page
 * there) is never used after it is freed. Changes of protection (mprotect(),
 * userfaultfd) zap translations of pinned pages too, and the next access faults
 * and is checked against the new protection.
 */
#ifndef KHX_PIN_H
#define KHX_PIN_H

#include <linux/kvm_host.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

struct khx_vm;

/**
 * struct khx_pins - pinned pages of a VM
 * @on:		the module pins pages of this VM; constant
 * @notifier:	reports changes of protection
 * @lock:	serializes changes of @pages
 * @pages:	struct page by gfn
 */
struct khx_pins {
	bool on;
	struct mmu_notifier notifier;
	struct mutex lock;	/* serializes changes of @pages */
	struct xarray pages;
};

/**
 * khx_pins_init() - initialize struct khx_pins
 * @pins:	zeroed
 * @mm:		the VM's mm if the module pins its pages, or NULL; KVM has not
 *		yet registered its own MMU notifier there
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int khx_pins_init(struct khx_pins *pins, struct mm_struct *mm);

/**
 * khx_pins_stop() - unregister the notifier for changes of protection
 * @vm:		a VM whose page tables are about to be freed, and whose memslots
 *		no longer change
 *
 * Context: may sleep.
 */
void khx_pins_stop(struct khx_vm *vm);

/**
 * khx_pins_destroy() - unpin all pages, and free the index of them
 * @vm:		a VM that khx_pins_stop() was called for, or khx_pins_init() only
 *
 * Context: may sleep.
 */
void khx_pins_destroy(struct khx_vm *vm);

/**
 * khx_pin_range() - pin the host pages of a range of a memslot
 * @vm:		a VM whose pages the module pins
 * @slot:	one of its memslots
 * @start:	first gfn
 * @end:	end of the range, exclusive
 * @writing:	the access is a store
 *
 * If another page is pinned for a gfn, zaps the translations of that gfn and
 * unpins the old page.
 *
 * Context: a thread of the VM's process, kvm->srcu held, may sleep; takes
 * kvm->mmu_lock.
 * Return: 0; -ENOMEM if RLIMIT_MEMLOCK does not allow it, or memory is short;
 * -EFAULT if userspace has no memory there, or a store finds it read-only.
 */
int khx_pin_range(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		  gfn_t start, gfn_t end, bool writing);

/**
 * khx_pin_nested_fault() - report that a page of a nested guest was not pinned
 * @vcpu:	the vCPU that faulted, of a VM whose pages the module pins
 * @err:	return value of khx_pin_range()
 *
 * On any error but -EINTR, kvm-hv reflects a nested guest's fault to L1, which
 * finds nothing wrong and runs the nested guest again.
 *
 * Context: vCPU thread.
 * Return: @err; -EINTR on an error while a nested guest runs. -EINTR ends
 * KVM_RUN, for which khx_hook_vcpu_run_hv() then returns @err to userspace.
 */
int khx_pin_nested_fault(struct kvm_vcpu *vcpu, int err);

/**
 * khx_pin_covers() - test whether a range is mapped to its pinned pages
 * @vm:		a tracked VM
 * @start:	first gfn
 * @end:	end of the range, exclusive
 * @pfn:	host page that @start is mapped to; the mapping is contiguous
 *
 * Context: kvm->mmu_lock held.
 * Return: true if all pages are those pinned, and none is poisoned.
 */
bool khx_pin_covers(struct khx_vm *vm, gfn_t start, gfn_t end,
		    unsigned long pfn);

/**
 * khx_pin_release() - unpin pages and mark them dirty
 * @vm:		a tracked VM
 * @start:	first gfn
 * @end:	end of the range, exclusive
 *
 * Context: no translation of the range is left and none can be installed; may
 * sleep.
 */
void khx_pin_release(struct khx_vm *vm, gfn_t start, gfn_t end);

#endif /* KHX_PIN_H */
