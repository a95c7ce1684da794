/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the module takes hold of kvm-hv, and which virtual machines are ours.
 *
 * kvm.ko exports a pointer to kvm-hv's table of operations. Members of that
 * table are replaced in place: a replaced pointer would make every VM that
 * exists already fail is_kvmppc_hv_enabled(), which compares pointers. So
 * each of our members is called for stock VMs as well, finds that they are
 * not ours, and hands over to the saved original.
 *
 * A VM is ours if its init_vm went through us. It holds a reference on this
 * module until its destroy_vm has finished, so rmmod fails with -EBUSY while
 * one lives.
 */
#ifndef KVM_EXT_ATTACH_H
#define KVM_EXT_ATTACH_H

#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/xarray.h>
#include <asm/kvm_ppc.h>

#include "flush_debug.h"
#include "hpt_flush.h"
#include "hpt_mmu.h"
#include "nested_rmap.h"
#include "pin.h"
#include "radix_flush.h"

/* Shadow LPIDs whose invalidations one chunk of a harvest gathers side by side. */
#define KVM_EXT_NESTED_FLUSHES	8

/* The root of a radix table, in bytes. */
#define KVM_EXT_ROOT_SIZE	(PTRS_PER_PGD * sizeof(pgd_t))

/**
 * struct kvm_ext_vm - what we keep for a VM of ours
 * @node:	in the table of VMs, looked up under RCU
 * @rcu:	frees the structure after the last look-up
 * @kvm:	the VM
 * @flush:	gathers invalidations of the VM's own LPID; kvm->slots_lock
 * @notifier_flush: the same, for leaves that go or are aged; kvm->mmu_lock
 * @nested:	the same for shadow LPIDs of its nested guests; kvm->mmu_lock
 * @rmap:	the reverse map of its nested guests; kvm->mmu_lock
 * @spare_root:	root of a shadow table that is being freed, NULL before nested
 *		guests are allowed
 * @spare_lock:	for @spare_root
 * @spare_tables: root of page-table pages that no leaf is in, NULL without any;
 *		kvm->slots_lock
 * @more_tables: has some made: 0 or an error; may sleep
 * @hpt_backend: invalidates translations of HPTEs
 * @hptes:	HPTEs that a pass has locked, NULL where there are no HPT guests;
 *		kvm->mmu_lock
 * @leaf_level:	level of the last leaf that a vCPU has inserted where a large one
 *		was wanted, by vcpu_idx; the vCPU's own thread
 * @only_read:	vCPUs whose page fault is a load from a page that is logged, by
 *		vcpu_idx; the vCPU's own thread
 * @single_pages: no large leaves for now; kvm->mmu_lock
 * @pins:	pages that are pinned, if the guest is not paged
 * @vcpus:	our part of each vCPU (struct kvm_ext_vcpu), by address
 * @debug:	cleared R/C bits not yet covered by a flush (debug builds)
 */
struct kvm_ext_vm {
	struct hlist_node node;
	struct rcu_head rcu;
	struct kvm *kvm;
	struct kvm_ext_flush flush;
	struct kvm_ext_flush notifier_flush;
	struct kvm_ext_flush nested[KVM_EXT_NESTED_FLUSHES];
	struct kvm_ext_nested_rmap rmap;
	pgd_t *spare_root;
	spinlock_t spare_lock; /* see @spare_root */
	pgd_t *spare_tables;
	int (*more_tables)(struct kvm_ext_vm *vm);
	const struct kvm_ext_hpt_backend *hpt_backend;
	struct kvm_ext_hptes *hptes;
	u8 leaf_level[KVM_MAX_VCPUS];
	DECLARE_BITMAP(only_read, KVM_MAX_VCPUS);
	bool single_pages;
	struct kvm_ext_pins pins;
	struct xarray vcpus;
	struct kvm_ext_flush_debug debug;
};

/* kvm-hv's own operations, as they were before we replaced members. */
extern struct kvmppc_ops kvm_ext_stock;

/* Parameters, see main.c. Constant once the module is attached, but for paging. */
extern bool kvm_ext_areas;
extern bool kvm_ext_dirty_log;
extern bool kvm_ext_notifiers;
extern bool kvm_ext_nested;
extern bool kvm_ext_paging;
extern uint kvm_ext_flush_ceiling;

/**
 * kvm_ext_attach() - take hold of kvm-hv
 *
 * All or nothing: redirects are placed and members of the operations table
 * replaced, or an error is returned, its reason logged, and nothing changed.
 *
 * Context: module load, may sleep.
 * Return: 0; -ENODEV if kvm-hv is not loaded; -EBUSY if another module has
 * replaced a member or holds a function; errors of kvm_ext_redirect_register().
 */
int kvm_ext_attach(void);

/**
 * kvm_ext_detach() - give kvm-hv back exactly as it was
 *
 * After return no CPU runs text of this module on behalf of kvm-hv.
 *
 * Context: module unload, when no VM of ours is left; may sleep.
 */
void kvm_ext_detach(void);

/**
 * kvm_ext_vm_find() - look a VM up
 * @kvm:	any pointer; compared, not followed
 *
 * Context: any; notrace, for predicates of redirects.
 * Return: our part of the VM, or NULL if it is not ours. It stays valid inside
 * an operation on @kvm: a VM is in the table as long as operations on it run.
 */
struct kvm_ext_vm *kvm_ext_vm_find(const struct kvm *kvm);

/**
 * kvm_ext_vm_init() - prepare our part of a VM
 * @vm:		zeroed memory
 * @kvm:	the VM
 *
 * Context: may sleep. kvm_ext_vm_release() undoes it.
 * Return: 0 or -ENOMEM.
 */
int kvm_ext_vm_init(struct kvm_ext_vm *vm, struct kvm *kvm);

/**
 * kvm_ext_vm_release() - free what kvm_ext_vm_init() and use have allocated
 * @vm:		our part of a VM nobody else uses any more
 */
void kvm_ext_vm_release(struct kvm_ext_vm *vm);

/**
 * kvm_ext_vm_publish() - from now on kvm_ext_vm_find() finds a VM
 * @vm:		our part of it, prepared
 */
void kvm_ext_vm_publish(struct kvm_ext_vm *vm);

/**
 * kvm_ext_vm_unpublish() - from now on it does not
 * @vm:		our part of the VM; an RCU grace period must pass before it is freed
 */
void kvm_ext_vm_unpublish(struct kvm_ext_vm *vm);

/* The rows of the table of redirects in attach.c. */
enum kvm_ext_redirected {
	KVM_EXT_SELF_TEST,
	KVM_EXT_FREE_RADIX,
	KVM_EXT_H_REGISTER_VPA,
	KVM_EXT_UPDATE_VPAS,
	KVM_EXT_INSTANTIATE_PAGE,
	KVM_EXT_CREATE_PTE,
	KVM_EXT_FLUSH_MEMSLOT,
	KVM_EXT_CHECK_EXTENSION,
	KVM_EXT_ENABLE_CAP,
	KVM_EXT_H_ENTER,
	KVM_EXT_HPT_FAULT,
	KVM_EXT_INSERT_RMAP,
	KVM_EXT_REMOVE_RMAP,
	KVM_EXT_UPDATE_RMAP_RC,
	KVM_EXT_NESTED_SET_RC,
	KVM_EXT_UNMAP_PTE,
	KVM_EXT_FREE_PGTABLE,
	KVM_EXT_RELEASE_NESTED,
	KVM_EXT_NESTED_TLBIE,
};

/**
 * kvm_ext_original() - kvm_ext_redirect_original() by row
 * @which:	row whose replacement is running
 *
 * Return: the stock function, or NULL.
 */
void *kvm_ext_original(enum kvm_ext_redirected which);

/* Entry stubs of the redirects (redirect_stub.S), and what they call. */
void kvm_ext_stub_self_test(void);
void kvm_ext_stub_free_radix(void);
void kvm_ext_stub_h_register_vpa(void);
void kvm_ext_stub_update_areas(void);
void kvm_ext_stub_instantiate_page(void);
void kvm_ext_stub_flush_memslot(void);
void kvm_ext_stub_check_manual(void);
void kvm_ext_stub_enable_manual(void);
void kvm_ext_stub_h_enter(void);
void kvm_ext_stub_hpt_page_fault(void);
void kvm_ext_stub_insert_nest_rmap(void);
void kvm_ext_stub_remove_nest_rmap(void);
void kvm_ext_stub_update_nest_rmap_rc(void);
void kvm_ext_stub_nested_set_rc(void);
void kvm_ext_stub_unmap_shadow_pte(void);
void kvm_ext_stub_free_shadow_table(void);
void kvm_ext_stub_release_all_nested(void);
void kvm_ext_stub_nested_tlbie_all(void);

bool kvm_ext_self_test(void);
bool kvm_ext_self_test_redirected(void);
void kvm_ext_free_radix(struct kvm *kvm);

#endif /* KVM_EXT_ATTACH_H */
