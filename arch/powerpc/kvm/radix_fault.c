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
#include "kunit.h"
#include "pin.h"
#include "radix_fault.h"
#include "radix_flush.h"
#include "radix_mmu.h"
#include "radix_pass.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "vm.h"

/*
 * What a leaf may gain by another access to its page. What there was not yet needs no
 * flush: whoever still has the leaf as it was faults, and finds it as it is.
 */
#define MAY_GAIN	(_PAGE_WRITE | _PAGE_DIRTY | _PAGE_ACCESSED)

static unsigned long leaf_size(unsigned int level)
{
	return 1UL << kvm_ext_level_shift(level);
}

static bool inside(const struct kvm_memory_slot *slot, unsigned long gpa,
		   unsigned int level)
{
	gfn_t first = round_down(gpa, leaf_size(level)) >> PAGE_SHIFT;
	gfn_t pages = leaf_size(level) >> PAGE_SHIFT;

	return first >= slot->base_gfn &&
	       first + pages <= slot->base_gfn + slot->npages;
}

/*
 * The part of a large leaf that maps @gpa. Guest and host address have the same
 * offset in it, so what @gpa has below it is what the host address has there.
 */
static pte_t narrow(pte_t pte, unsigned long gpa, unsigned int from, unsigned int to)
{
	return __pte(pte_val(pte) | (gpa & (leaf_size(from) - leaf_size(to))));
}

unsigned int kvm_ext_bound_leaf(const struct kvm_memory_slot *slot, unsigned long gpa,
				unsigned int level, pte_t *pte)
{
	unsigned int bound = level;

	while (bound && (!slot || !inside(slot, gpa, bound)))
		bound--;

	*pte = narrow(*pte, gpa, level, bound);
	return bound;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_bound_leaf);

/**
 * struct fault - a page fault of a guest, and what it came to
 * @vm:		whose
 * @slot:	memslot of the address
 * @gpa:	guest real address
 * @hva:	host virtual address of the page
 * @writing:	the access was a store
 * @read_only:	the guest must not write
 * @held:	the page is held, and its content will be marked dirty if the guest may
 *		write to it
 * @tables:	page-table pages for the leaf
 * @pte:	the leaf that maps @gpa now
 * @level:	its level
 */
struct fault {
	struct kvm_ext_vm *vm;
	const struct kvm_memory_slot *slot;
	unsigned long gpa;
	unsigned long hva;
	bool writing;
	bool read_only;
	bool held;
	struct kvm_ext_tables tables;
	pte_t pte;
	unsigned int level;
};

/*
 * What the guest may have of the host's leaf, and as how large a leaf. Stores of the
 * guest do not set C in the host's PTE: it has to be set there, or be made up for.
 * False if the host itself has to fault first.
 */
static bool host_leaf(const struct fault *f, pte_t *pte, unsigned int *level)
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

	*level = kvm_ext_shift_level(shift);
	if (f->slot->flags & KVM_MEM_LOG_DIRTY_PAGES ||
	    (f->gpa ^ f->hva) & (leaf_size(*level) - PAGE_SIZE))
		*level = 0;
	if (shift)
		val |= f->hva & ((1UL << shift) - leaf_size(*level));
	*pte = __pte(val);
	return true;
}

/* Does a leaf for @gpa map there what one of another size would? */
static bool same_page(unsigned long gpa, pte_t one, unsigned int one_level, pte_t two,
		      unsigned int two_level)
{
	return pte_pfn(narrow(one, gpa, one_level, 0)) ==
	       pte_pfn(narrow(two, gpa, two_level, 0));
}

/* The leaf that is there goes: it maps another page, or is larger than it may be now. */
static void zap(const struct fault *f, pte_t *entry, unsigned int level)
{
	struct kvm_ext_walk leaf = {
		.ptep = entry,
		.gpa = round_down(f->gpa, leaf_size(level)),
		.shift = kvm_ext_level_shift(level),
	};

	kvm_ext_radix_zap(f->vm, f->slot, &leaf);
}

/* Are there smaller leaves where one of this level is wanted? */
static bool occupied(struct kvm *kvm, unsigned long gpa, unsigned int level)
{
	unsigned long start = round_down(gpa, leaf_size(level));
	struct kvm_ext_walk w;

	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, start + leaf_size(level),
			  UINT_MAX);
	return kvm_ext_walk_next(&w);
}

/* Empty page-table pages, where small leaves were, give way to a large one. */
static void remove_tables(struct kvm_ext_vm *vm, pte_t *entry, unsigned int level)
{
	pte_t table = *entry;

	*entry = __pte(0);
	kvm_ext_flush_lpid(&vm->flusher, vm->kvm->arch.lpid);
	kvm_ext_tree_prune(table, level);
}

/*
 * Install the largest leaf, up to f->level, that takes no smaller one away; or let the
 * one that is there do what the access needs. False if a page-table page with entries
 * of f->level is missing.
 */
static bool install(struct fault *f)
{
	struct kvm *kvm = f->vm->kvm;
	unsigned int level = f->level;
	pte_t pte = f->pte, *entry;

	for (;;) {
		unsigned int at = level;

		entry = kvm_ext_tree_entry(kvm->arch.pgtable, f->gpa, &at, &f->tables);
		if (!entry) {
			f->level = at;
			return false;
		}
		if (pte_none(*entry))
			break;
		if (kvm_ext_is_table(*entry)) {
			if (!occupied(kvm, f->gpa, level)) {
				remove_tables(f->vm, entry, level);
				break;
			}
			pte = narrow(pte, f->gpa, level, level - 1);
			level--;
			continue;
		}
		if (same_page(f->gpa, *entry, at, pte, level) &&
		    (at == level || !(pte_val(pte) & ~pte_val(*entry) & _PAGE_WRITE))) {
			__radix_pte_update(entry, 0, pte_val(pte) & MAY_GAIN);
			f->pte = *entry;
			f->level = at;
			return true;
		}
		zap(f, entry, at);
	}
	*entry = pte;
	kvm_ext_count_leaf(kvm, kvm_ext_level_shift(level), 1);
	f->pte = pte;
	f->level = level;
	return true;
}

/*
 * One hold of mmu_lock. Returns 0 if the page is mapped; -EAGAIN if it is about to be
 * invalidated; -ENOENT if the host has to fault first; -ENOMEM if a page-table page
 * with entries of f->level is missing.
 */
static int map_locked(struct fault *f)
{
	struct kvm *kvm = f->vm->kvm;
	unsigned long seq = kvm->mmu_invalidate_seq;
	bool quiet = !mmu_invalidate_retry(kvm, seq);

	lockdep_assert_held(&kvm->mmu_lock);

	if (!quiet && kvm_ext_invalidate_retry(kvm, seq, f->hva, f->gpa >> PAGE_SHIFT))
		return -EAGAIN;
	if (!host_leaf(f, &f->pte, &f->level))
		return -ENOENT;
	/* some of the leaf's pages may be */
	if (f->level && !quiet)
		return -EAGAIN;
	f->level = kvm_ext_bound_leaf(f->slot, f->gpa, f->level, &f->pte);
	return install(f) ? 0 : -ENOMEM;
}

static int map(struct fault *f)
{
	int err;

	for (;;) {
		spin_lock(&f->vm->kvm->mmu_lock);
		err = map_locked(f);
		spin_unlock(&f->vm->kvm->mmu_lock);
		if (err != -ENOMEM)
			break;
		f->tables.table[f->level] = kvm_ext_table_alloc(f->level);
		if (!f->tables.table[f->level])
			break;
	}
	kvm_ext_tables_free(&f->tables);
	return err;
}

/* Mostly that is all: a store of the host's own, or a load, would do the same. */
static bool fault_in(const struct fault *f)
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
 * The page is held until it is mapped, for its content to be marked dirty: the host may
 * write to it, but has not. Or it is none that the kernel manages.
 */
static int hold_and_map(struct fault *f)
{
	struct page *page = NULL;
	kvm_pfn_t pfn;
	int err;

	if (f->read_only || !get_user_page_fast_only(f->hva, FOLL_WRITE, &page)) {
		pfn = kvm_ext_gfn_to_pfn(f->slot, f->gpa >> PAGE_SHIFT, f->writing);
		if (is_error_noslot_pfn(pfn))
			return -EFAULT;
		page = pfn_valid(pfn) ? pfn_to_page(pfn) : NULL;
		if (page && PageReserved(page))
			page = NULL;
	}

	f->held = true;
	err = map(f);
	if (page && !err && pte_write(f->pte))
		set_page_dirty_lock(page);
	if (page)
		put_page(page);
	/* it has gone again */
	return err == -ENOENT ? -EAGAIN : err;
}

int kvm_ext_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			     struct kvm_memory_slot *memslot, bool writing,
			     bool kvm_ro, pte_t *inserted_pte,
			     unsigned int *levelp)
{
	struct kvm_ext_vm *vm = kvm_ext_vm_find(vcpu->kvm);
	gfn_t gfn = gpa >> PAGE_SHIFT;
	struct fault f = {
		.vm = vm,
		.slot = memslot,
		.gpa = gpa,
		.hva = gfn_to_hva_memslot(memslot, gfn),
		.writing = writing,
		.read_only = kvm_ro,
	};
	int err;

	BUILD_BUG_ON(!__same_type(kvm_ext_instantiate_page,
				  kvmppc_book3s_instantiate_page));

	/* Notifiers, the log and the deletion of the memslot would not find it. */
	if (!kvm_ext_tree_holds(gpa))
		return -EFAULT;

	if (vm->pins.on) {
		err = kvm_ext_pin(vm, memslot, gfn, gfn + 1, writing);
		if (err)
			return kvm_ext_pin_for_nested(vcpu, err);
	}

	err = map(&f);
	if (err == -ENOENT && fault_in(&f))
		err = map(&f);
	if (err == -ENOENT)
		err = hold_and_map(&f);
	if (err)
		return err;
	if (inserted_pte)
		*inserted_pte = f.pte;
	if (levelp)
		*levelp = f.level;

	/* The rest of a large leaf. Until then it goes when the host asks for it. */
	if (vm->pins.on && f.level) {
		gfn = round_down(gpa, leaf_size(f.level)) >> PAGE_SHIFT;
		err = kvm_ext_pin(vm, memslot, gfn,
				  gfn + (leaf_size(f.level) >> PAGE_SHIFT), writing);
		err = kvm_ext_pin_for_nested(vcpu, err);
	}
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_instantiate_page);
