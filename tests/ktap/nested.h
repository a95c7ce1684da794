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

/* What an L2 page may be used for. */
#define NESTED_READ	0x4
#define NESTED_WRITE	0x2
#define NESTED_EXEC	0x1

/**
 * struct nested - an L1 with its tables
 * @vm: the L1
 * @tables: memory of the tables
 * @used: how much of it
 */
struct nested {
	struct vm *vm;
	char *tables;
	size_t used;
};

/* Why the host cannot run nested guests; NULL when it can. */
const char *nested_missing(void);

/* The VM must have been created with config.nested. */
struct nested *nested_create(struct vm *vm);
void nested_destroy(struct nested *n);

/* Creates the L2; its system memory is the L1's. */
void nested_add_guest(struct nested *n, unsigned int lpid);
void nested_map(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 l1_gpa,
		size_t size, unsigned int access);

/*
 * Makes vCPU n of L1 run a vCPU of the L2 that works on an area which no vCPU
 * of L1 has; returns that area. It runs from nested_start() to nested_stop().
 */
struct guest_area *nested_vcpu(struct nested *n, unsigned int l1_vcpu,
			       unsigned int lpid, unsigned int area);
void nested_start(struct vcpu *l1, struct guest_area *l2, enum guest_op op);
void nested_stop(struct vcpu *l1, struct guest_area *l2);

#endif
