/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty log of VMs of ours, from ioctl to userspace bitmap.
 */
#ifndef KHX_DIRTY_LOG_H
#define KHX_DIRTY_LOG_H

struct kvm_clear_dirty_log;
struct kvm_dirty_log;
struct khx_mmu;
struct khx_vm;
struct kvm_memory_slot;

/**
 * khx_dirty_log_accumulate() - have the next collection report pages, whatever their C bits say
 * @slot:	memslot of the pages; nothing is done if it is not logged
 * @gfn:	first page; not before the slot
 * @end:	page after the last; may be behind the slot, whose last page is the last then
 *
 * Context: any; kvm->srcu or kvm->slots_lock held, so that the slot stays. Who has cleared
 * C, or zapped the leaf, holds kvm->mmu_lock until that is flushed: a collection takes the
 * lock before it relies on the bit.
 */
void khx_dirty_log_accumulate(const struct kvm_memory_slot *slot, gfn_t gfn, gfn_t end);

/**
 * khx_dirty_log_get() - KVM_GET_DIRTY_LOG
 * @vm:		a VM of ours
 * @log:	slot asked for, and where userspace wants the bitmap
 *
 * Every page of the slot that was written since the last successful call, or
 * since logging was switched on, has its bit set. If an error is returned
 * nothing is lost: the bits that were collected come with the next call. With
 * manual protection: that was written since khx_dirty_log_clear() named it.
 *
 * Context: ioctl, may sleep; takes kvm->arch.mmu_setup_lock and kvm->slots_lock.
 * Return: 0; -EINVAL if there can be no such slot; -ENOENT if there is none or
 * it is not logged; -EFAULT if the bitmap could not be written.
 */
int khx_dirty_log_get(struct khx_vm *vm, struct kvm_dirty_log *log);

/**
 * khx_dirty_log_clear() - KVM_CLEAR_DIRTY_LOG
 * @vm:		a VM of ours
 * @log:	slot, range of its pages, and a bitmap of those that userspace is about
 *		to read
 *
 * On return the pages named are not dirty, or were written again: a store that is
 * not reported later is in memory already. Bits behind the end of the slot are
 * ignored (Linux 5.0, "kvm: introduce manual dirty log reprotect").
 *
 * Context: ioctl, may sleep; takes kvm->arch.mmu_setup_lock and kvm->slots_lock.
 * Return: 0; -EINVAL if there can be no such slot, if the first page is no multiple
 * of 64, if the range leaves the slot, or ends before it at no multiple of 64;
 * -ENOENT if there is no such slot or it is not logged; -EFAULT if the bitmap
 * could not be read, when nothing has changed.
 */
int khx_dirty_log_clear(struct khx_vm *vm, const struct kvm_clear_dirty_log *log);

/**
 * khx_dirty_log_save() - the VM's page table is about to go
 * @vm:		a VM of ours
 * @mmu:	of this kind it is
 *
 * Keeps what the table knows about dirty pages, in all slots that are logged.
 *
 * Context: no vCPU runs; may sleep.
 */
void khx_dirty_log_save(struct khx_vm *vm, const struct khx_mmu *mmu);

#endif /* KHX_DIRTY_LOG_H */
