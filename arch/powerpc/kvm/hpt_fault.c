// SPDX-License-Identifier: GPL-2.0
/*
 * How HPTEs of HPT guests come to name host pages: what has to hold before.
 *
 * On POWER8 the guest's H_ENTER is served in real mode, where no function can be
 * redirected: there the checks of khx_hook_do_h_enter() are passed by.
 */
#include <linux/kvm_host.h>
#include <asm/hvcall.h>
#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "hooks.h"
#include "hpt_fault.h"
#include "hpt_life.h"
#include "hpt_mmu.h"
#include "kunit.h"
#include "mmu.h"
#include "params.h"
#include "pin.h"
#include "vm.h"

bool khx_hpt_fault_congruent(const struct kvm_memory_slot *slot, unsigned long gpa,
			     unsigned long size)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;

	return size <= PAGE_SIZE ||
	       (IS_ALIGNED(__gfn_to_hva_memslot(slot, gfn), size) &&
		gfn + (size >> PAGE_SHIFT) <= slot->base_gfn + slot->npages);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_fault_congruent);

/* The page is not pinned yet: the first access faults, and that may sleep. */
static void hpt_fault_make_absent(struct kvm *kvm, const struct kvm_memory_slot *slot,
				  gfn_t gfn)
{
	struct khx_vm *vm = khx_vm_find(kvm);

	if (!vm->pins.on)
		return;
	spin_lock(&kvm->mmu_lock);
	khx_hpt_unmap(vm, slot, gfn, gfn + 1, KHX_UNMAP_KEEP_PINNED);
	spin_unlock(&kvm->mmu_lock);
}

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
			 bool realmode, unsigned long *pte_idx_ret)
{
	unsigned long size = kvmppc_actual_pgsz(pteh, ptel);
	unsigned long gpa = (ptel & HPTE_R_RPN) & ~(size - 1);
	const struct kvm_memory_slot *slot;
	long rc = H_PARAMETER;
	int idx;

	/* most kernels do not hold it here, and use the memslot all the same */
	idx = srcu_read_lock(&kvm->srcu);
	if (khx_hpt_life_closed(kvm)) {
		srcu_read_unlock(&kvm->srcu, idx);
		return H_PTEG_FULL;
	}
	slot = size ? khx_memslot(kvm, gpa >> PAGE_SHIFT) : NULL;
	if (!slot || !khx_param.notifiers || khx_hpt_fault_congruent(slot, gpa, size)) {
		/* others spin for the HPTEs that it locks, also with preemption off */
		preempt_disable();
		rc = khx_stock_do_h_enter(kvm, flags, pte_index, pteh, ptel, pgdir,
					  realmode, pte_idx_ret);
		preempt_enable();
	}
	if (slot && rc == H_SUCCESS)
		hpt_fault_make_absent(kvm, slot, gpa >> PAGE_SHIFT);
	srcu_read_unlock(&kvm->srcu, idx);
	return rc;
}

/**
 * struct faulting - what an HPTE that faulted maps
 * @gfn:	first page; the others follow
 * @size:	of the guest's page in bytes; 0: none that is known
 */
struct faulting {
	gfn_t gfn;
	unsigned long size;
};

/*
 * Look at the HPTE that the processor found. False if it is another by now, or the HPT
 * is: the guest comes again.
 */
static bool hpt_fault_read(struct kvm_vcpu *vcpu, struct khx_vm *vm, struct faulting *f)
{
	unsigned long index = vcpu->arch.pgfault_index;
	struct kvm *kvm = vcpu->kvm;
	struct khx_hpte hpte;

	if (atomic_read(&vm->hpt.life.closed) || !kvm->arch.hpt.virt ||
	    index >= kvmppc_hpt_npte(&kvm->arch.hpt))
		return false;

	hpte = khx_hpte_read(&kvm->arch.hpt, index);
	if (hpte.v != vcpu->arch.pgfault_hpte[0] || hpte.r != vcpu->arch.pgfault_hpte[1])
		return false;
	f->size = kvmppc_actual_pgsz(hpte.v, hpte.guest_r);
	f->gfn = hpte_rpn(hpte.guest_r, f->size);
	return true;
}

/*
 * May the page be mapped? An HPTE may be older than its memslot: H_ENTER takes anything
 * where there is none.
 */
static bool hpt_fault_is_congruent(struct kvm *kvm, const struct faulting *f)
{
	const struct kvm_memory_slot *slot = khx_memslot(kvm, f->gfn);

	return !slot || khx_hpt_fault_congruent(slot, f->gfn << PAGE_SHIFT, f->size);
}

static int hpt_fault_pin(struct khx_vm *vm, const struct faulting *f, bool writing)
{
	const struct kvm_memory_slot *slot = khx_memslot(vm->kvm, f->gfn);

	if (!slot || slot->flags & KVM_MEMSLOT_INVALID)
		return 0;
	return khx_pin_range(vm, slot, f->gfn, f->gfn + DIV_ROUND_UP(f->size, PAGE_SIZE), writing);
}

/* A memslot has come between the check and kvm-hv's own look at it. */
static void hpt_fault_unpin(struct khx_vm *vm, const struct faulting *f)
{
	const struct kvm_memory_slot *slot = khx_memslot(vm->kvm, f->gfn);

	spin_lock(&vm->kvm->mmu_lock);
	khx_hpt_unmap(vm, slot, f->gfn, f->gfn + 1, 0);
	spin_unlock(&vm->kvm->mmu_lock);
}

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
				  unsigned long dsisr)
{
	struct khx_vm *vm = khx_vm_find(vcpu->kvm);
	struct kvm *kvm = vcpu->kvm;
	struct faulting f = { };
	int ret = 0;

	if (ea != vcpu->arch.pgfault_addr)
		return khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);
	if (!hpt_fault_read(vcpu, vm, &f)) {
		/* with a cache entry of its own the access may be MMIO all the same */
		return vcpu->arch.pgfault_cache ?
		       khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr) : RESUME_GUEST;
	}
	if (!f.size)
		return khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);

	if (!hpt_fault_is_congruent(kvm, &f))
		return -EFAULT;
	if (vm->pins.on)
		ret = hpt_fault_pin(vm, &f, dsisr & DSISR_ISSTORE);
	if (ret)
		return ret;
	ret = khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);
	if (ret >= 0 && !hpt_fault_is_congruent(kvm, &f)) {
		hpt_fault_unpin(vm, &f);
		ret = -EFAULT;
	}
	return ret;
}
