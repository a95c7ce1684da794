/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that are not paged (paging=0): a page is pinned when it is first mapped
 * for the guest, and stays where it is until its memslot or the VM goes. Such a
 * guest never waits for the host to bring a page back, as on processors that
 * cannot virtualize partition memory. The memory counts against RLIMIT_MEMLOCK
 * of the process, as what VFIO pins does.
 *
 * A translation that names the page pinned for its guest address is spared by
 * MMU notifiers, unless the page is poisoned; any other goes as ever. So a page that
 * is mapped but not pinned (yet, or because userspace has put another one there) is
 * never used after it has gone. When protection changes (mprotect(), userfaultfd)
 * translations go all the same, and the next access finds what it may do.
 */
#ifndef KHX_PIN_H
#define KHX_PIN_H

#include <linux/kvm_host.h>
#include <linux/mmu_notifier.h>
#include <linux/mutex.h>
#include <linux/xarray.h>

struct khx_vm;

/**
 * struct khx_pins - what is pinned for a VM
 * @on:		the VM is one whose pages are pinned; constant
 * @notifier:	is told of protection that changes
 * @lock:	serialises changes
 * @pages:	struct page by guest page number
 */
struct khx_pins {
	bool on;
	struct mmu_notifier notifier;
	struct mutex lock;	/* changes of what follows */
	struct xarray pages;
};

/**
 * khx_pins_init() - prepare what is pinned for a VM
 * @pins:	zeroed
 * @mm:		of the VM if its pages are to be pinned, before KVM has registered its
 *		own MMU notifier there; or NULL
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int khx_pins_init(struct khx_pins *pins, struct mm_struct *mm);

/**
 * khx_pins_stop() - hear no more of protection that changes
 * @vm:		a VM whose tables are about to be freed, and whose memslots nobody changes
 *
 * Context: may sleep.
 */
void khx_pins_stop(struct khx_vm *vm);

/**
 * khx_pin_range() - pin what a memslot has for guest pages
 * @vm:		a VM whose pages are pinned
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	first guest page not concerned
 * @writing:	the access is a store
 *
 * A guest page for which another page is pinned loses its translations, and that
 * page is unpinned.
 *
 * Context: a thread of the VM's process, kvm->srcu held, may sleep; takes
 * kvm->mmu_lock.
 * Return: 0; -ENOMEM if RLIMIT_MEMLOCK does not allow it, or memory is short;
 * -EFAULT if there is no memory, or none that can be written to be stored to.
 */
int khx_pin_range(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		  gfn_t start, gfn_t end, bool writing);

/**
 * khx_pin_nested_fault() - a page of a guest's nested guest could not be pinned
 * @vcpu:	the vCPU that faulted, of a VM whose pages are pinned
 * @err:	of khx_pin_range()
 *
 * kvm-hv gives its guest a fault of a nested guest back on any error but one, and the
 * guest, which finds nothing wrong, runs the nested guest again.
 *
 * Context: vCPU thread.
 * Return: @err; or -EINTR if a nested guest has faulted, which ends KVM_RUN, and then
 * khx_hook_vcpu_run_hv() has what userspace is to see.
 */
int khx_pin_nested_fault(struct kvm_vcpu *vcpu, int err);

/**
 * khx_pin_covers() - are these the pages that are pinned?
 * @vm:		a VM of ours
 * @start:	first guest page
 * @end:	first guest page not concerned
 * @pfn:	host page that the first one is mapped to, followed by the others'
 *
 * Context: kvm->mmu_lock held.
 * Return: true if all are, and none is poisoned.
 */
bool khx_pin_covers(struct khx_vm *vm, gfn_t start, gfn_t end,
		    unsigned long pfn);

/**
 * khx_pin_release() - unpin guest pages, written or not
 * @vm:		a VM of ours
 * @start:	first guest page
 * @end:	first guest page not concerned
 *
 * Context: no translation is left and none can come; may sleep.
 */
void khx_pin_release(struct khx_vm *vm, gfn_t start, gfn_t end);

#endif /* KHX_PIN_H */
