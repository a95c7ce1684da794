/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pass over leaves of partition-scoped radix tables, the guest's own and the
 * shadow tables of its nested guests, in one hold of kvm->mmu_lock.
 *
 * khx_pass_write() is the only function here that changes a leaf. It adds the
 * invalidation to those that the pass gathers, notes it in debug builds, and
 * keeps the VM's statistics. Beside it, kvm-hv sets R and C after a fault
 * (kvmppc_hv_handle_set_rc()), and so does an MMU that writes them itself.
 */
#ifndef KHX_RADIX_PASS_H
#define KHX_RADIX_PASS_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "radix_walk.h"

struct khx_flush;
struct khx_vm;

/* All bits of a leaf: it is zapped. */
#define KHX_PASS_ALL	(~0UL)

/* Ranges of dirty pages that a pass remembers until it has flushed. */
#define KHX_PASS_RANGES	256

/**
 * struct khx_pass_dirty - pages that are accumulated when a pass has flushed
 * @nr:		ranges remembered
 * @range:	pages of a memslot; NULL: it is looked up
 */
struct khx_pass_dirty {
	unsigned int nr;
	struct {
		const struct kvm_memory_slot *slot;
		gfn_t gfn;
		gfn_t end;
	} range[KHX_PASS_RANGES];
};

/**
 * struct khx_pass - one hold of mmu_lock
 *
 * One pass at a time: what it gathers for shadow LPIDs, and dirty pages, are the
 * VM's. (That of a split gathers neither, and is inside another.)
 *
 * @vm:		whose tables
 * @flush:	gathers invalidations of the VM's own LPID, begun by the caller; NULL
 *		if the pass clears nothing in the guest's own table
 * @flush_later: the caller finishes @flush; such a pass accumulates nothing
 * @most_visits: how many shadow PTEs to look for at most; 0: all of them
 * @visits:	shadow PTEs looked for
 * @nested_used: gatherers of @vm->nested.flush in use
 * @own_cleared: something was cleared in the guest's own table
 * @refused:	the hypervisor refused to invalidate a shadow LPID
 */
struct khx_pass {
	struct khx_vm *const vm;
	struct khx_flush *const flush;
	const bool flush_later;
	const unsigned int most_visits;

	unsigned int visits;
	unsigned int nested_used;
	bool own_cleared;
	bool refused;
};

/**
 * khx_pass_changed() - a leaf was installed, was zapped, or has lost bits
 * @p:		the pass
 * @lpid:	LPID whose table the leaf is in
 * @leaf:	the leaf
 * @old:	its value before
 * @new:	its value now
 *
 * The rest of khx_pass_write(), and called by nothing else.
 */
void khx_pass_changed(struct khx_pass *p, u64 lpid, const struct khx_leaf *leaf,
		      unsigned long old, unsigned long new);

/**
 * khx_pass_write() - change a leaf
 * @p:		the pass
 * @lpid:	LPID whose table the leaf is in
 * @leaf:	the leaf; @leaf->old is 0 where one is to be installed
 * @clear:	bits to clear; KHX_PASS_ALL zaps the leaf
 * @set:	bits to set; all of a leaf that is to be installed
 *
 * Writes only if that changes something of @leaf->old. Bits that are cleared are
 * flushed by the end of the pass. Bits that are set need no flush: a processor
 * that has cached the leaf without them faults, and finds the new one.
 *
 * Context: kvm->mmu_lock held.
 * Return: the leaf as it was before.
 */
static inline unsigned long khx_pass_write(struct khx_pass *p, u64 lpid,
					   const struct khx_leaf *leaf,
					   unsigned long clear, unsigned long set)
{
	unsigned long old = pte_val(leaf->old);

	if (!(old & clear) && !(set & ~old))
		return old;

	/* inline: entries are big endian, and constants are then swapped in advance */
	old = __radix_pte_update(leaf->ptep, clear, set);
	if (clear || set & _PAGE_PRESENT)
		khx_pass_changed(p, lpid, leaf, old, (old & ~clear) | set);
	return old;
}

/**
 * khx_pass_link() - link a page-table page with leaves of the guest's own table
 * @p:		the pass
 * @entry:	the entry, absent
 * @table:	the page
 * @level:	level of the leaves in @table, 0 or 1
 *
 * Context: kvm->mmu_lock held.
 */
void khx_pass_link(struct khx_pass *p, pte_t *entry, void *table,
		   unsigned int level);

/**
 * khx_pass_unlink() - unlink a page-table page with leaves of the guest's own
 * @p:		the pass
 * @entry:	the entry
 * @level:	level of the leaves in the page, 0 or 1
 *
 * Context: kvm->mmu_lock held. The caller invalidates the whole LPID before
 * anything else may use the entry.
 * Return: the entry as it was.
 */
pte_t khx_pass_unlink(struct khx_pass *p, pte_t *entry, unsigned int level);

/**
 * khx_pass_found_dirty() - pages whose C bit the pass has taken away
 * @p:		the pass
 * @slot:	their memslot; NULL: it is looked up
 * @gfn:	first page
 * @end:	first page not concerned
 *
 * A collection takes accumulated bits without mmu_lock, and userspace reads the
 * pages then. So these are accumulated only after the flush: a store through a
 * translation that was still there is in the page by then, or sets C elsewhere.
 *
 * Context: kvm->mmu_lock held. May flush what the pass has gathered.
 */
void khx_pass_found_dirty(struct khx_pass *p, const struct kvm_memory_slot *slot,
			  gfn_t gfn, gfn_t end);

/**
 * khx_pass_finish() - the end of a pass
 * @p:		the pass
 *
 * Issues what was gathered, and accumulates dirty pages afterwards.
 *
 * A nested page fault which has looked at the guest's PTE before R or C was
 * cleared there must not put a shadow PTE with that bit into a table now: it is
 * not in the reverse map yet, so it was not found. The fault tries again, for
 * kvm->mmu_invalidate_seq has changed.
 *
 * Context: kvm->mmu_lock still held.
 */
void khx_pass_finish(struct khx_pass *p);

#endif /* KHX_RADIX_PASS_H */
