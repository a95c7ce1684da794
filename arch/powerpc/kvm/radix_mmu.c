// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the leaves of radix guests: collect C bits, age R bits, zap
 * leaves. Each is a pass over a range of guest addresses, and changes a leaf
 * and its shadow PTEs together.
 */
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "dirty_log.h"
#include "flush_debug.h"
#include "hooks.h"
#include "kunit.h"
#include "mmu.h"
#include "nested_mmu.h"
#include "params.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_pass.h"
#include "radix_resize.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "vm.h"

/*
 * Limit on the table entries visited, and on the shadow PTEs looked for, in one
 * hold of mmu_lock. That takes about 50 us on a POWER9, for which a vCPU may
 * wait in its page fault.
 */
#define RADIX_CHUNK	2048

/*
 * The same for zapping leaves. Each hold ends with a flush, which is the
 * expensive part, so holds are longer: one covers 256 MiB of 64 KiB pages,
 * including the page tables that they are in.
 */
#define RADIX_UNMAP_CHUNK	(3 * RADIX_CHUNK)

void khx_radix_init(struct khx_vm_radix *radix, struct khx_flusher *flusher)
{
	khx_flush_init(&radix->flush, flusher);
	khx_flush_init(&radix->notifier_flush, flusher);
	radix->fill_spare = khx_spare_fill;
}

/* The range of pages of a memslot that a leaf maps. */
static unsigned long radix_first_gfn(const struct kvm_memory_slot *slot,
				     const struct khx_leaf *leaf)
{
	return max(leaf->gpa >> PAGE_SHIFT, slot->base_gfn);
}

static unsigned long radix_end_gfn(const struct kvm_memory_slot *slot,
				   const struct khx_leaf *leaf)
{
	return min((leaf->gpa + (1UL << leaf->shift)) >> PAGE_SHIFT,
		   slot->base_gfn + slot->npages);
}

/* Clear bits of a leaf and its shadow PTEs. Return all bits set in any. */
static unsigned long radix_visit_leaf(struct khx_pass *p,
				      const struct kvm_memory_slot *slot,
				      const struct khx_leaf *leaf, unsigned long clear)
{
	struct kvm *kvm = p->vm->kvm;
	unsigned long seen;

	seen = khx_pass_write(p, kvm->arch.lpid, leaf, clear, 0);
	if (kvm->arch.nested_enable)
		seen |= khx_nested_visit(p, slot, leaf, clear);
	return seen;
}

/*
 * Add the pages of a leaf to the memslot's accumulated bits, for the next
 * collection. The caller frees the table, or must have the pages reported
 * again.
 */
static void radix_accumulate(const struct kvm_memory_slot *slot,
			     const struct khx_leaf *leaf)
{
	khx_dirty_log_accumulate(slot, radix_first_gfn(slot, leaf), radix_end_gfn(slot, leaf));
}

/**
 * struct radix_collection - a collection of the C bits of a memslot
 * @vm:		the VM
 * @slot:	the memslot
 * @map:	bitmap that C bits are added to
 * @clear:	_PAGE_DIRTY, or 0 to leave them set
 * @refused:	the hypervisor refused to invalidate a shadow LPID
 * @found:	pages with C set
 * @requests:	invalidations of shadow LPIDs
 */
struct radix_collection {
	struct khx_vm *vm;
	const struct kvm_memory_slot *slot;
	unsigned long *map;
	unsigned long clear;
	bool refused;
	unsigned long found;
	unsigned long requests;
};

/* Collect in one hold of mmu_lock. Return where to continue, or @end. */
static unsigned long radix_collect_chunk(struct radix_collection *c, unsigned long start,
					 unsigned long end)
{
	struct khx_pass p = {
		.vm = c->vm,
		.flush = &c->vm->radix.flush,
		.flush_later = true,
	};
	const struct kvm_memory_slot *slot = c->slot;
	struct kvm *kvm = c->vm->kvm;
	unsigned long gfn, pages;
	struct khx_walk w;
	u64 locked;

	spin_lock(&kvm->mmu_lock);
	locked = mftb();

	khx_walk_init(&w, kvm->arch.pgtable, start, end, RADIX_CHUNK);
	/* a shadow PTE may have C set when the leaf does not */
	if (!kvm->arch.nested_enable)
		w.only = _PAGE_DIRTY;
	while (!khx_flush_full(p.flush) && p.visits < RADIX_CHUNK && khx_walk_next(&w)) {
		if (!(radix_visit_leaf(&p, slot, &w.leaf, c->clear) & _PAGE_DIRTY))
			continue;
		gfn = radix_first_gfn(slot, &w.leaf);
		pages = radix_end_gfn(slot, &w.leaf) - gfn;
		bitmap_set(c->map, gfn - slot->base_gfn, pages);
		c->found += pages;
	}
	khx_pass_finish(&p);

	spin_unlock(&kvm->mmu_lock);
	khx_hist_add(&c->vm->stats.log.hold_ns, khx_ns_since(locked));

	c->refused |= p.refused;
	c->requests += p.nested_requests;
	return khx_walk_done(&w) ? end : w.next;
}

/*
 * Issue and finish the flush for all C bits cleared since it was begun. Return
 * false if the hypervisor refused it. @cleaned: pages; @requests: issued by other
 * gatherers.
 */
static bool radix_finish_clearing(struct khx_vm *vm, unsigned long cleaned,
				  unsigned long requests)
{
	khx_flush_issue(&vm->radix.flush);
	khx_flush_finish(&vm->radix.flush);
	vm->stats.log.cleaned = cleaned;
	vm->stats.log.requests = khx_flush_issued(&vm->radix.flush) + requests;
	if (IS_ENABLED(CONFIG_KVM_HV_EXT_DEBUG)) {
		/*
		 * Any other change to leaves is flushed in the same hold of
		 * mmu_lock. So with the lock held nothing else is owed.
		 */
		spin_lock(&vm->kvm->mmu_lock);
		khx_flush_debug_settled(&vm->debug);
		spin_unlock(&vm->kvm->mmu_lock);
	}
	return !vm->radix.flush.refused;
}

static bool radix_collect(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			  unsigned long *map, unsigned long clear)
{
	struct radix_collection c = { .vm = vm, .slot = slot, .map = map, .clear = clear };
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);

	lockdep_assert_held(&vm->kvm->arch.mmu_setup_lock);
	lockdep_assert_held(&vm->kvm->slots_lock);

	khx_flush_begin(&vm->radix.flush, vm->kvm->arch.lpid,
			vm->kvm->nr_memslot_pages);
	while (gpa < end) {
		gpa = radix_collect_chunk(&c, gpa, end);
		if (khx_flush_full(&vm->radix.flush))
			khx_flush_issue(&vm->radix.flush);
		cond_resched();
	}
	return radix_finish_clearing(vm, clear ? c.found : 0, c.requests) && !c.refused;
}

bool khx_radix_harvest(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map)
{
	return radix_collect(vm, slot, map, _PAGE_DIRTY);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_harvest);

void khx_radix_peek(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		    unsigned long *map)
{
	radix_collect(vm, slot, map, 0);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_peek);

/*
 * Limit on the pages of a bitmap searched for the next one set, and on the
 * pages of one run, before mmu_lock is dropped.
 */
#define RADIX_SCAN	4096

/**
 * struct radix_cleaning - clearing C of pages of a memslot
 * @vm:		the VM
 * @slot:	the memslot
 * @pages:	bitmap of the pages, little endian; NULL: all
 * @start:	first page of the range, relative to the slot
 * @next:	page to continue at
 * @end:	end of the range, exclusive
 * @no_tables:	there is no memory to split leaves
 * @again:	the hypervisor refuses to flush: accumulate pages that lose C
 * @refused:	the hypervisor refused to flush in one of the passes
 * @cleaned:	pages whose C bit was cleared
 * @requests:	invalidations for splits, and of shadow LPIDs
 */
struct radix_cleaning {
	struct khx_vm *vm;
	const struct kvm_memory_slot *slot;
	const unsigned long *pages;
	unsigned long start;
	unsigned long next;
	unsigned long end;
	bool no_tables;
	bool again;
	bool refused;
	unsigned long cleaned;
	unsigned long requests;
};

/*
 * Find the next run of pages, within RADIX_SCAN pages. Return false if there is
 * none: @c->next is then where to continue.
 */
static bool radix_next_run(struct radix_cleaning *c, unsigned long *end)
{
	*end = min(c->end, c->next + RADIX_SCAN);
	if (c->pages) {
		c->next = find_next_bit_le(c->pages, *end, c->next);
		*end = find_next_zero_bit_le(c->pages, *end, c->next);
	}
	return c->next < *end;
}

void khx_radix_zap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   const struct khx_leaf *leaf)
{
	struct khx_pass p = {
		.vm = vm,
		.flush = &vm->radix.notifier_flush,
	};

	lockdep_assert_held(&vm->kvm->mmu_lock);

	khx_flush_begin(p.flush, vm->kvm->arch.lpid, vm->kvm->nr_memslot_pages);
	if (radix_visit_leaf(&p, slot, leaf, KHX_PASS_ALL) & _PAGE_DIRTY)
		khx_pass_found_dirty(&p, slot, radix_first_gfn(slot, leaf),
				     radix_end_gfn(slot, leaf));
	khx_pass_finish(&p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_zap);

/*
 * Clear C of a leaf, or split it if it is larger than a page. Return false if
 * that needs a page-table page first.
 */
static bool radix_clean_leaf(struct radix_cleaning *c, struct khx_pass *p,
			     struct khx_split *split, const struct khx_leaf *leaf)
{
	bool again = c->again && c->slot->dirty_bitmap, dirty;

	if (leaf->shift == PAGE_SHIFT) {
		dirty = radix_visit_leaf(p, c->slot, leaf, _PAGE_DIRTY) & _PAGE_DIRTY;
		c->cleaned += dirty;
		again &= dirty;
	} else if (!khx_split_add(split, p, leaf)) {
		if (!c->no_tables || split->nr)
			return false;
		/* zap it, as stock does, in a pass of its own */
		khx_pass_finish(p);
		khx_radix_zap(c->vm, c->slot, leaf);
	}
	if (again)
		radix_accumulate(c->slot, leaf);
	return true;
}

/*
 * Clean a run of pages as far as the walk's budget allows. Return false if that
 * needs page-table pages first.
 */
static bool radix_clean_run(struct radix_cleaning *c, struct khx_pass *p,
			    struct khx_split *split, struct khx_walk *w,
			    unsigned long end)
{
	unsigned long base = c->slot->base_gfn, start = (base + c->next) << PAGE_SHIFT;
	bool clean = true;

	khx_walk_init(w, c->vm->kvm->arch.pgtable, start, (base + end) << PAGE_SHIFT,
		      w->budget - 1);
	while (clean && !khx_flush_full(p->flush) && p->visits < RADIX_CHUNK &&
	       khx_walk_next(w)) {
		clean = radix_clean_leaf(c, p, split, &w->leaf);
		/* now leaves of PMD_SIZE, to be split in the next hold */
		if (w->leaf.shift == PUD_SHIFT)
			clean = false;
		if (!clean)
			w->next = max(w->leaf.gpa, start);
	}
	/*
	 * The walk may end before the run does: no table reaches
	 * RADIX_PGTABLE_RANGE.
	 */
	c->next = clean && khx_walk_done(w) ? end : min((w->next >> PAGE_SHIFT) - base, end);
	return clean;
}

/* Clean in one hold of mmu_lock. Return false if it needs tables. */
static bool radix_clean_chunk(struct radix_cleaning *c)
{
	struct khx_split split = {
		.pass = { .vm = c->vm, .flush = &c->vm->radix.notifier_flush },
		.slot = c->slot,
		.start = c->start,
		.end = c->end,
		.clean = c->pages,
	};
	struct khx_pass p = {
		.vm = c->vm,
		.flush = &c->vm->radix.flush,
		.flush_later = true,
	};
	struct khx_walk w = { .budget = RADIX_CHUNK };
	struct kvm *kvm = c->vm->kvm;
	unsigned long run_end, issued;
	bool clean = true;
	u64 locked;

	spin_lock(&kvm->mmu_lock);
	locked = mftb();
	issued = split.pass.flush->issued;
	/* The mode changes under mmu_lock before the table is freed. */
	if (!kvm_is_radix(kvm))
		c->next = c->end;
	/* a walk must visit two entries to make progress */
	while (clean && w.budget > 2 && p.visits < RADIX_CHUNK && !khx_flush_full(p.flush) &&
	       radix_next_run(c, &run_end))
		clean = radix_clean_run(c, &p, &split, &w, run_end);
	c->refused |= !khx_split_finish(&split);
	c->cleaned += split.cleaned;
	khx_pass_finish(&p);
	c->requests += split.pass.flush->issued - issued + p.nested_requests;
	spin_unlock(&kvm->mmu_lock);
	khx_hist_add(&c->vm->stats.log.hold_ns, khx_ns_since(locked));
	c->refused |= p.refused;
	return clean;
}

bool khx_radix_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const unsigned long *pages, unsigned long start,
		     unsigned long end)
{
	struct radix_cleaning c = {
		.vm = vm,
		.slot = slot,
		.pages = pages,
		.start = start,
		.next = start,
		.end = end,
		.again = atomic_read(&vm->flusher.refusals),
	};
	unsigned long run_end;
	bool flushed;

	lockdep_assert_held(&vm->kvm->slots_lock);

	khx_flush_begin(&vm->radix.flush, vm->kvm->arch.lpid,
			vm->kvm->nr_memslot_pages);
	while (c.next < c.end) {
		if (radix_next_run(&c, &run_end) && !radix_clean_chunk(&c))
			c.no_tables = vm->radix.fill_spare(vm);
		if (khx_flush_full(&vm->radix.flush))
			khx_flush_issue(&vm->radix.flush);
		cond_resched();
	}
	flushed = radix_finish_clearing(vm, c.cleaned, c.requests) && !c.refused;
	/* without a log nothing was accumulated */
	return flushed || (c.again && slot->dirty_bitmap);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_clean);

void khx_radix_save_dirty(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct khx_walk w;

	if (!slot->dirty_bitmap)
		return;
	do {
		spin_lock(&vm->kvm->mmu_lock);
		khx_walk_init(&w, vm->kvm->arch.pgtable, gpa, end, RADIX_CHUNK);
		while (khx_walk_next(&w))
			if (pte_dirty(w.leaf.old))
				radix_accumulate(slot, &w.leaf);
		spin_unlock(&vm->kvm->mmu_lock);
		gpa = w.next;
		cond_resched();
	} while (!khx_walk_done(&w));
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_save_dirty);

static bool radix_is_pinned(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			    const struct khx_leaf *leaf)
{
	gfn_t gfn = radix_first_gfn(slot, leaf);

	return khx_pin_covers(vm, gfn, radix_end_gfn(slot, leaf),
			      pte_pfn(leaf->old) + gfn - (leaf->gpa >> PAGE_SHIFT));
}

/*
 * Zap the shadow PTEs of a large leaf before the leaf itself, up to the limit
 * for one hold of mmu_lock. None is installed again: page faults are blocked by
 * now. A collection in between still finds the remaining ones through the leaf.
 * Set @next to the page to continue at. Return false if the caller must
 * continue with this leaf.
 */
static bool radix_unmap_shadows(struct khx_pass *p, const struct kvm_memory_slot *slot,
				const struct khx_leaf *leaf, gfn_t *next)
{
	gfn_t gfn = max(radix_first_gfn(slot, leaf), *next), end = radix_end_gfn(slot, leaf);
	struct khx_leaf page = { .shift = PAGE_SHIFT };
	unsigned long seen = 0;

	for (; gfn < end && p->visits <= RADIX_UNMAP_CHUNK; gfn++) {
		page.gpa = gfn << PAGE_SHIFT;
		page.old = __pte(pte_val(leaf->old) + page.gpa - leaf->gpa);
		seen |= khx_nested_visit(p, slot, &page, KHX_PASS_ALL);
	}
	/* a shadow PTE may map all of the leaf */
	if (seen & _PAGE_DIRTY)
		khx_pass_found_dirty(p, slot, radix_first_gfn(slot, leaf), end);
	*next = gfn;
	return gfn >= end;
}

/*
 * Zap leaves with mmu_lock held, and add the number of their pages to @pages.
 * Return the address to continue at, or @end. @shadows is @next of
 * radix_unmap_shadows().
 */
static unsigned long radix_unmap_chunk(struct khx_vm *vm,
				       const struct kvm_memory_slot *slot,
				       unsigned long start, unsigned long end,
				       unsigned int how, gfn_t *shadows,
				       unsigned long *pages)
{
	struct khx_pass p = {
		.vm = vm,
		.flush = &vm->radix.notifier_flush,
	};
	unsigned long before = khx_flush_gathered(p.flush);
	struct kvm *kvm = vm->kvm;
	struct khx_walk w;

	khx_flush_begin(p.flush, kvm->arch.lpid, kvm->nr_memslot_pages);
	khx_walk_init(&w, kvm->arch.pgtable, start, end,
		      how & KHX_UNMAP_MAY_SLEEP ? RADIX_UNMAP_CHUNK : UINT_MAX);
	while (!(how & KHX_UNMAP_MAY_SLEEP && p.visits > RADIX_UNMAP_CHUNK) && khx_walk_next(&w)) {
		if (how & KHX_UNMAP_KEEP_PINNED && radix_is_pinned(vm, slot, &w.leaf))
			continue;
		if (how & KHX_UNMAP_MAY_SLEEP && w.leaf.shift > PAGE_SHIFT &&
		    kvm->arch.nested_enable && !radix_unmap_shadows(&p, slot, &w.leaf, shadows)) {
			w.next = max(w.leaf.gpa, start);
			break;
		}
		if (radix_visit_leaf(&p, slot, &w.leaf, KHX_PASS_ALL) & _PAGE_DIRTY)
			khx_pass_found_dirty(&p, slot, radix_first_gfn(slot, &w.leaf),
					     radix_end_gfn(slot, &w.leaf));
	}
	*pages += khx_flush_gathered(p.flush) - before;
	khx_pass_finish(&p);
	/* a leaf that stays may have lost C in a harvest that is not flushed yet */
	if (!(how & KHX_UNMAP_KEEP_PINNED))
		khx_flush_debug_settled_range(&vm->debug, kvm->arch.lpid, start,
					      min(end, w.next));
	return khx_walk_done(&w) ? end : w.next;
}

unsigned long khx_radix_unmap(struct khx_vm *vm,
			      const struct kvm_memory_slot *slot, gfn_t start,
			      gfn_t end, unsigned int how)
{
	unsigned long gpa = start << PAGE_SHIFT, end_gpa = end << PAGE_SHIFT, pages = 0;
	struct kvm *kvm = vm->kvm;
	gfn_t shadows = 0;

	lockdep_assert_held(&kvm->mmu_lock);

	while (gpa < end_gpa && kvm_is_radix(kvm)) {
		gpa = radix_unmap_chunk(vm, slot, gpa, end_gpa, how, &shadows, &pages);
		if (how & KHX_UNMAP_MAY_SLEEP && gpa < end_gpa)
			khx_mmu_lock_yield(kvm);
	}
	return pages;
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_unmap);

/**
 * khx_hook_unmap_pte() - kvmppc_unmap_pte() of a shadow PTE, or from 2^52 on
 * @kvm:	a tracked VM
 * @ptep:	the leaf that kvm-hv has found
 * @gpa:	the address that kvm-hv looked up
 * @shift:	log2 of its size, or 0 for a single page
 * @slot:	the memslot of @gpa; NULL for a shadow PTE
 * @lpid:	LPID whose table the leaf is in
 *
 * khx_nested_unmap_pte() handles shadow PTEs. The guest itself has no leaf from
 * 2^52 on: kvm-hv ignores the higher bits of @gpa, and has found a leaf of
 * another memslot. That leaf stays. Otherwise it would be invalidated at an
 * address that it does not map, and be reported dirty in a memslot that it is
 * not part of.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_hook_unmap_pte(struct kvm *kvm, pte_t *ptep, unsigned long gpa, unsigned int shift,
			const struct kvm_memory_slot *slot, KHX_LPID lpid)
{
	if (lpid != kvm->arch.lpid)
		khx_nested_unmap_pte(kvm, ptep, gpa, shift, slot, lpid);
}

/**
 * khx_hook_free_radix() - kvmppc_free_radix()
 * @kvm:	a tracked VM whose table is no longer in use
 *
 * kvm-hv frees the table of a radix VM when the VM ends, and when it becomes an
 * HPT VM, which a guest may cause by a reboot during a migration. Stock loses
 * the C bits with the table; this function accumulates them if a log may need
 * them. It frees all but the root, which kvm-hv frees.
 *
 * Context: no vCPU runs; may sleep; takes kvm->srcu and kvm->mmu_lock.
 */
void khx_hook_free_radix(struct kvm *kvm)
{
	struct khx_vm *vm = khx_vm_find(kvm);

	if (khx_param.dirty_log)
		khx_dirty_log_save(vm, &khx_radix_mmu);
	if (kvm->arch.pgtable) {
		khx_flush_lpid(&vm->flusher, kvm->arch.lpid);
		khx_tree_free(kvm->arch.pgtable);
	}
	khx_stock_free_radix(kvm);
}

void khx_radix_flush_slot(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct kvm *kvm = vm->kvm;
	unsigned long pages = 0;
	gfn_t shadows = 0;

	while (gpa < end) {
		spin_lock(&kvm->mmu_lock);
		/* The mode changes under mmu_lock before the table is freed. */
		gpa = kvm_is_radix(kvm) ?
		      radix_unmap_chunk(vm, slot, gpa, end, KHX_UNMAP_MAY_SLEEP, &shadows,
					&pages) : end;
		/* page faults that have read the old memslot must retry */
		kvm->mmu_invalidate_seq++;
		spin_unlock(&kvm->mmu_lock);
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_flush_slot);

/*
 * Test R of a range, in the guest's table and in shadow tables, and clear
 * @clear. R is only a hint, and L1 may give a page very many shadow PTEs: those
 * beyond .most_visits are ignored.
 */
static bool radix_test_accessed(struct khx_vm *vm, const struct kvm_memory_slot *slot,
				gfn_t start, gfn_t end, unsigned long clear)
{
	struct khx_pass p = {
		.vm = vm,
		.flush = &vm->radix.notifier_flush,
		.most_visits = 4 * RADIX_CHUNK,
	};
	unsigned long seen = 0, before = khx_flush_gathered(p.flush);
	struct kvm *kvm = vm->kvm;
	struct khx_walk w;

	lockdep_assert_held(&kvm->mmu_lock);

	khx_flush_begin(p.flush, kvm->arch.lpid, kvm->nr_memslot_pages);
	khx_walk_init(&w, kvm->arch.pgtable, start << PAGE_SHIFT,
		      end << PAGE_SHIFT, UINT_MAX);
	while (khx_walk_next(&w) && (clear || !seen))
		seen |= radix_visit_leaf(&p, slot, &w.leaf, clear) & _PAGE_ACCESSED;
	vm->stats.mmu.aged += khx_flush_gathered(p.flush) - before;
	khx_pass_finish(&p);
	return seen;
}

bool khx_radix_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t start, gfn_t end)
{
	return radix_test_accessed(vm, slot, start, end, _PAGE_ACCESSED);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_age);

bool khx_radix_test_age(struct khx_vm *vm,
			const struct kvm_memory_slot *slot,
			gfn_t start, gfn_t end)
{
	return radix_test_accessed(vm, slot, start, end, 0);
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_test_age);

/*
 * Large leaves are split, and C is cleared. Where everything is dirty to begin
 * with, they are split when userspace clears them.
 */
static void radix_start_log(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	struct kvm *kvm = vm->kvm;
	struct kvm_memory_slot *new;

	if (kvm_dirty_log_manual_protect_and_init_set(kvm) ||
	    khx_radix_clean(vm, slot, NULL, 0, slot->npages))
		return;
	/* stores may be missed: the first log has every page */
	new = id_to_memslot(kvm_memslots(kvm), slot->id);
	if (new && new->dirty_bitmap)
		bitmap_set(new->dirty_bitmap, 0, new->npages);
}

const struct khx_mmu khx_radix_mmu = {
	.unmap = khx_radix_unmap,
	.age = khx_radix_age,
	.test_age = khx_radix_test_age,
	.harvest = khx_radix_harvest,
	.peek = khx_radix_peek,
	.clean = khx_radix_clean,
	.flush_slot = khx_radix_flush_slot,
	.start_log = radix_start_log,
	.stop_log = khx_join_memslot,
	.save_dirty = khx_radix_save_dirty,
};
EXPORT_SYMBOL_IF_KUNIT(khx_radix_mmu);
