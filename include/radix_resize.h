/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The module splits large leaves of a radix guest when a dirty log needs base
 * pages, and joins them when no log does any more. The guest does not have to
 * fault its memory in again.
 *
 * Only memslot and dirty-log ioctls do this. They hold kvm->slots_lock, which
 * also protects the spare tables.
 */
#ifndef KHX_RADIX_RESIZE_H
#define KHX_RADIX_RESIZE_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "radix_pass.h"
#include "radix_walk.h"

struct khx_vm;

/* Spare page-table pages of a VM, and leaves split or joined by one flush. */
#define KHX_SPARE_TABLES	16

/**
 * struct khx_spare - spare page-table pages to split leaves with
 * @ptes:	pages of level 0 entries, for leaves of PMD_SIZE
 * @pmds:	page of level 1 entries; one leaf of PUD_SIZE is split at a time
 */
struct khx_spare {
	void *ptes[KHX_SPARE_TABLES];
	void *pmds;
};

/**
 * struct khx_split - leaves to split in one hold of mmu_lock
 * @pass:	changes the leaves; begins with the first of them, and finishes
 *		inside the pass that found them
 * @slot:	the memslot that they map
 * @start:	first page of @slot that may lose C
 * @end:	end of that range, exclusive
 * @clean:	bitmap of pages of @slot that lose C, little endian; NULL: all
 *		pages of the range
 * @nr:		entries of @leaf in use
 * @cleaned:	pages that have lost C
 * @leaf:	each leaf as it was, with C of its shadow PTEs merged in, and
 *		the page-table page that replaces it
 */
struct khx_split {
	struct khx_pass pass;
	const struct kvm_memory_slot *slot;
	unsigned long start;
	unsigned long end;
	const unsigned long *clean;
	unsigned int nr;
	unsigned long cleaned;
	struct {
		struct khx_leaf was;
		void *table;
	} leaf[KHX_SPARE_TABLES];
};

/**
 * khx_split_add() - zap a leaf in order to split it
 * @s:		gathers the leaf
 * @p:		the pass that found it
 * @leaf:	a leaf larger than a page
 *
 * Zaps the shadow PTEs of the leaf's pages as well: one as large as the leaf
 * would let a nested guest store to a page without setting C of that page.
 *
 * Context: kvm->mmu_lock held until khx_split_finish().
 * Return: false if @s is full or there is no spare table; nothing has changed
 * then.
 */
bool khx_split_add(struct khx_split *s, struct khx_pass *p,
		   const struct khx_leaf *leaf);

/**
 * khx_split_finish() - flush the zapped leaves, and install the smaller ones
 * @s:		leaves that khx_split_add() gathered; empty on return
 *
 * The smaller leaves inherit all bits of the leaf that they replace, but for C
 * on base pages that lose it.
 *
 * Context: kvm->mmu_lock held.
 * Return: false if the hypervisor refused to flush; the leaves are installed
 * all the same.
 */
bool khx_split_finish(struct khx_split *s);

/**
 * khx_spare_fill() - allocate spare tables for khx_split_add()
 * @vm:		a tracked radix VM
 *
 * Context: kvm->slots_lock held; may sleep.
 * Return: 0, or -ENOMEM if there is not at least one table of each kind.
 */
int khx_spare_fill(struct khx_vm *vm);

/**
 * khx_join_memslot() - undo what a dirty log did to the leaves of a memslot
 * @vm:		a tracked radix VM
 * @slot:	a memslot that is no longer logged
 *
 * Joins smaller leaves into one where the host maps the same memory by a huge
 * page. The large leaf has R or C if any of them had. Then the function sets C
 * in each leaf that the guest may write to.
 *
 * Context: may sleep; takes kvm->mmu_lock in chunks.
 */
void khx_join_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot);

/**
 * khx_join_leaf() - compute the leaf that smaller ones can be joined to
 * @entry:	page of entries of the next smaller size
 * @shift:	log2 of the leaf's size in bytes, PMD_SHIFT or PUD_SHIFT
 * @host:	the host's leaf for the same memory
 *
 * Every present entry must map what @host maps there. Pages with an absent
 * entry get mapped with the others. No entry may be writable if @host is not.
 *
 * Return: the leaf, with R and C if any entry has them; 0 if the entries cannot
 * be joined or are all absent.
 */
unsigned long khx_join_leaf(const pte_t *entry, unsigned int shift, pte_t host);

/**
 * khx_spare_free() - free the spare tables of a VM
 * @vm:		a tracked VM that is being destroyed
 */
void khx_spare_free(struct khx_vm *vm);

#endif /* KHX_RADIX_RESIZE_H */
