// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection of stock functions by ftrace: the mechanism, for any table.
 *
 * All functions of a table share one ftrace_ops. With several, ftrace would ask
 * each of them at every call of a redirected function, and some of these run at
 * every page fault and guest entry.
 *
 * This file and hooks.c are built without tracing (see the Makefile): the
 * callback and the predicates run inside ftrace, where a traced function would
 * recurse. Kernels with CALL_OPS call the callback directly, without a
 * recursion guard, and leave preemption as it is in the caller. Other kernels,
 * and all kernels for a function that a second tracer uses, call it through
 * ftrace's list function with preemption disabled. The recursion guard of the
 * list function never drops the callback, because no callback calls a
 * redirected function in the same context.
 *
 * Without FTRACE_OPS_FL_SAVE_REGS ftrace saves what is needed (the arguments, the return
 * address, the address of the function) and gives the same back. With it, r13 is among
 * what it gives back: if the task was preempted meanwhile and runs on another CPU, that
 * is the other CPU's paca, and so another task's stack canary and current.
 *
 * FTRACE_OPS_FL_PERMANENT makes kernel.ftrace_enabled=0 fail while redirects
 * are registered. Only a CPU that has disabled ftrace in its paca (guest entry
 * and exit, NMIs, kexec, CPU offline) bypasses the redirects; no redirected
 * function is called there.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/module.h>
#include <linux/sched.h>
#include <linux/slab.h>

#include "compat.h"
#include "kunit.h"
#include "redirect.h"

static bool redirect_applies(const struct khx_redirect *r)
{
	return !r->facet || *r->facet;
}

static const struct khx_redirect *redirect_row(const struct khx_redirects *t,
					       unsigned long ip)
{
	const struct khx_redirect *r;

	for (r = t->row; r < t->row + t->nr; r++)
		if (r->ip == ip)
			return r;
	return NULL;
}

/* The prologue copies the return address to r0 (khx_hook_called_by_us()). */
static bool redirect_called_by(const struct khx_redirect *r, const struct pt_regs *regs)
{
	return !r->caller || regs->gpr[0] - r->caller_start < r->caller_size;
}

static void redirect_callback(unsigned long ip, unsigned long parent_ip,
			      struct ftrace_ops *ops, struct ftrace_regs *fregs)
{
	const struct khx_redirects *t = container_of(ops, struct khx_redirects, ops);
	const struct khx_redirect *r = redirect_row(t, ip);
	struct pt_regs *regs = khx_ftrace_regs(fregs);

	if (!WARN_ON_ONCE(!r) && redirect_called_by(r, regs) && r->wanted(regs))
		regs_set_return_ip(regs, (unsigned long)r->stub);
}

/* The kprobes by which functions of a table are looked up. */
struct redirect_lookups {
	struct kprobe *probe, **registered;
	unsigned int nr;
};

/*
 * Find a function: its call to ftrace, its start, and its size. Registering a
 * disabled kprobe, which is never armed, makes the kernel resolve the symbol.
 * The caller unregisters all kprobes of @lookups together: unregister_kprobe()
 * waits for an RCU grace period, and 48 of these would be most of the time that
 * the module needs to load.
 */
static int redirect_locate(struct redirect_lookups *lookups, const char *name,
			   unsigned long *ip, unsigned long *start, unsigned long *size)
{
	struct kprobe *probe = &lookups->probe[lookups->nr];
	char symbol[KSYM_SYMBOL_LEN], *plus;
	unsigned long offset;
	int err;

	probe->symbol_name = name;
	probe->flags = KPROBE_FLAG_DISABLED;
	err = register_kprobe(probe);
	if (err)
		return err;
	lookups->registered[lookups->nr++] = probe;
	*ip = (unsigned long)probe->addr;

	/* "name+0xoffset/0xsize [module]" */
	sprint_symbol(symbol, *ip);
	plus = strrchr(symbol, '+');
	if (!plus || sscanf(plus, "+0x%lx/0x%lx", &offset, size) != 2)
		return -ENOENT;
	*start = *ip - offset;
	return 0;
}

static void redirect_init_ops(struct ftrace_ops *ops)
{
	*ops = (struct ftrace_ops) {
		.func = redirect_callback,
		.flags = FTRACE_OPS_FL_IPMODIFY | FTRACE_OPS_FL_PERMANENT,
	};
}

static int redirect_find(struct redirect_lookups *lookups, struct khx_redirect *r)
{
	unsigned long ip, start = 0, size;
	const char *name = r->name;
	int err;

	err = redirect_locate(lookups, name, &r->ip, &start, &size);
	if (!err && r->caller) {
		name = r->caller;
		err = redirect_locate(lookups, name, &ip, &r->caller_start, &r->caller_size);
	}
	if (err)
		pr_err("cannot redirect %s: not in this kernel, or not traceable (%d)\n",
		       name, err);
	else if (r->original)
		*r->original = (void *)start;
	return err == -EINVAL ? -ENOENT : err;
}

int khx_redirect_resolve(struct khx_redirects *t)
{
	/* a row has one function, and may have a caller */
	struct redirect_lookups lookups = {
		.probe = kvcalloc(2 * t->nr, sizeof(struct kprobe), GFP_KERNEL),
		.registered = kvcalloc(2 * t->nr, sizeof(struct kprobe *), GFP_KERNEL),
	};
	int err = lookups.probe && lookups.registered ? 0 : -ENOMEM;
	struct khx_redirect *r;

	for (r = t->row; r < t->row + t->nr && !err; r++)
		if (redirect_applies(r))
			err = redirect_find(&lookups, r);

	unregister_kprobes(lookups.registered, lookups.nr);
	kvfree(lookups.registered);
	kvfree(lookups.probe);
	return err;
}

/* By address: for a name, ftrace would compare all traceable functions. */
static int redirect_add(struct ftrace_ops *ops, const struct khx_redirect *r)
{
	return ftrace_set_filter_ip(ops, r->ip, 0, 0);
}

/*
 * ftrace returns -EAGAIN while the trampoline of a BPF program that traces one
 * of the functions is being changed.
 */
static int redirect_register_ops(struct ftrace_ops *ops)
{
	unsigned int i;
	int err;

	for (i = 0; i < 100; i++) {
		err = register_ftrace_function(ops);
		if (err != -EAGAIN)
			break;
		msleep(20);
	}
	return err;
}

/*
 * Log which function another owner holds, by registering the rows one by one.
 * No VM relies on this table yet.
 */
static void redirect_name_held(const struct khx_redirects *t)
{
	struct khx_redirect *r;
	int err;

	for (r = t->row; r < t->row + t->nr; r++) {
		struct khx_redirects one = { .row = t->row, .nr = t->nr };

		if (!redirect_applies(r) || !r->stub)
			continue;
		redirect_init_ops(&one.ops);
		err = redirect_add(&one.ops, r) ?: redirect_register_ops(&one.ops);
		if (!err)
			unregister_ftrace_function(&one.ops);
		ftrace_free_filter(&one.ops);
		if (err) {
			pr_err("cannot redirect %s: a live patch, a direct call or another module holds it, or kernel.ftrace_enabled is 0\n",
			       r->name);
			return;
		}
	}
}

int khx_redirect_register(struct khx_redirects *t)
{
	struct khx_redirect *r;
	bool any = false;
	int err;

	redirect_init_ops(&t->ops);
	err = khx_redirect_resolve(t);
	if (err)
		goto free;
	for (r = t->row; r < t->row + t->nr && !err; r++) {
		if (!redirect_applies(r) || !r->stub)
			continue;
		err = redirect_add(&t->ops, r);
		any = true;
	}
	if (!any)
		goto free;

	err = err ?: redirect_register_ops(&t->ops);
	if (err == -EBUSY)
		redirect_name_held(t);
	else if (err)
		pr_err("ftrace refused to redirect functions (%d)\n", err);
	if (!err)
		return 0;
free:
	/* ops without a filter would trace all functions */
	ftrace_free_filter(&t->ops);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_redirect_register);

void khx_redirect_unregister(struct khx_redirects *t)
{
	/* not registered if no row applies */
	if (t->ops.flags & FTRACE_OPS_FL_ENABLED && unregister_ftrace_function(&t->ops)) {
		pr_emerg("a fault has disabled ftrace, which keeps this module's hooks: the module cannot be removed; reboot when possible\n");
		for (;;)
			schedule_timeout_idle(MAX_SCHEDULE_TIMEOUT);
	}
	ftrace_free_filter(&t->ops);
}
EXPORT_SYMBOL_IF_KUNIT(khx_redirect_unregister);
