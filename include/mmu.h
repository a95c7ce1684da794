/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Operations on the translations of a guest, whatever kind of page table it
 * has. A guest may change from radix to HPT and back, so each call asks which it
 * is. The ultravisor has the pages of a secure guest: kvm-hv serves these, as a
 * third kind.
 *
 * For the MMU notifier operations, the generic code of KVM has found the memslots
 * that a range of host addresses touches, holds kvm->mmu_lock, and has told page
 * faults in flight to retry (mmu_invalidate_in_progress, mmu_invalidate_seq).
 */
#ifndef KHX_MMU_H
#define KHX_MMU_H

#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

struct khx_vm;

/* How to unmap: keep translations of pinned pages (khx_pin_covers()). */
#define KHX_UNMAP_KEEP_PINNED	1
/* How to unmap: drop kvm->mmu_lock now and then. */
#define KHX_UNMAP_MAY_SLEEP	2

/**
 * struct khx_mmu - the operations
 * @unmap:	zap the translations of a range and flush; accumulate C bits of
 *		logged memslots; return the number of pages that were mapped; with
 *		kvm->mmu_lock held
 * @age:	test and clear the R bits of a range, and flush; return true if one
 *		was set; with kvm->mmu_lock held
 * @test_age:	the same without clearing; with kvm->mmu_lock held
 * @harvest:	collect the C bits of a memslot into a bitmap, clear them, and
 *		flush; return false if the hypervisor refused to flush: the caller
 *		must then report the pages again; with kvm->arch.mmu_setup_lock and
 *		kvm->slots_lock held, may sleep
 * @peek:	collect C bits and leave them set; context of @harvest
 * @clean:	clear the C bits of those pages of a memslot that a bitmap names
 *		(NULL: of all), and flush; return false as @harvest does; with
 *		kvm->slots_lock held, may sleep
 * @flush_slot:	zap all translations of a memslot that is changed or deleted;
 *		may sleep
 * @start_log:	the log of a memslot was switched on: stores from now on must set
 *		C; with kvm->slots_lock held, may sleep; NULL: nothing to do
 * @stop_log:	it was switched off; the same
 * @save_dirty:	the page table is about to be freed: accumulate the C bits of a
 *		logged memslot; no vCPU runs, kvm->srcu read-held, may sleep
 *
 * Ranges are pages of one memslot; @end is exclusive.
 */
struct khx_mmu {
	unsigned long (*unmap)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			       gfn_t start, gfn_t end, unsigned int how);
	bool (*age)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		    gfn_t start, gfn_t end);
	bool (*test_age)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			 gfn_t start, gfn_t end);
	bool (*harvest)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			unsigned long *map);
	void (*peek)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     unsigned long *map);
	bool (*clean)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		      const unsigned long *pages, unsigned long start,
		      unsigned long end);
	void (*flush_slot)(struct khx_vm *vm,
			   const struct kvm_memory_slot *slot);
	void (*start_log)(struct khx_vm *vm,
			  const struct kvm_memory_slot *slot);
	void (*stop_log)(struct khx_vm *vm,
			 const struct kvm_memory_slot *slot);
	void (*save_dirty)(struct khx_vm *vm,
			   const struct kvm_memory_slot *slot);
};

extern const struct khx_mmu khx_radix_mmu, khx_hpt_mmu, khx_secure_mmu;

/**
 * khx_mmu_of() - the operations for the present MMU mode of a VM
 * @kvm:	the VM
 *
 * Context: kvm->mmu_lock held, under which the mode changes before the table of
 * the old mode is freed; or kvm->arch.mmu_setup_lock. @flush_slot, @clean and the
 * switches of the log are called with kvm->slots_lock alone: they check the mode
 * again under kvm->mmu_lock.
 */
static inline const struct khx_mmu *khx_mmu_of(struct kvm *kvm)
{
	if (kvm->arch.secure_guest)
		return &khx_secure_mmu;
	return kvm_is_radix(kvm) ? &khx_radix_mmu : &khx_hpt_mmu;
}

/**
 * khx_mmu_unmap_gfn_range() - host pages are about to be unmapped
 * @vm:		a tracked VM
 * @range:	pages of one memslot
 *
 * On return no translation of them is in any page table or TLB of the guest or
 * its nested guests, except those of pinned pages; dirty pages are in the
 * memslot's accumulated bits. Large leaves and large HPTEs that the range only
 * touches are zapped too.
 *
 * Context: kvm->mmu_lock held.
 */
void khx_mmu_unmap_gfn_range(struct khx_vm *vm, const struct kvm_gfn_range *range);

/**
 * khx_mmu_age_gfn() - have pages been accessed since the last call?
 * @vm:		a tracked VM
 * @range:	pages of one memslot
 *
 * Context: kvm->mmu_lock held.
 * Return: true if one of them has.
 */
bool khx_mmu_age_gfn(struct khx_vm *vm, const struct kvm_gfn_range *range);

/**
 * khx_mmu_test_age_gfn() - the same, without clearing R
 * @vm:		a tracked VM
 * @range:	pages of one memslot
 *
 * Context: kvm->mmu_lock held.
 * Return: true if one of them has.
 */
bool khx_mmu_test_age_gfn(struct khx_vm *vm, const struct kvm_gfn_range *range);

/**
 * khx_mmu_flush_memslot() - a memslot is moved or deleted
 * @vm:		a tracked VM
 * @slot:	the memslot, marked invalid
 *
 * Unmaps all of it; page faults and hypercalls that have looked it up retry.
 *
 * Context: kvm->slots_lock held; may sleep.
 */
void khx_mmu_flush_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot);

#endif /* KHX_MMU_H */
