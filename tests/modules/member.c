// SPDX-License-Identifier: GPL-2.0
/*
 * Replaces a member of kvm-hv's operations table, as kvm-hv-ext does: tests
 * check that kvm-hv-ext then refuses to load. No VM can be created while this
 * module is loaded.
 */
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <asm/kvm_ppc.h>

static struct kvmppc_ops *ops;
static int (*original)(struct kvm *kvm);

static int held_init_vm(struct kvm *kvm)
{
	return -EBUSY;
}

static int __init member_init(void)
{
	ops = kvmppc_hv_ops;
	if (!ops || !try_module_get(ops->owner))
		return -ENODEV;
	original = ops->init_vm;
	ops->init_vm = held_init_vm;
	return 0;
}
module_init(member_init);

static void __exit member_exit(void)
{
	ops->init_vm = original;
	module_put(ops->owner);
}
module_exit(member_exit);

MODULE_DESCRIPTION("Replaces a member of kvm-hv's operations, for tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
