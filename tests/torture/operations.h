/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The operations that torture a VM
 *
 * An operation has four numbers, from which it makes what it needs: any sequence
 * of operations can be carried out, also a part of one.
 */
#ifndef TESTS_TORTURE_OPERATIONS_H
#define TESTS_TORTURE_OPERATIONS_H

#include "subject.h"

/* What an operation may do, and to which VMs. */
#define OP_STOCK	0x1	/* stock survives it */
#define OP_RUNNING	0x2	/* also while vCPUs run */
#define OP_FAULTY	0x4	/* it may fail when calls are made to fail */
#define OP_TAKES	0x8	/* takes pages: not if they are pinned */
#define OP_HPT		0x10	/* only where there are HPT guests */
#define OP_VM_HPT	0x20	/* only in a VM that is an HPT guest now */
#define OP_SWAP		0x40	/* only if there is swap */
#define OP_GLOBAL	0x80	/* affects the whole process: see struct episode */
#define OP_BESIDE	0x100	/* leaves the record alone: can be repeated beside others */
#define OP_ALONE	0x200	/* nothing may be repeated beside it */

/**
 * struct operation - a kind of operation
 * @name: its name in logs
 * @weight: how often it is chosen
 * @flags: OP_*
 * @run: returns 0, or -errno if it was refused
 */
struct operation {
	const char *name;
	unsigned int weight;
	unsigned int flags;
	int (*run)(struct subject *s, const __u32 a[4]);
};

#define MAX_OPERATIONS	40
extern const struct operation operations[];
extern const unsigned int nr_operations;

/* Can this operation be carried out on a VM? */
bool operation_suits(const struct operation *op, const struct subject *s);

/* Of memory.c: what the host does to memory. */
int op_advise(struct subject *s, const __u32 a[4]);
int op_drop(struct subject *s, const __u32 a[4]);
int op_free(struct subject *s, const __u32 a[4]);
int op_merge(struct subject *s, const __u32 a[4]);
int op_page_out(struct subject *s, const __u32 a[4]);
int op_protect(struct subject *s, const __u32 a[4]);
int op_move_memory(struct subject *s, const __u32 a[4]);
int op_move_node(struct subject *s, const __u32 a[4]);
int op_fork(struct subject *s, const __u32 a[4]);
int op_userfault(struct subject *s, const __u32 a[4]);
int op_reclaim(struct subject *s, const __u32 a[4]);
int op_compact(struct subject *s, const __u32 a[4]);

/* End the child that op_fork() keeps. */
void memory_end(void);

#endif
