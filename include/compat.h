/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Differences between kernels, and #errors on those that the module cannot be
 * built for. Tests look at features, not versions: a distribution may have
 * backported changes of a later kernel.
 *
 * The compiler tells types apart. It cannot test for names in the kernel's
 * headers: Kbuild in this directory greps for them and defines KHX_HAS_...
 * Prototypes are compared where functions are replaced.
 */
#ifndef KHX_COMPAT_H
#define KHX_COMPAT_H

#include <linux/kvm_host.h>
#include <linux/sched.h>
#include <linux/version.h>
#include <asm/kvm_ppc.h>

/* Major and minor number; compare with KERNEL_VERSION(a, b, 0) >> 8. */
#define khx_kernel	(LINUX_VERSION_CODE >> 8)

/* Tests pass on these (README). On others the module logs at load that none ran. */
#define KHX_TESTED_KERNELS	"6.1, 6.12 and 7.2"
#define khx_kernel_is_tested()					\
	(khx_kernel == KERNEL_VERSION(6, 1, 0) >> 8 ||		\
	 khx_kernel == KERNEL_VERSION(6, 12, 0) >> 8 ||		\
	 khx_kernel == KERNEL_VERSION(7, 2, 0) >> 8)

#if !IS_ENABLED(CONFIG_KVM_BOOK3S_64_HV)
#error "kvm-hv-ext extends kvm-hv: CONFIG_KVM_BOOK3S_64_HV is needed."
#endif

#ifndef CONFIG_DYNAMIC_FTRACE_WITH_ARGS
#error "kvm-hv-ext redirects functions: CONFIG_DYNAMIC_FTRACE_WITH_ARGS is needed."
#endif

#ifndef CONFIG_KPROBES
#error "kvm-hv-ext finds functions by kprobes: CONFIG_KPROBES is needed."
#endif

/* The entry stub derives a TOC pointer, which such kernels do not have. */
#ifdef CONFIG_PPC_KERNEL_PCREL
#error "kvm-hv-ext has no entry stub for kernels without a TOC (CONFIG_PPC_KERNEL_PCREL)."
#endif

/*
 * What ftrace has saved of a call: r0, r3 to r10, NIP and LR; other registers
 * only if another tracer of the function asks for them.
 */
#ifdef arch_ftrace_regs
#define khx_ftrace_regs(fregs)	(&arch_ftrace_regs(fregs)->regs)
#else
#define khx_ftrace_regs(fregs)	(&(fregs)->regs)
#endif

/*
 * If this kernel is the guest of a hypervisor with the nested API v2 (6.7 and
 * later), that hypervisor holds the vCPU state, and must be told of the VPA
 * (asm/kvm_ppc.h). khx_set_nested_vpa() takes a real address, or ~0 for none, and
 * returns 0 or an error of the hypercall.
 */
#ifdef KHX_HAS_NESTED_V2
#define khx_nested_v2()		kvmhv_is_nestedv2()
#else
#define khx_nested_v2()		false
#endif

#ifdef KHX_HAS_SET_NESTED_VPA
#define khx_set_nested_vpa	kvmhv_nestedv2_set_vpa
#else
static inline int khx_set_nested_vpa(struct kvm_vcpu *vcpu, unsigned long at)
{
	return -EOPNOTSUPP;
}
#endif

/*
 * Is the page in a range that is being invalidated, or has any invalidation
 * happened in the VM since @seq? The kernel keeps the range in guest addresses
 * (6.9 and later) or in host addresses, as its type tells.
 */
static inline bool khx_invalidate_retry(const struct kvm *kvm, unsigned long seq,
					unsigned long hva, gfn_t gfn)
{
	u64 at = __same_type(kvm->mmu_invalidate_range_start, gfn_t) ? gfn : hva;

	lockdep_assert_held(&kvm->mmu_lock);

	return kvm->mmu_invalidate_seq != seq ||
	       (kvm->mmu_invalidate_in_progress && at >= kvm->mmu_invalidate_range_start &&
		at < kvm->mmu_invalidate_range_end);
}

/*
 * The memslot of a page, or NULL. Replaces gfn_to_memslot(), which since 6.18
 * is exported only to KVM's own modules. The caller holds kvm->srcu or
 * kvm->slots_lock.
 */
static inline struct kvm_memory_slot *khx_memslot(struct kvm *kvm, gfn_t gfn)
{
	return __gfn_to_memslot(kvm_memslots(kvm), gfn);
}

/*
 * The vCPU that this task has loaded, or NULL. Replaces kvm_get_running_vcpu(),
 * which is exported only to KVM's own modules as well. No other subsystem
 * registers preempt notifiers, and KVM registers one for each loaded vCPU.
 */
static inline struct kvm_vcpu *khx_running_vcpu(void)
{
	struct hlist_node *first = current->preempt_notifiers.first;

	return first ? container_of(first, struct kvm_vcpu, preempt_notifier.link) : NULL;
}

/*
 * Involuntary context switches of the task that last ran a vCPU. The kernel protects
 * the task's ID by a lock (6.13 and later) or by RCU.
 */
static inline unsigned long khx_vcpu_switches(struct kvm_vcpu *vcpu)
{
	struct task_struct *task;
	unsigned long switches;

	rcu_read_lock();
#ifdef KHX_HAS_PID_LOCK
	read_lock(&vcpu->pid_lock);
	task = pid_task(vcpu->pid, PIDTYPE_PID);
	read_unlock(&vcpu->pid_lock);
#else
	task = pid_task(rcu_dereference(vcpu->pid), PIDTYPE_PID);
#endif
	switches = task ? READ_ONCE(task->nivcsw) : 0;
	rcu_read_unlock();
	return switches;
}

/* The type of an LPID in prototypes: later kernels have 64-bit guest ids. */
#define KHX_LPID	typeof_member(struct kvm_arch, lpid)

/*
 * The VM of a KVM_PPC_GET_HTAB_FD file: the third word of its private data. If
 * the layout differs the word is not the address of a tracked VM; callers only
 * compare it, and never dereference it.
 */
static inline const struct kvm *khx_htab_kvm(const void *private_data)
{
	return ((const struct kvm *const *)private_data)[2];
}

/* Types that are int or long, depending on the kernel. */
#define KHX_RESIZE_HPT_RET	typeof(kvm_vm_ioctl_resize_hpt_prepare(NULL, NULL))
#define KHX_VM_IOCTL_RET	typeof(((struct kvmppc_ops *)NULL)->arch_vm_ioctl(NULL, 0, 0))

/*
 * Does kvmppc_update_vpa(), which no header declares, return what the caller
 * must unpin in its third argument? It does since it tells the hypervisor of
 * the VPA.
 */
#ifdef KHX_HAS_SET_NESTED_VPA
#define khx_update_vpa_has_old()	true
#else
#define khx_update_vpa_has_old()	false
#endif

/* Early 6.1 kernels have no cleanup attribute. */
#ifndef __cleanup
#define __cleanup(func)	__attribute__((__cleanup__(func)))
#endif

#endif /* KHX_COMPAT_H */
