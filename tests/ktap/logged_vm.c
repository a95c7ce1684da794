// SPDX-License-Identifier: GPL-2.0
/*
 * A VM with one memslot whose dirty log is kept
 */
#include "logged_vm.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "nested.h"
#include "options.h"

/* Allocate at least a huge page, whatever the page size is. */
static size_t memory_size(const struct logged_vm *l)
{
	return l->size < THP_SIZE ? THP_SIZE : l->size;
}

const char *logged_vm_create(struct logged_vm **vm, const struct vm_config *config,
			     size_t pages, enum backing backing)
{
	const char *why = config->nested ? nested_missing() : NULL;
	struct logged_vm *l;
	int ret;

	if (!why)
		why = vm_mmu_missing(config->mmu);
	if (why)
		return why;
	l = calloc(1, sizeof(*l));
	l->slot = LOGGED_SLOT;
	l->gpa = VM_DATA_GPA;
	l->page = page_size();
	l->pages = pages;
	l->size = pages * l->page;
	l->memory = mem_alloc(memory_size(l), backing, &why);
	if (!l->memory)
		return why;
	l->bitmap_bytes = bitmap_size(l->size);
	l->bitmap = calloc(1, l->bitmap_bytes);
	l->vm = vm_create(config);
	l->manual = option("KTAP_MANUAL", 0);
	if (l->manual) {
		ret = vm_manual_protect(l->vm, KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE |
					KVM_DIRTY_LOG_INITIALLY_SET);
		if (ret)
			die("manual protection: %s", strerror(-ret));
	}
	ret = logged_vm_set_log(l, true);
	if (ret)
		die("logged memslot of %zu pages: %s", pages, strerror(-ret));
	/* tests start with clean pages */
	if (l->manual && logged_vm_collect(l))
		die("clear a new memslot: %s", strerror(errno));
	*vm = l;
	return NULL;
}

void logged_vm_destroy(struct logged_vm *l)
{
	vm_destroy(l->vm);
	mem_free(l->memory, memory_size(l));
	free(l->bitmap);
	free(l);
}

int logged_vm_set_log(struct logged_vm *l, bool on)
{
	return vm_set_slot(l->vm, l->slot, l->gpa, l->size, l->memory,
			   on ? KVM_MEM_LOG_DIRTY_PAGES : 0);
}

/* Set all bits first, to notice bits that the kernel does not write. */
int logged_vm_collect(struct logged_vm *l)
{
	int ret;

	memset(l->bitmap, 0xff, l->bitmap_bytes);
	ret = vm_get_dirty_log(l->vm, l->slot, l->bitmap);
	return ret || !l->manual ? ret : logged_vm_clear(l);
}

int logged_vm_clear(struct logged_vm *l)
{
	return vm_clear_dirty_log(l->vm, l->slot, 0, l->pages, l->bitmap);
}

size_t logged_vm_count(const struct logged_vm *l)
{
	return count_bits(l->bitmap, l->bitmap_bytes);
}
