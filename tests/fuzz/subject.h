/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The VM that a program is tried on, and the memory that it can give to guests
 *
 * All memory is at fixed addresses, so the numbers of a program mean the same
 * in each run.
 */
#ifndef TESTS_FUZZ_SUBJECT_H
#define TESTS_FUZZ_SUBJECT_H

#include "../ktap/nested.h"

/* Addresses and sizes in programs are multiples of it on every host. */
#define FUZZ_PAGE	0x10000ull

/*
 * Host memory. PRIVATE has a pattern wherever no memslot is. SHARED consists of
 * pages of one file; the pages between them, which have a pattern too, are no
 * guest's. BUFFER is for arguments, and nothing is mapped after it. They are
 * farther apart than any memslot is large.
 */
#define PRIVATE		0x600000000000ull
#define PRIVATE_SIZE	0x400000ull
#define PRIVATE_PAGES	(PRIVATE_SIZE / FUZZ_PAGE)
#define SHARED		0x601000000000ull
#define SHARED_SIZE	0x200000ull
#define BUFFER		0x603000000000ull
#define BUFFER_SIZE	0x200000ull
#define READ_ONLY	0x604000000000ull

/* Guest memory at the start of a program; the first memslot is logged. */
#define SLOT_1		1
#define GPA_1		VM_DATA_GPA
#define HVA_1		(PRIVATE + 0x200000)
#define SIZE_1		0x100000ull
#define SLOT_2		2
#define GPA_2		(2 * VM_DATA_GPA)
#define GPA_3		(3 * VM_DATA_GPA)

/* A nested guest with this LPID has SIZE_1 of L1's memory from GPA_2 on at GPA_1. */
#define FUZZ_LPID	9

enum subject_kind {
	SUBJECT_RADIX,
	SUBJECT_PINNED,		/* created with paging=0 */
	SUBJECT_HPT,
	SUBJECT_NESTED,
	NR_SUBJECTS,
};

/**
 * struct subject - the VM
 * @kind: what it was created as
 * @vm: it, with two vCPUs
 * @slot: the memslots that programs have made, by id
 * @given: pages of PRIVATE that a guest or the kernel may have written to
 * @n: L1's tables, if @kind is SUBJECT_NESTED, as well as the next two
 * @l2: its guest, which the first vCPU runs
 * @table: tables on the way to GPA_1, by level
 */
struct subject {
	enum subject_kind kind;
	struct vm *vm;
	struct slot slot[VM_MAX_SLOTS];
	bool given[PRIVATE_PAGES];
	struct nested *n;
	struct l2 l2;
	__u64 *table[NESTED_LEVELS];
};

extern const char *const subject_names[NR_SUBJECTS];

/* Return why the host cannot have such a VM, or NULL. */
const char *subject_missing(enum subject_kind kind);

/* Map all memory but PRIVATE, once. */
void subject_memory(void);

/* Count the pages between those of SHARED that were written to. */
unsigned long subject_guards_spoilt(void);

/* Once in each process. */
void subject_create(struct subject *s, enum subject_kind kind);

/* Count the pages of PRIVATE without their pattern that were never given away. */
unsigned long subject_private_spoilt(const struct subject *s);

/* Somebody else may write to this memory from now on. */
void subject_give(struct subject *s, __u64 addr, __u64 size);

/* Return the host address of guest memory in a memslot of a program, or 0. */
__u64 subject_hva(const struct subject *s, __u64 gpa);

/*
 * Run a command on a vCPU for a limited time. Return 0 if it was done, the exit
 * reason, or -errno; afterwards the vCPU is ready for another command.
 */
int subject_run(struct subject *s, unsigned int vcpu, enum guest_op op);

#endif
