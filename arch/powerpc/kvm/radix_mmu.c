// SPDX-License-Identifier: GPL-2.0
/*
 * Harvesting C bits from the partition-scoped tables of radix guests: from the
 * table of the guest itself and from the shadow tables of its nested guests.
 *
 * Which flush covers which cleared bit: C cleared in a shadow PTE is flushed
 * under its shadow LPID before mmu_lock is dropped, because the nested guest
 * may end and its LPID be given to another as soon as it is. C cleared in the
 * guest's own PTE is flushed once at the end of the harvest. That is early
 * enough: until then a store through a stale translation goes unlogged, but
 * its page is in this harvest's bitmap, which userspace sees only afterwards.
 * If the page is unmapped in between, that unmap flushes before the page can
 * be anything else.
 */
#include <linux/bitmap.h>
#include <linux/idr.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "attach.h"
#include "compat.h"
#include "flush_debug.h"
#include "kunit.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_walk.h"

/*
 * Table entries looked at in one hold of mmu_lock. Some 50 us on a POWER9,
 * which a vCPU may have to wait in its page fault.
 */
#define CHUNK	2048

/* The gatherer of a shadow LPID; makes room by issuing another's. */
static struct kvm_ext_flush *nested_flush(struct kvm_ext_vm *vm, u64 lpid,
					  unsigned int *used, int *err)
{
	unsigned int i;

	for (i = 0; i < *used; i++)
		if (vm->nested[i].lpid == lpid)
			return &vm->nested[i];

	if (*used == KVM_EXT_NESTED_FLUSHES) {
		i = KVM_EXT_NESTED_FLUSHES - 1;
		if (kvm_ext_flush_finish(&vm->nested[i]))
			*err = -EIO;
	} else {
		i = (*used)++;
	}
	kvm_ext_flush_begin(&vm->nested[i], lpid, vm->kvm->nr_memslot_pages);
	return &vm->nested[i];
}

/* The only place where a C bit is cleared. True if it was set. */
static bool clear_dirty(struct kvm_ext_vm *vm, u64 lpid, pte_t *ptep,
			unsigned long gpa, unsigned int shift)
{
	if (!pte_dirty(READ_ONCE(*ptep)))
		return false;

	__radix_pte_update(ptep, _PAGE_DIRTY, 0);
	kvm_ext_flush_debug_owe(&vm->debug, lpid, gpa, shift);
	return true;
}

/**
 * struct harvest - one hold of mmu_lock
 * @vm:		whose tables
 * @nested_used: gatherers of @vm->nested in use
 * @cleared:	a C bit was cleared somewhere
 * @err:	an invalidation failed
 */
struct harvest {
	struct kvm_ext_vm *vm;
	unsigned int nested_used;
	bool cleared;
	int err;
};

/*
 * Clear C in the shadow PTE that an rmap entry names, if it still maps the
 * host page (entries outlive their PTEs).
 */
static bool harvest_shadow_pte(struct harvest *h, unsigned long rmap,
			       unsigned long hpa, unsigned long hpa_mask)
{
	struct kvm_ext_vm *vm = h->vm;
	unsigned long n_gpa = rmap & RMAP_NESTED_GPA_MASK;
	struct kvm_nested_guest *gp;
	unsigned int shift;
	pte_t *ptep;

	gp = idr_find(&vm->kvm->arch.kvm_nested_guest_idr,
		      (rmap & RMAP_NESTED_LPID_MASK) >> RMAP_NESTED_LPID_SHIFT);
	if (!gp)
		return false;

	ptep = __find_linux_pte(gp->shadow_pgtable, n_gpa, NULL, &shift);
	if (!ptep || !pte_present(*ptep) ||
	    ((pte_val(*ptep) ^ hpa) & PTE_RPN_MASK & hpa_mask))
		return false;
	if (!shift)
		shift = PAGE_SHIFT;
	n_gpa &= ~((1UL << shift) - 1);

	if (!clear_dirty(vm, gp->shadow_lpid, ptep, n_gpa, shift))
		return false;

	kvm_ext_flush_add(nested_flush(vm, gp->shadow_lpid, &h->nested_used,
				       &h->err), n_gpa, shift);
	return true;
}

/* Clear C in all shadow PTEs of the pages [gfn, end). True if any was set. */
static bool harvest_nested(struct harvest *h, const struct kvm_memory_slot *slot,
			   unsigned long gfn, unsigned long end,
			   const struct kvm_ext_walk *leaf)
{
	unsigned long hpa = pte_val(*leaf->ptep) & PTE_RPN_MASK;
	unsigned long mask = ~((1UL << leaf->shift) - 1);
	bool dirty = false;

	for (; gfn < end; gfn++) {
		unsigned long *rmapp = &slot->arch.rmap[gfn - slot->base_gfn];
		struct llist_node *entry = (struct llist_node *)*rmapp;
		struct rmap_nested *cursor;
		unsigned long rmap;

		for_each_nest_rmap_safe(cursor, entry, &rmap)
			dirty |= harvest_shadow_pte(h, rmap, hpa, mask);
	}
	return dirty;
}

static void harvest_leaf(struct harvest *h, const struct kvm_memory_slot *slot,
			 const struct kvm_ext_walk *leaf, unsigned long *map)
{
	struct kvm_ext_vm *vm = h->vm;
	u64 lpid = vm->kvm->arch.lpid;
	unsigned long first = max(leaf->gpa >> PAGE_SHIFT, slot->base_gfn);
	unsigned long end = min((leaf->gpa + (1UL << leaf->shift)) >> PAGE_SHIFT,
				slot->base_gfn + slot->npages);
	bool dirty;

	dirty = clear_dirty(vm, lpid, leaf->ptep, leaf->gpa, leaf->shift);
	if (dirty)
		kvm_ext_flush_add(&vm->flush, leaf->gpa, leaf->shift);

	if (vm->kvm->arch.nested_enable)
		dirty |= harvest_nested(h, slot, first, end, leaf);

	if (dirty) {
		h->cleared = true;
		for (; first < end; first++)
			__set_bit_le(first - slot->base_gfn, map);
	}
}

/* One hold of mmu_lock. Returns where to go on, or @end. */
static unsigned long harvest_chunk(struct kvm_ext_vm *vm,
				   const struct kvm_memory_slot *slot,
				   unsigned long start, unsigned long end,
				   unsigned long *map, int *err)
{
	struct harvest h = { .vm = vm };
	struct kvm *kvm = vm->kvm;
	struct kvm_ext_walk w;

	spin_lock(&kvm->mmu_lock);

	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, end, CHUNK);
	while (kvm_ext_walk_next(&w))
		harvest_leaf(&h, slot, &w, map);

	while (h.nested_used--)
		if (kvm_ext_flush_finish(&vm->nested[h.nested_used]))
			h.err = -EIO;

	/*
	 * A nested page fault which has looked at the guest's PTE before C was
	 * cleared there must not put a shadow PTE with C set into a table now:
	 * it is not in the rmap yet, so we did not find it. It retries if the
	 * sequence has changed.
	 */
	if (h.cleared && kvm->arch.nested_enable)
		kvm->mmu_invalidate_seq++;

	spin_unlock(&kvm->mmu_lock);

	if (h.err)
		*err = h.err;
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

	if (!err)
		kvm_ext_flush_debug_settled(&vm->debug);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_harvest);

void kvm_ext_radix_save_dirty(struct kvm_ext_vm *vm,
			      const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct kvm_ext_walk w;

	do {
		spin_lock(&vm->kvm->mmu_lock);
		kvm_ext_walk_init(&w, vm->kvm->arch.pgtable, gpa, end, CHUNK);
		while (kvm_ext_walk_next(&w)) {
			unsigned long gfn = w.gpa >> PAGE_SHIFT;

			if (!pte_dirty(*w.ptep))
				continue;
			for (; gfn < w.next >> PAGE_SHIFT; gfn++)
				if (gfn - slot->base_gfn < slot->npages)
					set_bit_le(gfn - slot->base_gfn,
						   slot->dirty_bitmap);
		}
		spin_unlock(&vm->kvm->mmu_lock);
		gpa = w.next;
		cond_resched();
	} while (!kvm_ext_walk_done(&w));
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_save_dirty);
