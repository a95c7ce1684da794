// SPDX-License-Identifier: GPL-2.0
/*
 * A pass over leaves: the only place where the module changes a leaf. It
 * decides which flush covers cleared bits, and when to accumulate dirty pages.
 *
 * Bits cleared in a shadow PTE are covered by a flush of its shadow LPID before
 * mmu_lock is dropped: once it is, the nested guest may end and its LPID be
 * reused. In the guest's own table:
 *
 * - A zapped leaf is flushed before mmu_lock is dropped, because the host may
 *   reuse the page afterwards.
 * - R is flushed at the same time. Otherwise a page that the guest accesses
 *   through a cached translation would look idle as long as the TLB keeps it.
 * - C is flushed once, at the end of the harvest. Until then a store through a
 *   stale translation is not logged, but its page is in this harvest's bitmap,
 *   which userspace sees only after the flush. If the page is unmapped in
 *   between, the unmap flushes before the host can reuse the page.
 */
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "dirty_log.h"
#include "flush_debug.h"
#include "kunit.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "vm.h"

static void pass_finish_nested(struct khx_pass *p, struct khx_flush *nested)
{
	khx_flush_finish(nested);
	p->nested_requests += khx_flush_issued(nested);
	p->refused |= nested->refused;
}

/*
 * Find the gatherer of a shadow LPID, or assign one. If all are in use, finish
 * the last one first and reuse it.
 */
static struct khx_flush *pass_nested_flush(struct khx_pass *p, u64 lpid)
{
	struct khx_flush *nested = p->vm->nested.flush;
	unsigned int i;

	for (i = 0; i < p->nested_used; i++)
		if (nested[i].lpid == lpid)
			return &nested[i];

	if (p->nested_used == KHX_NESTED_FLUSHES) {
		i = KHX_NESTED_FLUSHES - 1;
		pass_finish_nested(p, &nested[i]);
	} else {
		i = p->nested_used++;
	}
	khx_flush_begin(&nested[i], lpid, p->vm->kvm->nr_memslot_pages);
	return &nested[i];
}

/* Update the VM's statistics, which count large leaves. */
static void pass_count_leaf(struct kvm *kvm, unsigned int shift, int change)
{
	if (shift == PMD_SHIFT)
		kvm->stat.num_2M_pages += change;
	else if (shift == PUD_SHIFT)
		kvm->stat.num_1G_pages += change;
}

void khx_pass_changed(struct khx_pass *p, u64 lpid, const struct khx_leaf *leaf,
		      unsigned long old, unsigned long new)
{
	struct kvm *kvm = p->vm->kvm;
	bool own = lpid == kvm->arch.lpid;

	lockdep_assert_held(&kvm->mmu_lock);

	if (own && (old ^ new) & _PAGE_PRESENT)
		pass_count_leaf(kvm, leaf->shift, new & _PAGE_PRESENT ? 1 : -1);
	/* bits that were only set need no flush */
	if (!(old & ~new))
		return;

	khx_flush_debug_owe(&p->vm->debug, lpid, leaf->gpa, leaf->shift);
	khx_flush_add(own ? p->flush : pass_nested_flush(p, lpid), leaf->gpa, leaf->shift);
}
EXPORT_SYMBOL_IF_KUNIT(khx_pass_changed);

/* Count the leaves of a page-table page that was linked or unlinked. */
static void pass_count_table(struct kvm *kvm, const pte_t *table, unsigned int level, int change)
{
	unsigned int i;

	/* the statistics do not count base pages */
	for (i = 0; level && i < PTRS_PER_PMD; i++)
		if (pte_present(READ_ONCE(table[i])))
			pass_count_leaf(kvm, khx_tree_level_shift(level), change);
}

void khx_pass_link(struct khx_pass *p, pte_t *entry, void *table, unsigned int level)
{
	lockdep_assert_held(&p->vm->kvm->mmu_lock);

	khx_tree_table_link(entry, table, level);
	pass_count_table(p->vm->kvm, table, level, 1);
}
EXPORT_SYMBOL_IF_KUNIT(khx_pass_link);

pte_t khx_pass_unlink(struct khx_pass *p, pte_t *entry, unsigned int level)
{
	pte_t old;

	lockdep_assert_held(&p->vm->kvm->mmu_lock);

	old = khx_tree_table_unlink(entry);
	pass_count_table(p->vm->kvm, khx_tree_table_of(old, level + 1), level, -1);
	return old;
}
EXPORT_SYMBOL_IF_KUNIT(khx_pass_unlink);

static void pass_accumulate(struct kvm *kvm, const struct kvm_memory_slot *slot, gfn_t gfn,
			    gfn_t end)
{
	gfn_t next;

	if (slot) {
		khx_dirty_log_accumulate(slot, gfn, end);
		return;
	}
	for (; gfn < end; gfn = next) {
		slot = khx_memslot(kvm, gfn);
		next = slot ? min(end, slot->base_gfn + slot->npages) : gfn + 1;
		if (slot)
			khx_dirty_log_accumulate(slot, gfn, next);
	}
}

/* Issue the pending invalidations, then accumulate dirty pages. */
static void pass_settle(struct khx_pass *p)
{
	struct khx_pass_dirty *dirty = &p->vm->radix.dirty;
	struct kvm *kvm = p->vm->kvm;
	unsigned int i;
	int idx;

	while (p->nested_used)
		pass_finish_nested(p, &p->vm->nested.flush[--p->nested_used]);
	if (p->flush && !p->flush_later)
		khx_flush_finish(p->flush);

	if (!dirty->nr)
		return;
	idx = srcu_read_lock(&kvm->srcu);
	for (i = 0; i < dirty->nr; i++) {
		/* a pass over shadow PTEs leaves the flush of a harvest to that harvest */
		if (p->flush)
			khx_flush_debug_settled_range(&p->vm->debug, kvm->arch.lpid,
						      dirty->range[i].gfn << PAGE_SHIFT,
						      dirty->range[i].end << PAGE_SHIFT);
		pass_accumulate(kvm, dirty->range[i].slot, dirty->range[i].gfn,
				dirty->range[i].end);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	dirty->nr = 0;
}

void khx_pass_found_dirty(struct khx_pass *p, const struct kvm_memory_slot *slot,
			  gfn_t gfn, gfn_t end)
{
	struct khx_pass_dirty *dirty = &p->vm->radix.dirty;
	unsigned int last = dirty->nr - 1;

	lockdep_assert_held(&p->vm->kvm->mmu_lock);

	if (slot && !slot->dirty_bitmap)
		return;
	if (dirty->nr && dirty->range[last].slot == slot && dirty->range[last].end == gfn) {
		dirty->range[last].end = end;
		return;
	}
	if (dirty->nr == KHX_PASS_RANGES) {
		pass_settle(p);
		if (p->flush && !p->flush_later)
			khx_flush_begin(p->flush, p->vm->kvm->arch.lpid,
					p->vm->kvm->nr_memslot_pages);
	}
	last = dirty->nr++;
	dirty->range[last].slot = slot;
	dirty->range[last].gfn = gfn;
	dirty->range[last].end = end;
}
EXPORT_SYMBOL_IF_KUNIT(khx_pass_found_dirty);

void khx_pass_finish(struct khx_pass *p)
{
	pass_settle(p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_pass_finish);
