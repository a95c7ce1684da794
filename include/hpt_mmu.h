/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the HPTEs of HPT guests: struct kvm_ext_mmu has the rules of
 * each operation, this is what its implementation shares.
 */
#ifndef KVM_EXT_HPT_MMU_H
#define KVM_EXT_HPT_MMU_H

#include <linux/kvm_types.h>

struct kvm_ext_vm;
struct kvm_hpt_info;
struct kvm_memory_slot;

/* HPTEs that one invalidation can cover: 256 MiB in pages of 64 KiB. */
#define KVM_EXT_HPTES	4096

/**
 * struct kvm_ext_hptes - HPTEs of a VM that are locked
 * @nr:		how many
 * @index:	where they are in the HPT
 */
struct kvm_ext_hptes {
	unsigned int nr;
	u32 index[KVM_EXT_HPTES];
};

/**
 * struct kvm_ext_hpte - an HPTE as it was, in the format that guests enter
 * @v:		first doubleword
 * @r:		second doubleword; the page is the host's
 * @guest_r:	what the guest has for @r
 */
struct kvm_ext_hpte {
	unsigned long v, r, guest_r;
};

/**
 * kvm_ext_hpte_read() - wait for the lock of an HPTE, and read it
 * @hpt:	an HPT that stays
 * @index:	where in it
 *
 * Context: any but with an HPTE or a chain locked.
 */
struct kvm_ext_hpte kvm_ext_hpte_read(const struct kvm_hpt_info *hpt, unsigned long index);

void kvm_ext_hpt_unmap(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		       gfn_t start, gfn_t end, unsigned int how);
bool kvm_ext_hpt_age(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		     gfn_t start, gfn_t end);
bool kvm_ext_hpt_test_age(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
			  gfn_t start, gfn_t end);
bool kvm_ext_hpt_harvest(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
			 unsigned long *map);
void kvm_ext_hpt_peek(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		      unsigned long *map);
bool kvm_ext_hpt_clean(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		       const unsigned long *pages, unsigned long start,
		       unsigned long end);
void kvm_ext_hpt_flush_slot(struct kvm_ext_vm *vm,
			    const struct kvm_memory_slot *slot);

#endif /* KVM_EXT_HPT_MMU_H */
