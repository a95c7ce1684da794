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

static void skip(struct kvm_ext_walk *w, unsigned long size)
{
	w->next = (w->next & ~(size - 1)) + size;
	if (!(w->next & ~PMD_MASK))
		w->ptes = NULL;
}

/* Go past a leaf. True if it is one to stand on. */
static bool pass_leaf(struct kvm_ext_walk *w, pte_t *ptep, pte_t pte, unsigned int shift)
{
	unsigned long size = 1UL << shift;

	w->ptep = ptep;
	w->shift = shift;
	w->gpa = w->next & ~(size - 1);
	skip(w, size);
	return !w->only || pte_val(pte) & w->only;
}

/*
 * Descend from the root to the page of PTEs that maps w->next. True if a leaf
 * to stand on was met on the way; else either w->ptes is set, or an absent
 * subtree or a leaf was skipped.
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
		return pass_leaf(w, (pte_t *)pudp, pud_pte(pud), PUD_SHIFT);

	pmdp = pmd_offset(pudp, w->next);
	pmd = READ_ONCE(*pmdp);
	if (!pmd_present(pmd)) {
		skip(w, PMD_SIZE);
		return false;
	}
	if (pmd_leaf(pmd))
		return pass_leaf(w, pmdp_ptep(pmdp), pmd_pte(pmd), PMD_SHIFT);

	w->ptes = pte_offset_kernel(pmdp, w->next & PMD_MASK);
	return false;
}

bool kvm_ext_walk_next(struct kvm_ext_walk *w)
{
	while (w->next < w->end && w->budget) {
		pte_t *ptep, pte;

		w->budget--;
		if (!w->ptes) {
			if (descend(w))
				return true;
			continue;
		}

		ptep = w->ptes + pte_index(w->next);
		pte = READ_ONCE(*ptep);
		if (!pte_present(pte))
			skip(w, PAGE_SIZE);
		else if (pass_leaf(w, ptep, pte, PAGE_SHIFT))
			return true;
	}
	return false;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_walk_next);
