// SPDX-License-Identifier: GPL-2.0
/*
 * Nested guests: the tables that a guest hypervisor has in its memory
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
#define H_TLB_INVALIDATE	0xf808

#define TLBIE_RIC_SHIFT		18
#define TLBIE_RADIX		0x10000

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
#define PTE_ADDRESS		0x0fffffffffffff00ull

static const unsigned int level_bits[NESTED_LEVELS] = { 13, 9, 9, 5 };

#define LEVEL_LARGE		2	/* of 2 MiB */
#define LEVEL_SMALL		3

const char *nested_missing(void)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	int ret = ioctl(kvm, KVM_CHECK_EXTENSION, KVM_CAP_PPC_NESTED_HV);

	close(kvm);
	return ret > 0 ? NULL : "the host runs no nested guests";
}

/* Allocate a table in L1's memory, aligned to its size. */
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

const char *nested_vm_create(struct vm **vm, unsigned int nr_vcpus)
{
	struct vm_config config = {
		.nr_vcpus = nr_vcpus,
		.mmu = VM_MMU_RADIX,
		.nested = true,
	};
	const char *why = nested_missing();

	if (!why)
		*vm = vm_create(&config);
	return why;
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
	/* Size field 0 is 4 KiB. */
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

__u64 *nested_guest_entry(struct nested *n, unsigned int lpid)
{
	return table_at(n, NESTED_TABLES_GPA) + 2 * lpid;
}

void nested_add_guest(struct nested *n, unsigned int lpid)
{
	__u64 *entry = nested_guest_entry(n, lpid);
	__u64 root = table_alloc(n, 8ul << level_bits[0]);

	if (lpid >= PARTITION_TABLE_ENTRIES)
		die("the partition table has no entry %u", lpid);
	entry[0] = htobe64(PATE_HR | PATE_52_BITS | root | level_bits[0]);
	entry[1] = htobe64(PATE_GR);
	nested_map(n, lpid, 0, 0, GUEST_SYS_SIZE,
		   NESTED_READ | NESTED_WRITE | NESTED_EXEC);
}

/*
 * Return the entry for an L2 address at level @last. If @make, allocate missing
 * tables, also in place of a larger page. Otherwise return the larger page's
 * entry, or NULL if nothing is mapped.
 */
static __u64 *entry_at(struct nested *n, unsigned int lpid, __u64 gpa,
		       unsigned int last, bool make)
{
	__u64 entry = be64toh(*nested_guest_entry(n, lpid));
	unsigned int level, shift = 52;
	__u64 *slot, table;

	for (level = 0;; level++) {
		shift -= level_bits[level];
		slot = table_at(n, entry & PTE_ADDRESS) +
		       (gpa >> shift & ((1u << level_bits[level]) - 1));
		if (level == last)
			return slot;
		entry = be64toh(*slot);
		if ((entry & PTE_VALID) && !(entry & PTE_LEAF))
			continue;
		if (!make)
			return entry & PTE_VALID ? slot : NULL;
		table = table_alloc(n, 8ul << level_bits[level + 1]);
		entry = PTE_VALID | table | level_bits[level + 1];
		*slot = htobe64(entry);
	}
}

/* Set R and C in advance: L1 does not track them. */
static __u64 leaf(__u64 l1_gpa, unsigned int access)
{
	return htobe64(PTE_VALID | PTE_LEAF | NESTED_R | NESTED_C | access | l1_gpa);
}

void nested_map(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 l1_gpa,
		size_t size, unsigned int access)
{
	size_t at;

	for (at = 0; at < size; at += NESTED_PAGE)
		*entry_at(n, lpid, l2_gpa + at, LEVEL_SMALL, true) =
			leaf(l1_gpa + at, access);
}

/* A table that the entry pointed to is not reused. */
void nested_map_large(struct nested *n, unsigned int lpid, __u64 l2_gpa,
		      __u64 l1_gpa, unsigned int access)
{
	*entry_at(n, lpid, l2_gpa, LEVEL_LARGE, true) = leaf(l1_gpa, access);
}

__u64 nested_change(struct nested *n, unsigned int lpid, __u64 l2_gpa, __u64 clear,
		    __u64 set)
{
	__u64 *entry = entry_at(n, lpid, l2_gpa, LEVEL_SMALL, false);
	__u64 was;

	if (!entry)
		die("LPID %u maps nothing at 0x%llx", lpid, l2_gpa);
	was = be64toh(*entry);
	*entry = htobe64((was & ~clear) | set);
	return was;
}

__u64 *nested_tree_entry(struct nested *n, unsigned int lpid, __u64 l2_gpa,
			 unsigned int level)
{
	return entry_at(n, lpid, l2_gpa, level, true);
}

__u64 nested_table_gpa(const struct nested *n, const __u64 *entry, unsigned int level)
{
	__u64 at = (const char *)entry - n->tables;

	return NESTED_TABLES_GPA + (at & -(8ull << level_bits[level]));
}

void nested_unmap(struct nested *n, unsigned int lpid, __u64 l2_gpa)
{
	nested_change(n, lpid, l2_gpa, -1ull, 0);
}

bool nested_4k_reported(void)
{
	return page_size() > 0x1000 && kernel_has("__ubsan_handle_shift_out_of_bounds");
}

__u64 nested_tlbie(struct vcpu *l1, unsigned int ric, unsigned int lpid, __u64 rb)
{
	const __u64 *regs = l1->area->regs;
	__u64 r7 = regs[4], rc;

	rc = vcpu_hcall(l1, H_TLB_INVALIDATE, ric << TLBIE_RIC_SHIFT | TLBIE_RADIX, lpid, rb);
	/* it has no result but the return code */
	if (regs[2] != lpid || regs[3] != rb || regs[4] != r7)
		die("H_TLB_INVALIDATE has changed r5, r6 or r7");
	return rc;
}

void l2_init(struct l2 *l2, struct nested *n, unsigned int l1_vcpu,
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
	*l2 = (struct l2){
		.n = n,
		.l1 = &n->vm->vcpu[l1_vcpu],
		.lpid = lpid,
		.area = vm_area(n->vm, area),
	};
}

struct nested *nested_create_one(struct vm *vm, struct l2 *l2, unsigned int lpid)
{
	struct nested *n = nested_create(vm);

	nested_add_guest(n, lpid);
	l2_init(l2, n, 0, lpid, GUEST_MAX_VCPUS - 1);
	return n;
}

void l2_start(struct l2 *l2, enum guest_op op)
{
	l2->area->op = op;
	l2->area->stop = 0;
	vcpu_start(l2->l1, GUEST_ENTER_NESTED);
}

static __u64 why_left(const struct l2 *l2)
{
	const struct guest_nested *nested = &l2->l1->area->nested;

	return nested->trap == TRAP_SYSCALL && nested->regs[3] == GUEST_EXIT_DONE ?
	       0 : nested->trap;
}

static void must_be_done(const struct l2 *l2, __u64 trap)
{
	const struct guest_nested *nested = &l2->l1->area->nested;

	if (trap)
		die("L2 exited by 0x%llx: r3 %llx NIP %llx HDAR %llx HDSISR %llx ASDR %llx",
		    trap, nested->regs[3], nested->regs[NESTED_REGS_NIP],
		    nested->hv[NESTED_HV_HDAR], nested->hv[NESTED_HV_HDSISR],
		    nested->hv[NESTED_HV_ASDR]);
}

__u64 l2_join(struct l2 *l2)
{
	area_stop(l2->area);
	vcpu_stop(l2->l1);
	return why_left(l2);
}

void l2_stop(struct l2 *l2)
{
	must_be_done(l2, l2_join(l2));
}

/* If L2 exited for it, set R, and C for a store. Return whether it did. */
static bool set_rc(const struct l2 *l2)
{
	const struct guest_nested *nested = &l2->l1->area->nested;
	__u64 why = nested->hv[NESTED_HV_HDSISR];

	if (nested->trap != NESTED_HDSI || !(why & NESTED_HDSI_SET_RC))
		return false;
	nested_change(l2->n, l2->lpid, nested->hv[NESTED_HV_ASDR] & PTE_ADDRESS, 0,
		      why & NESTED_HDSI_STORE ? NESTED_R | NESTED_C : NESTED_R);
	l2->n->asked++;
	return true;
}

__u64 l2_resume(struct l2 *l2)
{
	int reason;

	do {
		reason = vcpu_run(l2->l1, GUEST_ENTER_NESTED);
		if (reason)
			die("vCPU %d with an L2: unexpected exit reason %d",
			    l2->l1->id, reason);
	} while (set_rc(l2));
	return why_left(l2);
}

__u64 l2_run(struct l2 *l2, enum guest_op op)
{
	l2->area->op = op;
	l2->area->stop = 0;
	return l2_resume(l2);
}

void l2_do(struct l2 *l2, enum guest_op op)
{
	must_be_done(l2, l2_run(l2, op));
}

static void access_pages(struct l2 *l2, enum guest_op op, __u64 addr, size_t count,
			 __u64 value)
{
	size_t done, n;

	for (done = 0; done < count; done += n) {
		n = area_list(l2->area, addr + done * NESTED_PAGE, NESTED_PAGE,
			      count - done, value + done);
		l2_do(l2, op);
	}
}

void l2_store_pages(struct l2 *l2, __u64 addr, size_t count, __u64 value)
{
	access_pages(l2, GUEST_STORE, addr, count, value);
}

void l2_load_pages(struct l2 *l2, __u64 addr, size_t count)
{
	access_pages(l2, GUEST_LOAD, addr, count, 0);
}

void l2_store(struct l2 *l2, __u64 addr, __u64 value)
{
	access_pages(l2, GUEST_STORE, addr, 1, value);
}

__u64 l2_load(struct l2 *l2, __u64 addr)
{
	access_pages(l2, GUEST_LOAD, addr, 1, 0);
	return l2->area->list[0].value;
}
