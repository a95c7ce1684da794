// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of radix guests: which page to map, by how large a leaf, and how
 * to install that in the guest's table.
 *
 * khx_radix_map() decides all this in one hold of kvm->mmu_lock. If no
 * invalidation is in progress, the host cannot revoke its PTE under that lock,
 * because MMU notifiers take it before the PTE changes. Therefore the page
 * needs no reference: while the host may use it, the guest may.
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
#include "trace.h"
#include "vm.h"

/* Bits that a further access may add to a leaf. */
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
 * offset in the leaf, so the host address takes these bits from @gpa.
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
 * struct fault - a page fault of a guest, and its result
 * @vm:		the guest's VM
 * @vcpu:	the vCPU that faulted
 * @slot:	memslot of the address
 * @gpa:	guest real address
 * @hva:	host virtual address of the page
 * @writing:	the access is a store
 * @read_only:	map the page read-only
 * @held:	page that the caller has a reference on, and will mark dirty if the
 *		leaf is writable; or NULL
 * @tables:	page-table pages for the leaf
 * @pte:	the leaf that maps @gpa now
 * @level:	its level
 * @kind:	what the fault has done
 */
struct fault {
	struct khx_vm *vm;
	struct kvm_vcpu *vcpu;
	const struct kvm_memory_slot *slot;
	unsigned long gpa;
	unsigned long hva;
	bool writing;
	bool read_only;
	struct page *held;
	struct khx_tables tables;
	pte_t pte;
	unsigned int level;
	enum khx_fault_kind kind;
};

/*
 * Is it f->held that the host's leaf maps? Userspace may have replaced the page after
 * it was looked up, and the other page is then not marked dirty.
 */
static bool fault_maps_held(const struct fault *f, pte_t host, unsigned int shift)
{
	unsigned long pfn = pte_pfn(host);

	if (shift)
		pfn += (f->hva & ((1UL << shift) - 1)) >> PAGE_SHIFT;
	return f->held && page_to_pfn(f->held) == pfn;
}

/*
 * Derive the guest's leaf and its level from the host's leaf. Stores of the
 * guest do not set C in the host's PTE, so a writable leaf requires C there
 * already, or f->held. Returns false if the host has to fault first.
 */
static bool fault_host_leaf(const struct fault *f, pte_t *pte, unsigned int *level)
{
	unsigned long flags, val;
	unsigned int shift;
	pte_t *ptep;
	bool write;

	/* the host cannot free its page tables while interrupts are off here */
	local_irq_save(flags);
	ptep = __find_linux_pte(f->vm->kvm->mm->pgd, f->hva, NULL, &shift);
	val = ptep ? pte_val(READ_ONCE(*ptep)) : 0;
	local_irq_restore(flags);

	if (!pte_present(__pte(val)) || !(val & _PAGE_READ) || val & _PAGE_PRIVILEGED)
		return false;
	write = val & _PAGE_WRITE && !f->read_only;
	if (write && !(val & _PAGE_DIRTY) && !fault_maps_held(f, __pte(val), shift))
		return false;
	if (f->writing && !write)
		return false;

	/* soft-dirty describes the host's PTE only */
	val &= ~_PAGE_SOFT_DIRTY;
	val |= _PAGE_EXEC | _PAGE_ACCESSED;
	if (!write)
		val &= ~(_PAGE_WRITE | _PAGE_DIRTY);
	/* Logged: only a store sets C. Otherwise set C for later stores. */
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

/* Do two leaves, perhaps of different size, map @gpa to the same page? */
static bool fault_same_page(unsigned long gpa, pte_t one, unsigned int one_level, pte_t two,
			    unsigned int two_level)
{
	return pte_pfn(fault_narrow(one, gpa, one_level, 0)) ==
	       pte_pfn(fault_narrow(two, gpa, two_level, 0));
}

/* Are there leaves in the region that a leaf of this level would map? */
static bool fault_occupied(struct kvm *kvm, unsigned long gpa, unsigned int level)
{
	unsigned long start = round_down(gpa, fault_leaf_size(level));
	struct khx_walk w;

	khx_walk_init(&w, kvm->arch.pgtable, start, start + fault_leaf_size(level),
		      UINT_MAX);
	return khx_walk_next(&w);
}

/* Free empty page-table pages, to make room for a large leaf. */
static void fault_remove_tables(struct khx_vm *vm, pte_t *entry, unsigned int level)
{
	pte_t table = khx_tree_table_unlink(entry);

	khx_flush_lpid(&vm->flusher, vm->kvm->arch.lpid);
	khx_tree_prune(table, level);
}

static void fault_count(struct fault *f, const struct khx_leaf *leaf)
{
	if (pte_none(leaf->old)) {
		f->kind = KHX_FAULT_MAP;
		f->vm->stats.mmu.fault_map++;
	} else {
		f->kind = KHX_FAULT_GAIN;
		f->vm->stats.mmu.fault_gain++;
	}
}

/*
 * Install the largest leaf, up to f->level, that replaces no smaller leaves, or
 * add bits to the leaf that exists. Returns false if a page-table page with
 * entries of f->level is missing.
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
		/* a leaf of another page, or one too large to gain W */
		khx_radix_zap(f->vm, f->slot, &leaf);
	}
	fault_count(f, &leaf);
	old = khx_pass_write(&p, kvm->arch.lpid, &leaf, 0, set);
	f->pte = __pte(old | set);
	f->level = at;
	return true;
}

/*
 * Map the page in one hold of mmu_lock. Returns 0; -EAGAIN if the page is being
 * invalidated; -ENOENT if the host has to fault first; -ENOMEM if a page-table
 * page with entries of f->level is missing.
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
	/* other pages of the leaf may be in the range being invalidated */
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

/* Let the host fault, as for an access of its own. That usually suffices. */
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
 * Map a page for a load, which the host may write to but has not (C is clear).
 * Hold the page until it is mapped, to mark it dirty if the leaf is writable. A
 * page that cannot be held (the kernel may have no struct page for it, as for
 * device memory) is mapped read-only: the guest's first store faults, and sets
 * C in the host's PTE.
 */
static int fault_hold_and_map(struct fault *f)
{
	int err;

	if (!get_user_page_fast_only(f->hva, FOLL_WRITE, &f->held))
		f->held = NULL;
	f->read_only = !f->held;
	err = fault_map(f);
	if (f->held && !err && pte_write(f->pte))
		set_page_dirty_lock(f->held);
	if (f->held)
		put_page(f->held);
	return err;
}

static int fault_failed(const struct fault *f, int err)
{
	khx_stats_failed(f->vm, f->vcpu, f->gpa, f->hva, f->writing, err);
	return err;
}

/* Pin the page; or all of its leaf, once that is known. */
static int fault_pin(const struct fault *f, unsigned int level)
{
	gfn_t gfn = round_down(f->gpa, fault_leaf_size(level)) >> PAGE_SHIFT;
	int err;

	if (!f->vm->pins.on)
		return 0;
	err = khx_pin_range(f->vm, f->slot, gfn, gfn + (fault_leaf_size(level) >> PAGE_SHIFT),
			    f->writing);
	return err ? khx_pin_nested_fault(f->vcpu, fault_failed(f, err)) : 0;
}

/* Returns 0; -EAGAIN if the guest must repeat the access; or an error. */
static int fault_serve(struct fault *f)
{
	int err;

	/* notifiers, dirty log and memslot deletion would not find it */
	if (!khx_tree_maps(f->gpa))
		return fault_failed(f, -EFAULT);

	err = fault_pin(f, 0);
	if (err)
		return err;

	err = fault_map(f);
	if (err == -ENOENT) {
		if (!fault_host_page(f))
			return fault_failed(f, -EFAULT);
		err = fault_map(f);
	}
	if (err == -ENOENT && !f->writing)
		err = fault_hold_and_map(f);
	/* the host has unmapped the page again */
	return err == -ENOENT ? -EAGAIN : err;
}

int khx_radix_map(struct kvm_vcpu *vcpu, unsigned long gpa,
		  struct kvm_memory_slot *memslot, bool writing, pte_t *inserted_pte,
		  unsigned int *levelp)
{
	struct fault f = {
		.vm = khx_vm_find(vcpu->kvm),
		.vcpu = vcpu,
		.slot = memslot,
		.gpa = gpa,
		.hva = __gfn_to_hva_memslot(memslot, gpa >> PAGE_SHIFT),
		.writing = writing,
	};
	int err;

	err = fault_serve(&f);
	if (err)
		return err;
	trace_khx_fault(vcpu, f.kind, gpa, khx_tree_level_shift(f.level), writing);
	if (inserted_pte)
		*inserted_pte = f.pte;
	if (levelp)
		*levelp = f.level;

	/* Pin the rest of a large leaf. Until then notifiers still zap it. */
	return f.level ? fault_pin(&f, f.level) : 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_radix_map);

/*
 * kvmppc_book3s_instantiate_page() for tracked VMs. This architecture has no
 * read-only memslots, so @kvm_ro (until 6.12) is always false.
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
