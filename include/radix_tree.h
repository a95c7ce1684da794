/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table pages of partition-scoped radix trees: those of a VM, and those of the
 * shadow trees of its nested guests. Roots are kvm-hv's; all below them is made,
 * linked and freed here.
 *
 * Levels count from the pages up, as kvm-hv has them: an entry of level 0 maps a
 * page, of level 1 PMD_SIZE, of level 2 PUD_SIZE; those of level 3 are in the root
 * and map nothing themselves (Power ISA v3.0B book III, 5.7.10).
 */
#ifndef KHX_RADIX_TREE_H
#define KHX_RADIX_TREE_H

#include <linux/pgtable.h>

/* Levels of entries that may be leaves. */
#define KHX_LEVELS	3

/**
 * struct khx_tables - page-table pages for one leaf, allocated before a lock is taken
 * @table:	one with entries of each level; NULL: none yet, or it was linked
 */
struct khx_tables {
	void *table[KHX_LEVELS];
};

/**
 * khx_tree_level_shift() - log2 of what an entry maps
 * @level:	0 to 2
 *
 * Return: log2 of the size in bytes.
 */
static inline unsigned int khx_tree_level_shift(unsigned int level)
{
	switch (level) {
	case 2:
		return PUD_SHIFT;
	case 1:
		return PMD_SHIFT;
	default:
		return PAGE_SHIFT;
	}
}

/**
 * khx_tree_shift_level() - the level of a leaf
 * @shift:	log2 of its size in bytes
 *
 * Return: 0 to 2.
 */
static inline unsigned int khx_tree_shift_level(unsigned int shift)
{
	return shift >= PUD_SHIFT ? 2 : shift >= PMD_SHIFT ? 1 : 0;
}

/**
 * khx_tree_is_table() - does an entry lead to a page-table page?
 * @entry:	of any level above 0
 *
 * Return: false if it is absent, or a leaf.
 */
static inline bool khx_tree_is_table(pte_t entry)
{
	return (pte_raw(entry) & cpu_to_be64(_PAGE_PRESENT | _PAGE_PTE)) ==
	       cpu_to_be64(_PAGE_PRESENT);
}

/**
 * khx_tree_table_alloc() - allocate a page-table page
 * @level:	of its entries, 0 to 2
 *
 * It is empty, and charged to the memory cgroup of the current task.
 *
 * Context: may sleep.
 * Return: the page, or NULL.
 */
void *khx_tree_table_alloc(unsigned int level);

/**
 * khx_tree_table_free() - free a page-table page that no entry leads to
 * @table:	the page, or NULL
 *
 * Context: any. Whatever hardware has cached of it was invalidated.
 */
void khx_tree_table_free(void *table);

/**
 * khx_tree_tables_free() - free what was not linked
 * @t:		page-table pages for one leaf
 *
 * Context: any.
 */
void khx_tree_tables_free(struct khx_tables *t);

/**
 * khx_tree_table_of() - the page-table page that an entry leads to
 * @entry:	the entry, khx_tree_is_table()
 * @level:	its level, 1 to 3
 *
 * Return: its entries, of the next lower level.
 */
pte_t *khx_tree_table_of(pte_t entry, unsigned int level);

/**
 * khx_tree_table_link() - make an entry lead to a page-table page
 * @entry:	an absent entry
 * @table:	the page; what is in it is seen before the entry is
 * @level:	of the entries of @table, 0 to 2
 *
 * Context: kvm->mmu_lock held, or nobody else knows the tree.
 */
void khx_tree_table_link(pte_t *entry, void *table, unsigned int level);

/**
 * khx_tree_table_unlink() - make an entry absent that leads to a page-table page
 * @entry:	the entry
 *
 * Context: as khx_tree_table_link(). The caller invalidates what hardware has cached
 * of the table before anything else may use the entry.
 * Return: the entry as it was, for khx_tree_table_link() or khx_tree_prune().
 */
pte_t khx_tree_table_unlink(pte_t *entry);

/**
 * khx_tree_entry() - descend to the entry for an address, and link tables above it
 * @root:	top of the tree
 * @gpa:	guest real address, below RADIX_PGTABLE_RANGE
 * @level:	of the entry wanted, 0 to 2; made the level of the one returned, or of
 *		the entries of the page-table page that is missing
 * @t:		page-table pages to be linked
 *
 * Context: kvm->mmu_lock held.
 * Return: the entry; one of a higher level if that is a leaf. NULL if a page-table
 * page of @level is missing in @t.
 */
pte_t *khx_tree_entry(pgd_t *root, unsigned long gpa, unsigned int *level,
		      struct khx_tables *t);

/**
 * khx_tree_prune() - free the page-table pages that an entry led to
 * @entry:	the entry as it was, khx_tree_is_table()
 * @level:	its level, 1 to 3
 *
 * Leaves in them count for nothing any more.
 *
 * Context: any. The entry is absent, and what hardware has cached was invalidated.
 */
void khx_tree_prune(pte_t entry, unsigned int level);

/**
 * khx_tree_move() - move all page-table pages below a root to another root
 * @to:		the other root, of a tree that no partition uses
 * @from:	top of the tree, which is empty then
 *
 * Context: kvm->mmu_lock held. The caller invalidates what hardware has cached.
 */
void khx_tree_move(pgd_t *to, pgd_t *from);

/**
 * khx_tree_free() - free all page-table pages below a root, which is empty then
 * @root:	top of the tree
 * @may_sleep:	other tasks are let run in between
 *
 * Context: no partition uses the tree, and what hardware has cached was invalidated.
 */
void khx_tree_free(pgd_t *root, bool may_sleep);

#endif /* KHX_RADIX_TREE_H */
