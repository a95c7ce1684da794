// SPDX-License-Identifier: GPL-2.0
/*
 * Counts calls of one function of the kernel or of a loaded module. The
 * function need not be traceable by ftrace.
 */
#include <linux/kprobes.h>
#include <linux/module.h>

static char *function;
module_param(function, charp, 0444);
MODULE_PARM_DESC(function, "name of the function, [module:]symbol");

static atomic_long_t calls;

static int get_calls(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(&calls));
}

static const struct kernel_param_ops calls_ops = { .get = get_calls };

module_param_cb(calls, &calls_ops, NULL, 0444);
MODULE_PARM_DESC(calls, "number of calls so far");

static int count(struct kprobe *p, struct pt_regs *regs)
{
	atomic_long_inc(&calls);
	return 0;
}

static struct kprobe probe = { .pre_handler = count };

static int __init calls_init(void)
{
	if (!function)
		return -EINVAL;
	probe.symbol_name = function;
	return register_kprobe(&probe);
}
module_init(calls_init);

static void __exit calls_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(calls_exit);

MODULE_DESCRIPTION("Counts calls of a function, for tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
