// SPDX-License-Identifier: GPL-2.0
/*
 * VMs that no program touches and that must work after each
 */
#include "witness.h"

#include "../ktap/logged_vm.h"
#include "../ktap/nested.h"

#define PAGES		32
#define LPID		9

/**
 * struct witness - a VM with a logged memslot
 * @l: it
 * @n: its tables, if it has a nested guest
 * @l2: that guest, which stores in place of the VM
 * @stores: number of stores so far
 */
struct witness {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2;
	__u64 stores;
};

enum { RADIX, HPT, NESTED, NR_WITNESSES };

static struct witness witness[NR_WITNESSES];

static void create(struct witness *w, enum vm_mmu mmu, bool nested)
{
	struct vm_config config = { .mmu = mmu, .nested = nested };

	if (vm_mmu_missing(mmu) || (nested && nested_missing()) ||
	    logged_vm_create(&w->l, &config, PAGES, BACKING_SMALL))
		return;
	if (nested) {
		w->n = nested_create_one(w->l->vm, &w->l2, LPID);
		nested_map(w->n, LPID, VM_DATA_GPA, VM_DATA_GPA, w->l->size,
			   NESTED_READ | NESTED_WRITE);
	}
	logged_vm_collect(w->l);
}

void witnesses_create(void)
{
	create(&witness[RADIX], VM_MMU_RADIX, false);
	create(&witness[HPT], VM_MMU_HPT, false);
	create(&witness[NESTED], VM_MMU_RADIX, true);
}

static const char *ask(struct witness *w)
{
	size_t page = ++w->stores % w->l->pages;
	__u64 gpa = logged_vm_gpa(w->l, page);

	if (w->n)
		l2_store(&w->l2, gpa, w->stores);
	else
		vcpu_store(&w->l->vm->vcpu[0], gpa, w->stores);
	if (*(__u64 *)(w->l->memory + page * w->l->page) != w->stores)
		return "a witness has lost a store";
	if (logged_vm_collect(w->l))
		return "a witness cannot collect its log";
	if (logged_vm_count(w->l) != 1 || !test_bit(w->l->bitmap, page))
		return "the log of a witness is not what it has stored";
	return NULL;
}

const char *witnesses_ask(void)
{
	const char *wrong = NULL;
	unsigned int i;

	for (i = 0; i < NR_WITNESSES && !wrong; i++)
		if (witness[i].l)
			wrong = ask(&witness[i]);
	return wrong;
}
