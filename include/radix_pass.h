/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pass over leaves of partition-scoped radix tables, the guest's own and the
 * shadow tables of its nested guests, in one hold of kvm->mmu_lock.
 *
 * khx_pass_write() is the only function of the module that changes a leaf. It
 * adds the invalidation to the pending ones of the pass, records it in debug
 * builds, and updates the VM's statistics. Apart from it, kvm-hv sets R and C
 * after a fault (kvmppc_hv_handle_set_rc()), and so does an MMU that updates R
 * and C in hardware.
 */
#ifndef KHX_RADIX_PASS_H
#define KHX_RADIX_PASS_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "radix_walk.h"

struct khx_flush;
struct khx_vm;

/* All bits of a leaf: zap it. */
#define KHX_PASS_ALL	(~0UL)

/* Ranges of dirty pages that a pass holds until it has flushed. */
#define KHX_PASS_RANGES	256

/**
 * struct khx_pass_dirty - pages to accumulate after the flush of a pass
 * @nr:		entries of @range in use
 * @range:	guest pages [gfn, end) of @slot; NULL: look up each page's
 *		memslot
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
 * A VM has at most one pass at a time, because the gatherers for shadow LPIDs
 * and the dirty pages are in struct khx_vm. The pass of a split is an
 * exception: it uses neither, and runs inside another pass.
 *
 * @vm:		owner of the tables
 * @flush:	gathers invalidations of the VM's own LPID; the caller has
 *		called khx_flush_begin(); NULL if the pass clears nothing in the
 *		guest's own table
 * @flush_later: the caller finishes @flush; such a pass accumulates nothing
 * @most_visits: maximum number of shadow PTEs to look for; 0: no limit
 * @visits:	shadow PTEs looked for
 * @nested_used: gatherers of @vm->nested.flush in use
 * @nested_requests: invalidations of shadow LPIDs that were issued
 * @refused:	the hypervisor refused to invalidate a shadow LPID
 */
struct khx_pass {
	struct khx_vm *const vm;
	struct khx_flush *const flush;
	const bool flush_later;
	const unsigned int most_visits;

	unsigned int visits;
	unsigned int nested_used;
	unsigned int nested_requests;
	bool refused;
};

/**
 * khx_pass_changed() - account for a leaf that was installed, zapped or cleared
 * @p:		the pass
 * @lpid:	LPID whose table the leaf is in
 * @leaf:	the leaf
 * @old:	its value before
 * @new:	its value now
 *
 * Second half of khx_pass_write(), which is the only caller.
 */
void khx_pass_changed(struct khx_pass *p, u64 lpid, const struct khx_leaf *leaf,
		      unsigned long old, unsigned long new);

/**
 * khx_pass_write() - change a leaf
 * @p:		the pass
 * @lpid:	LPID whose table the leaf is in
 * @leaf:	the leaf; @leaf->old is 0 to install one
 * @clear:	bits to clear; KHX_PASS_ALL zaps the leaf
 * @set:	bits to set; the whole leaf to install one
 *
 * Writes only if that changes @leaf->old. The invalidation for cleared bits
 * joins the pending ones of the pass. Set bits need no invalidation: a CPU that
 * has cached the leaf without them faults and then finds the new leaf.
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

	/* inline: lets the compiler byte-swap constant masks */
	old = __radix_pte_update(leaf->ptep, clear, set);
	if (clear || set & _PAGE_PRESENT)
		khx_pass_changed(p, lpid, leaf, old, (old & ~clear) | set);
	return old;
}

/**
 * khx_pass_link() - link a page-table page of leaves into the guest's own table
 * @p:		the pass
 * @entry:	the entry, absent
 * @table:	the page-table page
 * @level:	level of the leaves in @table, 0 or 1
 *
 * Context: kvm->mmu_lock held.
 */
void khx_pass_link(struct khx_pass *p, pte_t *entry, void *table,
		   unsigned int level);

/**
 * khx_pass_unlink() - unlink a page-table page of leaves from the own table
 * @p:		the pass
 * @entry:	the entry
 * @level:	level of the leaves in the page-table page, 0 or 1
 *
 * Context: kvm->mmu_lock held. The caller invalidates the whole LPID before it
 * or anyone else uses the entry.
 * Return: the entry as it was.
 */
pte_t khx_pass_unlink(struct khx_pass *p, pte_t *entry, unsigned int level);

/**
 * khx_pass_found_dirty() - note pages whose C bit the pass has cleared
 * @p:		the pass
 * @slot:	their memslot; NULL: look up each page's memslot
 * @gfn:	first page
 * @end:	end of the range, exclusive
 *
 * A collection takes accumulated bits without mmu_lock, and then userspace
 * reads the pages. Therefore the pass accumulates these pages only after its
 * flush: by then, a store through a stale translation has reached the page, and
 * any other store sets C in another leaf.
 *
 * Context: kvm->mmu_lock held. May flush the pending invalidations of the pass.
 */
void khx_pass_found_dirty(struct khx_pass *p, const struct kvm_memory_slot *slot,
			  gfn_t gfn, gfn_t end);

/**
 * khx_pass_finish() - end a pass
 * @p:		the pass
 *
 * Issues the pending invalidations, then accumulates dirty pages.
 *
 * Context: kvm->mmu_lock still held.
 */
void khx_pass_finish(struct khx_pass *p);

#endif /* KHX_RADIX_PASS_H */
