/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page faults of radix guests: no leaf reaches beyond its memslot, and none takes
 * the place of smaller ones.
 *
 * kvm-hv makes a leaf as large as the host's page, if guest and host address
 * have the same offset in it, and does not look where the memslot begins and
 * ends. What lies around the memslot inside that page is then the guest's, to
 * read and to write; a memslot next to it is never asked; and when the leaf is
 * taken away, the reverse map is indexed out of its bounds.
 *
 * Where single pages are mapped and a large leaf is wanted, kvm-hv takes them
 * away under the addresses that they have in the host: what is invalidated is
 * something else, and what they say of stores goes to another page or nowhere.
 * This happens when logging is switched off, and only then: whatever else makes
 * large pages of small ones in the host unmaps them first. The memslot is
 * unlogged for page faults first, and flushed afterwards.
 */
#ifndef KVM_EXT_RADIX_FAULT_H
#define KVM_EXT_RADIX_FAULT_H

#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "compat.h"

struct kvm_ext_vm;
struct rmap_nested;

/**
 * kvm_ext_bound_leaf() - the largest leaf, up to a given one, inside a memslot
 * @slot:	the memslot of @gpa; NULL allows a single page
 * @gpa:	guest real address that faulted
 * @level:	level of the leaf wanted: 0 PTE, 1 PMD, 2 PUD
 * @pte:	the leaf wanted; made to be what maps @gpa at the level returned
 *
 * Context: any.
 * Return: the level, at most @level.
 */
unsigned int kvm_ext_bound_leaf(const struct kvm_memory_slot *slot,
				unsigned long gpa, unsigned int level, pte_t *pte);

/**
 * kvm_ext_create_pte() - kvmppc_create_pte() of VMs of ours
 * @kvm:	the VM
 * @root:	its own table, or the shadow table of the nested guest that faulted
 * @pte:	the leaf
 * @gpa:	guest real address of the faulting guest
 * @level:	0 PTE, 1 PMD, 2 PUD
 * @mmu_seq:	kvm->mmu_invalidate_seq from before the page was looked up
 * @lpid:	LPID of the table
 * @rmapp:	for a shadow table: word of the page in the memslot's rmap
 * @n_rmap:	for a shadow table: what is to be entered there
 *
 * The leaf that stock's function gets is no larger than what it may be, and nothing
 * of another size or another page is in its place.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: 0; -EAGAIN to let the guest try again; -EFAULT if the guest's own table
 * cannot map the address (kvm_ext_tree_holds()); -ENOMEM.
 */
int kvm_ext_create_pte(struct kvm *kvm, pgd_t *root, pte_t pte, unsigned long gpa,
		       unsigned int level, unsigned long mmu_seq, KVM_EXT_LPID lpid,
		       unsigned long *rmapp, struct rmap_nested **n_rmap);

/**
 * kvm_ext_single_pages() - begin or end a time without new large leaves
 * @vm:		a VM of ours
 * @on:		true before page faults may find a memslot unlogged, false when it
 *		has been flushed
 *
 * Page faults in flight are made to try again, both times: so no single page comes up
 * beside a large leaf, nor a large leaf over a single page. Those that were inserted
 * meanwhile stay, and keep large leaves away until they are unmapped.
 *
 * Context: kvm->slots_lock held; takes kvm->mmu_lock.
 */
void kvm_ext_single_pages(struct kvm_ext_vm *vm, bool on);

/**
 * kvm_ext_instantiate_page() - kvmppc_book3s_instantiate_page() of VMs of ours
 * @vcpu:	the vCPU that faulted
 * @gpa:	guest real address
 * @memslot:	its memslot
 * @writing:	the access was a store
 * @kvm_ro:	map it read-only
 * @inserted_pte: NULL, or where to leave what was inserted
 * @levelp:	NULL, or where to leave its level
 *
 * Stock's function, whose results are those of the bounded leaf. It returns 0
 * without having inserted anything when the host's page is being collapsed;
 * a nested fault would then map what it never got, so this is -EAGAIN here.
 *
 * If the guest is one whose pages are pinned, what is mapped is.
 *
 * Context: vCPU thread, kvm->srcu held, may sleep.
 * Return: 0; -EAGAIN to let the guest try again; -ENOMEM if RLIMIT_MEMLOCK does
 * not allow to pin, and KVM_RUN can be repeated; other errors of stock.
 */
int kvm_ext_instantiate_page(struct kvm_vcpu *vcpu, unsigned long gpa,
			     struct kvm_memory_slot *memslot, bool writing,
			     bool kvm_ro, pte_t *inserted_pte,
			     unsigned int *levelp);

#endif /* KVM_EXT_RADIX_FAULT_H */
