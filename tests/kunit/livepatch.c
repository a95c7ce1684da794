// SPDX-License-Identifier: GPL-2.0
/*
 * A live patch of a function that the module redirects: tests check that the
 * module then refuses to load.
 */
#include <linux/livepatch.h>
#include <linux/module.h>

struct kvm;

/* Leaks the table: no VM may end while the patch is applied. */
static void held_free_radix(struct kvm *kvm)
{
}

static struct klp_func funcs[] = {
	{ .old_name = "kvmppc_free_radix", .new_func = held_free_radix },
	{}
};

static struct klp_object objs[] = {
	{ .name = "kvm_hv", .funcs = funcs },
	{}
};

static struct klp_patch patch = {
	.mod = THIS_MODULE,
	.objs = objs,
};

static int __init livepatch_init(void)
{
	return klp_enable_patch(&patch);
}
module_init(livepatch_init);

static void __exit livepatch_exit(void)
{
}
module_exit(livepatch_exit);

MODULE_DESCRIPTION("Live patch of a function of kvm-hv, for tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
MODULE_INFO(livepatch, "Y");
