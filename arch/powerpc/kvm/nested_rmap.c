// SPDX-License-Identifier: GPL-2.0
/*
 * The reverse map of nested guests: a word for each page, an index for each
 * nested guest, and nodes for pages that have many entries.
 *
 * What it costs. A page with one entry has it in its word, and in the index the
 * page's number: no memory but the index, nine bytes where the nested guest's
 * pages are close together. A page with many has a node of 32 bytes for each.
 * Both are there as long as the shadow PTE is.
 */
#include <linux/slab.h>

#include "compat.h"
#include "kunit.h"
#include "nested_rmap.h"

/* Shadow PTEs come up under a lock; who is refused lets the guest try again. */
#define GFP_INSERT	(GFP_ATOMIC | __GFP_ACCOUNT | __GFP_NOWARN)

#define N_GPA_BITS	52

void kvm_ext_rmap_init(struct kvm_ext_nested_rmap *r)
{
	xa_init(&r->shadows);
	r->entries = 0;
	r->nodes = 0;
	r->tables = 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_init);

unsigned long kvm_ext_rmap_pack(u64 lpid, unsigned long n_gpa)
{
	if (!lpid || lpid > RMAP_NESTED_LPID_MASK >> RMAP_NESTED_LPID_SHIFT ||
	    n_gpa >> N_GPA_BITS)
		return 0;
	return lpid << RMAP_NESTED_LPID_SHIFT | (n_gpa & RMAP_NESTED_GPA_MASK);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_pack);

static struct kvm_ext_rmap_node *node_at(unsigned long word)
{
	return (struct kvm_ext_rmap_node *)word;
}

static struct kvm_ext_rmap_node *next_of(struct kvm_ext_rmap_node *node)
{
	return node_at((unsigned long)node->entry.list.next);
}

unsigned long kvm_ext_rmap_first(unsigned long word)
{
	return word & RMAP_NESTED_IS_SINGLE_ENTRY ? word & ~RMAP_NESTED_IS_SINGLE_ENTRY :
						    node_at(word)->entry.rmap;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_first);

/* The word of a page; NULL if its memslot is gone, and the word with it. */
static unsigned long *word_of(struct kvm *kvm, gfn_t gfn)
{
	struct kvm_memory_slot *slot;
	unsigned long *word = NULL;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = gfn_to_memslot(kvm, gfn);
	if (slot)
		word = &slot->arch.rmap[gfn - slot->base_gfn];
	srcu_read_unlock(&kvm->srcu, idx);
	return word;
}

struct kvm_ext_shadow *kvm_ext_rmap_shadow(const struct kvm_ext_nested_rmap *r,
					   u64 shadow_lpid)
{
	return xa_load((struct xarray *)&r->shadows, shadow_lpid);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_shadow);

struct kvm_ext_shadow *kvm_ext_rmap_get_shadow(struct kvm_ext_nested_rmap *r,
					       struct kvm_nested_guest *gp)
{
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(r, gp->shadow_lpid);

	if (shadow)
		return shadow;
	shadow = kzalloc(sizeof(*shadow), GFP_INSERT);
	if (!shadow)
		return NULL;
	shadow->gp = gp;
	xa_init_flags(&shadow->pages, XA_FLAGS_ACCOUNT);
	if (xa_err(xa_store(&r->shadows, gp->shadow_lpid, shadow, GFP_INSERT))) {
		kfree(shadow);
		return NULL;
	}
	return shadow;
}

static struct kvm_ext_rmap_node *new_node(struct kvm_ext_nested_rmap *r,
					  unsigned long entry, gfn_t gfn)
{
	struct kvm_ext_rmap_node *node = kmalloc(sizeof(*node), GFP_INSERT);

	if (node) {
		node->entry.rmap = entry;
		node->gfn = gfn;
		r->nodes++;
	}
	return node;
}

static void free_node(struct kvm_ext_nested_rmap *r, struct kvm_ext_rmap_node *node)
{
	if (node)
		r->nodes--;
	kfree(node);
}

static void link(unsigned long *word, struct kvm_ext_rmap_node *node)
{
	struct kvm_ext_rmap_node *next = node_at(*word);

	node->entry.list.next = &next->entry.list;
	node->depth = next ? next->depth + 1 : 1;
	node->pprev = (struct llist_node **)word;
	if (next)
		next->pprev = &node->entry.list.next;
	*word = (unsigned long)node;
}

static void unlink(struct kvm_ext_rmap_node *node)
{
	struct kvm_ext_rmap_node *next = next_of(node);

	*node->pprev = &next->entry.list;
	if (next)
		next->pprev = node->pprev;
}

/* Nodes go from the middle of the list too: only a count tells. */
bool kvm_ext_rmap_crowded(unsigned long word)
{
	struct kvm_ext_rmap_node *head = node_at(word), *node;
	unsigned int nr = 0;

	if (!word || word & RMAP_NESTED_IS_SINGLE_ENTRY || head->depth < KVM_EXT_RMAP_MOST)
		return false;
	for (node = head; node; node = next_of(node))
		nr++;
	head->depth = nr;
	return nr >= KVM_EXT_RMAP_MOST;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_crowded);

/* Where the index has what a word says. */
static struct xarray *pages_of(const struct kvm_ext_nested_rmap *r, unsigned long entry)
{
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(r, kvm_ext_rmap_lpid(entry));

	return WARN_ON_ONCE(!shadow) ? NULL : &shadow->pages;
}

static unsigned long index_of(unsigned long entry)
{
	return kvm_ext_rmap_gpa(entry) >> PAGE_SHIFT;
}

/* From one to many: what stands in the word moves to a node. */
static int make_list(struct kvm_ext_nested_rmap *r, unsigned long *word, gfn_t gfn)
{
	unsigned long entry = kvm_ext_rmap_first(*word);
	struct xarray *pages = pages_of(r, entry);
	struct kvm_ext_rmap_node *node;

	if (!pages)
		return -EINVAL;
	node = new_node(r, entry, gfn);
	if (!node)
		return -ENOMEM;
	*word = 0;
	link(word, node);
	/* in the place of a value: takes no memory */
	xa_store(pages, index_of(entry), node, GFP_INSERT);
	return 0;
}

/* And back, if only one is left. */
static void make_single(struct kvm_ext_nested_rmap *r, unsigned long *word)
{
	struct kvm_ext_rmap_node *node = node_at(*word);
	struct xarray *pages;

	if (!node || next_of(node))
		return;
	pages = pages_of(r, node->entry.rmap);
	if (!pages)
		return;
	xa_store(pages, index_of(node->entry.rmap), xa_mk_value(node->gfn), GFP_INSERT);
	*word = node->entry.rmap | RMAP_NESTED_IS_SINGLE_ENTRY;
	free_node(r, node);
}

int kvm_ext_rmap_insert(struct kvm_ext_nested_rmap *r,
			const struct kvm_memory_slot *slot, gfn_t gfn,
			struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	unsigned long *word = &slot->arch.rmap[gfn - slot->base_gfn];
	unsigned long entry = kvm_ext_rmap_pack(gp->shadow_lpid, n_gpa);
	struct kvm_ext_rmap_node *node = NULL;
	struct kvm_ext_shadow *shadow;
	gfn_t old;
	int err;

	lockdep_assert_held(&gp->l1_host->mmu_lock);

	if (!entry)
		return -EINVAL;
	if (kvm_ext_rmap_find(r, gp, n_gpa, &old)) {
		if (old == gfn)
			return 0;
		kvm_ext_rmap_remove(r, gp, n_gpa);
	}

	shadow = kvm_ext_rmap_get_shadow(r, gp);
	if (!shadow)
		return -ENOMEM;
	if (*word) {
		node = new_node(r, entry, gfn);
		if (!node)
			return -ENOMEM;
	}
	err = xa_err(xa_store(&shadow->pages, index_of(entry),
			      node ? (void *)node : xa_mk_value(gfn), GFP_INSERT));
	if (!err && (*word & RMAP_NESTED_IS_SINGLE_ENTRY)) {
		err = make_list(r, word, gfn);
		if (err)
			xa_erase(&shadow->pages, index_of(entry));
	}
	if (err) {
		free_node(r, node);
		return err;
	}

	if (node)
		link(word, node);
	else
		*word = entry | RMAP_NESTED_IS_SINGLE_ENTRY;
	r->entries++;
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_insert);

bool kvm_ext_rmap_find(const struct kvm_ext_nested_rmap *r,
		       const struct kvm_nested_guest *gp, unsigned long n_gpa,
		       gfn_t *gfn)
{
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(r, gp->shadow_lpid);
	void *entry = shadow ? xa_load(&shadow->pages, n_gpa >> PAGE_SHIFT) : NULL;

	if (entry)
		*gfn = kvm_ext_shadow_gfn(entry);
	return entry;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_find);

/* The entry is out of the index already. */
static void forget(struct kvm_ext_nested_rmap *r, const struct kvm_nested_guest *gp,
		   unsigned long index, void *entry)
{
	unsigned long *word = word_of(gp->l1_host, kvm_ext_shadow_gfn(entry));

	r->entries--;
	if (!xa_is_value(entry)) {
		unlink(entry);
		free_node(r, entry);
		if (word)
			make_single(r, word);
	} else if (word) {
		WARN_ON_ONCE(*word != (kvm_ext_rmap_pack(gp->shadow_lpid, index << PAGE_SHIFT) |
				       RMAP_NESTED_IS_SINGLE_ENTRY));
		*word = 0;
	}
}

bool kvm_ext_rmap_remove(struct kvm_ext_nested_rmap *r,
			 const struct kvm_nested_guest *gp, unsigned long n_gpa)
{
	struct kvm_ext_shadow *shadow = kvm_ext_rmap_shadow(r, gp->shadow_lpid);
	void *entry;

	lockdep_assert_held(&gp->l1_host->mmu_lock);

	entry = shadow ? xa_erase(&shadow->pages, n_gpa >> PAGE_SHIFT) : NULL;
	if (entry)
		forget(r, gp, n_gpa >> PAGE_SHIFT, entry);
	return entry;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_remove);

void kvm_ext_rmap_remove_all(struct kvm_ext_nested_rmap *r,
			     struct kvm_ext_shadow *shadow)
{
	unsigned long index;
	void *entry;

	lockdep_assert_held(&shadow->gp->l1_host->mmu_lock);

	xa_for_each(&shadow->pages, index, entry) {
		xa_erase(&shadow->pages, index);
		forget(r, shadow->gp, index, entry);
	}
	xa_erase(&r->shadows, shadow->gp->shadow_lpid);
	r->tables -= shadow->tables;
	kfree(shadow);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_rmap_remove_all);
