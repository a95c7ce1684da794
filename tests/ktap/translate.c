// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that translate data addresses by a page table of their own
 */
#include "translate.h"

#include <endian.h>
#include <string.h>
#include <sys/ioctl.h>

#define WINDOW_SIZE	0x8000000000ull	/* covered by one root entry */
#define LEAF_SIZE	0x40000000ull
#define NR_LEAVES	(WINDOW_SIZE / LEAF_SIZE)

/*
 * Above the memory of any host. When KVM itself looks up a guest's address,
 * QEMU mistakes the guest real address of the root for a host address; it must
 * find no memory there.
 */
#define TABLES_GPA	0x10000000000ull

/* Layout: process table at offset 0, a table per window, the root. */
#define TABLE_AT(i)	(0x1000ull * (1 + (i)))
#define ROOT_AT		0x10000ull

#define PATE_GR		0x8000000000000000ull
#define TREE_52_BITS	(0x4000000000000000ull | 0xa0)
#define ROOT_BITS	13
#define TABLE_BITS	9
#define PTE_VALID	0x8000000000000000ull
#define PTE_LEAF	0x4000000000000000ull
#define PTE_PRIVILEGED	0x8
#define PTE_ALL		(PTE_VALID | PTE_LEAF | NESTED_R | NESTED_C | PTE_PRIVILEGED | \
			 NESTED_READ | NESTED_WRITE | NESTED_EXEC)

#define MSR_DR		0x10

/* Guest real addresses of the windows, by effective address. */
static const __u64 window[] = {
	0,
	GPA_TREE_END - WINDOW_SIZE / 2,
	GPA_ALL_HIGH,
};

__u64 translate_ea(__u64 gpa)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(window); i++)
		if (gpa - window[i] < WINDOW_SIZE)
			return i * WINDOW_SIZE + (gpa - window[i]);
	die("no effective address for guest address 0x%llx", gpa);
}

void translate_write(void *tables, __u64 gpa)
{
	__u64 *process = tables, *root = tables + ROOT_AT, *table;
	unsigned int i, j;

	memset(tables, 0, TRANSLATE_SIZE);
	process[0] = htobe64(TREE_52_BITS | (gpa + ROOT_AT) | ROOT_BITS);
	for (i = 0; i < ARRAY_SIZE(window); i++) {
		root[i] = htobe64(PTE_VALID | (gpa + TABLE_AT(i)) | TABLE_BITS);
		table = tables + TABLE_AT(i);
		for (j = 0; j < NR_LEAVES; j++)
			table[j] = htobe64(PTE_ALL | (window[i] + j * LEAF_SIZE));
	}
}

void translate_use(struct vm *vm, __u64 gpa)
{
	struct kvm_ppc_mmuv3_cfg cfg = {
		.flags = KVM_PPC_MMUV3_RADIX | KVM_PPC_MMUV3_GTSE,
		.process_table = PATE_GR | gpa,
	};
	struct kvm_regs regs;
	unsigned int i;

	if (ioctl(vm->fd, KVM_PPC_CONFIGURE_V3_MMU, &cfg) < 0)
		die("process table at 0x%llx: %m", gpa);
	for (i = 0; i < vm->nr_vcpus; i++) {
		if (ioctl(vm->vcpu[i].fd, KVM_GET_REGS, &regs) < 0)
			die("KVM_GET_REGS: %m");
		regs.msr |= MSR_DR;
		if (ioctl(vm->vcpu[i].fd, KVM_SET_REGS, &regs) < 0)
			die("KVM_SET_REGS: %m");
	}
}

/* The memory of the tables is freed when the test's process ends. */
static void add_tables(struct vm *vm, __u64 bits)
{
	void *tables = vm->slot[TRANSLATE_SLOT].hva;
	int ret = 0;

	if (!tables) {
		tables = mem_alloc(TRANSLATE_SIZE, BACKING_SMALL, NULL);
		ret = vm_set_slot(vm, TRANSLATE_SLOT, TABLES_GPA, TRANSLATE_SIZE, tables,
				  0);
	}
	if (ret)
		die("memslot of the guest's page table: %s", strerror(-ret));
	translate_write(tables, TABLES_GPA | bits);
}

void translate_vm(struct vm *vm)
{
	add_tables(vm, 0);
	translate_use(vm, TABLES_GPA);
}

void translate_l2(struct l2 *l2, __u64 bits)
{
	add_tables(l2->n->vm, bits);
	nested_map(l2->n, l2->lpid, TABLES_GPA, TABLES_GPA, TRANSLATE_SIZE,
		   NESTED_READ | NESTED_WRITE);
	nested_guest_entry(l2->n, l2->lpid)[1] = htobe64(PATE_GR | TABLES_GPA | bits);
	l2->l1->area->nested.regs[NESTED_REGS_MSR] |= MSR_DR;
}
