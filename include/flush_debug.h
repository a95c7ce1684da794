/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Debug builds: each leaf that went, or lost its R or C bit, is owed a TLB invalidation,
 * until one is issued that covers it. Whoever is about to let others rely on
 * the cleared bit asks whether anything is still owed.
 */
#ifndef KHX_FLUSH_DEBUG_H
#define KHX_FLUSH_DEBUG_H

#include <linux/types.h>
#include <linux/xarray.h>

/**
 * struct khx_flush_debug - what is owed for the LPIDs of one VM
 * @owed:	one entry for each base page, indexed by LPID and page number
 * @blind:	an entry could not be allocated: nothing can be said any more
 */
struct khx_flush_debug {
#ifdef CONFIG_KVM_HV_EXT_DEBUG
	struct xarray owed;
	bool blind;
#endif
};

#ifdef CONFIG_KVM_HV_EXT_DEBUG

void khx_flush_debug_init(struct khx_flush_debug *d);
void khx_flush_debug_destroy(struct khx_flush_debug *d);

/**
 * khx_flush_debug_owe() - a bit was cleared in a leaf
 * @d:		the VM's account
 * @lpid:	LPID whose table the leaf is in
 * @gpa:	its guest real address in bytes
 * @shift:	log2 of its size
 *
 * Context: any, typically under kvm->mmu_lock.
 */
void khx_flush_debug_owe(struct khx_flush_debug *d, u64 lpid,
			 unsigned long gpa, unsigned int shift);

/**
 * khx_flush_debug_paid() - translations were invalidated
 * @d:		the VM's account
 * @lpid:	of this LPID
 * @start:	from this guest real address
 * @end:	up to but not including this one; -1UL: all
 */
void khx_flush_debug_paid(struct khx_flush_debug *d, u64 lpid,
			  unsigned long start, unsigned long end);

/**
 * khx_flush_debug_settled() - warn if anything is still owed
 * @d:		the VM's account
 *
 * Return: true if nothing is.
 */
bool khx_flush_debug_settled(struct khx_flush_debug *d);

/**
 * khx_flush_debug_settled_range() - the same for some pages of one LPID
 * @d:		the VM's account
 * @lpid:	the LPID
 * @start:	guest real address of the first page
 * @end:	guest real address behind the last page
 *
 * Return: true if nothing is owed for them.
 */
bool khx_flush_debug_settled_range(struct khx_flush_debug *d, u64 lpid,
				   unsigned long start, unsigned long end);

#else

static inline void khx_flush_debug_init(struct khx_flush_debug *d) { }
static inline void khx_flush_debug_destroy(struct khx_flush_debug *d) { }

static inline void khx_flush_debug_owe(struct khx_flush_debug *d, u64 lpid,
				       unsigned long gpa, unsigned int shift) { }

static inline void khx_flush_debug_paid(struct khx_flush_debug *d, u64 lpid,
					unsigned long start, unsigned long end) { }

static inline bool khx_flush_debug_settled(struct khx_flush_debug *d)
{
	return true;
}

static inline bool khx_flush_debug_settled_range(struct khx_flush_debug *d,
						 u64 lpid, unsigned long start,
						 unsigned long end)
{
	return true;
}

#endif

#endif /* KHX_FLUSH_DEBUG_H */
