// SPDX-License-Identifier: GPL-2.0
/*
 * Replaces a member of kvm-hv's operations table, as our module does, so that
 * ours can be seen to refuse. No VM is to be created meanwhile.
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

MODULE_DESCRIPTION("Holds a member of kvm-hv's operations, for tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
