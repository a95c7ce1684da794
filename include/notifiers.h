/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory under guests comes and goes: the MMU notifier operations, and memslots
 * that are taken away. Each call goes to what serves the VM at that moment:
 * struct khx_mmu of radix or HPT guests; kvm-hv for secure guests, whose
 * pages the ultravisor owns.
 *
 * The generic code of KVM has found the memslots that a range of host addresses
 * touches, holds kvm->mmu_lock, and has told page faults in flight to try again
 * (mmu_invalidate_in_progress and mmu_invalidate_seq).
 */
#ifndef KHX_NOTIFIERS_H
#define KHX_NOTIFIERS_H

#include <linux/kvm_host.h>

struct khx_vm;

/**
 * khx_notifier_unmap() - host pages are about to go
 * @vm:		a VM of ours
 * @range:	pages of one memslot
 *
 * On return no translation of them is in any page table or TLB of the guest or
 * its nested guests, those of pages that are pinned excepted; and the pages that
 * were dirty are in the memslot's accumulated bits. Large leaves and large HPTEs
 * that the range only touches go too.
 *
 * Context: kvm->mmu_lock held.
 * Return: false: nothing is left for the caller to flush.
 */
bool khx_notifier_unmap(struct khx_vm *vm, struct kvm_gfn_range *range);

/**
 * khx_notifier_age() - have pages been accessed since the last call?
 * @vm:		a VM of ours
 * @range:	pages of one memslot
 *
 * Context: kvm->mmu_lock held.
 * Return: true if one of them has.
 */
bool khx_notifier_age(struct khx_vm *vm, struct kvm_gfn_range *range);

/**
 * khx_notifier_test_age() - the same, and the next call answers the same
 * @vm:		a VM of ours
 * @range:	pages of one memslot
 *
 * Context: kvm->mmu_lock held.
 * Return: true if one of them has.
 */
bool khx_notifier_test_age(struct khx_vm *vm, struct kvm_gfn_range *range);

/**
 * khx_notifier_flush_memslot() - a memslot is moved or deleted
 * @vm:		a VM of ours
 * @slot:	the memslot, marked invalid
 *
 * Unmaps all of it; page faults and hypercalls that have looked at it try again.
 *
 * Context: kvm->slots_lock held; may sleep.
 */
void khx_notifier_flush_memslot(struct khx_vm *vm, struct kvm_memory_slot *slot);

#endif /* KHX_NOTIFIERS_H */
