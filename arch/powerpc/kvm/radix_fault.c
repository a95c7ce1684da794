// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of radix guests: no leaf reaches beyond its memslot, and none takes
 * the place of smaller ones.
 *
 * kvmppc_book3s_instantiate_page() chooses the leaf and has it written by
 * kvmppc_create_pte(), which writes those of shadow tables too. Each is bounded
 * where it is written; there is no way into a table past that. The former function
 * is wrapped only so that those who asked for the leaf learn what it became.
 */
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "params.h"
#include "pin.h"
#include "radix_fault.h"
#include "radix_walk.h"
#include "stock.h"
#include "vm.h"

static unsigned long leaf_size(unsigned int level)
{
	switch (level) {
	case 2:
		return PUD_SIZE;
	case 1:
		return PMD_SIZE;
	default:
		return PAGE_SIZE;
	}
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

/* The level of a leaf that maps @gpa already, or -1. */
static int level_at(struct kvm *kvm, unsigned long gpa)
{
	struct kvm_ext_walk w;

	kvm_ext_walk_init(&w, kvm->arch.pgtable, gpa, gpa + 1, UINT_MAX);
	if (!kvm_ext_walk_next(&w))
		return -1;
	return w.shift == PUD_SHIFT ? 2 : w.shift == PMD_SHIFT ? 1 : 0;
}

/*
 * Are there smaller leaves where one of this level is wanted? None can come up
 * before it is written: page faults agree on single pages only while all of them
 * do, or where there are some, which they learn under mmu_lock as well; and who
 * takes these away makes them try again.
 */
static bool occupied(struct kvm *kvm, unsigned long gpa, unsigned int level)
{
	unsigned long start = round_down(gpa, leaf_size(level));
	struct kvm_ext_walk w;

	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, start + leaf_size(level),
			  UINT_MAX);
	return kvm_ext_walk_next(&w) && 1UL << w.shift < leaf_size(level);
}

/*
 * The largest leaf, up to @level, that takes nothing away. One that is there already,
 * because another fault or a join was quicker, gets what the access needs.
 */
static unsigned int free_level(struct kvm_ext_vm *vm, unsigned long gpa, unsigned int level)
{
	struct kvm *kvm = vm->kvm;
	int present;

	lockdep_assert_held(&kvm->mmu_lock);

	present = level_at(kvm, gpa);
	if (present >= 0)
		return min_t(unsigned int, present, level);
	if (vm->single_pages)
		return 0;
	while (level && occupied(kvm, gpa, level))
		level--;
	return level;
}

void kvm_ext_single_pages(struct kvm_ext_vm *vm, bool on)
{
	spin_lock(&vm->kvm->mmu_lock);
	vm->single_pages = on;
	vm->kvm->mmu_invalidate_seq++;
	spin_unlock(&vm->kvm->mmu_lock);
}

/* A leaf of the guest's own table, and its level. */
static int bound_own(struct kvm_ext_vm *vm, pte_t *pte, unsigned long gpa, unsigned int *level)
{
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	const struct kvm_memory_slot *slot;
	struct kvm *kvm = vm->kvm;
	unsigned int level_free;

	/* Notifiers, the log and the deletion of the memslot would not find it. */
	if (!kvm_ext_tree_holds(gpa))
		return -EFAULT;
	if (!kvm_ext_notifiers || WARN_ON_ONCE(!vcpu || vcpu->kvm != kvm))
		return 0;
	if (test_bit(vcpu->vcpu_idx, vm->only_read))
		*pte = pte_mkclean(*pte);
	if (!*level)
		return 0;

	slot = gfn_to_memslot(kvm, gpa >> PAGE_SHIFT);
	*level = kvm_ext_bound_leaf(slot, gpa, *level, pte);
	spin_lock(&kvm->mmu_lock);
	level_free = free_level(vm, gpa, *level);
	spin_unlock(&kvm->mmu_lock);
	*pte = narrow(*pte, gpa, *level, level_free);
	*level = level_free;
	vm->leaf_level[vcpu->vcpu_idx] = *level;
	return 0;
}

int kvm_ext_create_pte(struct kvm *kvm, pgd_t *root, pte_t pte, unsigned long gpa,
		       unsigned int level, unsigned long mmu_seq, KVM_EXT_LPID lpid,
		       unsigned long *rmapp, struct rmap_nested **n_rmap)
{
	typeof(kvmppc_create_pte) *original = kvm_ext_original(KVM_EXT_CREATE_PTE);
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	struct kvm_nested_guest *gp = NULL;
	int err, tables;

	BUILD_BUG_ON(!__same_type(kvm_ext_create_pte, kvmppc_create_pte));

	/*
	 * The leaf begins as the host's PTE, with a bit that says something about the
	 * host's. Where there is a leaf already (a page that was mapped for reading and
	 * now is for writing), kvm-hv does not expect such a bit to be another, and warns.
	 */
	pte = __pte(pte_val(pte) & ~_PAGE_SOFT_DIRTY);

	if (root == kvm->arch.pgtable) {
		err = bound_own(vm, &pte, gpa, &level);
		if (err)
			return err;
	} else if (kvm_ext_nested) {
		gp = vcpu ? vcpu->arch.nested : NULL;
		if (WARN_ON_ONCE(!gp || gp->shadow_pgtable != root))
			return -EAGAIN;
		gpa = kvm_ext_tree_address(gpa);
		err = kvm_ext_make_room(vm, gp, gpa, ilog2(leaf_size(level)), pte, &tables);
		if (err)
			return err;
	}

	err = original(kvm, root, pte, gpa, level, mmu_seq, lpid, rmapp, n_rmap);
	if (err && gp)
		kvm_ext_unmake_tables(vm, gp, tables);
	return err;
}

/* kvm-hv has counted what it meant to insert. */
static void correct_stat(struct kvm *kvm, unsigned int level, int change)
{
	if (level == 1)
		kvm->stat.num_2M_pages += change;
	else if (level == 2)
		kvm->stat.num_1G_pages += change;
}

/*
 * kvm-hv maps for stores what a load may have, and sets C beforehand. In a log that
 * would be a store; so C is left to be set by one.
 */
static bool is_only_read(const struct kvm_memory_slot *slot, bool writing)
{
	return !writing && slot->flags & KVM_MEM_LOG_DIRTY_PAGES;
}

int kvm_ext_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			     struct kvm_memory_slot *memslot, bool writing,
			     bool kvm_ro, pte_t *inserted_pte,
			     unsigned int *levelp)
{
	typeof(kvmppc_book3s_instantiate_page) *original =
		kvm_ext_original(KVM_EXT_INSTANTIATE_PAGE);
	struct kvm_ext_vm *vm = kvm_ext_vm_find(vcpu->kvm);
	gfn_t gfn = gpa >> PAGE_SHIFT;
	unsigned int level = 0, bound;
	pte_t pte = __pte(0);
	bool only_read;
	int err = 0;

	BUILD_BUG_ON(!__same_type(kvm_ext_instantiate_page,
				  kvmppc_book3s_instantiate_page));

	if (vm->pins.on)
		err = kvm_ext_pin(vm, memslot, gfn, gfn + 1, writing);
	if (err)
		return kvm_ext_pin_for_nested(vcpu, err);

	only_read = is_only_read(memslot, writing);
	if (only_read)
		set_bit(vcpu->vcpu_idx, vm->only_read);
	err = original(vcpu, gpa, memslot, writing, kvm_ro, &pte, &level);
	if (only_read)
		clear_bit(vcpu->vcpu_idx, vm->only_read);
	if (err)
		return err;
	if (!pte_present(pte))
		return -EAGAIN;
	if (only_read)
		pte = pte_mkclean(pte);

	bound = level ? vm->leaf_level[vcpu->vcpu_idx] : 0;
	if (bound != level) {
		correct_stat(vcpu->kvm, level, -1);
		correct_stat(vcpu->kvm, bound, 1);
	}
	if (inserted_pte)
		*inserted_pte = narrow(pte, gpa, level, bound);
	if (levelp)
		*levelp = bound;

	/* The rest of a large leaf. Until then it goes when the host asks for it. */
	if (vm->pins.on && bound) {
		gfn = round_down(gpa, leaf_size(bound)) >> PAGE_SHIFT;
		err = kvm_ext_pin(vm, memslot, gfn,
				  gfn + (leaf_size(bound) >> PAGE_SHIFT), writing);
		err = kvm_ext_pin_for_nested(vcpu, err);
	}
	return err;
}
