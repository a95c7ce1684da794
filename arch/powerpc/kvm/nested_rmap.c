// SPDX-License-Identifier: GPL-2.0
/*
 * The reverse map of nested guests: one word per page, one index per nested
 * guest, and nodes for pages with many entries.
 *
 * Memory use. A page with one entry stores it in its word, and its gfn in the
 * index: that takes no memory but the index, nine bytes if the nested guest's
 * pages are close together. A page with many entries takes a node of 32 bytes
 * for each. Both are freed with the shadow PTE.
 */
#include <linux/slab.h>

#include "compat.h"
#include "kunit.h"
#include "nested_rmap.h"

/* Inserted under a spinlock; on failure the nested guest faults again. */
#define RMAP_GFP	(GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN)

#define RMAP_GPA_BITS	52

void khx_rmap_init(struct khx_nested_rmap *r)
{
	xa_init(&r->shadows);
	r->entries = 0;
	r->nodes = 0;
	r->tables = 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_init);

void khx_rmap_destroy(struct khx_nested_rmap *r)
{
	WARN_ON_ONCE(r->entries || r->nodes);
	xa_destroy(&r->shadows);
}

unsigned long khx_rmap_pack(u64 lpid, unsigned long n_gpa)
{
	if (!lpid || lpid > RMAP_NESTED_LPID_MASK >> RMAP_NESTED_LPID_SHIFT ||
	    n_gpa >> RMAP_GPA_BITS)
		return 0;
	return lpid << RMAP_NESTED_LPID_SHIFT | (n_gpa & RMAP_NESTED_GPA_MASK);
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_pack);

static struct khx_rmap_node *rmap_node(unsigned long word)
{
	return (struct khx_rmap_node *)word;
}

static struct khx_rmap_node *rmap_next(struct khx_rmap_node *node)
{
	return rmap_node((unsigned long)node->entry.list.next);
}

unsigned long khx_rmap_first(unsigned long word)
{
	return word & RMAP_NESTED_IS_SINGLE_ENTRY ? word & ~RMAP_NESTED_IS_SINGLE_ENTRY :
						    rmap_node(word)->entry.rmap;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_first);

/* Return the word of a page, or NULL if its memslot, with the word, is gone. */
static unsigned long *rmap_word(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot;
	unsigned long *word = NULL;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = khx_memslot(kvm, gfn);
	if (slot)
		word = &slot->arch.rmap[gfn - slot->base_gfn];
	srcu_read_unlock(&kvm->srcu, idx);
	return word;
}

struct khx_shadow *khx_rmap_shadow(const struct khx_nested_rmap *r,
				   u64 shadow_lpid)
{
	return xa_load((struct xarray *)&r->shadows, shadow_lpid);
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_shadow);

struct khx_shadow *khx_rmap_get_shadow(struct khx_nested_rmap *r,
				       struct kvm_nested_guest *gp)
{
	struct khx_shadow *shadow = khx_rmap_shadow(r, gp->shadow_lpid);

	if (shadow)
		return shadow;
	shadow = kzalloc(sizeof(*shadow), RMAP_GFP);
	if (!shadow)
		return NULL;
	shadow->gp = gp;
	xa_init_flags(&shadow->pages, XA_FLAGS_ACCOUNT);
	if (xa_err(xa_store(&r->shadows, gp->shadow_lpid, shadow, RMAP_GFP))) {
		kfree(shadow);
		return NULL;
	}
	return shadow;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_get_shadow);

static struct khx_rmap_node *rmap_node_alloc(struct khx_nested_rmap *r,
					     unsigned long entry, gfn_t gfn)
{
	struct khx_rmap_node *node = kmalloc(sizeof(*node), RMAP_GFP);

	if (node) {
		node->entry.rmap = entry;
		node->gfn = gfn;
		r->nodes++;
	}
	return node;
}

static void rmap_node_free(struct khx_nested_rmap *r, struct khx_rmap_node *node)
{
	if (node)
		r->nodes--;
	kfree(node);
}

static void rmap_link(unsigned long *word, struct khx_rmap_node *node)
{
	struct khx_rmap_node *next = rmap_node(*word);

	node->entry.list.next = &next->entry.list;
	node->depth = next ? next->depth + 1 : 1;
	node->pprev = (struct llist_node **)word;
	if (next)
		next->pprev = &node->entry.list.next;
	*word = (unsigned long)node;
}

static void rmap_unlink(struct khx_rmap_node *node)
{
	struct khx_rmap_node *next = rmap_next(node);

	*node->pprev = &next->entry.list;
	if (next)
		next->pprev = node->pprev;
}

/* @depth is an upper bound: count the nodes if it reaches the limit. */
bool khx_rmap_crowded(unsigned long word)
{
	struct khx_rmap_node *head = rmap_node(word), *node;
	unsigned int nr = 0;

	if (!word || word & RMAP_NESTED_IS_SINGLE_ENTRY || head->depth < KHX_RMAP_MOST)
		return false;
	for (node = head; node; node = rmap_next(node))
		nr++;
	head->depth = nr;
	return nr >= KHX_RMAP_MOST;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_crowded);

/* Return the index that contains an entry. */
static struct xarray *rmap_pages(const struct khx_nested_rmap *r, unsigned long entry)
{
	struct khx_shadow *shadow = khx_rmap_shadow(r, khx_rmap_lpid(entry));

	return WARN_ON_ONCE(!shadow) ? NULL : &shadow->pages;
}

static unsigned long rmap_index(unsigned long entry)
{
	return khx_rmap_gpa(entry) >> PAGE_SHIFT;
}

/* Turn a single entry into a list: move it from the word to a node. */
static int rmap_make_list(struct khx_nested_rmap *r, unsigned long *word, gfn_t gfn)
{
	unsigned long entry = khx_rmap_first(*word);
	struct xarray *pages = rmap_pages(r, entry);
	struct khx_rmap_node *node;

	if (!pages)
		return -EINVAL;
	node = rmap_node_alloc(r, entry, gfn);
	if (!node)
		return -ENOMEM;
	*word = 0;
	rmap_link(word, node);
	/* replaces a value: allocates no memory */
	xa_store(pages, rmap_index(entry), node, RMAP_GFP);
	return 0;
}

/* Turn a list into a single entry if one node is left. */
static void rmap_make_single(struct khx_nested_rmap *r, unsigned long *word)
{
	struct khx_rmap_node *node = rmap_node(*word);
	struct xarray *pages;

	if (!node || rmap_next(node))
		return;
	pages = rmap_pages(r, node->entry.rmap);
	if (!pages)
		return;
	xa_store(pages, rmap_index(node->entry.rmap), xa_mk_value(node->gfn), RMAP_GFP);
	*word = node->entry.rmap | RMAP_NESTED_IS_SINGLE_ENTRY;
	rmap_node_free(r, node);
}

int khx_rmap_insert(struct khx_nested_rmap *r,
		    const struct kvm_memory_slot *slot, gfn_t gfn,
		    struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	unsigned long *word = &slot->arch.rmap[gfn - slot->base_gfn];
	unsigned long entry = khx_rmap_pack(gp->shadow_lpid, n_gpa);
	struct khx_rmap_node *node = NULL;
	struct khx_shadow *shadow;
	gfn_t old;
	int err;

	lockdep_assert_held(&gp->l1_host->mmu_lock);

	if (!entry)
		return -EINVAL;
	if (khx_rmap_find(r, gp, n_gpa, &old)) {
		if (old == gfn)
			return 0;
		khx_rmap_remove(r, gp, n_gpa);
	}

	shadow = khx_rmap_get_shadow(r, gp);
	if (!shadow)
		return -ENOMEM;
	if (*word) {
		node = rmap_node_alloc(r, entry, gfn);
		if (!node)
			return -ENOMEM;
	}
	err = xa_err(xa_store(&shadow->pages, rmap_index(entry),
			      node ? (void *)node : xa_mk_value(gfn), RMAP_GFP));
	if (!err && (*word & RMAP_NESTED_IS_SINGLE_ENTRY)) {
		err = rmap_make_list(r, word, gfn);
		if (err)
			xa_erase(&shadow->pages, rmap_index(entry));
	}
	if (err) {
		rmap_node_free(r, node);
		return err;
	}

	if (node)
		rmap_link(word, node);
	else
		*word = entry | RMAP_NESTED_IS_SINGLE_ENTRY;
	r->entries++;
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_insert);

bool khx_rmap_find(const struct khx_nested_rmap *r,
		   const struct kvm_nested_guest *gp, unsigned long n_gpa,
		   gfn_t *gfn)
{
	struct khx_shadow *shadow = khx_rmap_shadow(r, gp->shadow_lpid);
	void *entry = shadow ? xa_load(&shadow->pages, n_gpa >> PAGE_SHIFT) : NULL;

	if (entry)
		*gfn = khx_rmap_entry_gfn(entry);
	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_find);

/* Remove an entry from its word. The caller has erased it from the index. */
static void rmap_forget(struct khx_nested_rmap *r, const struct kvm_nested_guest *gp,
			unsigned long index, void *entry)
{
	unsigned long *word = rmap_word(gp->l1_host, khx_rmap_entry_gfn(entry));

	r->entries--;
	if (!xa_is_value(entry)) {
		rmap_unlink(entry);
		rmap_node_free(r, entry);
		if (word)
			rmap_make_single(r, word);
	} else if (word) {
		WARN_ON_ONCE(*word != (khx_rmap_pack(gp->shadow_lpid, index << PAGE_SHIFT) |
				       RMAP_NESTED_IS_SINGLE_ENTRY));
		*word = 0;
	}
}

bool khx_rmap_remove(struct khx_nested_rmap *r,
		     const struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	struct khx_shadow *shadow = khx_rmap_shadow(r, gp->shadow_lpid);
	void *entry;

	lockdep_assert_held(&gp->l1_host->mmu_lock);

	entry = shadow ? xa_erase(&shadow->pages, n_gpa >> PAGE_SHIFT) : NULL;
	if (entry)
		rmap_forget(r, gp, n_gpa >> PAGE_SHIFT, entry);
	return entry;
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_remove);

void khx_rmap_remove_all(struct khx_nested_rmap *r,
			 struct khx_shadow *shadow)
{
	unsigned long index;
	void *entry;

	lockdep_assert_held(&shadow->gp->l1_host->mmu_lock);

	xa_for_each(&shadow->pages, index, entry) {
		xa_erase(&shadow->pages, index);
		rmap_forget(r, shadow->gp, index, entry);
	}
	xa_erase(&r->shadows, shadow->gp->shadow_lpid);
	r->tables -= shadow->tables;
	/* an insertion that finds no memory leaves nodes without an entry */
	xa_destroy(&shadow->pages);
	kfree(shadow);
}
EXPORT_SYMBOL_IF_KUNIT(khx_rmap_remove_all);
