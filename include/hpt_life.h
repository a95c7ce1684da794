/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Lifetime of HPTs: prevents the use of an rmap chain or an HPTE index of an
 * HPT that has been freed.
 *
 * KVM_PPC_ALLOCATE_HTAB and KVM_PPC_RESIZE_HPT_COMMIT replace the HPT of a
 * guest, and a guest that becomes a radix guest loses its HPT. kvm-hv keeps
 * vCPUs out during all three, but KVM_PPC_ALLOCATE_HTAB frees the old HPT
 * before it resets the reverse map, hypercalls that have begun continue, and
 * readers of KVM_PPC_GET_HTAB_FD are not excluded.
 *
 * KVM_PPC_RESIZE_HPT_PREPARE starts a worker that allocates the new HPT. kvm-hv
 * loses track of the worker when userspace asks for another order and when the
 * VM ends. The module allows one worker at a time, and waits for it.
 *
 * Lock order: khx_hpt_life.readers, khx_hpt_life.begin,
 * kvm->arch.mmu_setup_lock.
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
 * struct khx_hpt_life - protects the HPT of a VM
 * @readers:	read-held while userspace reads or writes the HPT; held for writing
 *		while the guest gets an HPT or loses it
 * @begin:	held while kvm-hv makes the MMU ready, and from
 *		khx_hpt_life_stop() to khx_hpt_life_start()
 * @closed:	not 0 while the HPT is replaced with vCPUs running: H_ENTER and
 *		page faults install no HPTE
 * @was_ready:	kvm->arch.mmu_ready as khx_hpt_life_stop() found it, for
 *		khx_hpt_life_start(); protected by @begin
 * @preparing:	order of the HPT that a worker of kvm-hv may be allocating, or
 *		0; protected by @readers, held for writing
 * @any_prepared: kvm-hv may have a prepared HPT, or a worker; protected as
 *		@preparing
 */
struct khx_hpt_life {
	struct rw_semaphore readers;
	struct mutex begin;		/* see @begin */
	atomic_t closed;
	bool was_ready;
	u32 preparing;
	bool any_prepared;
};

/* Number of VMs whose HPT is replaced while vCPUs run. */
extern atomic_t khx_hpts_closed;

void khx_hpt_life_init(struct khx_hpt_life *life);

/**
 * khx_hpt_life_lock() - exclude readers of the HPT, and other changes of it
 * @vm:		a tracked VM
 *
 * Until khx_hpt_life_unlock() the guest gets no HPT, and loses none.
 *
 * Context: may sleep.
 * Return: 0; -EINTR on a fatal signal.
 */
int khx_hpt_life_lock(struct khx_vm *vm);

void khx_hpt_life_unlock(struct khx_vm *vm);

/**
 * khx_hpt_life_stop() - prepare for kvm-hv to replace the HPT of a VM
 * @vm:		a tracked VM, locked by khx_hpt_life_lock()
 *
 * Prevents vCPUs from starting until khx_hpt_life_start(). For an HPT guest,
 * accumulates its C bits in the dirty bitmaps and unlinks all HPTEs from the
 * rmap chains.
 *
 * Context: may sleep.
 * Return: 0; -EBUSY if a vCPU is running, as kvm-hv returns.
 */
int khx_hpt_life_stop(struct khx_vm *vm);

/**
 * khx_hpt_life_start() - undo khx_hpt_life_stop() after kvm-hv's operation
 * @vm:		a tracked VM
 * @untouched:	kvm-hv returned an error before it looked at the VM
 */
void khx_hpt_life_start(struct khx_vm *vm, bool untouched);

/**
 * khx_hpt_life_drop_prepared() - wait for the worker and free a prepared HPT
 * @vm:		a tracked VM that ends; or an HPT guest between
 *		khx_hpt_life_stop() and khx_hpt_life_start()
 *
 * kvm-hv does not free a prepared HPT when the VM ends or becomes a radix
 * guest.
 *
 * Context: may sleep as long as it takes to allocate an HPT.
 */
void khx_hpt_life_drop_prepared(struct khx_vm *vm);

/**
 * khx_hpt_life_await_hypercalls() - wait for the hypercalls of an HPT guest
 * @kvm:	a tracked VM
 *
 * Waits until all hypercalls on HPTEs that have begun have ended, or do not use
 * anything that was unpublished before the call. On most kernels they hold neither
 * kvm->srcu nor another lock; they do not sleep. A VMM switches the log once for
 * each memslot, so a normal grace period of tens of milliseconds is too long. An
 * expedited one is used unless vCPUs are preempted all the time.
 *
 * Context: may sleep.
 */
void khx_hpt_life_await_hypercalls(struct kvm *kvm);

/**
 * khx_hpt_life_closed() - must H_ENTER be refused?
 * @kvm:	a tracked VM
 *
 * Only hypercalls must be: callers that map the VRMA or write to
 * KVM_PPC_GET_HTAB_FD hold kvm->arch.mmu_setup_lock, which excludes a
 * replacement.
 *
 * Context: kvm->srcu held.
 * Return: true for a hypercall during khx_hook_resize_hpt_commit().
 */
bool khx_hpt_life_closed(struct kvm *kvm);

#endif /* KHX_HPT_LIFE_H */
