/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The life of an HPT: nobody follows a chain of the reverse map, or an index, into
 * one that has gone.
 *
 * A guest gets another HPT by KVM_PPC_ALLOCATE_HTAB and by KVM_PPC_RESIZE_HPT_COMMIT,
 * and loses it when it becomes a radix guest. kvm-hv keeps vCPUs out of all three, but
 * looks at the reverse map only when the old HPT has been freed, lets hypercalls that
 * have begun go on, and does not keep readers of KVM_PPC_GET_HTAB_FD out.
 *
 * What KVM_PPC_RESIZE_HPT_PREPARE has begun is made by a worker, and kvm-hv loses sight of
 * it when another is asked for and when the VM ends: here one is made at a time, and
 * the worker is waited for.
 *
 * Lock order: the lock of readers, that of vCPUs that begin, kvm->arch.mmu_setup_lock.
 */
#ifndef KHX_HPT_LIFE_H
#define KHX_HPT_LIFE_H

#include <linux/atomic.h>
#include <linux/mutex.h>
#include <linux/rwsem.h>
#include <linux/types.h>

struct file;
struct kvm;
struct khx_vm;
struct kvm_hpt_info;
struct kvm_ppc_resize_hpt;
struct kvm_vcpu;

/**
 * struct khx_hpt_life - what protects the HPT of a VM
 * @readers:	read-held by who reads or writes the HPT for userspace
 * @begin:	held by who makes a VM's MMU ready, and by who replaces its HPT
 * @closed:	the HPT is replaced while vCPUs run: no HPTE is entered
 * @was_ready:	of khx_hpt_life_stop(), for khx_hpt_life_start(); @begin
 * @preparing:	order of the HPT that a worker of kvm-hv's may be making; 0: none does;
 *		@readers, held for writing
 * @any_prepared: one has been at work; the same
 */
struct khx_hpt_life {
	struct rw_semaphore readers;	/* see above, as the other two */
	struct mutex begin;		/* see above */
	atomic_t closed;
	bool was_ready;
	u32 preparing;
	bool any_prepared;
};

/* VMs whose HPT is replaced while vCPUs run. */
extern atomic_t khx_hpts_closed;

void khx_hpt_life_init(struct khx_hpt_life *life);

/**
 * khx_hpt_life_stop() - before the HPT of a VM is replaced
 * @vm:		a VM of ours
 *
 * No vCPU begins to run until khx_hpt_life_start(), and what the HPT knows of stores is
 * accumulated; no chain leads into it any more.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY if a vCPU runs, as kvm-hv has it; -EINTR if the caller is to die.
 */
int khx_hpt_life_stop(struct khx_vm *vm);

/**
 * khx_hpt_life_start() - after khx_hpt_life_stop() and what kvm-hv did
 * @vm:		a VM of ours
 * @untouched:	kvm-hv refused before it looked at the VM
 */
void khx_hpt_life_start(struct khx_vm *vm, bool untouched);

/**
 * khx_hpt_life_drop_prepared() - free an HPT that is prepared, and wait for its worker
 * @vm:		a VM of ours that ends; or between khx_hpt_life_stop() and
 *		khx_hpt_life_start(), still an HPT guest
 *
 * kvm-hv itself forgets it then.
 *
 * Context: may sleep as long as it takes to allocate an HPT.
 */
void khx_hpt_life_drop_prepared(struct khx_vm *vm);

/**
 * khx_hpt_life_closed() - must H_ENTER wait?
 * @kvm:	a VM of ours
 *
 * Who maps the VRMA or writes to KVM_PPC_GET_HTAB_FD has kvm->arch.mmu_setup_lock and
 * so excludes a replacement: only hypercalls have to wait.
 *
 * Context: kvm->srcu held.
 * Return: true for a hypercall during khx_hook_resize_hpt_commit().
 */
bool khx_hpt_life_closed(struct kvm *kvm);

#endif /* KHX_HPT_LIFE_H */
