// SPDX-License-Identifier: GPL-2.0
/*
 * The table of tracked VMs, by address.
 */
#include <linux/hashtable.h>
#include <linux/slab.h>

#include "compat.h"
#include "kunit.h"
#include "params.h"
#include "vm.h"

static DEFINE_HASHTABLE(vms, 7);
static DEFINE_SPINLOCK(vms_lock);

int khx_vm_init(struct khx_vm *vm, struct kvm *kvm)
{
	int err;

	vm->kvm = kvm;
	xa_init(&vm->vcpus);
	vm->flusher.backend = khx_flush_default;
	vm->flusher.debug = &vm->debug;
	vm->flusher.pid = task_pid_nr(current);
	khx_flush_debug_init(&vm->debug);
	khx_radix_init(&vm->radix, &vm->flusher);
	khx_nested_init(&vm->nested, &vm->flusher);
	khx_areas_init(&vm->areas);
	khx_stats_init(&vm->stats);
	err = khx_hpt_init(&vm->hpt);
	if (err)
		return err;
	err = khx_pins_init(&vm->pins, READ_ONCE(khx_param.paging) ? NULL : kvm->mm);
	if (err)
		khx_hpt_destroy(&vm->hpt);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_init);

void khx_vm_release(struct khx_vm *vm)
{
	unsigned long index = 0;

	WARN_ON_ONCE(xa_find(&vm->vcpus, &index, ULONG_MAX, XA_PRESENT));
	/* a store that finds no memory leaves nodes without an entry */
	xa_destroy(&vm->vcpus);
	khx_pins_destroy(vm);
	khx_hpt_destroy(&vm->hpt);
	khx_areas_destroy(&vm->areas);
	khx_nested_destroy(&vm->nested);
	khx_spare_free(vm);
	khx_stats_destroy(&vm->stats);
	khx_flush_debug_destroy(&vm->debug);
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_release);

int khx_vcpu_create(struct khx_vm *vm, struct kvm_vcpu *vcpu)
{
	struct khx_vcpu *ext = kzalloc(sizeof(*ext), GFP_KERNEL_ACCOUNT);
	int err;

	if (!ext)
		return -ENOMEM;
	err = xa_insert(&vm->vcpus, (unsigned long)vcpu, ext, GFP_KERNEL_ACCOUNT);
	if (err)
		kfree(ext);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_vcpu_create);

void khx_vcpu_free(struct khx_vm *vm, struct kvm_vcpu *vcpu)
{
	kfree(xa_erase(&vm->vcpus, (unsigned long)vcpu));
}
EXPORT_SYMBOL_IF_KUNIT(khx_vcpu_free);

void khx_vm_publish(struct khx_vm *vm)
{
	spin_lock(&vms_lock);
	hash_add_rcu(vms, &vm->node, (unsigned long)vm->kvm);
	spin_unlock(&vms_lock);
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_publish);

void khx_vm_unpublish(struct khx_vm *vm)
{
	spin_lock(&vms_lock);
	hash_del_rcu(&vm->node);
	spin_unlock(&vms_lock);
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_unpublish);

notrace struct khx_vm *khx_vm_find(const struct kvm *kvm)
{
	struct khx_vm *vm;

	/* An RCU read-side section (for others in the same bucket) of its own. */
	preempt_disable_notrace();
	hash_for_each_possible_rcu_notrace(vms, vm, node, (unsigned long)kvm)
		if (vm->kvm == kvm)
			break;
	preempt_enable_notrace();
	return vm;
}
