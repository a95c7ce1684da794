/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the shadow tables of nested guests.
 *
 * Three tables are about an access of a nested guest: its own hypervisor's, from
 * its addresses to those of our guest; ours for that guest, from these to the
 * host's; and the shadow table, which is the two in one and what the machine
 * uses. kvm-hv composes the shadow PTE at a page fault, with R and C only if both
 * others have them, and sets them there after it has set them in ours. The rest
 * is here: what is done to our leaf is done to all its shadow PTEs, what a shadow
 * PTE knows about stores is kept when it goes, and none is in a table that is not
 * in the reverse map, nor maps what our leaf does not map.
 *
 * kvm->mmu_lock protects shadow tables and the reverse map. A shadow table gets
 * leaves only in page faults of its nested guest, which hold its tlb_lock. Lock
 * order: tlb_lock, the lock of the spare root, kvm->mmu_lock.
 */
#ifndef KHX_NESTED_MMU_H
#define KHX_NESTED_MMU_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>

#include "nested_rmap.h"
#include "radix_flush.h"

struct khx_leaf;
struct khx_pass;
struct khx_vm;
struct rmap_nested;

/* Shadow LPIDs whose invalidations one chunk of a harvest gathers side by side. */
#define KHX_NESTED_FLUSHES	8

/* The root of a radix table, in bytes. */
#define KHX_ROOT_SIZE	(PTRS_PER_PGD * sizeof(pgd_t))

/**
 * struct khx_vm_nested - the nested guests of a VM
 * @rmap:	their reverse map; kvm->mmu_lock
 * @flush:	gathers invalidations of shadow LPIDs; kvm->mmu_lock
 * @spare_lock:	for @spare_root; a nested guest found under it stays
 * @spare_root:	takes the root of a shadow table while that is freed; NULL before
 *		nested guests are allowed
 */
struct khx_vm_nested {
	struct khx_nested_rmap rmap;
	struct khx_flush flush[KHX_NESTED_FLUSHES];
	struct mutex spare_lock;	/* see above */
	pgd_t *spare_root;
};

/**
 * khx_nested_init() - prepare a VM for nested guests
 * @nested:	zeroed
 * @flusher:	issues invalidations for the VM
 */
void khx_nested_init(struct khx_vm_nested *nested, struct khx_flusher *flusher);

/**
 * khx_nested_destroy() - free what @nested has allocated
 * @nested:	that of a VM whose nested guests have ended
 */
void khx_nested_destroy(struct khx_vm_nested *nested);

/**
 * khx_nested_allow() - a VM may have nested guests from now on
 * @nested:	of the VM
 *
 * Context: may sleep; any number of times, also concurrently.
 * Return: 0 or -ENOMEM.
 */
int khx_nested_allow(struct khx_vm_nested *nested);

/**
 * khx_nested_visit() - clear bits of all shadow PTEs of a leaf
 * @p:		the pass
 * @slot:	a memslot that the leaf maps, in whole or in part
 * @leaf:	the leaf of the guest's own table, as it was; its @ptep is not used
 * @clear:	bits to clear; KHX_PASS_ALL zaps shadow PTEs and removes their entries
 *
 * Smaller shadow PTEs are found as well. There are none that are larger: a shadow
 * PTE comes up no larger than the leaf, and goes before the leaf is split.
 *
 * Context: kvm->mmu_lock held.
 * Return: all that was set in any of them.
 */
unsigned long khx_nested_visit(struct khx_pass *p,
			       const struct kvm_memory_slot *slot,
			       const struct khx_leaf *leaf,
			       unsigned long clear);

/**
 * khx_nested_make_room() - before a shadow PTE is installed
 * @vm:		a VM of ours
 * @gp:		the nested guest that faulted
 * @n_gpa:	guest real address of the nested guest
 * @shift:	log2 of the size of the new leaf
 * @pte:	the new leaf
 * @tables:	where to leave how many page-table pages the leaf will take, less those
 *		that it will free; they are counted as if that had been done
 *
 * A nested guest's hypervisor may change its table and not tell. kvm-hv would
 * then put the new leaf into the old one, bit by bit, and the nested guest would
 * use the host page that the two page numbers make together; or take small leaves
 * from under a large one by addresses that are not theirs. Here the old ones go
 * first, and their translations.
 *
 * It may also make its nested guest use one address after the other. What shadow
 * tables take is bounded by the memory of the guest: beyond that the largest is
 * thrown away.
 *
 * Context: the nested guest's tlb_lock held; may sleep; takes kvm->mmu_lock.
 * Return: 0; -EAGAIN if the nested guest must not have a new page-table page now and
 * is to fault again.
 */
int khx_nested_make_room(struct khx_vm *vm, struct kvm_nested_guest *gp,
			 unsigned long n_gpa, unsigned int shift, pte_t pte, int *tables);

/**
 * khx_nested_drop_memslot() - no leaf of a memslot is left
 * @vm:		a VM of ours
 * @slot:	the memslot
 *
 * Context: kvm->slots_lock held; takes kvm->mmu_lock; may sleep.
 */
void khx_nested_drop_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot);

/**
 * khx_nested_insert() - a new shadow PTE gets its entry, or goes again
 * @vm:		a VM of ours
 * @word:	word of the first page of the guest's leaf
 * @gp:		the nested guest
 * @n_gpa:	an address that the shadow PTE maps there
 *
 * It goes if it does not map what the guest's leaf maps, or has W, R or C that
 * this has not, or if no entry can be made. The nested guest then faults again.
 *
 * Context: kvm->mmu_lock held; kvm->srcu read-held.
 * Return: true if it stays.
 */
bool khx_nested_insert(struct khx_vm *vm, unsigned long *word,
		       struct kvm_nested_guest *gp, unsigned long n_gpa);

/**
 * khx_nested_find_for_rc() - a shadow PTE that may have R, and C, set
 * @vm:		a VM of ours
 * @gp:		the nested guest
 * @writing:	C as well as R
 * @n_gpa:	guest real address of the nested guest
 * @shift:	where to leave log2 of the size of the shadow PTE
 *
 * Context: kvm->mmu_lock held.
 * Return: NULL if there is no shadow PTE or not such a one, or if the guest's leaf of
 * the page that it maps has not got these bits: kvm-hv has set them for the page that
 * the nested guest's hypervisor says now, which may be another. The caller takes the
 * shadow PTE away then.
 */
pte_t *khx_nested_find_for_rc(struct khx_vm *vm, const struct kvm_nested_guest *gp,
			      bool writing, unsigned long n_gpa, unsigned int *shift);

/*
 * In place of functions of kvm-hv, for VMs of ours; kvm->mmu_lock held but for
 * the last three. As there, if not said.
 */

/**
 * khx_nested_unmap_pte() - khx_hook_unmap_pte() of a shadow PTE
 * @kvm:	the VM
 * @ptep:	the shadow PTE
 * @n_gpa:	an address that it maps
 * @shift:	log2 of its size, or 0 for a single page
 * @slot:	NULL
 * @lpid:	its LPID
 *
 * Its entry goes with it; C is kept in the accumulated bits. kvm-hv looks the
 * nested guest up by the LPID that L1 gave it; where that has come to another, what
 * it has found is in the other's table. Then both go, each under its own LPID.
 */
void khx_nested_unmap_pte(struct kvm *kvm, pte_t *ptep, unsigned long n_gpa,
			  unsigned int shift, const struct kvm_memory_slot *slot,
			  u64 lpid);

#endif /* KHX_NESTED_MMU_H */
