// SPDX-License-Identifier: GPL-2.0
/*
 * Shows if the CPUs run the code that memory holds. While one CPU patches a function,
 * by the kernel's own means, the others call it, and count the patches after which it
 * still ran as before. A CPU may do that until its next context
 * synchronizing instruction; here each executes one before each call. So a single such
 * call is a defect of the machine, in which ftrace, jump labels and kprobes cannot be
 * relied on. It runs while it is loaded, and reports to the kernel log.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/delay.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include <linux/ktime.h>
#include <linux/module.h>
#include <linux/random.h>
#include <linux/slab.h>
#include <asm/synch.h>

/* Calls of a CPU before it lets others run, and old ones before it looks again. */
#define CALLS_BEFORE_RESCHED	1000
#define OLD_CALLS_FOLLOWED	20000

static unsigned int seconds = 20;
module_param(seconds, uint, 0444);
MODULE_PARM_DESC(seconds, "how long to patch (default 20)");

static DEFINE_STATIC_KEY_FALSE(key);

/* Odd while the function is patched; bit 1 is what it returns afterwards. */
static unsigned long patches;

static atomic_long_t calls, passed_over;

static noinline bool patched_function(void)
{
	return static_branch_unlikely(&key);
}

/* Call the function again until it runs as patched; count patches that are passed over. */
static void follow_old(unsigned long seen, unsigned long *counted)
{
	const u32 *code = (const u32 *)patched_function;
	bool want = seen & 2;
	unsigned int again = 0;

	while (again < OLD_CALLS_FOLLOWED && READ_ONCE(patches) == seen &&
	       patched_function() != want)
		again++;
	if (*counted == seen)
		return;
	*counted = seen;
	atomic_long_inc(&passed_over);
	pr_info_ratelimited("CPU %d: patch %lu: %u more calls ran as before it; memory holds %08x %08x %08x %08x\n",
			    raw_smp_processor_id(), seen / 2, again, code[0], code[1], code[2],
			    code[3]);
}

static int call(void *unused)
{
	unsigned long counted = 0, seen, i;
	bool got;

	while (!kthread_should_stop()) {
		for (i = 0; i < CALLS_BEFORE_RESCHED; i++) {
			seen = READ_ONCE(patches);
			/* the call comes after the first reading */
			smp_mb();
			isync();
			got = patched_function();
			/* the second reading comes after the call */
			smp_mb();
			if (seen & 1 || READ_ONCE(patches) != seen)
				continue;
			atomic_long_inc(&calls);
			if (got != !!(seen & 2))
				follow_old(seen, &counted);
		}
		cond_resched();
	}
	return 0;
}

static void patch(void)
{
	ktime_t end = ktime_add_ms(ktime_get(), seconds * MSEC_PER_SEC);

	while (ktime_before(ktime_get(), end)) {
		/* no caller may take what it runs from here on for the old or the new code */
		smp_store_mb(patches, patches + 1);
		if (patches & 2)
			static_branch_disable(&key);
		else
			static_branch_enable(&key);
		/* a caller that sees an even number sees the whole patch */
		smp_mb();
		WRITE_ONCE(patches, patches + 1);
		usleep_range(20, 20 + get_random_u32() % 400);
	}
}

static int __init patched_init(void)
{
	struct task_struct **caller;
	int cpu, err = 0, n = 0;

	caller = kcalloc(num_possible_cpus(), sizeof(*caller), GFP_KERNEL);
	if (!caller)
		return -ENOMEM;

	/* the first CPU is left to the patches, which would get no time beside callers */
	for_each_online_cpu(cpu) {
		if (cpu == cpumask_first(cpu_online_mask))
			continue;
		caller[n] = kthread_create(call, NULL, "patched/%d", cpu);
		if (IS_ERR(caller[n])) {
			err = PTR_ERR(caller[n]);
			break;
		}
		kthread_bind(caller[n], cpu);
		wake_up_process(caller[n++]);
	}
	if (!n)
		err = err ?: -ENODEV;
	if (!err)
		patch();
	while (n--)
		kthread_stop(caller[n]);
	kfree(caller);
	if (!err)
		pr_info("%lu patches, %ld of them passed over; %ld calls\n", patches / 2,
			atomic_long_read(&passed_over), atomic_long_read(&calls));
	return err;
}
module_init(patched_init);

static void __exit patched_exit(void)
{
}
module_exit(patched_exit);

MODULE_DESCRIPTION("Shows if CPUs run the code that memory holds");
MODULE_AUTHOR("The kvm-hv-ext developers");
MODULE_LICENSE("GPL");
