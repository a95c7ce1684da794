// SPDX-License-Identifier: GPL-2.0
/*
 * Loading and unloading, and the parameters.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/ctype.h>
#include <linux/kstrtox.h>
#include <linux/kvm_host.h>
#include <linux/module.h>
#include <linux/of.h>
#include <linux/utsname.h>
#include <asm/cputable.h>
#include <asm/firmware.h>
#include <asm/kvm_ppc.h>

#include "attach.h"
#include "compat.h"
#include "kunit.h"
#include "params.h"
#include "radix_flush.h"

struct khx_params khx_param = {
	.areas = true,
	.dirty_log = true,
	.notifiers = true,
	.nested = true,
	.paging = true,
};
EXPORT_SYMBOL_IF_KUNIT(khx_param);

module_param_named(areas, khx_param.areas, bool, 0444);
MODULE_PARM_DESC(areas, "Track the areas that guests share with the host: VPA, SLB shadow, DTL (default 1; 0: leave them to kvm-hv)");

module_param_named(dirty_log, khx_param.dirty_log, bool, 0444);
MODULE_PARM_DESC(dirty_log, "Collect the dirty log (default 1; 0: leave it to kvm-hv)");

module_param_named(notifiers, khx_param.notifiers, bool, 0444);
MODULE_PARM_DESC(notifiers, "Serve MMU notifiers and page faults of HPT guests (default 1; 0: leave both to kvm-hv)");

module_param_named(nested, khx_param.nested, bool, 0444);
MODULE_PARM_DESC(nested, "Keep the reverse map and the shadow tables of nested guests (default 1; 0: leave both to kvm-hv)");

/*
 * With kvm-hv's notifiers pinned pages would be unmapped; and on POWER8 the guest
 * maps pages in real mode, where the module cannot pin them.
 */
static bool param_paging_possible(bool paging)
{
	return paging || (khx_param.notifiers && cpu_has_feature(CPU_FTR_ARCH_300));
}

static int param_set_paging(const char *val, const struct kernel_param *kp)
{
	bool paging;
	int err = kstrtobool(val, &paging);

	if (!err && !param_paging_possible(paging))
		err = -EOPNOTSUPP;
	if (!err)
		WRITE_ONCE(khx_param.paging, paging);
	return err;
}

static const struct kernel_param_ops paging_ops = {
	.set = param_set_paging,
	.get = param_get_bool,
};

module_param_cb(paging, &paging_ops, &khx_param.paging, 0644);
MODULE_PARM_DESC(paging, "Let the host page memory of guests (default 1; 0: pin each page when it is first mapped, counted against RLIMIT_MEMLOCK); read when a VM is created");

module_param_named(flush_ceiling, khx_param.flush_ceiling, uint, 0444);
MODULE_PARM_DESC(flush_ceiling, "Number of TLB invalidations above which the whole LPID is invalidated instead (default 0: depends on the machine)");

/*
 * kvm_hv_ext=off on the kernel command line, for a host that cannot be reached
 * otherwise. A module is not given the command line, but firmware passed it
 * in the device tree.
 */
static bool khx_switched_off(void)
{
	static const char word[] = "kvm_hv_ext=off";
	const char *args, *p;

	if (!of_chosen || of_property_read_string(of_chosen, "bootargs", &args))
		return false;

	for (p = args; (p = strstr(p, word)); p += strlen(word)) {
		char after = p[strlen(word)];

		if ((p == args || isspace(p[-1])) && (!after || isspace(after)))
			return true;
	}
	return false;
}

static int __init khx_init(void)
{
	int err;

	if (khx_switched_off()) {
		pr_info("not loaded: kvm_hv_ext=off is on the kernel command line\n");
		return -EPERM;
	}

	/* KVM_PPC_SVM_OFF unpins areas in kvm-hv's way. */
	if (khx_param.areas && firmware_has_feature(FW_FEATURE_ULTRAVISOR)) {
		pr_info("areas=0: this machine can run secure guests\n");
		khx_param.areas = false;
	}

	if (!param_paging_possible(khx_param.paging)) {
		pr_err("paging=0 needs notifiers=1 and a POWER9 or later\n");
		return -EOPNOTSUPP;
	}

	khx_flush_probe(khx_param.flush_ceiling);

	err = khx_attach();
	if (err)
		return err;

	if (!khx_kernel_is_tested())
		pr_info("Linux %s is not among the tested kernels (%s), but has all that is needed\n",
			init_utsname()->release, KHX_TESTED_KERNELS);
	pr_info("tracking VMs created from now on (areas=%d dirty_log=%d notifiers=%d nested=%d paging=%d; TLB invalidations by %s)\n",
		khx_param.areas, khx_param.dirty_log, khx_param.notifiers, khx_param.nested,
		khx_param.paging, khx_flush_default->name);
	return 0;
}
module_init(khx_init);

static void __exit khx_exit(void)
{
	khx_detach();
	pr_info("detached from kvm-hv\n");
}
module_exit(khx_exit);

MODULE_DESCRIPTION("Guest-memory tracking for KVM Book3S HV");
MODULE_AUTHOR("The kvm-hv-ext developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.2.0");
MODULE_SOFTDEP("pre: kvm-hv");
