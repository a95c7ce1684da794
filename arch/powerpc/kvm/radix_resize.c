// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves of radix guests are split into smaller ones, and joined to larger
 * ones.
 *
 * To replace a valid entry, the module clears it, flushes, and only then writes
 * the new one (Power ISA v3.0B book III, 5.10.1.2). An access in between
 * faults, waits for mmu_lock, and finds the new entry.
 */
#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_resize.h"
#include "radix_tree.h"
#include "radix_walk.h"
#include "trace.h"
#include "vm.h"

/* Regions of the size of a large leaf to check in one hold of mmu_lock. */
#define JOIN_CHUNK	512

/* Budget of a walk in one hold of mmu_lock, where nothing is flushed. */
#define SET_C_CHUNK	2048

/*
 * Entry for a leaf of 1 << @shift bytes at an address. NULL if the entry above
 * it is absent or a leaf.
 */
static pte_t *resize_entry(pgd_t *root, unsigned long gpa, unsigned int shift)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	pud_t *pudp;

	if (!p4d_present(READ_ONCE(*p4d)))
		return NULL;
	pudp = pud_offset(p4d, gpa);
	if (shift == PUD_SHIFT)
		return (pte_t *)pudp;
	if (!khx_tree_is_table(pud_pte(READ_ONCE(*pudp))))
		return NULL;
	return pmdp_ptep(pmd_offset(pudp, gpa));
}

int khx_spare_fill(struct khx_vm *vm)
{
	struct khx_spare *spare = &vm->radix.spare;
	unsigned int i;

	lockdep_assert_held(&vm->kvm->slots_lock);

	for (i = 0; i < KHX_SPARE_TABLES; i++)
		if (!spare->ptes[i])
			spare->ptes[i] = khx_tree_table_alloc(0);
	if (!spare->pmds)
		spare->pmds = khx_tree_table_alloc(1);
	return spare->pmds && spare->ptes[0] ? 0 : -ENOMEM;
}

void khx_spare_free(struct khx_vm *vm)
{
	struct khx_spare *spare = &vm->radix.spare;
	unsigned int i;

	for (i = 0; i < KHX_SPARE_TABLES; i++)
		khx_tree_table_free(spare->ptes[i]);
	khx_tree_table_free(spare->pmds);
	memset(spare, 0, sizeof(*spare));
}

/* Take a spare page-table page to split a leaf with. NULL if there is none. */
static void *spare_take(struct khx_vm *vm, unsigned int shift)
{
	unsigned int i;
	void **table = &vm->radix.spare.pmds, *taken;

	for (i = 0; shift < PUD_SHIFT && i < KHX_SPARE_TABLES; i++) {
		table = &vm->radix.spare.ptes[i];
		if (*table)
			break;
	}
	taken = *table;
	*table = NULL;
	return taken;
}

bool khx_split_add(struct khx_split *s, struct khx_pass *p,
		   const struct khx_leaf *leaf)
{
	struct khx_vm *vm = s->pass.vm;
	struct kvm *kvm = vm->kvm;
	unsigned long old, seen = 0;
	void *table = NULL;

	lockdep_assert_held(&kvm->mmu_lock);

	if (s->nr < KHX_SPARE_TABLES)
		table = spare_take(vm, leaf->shift);
	if (!table)
		return false;

	if (kvm->arch.nested_enable)
		seen = khx_nested_visit(p, s->slot, leaf, KHX_PASS_ALL);

	if (!s->nr)
		khx_flush_begin(s->pass.flush, kvm->arch.lpid, kvm->nr_memslot_pages);
	old = khx_pass_write(&s->pass, kvm->arch.lpid, leaf, KHX_PASS_ALL, 0);
	s->leaf[s->nr].was = *leaf;
	s->leaf[s->nr].was.old = __pte(old | (seen & _PAGE_DIRTY));
	s->leaf[s->nr].table = table;
	s->nr++;
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(khx_split_add);

/* Does the page lose C? */
static bool split_clears_c(const struct khx_split *s, gfn_t gfn)
{
	unsigned long page = gfn - s->slot->base_gfn;

	/* below the slot it wraps around, and exceeds s->end */
	if (page < s->start || page >= s->end)
		return false;
	return !s->clean || test_bit_le(page, s->clean);
}

/* Install the smaller leaves in place of the split one. */
static void split_install(struct khx_split *s, unsigned int nr)
{
	const struct khx_leaf was = s->leaf[nr].was;
	unsigned int level = khx_tree_shift_level(was.shift) - 1;
	unsigned int smaller = khx_tree_level_shift(level);
	pte_t *table = s->leaf[nr].table;
	unsigned long i, val;

	for (i = 0; i < 1UL << (was.shift - smaller); i++) {
		val = pte_val(was.old) | (i << smaller);
		if (!level && val & _PAGE_DIRTY &&
		    split_clears_c(s, (was.gpa >> PAGE_SHIFT) + i)) {
			val &= ~_PAGE_DIRTY;
			s->cleaned++;
		}
		table[i] = __pte(val);
	}
	khx_pass_link(&s->pass, was.ptep, table, level);
	s->pass.vm->stats.mmu.splits++;
	trace_khx_split(s->pass.vm->kvm, was.gpa >> PAGE_SHIFT, was.shift);
}

bool khx_split_finish(struct khx_split *s)
{
	unsigned int i;

	lockdep_assert_held(&s->pass.vm->kvm->mmu_lock);

	if (!s->nr)
		return true;
	khx_pass_finish(&s->pass);
	for (i = 0; i < s->nr; i++)
		split_install(s, i);
	s->nr = 0;
	return !s->pass.flush->refused;
}
EXPORT_SYMBOL_IF_KUNIT(khx_split_finish);

/*
 * The host's leaf for a guest address, narrowed to 1 << @size_shift bytes.
 * Absent if it is smaller, or while an invalidation is in progress.
 */
static pte_t join_host_leaf(struct kvm *kvm, const struct kvm_memory_slot *slot,
			    unsigned long gpa, unsigned int size_shift)
{
	unsigned long hva = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT);
	unsigned long size = 1UL << size_shift, flags;
	unsigned int shift;
	pte_t *ptep, pte;

	if (!IS_ALIGNED(hva, size) ||
	    mmu_invalidate_retry(kvm, kvm->mmu_invalidate_seq))
		return __pte(0);
	/* the host cannot free its page tables while interrupts are off here */
	local_irq_save(flags);
	ptep = __find_linux_pte(kvm->mm->pgd, hva, NULL, &shift);
	pte = ptep && shift >= size_shift ? READ_ONCE(*ptep) : __pte(0);
	local_irq_restore(flags);
	if (!pte_present(pte))
		return __pte(0);
	return __pte(pte_val(pte) | (hva & ((1UL << shift) - size)));
}

/* Bits that may differ between entries that are joined to one leaf. */
#define JOIN_MAY_DIFFER	(PTE_RPN_MASK | _PAGE_WRITE | _PAGE_DIRTY | _PAGE_ACCESSED)

unsigned long khx_join_leaf(const pte_t *entry, unsigned int shift, pte_t host)
{
	unsigned int smaller = shift == PUD_SHIFT ? PMD_SHIFT : PAGE_SHIFT;
	unsigned long first = 0, all = 0, i, val;

	for (i = 0; i < 1UL << (shift - smaller); i++) {
		val = pte_val(READ_ONCE(entry[i]));
		if (!(val & _PAGE_PRESENT))
			continue;
		if (smaller > PAGE_SHIFT && khx_tree_is_table(__pte(val)))
			return 0;
		if (pte_pfn(__pte(val)) != pte_pfn(host) + (i << (smaller - PAGE_SHIFT)))
			return 0;
		first = first ?: val;
		if ((val ^ first) & ~JOIN_MAY_DIFFER)
			return 0;
		all |= val;
	}
	if (all & _PAGE_WRITE && !pte_write(host))
		return 0;
	return first ? (all & ~PTE_RPN_MASK) | (pte_val(host) & PTE_RPN_MASK) : 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_join_leaf);

/**
 * struct join - leaves to join to large ones of one size
 * @vm:		owner of the table
 * @slot:	the memslot that they map
 * @shift:	log2 of the size of the large leaves in bytes
 * @nr:		entries of @leaf in use in this hold of mmu_lock
 * @leaf:	each large leaf, the entry that pointed to the smaller leaves,
 *		and the host's leaf
 */
struct join {
	struct khx_vm *vm;
	const struct kvm_memory_slot *slot;
	unsigned int shift;
	unsigned int nr;
	struct {
		struct khx_leaf to_be;
		pte_t table;
		pte_t host;
	} leaf[KHX_SPARE_TABLES];
};

static bool join_possible(const struct join *j, unsigned long gpa, pte_t entry,
			  pte_t *host)
{
	unsigned int level = khx_tree_shift_level(j->shift);
	struct khx_vm *vm = j->vm;
	gfn_t gfn = gpa >> PAGE_SHIFT;

	if (!khx_tree_is_table(entry))
		return false;
	*host = join_host_leaf(vm->kvm, j->slot, gpa, j->shift);
	if (!pte_val(*host) ||
	    !khx_join_leaf(khx_tree_table_of(entry, level), j->shift, *host))
		return false;
	return !vm->pins.on || khx_pin_covers(vm, gfn, gfn + (1UL << (j->shift - PAGE_SHIFT)),
					      pte_pfn(*host));
}

/*
 * Join leaves in one hold of mmu_lock. Until the flush of the whole LPID,
 * hardware may still reach the unlinked page-table pages through page-walk
 * caches, and set R and C there; so khx_join_leaf() computes the large leaves
 * after the flush. If the hypervisor refuses it, the function links the
 * page-table pages again. Returns the address to continue at.
 */
static unsigned long join_chunk(struct join *j, unsigned long gpa, unsigned long end)
{
	unsigned int level = khx_tree_shift_level(j->shift), i, budget = JOIN_CHUNK;
	struct khx_pass p = { .vm = j->vm };
	struct kvm *kvm = j->vm->kvm;
	bool refused;

	j->nr = 0;
	spin_lock(&kvm->mmu_lock);
	/* kvm-hv leaves radix mode before it frees the table */
	if (!kvm_is_radix(kvm))
		gpa = end;
	for (; gpa < end && j->nr < KHX_SPARE_TABLES && budget;
	     gpa += 1UL << j->shift, budget--) {
		pte_t *entry = resize_entry(kvm->arch.pgtable, gpa, j->shift);

		if (!entry || !join_possible(j, gpa, READ_ONCE(*entry), &j->leaf[j->nr].host))
			continue;
		j->leaf[j->nr].to_be = (struct khx_leaf){
			.ptep = entry,
			.gpa = gpa,
			.shift = j->shift,
		};
		j->leaf[j->nr].table = khx_pass_unlink(&p, entry, level - 1);
		j->nr++;
	}
	refused = j->nr && !khx_flush_lpid(&j->vm->flusher, kvm->arch.lpid);
	for (i = 0; i < j->nr; i++) {
		const struct khx_leaf *leaf = &j->leaf[i].to_be;
		pte_t *table = khx_tree_table_of(j->leaf[i].table, level);

		if (refused)
			khx_pass_link(&p, leaf->ptep, table, level - 1);
		else
			khx_pass_write(&p, kvm->arch.lpid, leaf, 0,
				       khx_join_leaf(table, j->shift, j->leaf[i].host));
		if (!refused)
			trace_khx_join(kvm, leaf->gpa >> PAGE_SHIFT, leaf->shift);
	}
	if (!refused)
		j->vm->stats.mmu.joins += j->nr;
	spin_unlock(&kvm->mmu_lock);
	for (i = 0; !refused && i < j->nr; i++)
		khx_tree_prune(j->leaf[i].table, level);
	return gpa;
}

/* Join leaves to large ones of one size. */
static void join_leaves(struct khx_vm *vm, const struct kvm_memory_slot *slot, unsigned int shift)
{
	struct join j = { .vm = vm, .slot = slot, .shift = shift };
	unsigned long size = 1UL << shift;
	unsigned long gpa = ALIGN(slot->base_gfn << PAGE_SHIFT, size);
	unsigned long end = ALIGN_DOWN(min((slot->base_gfn + slot->npages) << PAGE_SHIFT,
					   RADIX_PGTABLE_RANGE), size);

	if (!IS_ALIGNED(slot->userspace_addr ^ (slot->base_gfn << PAGE_SHIFT), size))
		return;
	while (gpa < end) {
		gpa = join_chunk(&j, gpa, end);
		cond_resched();
	}
}

static void join_set_c_of(struct khx_pass *p, struct khx_walk *w)
{
	struct kvm *kvm = p->vm->kvm;

	lockdep_assert_held(&kvm->mmu_lock);

	while (khx_walk_next(w))
		khx_pass_write(p, kvm->arch.lpid, &w->leaf, 0, _PAGE_DIRTY);
}

/*
 * The memslot is not logged any more: set C in leaves that the guest may write
 * to, or the next store to each would fault.
 */
static void join_set_c(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	unsigned long gpa = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = gpa + (slot->npages << PAGE_SHIFT);
	struct khx_pass p = { .vm = vm };
	struct kvm *kvm = vm->kvm;
	struct khx_walk w;

	do {
		spin_lock(&kvm->mmu_lock);
		khx_walk_init(&w, kvm_is_radix(kvm) ? kvm->arch.pgtable : NULL, gpa, end,
			      SET_C_CHUNK);
		w.only = _PAGE_WRITE;
		join_set_c_of(&p, &w);
		spin_unlock(&kvm->mmu_lock);
		gpa = w.next;
		cond_resched();
	} while (!khx_walk_done(&w));
}

void khx_join_memslot(struct khx_vm *vm, const struct kvm_memory_slot *slot)
{
	/* join_leaves() would round up to 0 for the highest possible memslot */
	if (!khx_tree_maps(slot->base_gfn << PAGE_SHIFT))
		return;
	join_leaves(vm, slot, PMD_SHIFT);
	join_leaves(vm, slot, PUD_SHIFT);
	join_set_c(vm, slot);
}
EXPORT_SYMBOL_IF_KUNIT(khx_join_memslot);
