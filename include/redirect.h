/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Redirection of functions of the running kernel to functions of a module.
 *
 * A redirect is a row of a table: the name of the stock function; an assembly
 * entry stub made with KHX_REDIRECT_STUB(), which calls the replacement; and a
 * predicate that decides for each call, from its registers, whether to redirect
 * it. If the predicate returns false, the stock function runs unchanged.
 *
 * Arguments are in registers (r3 to r10). The stub copies a ninth argument from
 * the caller's parameter save area (ELFv2 ABI, 2.2.3 Parameter Passing).
 * Functions with more arguments cannot be redirected.
 */
#ifndef KHX_REDIRECT_H
#define KHX_REDIRECT_H

#include <linux/ftrace.h>
#include <linux/ptrace.h>

/**
 * struct khx_redirect - one stock function and its replacement
 * @name:	symbol name of the stock function; must be unique and traceable
 * @stub:	entry stub (KHX_REDIRECT_STUB) of the replacement; NULL: only
 *		find the function
 * @original:	where to store the function's entry point, for a replacement
 *		that calls the function. @wanted must then refuse calls from the
 *		replacement. NULL: nowhere
 * @wanted:	decides from the argument registers (@regs->gpr[3] and up) and
 *		the return address (in r0) whether to redirect this call. Runs
 *		in the context of the call, possibly with preemption enabled;
 *		must be notrace and must not call a redirected function.
 * @caller:	symbol name of the only function whose calls are redirected;
 *		NULL: any caller
 * @facet:	ignore the row if this is false; NULL: never
 * @ip:		private: address of the function's call to ftrace
 * @caller_start: private: first address of @caller
 * @caller_size: private: its size in bytes
 */
struct khx_redirect {
	const char *name;
	void (*stub)(void);
	void **original;
	bool (*wanted)(const struct pt_regs *regs);
	const char *caller;
	const bool *facet;
	unsigned long ip;
	unsigned long caller_start;
	unsigned long caller_size;
};

/**
 * struct khx_redirects - a table of redirects
 * @row:	the rows
 * @nr:		number of rows
 * @ops:	private: state for ftrace
 */
struct khx_redirects {
	struct khx_redirect *row;
	unsigned int nr;
	struct ftrace_ops ops;
};

/**
 * khx_redirect_resolve() - find the functions of a table
 * @t:		the table
 *
 * Stores entry points where @original of the rows points.
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOENT if a function does not exist or cannot be traced; other
 * errors of register_kprobe(), whose function is logged; -ENOMEM.
 */
int khx_redirect_resolve(struct khx_redirects *t);

/**
 * khx_redirect_register() - redirect all functions of a table, or none
 * @t:		the table
 *
 * Calls khx_redirect_resolve() first.
 *
 * Context: process context, may sleep.
 * Return: 0; errors of khx_redirect_resolve(); -EBUSY if another owner
 * (livepatch) holds a function, or ftrace is disabled by sysctl, the name of
 * the function is logged; other errors of ftrace. On error no function of the
 * table is redirected.
 */
int khx_redirect_register(struct khx_redirects *t);

/**
 * khx_redirect_unregister() - undo khx_redirect_register()
 * @t:		the table
 *
 * After a fault has disabled ftrace (ftrace_kill()), ftrace refuses, and keeps
 * the callback registered. The function then never returns, because ftrace
 * would go on calling the callback after the module is freed. The host
 * continues to run.
 *
 * After return no further call is redirected and no CPU is in the callback. A
 * replacement that was entered earlier may still be running: the caller waits
 * for it by other means before its text is freed.
 *
 * Context: process context, may sleep.
 */
void khx_redirect_unregister(struct khx_redirects *t);

#endif /* KHX_REDIRECT_H */
