// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to the leaves of radix guests, in the table of the guest itself
 * and in the shadow tables of its nested guests: C bits are harvested, R bits
 * aged, leaves taken away. Each is a pass over a range of guest addresses.
 *
 * Which flush covers what was cleared. In a shadow PTE: one under its shadow
 * LPID before mmu_lock is dropped, because the nested guest may end and its
 * LPID be given to another as soon as it is. In the guest's own table:
 *
 * - a leaf that goes: before mmu_lock is dropped, because its page may be
 *   anything else then;
 * - R: the same; otherwise a page that is used through a translation in a TLB
 *   would look idle for as long as that stays;
 * - C: once, at the end of the harvest. That is early enough: until then a store
 *   through a stale translation goes unlogged, but its page is in this harvest's
 *   bitmap, which userspace sees only afterwards. If the page is unmapped in
 *   between, that unmap flushes before the page can be anything else.
 */
#include <linux/bitmap.h>
#include <linux/idr.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/slab.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "attach.h"
#include "compat.h"
#include "flush_debug.h"
#include "kunit.h"
#include "mmu.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_walk.h"

/*
 * Table entries looked at in one hold of mmu_lock. Some 50 us on a POWER9,
 * which a vCPU may have to wait in its page fault.
 */
#define CHUNK	2048

/* All of a leaf, as what is to be cleared of it. */
#define ALL	(~0UL)

/**
 * struct pass - one hold of mmu_lock
 * @vm:		whose tables
 * @look:	bits of a leaf that the pass is about
 * @clear:	bits that it clears; ALL takes leaves away
 * @flush:	gathers invalidations of the VM's own LPID
 * @nested_used: gatherers of @vm->nested in use
 * @cleared:	something was cleared somewhere
 * @err:	an invalidation failed
 */
struct pass {
	struct kvm_ext_vm *vm;
	unsigned long look;
	unsigned long clear;
	struct kvm_ext_flush *flush;
	unsigned int nested_used;
	bool cleared;
	int err;
};

/* The gatherer of a shadow LPID; makes room by issuing another's. */
static struct kvm_ext_flush *nested_flush(struct pass *p, u64 lpid)
{
	struct kvm_ext_flush *nested = p->vm->nested;
	unsigned int i;

	for (i = 0; i < p->nested_used; i++)
		if (nested[i].lpid == lpid)
			return &nested[i];

	if (p->nested_used == KVM_EXT_NESTED_FLUSHES) {
		i = KVM_EXT_NESTED_FLUSHES - 1;
		if (kvm_ext_flush_finish(&nested[i]))
			p->err = -EIO;
	} else {
		i = p->nested_used++;
	}
	kvm_ext_flush_begin(&nested[i], lpid, p->vm->kvm->nr_memslot_pages);
	return &nested[i];
}

/*
 * The end of a pass, with mmu_lock still held.
 *
 * A nested page fault which has looked at the guest's PTE before R or C was
 * cleared there must not put a shadow PTE with that bit into a table now: it is
 * not in the rmap yet, so it was not found. It retries if the sequence has
 * changed.
 */
static void finish_pass(struct pass *p)
{
	while (p->nested_used--)
		if (kvm_ext_flush_finish(&p->vm->nested[p->nested_used]))
			p->err = -EIO;

	if (p->cleared && p->vm->kvm->arch.nested_enable)
		p->vm->kvm->mmu_invalidate_seq++;
}

/* The only place where a leaf is changed. Returns what was set of p->look. */
static unsigned long visit_pte(struct pass *p, u64 lpid, pte_t *ptep,
			       unsigned long gpa, unsigned int shift)
{
	unsigned long old = pte_val(READ_ONCE(*ptep));

	if (!(old & p->clear))
		return old & p->look;

	old = __radix_pte_update(ptep, p->clear, 0);
	kvm_ext_flush_debug_owe(&p->vm->debug, lpid, gpa, shift);
	kvm_ext_flush_add(lpid == p->vm->kvm->arch.lpid ? p->flush : nested_flush(p, lpid),
			  gpa, shift);
	p->cleared = true;
	return old & p->look;
}

/*
 * The shadow PTE that an rmap entry names, if it still maps the host page
 * (entries outlive their PTEs).
 */
static unsigned long visit_shadow_pte(struct pass *p, unsigned long rmap,
				      unsigned long hpa, unsigned long hpa_mask)
{
	unsigned long n_gpa = rmap & RMAP_NESTED_GPA_MASK;
	struct kvm_nested_guest *gp;
	unsigned int shift;
	pte_t *ptep;

	gp = idr_find(&p->vm->kvm->arch.kvm_nested_guest_idr,
		      (rmap & RMAP_NESTED_LPID_MASK) >> RMAP_NESTED_LPID_SHIFT);
	if (!gp)
		return 0;

	ptep = __find_linux_pte(gp->shadow_pgtable, n_gpa, NULL, &shift);
	if (!ptep || !pte_present(*ptep) ||
	    ((pte_val(*ptep) ^ hpa) & PTE_RPN_MASK & hpa_mask))
		return 0;
	if (!shift)
		shift = PAGE_SHIFT;

	return visit_pte(p, gp->shadow_lpid, ptep, n_gpa & ~((1UL << shift) - 1),
			 shift);
}

/* All shadow PTEs of one page. With its leaf goes the page's list of them. */
static unsigned long visit_shadows(struct pass *p, unsigned long *rmapp,
				   unsigned long hpa, unsigned long hpa_mask)
{
	struct llist_node *entry = (struct llist_node *)*rmapp;
	struct rmap_nested *cursor;
	unsigned long rmap, seen = 0;

	if (p->clear == ALL)
		*rmapp = 0;
	for_each_nest_rmap_safe(cursor, entry, &rmap) {
		seen |= visit_shadow_pte(p, rmap, hpa, hpa_mask);
		if (p->clear == ALL)
			kfree(cursor);
	}
	return seen;
}

/* The pages of a slot that a leaf maps. */
static unsigned long first_gfn(const struct kvm_memory_slot *slot,
			       const struct kvm_ext_walk *leaf)
{
	return max(leaf->gpa >> PAGE_SHIFT, slot->base_gfn);
}

static unsigned long end_gfn(const struct kvm_memory_slot *slot,
			     const struct kvm_ext_walk *leaf)
{
	return min((leaf->gpa + (1UL << leaf->shift)) >> PAGE_SHIFT,
		   slot->base_gfn + slot->npages);
}

/* A leaf and its shadows. Returns what was set of p->look in any of them. */
static unsigned long visit_leaf(struct pass *p, const struct kvm_memory_slot *slot,
				const struct kvm_ext_walk *leaf)
{
	struct kvm *kvm = p->vm->kvm;
	unsigned long hpa = pte_val(*leaf->ptep) & PTE_RPN_MASK;
	unsigned long mask = ~((1UL << leaf->shift) - 1);
	unsigned long gfn, seen;

	seen = visit_pte(p, kvm->arch.lpid, leaf->ptep, leaf->gpa, leaf->shift);

	if (kvm->arch.nested_enable)
		for (gfn = first_gfn(slot, leaf); gfn < end_gfn(slot, leaf); gfn++)
			seen |= visit_shadows(p, &slot->arch.rmap[gfn - slot->base_gfn],
					      hpa, mask);
	return seen;
}

/* One hold of mmu_lock. Returns where to go on, or @end. */
static unsigned long harvest_chunk(struct kvm_ext_vm *vm,
				   const struct kvm_memory_slot *slot,
				   unsigned long start, unsigned long end,
				   unsigned long *map, int *err)
{
	struct pass p = {
		.vm = vm,
		.look = _PAGE_DIRTY,
		.clear = _PAGE_DIRTY,
		.flush = &vm->flush,
	};
	struct kvm *kvm = vm->kvm;
	struct kvm_ext_walk w;
	unsigned long gfn;

	spin_lock(&kvm->mmu_lock);

	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, end, CHUNK);
	while (kvm_ext_walk_next(&w)) {
		if (!visit_leaf(&p, slot, &w))
			continue;
		for (gfn = first_gfn(slot, &w); gfn < end_gfn(slot, &w); gfn++)
			__set_bit_le(gfn - slot->base_gfn, map);
	}
	finish_pass(&p);

	spin_unlock(&kvm->mmu_lock);

	if (p.err)
		*err = p.err;
	return kvm_ext_walk_done(&w) ? end : w.next;
}

int kvm_ext_radix_harvest(struct kvm_ext_vm *vm,
			  const struct kvm_memory_slot *slot,
			  unsigned long *map)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	int err = 0;

	lockdep_assert_held(&vm->kvm->arch.mmu_setup_lock);
	lockdep_assert_held(&vm->kvm->slots_lock);

	kvm_ext_flush_begin(&vm->flush, vm->kvm->arch.lpid,
			    vm->kvm->nr_memslot_pages);
	while (gpa < end) {
		gpa = harvest_chunk(vm, slot, gpa, end, map, &err);
		cond_resched();
	}
	if (kvm_ext_flush_finish(&vm->flush))
		err = -EIO;

	if (!err && IS_ENABLED(CONFIG_KVM_HV_EXT_DEBUG)) {
		/* who changes leaves under mmu_lock has paid when it is dropped */
		spin_lock(&vm->kvm->mmu_lock);
		kvm_ext_flush_debug_settled(&vm->debug);
		spin_unlock(&vm->kvm->mmu_lock);
	}
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_harvest);

/* The page of a leaf goes, or its table; the next collection finds its C bit here. */
static void accumulate(const struct kvm_memory_slot *slot,
		       const struct kvm_ext_walk *leaf)
{
	unsigned long gfn;

	if (slot->dirty_bitmap)
		for (gfn = first_gfn(slot, leaf); gfn < end_gfn(slot, leaf); gfn++)
			set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
}

void kvm_ext_radix_save_dirty(struct kvm_ext_vm *vm,
			      const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct kvm_ext_walk w;

	if (!slot->dirty_bitmap)
		return;
	do {
		spin_lock(&vm->kvm->mmu_lock);
		kvm_ext_walk_init(&w, vm->kvm->arch.pgtable, gpa, end, CHUNK);
		while (kvm_ext_walk_next(&w))
			if (pte_dirty(*w.ptep))
				accumulate(slot, &w);
		spin_unlock(&vm->kvm->mmu_lock);
		gpa = w.next;
		cond_resched();
	} while (!kvm_ext_walk_done(&w));
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_save_dirty);

static void count_leaf(struct kvm *kvm, unsigned int shift, int change)
{
	if (shift == PMD_SHIFT)
		kvm->stat.num_2M_pages += change;
	else if (shift == PUD_SHIFT)
		kvm->stat.num_1G_pages += change;
}

static bool is_pinned(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		      const struct kvm_ext_walk *leaf)
{
	gfn_t gfn = first_gfn(slot, leaf);

	return kvm_ext_pinned(vm, gfn, end_gfn(slot, leaf),
			      pte_pfn(*leaf->ptep) + gfn - (leaf->gpa >> PAGE_SHIFT));
}

/* With mmu_lock held. Returns where to go on, or @end. */
static unsigned long unmap_chunk(struct kvm_ext_vm *vm,
				 const struct kvm_memory_slot *slot,
				 unsigned long start, unsigned long end,
				 unsigned int budget, bool spare_pinned)
{
	struct pass p = {
		.vm = vm,
		.look = _PAGE_DIRTY,
		.clear = ALL,
		.flush = &vm->notifier_flush,
	};
	struct kvm *kvm = vm->kvm;
	struct kvm_ext_walk w;

	kvm_ext_flush_begin(p.flush, kvm->arch.lpid, kvm->nr_memslot_pages);
	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, end, budget);
	while (kvm_ext_walk_next(&w)) {
		if (spare_pinned && is_pinned(vm, slot, &w))
			continue;
		if (visit_leaf(&p, slot, &w))
			accumulate(slot, &w);
		count_leaf(kvm, w.shift, -1);
	}
	kvm_ext_flush_finish(p.flush);
	finish_pass(&p);
	kvm_ext_flush_debug_settled_range(&vm->debug, kvm->arch.lpid, start,
					  min(end, w.next));
	return kvm_ext_walk_done(&w) ? end : w.next;
}

void kvm_ext_radix_unmap(struct kvm_ext_vm *vm,
			 const struct kvm_memory_slot *slot, gfn_t start,
			 gfn_t end, bool spare_pinned)
{
	unsigned long gpa = start << PAGE_SHIFT;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	while (gpa < end << PAGE_SHIFT)
		gpa = unmap_chunk(vm, slot, gpa, end << PAGE_SHIFT, UINT_MAX,
				  spare_pinned);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_unmap);

void kvm_ext_radix_flush_slot(struct kvm_ext_vm *vm,
			      const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct kvm *kvm = vm->kvm;

	while (gpa < end) {
		spin_lock(&kvm->mmu_lock);
		/* A table that goes, goes after the mode has changed. */
		gpa = kvm_is_radix(kvm) ?
		      unmap_chunk(vm, slot, gpa, end, CHUNK, false) : end;
		/* page faults that have looked at the old slot try again */
		kvm->mmu_invalidate_seq++;
		spin_unlock(&kvm->mmu_lock);
		cond_resched();
	}
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_flush_slot);

/* R in a range, in the guest's table or any shadow table; cleared if told so. */
static bool accessed(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		     gfn_t start, gfn_t end, unsigned long clear)
{
	struct pass p = {
		.vm = vm,
		.look = _PAGE_ACCESSED,
		.clear = clear,
		.flush = &vm->notifier_flush,
	};
	struct kvm *kvm = vm->kvm;
	unsigned long seen = 0;
	struct kvm_ext_walk w;

	lockdep_assert_held(&kvm->mmu_lock);

	kvm_ext_flush_begin(p.flush, kvm->arch.lpid, kvm->nr_memslot_pages);
	kvm_ext_walk_init(&w, kvm->arch.pgtable, start << PAGE_SHIFT,
			  end << PAGE_SHIFT, UINT_MAX);
	while (kvm_ext_walk_next(&w) && (clear || !seen))
		seen |= visit_leaf(&p, slot, &w);
	kvm_ext_flush_finish(p.flush);
	finish_pass(&p);
	return seen;
}

bool kvm_ext_radix_age(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		       gfn_t start, gfn_t end)
{
	return accessed(vm, slot, start, end, _PAGE_ACCESSED);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_age);

bool kvm_ext_radix_test_age(struct kvm_ext_vm *vm,
			    const struct kvm_memory_slot *slot,
			    gfn_t start, gfn_t end)
{
	return accessed(vm, slot, start, end, 0);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_test_age);

const struct kvm_ext_mmu kvm_ext_radix = {
	.unmap = kvm_ext_radix_unmap,
	.age = kvm_ext_radix_age,
	.test_age = kvm_ext_radix_test_age,
	.harvest = kvm_ext_radix_harvest,
	.flush_slot = kvm_ext_radix_flush_slot,
	.save_dirty = kvm_ext_radix_save_dirty,
};
