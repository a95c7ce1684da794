/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracked VMs: those whose init_vm the module has served, and their state.
 *
 * A tracked VM holds a reference on the module until its destroy_vm has finished,
 * so rmmod fails while one lives.
 */
#ifndef KHX_VM_H
#define KHX_VM_H

#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/xarray.h>
#include <asm/kvm_ppc.h>

#include "areas.h"
#include "flush_debug.h"
#include "hpt_mmu.h"
#include "nested_mmu.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "stats.h"

/**
 * struct khx_vm - a tracked VM
 * @node:	in the table of VMs, looked up under RCU
 * @rcu:	frees the structure after the last look-up
 * @kvm:	the VM
 * @vcpus:	its vCPUs (struct khx_vcpu) by address
 * @stats:	counters
 * @flusher:	issues all invalidations of radix tables
 * @debug:	cleared R/C bits that no flush has covered yet (debug builds)
 * @radix:	its own table, while it is a radix guest
 * @nested:	its nested guests
 * @hpt:	its HPT, while it is an HPT guest
 * @areas:	areas of its vCPUs
 * @pins:	pages that are pinned, if the guest is not paged
 */
struct khx_vm {
	struct hlist_node node;
	struct rcu_head rcu;
	struct kvm *kvm;
	struct xarray vcpus;
	struct khx_stats stats;
	struct khx_flusher flusher;
	struct khx_flush_debug debug;
	struct khx_vm_radix radix;
	struct khx_vm_nested nested;
	struct khx_vm_hpt hpt;
	struct khx_vm_areas areas;
	struct khx_pins pins;
};

/**
 * struct khx_vcpu - a vCPU of a tracked VM
 * @areas:	its areas, if the module has them
 * @run_error:	what KVM_RUN is to return; the vCPU's own thread, as all below
 * @fault_hpt:	number of page faults of an HPT guest
 * @fault_failed: number of page faults for which KVM_RUN has failed
 */
struct khx_vcpu {
	struct khx_vcpu_areas areas;
	int run_error;
	unsigned long fault_hpt;
	unsigned long fault_failed;
};

/**
 * khx_mmu_lock_yield() - let other tasks take kvm->mmu_lock during long work
 * @kvm:	the VM
 *
 * cond_resched_lock() does so only if this CPU has something else to do.
 *
 * Context: kvm->mmu_lock held, which is dropped and retaken; may sleep.
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
 * @kvm:	any pointer; compared, never dereferenced
 *
 * Context: any; notrace, for predicates of hooks.
 * Return: the tracked VM, or NULL if @kvm is not tracked. It stays valid inside an
 * operation on @kvm: a VM is in the table as long as operations on it run.
 */
struct khx_vm *khx_vm_find(const struct kvm *kvm);

/**
 * khx_vm_init() - prepare a VM to be tracked
 * @vm:		zeroed memory
 * @kvm:	the VM
 *
 * Context: may sleep. khx_vm_release() undoes it.
 * Return: 0 or -ENOMEM.
 */
int khx_vm_init(struct khx_vm *vm, struct kvm *kvm);

/**
 * khx_vm_release() - free what khx_vm_init() and use have allocated
 * @vm:		a VM that no other task uses
 */
void khx_vm_release(struct khx_vm *vm);

/**
 * khx_vcpu_create() - prepare a new vCPU
 * @vm:		a tracked VM
 * @vcpu:	the vCPU
 *
 * Context: may sleep.
 * Return: 0 or -ENOMEM.
 */
int khx_vcpu_create(struct khx_vm *vm, struct kvm_vcpu *vcpu);

/**
 * khx_vcpu_free() - undo khx_vcpu_create()
 * @vm:		a tracked VM
 * @vcpu:	a vCPU that will not run again, without areas
 */
void khx_vcpu_free(struct khx_vm *vm, struct kvm_vcpu *vcpu);

/**
 * khx_vcpu_find() - look a vCPU up
 * @vm:		a tracked VM
 * @vcpu:	the vCPU
 *
 * Context: any.
 * Return: the vCPU, or NULL between khx_vcpu_free() and the end of the VM.
 */
static inline struct khx_vcpu *khx_vcpu_find(struct khx_vm *vm, struct kvm_vcpu *vcpu)
{
	return xa_load(&vm->vcpus, (unsigned long)vcpu);
}

/**
 * khx_vm_publish() - make khx_vm_find() find a VM
 * @vm:		the VM, prepared
 */
void khx_vm_publish(struct khx_vm *vm);

/**
 * khx_vm_unpublish() - undo khx_vm_publish()
 * @vm:		the VM; an RCU grace period must pass before it is freed
 */
void khx_vm_unpublish(struct khx_vm *vm);

#endif /* KHX_VM_H */
