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

int khx_vm_init(struct khx_vm *vm, struct kvm *kvm)
{
	unsigned int i;

	if (khx_hpt_guests_possible()) {
		vm->hptes = kvzalloc(sizeof(*vm->hptes), GFP_KERNEL_ACCOUNT);
		if (!vm->hptes)
			return -ENOMEM;
	}
	vm->hpt_backend = khx_hpt_flush_default();
	vm->kvm = kvm;
	if (khx_pins_init(&vm->pins, READ_ONCE(khx_param.paging) ? NULL : kvm->mm)) {
		kvfree(vm->hptes);
		return -ENOMEM;
	}
	xa_init(&vm->vcpus);
	xa_init_flags(&vm->area_pages, XA_FLAGS_ACCOUNT);
	khx_rmap_init(&vm->rmap);
	mutex_init(&vm->spare_lock);
	vm->more_tables = khx_spare_fill;
	khx_hpt_life_init(&vm->hpt_life);
	vm->flusher.backend = khx_flush_default;
	vm->flusher.debug = &vm->debug;
	vm->flusher.pid = task_pid_nr(current);
	khx_flush_init(&vm->flush, &vm->flusher);
	khx_flush_init(&vm->notifier_flush, &vm->flusher);
	for (i = 0; i < KHX_NESTED_FLUSHES; i++)
		khx_flush_init(&vm->nested[i], &vm->flusher);
	khx_flush_debug_init(&vm->debug);
	return 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_init);

void khx_vm_release(struct khx_vm *vm)
{
	WARN_ON_ONCE(!xa_empty(&vm->vcpus));
	xa_destroy(&vm->area_pages);
	WARN_ON_ONCE(vm->rmap.entries || vm->rmap.nodes);
	kvfree(vm->spare_root);
	khx_spare_free(vm);
	khx_pin_release(vm, 0, ULONG_MAX);
	kvfree(vm->pins.run_error);
	khx_flush_debug_destroy(&vm->debug);
	kvfree(vm->hptes);
}
EXPORT_SYMBOL_IF_KUNIT(khx_vm_release);

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
