// SPDX-License-Identifier: GPL-2.0
/*
 * Checks before an HPTE of an HPT guest maps a host page.
 *
 * On POWER8 the host serves H_ENTER in real mode, where no function can be
 * redirected. These calls bypass the checks of khx_hook_do_h_enter().
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
#include "stats.h"
#include "trace.h"
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

/*
 * With paging=0, make the HPTE absent if its page is not pinned yet: H_ENTER
 * cannot sleep to pin it, but the page fault on the first access can.
 */
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
 * khx_hook_do_h_enter() - kvmppc_do_h_enter() of tracked VMs
 * @kvm:	the VM
 * @flags:	of H_ENTER
 * @pte_index:	of H_ENTER
 * @pteh:	first doubleword of the HPTE, as the guest passed it
 * @ptel:	second doubleword
 * @pgdir:	not used by the kernel
 * @realmode:	how the kernel accesses vmalloc()ed memory
 * @pte_idx_ret: index of the new HPTE
 *
 * Serves H_ENTER, and all other callers that install HPTEs.
 *
 * Context: atomic, as stock.
 * Return: as H_ENTER. Also H_PARAMETER if the host address is not aligned to
 * the guest's page size (PAPR, H_ENTER: a page size that is not supported),
 * except with notifiers=0; and H_PTEG_FULL while the HPT is replaced
 * (khx_hpt_life_closed()).
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

	/* most kernels use the memslot here without kvm->srcu */
	idx = srcu_read_lock(&kvm->srcu);
	if (khx_hpt_life_closed(kvm)) {
		srcu_read_unlock(&kvm->srcu, idx);
		return H_PTEG_FULL;
	}
	slot = size ? khx_memslot(kvm, gpa >> PAGE_SHIFT) : NULL;
	if (!slot || !khx_param.notifiers || khx_hpt_fault_congruent(slot, gpa, size)) {
		/* others spin on the HPTE lock with preemption disabled */
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
 * struct faulting - what the faulting HPTE maps
 * @gfn:	first gfn
 * @size:	size of the guest page in bytes; 0 if the encoding is unknown
 */
struct faulting {
	gfn_t gfn;
	unsigned long size;
};

/*
 * Read the HPTE that kvmppc_hpte_hv_fault() found. Returns false if the HPTE or
 * the HPT has changed since: the guest retries the access.
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
 * May the page be mapped? The HPTE may be older than its memslot: H_ENTER
 * accepts any address outside all memslots.
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

/* Zap the page: its memslot was created after the first check. */
static void hpt_fault_unpin(struct khx_vm *vm, const struct faulting *f)
{
	const struct kvm_memory_slot *slot = khx_memslot(vm->kvm, f->gfn);

	spin_lock(&vm->kvm->mmu_lock);
	khx_hpt_unmap(vm, slot, f->gfn, f->gfn + 1, 0);
	spin_unlock(&vm->kvm->mmu_lock);
}

/* Count a fault whose result is @ret, and return that. */
static int hpt_fault_count(struct khx_vm *vm, struct kvm_vcpu *vcpu, const struct faulting *f,
			   bool writing, int ret)
{
	const struct kvm_memory_slot *slot = khx_memslot(vm->kvm, f->gfn);
	struct khx_vcpu *ext = khx_vcpu_find(vm, vcpu);

	if (ret < 0) {
		khx_stats_failed(vm, vcpu, f->gfn << PAGE_SHIFT,
				 slot ? __gfn_to_hva_memslot(slot, f->gfn) : 0, writing, ret);
		return ret;
	}
	if (ext)
		ext->fault_hpt++;
	trace_khx_fault(vcpu, KHX_FAULT_HPT, f->gfn << PAGE_SHIFT, ilog2(f->size), writing);
	return ret;
}

/**
 * khx_hook_book3s_hv_page_fault() - kvmppc_book3s_hv_page_fault() of HPT guests
 * @vcpu:	the vCPU that faulted, of a tracked VM
 * @ea:		effective address
 * @dsisr:	fault status from hardware
 *
 * With paging=0, pins the page first.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: RESUME_GUEST or RESUME_HOST; -EFAULT if a guest page larger than
 * PAGE_SIZE leaves its memslot, or its host address is not aligned to its size;
 * -ENOMEM if RLIMIT_MEMLOCK does not allow to pin the page, after which
 * userspace can repeat KVM_RUN; other errors as stock.
 */
int khx_hook_book3s_hv_page_fault(struct kvm_vcpu *vcpu, unsigned long ea,
				  unsigned long dsisr)
{
	struct khx_vm *vm = khx_vm_find(vcpu->kvm);
	struct kvm *kvm = vcpu->kvm;
	bool writing = dsisr & DSISR_ISSTORE;
	struct faulting f = { };
	int ret = 0;

	if (ea != vcpu->arch.pgfault_addr)
		return khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);
	if (!hpt_fault_read(vcpu, vm, &f)) {
		/* stock may emulate MMIO from its cache, without the HPTE */
		return vcpu->arch.pgfault_cache ?
		       khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr) : RESUME_GUEST;
	}
	if (!f.size)
		return khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);

	if (!hpt_fault_is_congruent(kvm, &f))
		return hpt_fault_count(vm, vcpu, &f, writing, -EFAULT);
	if (vm->pins.on)
		ret = hpt_fault_pin(vm, &f, writing);
	if (ret)
		return hpt_fault_count(vm, vcpu, &f, writing, ret);
	ret = khx_stock_book3s_hv_page_fault(vcpu, ea, dsisr);
	if (ret >= 0 && !hpt_fault_is_congruent(kvm, &f)) {
		hpt_fault_unpin(vm, &f);
		ret = -EFAULT;
	}
	return hpt_fault_count(vm, vcpu, &f, writing, ret);
}
