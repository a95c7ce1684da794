/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reverse map of nested guests: which shadow PTEs map a page of the guest.
 *
 * An entry names one present shadow PTE, by 12 bits of LPID and 40 bits of
 * guest real page frame number of the nested guest (Linux 4.20, "KVM: PPC:
 * Book3S HV: Introduce rmap to track nested guest mappings"). The RMAP_NESTED_*
 * masks of asm/kvm_book3s_64.h define its layout in a long; the bits of the
 * page offset are free for a flag. The LPID is the shadow LPID. Stock stores
 * the LPID that L1 gave its nested guest; by that number stock does not find a
 * nested guest that L1 ends while a vCPU runs it, and may find the next one
 * that L1 gives the number to.
 *
 * Each page of a memslot has one word, slot->arch.rmap[], in one of three
 * states:
 *
 *	no entry: 0
 *	one:	  the entry, with RMAP_NESTED_IS_SINGLE_ENTRY
 *	many:	  the address of the first of a list of struct khx_rmap_node
 *
 * for_each_nest_rmap_safe() reads all three. In addition each nested guest has
 * an index from its page frame numbers to the pages that they map. So neither a
 * test for an existing entry nor its removal with the shadow PTE needs a
 * search, and the removal also frees the memory of the entry and its slot in
 * the index.
 *
 * All functions: kvm->mmu_lock held.
 */
#ifndef KHX_NESTED_RMAP_H
#define KHX_NESTED_RMAP_H

#include <linux/kvm_host.h>
#include <linux/xarray.h>
#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s_64.h>

/**
 * struct khx_rmap_node - one of many entries of a page
 * @entry:	read by for_each_nest_rmap_safe()
 * @pprev:	the pointer to this node: the word, or @entry.list.next of
 *		another node
 * @gfn:	the page
 * @depth:	upper bound on the number of nodes in the list from this one on:
 *		the removal of a later node does not update it
 */
struct khx_rmap_node {
	struct rmap_nested entry;
	struct llist_node **pprev;
	u64 gfn : 48;
	u64 depth : 16;
};

/*
 * Maximum number of entries of a page. A caller that visits them holds
 * kvm->mmu_lock: this bounds the time that L1 can make that take.
 */
#define KHX_RMAP_MOST	4096

/**
 * struct khx_shadow - the entries of one nested guest
 *
 * Allocated with the first page-table page of the shadow table, freed when the
 * nested guest is released.
 *
 * @gp:		kvm-hv's structure of the nested guest
 * @pages:	by page frame number of the nested guest: the gfn of the page as
 *		an xarray value if the page has one entry, else the node of the
 *		entry
 * @tables:	page-table pages below the root of the shadow table
 * @goes:	the shadow table is being freed, and @pages with it
 */
struct khx_shadow {
	struct kvm_nested_guest *gp;
	struct xarray pages;
	unsigned long tables;
	bool goes;
};

/**
 * struct khx_nested_rmap - the entries of all nested guests of a VM
 * @shadows:	struct khx_shadow by shadow LPID
 * @entries:	number of entries
 * @nodes:	number of entries that have a node
 * @tables:	page-table pages of all shadow tables
 */
struct khx_nested_rmap {
	struct xarray shadows;
	unsigned long entries;
	unsigned long nodes;
	unsigned long tables;
};

/**
 * khx_rmap_init() - initialise an empty map
 * @r:		the map
 */
void khx_rmap_init(struct khx_nested_rmap *r);

/**
 * khx_rmap_destroy() - free what is left of a map whose nested guests have ended
 * @r:	the map
 *
 * Context: any.
 */
void khx_rmap_destroy(struct khx_nested_rmap *r);

/**
 * khx_rmap_pack() - pack an LPID and an address into an entry
 * @lpid:	shadow LPID of the nested guest
 * @n_gpa:	guest real address of the nested guest, in bytes
 *
 * Return: the entry, without flag; 0 if it cannot be packed: the LPID is 0 (the
 * host's) or has more than 12 bits, or the address has more than 52.
 */
unsigned long khx_rmap_pack(u64 lpid, unsigned long n_gpa);

static inline unsigned long khx_rmap_lpid(unsigned long entry)
{
	return (entry & RMAP_NESTED_LPID_MASK) >> RMAP_NESTED_LPID_SHIFT;
}

static inline unsigned long khx_rmap_gpa(unsigned long entry)
{
	return entry & RMAP_NESTED_GPA_MASK;
}

/**
 * khx_rmap_first() - return the first entry of a word
 * @word:	the word, not 0
 *
 * Return: the entry, without flag.
 */
unsigned long khx_rmap_first(unsigned long word);

/**
 * khx_rmap_crowded() - does a page have the maximum number of entries?
 * @word:	word of the page
 *
 * Return: true if it has KHX_RMAP_MOST.
 */
bool khx_rmap_crowded(unsigned long word);

/**
 * khx_rmap_insert() - insert an entry
 * @r:		the map
 * @slot:	memslot of the page
 * @gfn:	the page of the guest that the shadow PTE maps
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 *
 * Replaces an existing entry of the same shadow PTE.
 *
 * Context: does not sleep; allocates with GFP_ATOMIC, accounted to the guest's
 * memory cgroup.
 * Return: 0; -EINVAL if khx_rmap_pack() fails; -ENOMEM. After an error the
 * shadow PTE has no entry.
 */
int khx_rmap_insert(struct khx_nested_rmap *r,
		    const struct kvm_memory_slot *slot, gfn_t gfn,
		    struct kvm_nested_guest *gp, unsigned long n_gpa);

/**
 * khx_rmap_find() - find the page that a shadow PTE maps
 * @r:		the map
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 * @gfn:	where to store the page
 *
 * Return: false if there is no entry.
 */
bool khx_rmap_find(const struct khx_nested_rmap *r,
		   const struct kvm_nested_guest *gp, unsigned long n_gpa,
		   gfn_t *gfn);

/**
 * khx_rmap_remove() - remove the entry of a shadow PTE
 * @r:		the map
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 *
 * Return: true if there was an entry.
 */
bool khx_rmap_remove(struct khx_nested_rmap *r,
		     const struct kvm_nested_guest *gp, unsigned long n_gpa);

/**
 * khx_rmap_shadow() - look up the entries of a nested guest
 * @r:		the map
 * @shadow_lpid: its shadow LPID
 *
 * Return: the entries, or NULL if khx_rmap_get_shadow() did not allocate them.
 */
struct khx_shadow *khx_rmap_shadow(const struct khx_nested_rmap *r,
				   u64 shadow_lpid);

/**
 * khx_rmap_get_shadow() - look up or allocate the entries of a nested guest
 * @r:		the map
 * @gp:		the nested guest
 *
 * Return: the entries, or NULL without memory.
 */
struct khx_shadow *khx_rmap_get_shadow(struct khx_nested_rmap *r,
				       struct kvm_nested_guest *gp);

/**
 * khx_rmap_remove_all() - remove all entries of a nested guest
 * @r:		the map
 * @shadow:	the entries; freed
 */
void khx_rmap_remove_all(struct khx_nested_rmap *r,
			 struct khx_shadow *shadow);

/**
 * khx_rmap_entry_gfn() - return the page of an entry in the index
 * @entry:	a value of khx_shadow.pages
 *
 * Return: the page.
 */
static inline gfn_t khx_rmap_entry_gfn(void *entry)
{
	return xa_is_value(entry) ? xa_to_value(entry) :
				    ((struct khx_rmap_node *)entry)->gfn;
}

#endif /* KHX_NESTED_RMAP_H */
