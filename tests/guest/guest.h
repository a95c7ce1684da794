/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Interface between the host program and the guest
 *
 * The guest is one flat image at guest real address 0. It runs in real mode,
 * little endian, without interrupts. Each vCPU has its own area with a command
 * block, a list of stores or loads, and its stack. The host fills in the block
 * and runs the vCPU. The guest carries out the command and then makes a
 * hypercall that no hypervisor implements, so that KVM exits to the host
 * program.
 *
 * Layout of the guest's system memory:
 *	0			vectors, code, data (GUEST_CODE_SIZE)
 *	GUEST_AREA(n)		area of vCPU n (GUEST_AREA_SIZE)
 *	GUEST_SYS_SIZE		end; the test uses the memory above
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#define GUEST_CODE_SIZE		0x10000
#define GUEST_ENTRY		0x2000
#define GUEST_AREA_SIZE		0x20000
#define GUEST_MAX_VCPUS		8
#define GUEST_AREA(n)		(GUEST_CODE_SIZE + (n) * GUEST_AREA_SIZE)
#define GUEST_SYS_SIZE		0x200000

/* Hypercalls by which the guest exits to the host program. */
#define GUEST_EXIT_DONE		0xfa00
#define GUEST_EXIT_FAULT	0xfa04

/* PAPR: the hypercalls that GUEST_HPTES and GUEST_AREAS make. */
#define H_REMOVE		0x04
#define H_ENTER			0x08
#define H_READ			0x0c
#define H_CLEAR_MOD		0x10
#define H_CLEAR_REF		0x14
#define H_PROTECT		0x18
#define H_EXACT			0x8000000000ull	/* H_ENTER: this index only */
#define H_REGISTER_VPA		0xdc
#define H_REGISTER_VPA_SHIFT	45	/* sub-function in the flags */
#define H_REGISTER_VPA_FUNCS	8

#ifndef __ASSEMBLER__

#include <linux/types.h>

/**
 * enum guest_op - commands
 * @GUEST_STORE: store list[i].value to list[i].addr, for each i < count
 * @GUEST_LOAD: load list[i].addr into list[i].value, for each i < count
 * @GUEST_UPDATE: for each i < count, load list[i].addr, then store
 *	list[i].value there
 * @GUEST_CHURN: until stop, store increasing numbers to pages chosen at random
 *	among the count pages of size stride that start at addr
 * @GUEST_REMEMBER: like GUEST_CHURN, but keep the last value stored to each
 *	page in list[].value, and before each store verify that the page has it;
 *	in half of the cases only verify
 * @GUEST_REWRITE: until stop, in each pass verify each word of the count pages
 *	of size stride that start at addr, and rewrite one in
 *	GUEST_REWRITE_ONE_IN of these pages, chosen at random
 * @GUEST_SERVE: until stop, carry out GUEST_STORE each time request changes,
 *	then copy request to served; the guest makes no hypercall meanwhile
 * @GUEST_HCALL: make a hypercall with r3..r12 from regs; store them to regs
 * @GUEST_ENTER_NESTED: run the nested guest's vCPU in nested until it leaves by
 *	a hypercall, or by another interrupt than an external or a hypervisor
 *	decrementer interrupt
 * @GUEST_AREAS: until stop, H_REGISTER_VPA with sub-functions, vCPUs and
 *	addresses chosen at random. From addr on, at distance stride, there are
 *	count addresses for each of four groups, chosen by sub-function: VPA,
 *	DTL, SLB shadow and the sub-functions that are none of these
 * @GUEST_HPTES: until stop, for each of count HPTEs: H_ENTER with H_EXACT,
 *	H_READ, a store through the mapping, sometimes other hypercalls that
 *	change the HPTE, H_REMOVE. Each HPTE has two list entries: its index and
 *	the address to store to; its two doublewords
 * @GUEST_GUESTS: until stop, for each of count nested guests: write its entry
 *	of the partition table, enter it, clear the entry, and invalidate the
 *	whole LPID. list[i] has the address of the entry and the LPID; regs[0]
 *	has the value of the entry
 */
enum guest_op {
	GUEST_STORE,
	GUEST_LOAD,
	GUEST_UPDATE,
	GUEST_CHURN,
	GUEST_REMEMBER,
	GUEST_REWRITE,
	GUEST_SERVE,
	GUEST_HCALL,
	GUEST_ENTER_NESTED,
	GUEST_AREAS,
	GUEST_HPTES,
	GUEST_GUESTS,
};

#define GUEST_LIST_MAX	4096
#define GUEST_REWRITE_ONE_IN 8
#define GUEST_HCALL_REGS 10

struct guest_access {
	__u64 addr;
	__u64 value;
};

/*
 * H_ENTER_NESTED takes a vCPU's state as two arrays of doublewords: hypervisor
 * state (version 1) and registers. Both have room here for later versions. Each
 * nested vCPU runs the same image with its own area.
 */
#define NESTED_HV_VERSION	0
#define NESTED_HV_LPID_TOKEN	1	/* two words: LPID, vCPU token */
#define NESTED_HV_LPCR		2
#define NESTED_HV_HDEC_EXPIRY	11
#define NESTED_HV_HDAR		16
#define NESTED_HV_HDSISR	17
#define NESTED_HV_ASDR		19
#define NESTED_HV_WORDS		64

#define NESTED_REGS_NIP		32	/* after r0..r31 */
#define NESTED_REGS_MSR		33
#define NESTED_REGS_WORDS	64

/**
 * struct guest_nested - a nested vCPU, in the memory of the guest that runs it
 * @hv: hypervisor state, indexed by NESTED_HV_*
 * @regs: registers, indexed by NESTED_REGS_*
 * @trap: why GUEST_ENTER_NESTED ended: the interrupt vector
 */
struct guest_nested {
	__u64 hv[NESTED_HV_WORDS];
	__u64 regs[NESTED_REGS_WORDS];
	__u64 trap;
};

/**
 * struct guest_area - command block and list of one vCPU
 * @op: the command, an enum guest_op
 * @count: number of list entries, pages, addresses, HPTEs, or nested guests
 * @addr: first address (GUEST_CHURN, GUEST_REMEMBER, GUEST_REWRITE,
 *	GUEST_AREAS)
 * @stride: distance between pages or addresses (same commands)
 * @seed: start of the pseudo-random sequence, not 0 (same commands)
 * @stop: set by the host to end a command that runs until stopped
 * @progress: number of stores (GUEST_CHURN, GUEST_REMEMBER), passes
 *	(GUEST_REWRITE), hypercalls (GUEST_AREAS), HPTEs entered (GUEST_HPTES)
 *	or nested guests run (GUEST_GUESTS) so far
 * @wrong: number of loads (GUEST_REMEMBER) or pages (GUEST_REWRITE) with
 *	another value than was stored, of HPTEs that were entered and not found
 *	(GUEST_HPTES), or of nested guests that left by another interrupt than
 *	@trap (GUEST_GUESTS)
 * @refused: number of hypercalls that failed (GUEST_AREAS), or that failed and
 *	must not (GUEST_HPTES, GUEST_GUESTS)
 * @vcpus: number of vCPUs (GUEST_AREAS)
 * @trap: interrupt vector by which each nested guest must leave (GUEST_GUESTS)
 * @request: changed by the host to request a round of stores (GUEST_SERVE)
 * @served: the last request that was carried out
 * @regs: hypercall registers r3..r12
 * @nested: the vCPU that GUEST_ENTER_NESTED runs
 * @list: stores or loads; for GUEST_REMEMBER, the value of each page; for
 *	GUEST_REWRITE, the pass that last wrote it
 */
struct guest_area {
	__u64 op;
	__u64 count;
	__u64 addr;
	__u64 stride;
	__u64 seed;
	__u64 stop;
	__u64 progress;
	__u64 wrong;
	__u64 refused;
	__u64 vcpus;
	__u64 trap;
	__u64 request;
	__u64 served;
	__u64 regs[GUEST_HCALL_REGS];
	struct guest_nested nested;
	struct guest_access list[GUEST_LIST_MAX];
};

/* For guest code: a hypercall with r3..r12 in memory, and the command loop. */
void hcall(__u64 regs[GUEST_HCALL_REGS]);
void guest_main(struct guest_area *area);

#endif /* __ASSEMBLER__ */
#endif
