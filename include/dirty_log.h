/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The dirty log of VMs of ours, from ioctl to userspace bitmap.
 */
#ifndef KVM_EXT_DIRTY_LOG_H
#define KVM_EXT_DIRTY_LOG_H

struct kvm_dirty_log;
struct kvm_ext_mmu;
struct kvm_ext_vm;

/**
 * kvm_ext_get_dirty_log() - KVM_GET_DIRTY_LOG
 * @vm:		a VM of ours
 * @log:	slot asked for, and where userspace wants the bitmap
 *
 * Every page of the slot that was written since the last successful call, or
 * since logging was switched on, has its bit set. If an error is returned
 * nothing is lost: the bits that were collected come with the next call.
 *
 * Context: ioctl, may sleep; takes kvm->arch.mmu_setup_lock and kvm->slots_lock.
 * Return: 0; -EINVAL if there can be no such slot; -ENOENT if there is none or
 * it is not logged; -EFAULT if the bitmap could not be written; -EIO if a TLB
 * invalidation failed.
 */
int kvm_ext_get_dirty_log(struct kvm_ext_vm *vm, struct kvm_dirty_log *log);

/**
 * kvm_ext_dirty_log_save() - the VM's page table is about to go
 * @vm:		a VM of ours
 * @mmu:	of this kind it is
 *
 * Keeps what the table knows about dirty pages, in all slots that are logged.
 *
 * Context: no vCPU runs; may sleep.
 */
void kvm_ext_dirty_log_save(struct kvm_ext_vm *vm, const struct kvm_ext_mmu *mmu);

#endif /* KVM_EXT_DIRTY_LOG_H */
