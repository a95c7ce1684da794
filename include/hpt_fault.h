/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How HPTEs of HPT guests come to name host pages: when the guest enters them,
 * and when it touches a page whose HPTE is absent. kvm-hv and the kernel do both
 * (the HPTE that faulted, permissions, keys and storage attributes checked again,
 * MMIO told apart, and a racing invalidation wins); what is added here is what
 * they do not look at.
 *
 * A page of a guest may be larger than a host page if one huge page of the host
 * backs it. kvm-hv does not look whether the two begin at the same offset. If
 * they do not, the guest gets memory around its memslot, or bits of the host
 * address become bits of the HPTE's page size, and what is invalidated later is
 * not what was mapped. Such an HPTE is refused.
 */
#ifndef KHX_HPT_FAULT_H
#define KHX_HPT_FAULT_H

#include <linux/types.h>
#include <linux/pgtable.h>

struct kvm;
struct kvm_memory_slot;
struct kvm_vcpu;

/**
 * khx_hpt_fault_congruent() - can a page of a guest be a page of the host?
 * @slot:	the memslot of its first address
 * @gpa:	guest real address, aligned to @size
 * @size:	size of the guest's page in bytes
 *
 * Context: any.
 * Return: true if the memory under it is aligned in the same way, and all of it is the
 * memslot's.
 */
bool khx_hpt_fault_congruent(const struct kvm_memory_slot *slot, unsigned long gpa,
			     unsigned long size);

#endif /* KHX_HPT_FAULT_H */
