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

#endif /* KHX_RADIX_FAULT_H */
