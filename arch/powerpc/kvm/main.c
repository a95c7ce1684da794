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
#include <asm/cputable.h>
#include <asm/firmware.h>
#include <asm/kvm_ppc.h>

#include "attach.h"
#include "compat.h"
#include "params.h"
#include "radix_flush.h"

bool kvm_ext_areas = true;
module_param_named(areas, kvm_ext_areas, bool, 0444);
MODULE_PARM_DESC(areas, "Own the areas that guests share with the host: VPA, SLB shadow, DTL (default 1; 0: leave them to kvm-hv)");

bool kvm_ext_dirty_log = true;
module_param_named(dirty_log, kvm_ext_dirty_log, bool, 0444);
MODULE_PARM_DESC(dirty_log, "Collect the dirty log (default 1; 0: leave it to kvm-hv)");

bool kvm_ext_notifiers = true;
module_param_named(notifiers, kvm_ext_notifiers, bool, 0444);
MODULE_PARM_DESC(notifiers, "Serve MMU notifiers, and keep mappings of guests inside their memslots (default 1; 0: leave both to kvm-hv)");

bool kvm_ext_nested = true;
module_param_named(nested, kvm_ext_nested, bool, 0444);
MODULE_PARM_DESC(nested, "Own the reverse map of nested guests and what is done to their shadow tables (default 1; 0: leave both to kvm-hv)");

bool kvm_ext_paging = true;

/*
 * Without our notifiers pages could not be kept where they are; and on POWER8 the
 * guest maps pages in real mode, past everything that could pin them.
 */
static bool paging_possible(bool paging)
{
	return paging || (kvm_ext_notifiers && cpu_has_feature(CPU_FTR_ARCH_300));
}

static int set_paging(const char *val, const struct kernel_param *kp)
{
	bool paging;
	int err = kstrtobool(val, &paging);

	if (!err && !paging_possible(paging))
		err = -EOPNOTSUPP;
	if (!err)
		WRITE_ONCE(kvm_ext_paging, paging);
	return err;
}

static const struct kernel_param_ops paging_ops = {
	.set = set_paging,
	.get = param_get_bool,
};

module_param_cb(paging, &paging_ops, &kvm_ext_paging, 0644);
MODULE_PARM_DESC(paging, "Let the host page memory of guests (default 1; 0: pin each page when it is first mapped, counted against RLIMIT_MEMLOCK); read when a VM is created");

uint kvm_ext_flush_ceiling;
module_param_named(flush_ceiling, kvm_ext_flush_ceiling, uint, 0444);
MODULE_PARM_DESC(flush_ceiling, "TLB invalidations in one go above which all of a guest is invalidated instead (default 0: what suits the machine)");

/*
 * kvm_hv_ext=off on the kernel command line, for a host that cannot be reached
 * otherwise. A module is not given the command line, but firmware passed it
 * in the device tree.
 */
static bool switched_off(void)
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

static int __init kvm_ext_init(void)
{
	int err;

	if (switched_off()) {
		pr_info("not loaded: kvm_hv_ext=off is on the kernel command line\n");
		return -EPERM;
	}

	if (kvm_ext_areas && kvm_ext_nested_v2()) {
		pr_info("areas=0: the hypervisor below owns them (nested API v2)\n");
		kvm_ext_areas = false;
	}
	/* KVM_PPC_SVM_OFF unpins areas in kvm-hv's way. */
	if (kvm_ext_areas && firmware_has_feature(FW_FEATURE_ULTRAVISOR)) {
		pr_info("areas=0: this machine can run secure guests\n");
		kvm_ext_areas = false;
	}

	if (!paging_possible(kvm_ext_paging)) {
		pr_err("paging=0 needs notifiers=1 and a POWER9 or later\n");
		return -EOPNOTSUPP;
	}

	kvm_ext_flush_probe(kvm_ext_flush_ceiling);

	err = kvm_ext_attach();
	if (err)
		return err;

	pr_info("virtual machines created from now on are ours: areas=%d dirty_log=%d notifiers=%d nested=%d paging=%d, invalidations by %s\n",
		kvm_ext_areas, kvm_ext_dirty_log, kvm_ext_notifiers, kvm_ext_nested,
		kvm_ext_paging, kvm_ext_flush_default->name);
	return 0;
}
module_init(kvm_ext_init);

static void __exit kvm_ext_exit(void)
{
	kvm_ext_detach();
	pr_info("kvm-hv is as it was\n");
}
module_exit(kvm_ext_exit);

MODULE_DESCRIPTION("Guest-memory tracking for KVM Book3S HV");
MODULE_AUTHOR("The kvm-hv-ext developers");
MODULE_LICENSE("GPL");
MODULE_VERSION("0.1.0");
MODULE_SOFTDEP("pre: kvm-hv");
