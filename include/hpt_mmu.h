/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the HPTEs of HPT guests: struct khx_mmu has the rules of
 * each operation, this is what its implementation shares.
 */
#ifndef KHX_HPT_MMU_H
#define KHX_HPT_MMU_H

#include <linux/kvm_types.h>

struct khx_vm;
struct kvm_hpt_info;
struct kvm_memory_slot;

/* HPTEs that one invalidation can cover: 256 MiB in pages of 64 KiB. */
#define KHX_HPTES	4096

/**
 * struct khx_hptes - HPTEs of a VM that are locked
 * @nr:		how many
 * @index:	where they are in the HPT
 */
struct khx_hptes {
	unsigned int nr;
	u32 index[KHX_HPTES];
};

/**
 * struct khx_hpte - an HPTE as it was, in the format that guests enter
 * @v:		first doubleword
 * @r:		second doubleword; the page is the host's
 * @guest_r:	what the guest has for @r
 */
struct khx_hpte {
	unsigned long v, r, guest_r;
};

/**
 * khx_hpte_read() - wait for the lock of an HPTE, and read it
 * @hpt:	an HPT that stays
 * @index:	where in it
 *
 * Context: any but with an HPTE or a chain locked.
 */
struct khx_hpte khx_hpte_read(const struct kvm_hpt_info *hpt, unsigned long index);

void khx_hpt_unmap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t start, gfn_t end, unsigned int how);
bool khx_hpt_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		 gfn_t start, gfn_t end);
bool khx_hpt_test_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		      gfn_t start, gfn_t end);
bool khx_hpt_harvest(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     unsigned long *map);
void khx_hpt_peek(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		  unsigned long *map);
bool khx_hpt_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   const unsigned long *pages, unsigned long start,
		   unsigned long end);
void khx_hpt_flush_slot(struct khx_vm *vm,
			const struct kvm_memory_slot *slot);

#endif /* KHX_HPT_MMU_H */
