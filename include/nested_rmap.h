/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The reverse map of nested guests: which shadow PTEs map a page of the guest.
 *
 * One entry stands for one shadow PTE that is present, and is a number of 52
 * bits: 12 bits LPID, 40 bits guest real page frame number of the nested guest
 * (Linux 4.20, "KVM: PPC: Book3S HV: Introduce rmap to track nested guest
 * mappings"). It stands in a long so as the RMAP_NESTED_* masks of
 * asm/kvm_book3s_64.h say, with the page offset's place free for a mark. The LPID
 * is the one in the host. (Stock has the one that the guest gave its nested guest.
 * By that it does not find a nested guest that was given up while a vCPU runs it,
 * and may find the next one of that number.) A page of a memslot has one word,
 * slot->arch.rmap[], in one of three states:
 *
 *	nothing:  0
 *	one:	  the entry, with RMAP_NESTED_IS_SINGLE_ENTRY
 *	many:	  the address of the first of a list of struct khx_rmap_node
 *
 * for_each_nest_rmap_safe() reads all three. Beside it there is an index for
 * each nested guest, from its page frame numbers to what they map. So it takes
 * no search to see whether an entry is there already, nor to remove one when its
 * shadow PTE goes; and with it go the entry's memory and its place in the index.
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
 * @entry:	what for_each_nest_rmap_safe() reads
 * @pprev:	what points to it: the word, or @entry.list.next of another
 * @gfn:	the page
 * @depth:	at least how many nodes the list has from this one on
 */
struct khx_rmap_node {
	struct rmap_nested entry;
	struct llist_node **pprev;
	u64 gfn : 48;
	u64 depth : 16;
};

/*
 * Entries that a page may have. Whoever visits them holds kvm->mmu_lock: this
 * bounds the time that a nested guest's hypervisor can make that take.
 */
#define KHX_RMAP_MOST	4096

/**
 * struct khx_shadow - the entries of one nested guest
 *
 * There is one from the first page-table page of the shadow table on until the
 * nested guest is released.
 *
 * @gp:		kvm-hv's part of the nested guest
 * @pages:	by page frame number of the nested guest: the page of the guest as
 *		a value, if that page has one entry, or the entry's node
 * @tables:	page-table pages below the root of its shadow table
 * @goes:	the table is being freed, and @pages with it
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
 * @entries:	how many there are
 * @nodes:	how many of them have a node
 * @tables:	page-table pages of all shadow tables
 */
struct khx_nested_rmap {
	struct xarray shadows;
	unsigned long entries;
	unsigned long nodes;
	unsigned long tables;
};

/**
 * khx_rmap_init() - prepare an empty map
 * @r:		the map
 */
void khx_rmap_init(struct khx_nested_rmap *r);

/**
 * khx_rmap_pack() - make an entry
 * @lpid:	LPID of the nested guest
 * @n_gpa:	guest real address of the nested guest, in bytes
 *
 * Return: the entry, not marked; 0 if there is none: the LPID is 0, which is the
 * host's, or has more than 12 bits, or the address has more than 52.
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
 * khx_rmap_first() - the first entry of a word
 * @word:	the word, not 0
 *
 * Return: the entry.
 */
unsigned long khx_rmap_first(unsigned long word);

/**
 * khx_rmap_crowded() - may a page have no more entries?
 * @word:	its word
 *
 * Return: true if it has KHX_RMAP_MOST.
 */
bool khx_rmap_crowded(unsigned long word);

/**
 * khx_rmap_insert() - add an entry
 * @r:		the map
 * @slot:	memslot of the page
 * @gfn:	the page of the guest that the shadow PTE maps
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 *
 * What was said of the same shadow PTE before is replaced.
 *
 * Context: does not sleep; allocates with GFP_ATOMIC, accounted to the guest's
 * memory cgroup.
 * Return: 0; -EINVAL if no entry can be made (khx_rmap_pack()); -ENOMEM.
 * With an error nothing is said of that shadow PTE any more.
 */
int khx_rmap_insert(struct khx_nested_rmap *r,
		    const struct kvm_memory_slot *slot, gfn_t gfn,
		    struct kvm_nested_guest *gp, unsigned long n_gpa);

/**
 * khx_rmap_find() - the page that a shadow PTE maps
 * @r:		the map
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 * @gfn:	where to leave the page
 *
 * Return: false if there is no entry.
 */
bool khx_rmap_find(const struct khx_nested_rmap *r,
		   const struct kvm_nested_guest *gp, unsigned long n_gpa,
		   gfn_t *gfn);

/**
 * khx_rmap_remove() - a shadow PTE goes
 * @r:		the map
 * @gp:		the nested guest
 * @n_gpa:	first guest real address that the shadow PTE maps there
 *
 * Return: true if there was an entry.
 */
bool khx_rmap_remove(struct khx_nested_rmap *r,
		     const struct kvm_nested_guest *gp, unsigned long n_gpa);

/**
 * khx_rmap_shadow() - the entries of a nested guest
 * @r:		the map
 * @shadow_lpid: its LPID in the host
 *
 * Return: the entries, or NULL if it never had one.
 */
struct khx_shadow *khx_rmap_shadow(const struct khx_nested_rmap *r,
				   u64 shadow_lpid);

/**
 * khx_rmap_get_shadow() - the same, made if need be
 * @r:		the map
 * @gp:		the nested guest
 *
 * Return: the entries, or NULL if there is no memory.
 */
struct khx_shadow *khx_rmap_get_shadow(struct khx_nested_rmap *r,
				       struct kvm_nested_guest *gp);

/**
 * khx_rmap_remove_all() - the shadow table goes
 * @r:		the map
 * @shadow:	the entries of that nested guest; freed
 */
void khx_rmap_remove_all(struct khx_nested_rmap *r,
			 struct khx_shadow *shadow);

/**
 * khx_rmap_entry_gfn() - the page of an entry in the index
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
