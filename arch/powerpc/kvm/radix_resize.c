// SPDX-License-Identifier: GPL-2.0
/*
 * Leaves of radix guests are split into smaller ones, and joined to larger ones.
 *
 * An entry that gets another meaning is made invalid first, flushed, and only then
 * written anew (Power ISA v3.0B book III, 5.10.1.2). An access in between faults,
 * waits for mmu_lock, and finds the new entry.
 *
 * Page-table pages are kvm-hv's: those that it finds in a guest's table it frees
 * to caches of its own. So it makes new ones, in a table that no partition uses,
 * by the function that maps a page; and what is no longer needed is put back there,
 * and freed with it.
 */
#include <linux/delay.h>
#include <linux/kvm_host.h>
#include <linux/sched/signal.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/pte-walk.h>

#include "compat.h"
#include "flush_debug.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "pin.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "radix_resize.h"
#include "radix_walk.h"
#include "stock.h"
#include "vm.h"

/* Regions of the size of a large leaf looked at in one hold of mmu_lock. */
#define CHUNK	512

/* Before a look whether the host still invalidates memory of the guest. */
#define INVALIDATION_US	50

/*
 * The table of spare tables: pages of PTEs are at the first addresses, a page of
 * PMDs, for a leaf of the size of a PUD, behind what one page of PMDs maps.
 */
static unsigned long spare_address(unsigned int shift, unsigned int i)
{
	return shift == PUD_SHIFT ? PUD_SIZE : (unsigned long)i << PMD_SHIFT;
}

static unsigned int nr_spare(unsigned int shift)
{
	return shift == PUD_SHIFT ? 1 : KVM_EXT_SPARE_TABLES;
}

/* The entry of a table at an address, for a leaf of that size. NULL: not that far. */
static pte_t *entry_at(pgd_t *root, unsigned long gpa, unsigned int shift)
{
	p4d_t *p4d = p4d_offset(pgd_offset_pgd(root, gpa), gpa);
	pud_t *pud;

	if (!p4d_present(READ_ONCE(*p4d)))
		return NULL;
	pud = pud_offset(p4d, gpa);
	if (shift == PUD_SHIFT)
		return (pte_t *)pud;
	if (!pud_present(READ_ONCE(*pud)) || pud_leaf(*pud))
		return NULL;
	return pmdp_ptep(pmd_offset(pud, gpa));
}

/* The smaller entries that an entry leads to. */
static pte_t *entries_of(pte_t *table, unsigned int shift)
{
	if (shift == PUD_SHIFT)
		return (pte_t *)pmd_offset((pud_t *)table, 0);
	return pte_offset_kernel((pmd_t *)table, 0);
}

static bool is_table(pte_t entry)
{
	return (pte_val(entry) & (_PAGE_PRESENT | _PAGE_PTE)) == _PAGE_PRESENT;
}

/*
 * Have kvm-hv make the tables above an absent leaf. It maps nothing while memory is
 * being invalidated, which may take its time: the processor is left to others, and
 * who is to die need not wait.
 */
static int make_tables(struct kvm_ext_vm *vm, unsigned long gpa, unsigned int level)
{
	typeof(kvmppc_create_pte) *create_pte = kvm_ext_original(KVM_EXT_CREATE_PTE);
	struct kvm *kvm = vm->kvm;
	int err;

	if (!create_pte)
		return -ENOMEM;
	for (;;) {
		err = create_pte(kvm, vm->spare_tables, __pte(0), gpa, level,
				 READ_ONCE(kvm->mmu_invalidate_seq), kvm->arch.lpid,
				 NULL, NULL);
		if (err != -EAGAIN)
			return err;
		if (fatal_signal_pending(current))
			return -EINTR;
		fsleep(INVALIDATION_US);
	}
}

static int spare_root(struct kvm_ext_vm *vm)
{
	lockdep_assert_held(&vm->kvm->slots_lock);

	if (!vm->spare_tables)
		vm->spare_tables = kvzalloc(KVM_EXT_ROOT_SIZE, GFP_KERNEL_ACCOUNT);
	return vm->spare_tables ? 0 : -ENOMEM;
}

int kvm_ext_spare_tables(struct kvm_ext_vm *vm)
{
	int err = spare_root(vm);
	unsigned int i;

	for (i = 0; i < KVM_EXT_SPARE_TABLES && !err; i++)
		err = make_tables(vm, spare_address(PMD_SHIFT, i), 0);
	return err ?: make_tables(vm, spare_address(PUD_SHIFT, 0), 1);
}

void kvm_ext_free_tables(struct kvm_ext_vm *vm)
{
	void (*free_pgtable)(struct kvm *kvm, pgd_t *root, u64 lpid) =
		kvm_ext_original(KVM_EXT_FREE_PGTABLE);

	if (!vm->spare_tables || WARN_ON_ONCE(!free_pgtable))
		return;
	free_pgtable(vm->kvm, vm->spare_tables, vm->kvm->arch.lpid);
	kvfree(vm->spare_tables);
	vm->spare_tables = NULL;
}

/* An entry that leads to an empty table, or an absent one if there is none. */
static pte_t take_table(struct kvm_ext_vm *vm, unsigned int shift)
{
	unsigned int i;
	pte_t *entry, table;

	for (i = 0; vm->spare_tables && i < nr_spare(shift); i++) {
		entry = entry_at(vm->spare_tables, spare_address(shift, i), shift);
		if (entry && is_table(*entry)) {
			table = *entry;
			*entry = __pte(0);
			return table;
		}
	}
	return __pte(0);
}

bool kvm_ext_split_add(struct kvm_ext_split *s, struct kvm_ext_pass *p,
		       const struct kvm_ext_walk *leaf)
{
	unsigned long clear = p->clear, hpa, seen = 0;
	struct kvm_ext_vm *vm = s->vm;
	struct kvm *kvm = vm->kvm;
	pte_t table = __pte(0);

	lockdep_assert_held(&kvm->mmu_lock);

	if (s->nr < KVM_EXT_SPARE_TABLES)
		table = take_table(vm, leaf->shift);
	if (!pte_val(table))
		return false;

	if (kvm->arch.nested_enable) {
		hpa = pte_val(*leaf->ptep) & PTE_RPN_MASK;
		p->clear = KVM_EXT_PASS_ALL;
		seen = kvm_ext_visit_shadows(p, s->slot, leaf->gpa, leaf->shift, hpa);
		p->clear = clear;
	}

	if (!s->nr)
		kvm_ext_flush_begin(&vm->notifier_flush, kvm->arch.lpid,
				    kvm->nr_memslot_pages);
	s->leaf[s->nr].ptep = leaf->ptep;
	s->leaf[s->nr].gpa = leaf->gpa;
	s->leaf[s->nr].shift = leaf->shift;
	s->leaf[s->nr].table = table;
	s->leaf[s->nr].old = __radix_pte_update(leaf->ptep, ~0UL, 0) |
			     (seen & _PAGE_DIRTY);
	s->nr++;
	kvm_ext_flush_debug_owe(&vm->debug, kvm->arch.lpid, leaf->gpa, leaf->shift);
	kvm_ext_flush_add(&vm->notifier_flush, leaf->gpa, leaf->shift);
	p->own_cleared = true;
	return true;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_split_add);

/* Does the page lose C? */
static bool loses_c(const struct kvm_ext_split *s, gfn_t gfn)
{
	unsigned long page = gfn - s->slot->base_gfn;

	/* in front of the slot it is larger than any */
	if (page < s->start || page >= s->end)
		return false;
	return !s->clean || test_bit_le(page, s->clean);
}

static void put_in(struct kvm_ext_split *s, unsigned int nr)
{
	unsigned int shift = s->leaf[nr].shift;
	unsigned int smaller = shift == PUD_SHIFT ? PMD_SHIFT : PAGE_SHIFT;
	unsigned long gpa = s->leaf[nr].gpa, i, val;
	pte_t *entry = entries_of(&s->leaf[nr].table, shift);

	for (i = 0; i < 1UL << (shift - smaller); i++) {
		val = s->leaf[nr].old | (i << smaller);
		if (smaller == PAGE_SHIFT && loses_c(s, (gpa >> PAGE_SHIFT) + i))
			val &= ~_PAGE_DIRTY;
		entry[i] = __pte(val);
	}
	/* The entries are seen before what leads to them. */
	smp_wmb();
	*s->leaf[nr].ptep = s->leaf[nr].table;
	kvm_ext_count_leaf(s->vm->kvm, shift, -1);
	kvm_ext_count_leaf(s->vm->kvm, smaller, 1 << (shift - smaller));
}

bool kvm_ext_split_finish(struct kvm_ext_split *s)
{
	unsigned int i;

	lockdep_assert_held(&s->vm->kvm->mmu_lock);

	if (!s->nr)
		return true;
	kvm_ext_flush_finish(&s->vm->notifier_flush);
	for (i = 0; i < s->nr; i++)
		put_in(s, i);
	s->nr = 0;
	return !s->vm->notifier_flush.refused;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_split_finish);

/* The host's leaf for a guest address, if it is as large as a PMD maps. */
static pte_t host_leaf(struct kvm *kvm, const struct kvm_memory_slot *slot,
		       unsigned long gpa)
{
	unsigned long hva = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT);
	unsigned long flags;
	unsigned int shift;
	pte_t *ptep, pte;

	if (!IS_ALIGNED(hva, PMD_SIZE) ||
	    mmu_invalidate_retry(kvm, kvm->mmu_invalidate_seq))
		return __pte(0);
	/* The host frees its tables after the next interrupt of this CPU. */
	local_irq_save(flags);
	ptep = __find_linux_pte(kvm->mm->pgd, hva, NULL, &shift);
	pte = ptep && shift >= PMD_SHIFT ? READ_ONCE(*ptep) : __pte(0);
	local_irq_restore(flags);
	if (!pte_present(pte))
		return __pte(0);
	return __pte(pte_val(pte) | (hva & ((1UL << shift) - 1) & PMD_MASK));
}

/* What pages of one leaf need not have in common. */
#define MAY_DIFFER	(PTE_RPN_MASK | _PAGE_WRITE | _PAGE_DIRTY | _PAGE_ACCESSED)

unsigned long kvm_ext_joined(const pte_t *entry, pte_t host)
{
	unsigned long first = 0, all = 0, i, val;

	for (i = 0; i < PTRS_PER_PTE; i++) {
		val = pte_val(READ_ONCE(entry[i]));
		if (!(val & _PAGE_PRESENT))
			continue;
		if (pte_pfn(__pte(val)) != pte_pfn(host) + i)
			return 0;
		first = first ?: val;
		if ((val ^ first) & ~MAY_DIFFER)
			return 0;
		all |= val;
	}
	if (all & _PAGE_WRITE && !pte_write(host))
		return 0;
	return first ? (all & ~PTE_RPN_MASK) | (pte_val(host) & PTE_RPN_MASK) : 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_joined);

static bool may_join(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
		     unsigned long gpa, pte_t *entry, pte_t *host)
{
	gfn_t gfn = gpa >> PAGE_SHIFT;

	if (!entry || !is_table(*entry))
		return false;
	*host = host_leaf(vm->kvm, slot, gpa);
	if (!pte_val(*host) || !kvm_ext_joined(entries_of(entry, PMD_SHIFT), *host))
		return false;
	return !vm->pins.on || kvm_ext_pinned(vm, gfn, gfn + (PMD_SIZE >> PAGE_SHIFT),
					      pte_pfn(*host));
}

/*
 * One hold of mmu_lock. Tables are in the guest's tree until the flush, which also
 * drops what processors have cached of it; nothing sets R and C in them then.
 * Returns where to go on.
 */
static unsigned long join_chunk(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot,
				unsigned long gpa, unsigned long end)
{
	struct kvm *kvm = vm->kvm;
	pte_t *entry[KVM_EXT_SPARE_TABLES], host[KVM_EXT_SPARE_TABLES], *spare;
	unsigned int nr = 0, i, budget = CHUNK;
	bool refused;

	spin_lock(&kvm->mmu_lock);
	/* A table that goes, goes after the mode has changed. */
	if (!kvm_is_radix(kvm))
		gpa = end;
	for (; gpa < end && nr < KVM_EXT_SPARE_TABLES && budget; gpa += PMD_SIZE, budget--) {
		entry[nr] = entry_at(kvm->arch.pgtable, gpa, PMD_SHIFT);
		if (!may_join(vm, slot, gpa, entry[nr], &host[nr]))
			continue;
		spare = entry_at(vm->spare_tables, spare_address(PMD_SHIFT, nr),
				 PMD_SHIFT);
		*spare = *entry[nr];
		*entry[nr] = __pte(0);
		nr++;
	}
	refused = nr && !kvm_ext_flush_lpid(&vm->flusher, kvm->arch.lpid);
	for (i = 0; i < nr; i++) {
		spare = entry_at(vm->spare_tables, spare_address(PMD_SHIFT, i),
				 PMD_SHIFT);
		if (refused) {
			*entry[i] = *spare;
			*spare = __pte(0);
			continue;
		}
		*entry[i] = __pte(kvm_ext_joined(entries_of(spare, PMD_SHIFT), host[i]));
		kvm_ext_count_leaf(kvm, PMD_SHIFT, 1);
	}
	/* A page fault that has decided for a single page would take the leaf away. */
	if (nr)
		kvm->mmu_invalidate_seq++;
	spin_unlock(&kvm->mmu_lock);
	if (nr)
		kvm_ext_free_tables(vm);
	return gpa;
}

void kvm_ext_radix_join(struct kvm_ext_vm *vm, const struct kvm_memory_slot *slot)
{
	unsigned long gpa = ALIGN(slot->base_gfn << PAGE_SHIFT, PMD_SIZE);
	unsigned long end = ALIGN_DOWN(min((slot->base_gfn + slot->npages) << PAGE_SHIFT,
					   RADIX_PGTABLE_RANGE), PMD_SIZE);

	/* of the last memslot that there can be, the end of the first leaf is 0 */
	if (!kvm_ext_tree_holds(slot->base_gfn << PAGE_SHIFT))
		return;
	if (!IS_ALIGNED(slot->userspace_addr ^ (slot->base_gfn << PAGE_SHIFT), PMD_SIZE))
		return;
	kvm_ext_free_tables(vm);
	while (gpa < end) {
		if (!vm->spare_tables && (spare_root(vm) || make_tables(vm, 0, 1)))
			break;
		gpa = join_chunk(vm, slot, gpa, end);
		cond_resched();
	}
	kvm_ext_free_tables(vm);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_radix_join);
