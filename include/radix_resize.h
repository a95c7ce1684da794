/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Leaves of radix guests are split when a log needs single pages, and joined when
 * none does any more. The guest keeps its memory all the time.
 *
 * All of this is done by ioctls on memslots: kvm->slots_lock is held, and protects
 * the spare tables.
 */
#ifndef KHX_RADIX_RESIZE_H
#define KHX_RADIX_RESIZE_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "radix_pass.h"
#include "radix_walk.h"

struct khx_vm;

/* Page-table pages kept ready, and leaves split or joined by one flush. */
#define KHX_SPARE_TABLES	16

/**
 * struct khx_spare - page-table pages that leaves can be split with
 * @ptes:	with entries of single pages
 * @pmds:	with entries of PMD_SIZE; one leaf of PUD_SIZE is split at a time
 */
struct khx_spare {
	void *ptes[KHX_SPARE_TABLES];
	void *pmds;
};

/**
 * struct khx_split - leaves to be split in one hold of mmu_lock
 * @pass:	changes the leaves; begun by the first of them, and finished inside the
 *		pass that found them
 * @slot:	the memslot that they map
 * @start:	first page of @slot that may lose C
 * @end:	first page behind those
 * @clean:	bitmap of pages of @slot that lose C, little endian; NULL: all of these
 * @nr:		leaves gathered
 * @leaf:	each, as it was and with C of its shadow PTEs, and the page-table page
 *		that takes its place
 */
struct khx_split {
	struct khx_pass pass;
	const struct kvm_memory_slot *slot;
	unsigned long start;
	unsigned long end;
	const unsigned long *clean;
	unsigned int nr;
	struct {
		struct khx_leaf was;
		void *table;
	} leaf[KHX_SPARE_TABLES];
};

/**
 * khx_split_add() - zap a leaf that is to be split
 * @s:		gathers it
 * @p:		the pass that found it
 * @leaf:	a leaf larger than a page
 *
 * Shadow PTEs of the leaf's pages go: they may be as large as it was, and would
 * then let a nested guest write without setting C of a page.
 *
 * Context: kvm->mmu_lock held until khx_split_finish().
 * Return: false if there is no spare table for it; nothing has changed then.
 */
bool khx_split_add(struct khx_split *s, struct khx_pass *p,
		   const struct khx_leaf *leaf);

/**
 * khx_split_finish() - flush what was gathered, and put the smaller leaves in
 * @s:		what khx_split_add() gathered; empty afterwards
 *
 * They have all that the leaf had, but for C where it is to be cleared.
 *
 * Context: kvm->mmu_lock held.
 * Return: false if the hypervisor refused to flush.
 */
bool khx_split_finish(struct khx_split *s);

/**
 * khx_spare_fill() - have tables ready for khx_split_add()
 * @vm:		a VM of ours, radix
 *
 * Context: may sleep.
 * Return: 0, or -ENOMEM if not one of each kind is there.
 */
int khx_spare_fill(struct khx_vm *vm);

/**
 * khx_join_memslot() - end what a log has made of the leaves of a memslot
 * @vm:		a VM of ours, radix
 * @slot:	a memslot that is no longer logged
 *
 * Where the host maps a huge page and the guest part of it by smaller leaves, the
 * guest gets all of it by one leaf. R and C are set in it if they were in any. Then C
 * is set in each leaf that the guest may write to.
 *
 * Context: may sleep; takes kvm->mmu_lock in chunks.
 */
void khx_join_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot);

/**
 * khx_join_leaf() - the leaf that smaller ones make
 * @entry:	a page of entries of the next smaller size
 * @shift:	log2 of the leaf's size in bytes, PMD_SHIFT or PUD_SHIFT
 * @host:	the host's leaf for the same memory
 *
 * All that are there must be the host's; what the guest has never touched comes
 * with them. None may be written that the host may not.
 *
 * Return: the leaf, with R and C that any of them has; 0 if there is none.
 */
unsigned long khx_join_leaf(const pte_t *entry, unsigned int shift, pte_t host);

/**
 * khx_spare_free() - free the spare tables of a VM
 * @vm:		a VM of ours that ends
 */
void khx_spare_free(struct khx_vm *vm);

#endif /* KHX_RADIX_RESIZE_H */
