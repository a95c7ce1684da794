/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty log of tracked VMs, from ioctl to userspace bitmap.
 */
#ifndef KHX_DIRTY_LOG_H
#define KHX_DIRTY_LOG_H

struct kvm_dirty_log;
struct khx_mmu;
struct khx_vm;
struct kvm_memory_slot;

/**
 * khx_dirty_log_accumulate() - make the next collection report pages
 * @slot:	memslot of the pages; ignored if it is not logged
 * @gfn:	first page; not before the memslot
 * @end:	end of the range, exclusive; limited to the memslot
 *
 * For pages whose C bit no longer tells.
 *
 * Context: any; kvm->srcu or kvm->slots_lock held, so that the memslot stays. A
 * caller that has cleared C, or zapped the leaf, holds kvm->mmu_lock until it has
 * flushed: a collection takes the lock before it relies on the bit.
 */
void khx_dirty_log_accumulate(const struct kvm_memory_slot *slot, gfn_t gfn, gfn_t end);

/**
 * khx_dirty_log_get() - KVM_GET_DIRTY_LOG
 * @vm:		a tracked VM
 * @log:	slot asked for, and where userspace wants the bitmap
 *
 * Sets the bit of every page of the memslot that was written since the last
 * successful call, or since logging was switched on; with manual protection, since
 * khx_dirty_log_clear() named the page. An error loses nothing: the next call
 * reports the bits that were collected.
 *
 * Context: ioctl, may sleep; takes kvm->arch.mmu_setup_lock and kvm->slots_lock.
 * Return: 0; -EINVAL if there can be no such slot; -ENOENT if there is none or
 * it is not logged; -EFAULT if the bitmap could not be written.
 */
int khx_dirty_log_get(struct khx_vm *vm, struct kvm_dirty_log *log);

/**
 * khx_dirty_log_clear() - KVM_CLEAR_DIRTY_LOG
 * @vm:		a tracked VM
 * @arg:	struct kvm_clear_dirty_log: memslot, range of its pages, and a bitmap
 *		of those that userspace is about to read
 *
 * On return the named pages are clean, or were written again: a store that no later
 * collection reports is in memory already. Bits past the end of the memslot are
 * ignored (Linux 5.0, "kvm: introduce manual dirty log reprotect").
 *
 * Context: ioctl, may sleep; takes kvm->arch.mmu_setup_lock and kvm->slots_lock.
 * Return: 0; -EINVAL if there can be no such slot, if the first page is no multiple
 * of 64, if the range leaves the slot, or ends before it at no multiple of 64;
 * -ENOENT if there is no such slot or it is not logged; -EFAULT if @arg or the
 * bitmap could not be read, and nothing has changed.
 */
int khx_dirty_log_clear(struct khx_vm *vm, const void __user *arg);

/**
 * khx_dirty_log_save() - the VM's page table is about to be freed
 * @vm:		a tracked VM
 * @mmu:	the kind of table
 *
 * Accumulates the dirty pages of all logged memslots.
 *
 * Context: no vCPU runs; may sleep.
 */
void khx_dirty_log_save(struct khx_vm *vm, const struct khx_mmu *mmu);

#endif /* KHX_DIRTY_LOG_H */
