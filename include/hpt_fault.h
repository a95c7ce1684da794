/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How HPTEs of HPT guests come to name host pages: when the guest enters them,
 * and when it touches a page whose HPTE is absent. kvm-hv and the kernel do both
 * (the HPTE that faulted, permissions, keys and storage attributes checked again,
 * MMIO told apart, and a racing invalidation wins); what is added here is what
 * they do not look at.
 *
 * A page of a guest may be larger than a host page if one huge page of the host
 * backs it. kvm-hv does not look whether the two begin at the same offset. If
 * they do not, the guest gets memory around its memslot, or bits of the host
 * address become bits of the HPTE's page size, and what is invalidated later is
 * not what was mapped. Such an HPTE is refused.
 */
#ifndef KHX_HPT_FAULT_H
#define KHX_HPT_FAULT_H

#include <linux/types.h>
#include <linux/pgtable.h>

struct kvm;
struct kvm_memory_slot;
struct kvm_vcpu;

/**
 * khx_hpt_fault_congruent() - can a page of a guest be a page of the host?
 * @slot:	the memslot of its first address
 * @gpa:	guest real address, aligned to @size
 * @size:	size of the guest's page in bytes
 *
 * Context: any.
 * Return: true if the memory under it is aligned in the same way, and all of it is the
 * memslot's.
 */
bool khx_hpt_fault_congruent(const struct kvm_memory_slot *slot, unsigned long gpa,
			     unsigned long size);

/**
 * khx_hook_do_h_enter() - kvmppc_do_h_enter() of VMs of ours
 * @kvm:	the VM
 * @flags:	of H_ENTER
 * @pte_index:	of H_ENTER
 * @pteh:	first doubleword of the HPTE, as the guest gave it
 * @ptel:	second doubleword
 * @pgdir:	not used by the kernel
 * @realmode:	how the kernel accesses what is vmalloc'ed
 * @pte_idx_ret: where the HPTE was put
 *
 * The hypercall, and whatever else puts HPTEs into the HPT.
 *
 * Context: as the original: not to sleep.
 * Return: of H_ENTER; H_PARAMETER also if memory of the host is not aligned as
 * the page of the guest is (PAPR, H_ENTER: a page size that is not supported), but not
 * with notifiers=0; H_PTEG_FULL also while the HPT is replaced (khx_hpt_life_closed()).
 */
long khx_hook_do_h_enter(struct kvm *kvm, unsigned long flags, long pte_index,
			 unsigned long pteh, unsigned long ptel, pgd_t *pgdir,
			 bool realmode, unsigned long *pte_idx_ret);

/**
 * khx_hook_book3s_hv_page_fault() - kvmppc_book3s_hv_page_fault() of HPT guests of ours
 * @vcpu:	the vCPU that faulted
 * @ea:		effective address
 * @dsisr:	what the processor said
 *
 * Pins the page first if the guest is one whose pages are pinned.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: RESUME_GUEST or RESUME_HOST; -EFAULT if a page larger than the host's does
 * not lie in its memslot as the memory under it does; -ENOMEM if RLIMIT_MEMLOCK does not allow
 * to pin the page, and KVM_RUN can be repeated; other errors of stock.
 */
int khx_hook_book3s_hv_page_fault(struct kvm_vcpu *vcpu, unsigned long ea,
				  unsigned long dsisr);

#endif /* KHX_HPT_FAULT_H */
