// SPDX-License-Identifier: GPL-2.0
/*
 * What is done to the leaves of radix guests: C bits are harvested, R bits aged,
 * leaves taken away. Each is a pass over a range of guest addresses, and what is
 * done to a leaf is done to its shadow PTEs.
 */
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "attach.h"
#include "compat.h"
#include "flush_debug.h"
#include "kunit.h"
#include "mmu.h"
#include "nested_mmu.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_pass.h"
#include "radix_walk.h"

/*
 * Table entries looked at in one hold of mmu_lock. Some 50 us on a POWER9,
 * which a vCPU may have to wait in its page fault.
 */
#define CHUNK	2048

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
static unsigned long visit_leaf(struct kvm_ext_pass *p,
				const struct kvm_memory_slot *slot,
				const struct kvm_ext_walk *leaf)
{
	struct kvm *kvm = p->vm->kvm;
	unsigned long hpa = pte_val(*leaf->ptep) & PTE_RPN_MASK;
	unsigned long seen;

	seen = kvm_ext_pass_visit(p, kvm->arch.lpid, leaf->ptep, leaf->gpa, leaf->shift);
	if (kvm->arch.nested_enable)
		seen |= kvm_ext_visit_shadows(p, slot, leaf->gpa, leaf->shift, hpa);
	return seen;
}

/* One hold of mmu_lock. Returns where to go on, or @end. */
static unsigned long harvest_chunk(struct kvm_ext_vm *vm,
				   const struct kvm_memory_slot *slot,
				   unsigned long start, unsigned long end,
				   unsigned long *map, int *err)
{
	struct kvm_ext_pass p = {
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
	kvm_ext_pass_finish(&p);

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
	struct kvm_ext_pass p = {
		.vm = vm,
		.look = _PAGE_DIRTY,
		.clear = KVM_EXT_PASS_ALL,
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
	kvm_ext_pass_finish(&p);
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
	if (kvm->arch.nested_enable)
		kvm_ext_rmap_slot_gone(vm, slot);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_flush_slot);

/* R in a range, in the guest's table or any shadow table; cleared if told so. */
static bool accessed(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		     gfn_t start, gfn_t end, unsigned long clear)
{
	struct kvm_ext_pass p = {
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
	kvm_ext_pass_finish(&p);
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
