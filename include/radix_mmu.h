/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the partition-scoped tables of radix guests.
 */
#ifndef KHX_RADIX_MMU_H
#define KHX_RADIX_MMU_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_resize.h"

struct khx_leaf;
struct khx_vm;
struct kvm_memory_slot;

/**
 * struct khx_vm_radix - what works on the partition-scoped table of a VM
 * @flush:	gathers invalidations of a collection; kvm->slots_lock
 * @notifier_flush: the same, for leaves that are zapped or aged; kvm->mmu_lock
 * @dirty:	dirty pages that a pass has found; kvm->mmu_lock
 * @spare:	page-table pages to split leaves with; kvm->slots_lock
 * @fill_spare:	fills @spare, khx_spare_fill() but in tests: 0 or an error; may
 *		sleep
 */
struct khx_vm_radix {
	struct khx_flush flush;
	struct khx_flush notifier_flush;
	struct khx_pass_dirty dirty;
	struct khx_spare spare;
	int (*fill_spare)(struct khx_vm *vm);
};

/**
 * khx_radix_init() - prepare a VM for a radix tree
 * @radix:	zeroed
 * @flusher:	issues invalidations for the VM
 */
void khx_radix_init(struct khx_vm_radix *radix, struct khx_flusher *flusher);

/**
 * khx_radix_harvest() - collect and clear C bits of a memslot
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @map:	bitmap of the slot's pages, little endian; bits are added
 *
 * A page is dirty if C is set in the PTE that maps it for the guest or in any
 * shadow PTE that maps it for one of the guest's nested guests (an MMU that
 * writes C itself writes it only there). C is cleared in all of them. On
 * return true every one that was cleared has been flushed, so a later store is
 * seen by the next harvest, and a store before it is in memory for whoever
 * reads the page now.
 *
 * Context: kvm->arch.mmu_setup_lock (the VM stays radix) and kvm->slots_lock
 * held; may sleep; takes kvm->mmu_lock in chunks.
 * Return: false if the hypervisor refused to flush: a store after this may have
 * gone unseen, so the pages of @map must be reported once more.
 */
bool khx_radix_harvest(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map);

/**
 * khx_radix_peek() - collect C bits of a memslot and leave them
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @map:	bitmap of the slot's pages, little endian; bits are added
 *
 * Context: as khx_radix_harvest().
 */
void khx_radix_peek(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		    unsigned long *map);

/**
 * khx_radix_clean() - clear C bits of pages
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @pages:	bitmap of the slot's pages, little endian; NULL: all
 * @start:	first page of the slot that is concerned
 * @end:	first page of the slot that is not
 *
 * On return C is clear for these pages, in the guest's table and in shadow tables,
 * or was set again by a later store, and what was cleared has been flushed. Leaves
 * that are larger than a page have been split; the other pages of these keep C.
 *
 * Context: kvm->slots_lock held; may sleep; takes kvm->mmu_lock in chunks. The VM
 * may leave radix mode meanwhile, its leaves are gone then.
 * Return: false if the hypervisor refused to flush: the pages must be reported
 * once more. From then on those that lose C are accumulated at once.
 */
bool khx_radix_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const unsigned long *pages, unsigned long start,
		     unsigned long end);

/**
 * khx_radix_save_dirty() - keep C bits of a table that is about to go
 * @vm:		a VM of ours whose table nobody uses any more
 * @slot:	one of its memslots, with a dirty bitmap
 *
 * Adds the pages with C set to the memslot's accumulated bits, from which the
 * next collection takes them.
 *
 * Context: kvm->srcu read-held; no vCPU runs; may sleep.
 */
void khx_radix_save_dirty(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot);

/**
 * khx_radix_unmap() - take leaves away
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	first guest page not concerned
 * @how:	KHX_UNMAP_KEEP_PINNED, KHX_UNMAP_MAY_SLEEP
 *
 * Every leaf that maps a page of the range goes, whole, and with it all shadow
 * PTEs of its pages and the lists of these. Pages with C set in any of them are
 * in the memslot's accumulated bits afterwards, and all has been flushed.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_radix_unmap(struct khx_vm *vm,
		     const struct kvm_memory_slot *slot, gfn_t start,
		     gfn_t end, unsigned int how);

/**
 * khx_radix_zap() - take one leaf away
 * @vm:		a VM of ours
 * @slot:	the memslot that it maps, or part of
 * @leaf:	the leaf
 *
 * As khx_radix_unmap() does.
 *
 * Context: kvm->mmu_lock held, and no pass under way.
 */
void khx_radix_zap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   const struct khx_leaf *leaf);

/**
 * khx_radix_flush_slot() - take away all leaves of a memslot
 * @vm:		a VM of ours
 * @slot:	a memslot that page faults do not find any more, or not as it was
 *
 * Context: may sleep; takes kvm->mmu_lock in chunks. The VM may leave radix
 * mode meanwhile, its leaves are gone then.
 */
void khx_radix_flush_slot(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot);

/**
 * khx_radix_age() - look at R bits and clear them
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	first guest page not concerned
 *
 * What was cleared, in the guest's table and in shadow tables, has been flushed
 * on return, so the next access sets R again.
 *
 * Context: kvm->mmu_lock held.
 * Return: true if R was set for any page of the range.
 */
bool khx_radix_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t start, gfn_t end);

/**
 * khx_radix_test_age() - look at R bits
 * @vm:		a VM of ours
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	first guest page not concerned
 *
 * Context: kvm->mmu_lock held.
 * Return: true if R is set for any page of the range.
 */
bool khx_radix_test_age(struct khx_vm *vm,
			const struct kvm_memory_slot *slot,
			gfn_t start, gfn_t end);

#endif /* KHX_RADIX_MMU_H */
