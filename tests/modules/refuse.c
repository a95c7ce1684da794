// SPDX-License-Identifier: GPL-2.0
/*
 * Simulates a hypervisor that refuses to invalidate TLBs. The module answers
 * every n-th hypercall by which this kernel invalidates translations of a
 * guest; the hypervisor does not receive it.
 */
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <asm/firmware.h>
#include <asm/hvcall.h>
#include <asm/kvm_ppc.h>
#include <asm/plpar_wrappers.h>
#include <asm/tlbflush.h>

/* An LPID that has no guest yet when the module is loaded. */
#define UNUSED_LPID	0xfff

static unsigned int every;
module_param(every, uint, 0644);
MODULE_PARM_DESC(every, "refuse every n-th request (default 0: none)");

static long rc = H_HARDWARE;
module_param(rc, long, 0644);
MODULE_PARM_DESC(rc, "return code of refused requests (default -1, H_HARDWARE)");

static bool ranges;
module_param(ranges, bool, 0644);
MODULE_PARM_DESC(ranges, "neither refuse nor count requests for a whole LPID");

static int get_count(char *buffer, const struct kernel_param *kp)
{
	return sysfs_emit(buffer, "%ld\n", atomic_long_read(kp->arg));
}

static const struct kernel_param_ops count_ops = { .get = get_count };

static atomic_long_t calls;
module_param_cb(calls, &count_ops, &calls, 0444);
MODULE_PARM_DESC(calls, "number of requests so far");

static atomic_long_t refused;
module_param_cb(refused, &count_ops, &refused, 0444);
MODULE_PARM_DESC(refused, "number of refused requests");

static atomic_long_t refused_whole;
module_param_cb(refused_whole, &count_ops, &refused_whole, 0444);
MODULE_PARM_DESC(refused_whole, "number of refused requests for a whole LPID");

static long below;
module_param(below, long, 0444);
MODULE_PARM_DESC(below, "return code of the hypervisor for a request at load");

/* The arguments of a hypercall start in r4. */
static bool about_a_guest(const struct pt_regs *regs)
{
	return regs->gpr[3] == H_TLB_INVALIDATE ||
	       (regs->gpr[3] == H_RPT_INVALIDATE && (regs->gpr[6] & H_RPTI_TYPE_NESTED));
}

static bool about_all(const struct pt_regs *regs)
{
	if (regs->gpr[3] == H_TLB_INVALIDATE)
		return regs->gpr[6] & TLBIEL_INVAL_SET_LPID;
	return regs->gpr[7] == H_RPTI_PAGE_ALL && !regs->gpr[8] && regs->gpr[9] == -1UL;
}

static int answer(struct kprobe *p, struct pt_regs *regs)
{
	unsigned int n = READ_ONCE(every);

	if (!about_a_guest(regs) || (READ_ONCE(ranges) && about_all(regs)))
		return 0;
	if (atomic_long_inc_return(&calls) % (n ?: 1) || !n)
		return 0;
	atomic_long_inc(&refused);
	if (about_all(regs))
		atomic_long_inc(&refused_whole);
	regs_set_return_value(regs, READ_ONCE(rc));
	regs_set_return_ip(regs, regs->link);
	return 1;
}

NOKPROBE_SYMBOL(answer);

/*
 * A kprobe with a post_handler is not optimized, so the return value of
 * answer() takes effect.
 */
static void after(struct kprobe *p, struct pt_regs *regs, unsigned long flags)
{
}

static struct kprobe probe = {
	.symbol_name = "plpar_hcall_norets",
	.pre_handler = answer,
	.post_handler = after,
};

static int __init refuse_init(void)
{
	if (firmware_has_feature(FW_FEATURE_LPAR))
		below = plpar_hcall_norets(H_TLB_INVALIDATE, H_TLBIE_P1_ENC(2, 0, 1),
					   UNUSED_LPID, TLBIEL_INVAL_SET_LPID);
	return register_kprobe(&probe);
}
module_init(refuse_init);

static void __exit refuse_exit(void)
{
	unregister_kprobe(&probe);
}
module_exit(refuse_exit);

MODULE_DESCRIPTION("Refuses TLB invalidations, for the tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
