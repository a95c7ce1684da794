/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations on the partition-scoped tables of radix guests.
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
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @map:	bitmap of the slot's pages, little endian; bits are only added
 *
 * A page is dirty if C is set in the PTE that maps it for the guest or in any
 * shadow PTE that maps it for a nested guest (an MMU that writes C itself
 * writes it only there). This function clears C in all of them. If it returns
 * true, it has flushed all cleared PTEs: the next harvest finds any later
 * store, and memory holds any earlier store for a caller that reads the page
 * now.
 *
 * Context: kvm->arch.mmu_setup_lock (the VM stays radix) and kvm->slots_lock
 * held; takes kvm->mmu_lock in chunks; may sleep.
 * Return: false if the hypervisor refused to flush: a later store may not set
 * C, so the caller must report the pages of @map once more.
 */
bool khx_radix_harvest(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map);

/**
 * khx_radix_peek() - collect C bits of a memslot without clearing them
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @map:	bitmap of the slot's pages, little endian; bits are only added
 *
 * Context: as khx_radix_harvest().
 */
void khx_radix_peek(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		    unsigned long *map);

/**
 * khx_radix_clean() - clear C bits of pages
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @pages:	bitmap of the slot's pages, little endian; NULL: all
 * @start:	first page of the range, relative to the slot
 * @end:	end of the range, exclusive
 *
 * On return C has been cleared and flushed for these pages, in the guest's
 * table and in shadow tables; a later store may have set it again. Leaves
 * larger than a page have been split; their other pages keep C.
 *
 * Context: kvm->slots_lock held; takes kvm->mmu_lock in chunks; may sleep. The
 * VM may leave radix mode meanwhile, which frees its leaves.
 * Return: false if the hypervisor refused to flush: the caller must report the
 * pages once more. For a memslot with a dirty bitmap, later calls accumulate
 * pages that lose C at once, and return true.
 */
bool khx_radix_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const unsigned long *pages, unsigned long start,
		     unsigned long end);

/**
 * khx_radix_save_dirty() - accumulate C bits before a table is freed
 * @vm:		a tracked VM whose table is no longer in use
 * @slot:	one of its memslots
 *
 * Adds the pages with C set to the memslot's accumulated bits, if it has a
 * dirty bitmap. The next collection takes them from there.
 *
 * Context: no vCPU runs; kvm->srcu read-held; takes kvm->mmu_lock; may sleep.
 */
void khx_radix_save_dirty(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot);

/**
 * khx_radix_unmap() - zap all leaves that map a range
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	end of the range, exclusive
 * @how:	KHX_UNMAP_KEEP_PINNED, KHX_UNMAP_MAY_SLEEP
 *
 * A leaf that overlaps the range is zapped whole, with all shadow PTEs of its
 * pages and their entries. On return all of them are flushed, and pages with C
 * set in any of them are in the memslot's accumulated bits. With
 * KHX_UNMAP_KEEP_PINNED leaves whose pages are all pinned stay.
 *
 * Context: kvm->mmu_lock held; dropped now and then with KHX_UNMAP_MAY_SLEEP.
 * Return: pages that were mapped.
 */
unsigned long khx_radix_unmap(struct khx_vm *vm,
			      const struct kvm_memory_slot *slot, gfn_t start,
			      gfn_t end, unsigned int how);

/**
 * khx_radix_zap() - zap one leaf
 * @vm:		a tracked VM
 * @slot:	the memslot that it maps in whole or in part
 * @leaf:	the leaf
 *
 * Does for one leaf what khx_radix_unmap() does.
 *
 * Context: kvm->mmu_lock held, and no pass under way.
 */
void khx_radix_zap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   const struct khx_leaf *leaf);

/**
 * khx_radix_flush_slot() - zap all leaves of a memslot
 * @vm:		a tracked VM
 * @slot:	a memslot that is deleted or changed: page faults do not find it
 *		any more, or find it changed
 *
 * Context: takes kvm->mmu_lock in chunks; may sleep. The VM may leave radix
 * mode meanwhile, which frees its leaves.
 */
void khx_radix_flush_slot(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot);

/**
 * khx_radix_age() - test and clear R bits
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	end of the range, exclusive
 *
 * Clears R in the guest's table and in shadow tables, and flushes it: the next
 * access sets R again.
 *
 * Context: kvm->mmu_lock held.
 * Return: true if R was set for any page of the range.
 */
bool khx_radix_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   gfn_t start, gfn_t end);

/**
 * khx_radix_test_age() - test R bits
 * @vm:		a tracked VM
 * @slot:	one of its memslots
 * @start:	first guest page
 * @end:	end of the range, exclusive
 *
 * Context: kvm->mmu_lock held.
 * Return: true if R is set for any page of the range.
 */
bool khx_radix_test_age(struct khx_vm *vm,
			const struct kvm_memory_slot *slot,
			gfn_t start, gfn_t end);

#endif /* KHX_RADIX_MMU_H */
