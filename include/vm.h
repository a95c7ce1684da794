/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which virtual machines are ours, and what we keep for each.
 *
 * A VM is ours if its init_vm went through us. It holds a reference on this
 * module until its destroy_vm has finished, so rmmod fails with -EBUSY while
 * one lives.
 */
#ifndef KVM_EXT_VM_H
#define KVM_EXT_VM_H

#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/xarray.h>
#include <asm/kvm_ppc.h>

#include "flush_debug.h"
#include "hpt_flush.h"
#include "hpt_life.h"
#include "hpt_mmu.h"
#include "nested_rmap.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_resize.h"

/* Shadow LPIDs whose invalidations one chunk of a harvest gathers side by side. */
#define KVM_EXT_NESTED_FLUSHES	8

/* The root of a radix table, in bytes. */
#define KVM_EXT_ROOT_SIZE	(PTRS_PER_PGD * sizeof(pgd_t))

/**
 * struct kvm_ext_vm - what we keep for a VM of ours
 * @node:	in the table of VMs, looked up under RCU
 * @rcu:	frees the structure after the last look-up
 * @kvm:	the VM
 * @flusher:	issues all invalidations of radix tables
 * @flush:	gathers invalidations of the VM's own LPID; kvm->slots_lock
 * @notifier_flush: the same, for leaves that go or are aged; kvm->mmu_lock
 * @nested:	the same for shadow LPIDs of its nested guests; kvm->mmu_lock
 * @dirty:	dirty pages that a pass has found; kvm->mmu_lock
 * @rmap:	the reverse map of its nested guests; kvm->mmu_lock
 * @spare_root:	root of a shadow table that is being freed, NULL before nested
 *		guests are allowed
 * @spare_lock:	for @spare_root; a nested guest found under it stays
 * @spare:	page-table pages that leaves can be split with; kvm->slots_lock
 * @more_tables: fills @spare, kvm_ext_spare_tables() but in tests: 0 or an error; may sleep
 * @hpt_backend: invalidates translations of HPTEs
 * @hpt_life:	protects the HPT when it is replaced
 * @hptes:	HPTEs that a pass has locked, NULL where there are no HPT guests;
 *		kvm->mmu_lock
 * @pins:	pages that are pinned, if the guest is not paged
 * @vcpus:	our part of each vCPU (struct kvm_ext_vcpu), by address
 * @area_pages:	pages where areas are or are to be: how many, by guest page number
 * @areas_anywhere: there was no memory to note such a page in @area_pages
 * @debug:	cleared R/C bits not yet covered by a flush (debug builds)
 */
struct kvm_ext_vm {
	struct hlist_node node;
	struct rcu_head rcu;
	struct kvm *kvm;
	struct kvm_ext_flusher flusher;
	struct kvm_ext_flush flush;
	struct kvm_ext_flush notifier_flush;
	struct kvm_ext_flush nested[KVM_EXT_NESTED_FLUSHES];
	struct kvm_ext_pass_dirty dirty;
	struct kvm_ext_nested_rmap rmap;
	pgd_t *spare_root;
	struct mutex spare_lock; /* see @spare_root */
	struct kvm_ext_spare spare;
	int (*more_tables)(struct kvm_ext_vm *vm);
	const struct kvm_ext_hpt_backend *hpt_backend;
	struct kvm_ext_hpt_life hpt_life;
	struct kvm_ext_hptes *hptes;
	struct kvm_ext_pins pins;
	struct xarray vcpus;
	struct xarray area_pages;
	bool areas_anywhere;
	struct kvm_ext_flush_debug debug;
};

/**
 * kvm_ext_has_hpt_guests() - can HPT guests run on this host?
 *
 * The hypercalls by which a partition runs guests are for radix guests only
 * (H_SET_PARTITION_TABLE, Linux 4.20).
 *
 * Context: any.
 * Return: false in a partition.
 */
static inline bool kvm_ext_has_hpt_guests(void)
{
	return !kvmhv_on_pseries();
}

/**
 * kvm_ext_give_way() - let others have kvm->mmu_lock in the middle of a long work
 * @kvm:	the VM
 *
 * cond_resched_lock() does so only if this CPU has something else to do.
 *
 * Context: kvm->mmu_lock held, which is let go and taken again; may sleep.
 */
static inline void kvm_ext_give_way(struct kvm *kvm)
{
	spin_unlock(&kvm->mmu_lock);
	cond_resched();
	cpu_relax();
	spin_lock(&kvm->mmu_lock);
}

/**
 * kvm_ext_vm_find() - look a VM up
 * @kvm:	any pointer; compared, not followed
 *
 * Context: any; notrace, for predicates of redirects.
 * Return: our part of the VM, or NULL if it is not ours. It stays valid inside
 * an operation on @kvm: a VM is in the table as long as operations on it run.
 */
struct kvm_ext_vm *kvm_ext_vm_find(const struct kvm *kvm);

/**
 * kvm_ext_vm_init() - prepare our part of a VM
 * @vm:		zeroed memory
 * @kvm:	the VM
 *
 * Context: may sleep. kvm_ext_vm_release() undoes it.
 * Return: 0 or -ENOMEM.
 */
int kvm_ext_vm_init(struct kvm_ext_vm *vm, struct kvm *kvm);

/**
 * kvm_ext_vm_release() - free what kvm_ext_vm_init() and use have allocated
 * @vm:		our part of a VM nobody else uses any more
 */
void kvm_ext_vm_release(struct kvm_ext_vm *vm);

/**
 * kvm_ext_vm_publish() - from now on kvm_ext_vm_find() finds a VM
 * @vm:		our part of it, prepared
 */
void kvm_ext_vm_publish(struct kvm_ext_vm *vm);

/**
 * kvm_ext_vm_unpublish() - from now on it does not
 * @vm:		our part of the VM; an RCU grace period must pass before it is freed
 */
void kvm_ext_vm_unpublish(struct kvm_ext_vm *vm);

#endif /* KVM_EXT_VM_H */
