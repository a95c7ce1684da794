// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to the shadow tables of nested guests, and what replaces the
 * functions of kvm-hv that do it.
 *
 * A shadow PTE has an entry in the reverse map as long as it is present. It comes
 * up in a page fault of the nested guest, which checks kvm->mmu_invalidate_seq
 * under mmu_lock, and under the same hold gets its entry. So whoever takes a leaf
 * of the guest away, or a bit of it, finds all its shadow PTEs, or makes those
 * that are under way try again.
 */
#include <linux/idr.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "nested_rmap.h"
#include "params.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_walk.h"
#include "stock.h"
#include "vm.h"

/*
 * A new leaf may differ from the present one in these, and be added to it: the
 * access was another, or R and C have come and gone.
 */
#define MAY_DIFFER	(_PAGE_WRITE | _PAGE_DIRTY | _PAGE_ACCESSED)

/* The nested guest of an entry. Stock's lists have the LPID that L1 gave it. */
static struct kvm_nested_guest *nested_guest(struct kvm_ext_vm *vm, unsigned long entry)
{
	struct kvm_ext_shadow *shadow;

	if (!kvm_ext_nested)
		return idr_find(&vm->kvm->arch.kvm_nested_guest_idr,
				kvm_ext_rmap_lpid(entry));
	shadow = kvm_ext_rmap_shadow(&vm->rmap, kvm_ext_rmap_lpid(entry));
	return shadow ? shadow->gp : NULL;
}

/* A leaf of any size at an address. NULL if there is none that is present. */
static pte_t *find_leaf(pgd_t *root, unsigned long gpa, unsigned int *shift)
{
	pte_t *ptep = __find_linux_pte(root, gpa, NULL, shift);

	if (!*shift)
		*shift = PAGE_SHIFT;
	return ptep && pte_present(READ_ONCE(*ptep)) ? ptep : NULL;
}

static unsigned long aligned(unsigned long gpa, unsigned int shift)
{
	return gpa & ~((1UL << shift) - 1);
}

/* Two leaves for one page: if they map the same of the host, as far as both go. */
static bool agree(unsigned long one, unsigned int one_shift, unsigned long two,
		  unsigned int two_shift)
{
	return !aligned((one ^ two) & PTE_RPN_MASK, max(one_shift, two_shift));
}

/* A page of a nested guest was stored to, and its shadow PTE will not tell. */
static void keep_dirty(struct kvm *kvm, gfn_t gfn, unsigned int shift)
{
	gfn_t end = gfn + (1UL << (shift - PAGE_SHIFT));
	int idx = srcu_read_lock(&kvm->srcu);

	for (; gfn < end; gfn++) {
		struct kvm_memory_slot *slot = gfn_to_memslot(kvm, gfn);

		if (slot && slot->dirty_bitmap)
			set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
	}
	srcu_read_unlock(&kvm->srcu, idx);
}

/* Take a shadow PTE away, and its entry. */
static void take_away(struct kvm_ext_pass *p, u64 lpid, pte_t *ptep,
		      unsigned long n_gpa, unsigned int shift)
{
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(&p->vm->rmap, lpid);
	unsigned long seen = kvm_ext_pass_visit(p, lpid, ptep, n_gpa, shift);
	gfn_t gfn;

	if (!shadow || !kvm_ext_rmap_find(&p->vm->rmap, shadow->gp, n_gpa, &gfn))
		return;
	if (seen & _PAGE_DIRTY)
		keep_dirty(p->vm->kvm, gfn, shift);
	kvm_ext_rmap_remove(&p->vm->rmap, shadow->gp, n_gpa);
}

/**
 * struct target - the leaf whose shadow PTEs are visited
 * @hpa:	host address that it maps
 * @shift:	log2 of its size in bytes
 * @least:	visit only shadow PTEs of at least this size, as log2
 */
struct target {
	unsigned long hpa;
	unsigned int shift;
	unsigned int least;
};

/*
 * The shadow PTE that an entry names, if it maps (part of) what the leaf maps or
 * the leaf maps part of what it does.
 */
static bool visit_shadow(struct kvm_ext_pass *p, unsigned long entry,
			 const struct target *leaf, unsigned long *seen)
{
	unsigned long n_gpa = kvm_ext_rmap_gpa(entry);
	struct kvm_nested_guest *gp;
	unsigned int shift;
	pte_t *ptep;

	gp = nested_guest(p->vm, entry);
	if (!gp)
		return false;

	ptep = find_leaf(gp->shadow_pgtable, n_gpa, &shift);
	if (!ptep || shift < leaf->least ||
	    !agree(pte_val(*ptep), shift, leaf->hpa, leaf->shift))
		return false;

	*seen |= kvm_ext_pass_visit(p, gp->shadow_lpid, ptep, aligned(n_gpa, shift), shift);
	if (p->clear == KVM_EXT_PASS_ALL && kvm_ext_nested)
		kvm_ext_rmap_remove(&p->vm->rmap, gp, aligned(n_gpa, shift));
	return true;
}

static unsigned long visit_word(struct kvm_ext_pass *p, unsigned long *word,
				const struct target *leaf)
{
	bool all = p->clear == KVM_EXT_PASS_ALL;
	struct rmap_nested *cursor;
	unsigned long entry, seen = 0;
	struct llist_node *node;

again:
	node = (struct llist_node *)*word;
	/* Stock's lists have no index: they go whole. */
	if (all && !kvm_ext_nested)
		*word = 0;
	for_each_nest_rmap_safe(cursor, node, &entry) {
		bool gone = visit_shadow(p, entry, leaf, &seen) && all;

		if (all && !kvm_ext_nested)
			kfree(cursor);
		else if (gone)
			goto again;	/* it is another list now */
	}
	return seen;
}

/* Shadow PTEs larger than the leaf have their entries at the first page they map. */
static unsigned long visit_larger(struct kvm_ext_pass *p,
				  const struct kvm_memory_slot *slot,
				  unsigned long gpa, struct target leaf,
				  unsigned int shift)
{
	gfn_t first = aligned(gpa, shift) >> PAGE_SHIFT;

	if (shift <= leaf.shift || first == gpa >> PAGE_SHIFT || first < slot->base_gfn)
		return 0;
	leaf.least = shift;
	return visit_word(p, &slot->arch.rmap[first - slot->base_gfn], &leaf);
}

unsigned long kvm_ext_visit_shadows(struct kvm_ext_pass *p,
				    const struct kvm_memory_slot *slot,
				    unsigned long gpa, unsigned int shift,
				    unsigned long hpa)
{
	struct target leaf = { .hpa = hpa, .shift = shift };
	gfn_t gfn = max(gpa >> PAGE_SHIFT, slot->base_gfn);
	gfn_t end = min((gpa + (1UL << shift)) >> PAGE_SHIFT,
			slot->base_gfn + slot->npages);
	unsigned long seen = 0;

	for (; gfn < end; gfn++)
		seen |= visit_word(p, &slot->arch.rmap[gfn - slot->base_gfn], &leaf);
	if (kvm_ext_nested) {
		seen |= visit_larger(p, slot, gpa, leaf, PMD_SHIFT);
		seen |= visit_larger(p, slot, gpa, leaf, PUD_SHIFT);
	}
	return seen;
}

/* What shadow PTEs know about stores, and their entries, before they all go. */
static void drop_entries(struct kvm_ext_vm *vm, struct kvm_ext_shadow *shadow, pgd_t *root)
{
	unsigned long index;
	unsigned int shift;
	void *entry;
	pte_t *ptep;

	xa_for_each(&shadow->pages, index, entry) {
		ptep = find_leaf(root, index << PAGE_SHIFT, &shift);
		if (ptep && pte_dirty(*ptep))
			keep_dirty(vm->kvm, kvm_ext_shadow_gfn(entry), shift);
	}
	kvm_ext_rmap_remove_all(&vm->rmap, shadow);
}

/*
 * The live root is emptied, translations and what was cached of the tables are
 * invalidated, and then the tables are freed from a copy of the root.
 */
static bool free_tables(struct kvm_ext_vm *vm, pgd_t *root, u64 lpid)
{
	void (*original)(struct kvm *kvm, pgd_t *root, u64 lpid) =
		kvm_ext_original(KVM_EXT_FREE_PGTABLE);
	struct kvm_ext_shadow *shadow;

	if (!original)
		return false;

	spin_lock(&vm->spare_lock);
	memcpy(vm->spare_root, root, KVM_EXT_ROOT_SIZE);
	memset(root, 0, KVM_EXT_ROOT_SIZE);
	kvm_ext_flush_lpid(&vm->notifier_flush, lpid);

	shadow = kvm_ext_rmap_shadow(&vm->rmap, lpid);
	if (shadow)
		drop_entries(vm, shadow, vm->spare_root);

	original(vm->kvm, vm->spare_root, lpid);
	spin_unlock(&vm->spare_lock);
	return true;
}

void kvm_ext_free_shadow_table(struct kvm *kvm, pgd_t *root, u64 lpid)
{
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(&vm->rmap, lpid);

	/* one that has ended, with pages mapped: its entries are still there */
	if (shadow && !shadow->gp->refcnt) {
		spin_lock(&kvm->mmu_lock);
		WARN_ON_ONCE(!free_tables(vm, root, lpid));
		spin_unlock(&kvm->mmu_lock);
	} else {
		WARN_ON_ONCE(!free_tables(vm, root, lpid));
	}
}

/* Page-table pages that a new leaf takes. */
static unsigned int tables_missing(pgd_t *root, unsigned long gpa, unsigned int shift)
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

/*
 * What shadow tables may take. A page of PTEs is for PMD_SIZE of memory: so this
 * is four times what it takes to map all of the guest's memory once, and room for
 * nested guests that use their addresses sparsely.
 */
static unsigned long tables_allowed(const struct kvm *kvm)
{
	return 4 * (kvm->nr_memslot_pages >> (PMD_SHIFT - PAGE_SHIFT)) + 1024;
}

/*
 * Throw away the largest shadow table, or that of the nested guest that faulted,
 * if the largest is in use. It comes back page fault by page fault.
 */
static bool free_largest(struct kvm_ext_vm *vm, struct kvm_ext_shadow *own)
{
	struct kvm_ext_shadow *shadow, *largest = own;
	struct kvm_nested_guest *gp;
	unsigned long lpid;
	bool freed;

	xa_for_each(&vm->rmap.shadows, lpid, shadow)
		if (shadow->tables > largest->tables)
			largest = shadow;

	gp = largest->gp;
	if (largest == own)
		return free_tables(vm, gp->shadow_pgtable, gp->shadow_lpid);

	/* its page faults look at their table before they take mmu_lock */
	if (!mutex_trylock(&gp->tlb_lock)) {
		gp = own->gp;
		return free_tables(vm, gp->shadow_pgtable, gp->shadow_lpid);
	}
	freed = free_tables(vm, gp->shadow_pgtable, gp->shadow_lpid);
	mutex_unlock(&gp->tlb_lock);
	return freed;
}

/*
 * Count page-table pages before kvm-hv makes them. Where it gives up, and makes them
 * at the next try, they count twice: at worst a table is thrown away early.
 */
static bool allow_tables(struct kvm_ext_vm *vm, struct kvm_nested_guest *gp,
			 unsigned long n_gpa, unsigned int shift)
{
	unsigned int missing = tables_missing(gp->shadow_pgtable, n_gpa, shift);
	struct kvm_ext_shadow *shadow;

	if (!missing)
		return true;
	shadow = kvm_ext_rmap_get_shadow(&vm->rmap, gp);
	if (shadow && vm->rmap.tables + missing > tables_allowed(vm->kvm) &&
	    free_largest(vm, shadow)) {
		missing = tables_missing(gp->shadow_pgtable, n_gpa, shift);
		shadow = kvm_ext_rmap_get_shadow(&vm->rmap, gp);
	}
	if (!shadow)
		return false;
	shadow->tables += missing;
	vm->rmap.tables += missing;
	return true;
}

bool kvm_ext_make_room(struct kvm_ext_vm *vm, struct kvm_nested_guest *gp,
		       unsigned long n_gpa, unsigned int shift, pte_t pte)
{
	struct kvm_ext_pass p = {
		.vm = vm,
		.look = _PAGE_DIRTY,
		.clear = KVM_EXT_PASS_ALL,
	};
	unsigned long start = aligned(n_gpa, shift);
	struct kvm_ext_walk w;
	bool allowed;

	spin_lock(&vm->kvm->mmu_lock);
	kvm_ext_walk_init(&w, gp->shadow_pgtable, start, start + (1UL << shift), UINT_MAX);
	while (kvm_ext_walk_next(&w))
		if (w.shift != shift ||
		    (pte_val(*w.ptep) ^ pte_val(pte)) & ~MAY_DIFFER)
			take_away(&p, gp->shadow_lpid, w.ptep, w.gpa, w.shift);
	kvm_ext_pass_finish(&p);
	allowed = allow_tables(vm, gp, n_gpa, shift);
	spin_unlock(&vm->kvm->mmu_lock);
	return allowed;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_make_room);

void kvm_ext_rmap_slot_gone(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot)
{
	struct kvm_ext_pass p = {
		.vm = vm,
		.clear = KVM_EXT_PASS_ALL,
	};
	unsigned long i;

	for (i = 0; kvm_ext_nested && i < slot->npages; i++) {
		unsigned long *word = &slot->arch.rmap[i];

		if (!(i % 0x10000))
			cond_resched();
		if (!READ_ONCE(*word))
			continue;
		spin_lock(&vm->kvm->mmu_lock);
		WARN_ONCE(*word, "shadow PTEs of a page that the guest has not got\n");
		while (*word) {
			unsigned long entry = kvm_ext_rmap_first(*word);
			struct kvm_nested_guest *gp = nested_guest(vm, entry);
			unsigned int shift;
			pte_t *ptep;

			if (!gp) {
				*word = 0;
				break;
			}
			ptep = find_leaf(gp->shadow_pgtable, kvm_ext_rmap_gpa(entry),
					 &shift);
			if (ptep)
				take_away(&p, gp->shadow_lpid, ptep,
					  kvm_ext_rmap_gpa(entry), shift);
			kvm_ext_rmap_remove(&vm->rmap, gp, kvm_ext_rmap_gpa(entry));
		}
		kvm_ext_pass_finish(&p);
		spin_unlock(&vm->kvm->mmu_lock);
	}
}

/* The memslot whose word it is. */
static const struct kvm_memory_slot *slot_of(struct kvm *kvm, const unsigned long *word)
{
	struct kvm_memory_slot *slot;
	int bkt;

	kvm_for_each_memslot(slot, bkt, kvm_memslots(kvm))
		if (slot->arch.rmap && word >= slot->arch.rmap &&
		    word < slot->arch.rmap + slot->npages)
			return slot;
	return NULL;
}

/*
 * Give a new shadow PTE its entry, at the page that it maps: kvm-hv names the
 * first page of the guest's leaf, which may become smaller.
 */
static int enter(struct kvm_ext_vm *vm, unsigned long *word,
		 struct kvm_nested_guest *gp, unsigned long n_gpa,
		 pte_t pte, unsigned int shift)
{
	struct kvm *kvm = vm->kvm;
	const struct kvm_memory_slot *slot = slot_of(kvm, word);
	unsigned int leaf_shift;
	unsigned long offset;
	pte_t *leaf;
	gfn_t gfn;

	if (!slot)
		return -ENOENT;

	gfn = slot->base_gfn + (word - slot->arch.rmap);
	leaf = find_leaf(kvm->arch.pgtable, gfn << PAGE_SHIFT, &leaf_shift);
	if (!leaf || shift > leaf_shift)
		return -ENOENT;
	offset = pte_pfn(pte) - pte_pfn(*leaf);
	if (offset >> (leaf_shift - PAGE_SHIFT) ||
	    (pte_val(pte) & ~pte_val(*leaf) & MAY_DIFFER))
		return -ENOENT;

	gfn = (aligned(gfn << PAGE_SHIFT, leaf_shift) >> PAGE_SHIFT) + offset;
	if (gfn < slot->base_gfn || gfn >= slot->base_gfn + slot->npages)
		return -ENOENT;
	return kvm_ext_rmap_insert(&vm->rmap, slot, gfn, gp, n_gpa);
}

bool kvm_ext_enter_shadow_pte(struct kvm_ext_vm *vm, unsigned long *word,
			      struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	struct kvm_ext_pass p = {
		.vm = vm,
		.clear = KVM_EXT_PASS_ALL,
	};
	unsigned int shift;
	pte_t *ptep;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	ptep = find_leaf(gp->shadow_pgtable, n_gpa, &shift);
	if (!ptep)
		return false;
	if (!enter(vm, word, gp, aligned(n_gpa, shift), *ptep, shift))
		return true;
	kvm_ext_pass_visit(&p, gp->shadow_lpid, ptep, aligned(n_gpa, shift), shift);
	kvm_ext_pass_finish(&p);
	return false;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_enter_shadow_pte);

void kvm_ext_insert_nest_rmap(struct kvm *kvm, unsigned long *rmapp,
			      struct rmap_nested **n_rmap)
{
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();

	if (!WARN_ON_ONCE(!vcpu || vcpu->kvm != kvm || !vcpu->arch.nested))
		kvm_ext_enter_shadow_pte(kvm_ext_vm_find(kvm), rmapp, vcpu->arch.nested,
					 kvm_ext_rmap_gpa((*n_rmap)->rmap));
}

void kvm_ext_remove_nest_rmap_range(struct kvm *kvm, const struct kvm_memory_slot *slot,
				    unsigned long gpa, unsigned long hpa,
				    unsigned long nbytes)
{
	struct kvm_ext_pass p = {
		.vm = kvm_ext_vm_find(kvm),
		.look = _PAGE_DIRTY,
		.clear = KVM_EXT_PASS_ALL,
	};
	unsigned int shift = ilog2(nbytes);

	lockdep_assert_held(&kvm->mmu_lock);

	if (!slot)
		return;
	if (kvm_ext_visit_shadows(&p, slot, gpa, shift, hpa))
		keep_dirty(kvm, gpa >> PAGE_SHIFT, shift);
	/* a nested fault that has seen the leaf must not use it any more */
	p.cleared = true;
	kvm_ext_pass_finish(&p);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_remove_nest_rmap_range);

void kvm_ext_update_nest_rmap_rc(struct kvm *kvm, unsigned long *rmapp,
				 unsigned long clear, unsigned long set,
				 unsigned long hpa, unsigned long nbytes)
{
	struct kvm_ext_pass p = {
		.vm = kvm_ext_vm_find(kvm),
		.clear = clear,
	};
	struct target leaf = {
		.hpa = hpa,
		.shift = nbytes > PAGE_SIZE ? ilog2(nbytes) : PAGE_SHIFT,
	};

	lockdep_assert_held(&kvm->mmu_lock);

	if (WARN_ON_ONCE(set || clear & ~(_PAGE_DIRTY | _PAGE_ACCESSED)))
		return;
	visit_word(&p, rmapp, &leaf);
	p.cleared = true;
	kvm_ext_pass_finish(&p);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_update_nest_rmap_rc);

bool kvm_ext_set_shadow_rc(struct kvm_ext_vm *vm, const struct kvm_nested_guest *gp,
			   bool writing, unsigned long n_gpa)
{
	unsigned long bits = _PAGE_ACCESSED | (writing ? _PAGE_DIRTY : 0);
	unsigned int shift, leaf_shift;
	pte_t *ptep, *leaf;
	gfn_t gfn;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	ptep = find_leaf(gp->shadow_pgtable, n_gpa, &shift);
	if (!ptep || (writing && !pte_write(*ptep)))
		return false;
	if (!kvm_ext_rmap_find(&vm->rmap, gp, aligned(n_gpa, shift), &gfn))
		return false;

	leaf = find_leaf(vm->kvm->arch.pgtable, gfn << PAGE_SHIFT, &leaf_shift);
	if (!leaf || bits & ~pte_val(*leaf) ||
	    !agree(pte_val(*ptep), shift, pte_val(*leaf), leaf_shift))
		return false;
	__radix_pte_update(ptep, 0, bits);
	return true;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_set_shadow_rc);

bool kvm_ext_nested_set_rc(struct kvm *kvm, bool nested, bool writing,
			   unsigned long n_gpa, u64 l1_lpid)
{
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();

	return !WARN_ON_ONCE(!vcpu || vcpu->kvm != kvm || !vcpu->arch.nested) &&
	       kvm_ext_set_shadow_rc(kvm_ext_vm_find(kvm), vcpu->arch.nested, writing,
				     n_gpa);
}

void kvm_ext_unmap_shadow_pte(struct kvm *kvm, pte_t *ptep, unsigned long n_gpa,
			      unsigned int shift, const struct kvm_memory_slot *slot,
			      u64 lpid)
{
	struct kvm_ext_pass p = {
		.vm = kvm_ext_vm_find(kvm),
		.look = _PAGE_DIRTY,
		.clear = KVM_EXT_PASS_ALL,
	};
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(&p.vm->rmap, lpid);
	pte_t *leaf = NULL;
	unsigned long other;

	lockdep_assert_held(&kvm->mmu_lock);

	if (shadow)
		leaf = find_leaf(shadow->gp->shadow_pgtable, n_gpa, &shift);
	if (leaf)
		take_away(&p, lpid, leaf, aligned(n_gpa, shift), shift);
	if (leaf == ptep)
		goto out;

	xa_for_each(&p.vm->rmap.shadows, other, shadow)
		if (find_leaf(shadow->gp->shadow_pgtable, n_gpa, &shift) == ptep)
			take_away(&p, other, ptep, aligned(n_gpa, shift), shift);
out:
	kvm_ext_pass_finish(&p);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_unmap_shadow_pte);

void kvm_ext_release_all_nested(struct kvm *kvm)
{
	void (*original)(struct kvm *kvm) = kvm_ext_original(KVM_EXT_RELEASE_NESTED);
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);
	struct kvm_ext_shadow *shadow;
	unsigned long lpid;

	spin_lock(&kvm->mmu_lock);
	xa_for_each(&vm->rmap.shadows, lpid, shadow)
		drop_entries(vm, shadow, shadow->gp->shadow_pgtable);
	spin_unlock(&kvm->mmu_lock);

	if (!WARN_ON_ONCE(!original))
		original(kvm);
}

/*
 * kvm-hv of 6.1 (as of 6.1.176) goes from one nested guest to the next and does not
 * hold the one it uses: another vCPU of L1 may end it meanwhile. Asked for one, it
 * does.
 */
long kvm_ext_nested_tlbie_all(struct kvm_vcpu *vcpu)
{
	long (*original)(struct kvm_vcpu *vcpu) = kvm_ext_original(KVM_EXT_NESTED_TLBIE);
	unsigned long rs = kvmppc_get_gpr(vcpu, 5), rb = kvmppc_get_gpr(vcpu, 6);
	struct kvm *kvm = vcpu->kvm;
	struct kvm_nested_guest *gp;
	long rc = H_SUCCESS;
	int lpid = 0;

	if (WARN_ON_ONCE(!original))
		return H_HARDWARE;

	kvmppc_set_gpr(vcpu, 6, (rb & ~TLBIEL_INVAL_SET) | TLBIEL_INVAL_SET_LPID);
	for (; rc == H_SUCCESS; lpid++) {
		spin_lock(&kvm->mmu_lock);
		gp = idr_get_next(&kvm->arch.kvm_nested_guest_idr, &lpid);
		spin_unlock(&kvm->mmu_lock);
		/* without one: whether the other parameters are right */
		kvmppc_set_gpr(vcpu, 5, gp ? lpid : 0);
		rc = original(vcpu);
		if (!gp)
			break;
	}
	kvmppc_set_gpr(vcpu, 5, rs);
	kvmppc_set_gpr(vcpu, 6, rb);
	return rc;
}
