// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection of stock functions by ftrace: the mechanism, for any table.
 *
 * All functions of a table share one ftrace_ops: ftrace asks each that is registered
 * whether it is about the function called, and these are called at every page fault
 * and guest entry.
 *
 * This file and wanted.c are built without tracing (see the Makefile): the callback
 * and the predicates run inside ftrace, where a traced function would recurse. They
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

#include "compat.h"
#include "kunit.h"
#include "redirect.h"

/* Does @ip lie in the prologue of the function that a row names? */
static bool is_in(const struct kvm_ext_redirect *r, unsigned long ip, unsigned long *offset)
{
	char name[KSYM_SYMBOL_LEN], *plus;

	/* "name+0xoffset/0xsize [module]" */
	sprint_symbol(name, ip);
	plus = strchr(name, '+');
	return plus && sscanf(plus, "+0x%lx/", offset) == 1 &&
	       !strncmp(name, r->name, plus - name) && !r->name[plus - name];
}

static bool applies(const struct kvm_ext_redirect *r)
{
	return !r->facet || *r->facet;
}

/* The row of a function that is called, by name the first time. */
static struct kvm_ext_redirect *row_at(const struct kvm_ext_redirects *t, unsigned long ip)
{
	struct kvm_ext_redirect *r;
	unsigned long offset;

	for (r = t->row; r < t->row + t->nr; r++)
		if (READ_ONCE(r->ip) == ip)
			return r;
	for (r = t->row; r < t->row + t->nr; r++) {
		if (applies(r) && is_in(r, ip, &offset)) {
			WRITE_ONCE(r->ip, ip);
			return r;
		}
	}
	return NULL;
}

static void redirect_callback(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct kvm_ext_redirects *t = container_of(ops, struct kvm_ext_redirects, ops);
	struct pt_regs *regs = ftrace_get_regs(fregs);
	struct kvm_ext_redirect *r = row_at(t, ip);

	if (WARN_ON_ONCE(!r))
		return;
	if (r->adjust)
		r->adjust(regs);
	else if (r->wanted(regs))
		regs_set_return_ip(regs, (unsigned long)r->stub);
}

/*
 * Where a function calls ftrace; 0 if this cannot be told before it is called
 * (CONFIG_KPROBES). Who puts a probe there is told; it is never armed.
 */
static unsigned long call_site(const char *name)
{
	struct kprobe probe = {
		.symbol_name = name,
		.flags = KPROBE_FLAG_DISABLED,
	};
	unsigned long ip;

	if (register_kprobe(&probe))
		return 0;
	ip = (unsigned long)probe.addr;
	unregister_kprobe(&probe);
	return ip;
}

static void init_ops(struct ftrace_ops *ops)
{
	*ops = (struct ftrace_ops) {
		.func = redirect_callback,
		.flags = FTRACE_OPS_FL_SAVE_REGS | FTRACE_OPS_FL_IPMODIFY |
			 FTRACE_OPS_FL_PERMANENT,
	};
}

static int add_function(struct ftrace_ops *ops, struct kvm_ext_redirect *r)
{
	int err;

	/* For a name, ftrace compares those of all functions that can be traced. */
	r->ip = call_site(r->name);
	err = r->ip ? ftrace_set_filter_ip(ops, r->ip, 0, 0) :
		ftrace_set_filter(ops, (unsigned char *)r->name, strlen(r->name), 0);
	if (err)
		pr_err("cannot redirect %s: no such function in this kernel, or it cannot be traced (%d)\n",
		       r->name, err);
	return err == -EINVAL ? -ENOENT : err;
}

/* Somebody holds a function: which? Tried one by one, while nothing calls ours yet. */
static void name_held(const struct kvm_ext_redirects *t)
{
	struct kvm_ext_redirect *r;
	int err;

	for (r = t->row; r < t->row + t->nr; r++) {
		struct kvm_ext_redirects one = { .row = t->row, .nr = t->nr };

		if (!applies(r))
			continue;
		init_ops(&one.ops);
		err = add_function(&one.ops, r) ?: register_ftrace_function(&one.ops);
		if (!err)
			unregister_ftrace_function(&one.ops);
		ftrace_free_filter(&one.ops);
		if (err) {
			pr_err("cannot redirect %s: it is held by another owner (a live patch?) or kernel.ftrace_enabled is 0\n",
			       r->name);
			return;
		}
	}
}

int kvm_ext_redirect_register(struct kvm_ext_redirects *t)
{
	struct kvm_ext_redirect *r;
	bool any = false;
	int err = 0;

	init_ops(&t->ops);
	for (r = t->row; r < t->row + t->nr && !err; r++) {
		r->original = NULL;
		if (!applies(r))
			continue;
		err = add_function(&t->ops, r);
		any = true;
	}
	if (err || !any)
		goto free;

	err = register_ftrace_function(&t->ops);
	if (err == -EBUSY)
		name_held(t);
	else if (err)
		pr_err("ftrace refused to redirect functions (%d)\n", err);
	if (!err)
		return 0;
free:
	/* Without a filter it would be about all functions. */
	ftrace_free_filter(&t->ops);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_redirect_register);

void kvm_ext_redirect_unregister(struct kvm_ext_redirects *t)
{
	/* nothing was registered if no row applies */
	if (t->ops.flags & FTRACE_OPS_FL_ENABLED)
		unregister_ftrace_function(&t->ops);
	ftrace_free_filter(&t->ops);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_redirect_unregister);

static void *find_original(const struct kvm_ext_redirect *r)
{
	unsigned long ip = READ_ONCE(r->ip), offset;

	return is_in(r, ip, &offset) ? (void *)(ip - offset) : NULL;
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
