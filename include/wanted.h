/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Predicates of redirects: from the registers of a call they tell if it is ours to
 * serve. Nobody is to be served who is not in a VM of ours, nor we ourselves when
 * we call what we stand in the place of.
 */
#ifndef KHX_WANTED_H
#define KHX_WANTED_H

#include <linux/ptrace.h>

/**
 * khx_called_by_us() - does this module call what it redirects?
 * @regs:	registers of the call
 *
 * The function's prologue has copied LR to r0, where kretprobes and the function
 * graph tracer leave it alone. LR itself they may have changed by now.
 *
 * Context: that of a row's predicate.
 * Return: true if the return address is in this module.
 */
bool khx_called_by_us(const struct pt_regs *regs);

/**
 * khx_redirect_kvm() - predicate: the first argument is a VM of ours
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true if r3 is the struct kvm of a VM of ours and the caller is not
 * this module.
 */
bool khx_redirect_kvm(const struct pt_regs *regs);

/**
 * khx_redirect_vcpu() - predicate: the first argument is a vCPU of ours
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true if r3 is a vCPU of a VM of ours and the caller is not this
 * module.
 */
bool khx_redirect_vcpu(const struct pt_regs *regs);

/**
 * khx_redirect_hpt() - predicate: the first argument is the HPT of a VM of ours
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true if r3 is the struct kvm_hpt_info in use of such a VM, or may be one that
 * such a VM has just replaced.
 */
bool khx_redirect_hpt(const struct pt_regs *regs);

/**
 * khx_redirect_htab_file() - predicate: KVM_PPC_GET_HTAB_FD of a VM of ours
 * @regs:	registers of the call; r3 is the struct file
 *
 * Context: that of a row's predicate.
 * Return: true if the call is ours to serve.
 */
bool khx_redirect_htab_file(const struct pt_regs *regs);

/**
 * khx_redirect_pinned_vcpu() - predicate: r3 is a vCPU of a VM with paging=0
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true unless the call comes from this module, for the original.
 */
bool khx_redirect_pinned_vcpu(const struct pt_regs *regs);

/**
 * khx_redirect_hpt_vcpu() - predicate: r3 is a vCPU of an HPT guest of ours
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true unless the call comes from this module, for the original.
 */
bool khx_redirect_hpt_vcpu(const struct pt_regs *regs);

/**
 * khx_redirect_check_manual() - predicate: manual protection, may a VM have it?
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 * Return: true if a VM of ours is asked, or /dev/kvm for a VM that is created now.
 */
bool khx_redirect_check_manual(const struct pt_regs *regs);

/**
 * khx_redirect_enable_manual() - predicate: a VM of ours enables it
 * @regs:	registers of the call
 *
 * Context: that of a row's predicate.
 */
bool khx_redirect_enable_manual(const struct pt_regs *regs);

/**
 * khx_redirect_unmap_pte() - predicate: a leaf of a shadow table goes, or one of the
 * guest's own that is not at the address
 * @regs:	registers of the call; r3 is the VM, r5 the address, r7 its memslot,
 *		r8 the LPID of the table
 *
 * Context: that of a row's predicate.
 * Return: true if the call is ours to serve.
 */
bool khx_redirect_unmap_pte(const struct pt_regs *regs);

/**
 * khx_redirect_shadow_table() - predicate: a whole shadow table goes
 * @regs:	registers of the call; r3 is the VM, r5 the LPID of the table
 *
 * Context: that of a row's predicate.
 * Return: true if the call is ours to serve.
 */
bool khx_redirect_shadow_table(const struct pt_regs *regs);

/**
 * khx_redirect_tlbie_all() - predicate: all of a nested guest is invalidated
 * @regs:	registers of the call; r3 is the vCPU that made the hypercall
 *
 * Context: that of a row's predicate.
 * Return: true if the hypercall is ours to serve.
 */
bool khx_redirect_tlbie_all(const struct pt_regs *regs);

/**
 * khx_redirect_rpt_to_the_end() - predicate: what is invalidated ends in the last page
 * @regs:	registers of the call; r3 is the vCPU that made the hypercall, r7 and r8
 *		are the first and the last address
 *
 * Context: that of a row's predicate.
 * Return: true if the hypercall is ours to serve.
 */
bool khx_redirect_rpt_to_the_end(const struct pt_regs *regs);

#endif /* KHX_WANTED_H */
