/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels supported (6.1 and 6.12), and the refusal
 * of those that are not. No other file asks for a kernel version.
 */
#ifndef KVM_EXT_COMPAT_H
#define KVM_EXT_COMPAT_H

#include <linux/version.h>

/* Major and minor number, to be compared with KERNEL_VERSION(a, b, 0) >> 8. */
#define kvm_ext_kernel	(LINUX_VERSION_CODE >> 8)

#if kvm_ext_kernel != KERNEL_VERSION(6, 1, 0) >> 8 && \
	kvm_ext_kernel != KERNEL_VERSION(6, 12, 0) >> 8
#error "kvm-hv-ext supports Linux 6.1 and 6.12: its hooks were checked there only."
#endif

#if !IS_ENABLED(CONFIG_KVM_BOOK3S_64_HV)
#error "kvm-hv-ext extends kvm-hv: CONFIG_KVM_BOOK3S_64_HV is needed."
#endif

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "kvm-hv-ext redirects functions: CONFIG_DYNAMIC_FTRACE_WITH_REGS is needed."
#endif

/*
 * As guests of a hypervisor with the nested API v2 (6.7 and later), vCPU state
 * lives in that hypervisor, which must be told of the VPA (asm/kvm_ppc.h).
 */
#if kvm_ext_kernel == KERNEL_VERSION(6, 1, 0) >> 8
#define kvm_ext_nested_v2()	false
#else
#define kvm_ext_nested_v2()	kvmhv_is_nestedv2()
#endif

/*
 * That a host PTE is about to name another page is an operation of its own on
 * 6.1; later kernels unmap.
 */
#define KVM_EXT_HAS_SET_SPTE_GFN	(kvm_ext_kernel == KERNEL_VERSION(6, 1, 0) >> 8)

/* The first 6.1 kernels have no cleanup attribute. */
#ifndef __cleanup
#define __cleanup(func)	__attribute__((__cleanup__(func)))
#endif

#endif /* KVM_EXT_COMPAT_H */
