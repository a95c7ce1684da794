// SPDX-License-Identifier: GPL-2.0
/*
 * Which calls of redirected functions are ours. Built without tracing, as is the
 * callback in redirect.c, which asks.
 */
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/sizes.h>
#include <asm/kvm_book3s.h>

#include "compat.h"
#include "kunit.h"
#include "params.h"
#include "radix_walk.h"
#include "vm.h"
#include "wanted.h"

bool khx_called_by_us(const struct pt_regs *regs)
{
	return within_module(regs->gpr[0], THIS_MODULE);
}
EXPORT_SYMBOL_FOR_KUNIT(khx_called_by_us);

bool khx_redirect_kvm(const struct pt_regs *regs)
{
	return !khx_called_by_us(regs) &&
	       khx_vm_find((const struct kvm *)regs->gpr[3]);
}

bool khx_redirect_vcpu(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return !khx_called_by_us(regs) && khx_vm_find(vcpu->kvm);
}

bool khx_redirect_pinned_vcpu(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];
	const struct khx_vm *vm;

	if (khx_called_by_us(regs))
		return false;
	vm = khx_vm_find(vcpu->kvm);
	return vm && vm->pins.on;
}

bool khx_redirect_hpt_vcpu(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return !vcpu->kvm->arch.radix && khx_redirect_vcpu(regs);
}

/* compared, not followed: it may be the HPT of a resize, and lie in no struct kvm */
bool khx_redirect_hpt(const struct pt_regs *regs)
{
	const struct kvm *kvm = container_of((struct kvm_hpt_info *)regs->gpr[3],
					     struct kvm, arch.hpt);

	return !khx_called_by_us(regs) &&
	       (atomic_read(&khx_hpts_closed) || khx_vm_find(kvm));
}

bool khx_redirect_htab_file(const struct pt_regs *regs)
{
	const struct file *file = (const struct file *)regs->gpr[3];

	return !khx_called_by_us(regs) &&
	       khx_vm_find(khx_htab_kvm(file->private_data));
}

static bool is_shadow(const struct pt_regs *regs, unsigned int lpid)
{
	const struct kvm *kvm = (const struct kvm *)regs->gpr[3];

	return khx_redirect_kvm(regs) && regs->gpr[lpid] != kvm->arch.lpid;
}

/* r3 kvm, r4 leaf, r5 address unless r7 is NULL, r6 shift, r7 memslot, r8 LPID */
bool khx_redirect_unmap_pte(const struct pt_regs *regs)
{
	if (is_shadow(regs, 8))
		return khx_param.nested;
	return regs->gpr[7] && !khx_tree_maps(regs->gpr[5]) && khx_redirect_kvm(regs);
}

/* r3 kvm, r4 root, r5 LPID */
bool khx_redirect_shadow_table(const struct pt_regs *regs)
{
	return is_shadow(regs, 5);
}

/* r3 vcpu; the hypercall's rB, with the field IS, is in the guest's r6 */
bool khx_redirect_tlbie_all(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return (vcpu->arch.regs.gpr[6] & TLBIEL_INVAL_SET) == TLBIEL_INVAL_SET &&
	       khx_redirect_vcpu(regs);
}

/*
 * r3 vcpu, r7 start, r8 end. In the last page of any size there is no next address; with
 * a start of 0 the last address means all.
 */
bool khx_redirect_rpt_to_the_end(const struct pt_regs *regs)
{
	return regs->gpr[8] >= -(unsigned long)SZ_1G && regs->gpr[7] &&
	       khx_redirect_vcpu(regs);
}

/* r3 VM, NULL if /dev/kvm is asked, r4 capability */
bool khx_redirect_check_manual(const struct pt_regs *regs)
{
	return regs->gpr[4] == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 &&
	       (!regs->gpr[3] || khx_redirect_kvm(regs));
}

/* r3 VM, r4 capability and arguments */
bool khx_redirect_enable_manual(const struct pt_regs *regs)
{
	const struct kvm_enable_cap *cap = (const struct kvm_enable_cap *)regs->gpr[4];

	return khx_redirect_kvm(regs) &&
	       cap->cap == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
}
