/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page faults of radix guests.
 */
#ifndef KHX_RADIX_FAULT_H
#define KHX_RADIX_FAULT_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "compat.h"

struct khx_vm;

/**
 * khx_fault_bound_leaf() - limit a leaf to the bounds of its memslot
 * @slot:	the memslot of @gpa; NULL allows only a base page
 * @gpa:	guest real address that faulted
 * @level:	level of the wanted leaf: 0 PTE, 1 PMD, 2 PUD
 * @pte:	in: the wanted leaf; out: the leaf that maps @gpa at the
 *		returned level
 *
 * Context: any.
 * Return: the highest level, at most @level, whose leaf is inside the memslot.
 */
unsigned int khx_fault_bound_leaf(const struct kvm_memory_slot *slot,
				  unsigned long gpa, unsigned int level, pte_t *pte);

/**
 * khx_radix_map() - map a page for a radix guest
 * @vcpu:	the vCPU that faulted
 * @gpa:	guest real address
 * @memslot:	its memslot
 * @writing:	the access is a store
 * @inserted_pte: NULL, or where to store the leaf that maps @gpa
 * @levelp:	NULL, or where to store its level
 *
 * The leaf is as large as the host's if guest and host address have the same
 * offset in it, the memslot contains all of it and is not logged, and no
 * smaller leaves are present; otherwise it is smaller. (Stock kvm-hv ignores
 * the bounds of a memslot, so its guest gets all of the host's huge page. Where
 * base pages are present, it invalidates them at their host addresses.) An
 * existing leaf that suffices for the access stays, whatever its size.
 *
 * If the memslot is logged, a load maps its page without C.
 *
 * For a VM whose pages are pinned (paging=0), the function pins what it maps.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: 0; -EAGAIN to let the guest retry; -ENOMEM if there is no memory, or
 * if RLIMIT_MEMLOCK does not allow to pin the page: userspace can repeat
 * KVM_RUN; -EFAULT if the host has no such page, or the guest's table cannot
 * map the address; -EINTR of khx_pin_nested_fault().
 */
int khx_radix_map(struct kvm_vcpu *vcpu, unsigned long gpa,
		  struct kvm_memory_slot *memslot, bool writing, pte_t *inserted_pte,
		  unsigned int *levelp);

#endif /* KHX_RADIX_FAULT_H */
