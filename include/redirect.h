/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Redirection of functions of the running kernel to functions of a module.
 *
 * A redirect is a row of a table: the name of the stock function, an assembly
 * entry stub made with KHX_REDIRECT_STUB() which calls the replacement,
 * and a predicate that decides call by call, from the registers of the call,
 * whether it is to be redirected. Where the predicate says no, the stock
 * function runs as if nobody had looked.
 *
 * Arguments are in registers (r3 to r10), and a ninth in the caller's parameter save
 * area (ELFv2 ABI, 2.2.3 Parameter Passing), which the stub copies. Functions with more
 * cannot be redirected.
 */
#ifndef KHX_REDIRECT_H
#define KHX_REDIRECT_H

#include <linux/ftrace.h>
#include <linux/ptrace.h>

/**
 * struct khx_redirect - one stock function and what replaces it
 * @name:	symbol name of the stock function; must be unique and traceable
 * @stub:	entry stub (KHX_REDIRECT_STUB) of the replacement; NULL: the function
 *		is only found
 * @original:	where the function's entry point is put, for a replacement which
 *		adds to the function instead of taking its place. @wanted must then
 *		refuse calls that come from the replacement. NULL: nowhere
 * @wanted:	tells from the argument registers (@regs->gpr[3] and up) and the
 *		return address (in r0) whether this call is redirected.
 *		Called from any context the function is called in, and preempted
 *		where that may be; must be notrace and call nothing that is redirected.
 * @caller:	symbol name of the only function whose calls are redirected; NULL: all
 * @facet:	the row applies only if this is true; NULL: always
 * @ip:		private: where the function calls ftrace
 * @caller_start: private: where @caller begins
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
 * struct khx_redirects - a table of them
 * @row:	the rows
 * @nr:		how many
 * @ops:	private: ftrace's part
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
 * Sets what @original of the rows points to.
 *
 * Context: process context, may sleep.
 * Return: 0; -ENOENT if a function does not exist or cannot be traced; its name
 * is logged.
 */
int khx_redirect_resolve(struct khx_redirects *t);

/**
 * khx_redirect_register() - redirect all functions of a table, or none
 * @t:		the table
 *
 * Finds the functions of the table first.
 *
 * Context: process context, may sleep.
 * Return: 0; errors of khx_redirect_resolve(); -EBUSY
 * if another owner (livepatch) holds one or ftrace is disabled by sysctl;
 * other errors of ftrace. The name of the function that failed is logged, and
 * none of the table is redirected then.
 */
int khx_redirect_register(struct khx_redirects *t);

/**
 * khx_redirect_unregister() - undo khx_redirect_register()
 * @t:		the table
 *
 * ftrace refuses if it was disabled by a fault (ftrace_kill()), and keeps what it has
 * of us. Then this does not return, because the callback would go on being called
 * when the module has gone: the host runs on as it is.
 *
 * After return no further call is redirected and no CPU is in the callback.
 * A replacement that was entered earlier may still be running: who frees its
 * text waits for that by means of its own.
 *
 * Context: process context, may sleep.
 */
void khx_redirect_unregister(struct khx_redirects *t);

#endif /* KHX_REDIRECT_H */
