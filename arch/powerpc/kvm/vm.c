// SPDX-License-Identifier: GPL-2.0
/*
 * The VMs that are ours, by address.
 */
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "compat.h"
#include "kunit.h"
#include "params.h"
#include "vm.h"

static DEFINE_HASHTABLE(vms, 7);
static DEFINE_SPINLOCK(vms_lock);

int kvm_ext_vm_init(struct kvm_ext_vm *vm, struct kvm *kvm)
{
	unsigned int i;

	if (kvm_ext_has_hpt_guests()) {
		vm->hptes = kvzalloc(sizeof(*vm->hptes), GFP_KERNEL_ACCOUNT);
		if (!vm->hptes)
			return -ENOMEM;
	}
	vm->hpt_backend = kvm_ext_hpt_default();
	vm->kvm = kvm;
	if (kvm_ext_pins_init(&vm->pins, READ_ONCE(kvm_ext_paging) ? NULL : kvm->mm)) {
		kvfree(vm->hptes);
		return -ENOMEM;
	}
	xa_init(&vm->vcpus);
	xa_init_flags(&vm->area_pages, XA_FLAGS_ACCOUNT);
	kvm_ext_rmap_init(&vm->rmap);
	mutex_init(&vm->spare_lock);
	vm->more_tables = kvm_ext_spare_tables;
	kvm_ext_hpt_life_init(&vm->hpt_life);
	vm->flusher.backend = kvm_ext_flush_default;
	vm->flusher.debug = &vm->debug;
	vm->flusher.pid = task_pid_nr(current);
	kvm_ext_flush_init(&vm->flush, &vm->flusher);
	kvm_ext_flush_init(&vm->notifier_flush, &vm->flusher);
	for (i = 0; i < KVM_EXT_NESTED_FLUSHES; i++)
		kvm_ext_flush_init(&vm->nested[i], &vm->flusher);
	kvm_ext_flush_debug_init(&vm->debug);
	return 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vm_init);

void kvm_ext_vm_release(struct kvm_ext_vm *vm)
{
	WARN_ON_ONCE(!xa_empty(&vm->vcpus));
	xa_destroy(&vm->area_pages);
	WARN_ON_ONCE(vm->rmap.entries || vm->rmap.nodes);
	kvfree(vm->spare_root);
	kvm_ext_free_spare(vm);
	kvm_ext_unpin(vm, 0, ULONG_MAX);
	kvfree(vm->pins.run_error);
	kvm_ext_flush_debug_destroy(&vm->debug);
	kvfree(vm->hptes);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vm_release);

void kvm_ext_vm_publish(struct kvm_ext_vm *vm)
{
	spin_lock(&vms_lock);
	hash_add_rcu(vms, &vm->node, (unsigned long)vm->kvm);
	spin_unlock(&vms_lock);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vm_publish);

void kvm_ext_vm_unpublish(struct kvm_ext_vm *vm)
{
	spin_lock(&vms_lock);
	hash_del_rcu(&vm->node);
	spin_unlock(&vms_lock);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vm_unpublish);

notrace struct kvm_ext_vm *kvm_ext_vm_find(const struct kvm *kvm)
{
	struct kvm_ext_vm *vm;

	/* An RCU read-side section (for others in the same bucket) of its own. */
	preempt_disable_notrace();
	hash_for_each_possible_rcu_notrace(vms, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm)
			break;
	preempt_enable_notrace();
	return vm;
}
