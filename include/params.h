/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The parameters of the module. Constant once it is attached, but for paging.
 */
#ifndef KVM_EXT_PARAMS_H
#define KVM_EXT_PARAMS_H

#include <linux/types.h>

/* What each is for is said in main.c. */
extern bool kvm_ext_areas;
extern bool kvm_ext_dirty_log;
extern bool kvm_ext_notifiers;
extern bool kvm_ext_nested;
extern bool kvm_ext_paging;
extern uint kvm_ext_flush_ceiling;

#endif /* KVM_EXT_PARAMS_H */
