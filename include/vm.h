/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Which virtual machines are ours, and what we keep for each.
 *
 * A VM is ours if its init_vm went through us. It holds a reference on this
 * module until its destroy_vm has finished, so rmmod fails with -EBUSY while
 * one lives.
 */
#ifndef KHX_VM_H
#define KHX_VM_H

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
#define KHX_NESTED_FLUSHES	8

/* The root of a radix table, in bytes. */
#define KHX_ROOT_SIZE	(PTRS_PER_PGD * sizeof(pgd_t))

/**
 * struct khx_vm - what we keep for a VM of ours
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
 * @more_tables: fills @spare, khx_spare_fill() but in tests: 0 or an error; may sleep
 * @hpt_backend: invalidates translations of HPTEs
 * @hpt_life:	protects the HPT when it is replaced
 * @hptes:	HPTEs that a pass has locked, NULL where there are no HPT guests;
 *		kvm->mmu_lock
 * @pins:	pages that are pinned, if the guest is not paged
 * @vcpus:	our part of each vCPU (struct khx_vcpu), by address
 * @area_pages:	pages where areas are or are to be: how many, by guest page number
 * @areas_anywhere: there was no memory to note such a page in @area_pages
 * @debug:	cleared R/C bits not yet covered by a flush (debug builds)
 */
struct khx_vm {
	struct hlist_node node;
	struct rcu_head rcu;
	struct kvm *kvm;
	struct khx_flusher flusher;
	struct khx_flush flush;
	struct khx_flush notifier_flush;
	struct khx_flush nested[KHX_NESTED_FLUSHES];
	struct khx_pass_dirty dirty;
	struct khx_nested_rmap rmap;
	pgd_t *spare_root;
	struct mutex spare_lock; /* see @spare_root */
	struct khx_spare spare;
	int (*more_tables)(struct khx_vm *vm);
	const struct khx_hpt_flush_backend *hpt_backend;
	struct khx_hpt_life hpt_life;
	struct khx_hptes *hptes;
	struct khx_pins pins;
	struct xarray vcpus;
	struct xarray area_pages;
	bool areas_anywhere;
	struct khx_flush_debug debug;
};

/**
 * khx_hpt_guests_possible() - can HPT guests run on this host?
 *
 * The hypercalls by which a partition runs guests are for radix guests only
 * (H_SET_PARTITION_TABLE, Linux 4.20).
 *
 * Context: any.
 * Return: false in a partition.
 */
static inline bool khx_hpt_guests_possible(void)
{
	return !kvmhv_on_pseries();
}

/**
 * khx_mmu_lock_yield() - let others have kvm->mmu_lock in the middle of a long work
 * @kvm:	the VM
 *
 * cond_resched_lock() does so only if this CPU has something else to do.
 *
 * Context: kvm->mmu_lock held, which is let go and taken again; may sleep.
 */
static inline void khx_mmu_lock_yield(struct kvm *kvm)
{
	spin_unlock(&kvm->mmu_lock);
	cond_resched();
	cpu_relax();
	spin_lock(&kvm->mmu_lock);
}

/**
 * khx_vm_find() - look a VM up
 * @kvm:	any pointer; compared, not followed
 *
 * Context: any; notrace, for predicates of redirects.
 * Return: our part of the VM, or NULL if it is not ours. It stays valid inside
 * an operation on @kvm: a VM is in the table as long as operations on it run.
 */
struct khx_vm *khx_vm_find(const struct kvm *kvm);

/**
 * khx_vm_init() - prepare our part of a VM
 * @vm:		zeroed memory
 * @kvm:	the VM
 *
 * Context: may sleep. khx_vm_release() undoes it.
 * Return: 0 or -ENOMEM.
 */
int khx_vm_init(struct khx_vm *vm, struct kvm *kvm);

/**
 * khx_vm_release() - free what khx_vm_init() and use have allocated
 * @vm:		our part of a VM nobody else uses any more
 */
void khx_vm_release(struct khx_vm *vm);

/**
 * khx_vm_publish() - from now on khx_vm_find() finds a VM
 * @vm:		our part of it, prepared
 */
void khx_vm_publish(struct khx_vm *vm);

/**
 * khx_vm_unpublish() - from now on it does not
 * @vm:		our part of the VM; an RCU grace period must pass before it is freed
 */
void khx_vm_unpublish(struct khx_vm *vm);

#endif /* KHX_VM_H */
