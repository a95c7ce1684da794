// SPDX-License-Identifier: GPL-2.0
/*
 * The walk over the leaves of a partition-scoped radix tree.
 */
#include <linux/minmax.h>

#include "compat.h"
#include "kunit.h"
#include "radix_walk.h"

void kvm_ext_walk_init(struct kvm_ext_walk *w, pgd_t *root, unsigned long start,
		       unsigned long end, unsigned int budget)
{
	*w = (struct kvm_ext_walk) {
		.root = root,
		.next = start,
		/* pgd_index() would wrap for addresses beyond the tree */
		.end = root ? min(end, RADIX_PGTABLE_RANGE) : 0,
		.budget = budget,
	};
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_walk_init);

static bool stand_on(struct kvm_ext_walk *w, pte_t *ptep, unsigned int shift)
{
	w->ptep = ptep;
	w->shift = shift;
	w->gpa = w->next & ~((1UL << shift) - 1);
	w->next = w->gpa + (1UL << shift);
	if (!(w->next & ~PMD_MASK))
		w->ptes = NULL;
	return true;
}

static void skip(struct kvm_ext_walk *w, unsigned long size)
{
	w->next = (w->next & ~(size - 1)) + size;
	if (!(w->next & ~PMD_MASK))
		w->ptes = NULL;
}

/*
 * Descend from the root to the page of PTEs that maps w->next. True if a leaf
 * was met on the way; else either w->ptes is set or an absent subtree was
 * skipped.
 */
static bool descend(struct kvm_ext_walk *w)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(w->root, w->next), w->next);
	pud_t *pudp, pud;
	pmd_t *pmdp, pmd;

	if (!p4d_present(READ_ONCE(*p4d))) {
		skip(w, PGDIR_SIZE);
		return false;
	}

	pudp = pud_offset(p4d, w->next);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud)) {
		skip(w, PUD_SIZE);
		return false;
	}
	if (pud_leaf(pud))
		return stand_on(w, (pte_t *)pudp, PUD_SHIFT);

	pmdp = pmd_offset(pudp, w->next);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd)) {
		skip(w, PMD_SIZE);
		return false;
	}
	if (pmd_leaf(pmd))
		return stand_on(w, pmdp_ptep(pmdp), PMD_SHIFT);

	w->ptes = pte_offset_kernel(pmdp, w->next & PMD_MASK);
	return false;
}

bool kvm_ext_walk_next(struct kvm_ext_walk *w)
{
	while (w->next < w->end && w->budget) {
		pte_t *ptep;

		w->budget--;
		if (!w->ptes) {
			if (descend(w))
				return true;
			continue;
		}

		ptep = w->ptes + pte_index(w->next);
		if (pte_present(READ_ONCE(*ptep)))
			return stand_on(w, ptep, PAGE_SHIFT);
		skip(w, PAGE_SIZE);
	}
	return false;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_walk_next);
