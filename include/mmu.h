/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What is done to the translations of a guest, whatever kind of page table it
 * has. There are two kinds, and a guest may go from one to the other; so each
 * call asks which it is then. Pages of secure guests are the ultravisor's: for
 * these, callers leave everything to kvm-hv.
 */
#ifndef KHX_MMU_H
#define KHX_MMU_H

#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>

struct khx_vm;

/* How to unmap: those of pages that are pinned stay (khx_pin_covers()). */
#define KHX_UNMAP_KEEP_PINNED	1
/* kvm->mmu_lock is let go now and then. */
#define KHX_UNMAP_MAY_SLEEP	2

/**
 * struct khx_mmu - the operations
 * @unmap:	take translations of a range away, flushed, C bits of logged slots
 *		accumulated; with kvm->mmu_lock held
 * @age:	look at R bits of a range and clear them, flushed; true if one was
 *		set; with kvm->mmu_lock held
 * @test_age:	the same without clearing; with kvm->mmu_lock held
 * @harvest:	collect C bits of a memslot into a bitmap and clear them, flushed;
 *		false if the hypervisor refused that, and what was collected is to
 *		be reported once more; with kvm->arch.mmu_setup_lock and
 *		kvm->slots_lock held, may sleep
 * @peek:	collect them and leave them set; in the context of @harvest
 * @clean:	clear C bits of the pages of a memslot that a bitmap names (NULL: of
 *		all), from one up to but not including another, flushed; false as
 *		@harvest; with kvm->slots_lock held, may sleep
 * @flush_slot:	take all translations of a memslot away that is changed or goes;
 *		may sleep
 * @save_dirty:	the page table goes: accumulate C bits of a memslot, if it is
 *		logged; no vCPU runs, kvm->srcu read-held, may sleep
 *
 * Ranges are pages of one memslot, from @start up to but not including @end.
 */
struct khx_mmu {
	void (*unmap)(struct khx_vm *vm, const struct kvm_memory_slot *slot,
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
	void (*save_dirty)(struct khx_vm *vm,
			   const struct kvm_memory_slot *slot);
};

extern const struct khx_mmu khx_radix_mmu, khx_hpt_mmu;

/**
 * khx_mmu_of() - the operations for a VM as it is now
 * @kvm:	the VM
 *
 * Context: kvm->mmu_lock held, under which the mode changes before the table of
 * the old one goes; or kvm->arch.mmu_setup_lock. @flush_slot and @clean are called
 * with kvm->slots_lock alone: they look at the mode again under kvm->mmu_lock.
 */
static inline const struct khx_mmu *khx_mmu_of(struct kvm *kvm)
{
	return kvm_is_radix(kvm) ? &khx_radix_mmu : &khx_hpt_mmu;
}

#endif /* KHX_MMU_H */
