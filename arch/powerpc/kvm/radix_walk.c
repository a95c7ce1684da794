// SPDX-License-Identifier: GPL-2.0
/*
 * The walk over the leaves of a partition-scoped radix tree.
 */
#include <linux/minmax.h>

#include "compat.h"
#include "kunit.h"
#include "radix_walk.h"

void khx_walk_init(struct khx_walk *w, pgd_t *root, unsigned long start,
		   unsigned long end, unsigned int budget)
{
	*w = (struct khx_walk) {
		.root = root,
		.next = start,
		/* pgd_index() would wrap for addresses beyond the tree */
		.end = root ? min(end, RADIX_PGTABLE_RANGE) : 0,
		.budget = budget,
	};
}
EXPORT_SYMBOL_IF_KUNIT(khx_walk_init);

static void walk_skip(struct khx_walk *w, unsigned long size)
{
	w->next = (w->next & ~(size - 1)) + size;
	if (!(w->next & ~PMD_MASK))
		w->ptes = NULL;
}

/* Step past a leaf. Returns true if the caller wants it: then @w->leaf is complete. */
static bool walk_leave_leaf(struct khx_walk *w, pte_t *ptep, pte_t pte, unsigned int shift)
{
	unsigned long size = 1UL << shift;

	w->leaf.ptep = ptep;
	w->leaf.gpa = w->next & ~(size - 1);
	w->leaf.shift = shift;
	walk_skip(w, size);
	if (w->only && !(pte_val(pte) & w->only))
		return false;
	w->leaf.old = pte;
	return true;
}

/*
 * Descend from the root to the page of PTEs that maps w->next. Returns true if
 * it meets a leaf that the caller wants. Otherwise it has set w->ptes, or
 * skipped an absent subtree or an unwanted leaf.
 */
static bool walk_descend(struct khx_walk *w)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(w->root, w->next), w->next);
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	if (!p4d_present(READ_ONCE(*p4d))) {
		walk_skip(w, PGDIR_SIZE);
		return false;
	}

	pudp = pud_offset(p4d, w->next);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud)) {
		walk_skip(w, PUD_SIZE);
		return false;
	}
	if (pud_leaf(pud))
		return walk_leave_leaf(w, (pte_t *)pudp, pud_pte(pud), PUD_SHIFT);

	pmdp = pmd_offset(pudp, w->next);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd)) {
		walk_skip(w, PMD_SIZE);
		return false;
	}
	if (pmd_leaf(pmd))
		return walk_leave_leaf(w, pmdp_ptep(pmdp), pmd_pte(pmd), PMD_SHIFT);

	w->ptes = pte_offset_kernel(pmdp, w->next & PMD_MASK);
	return false;
}

bool khx_walk_next(struct khx_walk *w)
{
	while (w->next < w->end && w->budget) {
		pte_t *ptep, pte;

		w->budget--;
		if (!w->ptes) {
			if (walk_descend(w))
				return true;
			continue;
		}

		ptep = w->ptes + pte_index(w->next);
		pte = READ_ONCE(*ptep);
		if (!pte_present(pte))
			walk_skip(w, PAGE_SIZE);
		else if (walk_leave_leaf(w, ptep, pte, PAGE_SHIFT))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_IF_KUNIT(khx_walk_next);
