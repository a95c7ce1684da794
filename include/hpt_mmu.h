/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations on the HPTEs of HPT guests. struct khx_mmu documents the rules of
 * each operation.
 */
#ifndef KHX_HPT_MMU_H
#define KHX_HPT_MMU_H

#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

#include "hpt_flush.h"
#include "hpt_life.h"

struct kvm;
struct khx_vm;
struct kvm_hpt_info;
struct kvm_memory_slot;

/* HPTEs that one invalidation can cover: 256 MiB in pages of 64 KiB. */
#define KHX_HPTES	4096

/**
 * struct khx_hptes - HPTEs of a VM that a pass has locked
 * @nr:		number of HPTEs
 * @index:	their indices in the HPT
 */
struct khx_hptes {
	unsigned int nr;
	u32 index[KHX_HPTES];
};

/**
 * struct khx_vm_hpt - the HPT of a VM
 * @backend:	invalidates translations of HPTEs
 * @life:	protects the HPT when it is replaced
 * @locked:	HPTEs that a pass has locked, NULL where no HPT guest can run;
 *		kvm->mmu_lock
 */
struct khx_vm_hpt {
	const struct khx_hpt_flush_backend *backend;
	struct khx_hpt_life life;
	struct khx_hptes *locked;
};

/**
 * khx_hpt_init() - prepare a VM for an HPT
 * @hpt:	zeroed
 *
 * Context: may sleep. khx_hpt_destroy() undoes it.
 * Return: 0 or -ENOMEM.
 */
int khx_hpt_init(struct khx_vm_hpt *hpt);

/**
 * khx_hpt_destroy() - free what khx_hpt_init() has allocated
 * @hpt:	that of a VM which no longer has an HPT
 */
void khx_hpt_destroy(struct khx_vm_hpt *hpt);

/**
 * khx_hpt_guests_possible() - can HPT guests run on this host?
 *
 * The hypercalls by which an LPAR runs guests are for radix guests only
 * (H_SET_PARTITION_TABLE, Linux 4.20).
 *
 * Context: any.
 * Return: false in an LPAR.
 */
static inline bool khx_hpt_guests_possible(void)
{
	return !kvmhv_on_pseries();
}

/**
 * struct khx_hpte - copy of an HPTE, in the format that guests enter
 * @v:		first doubleword
 * @r:		second doubleword; its page number is the host's
 * @guest_r:	second doubleword as the guest sees it
 */
struct khx_hpte {
	unsigned long v, r, guest_r;
};

/**
 * khx_hpte_read() - lock an HPTE and read it
 * @hpt:	the HPT; the caller prevents it from being freed
 * @index:	index of the HPTE in @hpt
 *
 * Context: any, but the caller must not hold the lock of an HPTE or a chain.
 */
struct khx_hpte khx_hpte_read(const struct kvm_hpt_info *hpt, unsigned long index);

unsigned long khx_hpt_unmap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
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
