/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Nested guests: the tables that a guest hypervisor has in its memory
 *
 * The guest (L1) enters its own guest (L2) by H_ENTER_NESTED. That needs a
 * partition table and a radix tree from L2 to L1 addresses. The functions below
 * write both into L1's memory, so that a test can change them at any time, with
 * and without the invalidation that L1 must request. L2 runs the same image and
 * understands the same commands as L1.
 */
#ifndef TESTS_KTAP_NESTED_H
#define TESTS_KTAP_NESTED_H

#include "vm.h"

#define NESTED_TABLES_SLOT	(VM_MAX_SLOTS - 1)
#define NESTED_TABLES_GPA	0x8000000ull
#define NESTED_PAGE		0x10000ull	/* L1 maps L2 with these */
#define NESTED_LARGE_PAGE	0x200000ull	/* by nested_map_large() */

/* Access rights of an L2 page. */
#define NESTED_READ	0x4
#define NESTED_WRITE	0x2
#define NESTED_EXEC	0x1

/* R and C of an entry in L1's tables. */
#define NESTED_R	0x100
#define NESTED_C	0x80

/* RB of L1's tlbie: one page, one LPID, all LPIDs. */
#define NESTED_RB_PAGE(gpa)	(((gpa) & ~0xfffull) | 5 << 5)
#define NESTED_RB_LARGE(gpa)	(((gpa) & ~0xfffull) | 1 << 5)
#define NESTED_RB_LPID		0x800
#define NESTED_RB_ALL		0xc00

/* RIC: translations; or all that is cached, including the partition table. */
#define NESTED_RIC_TLB		0
#define NESTED_RIC_ALL		2

/* Why an L2 exits: interrupt vector, and bits of HDSISR. */
#define NESTED_HDSI		0xe00
#define NESTED_HDSI_NO_ENTRY	0x40000000
#define NESTED_HDSI_PROTECTED	0x08000000
#define NESTED_HDSI_STORE	0x02000000
#define NESTED_HDSI_SET_RC	0x00040000

/**
 * struct nested - an L1 with its tables
 * @vm: the L1
 * @tables: memory of the tables
 * @used: bytes of @tables in use
 * @asked: number of exits in which L1 had to set R or C in an entry
 */
struct nested {
	struct vm *vm;
	char *tables;
	size_t used;
	unsigned long asked;
};

/* Return why the host cannot run nested guests, or NULL if it can. */
const char *nested_missing(void);

/* Create a VM that may have nested guests in *vm. Return value as above. */
const char *nested_vm_create(struct vm **vm, unsigned int nr_vcpus);

/* Requires a VM created with config.nested. */
struct nested *nested_create(struct vm *vm);
void nested_destroy(struct nested *n);

/* Create the L2. It shares the L1's system memory. */
void nested_add_guest(struct nested *n, unsigned int lpid);
void nested_map(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 l1_gpa,
		size_t size, unsigned int access);
void nested_map_large(struct nested *n, unsigned int lpid, __u64 l2_gpa,
		      __u64 l1_gpa, unsigned int access);
void nested_unmap(struct nested *n, unsigned int lpid, __u64 l2_gpa);

/* Clear and set bits of the entry for an address. Return the old entry. */
__u64 nested_change(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 clear,
		    __u64 set);

/*
 * Return the entry of L2's tree for an address at a level, where 0 is the
 * root's; and the L1 address of the table that contains an entry.
 */
#define NESTED_LEVELS	4
__u64 *nested_tree_entry(struct nested *n, unsigned int lpid, __u64 l2_gpa,
			 unsigned int level);
__u64 nested_table_gpa(const struct nested *n, const __u64 *entry, unsigned int level);

/* Return the partition table entry, in the byte order of memory. */
__u64 *nested_guest_entry(struct nested *n, unsigned int lpid);

/*
 * Does the kernel report L1's invalidations of 4K pages? For pages smaller than its
 * own kvm-hv shifts by a negative number, which UBSAN notices.
 */
bool nested_4k_reported(void);

/* Issue L1's tlbie on a vCPU that runs nothing else. */
__u64 nested_tlbie(struct vcpu *l1, unsigned int ric, unsigned int lpid, __u64 rb);

/**
 * struct l2 - an L2 with one vCPU, and the L1 vCPU that runs it
 * @n: the L1
 * @l1: its vCPU
 * @lpid: the L2's LPID
 * @area: guest_area of the L2 vCPU; no vCPU of L1 may use it
 */
struct l2 {
	struct nested *n;
	struct vcpu *l1;
	unsigned int lpid;
	struct guest_area *area;
};

void l2_init(struct l2 *l2, struct nested *n, unsigned int l1_vcpu,
	     unsigned int lpid, unsigned int area);

/* Create an L1 with one L2, which the first vCPU of L1 runs. */
struct nested *nested_create_one(struct vm *vm, struct l2 *l2, unsigned int lpid);

/* Run a command on a thread of its own until it is stopped. */
void l2_start(struct l2 *l2, enum guest_op op);
void l2_stop(struct l2 *l2);

/* As l2_stop(), for an L2 that may exit to L1. Return value as l2_run(). */
__u64 l2_join(struct l2 *l2);

/*
 * Run a command on the calling thread. Return 0 if it was done, or the
 * interrupt of an exit that L1 must handle. An exit for L1 to set R or C is
 * handled here. l2_resume() continues the command.
 */
__u64 l2_run(struct l2 *l2, enum guest_op op);
__u64 l2_resume(struct l2 *l2);

/* Run a command that must not exit; one access per page of NESTED_PAGE. */
void l2_do(struct l2 *l2, enum guest_op op);
void l2_store(struct l2 *l2, __u64 addr, __u64 value);
__u64 l2_load(struct l2 *l2, __u64 addr);
void l2_store_pages(struct l2 *l2, __u64 addr, size_t count, __u64 value);
void l2_load_pages(struct l2 *l2, __u64 addr, size_t count);

#endif
