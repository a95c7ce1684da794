// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of radix guests: no leaf reaches beyond its memslot, and none takes
 * the place of smaller ones.
 *
 * kvmppc_book3s_instantiate_page() chooses the leaf and has it written by
 * kvmppc_create_pte(), whose nine arguments are more than a redirect can pass
 * on. So the leaf is bounded where it is written, by a change of the call's
 * arguments; there is no way into the table past that. The former function is
 * wrapped only so that those who asked for the leaf learn what it became.
 */
#include <linux/kvm_host.h>
#include <linux/ptrace.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "kunit.h"
#include "nested_mmu.h"
#include "params.h"
#include "pin.h"
#include "radix_fault.h"
#include "radix_walk.h"
#include "redirect.h"
#include "stock.h"
#include "vm.h"
#include "wanted.h"

static notrace unsigned long leaf_size(unsigned int level)
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

static notrace bool inside(const struct kvm_memory_slot *slot, unsigned long gpa,
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
static notrace pte_t narrow(pte_t pte, unsigned long gpa, unsigned int from,
			    unsigned int to)
{
	return __pte(pte_val(pte) | (gpa & (leaf_size(from) - leaf_size(to))));
}

notrace unsigned int kvm_ext_bound_leaf(const struct kvm_memory_slot *slot,
					unsigned long gpa, unsigned int level,
					pte_t *pte)
{
	unsigned int bound = level;

	while (bound && (!slot || !inside(slot, gpa, bound)))
		bound--;

	*pte = narrow(*pte, gpa, level, bound);
	return bound;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_bound_leaf);

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

	lockdep_assert_held(&kvm->mmu_lock);
	kvm_ext_walk_init(&w, kvm->arch.pgtable, start, start + leaf_size(level),
			  UINT_MAX);
	return kvm_ext_walk_next(&w) && 1UL << w.shift < leaf_size(level);
}

void kvm_ext_single_pages(struct kvm_ext_vm *vm, bool on)
{
	spin_lock(&vm->kvm->mmu_lock);
	vm->single_pages = on;
	if (!on)
		vm->kvm->mmu_invalidate_seq++;
	spin_unlock(&vm->kvm->mmu_lock);
}

/*
 * The leaf begins as the host's PTE, with a bit that says something about the
 * host's. Where there is a leaf already (a page that was mapped for reading and
 * now is for writing), kvm-hv does not expect such a bit to be another, and warns.
 */
static notrace void drop_host_bits(struct pt_regs *regs)
{
	regs->gpr[5] &= ~(__force unsigned long)cpu_to_be64(_PAGE_SOFT_DIRTY);
}

/* In the guest's own table. */
static notrace void adjust_own(struct kvm_ext_vm *vm, struct pt_regs *regs)
{
	struct kvm *kvm = vm->kvm;
	unsigned long gpa = regs->gpr[6];
	unsigned int level = regs->gpr[7];
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	const struct kvm_memory_slot *slot;
	pte_t pte;

	if (WARN_ON_ONCE(!vcpu || vcpu->kvm != kvm))
		return;
	if (test_bit(vcpu->vcpu_idx, vm->only_read))
		regs->gpr[5] &= ~(__force unsigned long)cpu_to_be64(_PAGE_DIRTY);
	if (!level)
		return;

	slot = gfn_to_memslot(kvm, gpa >> PAGE_SHIFT);
	spin_lock(&kvm->mmu_lock);
	if (vm->single_pages || occupied(kvm, gpa, level))
		slot = NULL;
	spin_unlock(&kvm->mmu_lock);

	pte = __pte_raw((__force __be64)regs->gpr[5]);
	level = kvm_ext_bound_leaf(slot, gpa, level, &pte);
	regs->gpr[5] = (__force unsigned long)pte_raw(pte);
	regs->gpr[7] = level;
	vm->leaf_level[vcpu->vcpu_idx] = level;
}

/* In a shadow table. A sequence count that is not now's lets the guest try again. */
static notrace void adjust_shadow(struct kvm_ext_vm *vm, struct pt_regs *regs)
{
	const struct kvm_vcpu *vcpu = kvm_get_running_vcpu();
	struct kvm_nested_guest *gp = vcpu ? vcpu->arch.nested : NULL;

	if (WARN_ON_ONCE(!gp || gp->shadow_pgtable != (pgd_t *)regs->gpr[4]) ||
	    !kvm_ext_make_room(vm, gp, regs->gpr[6], ilog2(leaf_size(regs->gpr[7])),
			       __pte_raw((__force __be64)regs->gpr[5])))
		regs->gpr[8] = vm->kvm->mmu_invalidate_seq - 1;
}

/*
 * r3 kvm, r4 table, r5 leaf (as it stands in the table), r6 gpa, r7 level, r8
 * sequence count
 */
notrace void kvm_ext_adjust_create_pte(struct pt_regs *regs)
{
	struct kvm *kvm = (struct kvm *)regs->gpr[3];
	pgd_t *root = (pgd_t *)regs->gpr[4];
	struct kvm_ext_vm *vm = kvm_ext_vm_find(kvm);

	if (!vm || kvm_ext_called_by_us(regs))
		return;
	drop_host_bits(regs);
	if (root != kvm->arch.pgtable && kvm_ext_nested)
		adjust_shadow(vm, regs);
	else if (root == kvm->arch.pgtable && kvm_ext_notifiers)
		adjust_own(vm, regs);
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

	if (WARN_ON_ONCE(!original))
		return -EFAULT;
	if (vm->pins.on)
		err = kvm_ext_pin(vm, memslot, gfn, gfn + 1);
	if (err)
		return err;

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
				  gfn + (leaf_size(bound) >> PAGE_SHIFT));
	}
	return err;
}
