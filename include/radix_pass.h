/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A pass over leaves of partition-scoped radix tables, the guest's own and the
 * shadow tables of its nested guests, in one hold of kvm->mmu_lock. Whatever
 * changes a leaf does it through a pass, which gathers the invalidations.
 */
#ifndef KHX_RADIX_PASS_H
#define KHX_RADIX_PASS_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

struct khx_flush;
struct khx_leaf;
struct khx_vm;

/* All of a leaf, as what is to be cleared of it. */
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
 * One pass at a time: what it gathers for shadow LPIDs, and dirty pages, are the VM's.
 *
 * @vm:		whose tables
 * @look:	bits of a leaf that the pass is about
 * @clear:	bits that it clears; KHX_PASS_ALL takes leaves away
 * @flush:	gathers invalidations of the VM's own LPID, begun by the caller; NULL
 *		if the pass is about shadow tables only
 * @flush_later: the caller finishes @flush; such a pass accumulates nothing
 * @visits:	shadow PTEs looked for
 * @most_visits: how many at most; 0: all of them
 * @nested_used: gatherers of @vm->nested in use
 * @own_cleared: something was cleared in the guest's own table
 * @refused:	the hypervisor refused to invalidate a shadow LPID
 */
struct khx_pass {
	struct khx_vm *vm;
	unsigned long look;
	unsigned long clear;
	struct khx_flush *flush;
	bool flush_later;
	unsigned int visits;
	unsigned int most_visits;
	unsigned int nested_used;
	bool own_cleared;
	bool refused;
};

/**
 * khx_pass_visit() - look at a leaf, and clear what the pass clears
 * @p:		the pass
 * @lpid:	LPID whose table the leaf is in
 * @leaf:	the leaf, present
 *
 * Context: kvm->mmu_lock held.
 * Return: what was set of @p->look.
 */
unsigned long khx_pass_visit(struct khx_pass *p, u64 lpid,
			     const struct khx_leaf *leaf);

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

/**
 * khx_radix_count_leaf() - keep the VM's statistics of large leaves
 * @kvm:	the VM
 * @shift:	log2 of the leaf's size in bytes; a page is not counted
 * @change:	leaves that came, or minus those that went
 *
 * Context: kvm->mmu_lock held.
 */
static inline void khx_radix_count_leaf(struct kvm *kvm, unsigned int shift, int change)
{
	if (shift == PMD_SHIFT)
		kvm->stat.num_2M_pages += change;
	else if (shift == PUD_SHIFT)
		kvm->stat.num_1G_pages += change;
}

#endif /* KHX_RADIX_PASS_H */
