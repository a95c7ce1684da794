/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What differs between the kernels supported (6.1 and 6.12), and the refusal
 * of those that are not. No other file asks for a kernel version.
 */
#ifndef KHX_COMPAT_H
#define KHX_COMPAT_H

#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/version.h>
#include <asm/kvm_ppc.h>

/* Major and minor number, to be compared with KERNEL_VERSION(a, b, 0) >> 8. */
#define khx_kernel	(LINUX_VERSION_CODE >> 8)

#if khx_kernel != KERNEL_VERSION(6, 1, 0) >> 8 && \
	khx_kernel != KERNEL_VERSION(6, 12, 0) >> 8
#error "kvm-hv-ext supports Linux 6.1 and 6.12: its hooks were checked there only."
#endif

#if !IS_ENABLED(CONFIG_KVM_BOOK3S_64_HV)
#error "kvm-hv-ext extends kvm-hv: CONFIG_KVM_BOOK3S_64_HV is needed."
#endif

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_REGS
#error "kvm-hv-ext redirects functions: CONFIG_DYNAMIC_FTRACE_WITH_REGS is needed."
#endif

#ifndef CONFIG_KPROBES
#error "kvm-hv-ext finds functions by kprobes: CONFIG_KPROBES is needed."
#endif

/*
 * Without LIVEPATCH an out-of-line entry leaves the return address where the stub does
 * not look for it; and without a TOC there is none for it to derive.
 */
#if defined(CONFIG_PPC_FTRACE_OUT_OF_LINE) && !defined(CONFIG_LIVEPATCH_64)
#error "kvm-hv-ext has no entry stub for CONFIG_PPC_FTRACE_OUT_OF_LINE without CONFIG_LIVEPATCH_64."
#endif

#ifdef CONFIG_PPC_KERNEL_PCREL
#error "kvm-hv-ext has no entry stub for kernels without a TOC (CONFIG_PPC_KERNEL_PCREL)."
#endif

/*
 * As guests of a hypervisor with the nested API v2 (6.7 and later), vCPU state
 * lives in that hypervisor, which must be told of the VPA (asm/kvm_ppc.h).
 */
#if khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8
#define khx_nested_v2()	false
#else
#define khx_nested_v2()	kvmhv_is_nestedv2()
#endif

/*
 * Is memory of a range that the page belongs to being invalidated, or was any of the
 * guest's since @seq? The range is kept in host or in guest addresses. With
 * kvm->mmu_lock held.
 */
static inline bool khx_invalidate_retry(struct kvm *kvm, unsigned long seq,
					unsigned long hva, gfn_t gfn)
{
#if khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8
	return mmu_invalidate_retry_hva(kvm, seq, hva);
#else
	return mmu_invalidate_retry_gfn(kvm, seq, gfn);
#endif
}

/*
 * The page of a memslot, held, after the host has faulted it in; or an error. To be let
 * go by put_page() if there is a struct page that is not reserved.
 */
static inline kvm_pfn_t khx_gfn_to_pfn(const struct kvm_memory_slot *slot, gfn_t gfn,
				       bool writing)
{
	bool writable;

#if khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8
	return __gfn_to_pfn_memslot(slot, gfn, false, NULL, writing, &writable, NULL);
#else
	return __gfn_to_pfn_memslot(slot, gfn, false, false, NULL, writing, &writable, NULL);
#endif
}

/*
 * The memslot of a page, or NULL. gfn_to_memslot() does the same, but only KVM's own
 * modules may call it since 6.18. With kvm->srcu or kvm->slots_lock held.
 */
static inline struct kvm_memory_slot *khx_memslot(struct kvm *kvm, gfn_t gfn)
{
	return __gfn_to_memslot(kvm_memslots(kvm), gfn);
}

/*
 * The vCPU that this task has loaded, or NULL; kvm_get_running_vcpu() is for KVM's own
 * modules too. Nobody but KVM registers preempt notifiers: one for each vCPU loaded.
 */
static inline struct kvm_vcpu *khx_running_vcpu(void)
{
	struct hlist_node *first = current->preempt_notifiers.first;

	return first ? container_of(first, struct kvm_vcpu, preempt_notifier.link) : NULL;
}

/*
 * That a host PTE is about to name another page is an operation of its own on
 * 6.1; later kernels unmap.
 */
#define KHX_HAS_SET_SPTE_GFN	(khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8)

/* kvmppc_update_vpa() hands what was pinned to its caller (6.12), or unpins it. */
#define KHX_UPDATE_VPA_HAS_OLD	(khx_kernel != KERNEL_VERSION(6, 1, 0) >> 8)

/* The type of an LPID in prototypes: 6.7 and later have guest ids of 64 bits. */
#if khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8
#define KHX_LPID	unsigned int
#else
#define KHX_LPID	u64
#endif

/*
 * Whose HPT a file of KVM_PPC_GET_HTAB_FD is about: the third word of its private data.
 * Where that is something else it is not the address of a VM, and is not followed.
 */
static inline const struct kvm *khx_htab_kvm(const void *private_data)
{
	return ((const struct kvm *const *)private_data)[2];
}

/* Types that are int or long. */
#define KHX_RESIZE_HPT_RET	typeof(kvm_vm_ioctl_resize_hpt_prepare(NULL, NULL))
#define KHX_VM_IOCTL_RET	typeof(((struct kvmppc_ops *)NULL)->arch_vm_ioctl(NULL, 0, 0))

/*
 * Before 6.2 hypercalls on HPTEs use memslots without kvm->srcu, but do not sleep.
 */
#define KHX_HPT_HCALLS_WITHOUT_SRCU	(khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8)

/* The first 6.1 kernels have no cleanup attribute. */
#ifndef __cleanup
#define __cleanup(func)	__attribute__((__cleanup__(func)))
#endif

#endif /* KHX_COMPAT_H */
