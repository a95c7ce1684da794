// SPDX-License-Identifier: GPL-2.0
/*
 * How HPTEs of HPT guests come to name host pages: what has to hold before.
 *
 * On POWER8 the guest's H_ENTER is served in real mode, where no function can be
 * redirected: there the checks of kvm_ext_h_enter() are passed by.
 */
#include <linux/kvm_host.h>
#include <asm/hvcall.h>
#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "hpt_fault.h"
#include "hpt_life.h"
#include "hpt_mmu.h"
#include "kunit.h"
#include "mmu.h"
#include "pin.h"
#include "stock.h"
#include "vm.h"

bool kvm_ext_hpt_congruent(const struct kvm_memory_slot *slot, unsigned long gpa,
			   unsigned long size)
{
	return size <= PAGE_SIZE ||
	       IS_ALIGNED(__gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT), size);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_hpt_congruent);

/* The page is not pinned yet: the first access faults, and that may sleep. */
static void leave_to_fault(struct kvm *kvm, const struct kvm_memory_slot *slot,
			   gfn_t gfn)
{
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);

	if (!vm->pins.on)
		return;
	spin_lock(&kvm->mmu_lock);
	kvm_ext_hpt_unmap(vm, slot, gfn, gfn + 1, KVM_EXT_SPARE_PINNED);
	spin_unlock(&kvm->mmu_lock);
}

long kvm_ext_h_enter(struct kvm *kvm, unsigned long flags, long pte_index,
		     unsigned long pteh, unsigned long ptel, pgd_t *pgdir,
		     bool realmode, unsigned long *pte_idx_ret)
{
	typeof(kvmppc_do_h_enter) *original = kvm_ext_original(KVM_EXT_H_ENTER);
	unsigned long size = kvmppc_actual_pgsz(pteh, ptel);
	unsigned long gpa = (ptel & HPTE_R_RPN) & ~(size - 1);
	const struct kvm_memory_slot *slot;
	long rc = H_PARAMETER;
	int idx;

	BUILD_BUG_ON(!__same_type(kvm_ext_h_enter, kvmppc_do_h_enter));

	/* 6.1 does not hold it here, and uses the memslot all the same */
	idx = srcu_read_lock(&kvm->srcu);
	if (kvm_ext_hpt_closed(kvm)) {
		srcu_read_unlock(&kvm->srcu, idx);
		return H_PTEG_FULL;
	}
	slot = size ? gfn_to_memslot(kvm, gpa >> PAGE_SHIFT) : NULL;
	if (!slot || kvm_ext_hpt_congruent(slot, gpa, size))
		rc = original(kvm, flags, pte_index, pteh, ptel, pgdir, realmode,
			      pte_idx_ret);
	if (slot && rc == H_SUCCESS)
		leave_to_fault(kvm, slot, gpa >> PAGE_SHIFT);
	srcu_read_unlock(&kvm->srcu, idx);
	return rc;
}

/*
 * What the HPTE in question maps, before kvm-hv looks whether it may. It may be another
 * one by then; the guest comes again in that case.
 *
 * An HPTE may be older than its memslot: H_ENTER takes anything where there is none.
 */
static int check_faulting(struct kvm_vcpu *vcpu, struct kvm_ext_vm *vm, bool writing)
{
	struct kvm *kvm = vcpu->kvm;
	unsigned long rpte = READ_ONCE(kvm->arch.hpt.rev[vcpu->arch.pgfault_index].guest_rpte);
	unsigned long size = kvmppc_actual_pgsz(vcpu->arch.pgfault_hpte[0], rpte);
	gfn_t gfn = hpte_rpn(rpte, size);
	const struct kvm_memory_slot *slot = gfn_to_memslot(kvm, gfn);

	if (!size || !slot || slot->flags & KVM_MEMSLOT_INVALID)
		return 0;
	if (!kvm_ext_hpt_congruent(slot, gfn << PAGE_SHIFT, size))
		return -EFAULT;
	if (!vm->pins.on)
		return 0;
	return kvm_ext_pin(vm, slot, gfn, gfn + DIV_ROUND_UP(size, PAGE_SIZE), writing);
}

/* Has the HPT been replaced, or is it now, since the processor found an HPTE in it? */
static bool is_replaced(const struct kvm *kvm, const struct kvm_ext_vm *vm,
			unsigned long index)
{
	return atomic_read(&vm->hpt_life.closed) || !kvm->arch.hpt.virt ||
	       index >= kvmppc_hpt_npte((struct kvm_hpt_info *)&kvm->arch.hpt);
}

int kvm_ext_hpt_page_fault(struct kvm_vcpu *vcpu, unsigned long ea,
			   unsigned long dsisr)
{
	typeof(kvmppc_book3s_hv_page_fault) *original = kvm_ext_original(KVM_EXT_HPT_FAULT);
	struct kvm_ext_vm *vm = kvm_ext_vm_find(vcpu->kvm);
	int err = 0;

	BUILD_BUG_ON(!__same_type(kvm_ext_hpt_page_fault,
				  kvmppc_book3s_hv_page_fault));

	if (ea == vcpu->arch.pgfault_addr && !vcpu->arch.pgfault_cache) {
		if (is_replaced(vcpu->kvm, vm, vcpu->arch.pgfault_index))
			return RESUME_GUEST;
		err = check_faulting(vcpu, vm, dsisr & DSISR_ISSTORE);
	}
	return err ? err : original(vcpu, ea, dsisr);
}
