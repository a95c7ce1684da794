/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The functions of kvm.ko and kvm-hv.ko that this module hooks: one line each.
 *
 * From a line come the declaration of the replacement, khx_hook_NAME(), with
 * the prototype that the kernel's header has; the pointer khx_stock_NAME, by
 * which the replacement calls the original; the entry stub; and the row of the
 * table of redirects with its predicate. A definition whose prototype differs
 * from the kernel's does not compile.
 */
#ifndef KHX_HOOKS_H
#define KHX_HOOKS_H

/*
 * HOOK(NAME, function, subject, facet, condition, ...)
 *	subject: what must be tracked: the VM in r3 (kvm), the VM of the vCPU in
 *	r3 (vcpu); or the condition decides alone (other)
 *	facet: the parameter that must be on; always: none
 *	condition: what else must be true; always: nothing. The predicates of
 *	hooks.c have one function hook_CONDITION() for each
 *	...: more members of struct khx_redirect
 * LOCAL() is the same for a function that no header of the kernel declares;
 * CALL(NAME, function) is one that is only called.
 */
#define KHX_HOOKS_AT_LOAD(HOOK, LOCAL, CALL) \
	LOCAL(self_test, khx_self_test, self, always, always) \
	HOOK(free_radix, kvmppc_free_radix, kvm, always, always) \
	LOCAL(update_vpa, kvmppc_update_vpa, vcpu, areas, always) \
	HOOK(instantiate_page, kvmppc_book3s_instantiate_page, vcpu, always, always) \
	HOOK(create_pte, kvmppc_create_pte, kvm, always, always) \
	HOOK(radix_flush_memslot, kvmppc_radix_flush_memslot, kvm, notifiers, always) \
	HOOK(check_extension, kvm_vm_ioctl_check_extension, other, dirty_log, manual_asked) \
	HOOK(enable_cap, kvm_vm_ioctl_enable_cap, kvm, dirty_log, manual_enabled) \
	HOOK(get_nested, kvmhv_get_nested, kvm, nested, always) \
	CALL(insert_nest_rmap, kvmhv_insert_nest_rmap) \
	HOOK(remove_nest_rmap_range, kvmhv_remove_nest_rmap_range, kvm, nested, always) \
	HOOK(update_nest_rmap_rc_list, kvmhv_update_nest_rmap_rc_list, kvm, nested, always) \
	HOOK(find_nested_guest_pte, find_kvm_nested_guest_pte, kvm, nested, always, \
	     /* which is called for each R and C of any radix guest itself */ \
	     .caller = "kvmppc_hv_handle_set_rc") \
	HOOK(unmap_pte, kvmppc_unmap_pte, kvm, always, leaf_misplaced) \
	HOOK(free_pgtable_radix, kvmppc_free_pgtable_radix, kvm, always, always) \
	HOOK(release_all_nested, kvmhv_release_all_nested, kvm, nested, always) \
	HOOK(do_nested_tlbie, kvmhv_do_nested_tlbie, vcpu, nested, tlbie_of_all) \
	HOOK(do_h_rpt_invalidate_pat, do_h_rpt_invalidate_pat, vcpu, nested, range_to_the_end)

/*
 * What only HPT guests need. On bare metal radix guests call some of these at
 * each page fault, so they are placed when the first HPT guest appears.
 */
#define KHX_HOOKS_FOR_HPT(HOOK, LOCAL, CALL) \
	HOOK(do_h_enter, kvmppc_do_h_enter, kvm, always, always) \
	HOOK(book3s_hv_page_fault, kvmppc_book3s_hv_page_fault, vcpu, notifiers, hpt_guest) \
	LOCAL(setup_mmu, kvmhv_setup_mmu, vcpu, always, always) \
	CALL(alloc_reset_hpt, kvmppc_alloc_reset_hpt) \
	HOOK(free_hpt, kvmppc_free_hpt, other, always, hpt_in_use) \
	LOCAL(htab_read, kvm_htab_read, other, always, htab_file) \
	LOCAL(htab_write, kvm_htab_write, other, always, htab_file) \
	HOOK(resize_hpt_prepare, kvm_vm_ioctl_resize_hpt_prepare, kvm, always, always) \
	HOOK(resize_hpt_commit, kvm_vm_ioctl_resize_hpt_commit, kvm, always, always)

/* What only VMs with paging=0 need: placed with the first of them. */
#define KHX_HOOKS_FOR_PINS(HOOK, LOCAL, CALL) \
	LOCAL(vcpu_run_hv, kvmppc_vcpu_run_hv, vcpu, always, pinned)

#define KHX_HOOKS(HOOK, LOCAL, CALL) \
	KHX_HOOKS_AT_LOAD(HOOK, LOCAL, CALL) \
	KHX_HOOKS_FOR_HPT(HOOK, LOCAL, CALL) \
	KHX_HOOKS_FOR_PINS(HOOK, LOCAL, CALL)

#ifndef __ASSEMBLY__

#include <linux/kvm_host.h>
#include <linux/ptrace.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_ppc.h>

/* Replacements of functions that no header declares. */
bool khx_hook_self_test(void);
void khx_hook_update_vpa(struct kvm_vcpu *vcpu, struct kvmppc_vpa *vpap,
			 struct kvmppc_vpa *old_vpap);
int khx_hook_setup_mmu(struct kvm_vcpu *vcpu);
ssize_t khx_hook_htab_read(struct file *file, char __user *buf, size_t count, loff_t *ppos);
ssize_t khx_hook_htab_write(struct file *file, const char __user *buf, size_t count,
			    loff_t *ppos);
int khx_hook_vcpu_run_hv(struct kvm_vcpu *vcpu);

#define KHX_HOOK_DECLARE(_name, _function, ...) \
	extern typeof(_function) khx_hook_##_name; \
	KHX_HOOK_DECLARE_LOCAL(_name, _function)
#define KHX_HOOK_DECLARE_LOCAL(_name, ...) \
	extern typeof(&khx_hook_##_name) khx_stock_##_name; \
	void khx_stub_##_name(void);
#define KHX_HOOK_DECLARE_CALL(_name, _function) \
	extern typeof(&_function) khx_stock_##_name;

KHX_HOOKS(KHX_HOOK_DECLARE, KHX_HOOK_DECLARE_LOCAL, KHX_HOOK_DECLARE_CALL)

/* kvm-hv's own operations, as they were before members were replaced. */
extern struct kvmppc_ops khx_stock_ops;

/* Sets of hooks, by when they are placed. */
enum khx_hook_set {
	KHX_HOOK_SET_AT_LOAD,
	KHX_HOOK_SET_FOR_HPT,
	KHX_HOOK_SET_FOR_PINS,
	KHX_NR_HOOK_SETS,
};

/**
 * khx_hooks_init() - find all functions, and place those of every host
 *
 * Context: module load, with the parameters as they stay; may sleep.
 * Return: 0; -ENOENT if one of any set does not exist or cannot be traced;
 * -EIO if ftrace places redirects without effect; errors of
 * khx_redirect_register(). The reason is logged, and no hook is placed.
 */
int khx_hooks_init(void);

/**
 * khx_hooks_place() - place a set of hooks, once
 * @set:	which
 *
 * Context: may sleep; takes a mutex of its own.
 * Return: 0; errors of khx_redirect_register(), the reason is logged.
 */
int khx_hooks_place(enum khx_hook_set set);

/**
 * khx_hooks_remove() - remove all hooks that are placed
 *
 * Context: module unload, or a failed load; may sleep.
 */
void khx_hooks_remove(void);

/**
 * khx_hook_called_by_us() - does this module call what it hooks?
 * @regs:	registers of the call
 *
 * The function's prologue has copied LR to r0, where kretprobes and the function
 * graph tracer leave it alone. LR itself they may have changed by now.
 *
 * Context: inside ftrace.
 * Return: true if the return address is in this module.
 */
bool khx_hook_called_by_us(const struct pt_regs *regs);

/* Hooked only to see that hooks work. Return: false; if hooked, true. */
bool khx_self_test(void);

#endif /* __ASSEMBLY__ */
#endif /* KHX_HOOKS_H */
