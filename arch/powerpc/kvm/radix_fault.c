// SPDX-License-Identifier: GPL-2.0
/*
 * Page faults of radix guests: no leaf reaches beyond its memslot.
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

#include "attach.h"
#include "compat.h"
#include "kunit.h"
#include "radix_fault.h"

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

notrace unsigned int kvm_ext_bound_leaf(const struct kvm_memory_slot *slot,
					unsigned long gpa, unsigned int level,
					pte_t *pte)
{
	unsigned int bound = level;

	while (bound && (!slot || !inside(slot, gpa, bound)))
		bound--;

	/*
	 * Guest and host address have the same offset in a large leaf, so what
	 * @gpa has below the large page is what the host address has there.
	 */
	*pte = __pte(pte_val(*pte) | (gpa & (leaf_size(level) - leaf_size(bound))));
	return bound;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_bound_leaf);

/* r3 kvm, r4 table, r5 leaf (as it stands in the table), r6 gpa, r7 level */
notrace void kvm_ext_adjust_create_pte(struct pt_regs *regs)
{
	struct kvm *kvm = (struct kvm *)regs->gpr[3];
	unsigned long gpa = regs->gpr[6];
	unsigned int level = regs->gpr[7];
	pte_t pte;

	if (!level || !kvm_ext_vm_find(kvm) ||
	    (pgd_t *)regs->gpr[4] != kvm->arch.pgtable)
		return;

	pte = __pte_raw((__force __be64)regs->gpr[5]);
	regs->gpr[7] = kvm_ext_bound_leaf(gfn_to_memslot(kvm, gpa >> PAGE_SHIFT),
					  gpa, level, &pte);
	regs->gpr[5] = (__force unsigned long)pte_raw(pte);
}

/* kvm-hv has counted what it meant to insert. */
static void correct_stat(struct kvm *kvm, unsigned int level, int change)
{
	if (level == 1)
		kvm->stat.num_2M_pages += change;
	else if (level == 2)
		kvm->stat.num_1G_pages += change;
}

int kvm_ext_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			     struct kvm_memory_slot *memslot, bool writing,
			     bool kvm_ro, pte_t *inserted_pte,
			     unsigned int *levelp)
{
	typeof(kvmppc_book3s_instantiate_page) *original =
		kvm_ext_original(KVM_EXT_INSTANTIATE_PAGE);
	unsigned int level = 0, bound;
	pte_t pte = __pte(0);
	int err;

	BUILD_BUG_ON(!__same_type(kvm_ext_instantiate_page,
				  kvmppc_book3s_instantiate_page));

	if (WARN_ON_ONCE(!original))
		return -EFAULT;
	err = original(vcpu, gpa, memslot, writing, kvm_ro, &pte, &level);
	if (err)
		return err;
	if (!pte_present(pte))
		return -EAGAIN;

	bound = kvm_ext_bound_leaf(memslot, gpa, level, &pte);
	if (bound != level) {
		correct_stat(vcpu->kvm, level, -1);
		correct_stat(vcpu->kvm, bound, 1);
	}
	if (inserted_pte)
		*inserted_pte = pte;
	if (levelp)
		*levelp = bound;
	return 0;
}
