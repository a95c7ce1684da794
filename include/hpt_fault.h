/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Checks before an HPTE of an HPT guest maps a host page: in H_ENTER, and in
 * the page fault on an absent HPTE. kvm-hv and the kernel handle both: they
 * check the faulting HPTE, permissions, keys and storage attributes again,
 * detect MMIO, and retry after a racing invalidation. This file adds the check
 * that they lack.
 *
 * A guest page may be larger than PAGE_SIZE if one host huge page backs it.
 * kvm-hv does not check that guest address and host address have the same
 * offset in the page. If they differ, the guest gets memory outside its
 * memslot, or bits of the host address become part of the page size encoded in
 * the HPTE, and later invalidations miss what was mapped. The module refuses
 * such an HPTE.
 */
#ifndef KHX_HPT_FAULT_H
#define KHX_HPT_FAULT_H

#include <linux/types.h>
#include <linux/pgtable.h>

struct kvm;
struct kvm_memory_slot;
struct kvm_vcpu;

/**
 * khx_hpt_fault_congruent() - can host memory back a guest page of this size?
 * @slot:	memslot of the first address
 * @gpa:	guest real address, aligned to @size
 * @size:	size of the guest page in bytes
 *
 * Context: any.
 * Return: true if the guest page is not larger than PAGE_SIZE, or if its host
 * address is aligned to @size and @slot contains all of it.
 */
bool khx_hpt_fault_congruent(const struct kvm_memory_slot *slot, unsigned long gpa,
			     unsigned long size);

#endif /* KHX_HPT_FAULT_H */
