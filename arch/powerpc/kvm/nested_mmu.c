// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the shadow tables of nested guests, and the replacements for
 * the kvm-hv functions that manage them.
 *
 * A shadow PTE has an entry in the reverse map for as long as it is present.
 * The nested guest's page fault reads the guest's leaf again, inserts the entry
 * and installs the shadow PTE in one hold of kvm->mmu_lock. So a caller that zaps
 * a leaf of the guest, or clears a bit of it, finds every shadow PTE of that leaf;
 * a fault that has not installed its shadow PTE yet sees the change.
 */
#include <linux/idr.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pgalloc.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "hooks.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "nested_rmap.h"
#include "params.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "trace.h"
#include "vm.h"

#define NESTED_RC		(_PAGE_DIRTY | _PAGE_ACCESSED)

/*
 * A fault may change these bits of a shadow PTE that is present: the nested
 * guest made another kind of access, or R and C were cleared or set.
 */
#define NESTED_MAY_DIFFER	(_PAGE_WRITE | NESTED_RC)

void khx_nested_init(struct khx_vm_nested *nested, struct khx_flusher *flusher)
{
	unsigned int i;

	khx_rmap_init(&nested->rmap);
	for (i = 0; i < KHX_NESTED_FLUSHES; i++)
		khx_flush_init(&nested->flush[i], flusher);
	mutex_init(&nested->spare_lock);
}

void khx_nested_destroy(struct khx_vm_nested *nested)
{
	khx_rmap_destroy(&nested->rmap);
	kvfree(nested->spare_root);
}

int khx_nested_allow(struct khx_vm_nested *nested)
{
	pgd_t *root;

	if (READ_ONCE(nested->spare_root))
		return 0;
	root = kvzalloc(KHX_ROOT_SIZE, GFP_KERNEL_ACCOUNT);
	if (!root)
		return -ENOMEM;
	if (cmpxchg(&nested->spare_root, NULL, root))
		kvfree(root);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_allow);

/* Return an entry's nested guest, or NULL if it has no shadow table. */
static struct kvm_nested_guest *nested_rmap_guest(const struct khx_vm *vm, unsigned long entry)
{
	struct khx_shadow *shadow = khx_rmap_shadow(&vm->nested.rmap, khx_rmap_lpid(entry));

	return shadow ? shadow->gp : NULL;
}

static unsigned long nested_align(unsigned long gpa, unsigned int shift)
{
	return gpa & ~((1UL << shift) - 1);
}

/* Find the leaf, of any size, at @gpa. Return false if none is present. */
static bool nested_find_leaf(pgd_t *root, unsigned long gpa, struct khx_leaf *leaf)
{
	unsigned int shift;

	leaf->ptep = __find_linux_pte(root, gpa, NULL, &shift);
	if (!leaf->ptep)
		return false;
	leaf->old = READ_ONCE(*leaf->ptep);
	leaf->shift = shift ?: PAGE_SHIFT;
	leaf->gpa = nested_align(gpa, leaf->shift);
	return pte_present(leaf->old);
}

/* Do two leaves that map the same page map it to the same host memory? */
static bool nested_same_memory(const struct khx_leaf *one, const struct khx_leaf *two)
{
	return !nested_align((pte_val(one->old) ^ pte_val(two->old)) & PTE_RPN_MASK,
			     max(one->shift, two->shift));
}

/* Zap a shadow PTE and remove its entry. */
static void nested_zap(struct khx_pass *p, u64 lpid, const struct khx_leaf *leaf)
{
	struct khx_shadow *shadow = khx_rmap_shadow(&p->vm->nested.rmap, lpid);
	unsigned long old = khx_pass_write(p, lpid, leaf, KHX_PASS_ALL, 0);
	gfn_t gfn;

	if (!shadow || !khx_rmap_find(&p->vm->nested.rmap, shadow->gp, leaf->gpa, &gfn))
		return;
	if (old & _PAGE_DIRTY)
		khx_pass_found_dirty(p, NULL, gfn,
				     gfn + (1UL << (leaf->shift - PAGE_SHIFT)));
	khx_rmap_remove(&p->vm->nested.rmap, shadow->gp, leaf->gpa);
}

/* Has the pass looked for @most_visits shadow PTEs? */
static bool nested_seen_enough(const struct khx_pass *p)
{
	return p->most_visits && p->visits >= p->most_visits;
}

/*
 * Find the shadow PTE that an entry names. Return false if it maps other memory
 * than the leaf; a shadow PTE smaller or larger than the leaf matches.
 */
static bool nested_find_shadow(struct khx_pass *p, struct kvm_nested_guest *gp,
			       unsigned long entry, const struct khx_leaf *leaf,
			       struct khx_leaf *shadow)
{
	p->visits++;
	return gp && nested_find_leaf(gp->shadow_pgtable, khx_rmap_gpa(entry), shadow) &&
	       nested_same_memory(shadow, leaf);
}

/* Visit the shadow PTEs of a page. When one is zapped, remove its entry. */
static unsigned long nested_visit_entries(struct khx_pass *p, unsigned long *word,
					  const struct khx_leaf *leaf, unsigned long clear)
{
	struct kvm_nested_guest *gp;
	struct khx_leaf shadow;
	struct rmap_nested *cursor;
	unsigned long entry, seen = 0;
	struct llist_node *node;

again:
	node = (struct llist_node *)*word;
	for_each_nest_rmap_safe(cursor, node, &entry) {
		gp = nested_rmap_guest(p->vm, entry);
		if (nested_find_shadow(p, gp, entry, leaf, &shadow)) {
			seen |= khx_pass_write(p, gp->shadow_lpid, &shadow, clear, 0);
			if (clear == KHX_PASS_ALL) {
				khx_rmap_remove(&p->vm->nested.rmap, gp, shadow.gpa);
				if (!*word)
					break;
				/* the word holds the last entry now */
				if (*word & RMAP_NESTED_IS_SINGLE_ENTRY)
					goto again;
			}
		}
		if (nested_seen_enough(p))
			break;
	}
	return seen;
}

/*
 * The same for kvm-hv's list (nested=0), which has no index: KHX_PASS_ALL frees
 * the whole list.
 */
static unsigned long nested_visit_stock_list(struct khx_pass *p, unsigned long *word,
					     const struct khx_leaf *leaf, unsigned long clear)
{
	struct llist_node *node = (struct llist_node *)*word;
	struct kvm_nested_guest *gp;
	struct khx_leaf shadow;
	struct rmap_nested *cursor;
	unsigned long entry, seen = 0;

	if (clear == KHX_PASS_ALL)
		*word = 0;
	for_each_nest_rmap_safe(cursor, node, &entry) {
		/* kvm-hv's entries hold L1's LPID of the nested guest */
		gp = idr_find(&p->vm->kvm->arch.kvm_nested_guest_idr,
			      khx_rmap_lpid(entry));
		if (nested_find_shadow(p, gp, entry, leaf, &shadow))
			seen |= khx_pass_write(p, gp->shadow_lpid, &shadow, clear, 0);
		if (clear == KHX_PASS_ALL)
			kfree(cursor);
		else if (nested_seen_enough(p))
			break;
	}
	return seen;
}

static unsigned long nested_visit_word(struct khx_pass *p, unsigned long *word,
				       const struct khx_leaf *leaf, unsigned long clear)
{
	if (khx_param.nested)
		return nested_visit_entries(p, word, leaf, clear);
	return nested_visit_stock_list(p, word, leaf, clear);
}

unsigned long khx_nested_visit(struct khx_pass *p,
			       const struct kvm_memory_slot *slot,
			       const struct khx_leaf *leaf,
			       unsigned long clear)
{
	gfn_t gfn = max(leaf->gpa >> PAGE_SHIFT, slot->base_gfn);
	gfn_t end = min((leaf->gpa + (1UL << leaf->shift)) >> PAGE_SHIFT,
			slot->base_gfn + slot->npages);
	unsigned long seen = 0;

	for (; gfn < end && !nested_seen_enough(p); gfn++)
		seen |= nested_visit_word(p, &slot->arch.rmap[gfn - slot->base_gfn], leaf, clear);
	return seen;
}

/* Maximum number of entries dropped in one hold of mmu_lock. */
#define NESTED_DROP_CHUNK	1024

/*
 * Drop up to NESTED_DROP_CHUNK entries of a shadow table that has been flushed
 * and is no longer in use, and accumulate the C bits of its PTEs. Return true
 * if no entry is left.
 */
static bool nested_drop_entries(struct khx_vm *vm, struct khx_shadow *shadow, pgd_t *root)
{
	struct khx_pass p = { .vm = vm };
	unsigned int budget = NESTED_DROP_CHUNK;
	struct khx_leaf leaf;
	unsigned long index;
	void *entry;
	gfn_t gfn;

	xa_for_each(&shadow->pages, index, entry) {
		if (!budget--)
			break;
		gfn = khx_rmap_entry_gfn(entry);
		if (nested_find_leaf(root, index << PAGE_SHIFT, &leaf) && pte_dirty(leaf.old))
			khx_pass_found_dirty(&p, NULL, gfn,
					     gfn + (1UL << (leaf.shift - PAGE_SHIFT)));
		khx_rmap_remove(&vm->nested.rmap, shadow->gp, index << PAGE_SHIFT);
	}
	khx_pass_finish(&p);
	return !entry;
}

/*
 * Empty the live root, invalidate translations and the cached page-table
 * entries, then free the page-table pages from a copy of the root.
 */
static void nested_free_tables(struct khx_vm *vm, struct khx_shadow *shadow)
{
	lockdep_assert_held(&vm->nested.spare_lock);

	spin_lock(&vm->kvm->mmu_lock);
	khx_tree_move(vm->nested.spare_root, shadow->gp->shadow_pgtable);
	khx_flush_lpid(&vm->flusher, shadow->gp->shadow_lpid);
	shadow->goes = true;
	while (!nested_drop_entries(vm, shadow, vm->nested.spare_root))
		khx_mmu_lock_yield(vm->kvm);
	shadow->goes = false;
	trace_khx_nested_free(vm->kvm, shadow->gp->shadow_lpid, shadow->tables);
	vm->nested.rmap.tables -= shadow->tables;
	shadow->tables = 0;
	spin_unlock(&vm->kvm->mmu_lock);

	khx_tree_free(vm->nested.spare_root);
}

/* Root entries that are unlinked before one flush: each maps 512 GiB. */
#define NESTED_UNLINK_CHUNK	16

/*
 * The same with nested=0, where there is no other root, and the caller may not sleep.
 * A root without tables, as the VM's own, has no translations.
 */
static void nested_free_stock_tables(struct khx_vm *vm, pgd_t *root, u64 lpid)
{
	pte_t *entry = (pte_t *)root, *end = entry + PTRS_PER_PGD;
	pte_t unlinked[NESTED_UNLINK_CHUNK];
	unsigned int nr;

	do {
		for (nr = 0; entry < end && nr < NESTED_UNLINK_CHUNK; entry++)
			if (khx_tree_is_table(*entry))
				unlinked[nr++] = khx_tree_table_unlink(entry);
		if (nr)
			khx_flush_lpid(&vm->flusher, lpid);
		while (nr)
			khx_tree_prune(unlinked[--nr], KHX_LEVELS);
	} while (entry < end);
}

/*
 * kvm-hv calls this with mmu_lock held for a nested guest that continues, and
 * without it for one that has ended. Only the call for an ended nested guest
 * frees its struct khx_shadow, so the lookup needs no lock. A nested guest
 * without a struct khx_shadow never had a page-table page.
 */
/**
 * khx_hook_free_pgtable_radix() - kvmppc_free_pgtable_radix()
 * @kvm:	the VM
 * @root:	root of the shadow table; emptied, not freed
 * @lpid:	its LPID
 *
 * Stock frees the page-table pages, and its caller then invalidates the
 * translations that may still walk them. This function invalidates first. At the
 * end kvm-hv calls it also for the VM's own table, of which khx_hook_free_radix()
 * has left only the root.
 *
 * Context: kvm->mmu_lock, which is dropped and retaken, and the nested guest's
 * tlb_lock held; or neither, if the nested guest has ended and no reference to
 * it is left. May sleep.
 */
void khx_hook_free_pgtable_radix(struct kvm *kvm, pgd_t *root, KHX_LPID lpid)
{
	struct khx_vm *vm = khx_vm_find(kvm);
	struct khx_shadow *shadow = khx_rmap_shadow(&vm->nested.rmap, lpid);
	bool ended = shadow && !shadow->gp->refcnt;

	if (!khx_param.nested) {
		nested_free_stock_tables(vm, root, lpid);
		return;
	}
	if (!shadow || WARN_ON_ONCE(shadow->gp->shadow_pgtable != root))
		return;

	if (!ended) {
		/* the caller holds tlb_lock: no fault installs a leaf */
		lockdep_assert_held(&shadow->gp->tlb_lock);
		spin_unlock(&kvm->mmu_lock);
		__acquire(&kvm->mmu_lock);
	}

	mutex_lock(&vm->nested.spare_lock);
	nested_free_tables(vm, shadow);
	if (ended) {
		spin_lock(&kvm->mmu_lock);
		khx_rmap_remove_all(&vm->nested.rmap, shadow);
		spin_unlock(&kvm->mmu_lock);
	}
	mutex_unlock(&vm->nested.spare_lock);

	if (!ended) {
		__release(&kvm->mmu_lock);
		spin_lock(&kvm->mmu_lock);
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_hook_free_pgtable_radix);

/* Count the page-table pages that a new leaf needs. */
static unsigned int nested_tables_missing(pgd_t *root, unsigned long gpa, unsigned int shift)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	unsigned int below = shift < PMD_SHIFT ? 2 : shift < PUD_SHIFT ? 1 : 0;
	pud_t *pud;
	pmd_t *pmd;

	if (!p4d_present(*p4d))
		return 1 + below;
	pud = pud_offset(p4d, gpa);
	if (!pud_present(*pud) || pud_leaf(*pud))
		return below;
	pmd = pmd_offset(pud, gpa);
	return shift < PMD_SHIFT && (!pmd_present(*pmd) || pmd_leaf(*pmd));
}

/* Count the page-table pages that a new large leaf replaces. */
static unsigned int nested_tables_replaced(pgd_t *root, unsigned long gpa, unsigned int shift)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	unsigned int nr = 0, i;
	pud_t *pud;
	pmd_t *pmd;

	if (shift < PMD_SHIFT || !p4d_present(*p4d))
		return 0;
	pud = pud_offset(p4d, gpa);
	if (!pud_present(*pud) || pud_leaf(*pud))
		return 0;
	if (shift < PUD_SHIFT) {
		pmd = pmd_offset(pud, gpa);
		return pmd_present(*pmd) && !pmd_leaf(*pmd);
	}
	pmd = pmd_offset(pud, gpa & PUD_MASK);
	for (i = 0; i < PTRS_PER_PMD; i++)
		nr += pmd_present(pmd[i]) && !pmd_leaf(pmd[i]);
	return nr + 1;
}

/*
 * Limit on the page-table pages of all shadow tables. A page of PTEs maps
 * PMD_SIZE: the limit is four times the number that maps all guest memory once,
 * plus a reserve for nested guests that use their addresses sparsely.
 */
static unsigned long nested_tables_allowed(const struct kvm *kvm)
{
	return 4 * (kvm->nr_memslot_pages >> (PMD_SHIFT - PAGE_SHIFT)) + 1024;
}

/*
 * The largest shadow table, with its guest's tlb_lock held; or the faulting nested
 * guest's own, whose lock the caller holds, if the largest is in use.
 */
static struct khx_shadow *nested_lock_largest(struct khx_vm *vm, struct kvm_nested_guest *own)
{
	struct khx_shadow *own_shadow = khx_rmap_shadow(&vm->nested.rmap, own->shadow_lpid);
	struct khx_shadow *shadow, *largest = own_shadow;
	unsigned long lpid;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	xa_for_each(&vm->nested.rmap.shadows, lpid, shadow)
		if (shadow->tables > largest->tables && shadow->gp->refcnt)
			largest = shadow;
	/* its page faults walk the table with only tlb_lock held */
	if (largest->gp == own || mutex_trylock(&largest->gp->tlb_lock))
		return largest;
	return own_shadow;
}

/*
 * Free the largest shadow table, or the faulting nested guest's own. Page faults
 * rebuild the table.
 *
 * kvm-hv releases a nested guest only after khx_hook_free_pgtable_radix() has
 * freed its struct khx_shadow under spare_lock. So a nested guest that is found
 * under spare_lock stays until the lock is dropped.
 */
static void nested_free_largest(struct khx_vm *vm, struct kvm_nested_guest *own)
{
	struct khx_shadow *largest;

	mutex_lock(&vm->nested.spare_lock);
	spin_lock(&vm->kvm->mmu_lock);
	largest = nested_lock_largest(vm, own);
	spin_unlock(&vm->kvm->mmu_lock);

	nested_free_tables(vm, largest);
	if (largest->gp != own)
		mutex_unlock(&largest->gp->tlb_lock);
	mutex_unlock(&vm->nested.spare_lock);
}

static void nested_add_tables(struct khx_vm *vm, struct khx_shadow *shadow, int nr)
{
	lockdep_assert_held(&vm->kvm->mmu_lock);

	/* with a number that wrapped no nested guest would get a table any more */
	if (nr < 0 && shadow->tables < -nr)
		nr = -shadow->tables;
	shadow->tables += nr;
	vm->nested.rmap.tables += nr;
}

/*
 * Count page-table pages before they are allocated. Return -ENOSPC if the limit
 * is reached, -ENOMEM without memory, else 0.
 */
static int nested_count_tables(struct khx_vm *vm, struct kvm_nested_guest *gp, int nr)
{
	struct khx_shadow *shadow = khx_rmap_get_shadow(&vm->nested.rmap, gp);

	if (!shadow)
		return -ENOMEM;
	if (nr > 0 && vm->nested.rmap.tables + nr > nested_tables_allowed(vm->kvm))
		return -ENOSPC;
	nested_add_tables(vm, shadow, nr);
	return 0;
}

void khx_nested_undo_room(struct khx_vm *vm, struct kvm_nested_guest *gp, int tables)
{
	struct khx_shadow *shadow;

	spin_lock(&vm->kvm->mmu_lock);
	shadow = khx_rmap_get_shadow(&vm->nested.rmap, gp);
	if (shadow)
		nested_add_tables(vm, shadow, -tables);
	spin_unlock(&vm->kvm->mmu_lock);
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_undo_room);

/* Maximum number of table entries visited in one hold of mmu_lock. */
#define NESTED_ROOM_CHUNK	2048

int khx_nested_make_room(struct khx_vm *vm, struct kvm_nested_guest *gp,
			 unsigned long n_gpa, unsigned int shift, pte_t pte, int *tables)
{
	struct khx_pass p = { .vm = vm };
	unsigned long start = nested_align(n_gpa, shift), end = start + (1UL << shift);
	unsigned int tries = 2;
	struct khx_walk w;
	int err;

	spin_lock(&vm->kvm->mmu_lock);
	for (;;) {
		khx_walk_init(&w, gp->shadow_pgtable, start, end, NESTED_ROOM_CHUNK);
		while (khx_walk_next(&w))
			if (w.leaf.shift != shift ||
			    (pte_val(w.leaf.old) ^ pte_val(pte)) & ~NESTED_MAY_DIFFER)
				nested_zap(&p, gp->shadow_lpid, &w.leaf);
		khx_pass_finish(&p);
		if (khx_walk_done(&w))
			break;
		/* the caller holds tlb_lock: no fault installs a leaf */
		start = w.next;
		khx_mmu_lock_yield(vm->kvm);
	}

	do {
		*tables = nested_tables_missing(gp->shadow_pgtable, n_gpa, shift);
		*tables -= nested_tables_replaced(gp->shadow_pgtable, n_gpa, shift);
		err = nested_count_tables(vm, gp, *tables);
		if (err != -ENOSPC)
			break;
		spin_unlock(&vm->kvm->mmu_lock);
		nested_free_largest(vm, gp);
		spin_lock(&vm->kvm->mmu_lock);
	} while (--tries);
	spin_unlock(&vm->kvm->mmu_lock);
	return err ? -EAGAIN : 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_make_room);

/*
 * Zap the first shadow PTE of a word and remove its entry. Return false if
 * nested_free_tables() is freeing that shadow table: it removes the entry and
 * accumulates the C bit.
 */
static bool nested_zap_first(struct khx_vm *vm, unsigned long *word)
{
	unsigned long entry = khx_rmap_first(*word), n_gpa = khx_rmap_gpa(entry);
	struct khx_shadow *shadow = khx_rmap_shadow(&vm->nested.rmap, khx_rmap_lpid(entry));
	struct khx_pass p = { .vm = vm };
	struct khx_leaf leaf;

	if (WARN_ON_ONCE(!shadow)) {
		*word = 0;
		return true;
	}
	if (shadow->goes)
		return false;
	if (nested_find_leaf(shadow->gp->shadow_pgtable, n_gpa, &leaf))
		nested_zap(&p, shadow->gp->shadow_lpid, &leaf);
	khx_rmap_remove(&vm->nested.rmap, shadow->gp, n_gpa);
	khx_pass_finish(&p);
	return true;
}

void khx_nested_drop_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	struct kvm *kvm = vm->kvm;
	unsigned long i;

	for (i = 0; khx_param.nested && i < slot->npages; i++) {
		unsigned long *word = &slot->arch.rmap[i];

		if (!(i % 0x10000))
			cond_resched();
		if (!READ_ONCE(*word))
			continue;
		spin_lock(&kvm->mmu_lock);
		/* an HPT guest uses the words for its HPTE chains */
		while (kvm_is_radix(kvm) && *word) {
			if (!nested_zap_first(vm, word))
				khx_mmu_lock_yield(kvm);
			else if (IS_ENABLED(CONFIG_KVM_HV_EXT_DEBUG))
				/*
				 * with notifiers=0 stock may have zapped leaves
				 * under another memslot
				 */
				WARN_ONCE(khx_param.notifiers,
					  "stale nested rmap of a deleted memslot\n");
		}
		spin_unlock(&kvm->mmu_lock);
	}
}

static bool nested_memslot_has_word(const struct kvm_memory_slot *slot, const unsigned long *word)
{
	return slot && slot->arch.rmap && word >= slot->arch.rmap &&
	       word < slot->arch.rmap + slot->npages;
}

/* Return the memslot that contains the word. The fault looked it up last. */
static const struct kvm_memory_slot *nested_memslot_of_word(struct kvm *kvm,
							    const unsigned long *word)
{
	struct kvm_memslots *slots = kvm_memslots(kvm);
	struct kvm_memory_slot *slot =
		(struct kvm_memory_slot *)atomic_long_read(&slots->last_used_slot);
	int bkt;

	if (nested_memslot_has_word(slot, word))
		return slot;
	kvm_for_each_memslot(slot, bkt, slots)
		if (nested_memslot_has_word(slot, word))
			return slot;
	return NULL;
}

/* Zap a shadow PTE of a page that has too many. */
static void nested_evict(struct khx_vm *vm, unsigned long *word, gfn_t gfn)
{
	unsigned long entry = khx_rmap_first(*word);

	if (!nested_zap_first(vm, word))
		return;
	vm->stats.mmu.nested_evicted++;
	trace_khx_nested_evict(vm->kvm, khx_rmap_lpid(entry), khx_rmap_gpa(entry), gfn,
			       PAGE_SHIFT);
}

/*
 * Find the page of the guest that the new shadow PTE maps. kvm-hv passes the word
 * of the first page of the guest's leaf, as the leaf was when the fault read it.
 * Return false if the leaf does not map it so any more; take R and C from the
 * shadow PTE if the leaf has lost them.
 */
static bool nested_find_page(struct khx_nested_fault *f)
{
	struct kvm *kvm = f->vm->kvm;
	struct khx_leaf leaf;
	unsigned long offset;
	gfn_t gfn;

	if (!f->slot)
		f->slot = nested_memslot_of_word(kvm, f->word);
	if (!f->slot)
		return false;

	gfn = f->slot->base_gfn + (f->word - f->slot->arch.rmap);
	/* beyond 2^52 kvm-hv has found the leaf of another page */
	if (!khx_tree_maps(gfn << PAGE_SHIFT))
		return false;
	if (!nested_find_leaf(kvm->arch.pgtable, gfn << PAGE_SHIFT, &leaf) ||
	    khx_tree_level_shift(f->level) > leaf.shift)
		return false;
	offset = pte_pfn(f->pte) - pte_pfn(leaf.old);
	if (offset >> (leaf.shift - PAGE_SHIFT) ||
	    (pte_val(f->pte) & ~pte_val(leaf.old) & _PAGE_WRITE))
		return false;

	f->pte = __pte(pte_val(f->pte) & (pte_val(leaf.old) | ~NESTED_RC));
	f->gfn = (leaf.gpa >> PAGE_SHIFT) + offset;
	return f->gfn >= f->slot->base_gfn && f->gfn < f->slot->base_gfn + f->slot->npages;
}

/*
 * Is the entry of a shadow PTE that exists at the page that was found? It is at
 * another one if two pages of the guest have the same memory.
 */
static bool nested_entry_fits(const struct khx_nested_fault *f, unsigned long n_gpa)
{
	gfn_t gfn;

	return khx_rmap_find(&f->vm->nested.rmap, f->gp, n_gpa, &gfn) && gfn == f->gfn;
}

static bool nested_insert_entry(struct khx_nested_fault *f, const struct khx_leaf *shadow)
{
	struct khx_vm *vm = f->vm;
	unsigned long *word;

	if (!khx_param.nested) {
		khx_stock_insert_nest_rmap(vm->kvm, f->word, f->n_rmap);
		return true;
	}
	word = &f->slot->arch.rmap[f->gfn - f->slot->base_gfn];
	/* make room for the entry if the page has KHX_RMAP_MOST of them */
	if (khx_rmap_crowded(*word))
		nested_evict(vm, word, f->gfn);
	if (khx_rmap_insert(&vm->nested.rmap, f->slot, f->gfn, f->gp, shadow->gpa))
		return false;
	vm->stats.mmu.nested_inserted++;
	trace_khx_nested_insert(vm->kvm, f->gp->shadow_lpid, shadow->gpa, f->gfn, shadow->shift);
	return true;
}

/*
 * Install the shadow PTE in one hold of mmu_lock, after khx_nested_make_room().
 * Return -ENOSPC if a page-table page is missing, with entries of *@missing.
 */
static int nested_map_locked(struct khx_nested_fault *f, unsigned int *missing)
{
	struct khx_pass p = { .vm = f->vm };
	struct kvm *kvm = f->vm->kvm;
	u64 lpid = f->gp->shadow_lpid;
	struct khx_leaf leaf;
	unsigned int level;
	bool same;

	lockdep_assert_held(&kvm->mmu_lock);

	if (mmu_invalidate_retry(kvm, f->seq))
		return -EAGAIN;
	if (!nested_find_page(f))
		return -EAGAIN;
	for (;;) {
		level = f->level;
		leaf.ptep = khx_tree_entry(f->gp->shadow_pgtable, f->n_gpa, &level, &f->tables);
		if (!leaf.ptep) {
			*missing = level;
			return -ENOSPC;
		}
		leaf.old = READ_ONCE(*leaf.ptep);
		leaf.shift = khx_tree_level_shift(level);
		leaf.gpa = nested_align(f->n_gpa, leaf.shift);
		if (pte_none(leaf.old))
			break;
		if (khx_tree_is_table(leaf.old)) {
			/* with nested=0 the page may still hold leaves */
			khx_tree_table_unlink(leaf.ptep);
			khx_flush_lpid(&f->vm->flusher, lpid);
			khx_tree_prune(leaf.old, f->level);
			continue;
		}
		same = level == f->level &&
		       !((pte_val(leaf.old) ^ pte_val(f->pte)) & ~NESTED_MAY_DIFFER);
		if (same && (!khx_param.nested || nested_entry_fits(f, leaf.gpa))) {
			khx_pass_write(&p, lpid, &leaf, 0, pte_val(f->pte) & NESTED_MAY_DIFFER);
			return 0;
		}
		/* khx_nested_make_room() looks at no entry, and did not run with nested=0 */
		WARN_ON_ONCE(khx_param.nested && !same);
		nested_zap(&p, lpid, &leaf);
		khx_pass_finish(&p);
	}
	/* without an entry there is no shadow PTE: the nested guest faults again */
	if (nested_insert_entry(f, &leaf))
		khx_pass_write(&p, lpid, &leaf, 0, pte_val(f->pte));
	return 0;
}

/* Install the shadow PTE. Return as khx_nested_map(); store the tables that were linked. */
static int nested_map(struct khx_nested_fault *f, int *linked)
{
	unsigned int missing;
	int err;

	for (*linked = 0;; ++*linked) {
		spin_lock(&f->vm->kvm->mmu_lock);
		err = nested_map_locked(f, &missing);
		spin_unlock(&f->vm->kvm->mmu_lock);
		if (err != -ENOSPC)
			break;
		f->tables.table[missing] = khx_tree_table_alloc(missing);
		if (!f->tables.table[missing]) {
			err = -ENOMEM;
			break;
		}
	}
	*linked -= khx_tree_tables_free(&f->tables);
	return err;
}

int khx_nested_map(struct khx_nested_fault *f)
{
	int err, tables, linked;

	if (khx_param.nested) {
		err = khx_nested_make_room(f->vm, f->gp, f->n_gpa,
					   khx_tree_level_shift(f->level), f->pte, &tables);
		if (err)
			return err;
	}
	err = nested_map(f, &linked);
	/* tables that a failed fault has linked stay */
	if (err && khx_param.nested)
		khx_nested_undo_room(f->vm, f->gp, tables - linked);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_map);

/**
 * khx_hook_create_pte() - kvmppc_create_pte() for shadow tables of tracked VMs
 * @kvm:	the VM
 * @root:	shadow table of the nested guest that the current vCPU runs
 * @pte:	the leaf
 * @n_gpa:	guest real address of the nested guest
 * @level:	0 PTE, 1 PMD, 2 PUD
 * @mmu_seq:	kvm->mmu_invalidate_seq from before the guest's leaf was looked
 *		up
 * @lpid:	LPID of the table
 * @rmapp:	word of the first page of the guest's leaf in the memslot's rmap
 * @n_rmap:	kvm-hv's entry for @rmapp
 *
 * Context: vCPU thread, the nested guest's tlb_lock and kvm->srcu held, may
 * sleep.
 * Return: 0; -EAGAIN to make the nested guest retry; -ENOMEM.
 */
int khx_hook_create_pte(struct kvm *kvm, pgd_t *root, pte_t pte, unsigned long n_gpa,
			unsigned int level, unsigned long mmu_seq, KHX_LPID lpid,
			unsigned long *rmapp, struct rmap_nested **n_rmap)
{
	const struct kvm_vcpu *vcpu = khx_running_vcpu();
	struct khx_nested_fault f = {
		.vm = khx_vm_find(kvm),
		.gp = vcpu ? vcpu->arch.nested : NULL,
		.n_gpa = khx_tree_address(n_gpa),
		.pte = pte,
		.level = level,
		.seq = mmu_seq,
		.word = rmapp,
		.n_rmap = n_rmap,
	};

	/* khx_radix_map() installs all leaves of the guest's own table. */
	if (WARN_ON_ONCE(!f.gp || f.gp->shadow_pgtable != root))
		return -EAGAIN;
	return khx_nested_map(&f);
}

/**
 * khx_hook_remove_nest_rmap_range() - kvmhv_remove_nest_rmap_range()
 * @kvm:	the VM
 * @slot:	memslot of the leaf, or NULL
 * @gpa:	guest real address of a leaf that was zapped
 * @hpa:	host address that the leaf mapped
 * @nbytes:	size of the leaf
 *
 * Accumulates the C bits of the shadow PTEs in the memslot's dirty bitmap.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_hook_remove_nest_rmap_range(struct kvm *kvm, const struct kvm_memory_slot *slot,
				     unsigned long gpa, unsigned long hpa,
				     unsigned long nbytes)
{
	struct khx_pass p = { .vm = khx_vm_find(kvm) };
	const struct khx_leaf leaf = {
		.old = __pte(hpa),
		.gpa = gpa,
		.shift = ilog2(nbytes),
	};

	lockdep_assert_held(&kvm->mmu_lock);

	if (!slot)
		return;
	if (khx_nested_visit(&p, slot, &leaf, KHX_PASS_ALL) & _PAGE_DIRTY)
		khx_pass_found_dirty(&p, NULL, gpa >> PAGE_SHIFT, (gpa + nbytes) >> PAGE_SHIFT);
	khx_pass_finish(&p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hook_remove_nest_rmap_range);

/**
 * khx_hook_update_nest_rmap_rc_list() - kvmhv_update_nest_rmap_rc_list()
 * @kvm:	the VM
 * @rmapp:	word of a page
 * @clear:	bits to clear: R, C or both
 * @set:	must be 0
 * @hpa:	host address that the guest's leaf maps
 * @nbytes:	size of the leaf, or 1 for a single page
 *
 * The cleared bits are flushed under the shadow LPIDs on return.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_hook_update_nest_rmap_rc_list(struct kvm *kvm, unsigned long *rmapp,
				       unsigned long clear, unsigned long set,
				       unsigned long hpa, unsigned long nbytes)
{
	struct khx_pass p = { .vm = khx_vm_find(kvm) };
	const struct khx_leaf leaf = {
		.old = __pte(hpa),
		.shift = nbytes > PAGE_SIZE ? ilog2(nbytes) : PAGE_SHIFT,
	};

	lockdep_assert_held(&kvm->mmu_lock);

	if (WARN_ON_ONCE(set || clear & ~NESTED_RC))
		return;
	nested_visit_word(&p, rmapp, &leaf, clear);
	khx_pass_finish(&p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hook_update_nest_rmap_rc_list);

pte_t *khx_nested_find_for_rc(struct khx_vm *vm, const struct kvm_nested_guest *gp,
			      bool writing, unsigned long n_gpa, unsigned int *shift)
{
	unsigned long bits = _PAGE_ACCESSED | (writing ? _PAGE_DIRTY : 0);
	struct khx_leaf shadow, leaf;
	gfn_t gfn;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	n_gpa = khx_tree_address(n_gpa);
	if (!nested_find_leaf(gp->shadow_pgtable, n_gpa, &shadow) ||
	    (writing && !pte_write(shadow.old)))
		return NULL;
	*shift = shadow.shift;
	if (!khx_rmap_find(&vm->nested.rmap, gp, shadow.gpa, &gfn))
		return NULL;

	if (!nested_find_leaf(vm->kvm->arch.pgtable, gfn << PAGE_SHIFT, &leaf) ||
	    bits & ~pte_val(leaf.old) || !nested_same_memory(&shadow, &leaf))
		return NULL;
	return shadow.ptep;
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_find_for_rc);

/**
 * khx_hook_find_nested_guest_pte() - find_kvm_nested_guest_pte()
 * @kvm:	the VM
 * @l1_lpid:	LPID that L1 gave the nested guest
 * @n_gpa:	guest real address of the nested guest
 * @shift:	where to store log2 of the size of the shadow PTE
 *
 * Redirected only for kvmppc_hv_handle_set_rc(), which sets R, or R and C, in
 * the returned PTE after a fault of the nested guest that the current vCPU
 * runs. See khx_nested_find_for_rc().
 *
 * Context: kvm->mmu_lock held.
 * Return: the shadow PTE, or NULL if these bits must not be set in it.
 */
pte_t *khx_hook_find_nested_guest_pte(struct kvm *kvm, unsigned long l1_lpid, unsigned long n_gpa,
				      unsigned int *shift)
{
	const struct kvm_vcpu *vcpu = khx_running_vcpu();
	struct khx_vm *vm = khx_vm_find(kvm);
	bool writing;
	pte_t *ptep;

	if (WARN_ON_ONCE(!vcpu || vcpu->kvm != kvm || !vcpu->arch.nested))
		return NULL;
	writing = vcpu->arch.fault_dsisr & DSISR_ISSTORE;
	ptep = khx_nested_find_for_rc(vm, vcpu->arch.nested, writing, n_gpa, shift);
	vm->stats.mmu.nested_set_rc++;
	trace_khx_nested_set_rc(kvm, vcpu->arch.nested->shadow_lpid, n_gpa, writing, ptep);
	return ptep;
}

/* Zap a shadow PTE at an unknown address: search the nested guest's entries. */
static void nested_zap_by_entry(struct khx_pass *p, struct khx_shadow *shadow,
				const pte_t *ptep)
{
	struct khx_leaf leaf;
	unsigned long index;
	void *entry;

	xa_for_each(&shadow->pages, index, entry) {
		if (nested_find_leaf(shadow->gp->shadow_pgtable, index << PAGE_SHIFT, &leaf) &&
		    leaf.ptep == ptep) {
			nested_zap(p, shadow->gp->shadow_lpid, &leaf);
			return;
		}
	}
}

static bool nested_is_mapped(const pte_t *ptep)
{
	return pte_present(READ_ONCE(*ptep));
}

void khx_nested_unmap_pte(struct kvm *kvm, pte_t *ptep, unsigned long n_gpa,
			  unsigned int shift, const struct kvm_memory_slot *slot,
			  u64 lpid)
{
	struct khx_pass p = { .vm = khx_vm_find(kvm) };
	struct khx_shadow *shadow = khx_rmap_shadow(&p.vm->nested.rmap, lpid), *other;
	struct khx_leaf leaf;
	unsigned long other_lpid;

	lockdep_assert_held(&kvm->mmu_lock);

	n_gpa = khx_tree_address(n_gpa);
	if (shadow && nested_find_leaf(shadow->gp->shadow_pgtable, n_gpa, &leaf))
		nested_zap(&p, lpid, &leaf);

	/* L1 has reused the LPID: the PTE belongs to another nested guest. */
	xa_for_each(&p.vm->nested.rmap.shadows, other_lpid, other) {
		if (!nested_is_mapped(ptep))
			break;
		if (nested_find_leaf(other->gp->shadow_pgtable, n_gpa, &leaf) && leaf.ptep == ptep)
			nested_zap(&p, other_lpid, &leaf);
	}
	/* kvm-hv frees this PTE's page-table page next: zap it anyway. */
	if (shadow && nested_is_mapped(ptep))
		nested_zap_by_entry(&p, shadow, ptep);
	leaf = (struct khx_leaf){
		.ptep = ptep,
		.old = READ_ONCE(*ptep),
		.gpa = nested_align(n_gpa, PAGE_SHIFT),
		.shift = PAGE_SHIFT,
	};
	if (WARN_ON_ONCE(pte_present(leaf.old))) {
		khx_pass_write(&p, lpid, &leaf, KHX_PASS_ALL, 0);
		/* its address is unknown */
		khx_flush_lpid(&p.vm->flusher, lpid);
	}
	khx_pass_finish(&p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_nested_unmap_pte);

/**
 * khx_hook_release_all_nested() - kvmhv_release_all_nested()
 * @kvm:	the VM
 *
 * Context: no vCPU runs; takes kvm->mmu_lock and kvm->slots_lock; may sleep.
 */
void khx_hook_release_all_nested(struct kvm *kvm)
{
	struct khx_vm *vm = khx_vm_find(kvm);
	struct khx_shadow *shadow;
	unsigned long lpid;

	/* no vCPU runs, so no nested guest is created or released */
	spin_lock(&kvm->mmu_lock);
	xa_for_each(&vm->nested.rmap.shadows, lpid, shadow)
		while (!nested_drop_entries(vm, shadow, shadow->gp->shadow_pgtable))
			khx_mmu_lock_yield(kvm);
	spin_unlock(&kvm->mmu_lock);

	/*
	 * kvm-hv walks the memslots with kvm->srcu only, and asks for the set of them
	 * again at each step: where KVM makes another set the active one meanwhile,
	 * it follows the links of one set to the memslots of the other.
	 */
	mutex_lock(&kvm->slots_lock);
	khx_stock_release_all_nested(kvm);
	mutex_unlock(&kvm->slots_lock);
}

/*
 * kvm-hv of 6.1 (as of 6.1.176) iterates over the nested guests without a
 * reference to the current one: another vCPU of L1 may release it meanwhile.
 * For a single nested guest kvm-hv takes a reference, so request them one by
 * one.
 */
/**
 * khx_hook_do_nested_tlbie() - kvmhv_do_nested_tlbie() for all nested guests
 * @vcpu:	the vCPU that made the hypercall H_TLB_INVALIDATE
 *
 * Context: vCPU thread, may sleep.
 * Return: the hypercall's return code.
 */
long khx_hook_do_nested_tlbie(struct kvm_vcpu *vcpu)
{
	unsigned long rs = kvmppc_get_gpr(vcpu, 5), rb = kvmppc_get_gpr(vcpu, 6);
	struct kvm *kvm = vcpu->kvm;
	struct kvm_nested_guest *gp;
	long rc = H_SUCCESS;
	int lpid = 0;

	kvmppc_set_gpr(vcpu, 6, (rb & ~TLBIEL_INVAL_SET) | TLBIEL_INVAL_SET_LPID);
	for (; rc == H_SUCCESS; lpid++) {
		spin_lock(&kvm->mmu_lock);
		gp = idr_get_next(&kvm->arch.kvm_nested_guest_idr, &lpid);
		spin_unlock(&kvm->mmu_lock);
		/* none left: let kvm-hv check the other parameters */
		kvmppc_set_gpr(vcpu, 5, gp ? lpid : 0);
		rc = khx_stock_do_nested_tlbie(vcpu);
		if (!gp)
			break;
	}
	kvmppc_set_gpr(vcpu, 5, rs);
	kvmppc_set_gpr(vcpu, 6, rb);
	return rc;
}

/**
 * khx_hook_do_h_rpt_invalidate_pat() - do_h_rpt_invalidate_pat() close to 2^64
 * @vcpu:	the vCPU that made the hypercall H_RPT_INVALIDATE
 * @lpid:	LPID that L1 gave the nested guest
 * @type:	what to invalidate
 * @pg_sizes:	page sizes
 * @start:	first address
 * @end:	end of the range
 *
 * kvm-hv adds the page size until the address reaches @end. If @end is in the
 * last page below 2^64, the address wraps to 0 instead and the loop does not
 * end. This function invalidates all of the nested guest.
 *
 * Context: vCPU thread, may sleep.
 * Return: stock's return code for that longer range.
 */
long khx_hook_do_h_rpt_invalidate_pat(struct kvm_vcpu *vcpu, unsigned long lpid,
				      unsigned long type, unsigned long pg_sizes,
				      unsigned long start, unsigned long end)
{
	/* so many pages of any size that kvm-hv invalidates the whole LPID */
	return khx_stock_do_h_rpt_invalidate_pat(vcpu, lpid, type, pg_sizes, 0, BIT(62));
}

/*
 * A copy of kvmhv_alloc_nested() (Linux 4.20, "KVM: PPC: Book3S HV: Nested
 * guest entry via hypercall").
 */
static struct kvm_nested_guest *nested_guest_alloc(struct kvm *kvm, int l1_lpid)
{
	struct kvm_nested_guest *gp = kzalloc(sizeof(*gp), GFP_KERNEL_ACCOUNT);
	long lpid;

	if (!gp)
		return NULL;
	gp->l1_host = kvm;
	gp->l1_lpid = l1_lpid;
	gp->radix = 1;
	mutex_init(&gp->tlb_lock);
	memset(gp->prev_cpu, -1, sizeof(gp->prev_cpu));

	gp->shadow_pgtable = pgd_alloc(kvm->mm);
	lpid = gp->shadow_pgtable ? kvmppc_alloc_lpid() : -ENOMEM;
	if (lpid < 0) {
		if (gp->shadow_pgtable)
			pgd_free(kvm->mm, gp->shadow_pgtable);
		kfree(gp);
		return NULL;
	}
	gp->shadow_lpid = lpid;
	return gp;
}

static void nested_guest_free(struct kvm_nested_guest *gp)
{
	pgd_free(gp->l1_host->mm, gp->shadow_pgtable);
	kvmppc_free_lpid(gp->shadow_lpid);
	kfree(gp);
}

/**
 * khx_hook_get_nested() - kvmhv_get_nested()
 * @kvm:	the VM
 * @l1_lpid:	LPID that L1 gave its nested guest
 * @create:	create the nested guest if it does not exist
 *
 * kvm-hv preallocates the slot in the IDR of nested guests without a lock,
 * while other vCPUs of L1 change the IDR. This function changes it under
 * kvm->mmu_lock.
 *
 * Context: vCPU thread, may sleep; takes kvm->mmu_lock.
 * Return: the nested guest with a reference for kvmhv_put_nested(); NULL if it
 * does not exist, if L1's partition table has no such entry, or without memory.
 */
struct kvm_nested_guest *khx_hook_get_nested(struct kvm *kvm, int l1_lpid, bool create)
{
	struct kvm_nested_guest *gp, *new;
	unsigned int table_bits = (kvm->arch.l1_ptcr & PRTS_MASK) + 12 - 4;

	gp = khx_stock_get_nested(kvm, l1_lpid, false);
	if (gp || !create || l1_lpid < 0 || l1_lpid >> min(table_bits, 30U))
		return gp;

	new = nested_guest_alloc(kvm, l1_lpid);
	if (!new)
		return NULL;
	idr_preload(GFP_KERNEL_ACCOUNT);
	spin_lock(&kvm->mmu_lock);
	gp = idr_find(&kvm->arch.kvm_nested_guest_idr, l1_lpid);
	if (!gp && idr_alloc(&kvm->arch.kvm_nested_guest_idr, new, l1_lpid, l1_lpid + 1,
			     GFP_NOWAIT) == l1_lpid) {
		swap(gp, new);
		gp->refcnt++;	/* L1's reference, until L1 ends it */
	}
	if (gp)
		gp->refcnt++;
	spin_unlock(&kvm->mmu_lock);
	idr_preload_end();

	if (new)
		nested_guest_free(new);
	return gp;
}
