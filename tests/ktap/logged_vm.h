/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM with one memslot whose dirty log is kept
 */
#ifndef TESTS_KTAP_LOGGED_VM_H
#define TESTS_KTAP_LOGGED_VM_H

#include "vm.h"

#define LOGGED_SLOT	1

/**
 * struct logged_vm - a VM with one logged slot
 * @vm: the VM
 * @manual: it has manual protection: what a collection reports is cleared by another
 *	call, and the first reports all
 * @slot: the slot
 * @gpa: its address in the guest
 * @page: page size of the host
 * @pages: pages of the slot
 * @size: size of the slot in bytes
 * @memory: the memory under the slot
 * @bitmap_bytes: size of a bitmap of the slot
 * @bitmap: what the last collection reported
 */
struct logged_vm {
	struct vm *vm;
	bool manual;
	unsigned int slot;
	__u64 gpa;
	size_t page;
	size_t pages;
	size_t size;
	char *memory;
	size_t bitmap_bytes;
	__u64 *bitmap;
};

/*
 * Why the host cannot have such a VM; NULL, and the VM in *vm, where it can. The
 * slot is LOGGED_SLOT, at VM_DATA_GPA.
 */
const char *logged_vm_create(struct logged_vm **vm, const struct vm_config *config,
			     size_t pages, enum backing backing);
void logged_vm_destroy(struct logged_vm *l);

int logged_vm_set_log(struct logged_vm *l, bool on);

/* What is reported is not dirty any more, before its memory may be read. */
int logged_vm_collect(struct logged_vm *l);

/* Manual protection only: the pages that l->bitmap has are not dirty any more. */
int logged_vm_clear(struct logged_vm *l);

/* Number of pages that the last collection reported. */
size_t logged_vm_count(const struct logged_vm *l);

static inline __u64 logged_vm_gpa(const struct logged_vm *l, size_t page)
{
	return l->gpa + page * l->page;
}

#endif
