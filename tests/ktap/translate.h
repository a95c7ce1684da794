/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that translate their data addresses by a page table of their own
 *
 * KVM's table of a radix guest has 52 bits, and so have the addresses of a
 * guest in real mode. A page table of the guest can contain addresses of 57
 * bits; processors, and KVM, look up the lower 52 of them. The table here maps
 * windows on some of the addresses, also for nested guests. Instructions are
 * still fetched in real mode.
 */
#ifndef TESTS_KTAP_TRANSLATE_H
#define TESTS_KTAP_TRANSLATE_H

#include "nested.h"
#include "vm.h"

#define TRANSLATE_SLOT	(VM_MAX_SLOTS - 2)
#define TRANSLATE_SIZE	0x20000ul	/* of the tables, 64 KiB aligned */

#define GPA_TREE_END	0x10000000000000ull
#define GPA_ALL_HIGH	(0x1full << 52)	/* all higher bits a table can have */

/*
 * Return the effective address of a guest address. They are equal below 512
 * GiB; other guest addresses may be up to 256 GiB below or above GPA_TREE_END,
 * or less than 512 GiB above GPA_ALL_HIGH.
 */
__u64 translate_ea(__u64 gpa);

/* Set up the vCPUs of a radix VM; none may run. Adds a memslot for tables. */
void translate_vm(struct vm *vm);

/* The same in two steps: write the tables for a guest address; use them. */
void translate_write(void *tables, __u64 gpa);
void translate_use(struct vm *vm, __u64 gpa);

/*
 * Set up an L2 that has not run yet. The tables are in a memslot of its L1; all
 * addresses of the tables have @bits set.
 */
void translate_l2(struct l2 *l2, __u64 bits);

#endif
