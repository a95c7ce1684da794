/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Iteration over the leaves of a partition-scoped radix tree.
 *
 * The walk goes from leaf to leaf in the order of guest addresses, skips an
 * absent subtree in one step at whatever level it is absent, and descends from
 * the root only when it leaves a page of PTEs. It counts the entries it looks
 * at against a budget, so that a caller who holds a lock can let go of it in
 * time and resume at @next, where nothing is visited twice or left out.
 */
#ifndef KHX_RADIX_WALK_H
#define KHX_RADIX_WALK_H

#include <linux/pgtable.h>
#include <linux/types.h>

/**
 * khx_tree_maps() - can a partition-scoped tree map this address?
 * @gpa:	guest real address
 *
 * The tree has RADIX_PGTABLE_RANGE (52) bits, a memslot may lie anywhere. kvm-hv's
 * look-ups ignore the bits above, so what it put there would be found at another
 * address: nothing is ever mapped there for a guest itself.
 *
 * Return: false from RADIX_PGTABLE_RANGE on.
 */
static inline bool khx_tree_maps(unsigned long gpa)
{
	return gpa < RADIX_PGTABLE_RANGE;
}

/**
 * khx_tree_address() - what an address of a nested guest means
 * @n_gpa:	guest real address of a nested guest, from a fault or its hypervisor
 *
 * kvm-hv's walk of L1's tables ignores the bits above 52, and so does its walk of
 * the shadow table. All of ours see the address as they do.
 *
 * Return: the address that shadow tables and the reverse map have.
 */
static inline unsigned long khx_tree_address(unsigned long n_gpa)
{
	return n_gpa & (RADIX_PGTABLE_RANGE - 1);
}

/**
 * struct khx_leaf - a leaf, as it was read once
 * @ptep:	the entry, at PUD, PMD or PTE level
 * @old:	its value then. Under kvm->mmu_lock nothing but R and C is set in it
 *		meanwhile; khx_pass_write() returns what it replaced
 * @gpa:	guest real address, aligned to the size of the leaf
 * @shift:	log2 of the size in bytes
 */
struct khx_leaf {
	pte_t *ptep;
	pte_t old;
	unsigned long gpa;
	unsigned int shift;
};

/**
 * struct khx_walk - state of a walk, and the leaf that it has reached
 * @root:	top of the tree (Power ISA v3.0B book III, 5.7.10)
 * @next:	guest real address at which the walk resumes
 * @end:	first guest real address not to be visited
 * @budget:	table entries that may still be looked at
 * @only:	leaves that have none of these bits set are passed over; 0: none is.
 *		khx_walk_init() sets it to 0
 * @ptes:	page of PTEs that contains @next, or NULL: to be looked up
 * @leaf:	the leaf
 */
struct khx_walk {
	pgd_t *root;
	unsigned long next;
	unsigned long end;
	unsigned int budget;
	unsigned long only;
	pte_t *ptes;
	struct khx_leaf leaf;
};

/**
 * khx_walk_init() - begin a walk
 * @w:		the walk
 * @root:	top of the tree; NULL is a tree without leaves
 * @start:	guest real address to begin at, in bytes
 * @end:	first guest real address not to visit; addresses that the tree
 *		cannot map (from RADIX_PGTABLE_RANGE on) have no leaves
 * @budget:	how many table entries may be looked at; at least 2, or a walk that
 *		is resumed again and again may never reach a leaf
 *
 * A leaf that only overlaps [@start, @end) is visited too: see @leaf.
 * Context: any.
 */
void khx_walk_init(struct khx_walk *w, pgd_t *root, unsigned long start,
		   unsigned long end, unsigned int budget);

/**
 * khx_walk_next() - go to the next leaf that is present
 * @w:		the walk
 *
 * Context: the tree must not lose tables meanwhile: kvm->mmu_lock, held from
 * khx_walk_init() on (tables are freed under it without a grace period).
 * Return: true if there is one, in @w->leaf; false at the end or when the budget is
 * used up, khx_walk_done() tells which.
 */
bool khx_walk_next(struct khx_walk *w);

/**
 * khx_walk_done() - has the whole range been visited?
 * @w:		the walk
 *
 * Return: false if the walk is to be resumed at @w->next.
 */
static inline bool khx_walk_done(const struct khx_walk *w)
{
	return w->next >= w->end;
}

#endif /* KHX_RADIX_WALK_H */
