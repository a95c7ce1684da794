// SPDX-License-Identifier: GPL-2.0
/*
 * Page-table pages of partition-scoped radix trees.
 */
#include <linux/kmemleak.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/pgalloc.h>

#include "compat.h"
#include "kunit.h"
#include "radix_tree.h"

static unsigned int tree_index_size(unsigned int level)
{
	switch (level) {
	case 2:
		return RADIX_PUD_INDEX_SIZE;
	case 1:
		return RADIX_PMD_INDEX_SIZE;
	default:
		return RADIX_PTE_INDEX_SIZE;
	}
}

void *khx_tree_table_alloc(unsigned int level)
{
	/* kmalloc() aligns a power of two to its size, as the MMU requires */
	void *table = kzalloc(sizeof(pte_t) << tree_index_size(level), GFP_KERNEL_ACCOUNT);

	/* entries have its real address, which kmemleak does not look for */
	kmemleak_ignore(table);
	return table;
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_table_alloc);

void khx_tree_table_free(void *table)
{
	kfree(table);
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_table_free);

unsigned int khx_tree_tables_free(struct khx_tables *t)
{
	unsigned int level, nr = 0;

	for (level = 0; level < KHX_LEVELS; level++) {
		nr += !!t->table[level];
		khx_tree_table_free(t->table[level]);
		t->table[level] = NULL;
	}
	return nr;
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_tables_free);

/* Entry for an address in the page-table page below an entry of @level. */
static pte_t *tree_lower_entry(pte_t *entry, unsigned int level, unsigned long gpa)
{
	switch (level) {
	case 3:
		return (pte_t *)pud_offset((p4d_t *)entry, gpa);
	case 2:
		return pmdp_ptep(pmd_offset((pud_t *)entry, gpa));
	default:
		return pte_offset_kernel((pmd_t *)entry, gpa);
	}
}

pte_t *khx_tree_table_of(pte_t entry, unsigned int level)
{
	return tree_lower_entry(&entry, level, 0);
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_table_of);

void khx_tree_table_link(pte_t *entry, void *table, unsigned int level)
{
	smp_wmb();	/* content of @table before the entry */
	switch (level) {
	case 2:
		p4d_populate(NULL, (p4d_t *)entry, table);
		break;
	case 1:
		pud_populate(NULL, (pud_t *)entry, table);
		break;
	default:
		pmd_populate_kernel(NULL, (pmd_t *)entry, table);
		break;
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_table_link);

pte_t khx_tree_table_unlink(pte_t *entry)
{
	return __pte(__radix_pte_update(entry, ~0UL, 0));
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_table_unlink);

pte_t *khx_tree_entry(pgd_t *root, unsigned long gpa, unsigned int *level,
		      struct khx_tables *t)
{
	pte_t *entry = (pte_t *)p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	unsigned int wanted = *level, at;

	for (at = KHX_LEVELS; at > wanted; at--) {
		pte_t old = READ_ONCE(*entry);

		if (!pte_none(old) && !khx_tree_is_table(old))
			break;
		if (pte_none(old)) {
			*level = at - 1;
			if (!t->table[at - 1])
				return NULL;
			khx_tree_table_link(entry, t->table[at - 1], at - 1);
			t->table[at - 1] = NULL;
		}
		entry = tree_lower_entry(entry, at, gpa);
	}
	*level = at;
	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_entry);

void khx_tree_prune(pte_t entry, unsigned int level)
{
	pte_t *table = khx_tree_table_of(entry, level);
	unsigned int i;

	for (i = 0; level > 1 && i < 1U << tree_index_size(level - 1); i++)
		if (khx_tree_is_table(table[i]))
			khx_tree_prune(table[i], level - 1);
	khx_tree_table_free(table);
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_prune);

void khx_tree_move(pgd_t *to, pgd_t *from)
{
	memcpy(to, from, PTRS_PER_PGD * sizeof(*from));
	memset(from, 0, PTRS_PER_PGD * sizeof(*from));
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_move);

void khx_tree_free(pgd_t *root)
{
	pte_t *entry = (pte_t *)root, *pud;
	unsigned int i, j;

	for (i = 0; i < PTRS_PER_PGD; i++, entry++) {
		if (!khx_tree_is_table(*entry))
			continue;
		pud = khx_tree_table_of(*entry, KHX_LEVELS);
		for (j = 0; j < PTRS_PER_PUD; j++) {
			if (!khx_tree_is_table(pud[j]))
				continue;
			khx_tree_prune(pud[j], KHX_LEVELS - 1);
			cond_resched();
		}
		khx_tree_table_unlink(entry);
		khx_tree_table_free(pud);
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_tree_free);
