// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of radix guests: what is mapped, how large, and how it gets into the
 * guest's table.
 *
 * All is decided in one hold of kvm->mmu_lock. While nothing is being invalidated,
 * the host's PTE stays as it is as long as the lock is held, because an MMU notifier
 * has to take it before the PTE changes. So a page needs no reference: where the host
 * may use it, the guest may.
 */
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "hooks.h"
#include "kunit.h"
#include "pin.h"
#include "radix_fault.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_pass.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "vm.h"

/* What a leaf may gain by another access to its page. */
#define FAULT_MAY_GAIN	(_PAGE_WRITE | _PAGE_DIRTY | _PAGE_ACCESSED)

static unsigned long fault_leaf_size(unsigned int level)
{
	return 1UL << khx_tree_level_shift(level);
}

static bool fault_leaf_inside(const struct kvm_memory_slot *slot, unsigned long gpa,
			      unsigned int level)
{
	gfn_t first = round_down(gpa, fault_leaf_size(level)) >> PAGE_SHIFT;
	gfn_t pages = fault_leaf_size(level) >> PAGE_SHIFT;

	return first >= slot->base_gfn &&
	       first + pages <= slot->base_gfn + slot->npages;
}

/*
 * The part of a large leaf that maps @gpa. Guest and host address have the same
 * offset in it, so what @gpa has below it is what the host address has there.
 */
static pte_t fault_narrow(pte_t pte, unsigned long gpa, unsigned int from, unsigned int to)
{
	return __pte(pte_val(pte) | (gpa & (fault_leaf_size(from) - fault_leaf_size(to))));
}

unsigned int khx_fault_bound_leaf(const struct kvm_memory_slot *slot, unsigned long gpa,
				  unsigned int level, pte_t *pte)
{
	unsigned int bound = level;

	while (bound && (!slot || !fault_leaf_inside(slot, gpa, bound)))
		bound--;

	*pte = fault_narrow(*pte, gpa, level, bound);
	return bound;
}
EXPORT_SYMBOL_IF_KUNIT(khx_fault_bound_leaf);

/**
 * struct fault - a page fault of a guest, and what it came to
 * @vm:		whose
 * @slot:	memslot of the address
 * @gpa:	guest real address
 * @hva:	host virtual address of the page
 * @writing:	the access was a store
 * @read_only:	the guest must not write yet
 * @held:	the page is held, and its content will be marked dirty if the guest may
 *		write to it
 * @tables:	page-table pages for the leaf
 * @pte:	the leaf that maps @gpa now
 * @level:	its level
 */
struct fault {
	struct khx_vm *vm;
	const struct kvm_memory_slot *slot;
	unsigned long gpa;
	unsigned long hva;
	bool writing;
	bool read_only;
	bool held;
	struct khx_tables tables;
	pte_t pte;
	unsigned int level;
};

/*
 * What the guest may have of the host's leaf, and as how large a leaf. Stores of the
 * guest do not set C in the host's PTE: it has to be set there, or be made up for.
 * False if the host itself has to fault first.
 */
static bool fault_host_leaf(const struct fault *f, pte_t *pte, unsigned int *level)
{
	unsigned long flags, val;
	unsigned int shift;
	pte_t *ptep;
	bool write;

	/* The host frees its tables after the next interrupt of this CPU. */
	local_irq_save(flags);
	ptep = __find_linux_pte(f->vm->kvm->mm->pgd, f->hva, NULL, &shift);
	val = ptep ? pte_val(READ_ONCE(*ptep)) : 0;
	local_irq_restore(flags);

	if (!pte_present(__pte(val)) || !(val & _PAGE_READ) || val & _PAGE_PRIVILEGED)
		return false;
	write = val & _PAGE_WRITE && !f->read_only;
	if (write && !(val & _PAGE_DIRTY) && !f->held)
		return false;
	if (f->writing && !write)
		return false;

	/* about the host's PTE, not this one */
	val &= ~_PAGE_SOFT_DIRTY;
	val |= _PAGE_EXEC | _PAGE_ACCESSED;
	if (!write)
		val &= ~(_PAGE_WRITE | _PAGE_DIRTY);
	/* In a log a load is no store; elsewhere C is set for the stores to come. */
	else if (f->slot->flags & KVM_MEM_LOG_DIRTY_PAGES && !f->writing)
		val &= ~_PAGE_DIRTY;
	else
		val |= _PAGE_DIRTY;

	*level = khx_tree_shift_level(shift);
	if (f->slot->flags & KVM_MEM_LOG_DIRTY_PAGES ||
	    (f->gpa ^ f->hva) & (fault_leaf_size(*level) - PAGE_SIZE))
		*level = 0;
	if (shift)
		val |= f->hva & ((1UL << shift) - fault_leaf_size(*level));
	*pte = __pte(val);
	return true;
}

/* Does a leaf for @gpa map there what one of another size would? */
static bool fault_same_page(unsigned long gpa, pte_t one, unsigned int one_level, pte_t two,
			    unsigned int two_level)
{
	return pte_pfn(fault_narrow(one, gpa, one_level, 0)) ==
	       pte_pfn(fault_narrow(two, gpa, two_level, 0));
}

/* Are there smaller leaves where one of this level is wanted? */
static bool fault_occupied(struct kvm *kvm, unsigned long gpa, unsigned int level)
{
	unsigned long start = round_down(gpa, fault_leaf_size(level));
	struct khx_walk w;

	khx_walk_init(&w, kvm->arch.pgtable, start, start + fault_leaf_size(level),
		      UINT_MAX);
	return khx_walk_next(&w);
}

/* Empty page-table pages, where small leaves were, give way to a large one. */
static void fault_remove_tables(struct khx_vm *vm, pte_t *entry, unsigned int level)
{
	pte_t table = khx_tree_table_unlink(entry);

	khx_flush_lpid(&vm->flusher, vm->kvm->arch.lpid);
	khx_tree_prune(table, level);
}

/*
 * Install the largest leaf, up to f->level, that takes no smaller one away; or let the
 * one that is there do what the access needs. False if a page-table page with entries
 * of f->level is missing.
 */
static bool fault_install(struct fault *f)
{
	struct kvm *kvm = f->vm->kvm;
	struct khx_pass p = { .vm = f->vm };
	unsigned int level = f->level, at;
	struct khx_leaf leaf;
	unsigned long old, set;
	pte_t pte = f->pte;

	for (;;) {
		at = level;
		leaf.ptep = khx_tree_entry(kvm->arch.pgtable, f->gpa, &at, &f->tables);
		if (!leaf.ptep) {
			f->level = at;
			return false;
		}
		leaf.old = READ_ONCE(*leaf.ptep);
		leaf.gpa = round_down(f->gpa, fault_leaf_size(at));
		leaf.shift = khx_tree_level_shift(at);
		set = pte_val(pte);

		if (pte_none(leaf.old))
			break;
		if (khx_tree_is_table(leaf.old)) {
			if (!fault_occupied(kvm, f->gpa, level)) {
				fault_remove_tables(f->vm, leaf.ptep, level);
				leaf.old = __pte(0);
				break;
			}
			pte = fault_narrow(pte, f->gpa, level, level - 1);
			level--;
			continue;
		}
		if (fault_same_page(f->gpa, leaf.old, at, pte, level) &&
		    (at == level || !(set & ~pte_val(leaf.old) & _PAGE_WRITE))) {
			set &= FAULT_MAY_GAIN;
			break;
		}
		/* it maps another page, or is larger than it may be now */
		khx_radix_zap(f->vm, f->slot, &leaf);
	}
	old = khx_pass_write(&p, kvm->arch.lpid, &leaf, 0, set);
	f->pte = __pte(old | set);
	f->level = at;
	return true;
}

/*
 * One hold of mmu_lock. Returns 0 if the page is mapped; -EAGAIN if it is about to be
 * invalidated; -ENOENT if the host has to fault first; -ENOMEM if a page-table page
 * with entries of f->level is missing.
 */
static int fault_map_locked(struct fault *f)
{
	struct kvm *kvm = f->vm->kvm;
	unsigned long seq = kvm->mmu_invalidate_seq;
	bool quiet = !mmu_invalidate_retry(kvm, seq);

	lockdep_assert_held(&kvm->mmu_lock);

	if (!quiet && khx_invalidate_retry(kvm, seq, f->hva, f->gpa >> PAGE_SHIFT))
		return -EAGAIN;
	if (!fault_host_leaf(f, &f->pte, &f->level))
		return -ENOENT;
	/* some of the leaf's pages may be */
	if (f->level && !quiet)
		return -EAGAIN;
	f->level = khx_fault_bound_leaf(f->slot, f->gpa, f->level, &f->pte);
	return fault_install(f) ? 0 : -ENOMEM;
}

static int fault_map(struct fault *f)
{
	int err;

	for (;;) {
		spin_lock(&f->vm->kvm->mmu_lock);
		err = fault_map_locked(f);
		spin_unlock(&f->vm->kvm->mmu_lock);
		if (err != -ENOMEM)
			break;
		f->tables.table[f->level] = khx_tree_table_alloc(f->level);
		if (!f->tables.table[f->level])
			break;
	}
	khx_tree_tables_free(&f->tables);
	return err;
}

/* Mostly that is all: a store of the host's own, or a load, would do the same. */
static bool fault_host_page(const struct fault *f)
{
	struct mm_struct *mm = f->vm->kvm->mm;
	bool unlocked;
	int err;

	mmap_read_lock(mm);
	err = fixup_user_fault(mm, f->hva, f->writing ? FAULT_FLAG_WRITE : 0, &unlocked);
	mmap_read_unlock(mm);
	return !err;
}

/*
 * A load from a page that the host may write to, but has not. The page is held until it
 * is mapped, for its content to be marked dirty. One that cannot be held (the kernel may
 * have no struct page for it, as for memory of a device) is mapped read-only: a store
 * faults, and sets C in the host's PTE.
 */
static int fault_hold_and_map(struct fault *f)
{
	struct page *page = NULL;
	int err;

	f->held = get_user_page_fast_only(f->hva, FOLL_WRITE, &page);
	f->read_only = !f->held;
	err = fault_map(f);
	if (f->held && !err && pte_write(f->pte))
		set_page_dirty_lock(page);
	if (f->held)
		put_page(page);
	return err;
}

int khx_radix_map(struct kvm_vcpu *vcpu, unsigned long gpa,
		  struct kvm_memory_slot *memslot, bool writing, pte_t *inserted_pte,
		  unsigned int *levelp)
{
	struct khx_vm *vm = khx_vm_find(vcpu->kvm);
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct fault f = {
		.vm = vm,
		.slot = memslot,
		.gpa = gpa,
		.hva = __gfn_to_hva_memslot(memslot, gfn),
		.writing = writing,
	};
	int err;

	/* Notifiers, the log and the deletion of the memslot would not find it. */
	if (!khx_tree_maps(gpa))
		return -EFAULT;

	if (vm->pins.on) {
		err = khx_pin_range(vm, memslot, gfn, gfn + 1, writing);
		if (err)
			return khx_pin_nested_fault(vcpu, err);
	}

	err = fault_map(&f);
	if (err == -ENOENT) {
		if (!fault_host_page(&f))
			return -EFAULT;
		err = fault_map(&f);
	}
	if (err == -ENOENT && !writing)
		err = fault_hold_and_map(&f);
	/* it has gone again */
	if (err == -ENOENT)
		err = -EAGAIN;
	if (err)
		return err;
	if (inserted_pte)
		*inserted_pte = f.pte;
	if (levelp)
		*levelp = f.level;

	/* The rest of a large leaf. Until then it goes when the host asks for it. */
	if (vm->pins.on && f.level) {
		gfn = round_down(gpa, fault_leaf_size(f.level)) >> PAGE_SHIFT;
		err = khx_pin_range(vm, memslot, gfn,
				    gfn + (fault_leaf_size(f.level) >> PAGE_SHIFT), writing);
		err = khx_pin_nested_fault(vcpu, err);
	}
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_map);

/*
 * kvmppc_book3s_instantiate_page() of tracked VMs. No memslot is read-only on this
 * architecture, so the argument that said so (until 6.12) is false.
 */
#ifdef KHX_HAS_KVM_RO
int khx_hook_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			      struct kvm_memory_slot *memslot, bool writing, bool kvm_ro,
			      pte_t *inserted_pte, unsigned int *levelp)
#else
int khx_hook_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			      struct kvm_memory_slot *memslot, bool writing,
			      pte_t *inserted_pte, unsigned int *levelp)
#endif
{
	return khx_radix_map(vcpu, gpa, memslot, writing, inserted_pte, levelp);
}
