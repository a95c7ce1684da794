// SPDX-License-Identifier: GPL-2.0
/*
 * Simulates a hypervisor that refuses to invalidate TLBs, or, with the nested API
 * v2, to be told where a vCPU's VPA is, or any hypercall that is named. The module
 * answers such hypercalls of this kernel itself: every n-th of the first kind, all
 * of the others. The hypervisor does not receive them.
 */
#include <linux/kallsyms.h>
#include <linux/kprobes.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/module.h>
#include <asm/firmware.h>
#include <asm/hvcall.h>
#include <asm/kvm_ppc.h>
#include <asm/plpar_wrappers.h>
#include <asm/tlbflush.h>
#ifdef H_GUEST_SET_STATE
#include <asm/guest-state-buffer.h>
#endif

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

static bool only_ours;
module_param(only_ours, bool, 0644);
MODULE_PARM_DESC(only_ours, "neither refuse nor count requests of other code than kvm-hv-ext's");

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

static noinline bool from_ours(const struct pt_regs *regs)
{
	char caller[KSYM_SYMBOL_LEN];

	sprint_symbol(caller, regs->link);
	return strstr(caller, "[kvm_hv_ext]");
}

static int answer(struct kprobe *p, struct pt_regs *regs)
{
	unsigned int n = READ_ONCE(every);

	if (!about_a_guest(regs) || (READ_ONCE(ranges) && about_all(regs)) ||
	    (READ_ONCE(only_ours) && !from_ours(regs)))
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

static bool nested_v2;
module_param(nested_v2, bool, 0444);
MODULE_PARM_DESC(nested_v2, "this kernel uses the nested API v2");

#ifdef H_GUEST_SET_STATE

static bool vpa;
module_param(vpa, bool, 0644);
MODULE_PARM_DESC(vpa, "refuse to be told where a VPA is");

/* Last address that the hypervisor was told of; all ones: none. */
static unsigned long told = -1UL;

static int get_references(char *buffer, const struct kernel_param *kp)
{
	unsigned long at = READ_ONCE(told);

	return sysfs_emit(buffer, "%d\n",
			  at == -1UL ? 0 : page_count(pfn_to_page(at >> PAGE_SHIFT)));
}

static const struct kernel_param_ops references_ops = { .get = get_references };

module_param_cb(references, &references_ops, NULL, 0444);
MODULE_PARM_DESC(references, "references on the page of the VPA that the hypervisor was told of");

static unsigned long hcall;
module_param(hcall, ulong, 0644);
MODULE_PARM_DESC(hcall, "refuse this hypercall always (default 0: none)");

/*
 * Does H_GUEST_SET_STATE tell of a VPA, and of which? r5 has flags, r6 guest, r7
 * vCPU, r8 and r9 the buffer.
 */
static bool about_vpa(const struct pt_regs *regs, u64 *at)
{
	const struct kvmppc_gs_header *buffer = __va(regs->gpr[8]);
	const struct kvmppc_gs_elem *first = (const void *)buffer->data;

	if (regs->gpr[3] != H_GUEST_SET_STATE || be32_to_cpu(buffer->nelems) != 1 ||
	    be16_to_cpu(first->iden) != KVMPPC_GSID_VPA)
		return false;
	*at = be64_to_cpup((const __be64 *)first->data);
	return true;
}

static int answer_nested_v2(struct kprobe *p, struct pt_regs *regs)
{
	bool refuse = regs->gpr[3] == READ_ONCE(hcall);
	u64 at;

	if (about_vpa(regs, &at)) {
		refuse |= READ_ONCE(vpa);
		if (!refuse)
			WRITE_ONCE(told, at);
	}
	if (!refuse)
		return 0;
	regs_set_return_value(regs, READ_ONCE(rc));
	regs_set_return_ip(regs, regs->link);
	return 1;
}

NOKPROBE_SYMBOL(about_vpa);
NOKPROBE_SYMBOL(answer_nested_v2);

static struct kprobe probe_nested_v2 = {
	.symbol_name = "plpar_hcall",
	.pre_handler = answer_nested_v2,
	.post_handler = after,
};

static int begin_nested_v2(void)
{
	nested_v2 = kvmhv_is_nestedv2();
	return nested_v2 ? register_kprobe(&probe_nested_v2) : 0;
}

static void end_nested_v2(void)
{
	if (nested_v2)
		unregister_kprobe(&probe_nested_v2);
}

#else

static int begin_nested_v2(void)
{
	return 0;
}

static void end_nested_v2(void)
{
}

#endif

static int __init refuse_init(void)
{
	int err;

	if (firmware_has_feature(FW_FEATURE_LPAR))
		below = plpar_hcall_norets(H_TLB_INVALIDATE, H_TLBIE_P1_ENC(2, 0, 1),
					   UNUSED_LPID, TLBIEL_INVAL_SET_LPID);
	err = register_kprobe(&probe);
	if (err)
		return err;
	err = begin_nested_v2();
	if (err)
		unregister_kprobe(&probe);
	return err;
}
module_init(refuse_init);

static void __exit refuse_exit(void)
{
	end_nested_v2();
	unregister_kprobe(&probe);
}
module_exit(refuse_exit);

MODULE_DESCRIPTION("Refuses some hypercalls, for the tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
