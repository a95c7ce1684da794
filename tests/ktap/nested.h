/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nested guests: what a guest that is itself a hypervisor has in its memory
 *
 * The guest (L1) enters its own guest (L2) by H_ENTER_NESTED. The tables that
 * this takes, a partition table and a radix tree from L2 to L1 addresses, are
 * written into L1's memory from here, so that a test can change them at any
 * time, with and without the invalidation that L1 owes its hypervisor. L2 runs
 * the same image and understands the same commands as L1.
 */
#ifndef TESTS_KTAP_NESTED_H
#define TESTS_KTAP_NESTED_H

#include "vm.h"

#define NESTED_TABLES_SLOT	(VM_MAX_SLOTS - 1)
#define NESTED_TABLES_GPA	0x8000000ull
#define NESTED_PAGE		0x10000ull	/* that L1 maps L2 with */
#define NESTED_LARGE_PAGE	0x200000ull	/* the same, nested_map_large() */

/* What an L2 page may be used for. */
#define NESTED_READ	0x4
#define NESTED_WRITE	0x2
#define NESTED_EXEC	0x1

/* R and C of an entry of L1's. */
#define NESTED_R	0x100
#define NESTED_C	0x80

/* What L1 invalidates, as its tlbie has it in RB: a page, an LPID, all LPIDs. */
#define NESTED_RB_PAGE(gpa)	(((gpa) & ~0xfffull) | 5 << 5)
#define NESTED_RB_LARGE(gpa)	(((gpa) & ~0xfffull) | 1 << 5)
#define NESTED_RB_LPID		0x800
#define NESTED_RB_ALL		0xc00

/* And in RIC: translations, or all that comes of the partition table. */
#define NESTED_RIC_TLB		0
#define NESTED_RIC_ALL		2

/* Why an L2 leaves: interrupt vector, and bits of HDSISR. */
#define NESTED_HDSI		0xe00
#define NESTED_HDSI_NO_ENTRY	0x40000000
#define NESTED_HDSI_PROTECTED	0x08000000
#define NESTED_HDSI_STORE	0x02000000
#define NESTED_HDSI_SET_RC	0x00040000

/**
 * struct nested - an L1 with its tables
 * @vm: the L1
 * @tables: memory of the tables
 * @used: how much of it
 * @asked: how often L1 was asked to set R or C in an entry
 */
struct nested {
	struct vm *vm;
	char *tables;
	size_t used;
	unsigned long asked;
};

/* Why the host cannot run nested guests; NULL when it can. */
const char *nested_missing(void);

/* A VM that may have nested guests, in *vm; the same. */
const char *nested_vm_create(struct vm **vm, unsigned int nr_vcpus);

/* The VM must have been created with config.nested. */
struct nested *nested_create(struct vm *vm);
void nested_destroy(struct nested *n);

/* Creates the L2; its system memory is the L1's. */
void nested_add_guest(struct nested *n, unsigned int lpid);
void nested_map(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 l1_gpa,
		size_t size, unsigned int access);
void nested_map_large(struct nested *n, unsigned int lpid, __u64 l2_gpa,
		      __u64 l1_gpa, unsigned int access);
void nested_unmap(struct nested *n, unsigned int lpid, __u64 l2_gpa);

/* Clears and sets bits of the entry that maps an address; returns it as it was. */
__u64 nested_change(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 clear,
		    __u64 set);

/*
 * The entry of L2's tree for an address at a level, 0 is the root's, and where L1
 * has that entry's table.
 */
#define NESTED_LEVELS	4
__u64 *nested_tree_entry(struct nested *n, unsigned int lpid, __u64 l2_gpa,
			 unsigned int level);
__u64 nested_table_gpa(const struct nested *n, const __u64 *entry, unsigned int level);

/* The partition table's entry, in the byte order that it has in memory. */
__u64 *nested_guest_entry(struct nested *n, unsigned int lpid);

/* L1's tlbie, on a vCPU that runs nothing else. */
__u64 nested_tlbie(struct vcpu *l1, unsigned int ric, unsigned int lpid, __u64 rb);

/**
 * struct l2 - an L2 with one vCPU, and the L1 vCPU that runs it
 * @n: the L1
 * @l1: its vCPU
 * @lpid: the L2's LPID
 * @area: the L2 vCPU's area, which no vCPU of L1 may have
 */
struct l2 {
	struct nested *n;
	struct vcpu *l1;
	unsigned int lpid;
	struct guest_area *area;
};

void l2_init(struct l2 *l2, struct nested *n, unsigned int l1_vcpu,
	     unsigned int lpid, unsigned int area);

/* An L1 with one L2, which its first vCPU runs. */
struct nested *nested_create_one(struct vm *vm, struct l2 *l2, unsigned int lpid);

/* The vCPU on a thread of its own, for a command that runs until it is stopped. */
void l2_start(struct l2 *l2, enum guest_op op);
void l2_stop(struct l2 *l2);

/* The same, for an L2 that may leave for L1 to deal with: why, 0 when it was done. */
__u64 l2_join(struct l2 *l2);

/*
 * A command on the calling thread: 0 when it was done, else the interrupt by
 * which L2 left for L1 to deal with. That L1 is asked to set R or C is dealt
 * with here. l2_resume() goes on with the command.
 */
__u64 l2_run(struct l2 *l2, enum guest_op op);
__u64 l2_resume(struct l2 *l2);

/* Commands that nothing may interrupt; one access per page of NESTED_PAGE. */
void l2_do(struct l2 *l2, enum guest_op op);
void l2_store(struct l2 *l2, __u64 addr, __u64 value);
__u64 l2_load(struct l2 *l2, __u64 addr);
void l2_store_pages(struct l2 *l2, __u64 addr, size_t count, __u64 value);
void l2_load_pages(struct l2 *l2, __u64 addr, size_t count);

#endif
