/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Debug builds: each leaf that went, or lost its R or C bit, is owed a TLB invalidation,
 * until one is issued that covers it. Whoever is about to let others rely on
 * the cleared bit asks whether anything is still owed.
 */
#ifndef KVM_EXT_FLUSH_DEBUG_H
#define KVM_EXT_FLUSH_DEBUG_H

#include <linux/types.h>
#include <linux/xarray.h>

/**
 * struct kvm_ext_flush_debug - what is owed for the LPIDs of one VM
 * @owed:	one entry for each base page, indexed by LPID and page number
 * @blind:	an entry could not be allocated: nothing can be said any more
 */
struct kvm_ext_flush_debug {
#ifdef CONFIG_KVM_HV_EXT_DEBUG
	struct xarray owed;
	bool blind;
#endif
};

#ifdef CONFIG_KVM_HV_EXT_DEBUG

void kvm_ext_flush_debug_init(struct kvm_ext_flush_debug *d);
void kvm_ext_flush_debug_destroy(struct kvm_ext_flush_debug *d);

/**
 * kvm_ext_flush_debug_owe() - a bit was cleared in a leaf
 * @d:		the VM's account
 * @lpid:	LPID whose table the leaf is in
 * @gpa:	its guest real address in bytes
 * @shift:	log2 of its size
 *
 * Context: any, typically under kvm->mmu_lock.
 */
void kvm_ext_flush_debug_owe(struct kvm_ext_flush_debug *d, u64 lpid,
			     unsigned long gpa, unsigned int shift);

/**
 * kvm_ext_flush_debug_paid() - translations were invalidated
 * @d:		the VM's account
 * @lpid:	of this LPID
 * @start:	from this guest real address
 * @end:	up to but not including this one; -1UL: all
 */
void kvm_ext_flush_debug_paid(struct kvm_ext_flush_debug *d, u64 lpid,
			      unsigned long start, unsigned long end);

/**
 * kvm_ext_flush_debug_settled() - warn if anything is still owed
 * @d:		the VM's account
 *
 * Return: true if nothing is.
 */
bool kvm_ext_flush_debug_settled(struct kvm_ext_flush_debug *d);

/**
 * kvm_ext_flush_debug_settled_range() - the same for some pages of one LPID
 * @d:		the VM's account
 * @lpid:	the LPID
 * @start:	guest real address of the first page
 * @end:	guest real address behind the last page
 *
 * Return: true if nothing is owed for them.
 */
bool kvm_ext_flush_debug_settled_range(struct kvm_ext_flush_debug *d, u64 lpid,
				       unsigned long start, unsigned long end);

#else

static inline void kvm_ext_flush_debug_init(struct kvm_ext_flush_debug *d) { }
static inline void kvm_ext_flush_debug_destroy(struct kvm_ext_flush_debug *d) { }

static inline void kvm_ext_flush_debug_owe(struct kvm_ext_flush_debug *d, u64 lpid,
					   unsigned long gpa, unsigned int shift) { }

static inline void kvm_ext_flush_debug_paid(struct kvm_ext_flush_debug *d, u64 lpid,
					    unsigned long start, unsigned long end) { }

static inline bool kvm_ext_flush_debug_settled(struct kvm_ext_flush_debug *d)
{
	return true;
}

static inline bool kvm_ext_flush_debug_settled_range(struct kvm_ext_flush_debug *d,
						     u64 lpid, unsigned long start,
						     unsigned long end)
{
	return true;
}

#endif

#endif /* KVM_EXT_FLUSH_DEBUG_H */
