/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the host program and the guest agree on
 *
 * The guest is one flat image at guest real address 0. It runs in real mode,
 * little endian, without interrupts. Each vCPU has an area of its own that
 * holds a command block, a list of stores or loads, and its stack. The host
 * fills in the block and runs the vCPU; the guest carries out the command and
 * leaves by a hypercall that no hypervisor knows, so that KVM hands it to the
 * host program.
 *
 * Layout of the guest's system memory:
 *	0			vectors, code, data (GUEST_CODE_SIZE)
 *	GUEST_AREA(n)		area of vCPU n (GUEST_AREA_SIZE)
 *	GUEST_SYS_SIZE		end; what lies above belongs to the test
 */
#ifndef TESTS_GUEST_H
#define TESTS_GUEST_H

#define GUEST_CODE_SIZE		0x10000
#define GUEST_ENTRY		0x2000
#define GUEST_AREA_SIZE		0x20000
#define GUEST_MAX_VCPUS		8
#define GUEST_AREA(n)		(GUEST_CODE_SIZE + (n) * GUEST_AREA_SIZE)
#define GUEST_SYS_SIZE		0x200000

/* Hypercall numbers by which the guest leaves to the host program. */
#define GUEST_EXIT_DONE		0xfa00
#define GUEST_EXIT_FAULT	0xfa04

/* PAPR: the hypercalls that GUEST_HPTES and GUEST_AREAS make. */
#define H_REMOVE		0x04
#define H_ENTER			0x08
#define H_READ			0x0c
#define H_CLEAR_MOD		0x10
#define H_CLEAR_REF		0x14
#define H_PROTECT		0x18
#define H_EXACT			0x8000000000ull	/* flag of H_ENTER: no other place */
#define H_REGISTER_VPA		0xdc
#define H_REGISTER_VPA_SHIFT	45	/* of the sub-function in the flags */
#define H_REGISTER_VPA_FUNCS	8

#ifndef __ASSEMBLER__

#include <linux/types.h>

/**
 * enum guest_op - commands
 * @GUEST_STORE: store list[i].value to list[i].addr, for each i < count
 * @GUEST_LOAD: load list[i].addr into list[i].value, for each i < count
 * @GUEST_UPDATE: for each i < count, load list[i].addr, and store list[i].value there
 * @GUEST_CHURN: until stop, store rising numbers to pages chosen at random
 *	among the count pages of size stride from addr on
 * @GUEST_REMEMBER: GUEST_CHURN that keeps the last value stored to each page in
 *	list[].value, and first loads the page, which must hold that value; half
 *	of the times it only loads
 * @GUEST_REWRITE: until stop, pass after pass, verify each word of the count pages of
 *	size stride from addr on, and rewrite one in GUEST_REWRITE_ONE_IN of these
 *	pages, chosen at random
 * @GUEST_SERVE: until stop, carry out GUEST_STORE each time request changes,
 *	then set served to it; the vCPU never leaves the guest meanwhile
 * @GUEST_HCALL: hypercall with r3..r12 from regs, and back
 * @GUEST_ENTER_NESTED: run the nested guest's vCPU in nested until it leaves by
 *	a hypercall, or for a reason that only the host program understands
 * @GUEST_AREAS: until stop, H_REGISTER_VPA with sub-functions, vCPUs and areas
 *	chosen at random: for each of the vcpus vCPUs, and for VPA, DTL and SLB
 *	shadow by turns, count places at distance stride from addr on
 * @GUEST_HPTES: until stop, for each of count HPTEs: H_ENTER with H_EXACT, H_READ,
 *	store to what it maps, now and then other hypercalls that change it, H_REMOVE.
 *	Each takes two list entries: index and address to store to, and the HPTE
 * @GUEST_GUESTS: until stop, for each of count guests of its own: make the entry of
 *	the partition table, enter, clear the entry, and invalidate all of the LPID.
 *	list[i] is where the entry is, and the LPID; regs[0] is what the entry is
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
 * H_ENTER_NESTED takes a vCPU's state as two arrays of doublewords, here with
 * room for what later versions may add: hypervisor state (version 1) and the
 * rest. Each nested vCPU runs the same image with an area of its own.
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
 * @hv: hypervisor state, NESTED_HV_
 * @regs: registers, NESTED_REGS_
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
 * @count: number of list entries, of pages, of places, of HPTEs, or of guests
 * @addr: first address (GUEST_CHURN, GUEST_REMEMBER, GUEST_REWRITE, GUEST_AREAS)
 * @stride: distance of pages or places (the same)
 * @seed: start of the pseudo-random sequence, not 0 (the same)
 * @stop: set by the host to end a command that runs until stopped
 * @progress: number of stores done by GUEST_CHURN and GUEST_REMEMBER, of passes by
 *	GUEST_REWRITE, of calls by GUEST_AREAS, of HPTEs entered by GUEST_HPTES, of
 *	guests begun by GUEST_GUESTS
 * @wrong: number of loads by GUEST_REMEMBER, or of pages verified by GUEST_REWRITE,
 *	of other values than were stored; of HPTEs that GUEST_HPTES has entered and
 *	does not find; of guests that left otherwise than by @trap (GUEST_GUESTS)
 * @refused: number of calls by GUEST_AREAS that had no success; of calls by
 *	GUEST_HPTES and GUEST_GUESTS that returned what they must not
 * @vcpus: number of vCPUs (GUEST_AREAS)
 * @trap: why each guest must leave (GUEST_GUESTS): the interrupt vector
 * @request: raised by the host to ask for a round of stores (GUEST_SERVE)
 * @served: the last request that was carried out
 * @regs: hypercall registers r3..r12
 * @nested: the vCPU that GUEST_ENTER_NESTED runs
 * @list: stores or loads; of GUEST_REMEMBER, what each page must hold; of
 *	GUEST_REWRITE, in which pass it was written
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

/* In the guest: a hypercall with r3..r12 from and to memory, and the command loop. */
void hcall(__u64 regs[GUEST_HCALL_REGS]);
void guest_main(struct guest_area *area);

#endif /* __ASSEMBLER__ */
#endif
