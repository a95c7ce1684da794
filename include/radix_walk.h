/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Iteration over the leaves of a partition-scoped radix tree.
 *
 * The walk visits leaves in the order of guest addresses, and skips an absent
 * subtree of any level in one step. It keeps its page of PTEs, and descends
 * from the root only where it has none. Each descent, and each entry of a page
 * of PTEs, costs one unit of a budget, so that a caller that holds a lock can
 * drop it in time and resume at @next: no leaf is visited twice or missed.
 */
#ifndef KHX_RADIX_WALK_H
#define KHX_RADIX_WALK_H

#include <linux/pgtable.h>
#include <linux/types.h>

/**
 * khx_tree_maps() - can a partition-scoped tree map this address?
 * @gpa:	guest real address
 *
 * A tree maps addresses below RADIX_PGTABLE_RANGE (2^52), but userspace may put
 * a memslot anywhere. Look-ups of kvm-hv ignore the higher bits and would find
 * a leaf for such a memslot at another address. Therefore the module never maps
 * anything there for the guest itself.
 *
 * Return: false from RADIX_PGTABLE_RANGE on.
 */
static inline bool khx_tree_maps(unsigned long gpa)
{
	return gpa < RADIX_PGTABLE_RANGE;
}

/**
 * khx_tree_address() - reduce a nested guest's address to what a tree can map
 * @n_gpa:	guest real address of a nested guest, from a fault or its
 *		hypervisor
 *
 * When kvm-hv walks L1's table or the shadow table, it ignores bits from 2^52
 * on. This function clears the same bits.
 *
 * Return: the address to use for shadow tables and the reverse map.
 */
static inline unsigned long khx_tree_address(unsigned long n_gpa)
{
	return n_gpa & (RADIX_PGTABLE_RANGE - 1);
}

/**
 * struct khx_leaf - a leaf, as read once
 * @ptep:	the entry, at PUD, PMD or PTE level
 * @old:	its value then. Under kvm->mmu_lock the entry can only gain R
 *		and C after that; khx_pass_write() returns the value that it
 *		replaced
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
 * struct khx_walk - state of a walk, and the current leaf
 * @root:	top of the tree (Power ISA v3.0B book III, 5.7.10)
 * @next:	guest real address at which the walk resumes
 * @end:	end of the range, exclusive; guest real address
 * @budget:	descents and PTEs that the walk may still read
 * @only:	visit only leaves with at least one of these PTE bits set; 0, as
 *		khx_walk_init() sets it, visits all
 * @ptes:	page of PTEs that contains @next; NULL: descend from the root
 * @leaf:	the current leaf
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
 * @end:	end of the range, exclusive; a tree has no leaves from
 *		RADIX_PGTABLE_RANGE on
 * @budget:	how many descents and PTEs the walk may read; at least 2, or a
 *		caller that resumes the walk again and again may never reach a
 *		leaf
 *
 * The walk also visits leaves that only overlap [@start, @end): see @leaf.
 * Context: any.
 */
void khx_walk_init(struct khx_walk *w, pgd_t *root, unsigned long start,
		   unsigned long end, unsigned int budget);

/**
 * khx_walk_next() - find the next present leaf
 * @w:		the walk
 *
 * Context: the tree must not lose page-table pages during the walk. The caller
 * holds kvm->mmu_lock from khx_walk_init() on: the module unlinks page-table
 * pages under it, and frees them without a grace period.
 * Return: true if there is one, in @w->leaf; false at the end of the range or
 * if the budget is used up, which khx_walk_done() distinguishes.
 */
bool khx_walk_next(struct khx_walk *w);

/**
 * khx_walk_done() - has the walk visited the whole range?
 * @w:		the walk
 *
 * Return: false if the caller should resume the walk at @w->next.
 */
static inline bool khx_walk_done(const struct khx_walk *w)
{
	return w->next >= w->end;
}

#endif /* KHX_RADIX_WALK_H */
