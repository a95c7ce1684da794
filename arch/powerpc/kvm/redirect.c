// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection of stock functions by ftrace: the mechanism, for any table.
 *
 * This file is built without tracing (see the Makefile): the callback and the
 * predicates run inside ftrace, where a traced function would recurse. They
 * need no recursion guard then, and have none, because a guard that skips
 * would be a silent way past us.
 *
 * FTRACE_OPS_FL_PERMANENT makes kernel.ftrace_enabled=0 fail while redirects
 * are registered. What remains as a way past us is a CPU with ftrace switched
 * off in its paca (guest entry and exit, NMIs, kexec, CPU offline): none of
 * the functions redirected is called there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <asm/hvcall.h>
#include <asm/kvm_book3s.h>

#include "attach.h"
#include "compat.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "redirect.h"

static void redirect_callback(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	struct kvm_ext_redirect *r = container_of(ops, struct kvm_ext_redirect, ops);
	struct pt_regs *regs = ftrace_get_regs(fregs);

	if (r->adjust) {
		r->adjust(regs);
		return;
	}
	WRITE_ONCE(r->ip, ip);
	if (!r->wanted(regs))
		return;

	regs_set_return_ip(regs, (unsigned long)r->stub);
}

/*
 * Where a function is that may be wanted before it was called. Who puts a probe
 * there is told; it is never armed. Without CONFIG_KPROBES the first call tells.
 */
static void locate(struct kvm_ext_redirect *r)
{
	struct kprobe probe = {
		.symbol_name = r->name,
		.flags = KPROBE_FLAG_DISABLED,
	};

	if (register_kprobe(&probe))
		return;
	WRITE_ONCE(r->ip, (unsigned long)probe.addr);
	unregister_kprobe(&probe);
}

static int redirect_one(struct kvm_ext_redirect *r)
{
	int err;

	if (r->facet && !*r->facet)
		return 0;

	r->original = NULL;
	r->ops = (struct ftrace_ops) {
		.func = redirect_callback,
		.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY |
			 FTRACE_OPS_FL_PERMANENT,
	};

	err = ftrace_set_filter(&r->ops, (unsigned char *)r->name,
				strlen(r->name), 1);
	if (err) {
		pr_err("cannot redirect %s: no such function in this kernel, or it cannot be traced (%d)\n",
		       r->name, err);
		ftrace_free_filter(&r->ops);
		return err == -EINVAL ? -ENOENT : err;
	}

	err = register_ftrace_function(&r->ops);
	if (err) {
		if (err == -EBUSY)
			pr_err("cannot redirect %s: it is held by another owner (a live patch?) or kernel.ftrace_enabled is 0\n",
			       r->name);
		else
			pr_err("cannot redirect %s: ftrace refused (%d)\n",
			       r->name, err);
		ftrace_free_filter(&r->ops);
	} else if (r->locate) {
		locate(r);
	}
	return err;
}

int kvm_ext_redirect_register(struct kvm_ext_redirect *table, unsigned int nr)
{
	unsigned int i;
	int err;

	for (i = 0; i < nr; i++) {
		err = redirect_one(&table[i]);
		if (err) {
			kvm_ext_redirect_unregister(table, i);
			return err;
		}
	}
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_redirect_register);

void kvm_ext_redirect_unregister(struct kvm_ext_redirect *table, unsigned int nr)
{
	while (nr--) {
		if (table[nr].facet && !*table[nr].facet)
			continue;
		unregister_ftrace_function(&table[nr].ops);
		ftrace_free_filter(&table[nr].ops);
	}
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_redirect_unregister);

static void *find_original(const struct kvm_ext_redirect *r)
{
	unsigned long ip = READ_ONCE(r->ip), offset;
	char name[KSYM_SYMBOL_LEN], *plus;

	/* "name+0xoffset/0xsize [module]": ip lies in the function's prologue */
	sprint_symbol(name, ip);
	plus = strchr(name, '+');
	if (!plus || sscanf(plus, "+0x%lx/", &offset) != 1 ||
	    strncmp(name, r->name, plus - name) || r->name[plus - name])
		return NULL;
	return (void *)(ip - offset);
}

void *kvm_ext_redirect_original(struct kvm_ext_redirect *r)
{
	void *original = READ_ONCE(r->original);

	if (!original) {
		original = find_original(r);
		WRITE_ONCE(r->original, original);
	}
	return original;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_redirect_original);

bool kvm_ext_called_by_us(const struct pt_regs *regs)
{
	return within_module(regs->gpr[0], THIS_MODULE);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_called_by_us);

bool kvm_ext_redirect_kvm(const struct pt_regs *regs)
{
	return !kvm_ext_called_by_us(regs) &&
	       kvm_ext_vm_find((const struct kvm *)regs->gpr[3]);
}

bool kvm_ext_redirect_h_register_vpa(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return vcpu->arch.regs.gpr[3] == H_REGISTER_VPA && kvm_ext_vm_find(vcpu->kvm);
}

bool kvm_ext_redirect_vcpu(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return !kvm_ext_called_by_us(regs) && kvm_ext_vm_find(vcpu->kvm);
}

bool kvm_ext_redirect_hpt_vcpu(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return !vcpu->kvm->arch.radix && kvm_ext_redirect_vcpu(regs);
}

/* r3 kvm, r4 nested (a bool, of which the ABI defines one byte) */
bool kvm_ext_redirect_nested_set_rc(const struct pt_regs *regs)
{
	return (u8)regs->gpr[4] && kvm_ext_redirect_kvm(regs);
}

static bool is_shadow(const struct pt_regs *regs, unsigned int lpid)
{
	const struct kvm *kvm = (const struct kvm *)regs->gpr[3];

	return kvm_ext_redirect_kvm(regs) && regs->gpr[lpid] != kvm->arch.lpid;
}

/* r3 kvm, r4 leaf, r5 address, r6 shift, r7 memslot, r8 LPID */
bool kvm_ext_redirect_shadow_pte(const struct pt_regs *regs)
{
	return is_shadow(regs, 8);
}

/* r3 kvm, r4 root, r5 LPID */
bool kvm_ext_redirect_shadow_table(const struct pt_regs *regs)
{
	return is_shadow(regs, 5);
}

/* r3 vcpu; the hypercall's rB, with the field IS, is in the guest's r6 */
bool kvm_ext_redirect_tlbie_all(const struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = (const struct kvm_vcpu *)regs->gpr[3];

	return (vcpu->arch.regs.gpr[6] & TLBIEL_INVAL_SET) == TLBIEL_INVAL_SET &&
	       kvm_ext_redirect_vcpu(regs);
}
