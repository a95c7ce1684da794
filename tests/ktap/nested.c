// SPDX-License-Identifier: GPL-2.0
/*
 * Nested guests: what a guest that is itself a hypervisor has in its memory
 */
#define _GNU_SOURCE
#include "nested.h"

#include <endian.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define H_SET_PARTITION_TABLE	0xf800

#define TRAP_SYSCALL		0xc00

#define MSR_SF_ME_RI_LE		0x8000000000001003ull

#define LPCR_ILE		0x2000000ull

#define TABLES_SIZE		0x1000000
#define PARTITION_TABLE_SIZE	0x1000
#define PARTITION_TABLE_ENTRIES	(PARTITION_TABLE_SIZE / 16)

/* A tree of 52 bits: 13 + 9 + 9 + 5 bits of index, then pages of 64 KiB. */
#define PATE_HR			0x8000000000000000ull
#define PATE_GR			0x8000000000000000ull
#define PATE_52_BITS		(0x4000000000000000ull | 0xa0)
#define PTE_VALID		0x8000000000000000ull
#define PTE_LEAF		0x4000000000000000ull
#define PTE_R			0x100
#define PTE_C			0x80
#define PTE_ADDRESS		0x0fffffffffffff00ull

static const unsigned int level_bits[] = { 13, 9, 9, 5 };

#define LEVELS			4

const char *nested_missing(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PPC_NESTED_HV);

	close(kvm);
	return ret > 0 ? NULL : "the host runs no nested guests";
}

/* Room for a table in L1's memory, aligned to its size. */
static __u64 table_alloc(struct nested *n, size_t size)
{
	size_t at = (n->used + size - 1) & -size;

	if (at + size > TABLES_SIZE)
		die("no room for nested page tables");
	n->used = at + size;
	return NESTED_TABLES_GPA + at;
}

static __u64 *table_at(struct nested *n, __u64 gpa)
{
	return (__u64 *)(n->tables + (gpa - NESTED_TABLES_GPA));
}

struct nested *nested_create(struct vm *vm)
{
	struct nested *n = calloc(1, sizeof(*n));
	__u64 table, rc;
	int ret;

	n->vm = vm;
	n->tables = mem_alloc(TABLES_SIZE, BACKING_SMALL, NULL);
	ret = vm_set_slot(vm, NESTED_TABLES_SLOT, NESTED_TABLES_GPA, TABLES_SIZE,
			  n->tables, 0);
	if (ret)
		die("memslot of nested page tables: %s", strerror(-ret));
	table = table_alloc(n, PARTITION_TABLE_SIZE);
	/* The size field counts from 4 KiB. */
	rc = vcpu_hcall(&vm->vcpu[0], H_SET_PARTITION_TABLE, table, 0, 0);
	if (rc)
		die("H_SET_PARTITION_TABLE: %lld", (long long)rc);
	return n;
}

void nested_destroy(struct nested *n)
{
	mem_free(n->tables, TABLES_SIZE);
	free(n);
}

void nested_add_guest(struct nested *n, unsigned int lpid)
{
	__u64 *entry = table_at(n, NESTED_TABLES_GPA) + 2 * lpid;
	__u64 root = table_alloc(n, 8ul << level_bits[0]);

	if (lpid >= PARTITION_TABLE_ENTRIES)
		die("the partition table has no entry %u", lpid);
	entry[0] = htobe64(PATE_HR | PATE_52_BITS | root | level_bits[0]);
	entry[1] = htobe64(PATE_GR);
	nested_map(n, lpid, 0, 0, GUEST_SYS_SIZE,
		   NESTED_READ | NESTED_WRITE | NESTED_EXEC);
}

/* The entry of the last level for an L2 address; tables are made on the way. */
static __u64 *leaf_entry(struct nested *n, unsigned int lpid, __u64 gpa)
{
	__u64 entry = be64toh(table_at(n, NESTED_TABLES_GPA)[2 * lpid]);
	unsigned int level, shift = 52;
	__u64 *slot, table;

	for (level = 0;; level++) {
		shift -= level_bits[level];
		slot = table_at(n, entry & PTE_ADDRESS) +
		       (gpa >> shift & ((1u << level_bits[level]) - 1));
		if (level == LEVELS - 1)
			return slot;
		entry = be64toh(*slot);
		if (entry & PTE_VALID)
			continue;
		table = table_alloc(n, 8ul << level_bits[level + 1]);
		entry = PTE_VALID | table | level_bits[level + 1];
		*slot = htobe64(entry);
	}
}

/* R and C are set beforehand: L1 does not want to know. */
void nested_map(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 l1_gpa,
		size_t size, unsigned int access)
{
	size_t at;

	for (at = 0; at < size; at += NESTED_PAGE)
		*leaf_entry(n, lpid, l2_gpa + at) =
			htobe64(PTE_VALID | PTE_LEAF | PTE_R | PTE_C | access |
				(l1_gpa + at));
}

struct guest_area *nested_vcpu(struct nested *n, unsigned int l1_vcpu,
			       unsigned int lpid, unsigned int area)
{
	struct guest_nested *nested = &n->vm->vcpu[l1_vcpu].area->nested;

	memset(nested, 0, sizeof(*nested));
	nested->hv[NESTED_HV_VERSION] = 1;
	nested->hv[NESTED_HV_LPID_TOKEN] = lpid | (__u64)l1_vcpu << 32;
	nested->hv[NESTED_HV_LPCR] = LPCR_ILE;
	nested->regs[3] = GUEST_AREA(area);
	nested->regs[NESTED_REGS_NIP] = GUEST_ENTRY;
	nested->regs[NESTED_REGS_MSR] = MSR_SF_ME_RI_LE;
	return vm_area(n->vm, area);
}

void nested_start(struct vcpu *l1, struct guest_area *l2, enum guest_op op)
{
	l2->op = op;
	l2->stop = 0;
	vcpu_start(l1, GUEST_ENTER_NESTED);
}

void nested_stop(struct vcpu *l1, struct guest_area *l2)
{
	const struct guest_nested *nested = &l1->area->nested;

	area_stop(l2);
	vcpu_stop(l1);
	if (nested->trap != TRAP_SYSCALL || nested->regs[3] != GUEST_EXIT_DONE)
		die("L2 left by 0x%llx: r3 %llx NIP %llx HDAR %llx HDSISR %llx ASDR %llx",
		    nested->trap, nested->regs[3], nested->regs[NESTED_REGS_NIP],
		    nested->hv[NESTED_HV_HDAR], nested->hv[NESTED_HV_HDSISR],
		    nested->hv[NESTED_HV_ASDR]);
}
