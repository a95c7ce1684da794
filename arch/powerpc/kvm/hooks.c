// SPDX-License-Identifier: GPL-2.0
/*
 * The hooks: their tables, when each is placed, and which calls the module serves.
 * Built without tracing (see the Makefile), because the predicates run inside
 * ftrace.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/fs.h>
#include <linux/module.h>
#include <linux/mutex.h>
#include <linux/sizes.h>

#include "compat.h"
#include "hooks.h"
#include "kunit.h"
#include "params.h"
#include "radix_walk.h"
#include "redirect.h"
#include "vm.h"

struct kvmppc_ops khx_stock_ops;

bool khx_hook_called_by_us(const struct pt_regs *regs)
{
	return within_module(regs->gpr[0], THIS_MODULE);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hook_called_by_us);

/*
 * Conditions. @vm is the VM of the call, where its subject is one. They read
 * arguments from the registers, which are named in the order of the prototype.
 */
typedef bool hook_condition(const struct khx_vm *vm, const struct pt_regs *regs);

static bool hook_always(const struct khx_vm *vm, const struct pt_regs *regs)
{
	return true;
}

/* r3 VM, or NULL if /dev/kvm is asked, r4 capability */
static bool hook_manual_asked(const struct khx_vm *vm, const struct pt_regs *regs)
{
	return regs->gpr[4] == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 &&
	       (!regs->gpr[3] || khx_vm_find((const struct kvm *)regs->gpr[3]));
}

/* r4 capability and arguments */
static bool hook_manual_enabled(const struct khx_vm *vm, const struct pt_regs *regs)
{
	const struct kvm_enable_cap *cap = (const struct kvm_enable_cap *)regs->gpr[4];

	return cap->cap == KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2;
}

/*
 * A leaf of a shadow table; or one of the guest's own table that kvm-hv has found
 * for an address which that table cannot map. r4 leaf, r5 address unless r7 is
 * NULL, r6 shift, r7 memslot, r8 LPID
 */
static bool hook_leaf_misplaced(const struct khx_vm *vm, const struct pt_regs *regs)
{
	if (regs->gpr[8] != vm->kvm->arch.lpid)
		return khx_param.nested;
	return regs->gpr[7] && !khx_tree_maps(regs->gpr[5]);
}

/* r3 vCPU; the hypercall's rB, with the field IS, is in the guest's r6 */
static bool hook_tlbie_of_all(const struct khx_vm *vm, const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return (vcpu->arch.regs.gpr[6] & TLBIEL_INVAL_SET) == TLBIEL_INVAL_SET;
}

/*
 * r7 start, r8 end. In the last page of any size there is no next address; with
 * a start of 0 the last address means all.
 */
static bool hook_range_to_the_end(const struct khx_vm *vm, const struct pt_regs *regs)
{
	return regs->gpr[8] >= -(unsigned long)SZ_1G && regs->gpr[7];
}

static bool hook_hpt_guest(const struct khx_vm *vm, const struct pt_regs *regs)
{
	return !vm->kvm->arch.radix;
}

/*
 * r3 the struct kvm_hpt_info in use of a tracked VM, or one that such a VM may just
 * have replaced. Compared, not followed: that of a resize is in no struct kvm.
 */
static bool hook_hpt_in_use(const struct khx_vm *vm, const struct pt_regs *regs)
{
	const struct kvm *kvm = container_of((struct kvm_hpt_info *)regs->gpr[3],
					     struct kvm, arch.hpt);

	return atomic_read(&khx_hpts_closed) || khx_vm_find(kvm);
}

/* r3 file of KVM_PPC_GET_HTAB_FD */
static bool hook_htab_file(const struct khx_vm *vm, const struct pt_regs *regs)
{
	const struct file *file = (const struct file *)regs->gpr[3];

	return khx_vm_find(khx_htab_kvm(file->private_data));
}

static bool hook_pinned(const struct khx_vm *vm, const struct pt_regs *regs)
{
	return vm->pins.on;
}

/* Subjects. Calls by the module itself are for the original. */
static __always_inline bool hook_subject_kvm(const struct pt_regs *regs,
					     hook_condition *condition)
{
	const struct khx_vm *vm;

	if (khx_hook_called_by_us(regs))
		return false;
	vm = khx_vm_find((const struct kvm *)regs->gpr[3]);
	return vm && condition(vm, regs);
}

static __always_inline bool hook_subject_vcpu(const struct pt_regs *regs,
					      hook_condition *condition)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];
	const struct khx_vm *vm;

	if (khx_hook_called_by_us(regs))
		return false;
	vm = khx_vm_find(vcpu->kvm);
	return vm && condition(vm, regs);
}

static __always_inline bool hook_subject_other(const struct pt_regs *regs,
					       hook_condition *condition)
{
	return !khx_hook_called_by_us(regs) && condition(NULL, regs);
}

/* That callers are recognized is part of the test. */
static __always_inline bool hook_subject_self(const struct pt_regs *regs,
					      hook_condition *condition)
{
	return khx_hook_called_by_us(regs);
}

#define HOOK_DEFINE(_name, _function, _subject, _facet, _condition, ...) \
	typeof(khx_stock_##_name) khx_stock_##_name; \
	static bool hook_wanted_##_name(const struct pt_regs *regs) \
	{ \
		return hook_subject_##_subject(regs, hook_##_condition); \
	}
#define HOOK_DEFINE_CALL(_name, _function) \
	typeof(khx_stock_##_name) khx_stock_##_name;

KHX_HOOKS(HOOK_DEFINE, HOOK_DEFINE, HOOK_DEFINE_CALL)

#define HOOK_FACET_always	NULL
#define HOOK_FACET_areas	(&khx_param.areas)
#define HOOK_FACET_dirty_log	(&khx_param.dirty_log)
#define HOOK_FACET_notifiers	(&khx_param.notifiers)
#define HOOK_FACET_nested	(&khx_param.nested)

#define HOOK_ROW(_name, _function, _subject, _facet, _condition, ...) \
	{ \
		.name = #_function, \
		.stub = khx_stub_##_name, \
		.wanted = hook_wanted_##_name, \
		.facet = HOOK_FACET_##_facet, \
		.original = (void **)&khx_stock_##_name, \
		__VA_ARGS__ \
	},
#define HOOK_ROW_CALL(_name, _function) \
	{ \
		.name = #_function, \
		.original = (void **)&khx_stock_##_name, \
	},

static struct khx_redirect hooks_at_load[] = {
	KHX_HOOKS_AT_LOAD(HOOK_ROW, HOOK_ROW, HOOK_ROW_CALL)
};

static struct khx_redirect hooks_for_hpt[] = {
	KHX_HOOKS_FOR_HPT(HOOK_ROW, HOOK_ROW, HOOK_ROW_CALL)
};

static struct khx_redirect hooks_for_pins[] = {
	KHX_HOOKS_FOR_PINS(HOOK_ROW, HOOK_ROW, HOOK_ROW_CALL)
};

/**
 * struct hook_set - hooks that are placed together
 * @t:		their table
 * @placed:	it is registered; hooks_lock
 */
struct hook_set {
	struct khx_redirects t;
	bool placed;
};

static DEFINE_MUTEX(hooks_lock);

#define HOOK_SET(_rows)	{ .t.row = (_rows), .t.nr = ARRAY_SIZE(_rows) }

static struct hook_set hook_sets[KHX_NR_HOOK_SETS] = {
	[KHX_HOOK_SET_AT_LOAD] = HOOK_SET(hooks_at_load),
	[KHX_HOOK_SET_FOR_HPT] = HOOK_SET(hooks_for_hpt),
	[KHX_HOOK_SET_FOR_PINS] = HOOK_SET(hooks_for_pins),
};

bool khx_hook_self_test(void)
{
	return true;
}

int khx_hooks_place(enum khx_hook_set which)
{
	struct hook_set *set = &hook_sets[which];
	int err = 0;

	mutex_lock(&hooks_lock);
	if (!set->placed) {
		err = khx_redirect_register(&set->t);
		set->placed = !err;
	}
	mutex_unlock(&hooks_lock);
	return err;
}

int khx_hooks_init(void)
{
	unsigned int i;
	int err;

	for (i = 0; i < KHX_NR_HOOK_SETS; i++) {
		err = khx_redirect_resolve(&hook_sets[i].t);
		if (err)
			return err;
	}
	err = khx_hooks_place(KHX_HOOK_SET_AT_LOAD);
	if (err)
		return err;

	if (!khx_self_test()) {
		pr_err("ftrace redirects no calls: has a fault disabled it? see earlier messages\n");
		khx_hooks_remove();
		return -EIO;
	}
	return 0;
}

void khx_hooks_remove(void)
{
	unsigned int i = KHX_NR_HOOK_SETS;

	while (i--) {
		if (hook_sets[i].placed)
			khx_redirect_unregister(&hook_sets[i].t);
		hook_sets[i].placed = false;
	}
}
