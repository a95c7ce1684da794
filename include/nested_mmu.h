/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations on the shadow tables of nested guests.
 *
 * Three tables take part in a memory access of a nested guest. The table of its
 * hypervisor, L1, maps addresses of the nested guest to addresses of L1; the
 * table that KVM keeps for L1 maps these to host addresses; and the shadow
 * table, which the hardware walks, combines both. On a page fault of the nested
 * guest kvm-hv composes the shadow PTE, with R and C only if both other tables
 * have them; it later sets R and C in the shadow PTE after it has set them in
 * the guest's own leaf.
 *
 * This file does the rest. A change to a leaf of the guest is made to all its
 * shadow PTEs; the C bit of a shadow PTE is accumulated when the PTE is zapped;
 * every shadow PTE has an entry in the reverse map, and maps only what the
 * guest's leaf maps.
 *
 * kvm->mmu_lock protects shadow tables and the reverse map. Only a page fault
 * of the nested guest, which holds its tlb_lock, installs leaves in its shadow
 * table. Lock order: tlb_lock, khx_vm.spare_lock, kvm->mmu_lock.
 */
#ifndef KHX_NESTED_MMU_H
#define KHX_NESTED_MMU_H

#include <linux/kvm_host.h>
#include <linux/mutex.h>
#include <linux/pgtable.h>

#include "nested_rmap.h"
#include "radix_flush.h"
#include "radix_tree.h"

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
 * @slot:	a memslot that the leaf maps in whole or in part
 * @leaf:	the leaf of the guest's own table, with the value it had before;
 *		its @ptep is not used
 * @clear:	bits to clear; KHX_PASS_ALL zaps shadow PTEs and removes their
 *		entries
 *
 * Shadow PTEs smaller than the leaf are visited too. None is larger: a shadow
 * PTE is installed no larger than the leaf, and is zapped before the leaf is
 * split.
 *
 * Context: kvm->mmu_lock held.
 * Return: all bits that were set in any of the shadow PTEs.
 */
unsigned long khx_nested_visit(struct khx_pass *p,
			       const struct kvm_memory_slot *slot,
			       const struct khx_leaf *leaf,
			       unsigned long clear);

/**
 * khx_nested_make_room() - zap what conflicts with a new shadow PTE
 * @vm:		a tracked VM
 * @gp:		the nested guest that faulted
 * @n_gpa:	guest real address of the nested guest
 * @shift:	log2 of the size of the new leaf
 * @pte:	the new leaf
 * @tables:	where to store the number of page-table pages that the new leaf
 *		needs, less those that it replaces; they are counted already
 *
 * L1 may change its table without an invalidation. kvm-hv would then OR the new
 * leaf into the old one, and the nested guest would use the host page that the
 * combined page numbers name; or kvm-hv would remove small leaves below a new
 * large one by addresses that are not theirs. This function zaps the old leaves
 * and flushes their translations first.
 *
 * L1 may also make its nested guest touch ever new addresses. Shadow tables are
 * limited by the size of guest memory: above the limit the largest table is
 * freed.
 *
 * Context: the nested guest's tlb_lock held; takes kvm->mmu_lock; may sleep.
 * Return: 0; -EAGAIN if the nested guest must not have another page-table page
 * now and must fault again.
 */
int khx_nested_make_room(struct khx_vm *vm, struct kvm_nested_guest *gp,
			 unsigned long n_gpa, unsigned int shift, pte_t pte, int *tables);

/**
 * khx_nested_undo_room() - count as before khx_nested_make_room()
 * @vm:		a tracked VM
 * @gp:		the nested guest that faulted
 * @tables:	what khx_nested_make_room() has stored
 *
 * For a leaf that was not installed. Whatever the limit says: the page-table pages
 * that it was to replace are still there, and another fault may have got their place.
 *
 * Context: takes kvm->mmu_lock.
 */
void khx_nested_undo_room(struct khx_vm *vm, struct kvm_nested_guest *gp, int tables);

/**
 * khx_nested_drop_memslot() - zap leftover shadow PTEs of a memslot
 * @vm:		a tracked VM
 * @slot:	the memslot; the guest has no leaf in it any more
 *
 * Context: kvm->slots_lock held; takes kvm->mmu_lock; may sleep.
 */
void khx_nested_drop_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot);

/**
 * struct khx_nested_fault - a page fault that installs a shadow PTE
 * @vm:		the VM
 * @gp:		the nested guest
 * @n_gpa:	guest real address of the nested guest, below 2^52
 * @pte:	the new leaf; loses R and C if the guest's leaf has lost them
 * @level:	its level: 0 PTE, 1 PMD, 2 PUD
 * @seq:	kvm->mmu_invalidate_seq from before the guest's leaf was looked
 *		up
 * @word:	word of the first page of the guest's leaf in the memslot's rmap
 * @n_rmap:	kvm-hv's own entry for @word, used with nested=0
 * @slot:	private: memslot of the page that the shadow PTE maps
 * @gfn:	private: that page
 * @tables:	private: page-table pages for the leaf
 */
struct khx_nested_fault {
	struct khx_vm *vm;
	struct kvm_nested_guest *gp;
	unsigned long n_gpa;
	pte_t pte;
	unsigned int level;
	unsigned long seq;
	unsigned long *word;
	struct rmap_nested **n_rmap;
	const struct kvm_memory_slot *slot;
	gfn_t gfn;
	struct khx_tables tables;
};

/**
 * khx_nested_map() - install a shadow PTE, or set bits of the one that exists
 * @f:		the fault; private members are zero
 *
 * First makes room for it (khx_nested_make_room()). The guest's leaf may have
 * changed since the fault read it. The shadow PTE must map what that leaf maps,
 * and have R and C only if it has them: what clears one of these visits only
 * shadow PTEs that have entries. So the function reads the leaf again. The shadow
 * PTE is not installed either if there is no memory for its entry; the nested
 * guest then faults again.
 *
 * Context: the nested guest's tlb_lock and kvm->srcu held; takes kvm->mmu_lock; may
 * sleep.
 * Return: 0; -EAGAIN if the nested guest must fault again, because KVM has
 * invalidated memory of the guest since @seq was read, or the leaf does not map
 * that, or not writable, any more; -ENOMEM.
 */
int khx_nested_map(struct khx_nested_fault *f);

/**
 * khx_nested_find_for_rc() - find a shadow PTE to set R, or R and C, in
 * @vm:		a tracked VM
 * @gp:		the nested guest
 * @writing:	C is set as well as R
 * @n_gpa:	guest real address of the nested guest
 * @shift:	where to store log2 of the size of the shadow PTE
 *
 * The guest's leaf of the page that the shadow PTE maps must have these bits.
 * It may lack them: kvm-hv sets them in the leaf of the page that L1's table
 * names now, which may be another page.
 *
 * Context: kvm->mmu_lock held.
 * Return: the shadow PTE; NULL if there is none, or if these bits must not be
 * set in it. The caller then zaps the shadow PTE.
 */
pte_t *khx_nested_find_for_rc(struct khx_vm *vm, const struct kvm_nested_guest *gp,
			      bool writing, unsigned long n_gpa, unsigned int *shift);

/**
 * khx_nested_unmap_pte() - khx_hook_unmap_pte() of a shadow PTE
 * @kvm:	the VM
 * @ptep:	the shadow PTE
 * @n_gpa:	an address that it maps
 * @shift:	log2 of its size, or 0 for a single page
 * @slot:	NULL
 * @lpid:	its LPID
 *
 * Removes the entry, and accumulates the C bit. kvm-hv looks up the nested
 * guest by the LPID that L1 gave it. If L1 has reused that LPID, kvm-hv found a
 * PTE of the new nested guest: zap the PTEs of both, each under its own shadow
 * LPID.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_nested_unmap_pte(struct kvm *kvm, pte_t *ptep, unsigned long n_gpa,
			  unsigned int shift, const struct kvm_memory_slot *slot,
			  u64 lpid);

#endif /* KHX_NESTED_MMU_H */
