// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: who has it, and who has enabled it. What it
 * changes is where the flags are looked at, in kvm.ko for a log that begins with all
 * pages dirty, in dirty_log.c for the rest.
 */
#include <linux/kvm_host.h>

#include "compat.h"
#include "dirty_log.h"
#include "redirect.h"

#define FLAGS	(KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE | KVM_DIRTY_LOG_INITIALLY_SET)

int khx_hook_check_extension(struct kvm *kvm, long extension)
{
	return FLAGS;
}

int khx_hook_enable_cap(struct kvm *kvm, struct kvm_enable_cap *cap)
{
	u64 flags = cap->args[0];

	if (cap->flags || flags & ~FLAGS)
		return -EINVAL;
	if (flags && !(flags & KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE))
		return -EINVAL;
	kvm->manual_dirty_log_protect = flags;
	return 0;
}
