/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A VM with one memslot that has a dirty log
 */
#ifndef TESTS_KTAP_LOGGED_VM_H
#define TESTS_KTAP_LOGGED_VM_H

#include "vm.h"

#define LOGGED_SLOT	1

/**
 * struct logged_vm - a VM with one logged memslot
 * @vm: the VM
 * @manual: the VM has manual protection: KVM_CLEAR_DIRTY_LOG clears what a
 *	collection reports, and the first collection reports all pages
 * @slot: id of the memslot
 * @gpa: its guest real address
 * @page: page size of the host
 * @pages: number of pages of the memslot
 * @size: size of the memslot in bytes
 * @memory: host memory of the memslot
 * @bitmap_bytes: size of a bitmap of the memslot
 * @bitmap: pages that the last collection reported
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
 * Create such a VM in *vm and return NULL, or return why the host cannot. The
 * memslot is LOGGED_SLOT, at VM_DATA_GPA.
 */
const char *logged_vm_create(struct logged_vm **vm, const struct vm_config *config,
			     size_t pages, enum backing backing);
void logged_vm_destroy(struct logged_vm *l);

int logged_vm_set_log(struct logged_vm *l, bool on);

/*
 * Collect the log, and clear what it reports before the caller reads the
 * memory.
 */
int logged_vm_collect(struct logged_vm *l);

/* Clear the pages in l->bitmap; manual protection only. */
int logged_vm_clear(struct logged_vm *l);

/* Return the number of pages that the last collection reported. */
size_t logged_vm_count(const struct logged_vm *l);

static inline __u64 logged_vm_gpa(const struct logged_vm *l, size_t page)
{
	return l->gpa + page * l->page;
}

#endif
