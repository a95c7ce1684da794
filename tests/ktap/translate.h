/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Guests that have the addresses of their data translated by a page table of their
 * own
 *
 * The tree in which KVM keeps what a radix guest has is of 52 bits, and so are the
 * addresses of a guest in real mode. A page table of the guest's names addresses of
 * 57 bits; processors, and KVM, look up the lower 52 of them. The table here has
 * windows on some of the addresses, nested guests included; instructions are still
 * fetched in real mode.
 */
#ifndef TESTS_KTAP_TRANSLATE_H
#define TESTS_KTAP_TRANSLATE_H

#include "nested.h"
#include "vm.h"

#define TRANSLATE_SLOT	(VM_MAX_SLOTS - 2)
#define TRANSLATE_SIZE	0x20000ul	/* of the tables, which are aligned to 64 KiB */

#define GPA_TREE_END	0x10000000000000ull
#define GPA_ALL_HIGH	(0x1full << 52)	/* all bits above that a table can name */

/*
 * The effective address of a guest address: below 512 GiB they are the same; others
 * may be up to 256 GiB below or above GPA_TREE_END, or less than 512 GiB above
 * GPA_ALL_HIGH.
 */
__u64 translate_ea(__u64 gpa);

/* All vCPUs of a radix VM, none of which runs. The tables have a memslot of their own. */
void translate_vm(struct vm *vm);

/* The same in parts: the tables, as they are at a guest address, and their use. */
void translate_write(void *tables, __u64 gpa);
void translate_use(struct vm *vm, __u64 gpa);

/*
 * An L2 that has not run yet. It has a memslot of its L1's for its tables; all their
 * addresses have @bits too.
 */
void translate_l2(struct l2 *l2, __u64 bits);

#endif
