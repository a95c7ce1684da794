/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page-table pages of partition-scoped radix trees: the VM's own tree, and the
 * shadow trees of its nested guests. The functions here allocate, link and free
 * all pages below a root. The roots are kvm-hv's, but for the spare root in
 * struct khx_vm.
 *
 * Levels count up from base pages, as in kvm-hv: an entry of level 0 maps a
 * page, of level 1 PMD_SIZE, of level 2 PUD_SIZE. Entries of level 3 are in the
 * root and are never leaves (Power ISA v3.0B book III, 5.7.10).
 */
#ifndef KHX_RADIX_TREE_H
#define KHX_RADIX_TREE_H

#include <linux/pgtable.h>

/* Number of levels whose entries may be leaves. */
#define KHX_LEVELS	3

/**
 * struct khx_tables - page-table pages for one leaf, allocated without mmu_lock
 * @table:	one page for each level of entries; NULL if not allocated yet,
 *		or linked already
 */
struct khx_tables {
	void *table[KHX_LEVELS];
};

/**
 * khx_tree_level_shift() - size that an entry maps
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
 * khx_tree_shift_level() - level of a leaf
 * @shift:	log2 of its size in bytes
 *
 * Return: 0 to 2.
 */
static inline unsigned int khx_tree_shift_level(unsigned int shift)
{
	return shift >= PUD_SHIFT ? 2 : shift >= PMD_SHIFT ? 1 : 0;
}

/**
 * khx_tree_is_table() - does an entry point to a page-table page?
 * @entry:	entry of a level above 0
 *
 * Return: false if the entry is absent or a leaf.
 */
static inline bool khx_tree_is_table(pte_t entry)
{
	return (pte_raw(entry) & cpu_to_be64(_PAGE_PRESENT | _PAGE_PTE)) ==
	       cpu_to_be64(_PAGE_PRESENT);
}

/**
 * khx_tree_table_alloc() - allocate an empty page-table page
 * @level:	level of its entries, 0 to 2
 *
 * The page is charged to the memory cgroup of the current task.
 *
 * Context: may sleep.
 * Return: the page, or NULL.
 */
void *khx_tree_table_alloc(unsigned int level);

/**
 * khx_tree_table_free() - free a page-table page that no entry points to
 * @table:	the page, or NULL
 *
 * Context: any. The caller has flushed what hardware had cached of the page.
 */
void khx_tree_table_free(void *table);

/**
 * khx_tree_tables_free() - free page-table pages that were not linked
 * @t:		page-table pages for one leaf
 *
 * Context: any.
 * Return: their number.
 */
unsigned int khx_tree_tables_free(struct khx_tables *t);

/**
 * khx_tree_table_of() - page-table page that an entry points to
 * @entry:	the entry, khx_tree_is_table()
 * @level:	its level, 1 to 3
 *
 * Return: the entries of that page, one level lower.
 */
pte_t *khx_tree_table_of(pte_t entry, unsigned int level);

/**
 * khx_tree_table_link() - point an entry to a page-table page
 * @entry:	an absent entry
 * @table:	the page; its content becomes visible before the entry
 * @level:	level of the entries of @table, 0 to 2
 *
 * Context: kvm->mmu_lock held, or the caller is the only user of the tree.
 */
void khx_tree_table_link(pte_t *entry, void *table, unsigned int level);

/**
 * khx_tree_table_unlink() - clear an entry that points to a page-table page
 * @entry:	the entry
 *
 * Context: as khx_tree_table_link(). The caller flushes what hardware has
 * cached of the table before it or anyone else uses the entry.
 * Return: the entry as it was, for khx_tree_table_link() or khx_tree_prune().
 */
pte_t khx_tree_table_unlink(pte_t *entry);

/**
 * khx_tree_entry() - descend to the entry for an address, and link tables
 * @root:	top of the tree
 * @gpa:	guest real address, below RADIX_PGTABLE_RANGE
 * @level:	in: level of the wanted entry, 0 to 2; out: level of the
 *		returned entry, or of the entries of the missing page-table page
 * @t:		page-table pages to link where the tree has none
 *
 * Context: kvm->mmu_lock held.
 * Return: the entry, or a leaf of a higher level that maps @gpa. NULL if @t
 * lacks a page-table page for @level.
 */
pte_t *khx_tree_entry(pgd_t *root, unsigned long gpa, unsigned int *level,
		      struct khx_tables *t);

/**
 * khx_tree_prune() - free the page-table pages below an unlinked entry
 * @entry:	the entry as it was, khx_tree_is_table()
 * @level:	its level, 1 to 3
 *
 * Discards leaves in them, with their R and C.
 *
 * Context: any. The entry is absent, and the caller has flushed what hardware
 * had cached of the tables.
 */
void khx_tree_prune(pte_t entry, unsigned int level);

/**
 * khx_tree_move() - move all page-table pages below a root to another root
 * @to:		the other root, of a tree that no partition uses
 * @from:	top of the tree; empty on return
 *
 * Context: kvm->mmu_lock held. The caller flushes what hardware has cached.
 */
void khx_tree_move(pgd_t *to, pgd_t *from);

/**
 * khx_tree_free() - free all page-table pages below a root
 * @root:	top of the tree; empty on return
 *
 * Context: may sleep. No partition uses the tree, and the caller has flushed what
 * hardware had cached.
 */
void khx_tree_free(pgd_t *root);

#endif /* KHX_RADIX_TREE_H */
