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
 * khx_fault_bound_leaf() - the largest leaf, up to a given one, inside a memslot
 * @slot:	the memslot of @gpa; NULL allows a single page
 * @gpa:	guest real address that faulted
 * @level:	level of the leaf wanted: 0 PTE, 1 PMD, 2 PUD
 * @pte:	the leaf wanted; made to be what maps @gpa at the level returned
 *
 * Context: any.
 * Return: the level, at most @level.
 */
unsigned int khx_fault_bound_leaf(const struct kvm_memory_slot *slot,
				  unsigned long gpa, unsigned int level, pte_t *pte);

/**
 * khx_radix_map() - map the page that a radix guest needs
 * @vcpu:	the vCPU that faulted
 * @gpa:	guest real address
 * @memslot:	its memslot
 * @writing:	the access was a store
 * @inserted_pte: NULL, or where to leave what was inserted
 * @levelp:	NULL, or where to leave its level
 *
 * The leaf is as large as the host's, where guest and host address have the same offset
 * in it, the memslot has all of it and is not logged, and no smaller leaves are there
 * already. (kvm-hv does not look where a memslot begins and ends: what lies around it
 * inside a huge page of the host is the guest's then; and where single pages are mapped,
 * it invalidates them under the addresses that they have in the host.) A leaf that is
 * there already and does what the access needs stays, however large.
 *
 * A page that is loaded from while its memslot is logged is mapped without C.
 *
 * If the guest is one whose pages are pinned, what is mapped is.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: 0; -EAGAIN to let the guest try again; -ENOMEM if RLIMIT_MEMLOCK does
 * not allow to pin, and KVM_RUN can be repeated, or if there is no memory; -EFAULT if the
 * host has no such page, or the guest's table cannot map the address.
 */
int khx_radix_map(struct kvm_vcpu *vcpu, unsigned long gpa,
		  struct kvm_memory_slot *memslot, bool writing, pte_t *inserted_pte,
		  unsigned int *levelp);

#endif /* KHX_RADIX_FAULT_H */
