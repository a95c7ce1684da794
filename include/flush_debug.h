/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Debug builds: find missing TLB invalidations.
 *
 * A page is owed an invalidation from the time when its leaf is zapped or loses
 * R or C. The debt is paid when an invalidation that covers the page is issued.
 * Code that is about to rely on the cleared bits checks that all debts are
 * settled.
 */
#ifndef KHX_FLUSH_DEBUG_H
#define KHX_FLUSH_DEBUG_H

#include <linux/types.h>
#include <linux/xarray.h>

/**
 * struct khx_flush_debug - owed invalidations for all LPIDs of one VM
 * @owed:	one entry for each base page, indexed by LPID and page number
 * @blind:	an entry could not be allocated: the checks always succeed from
 *		then on
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
 * khx_flush_debug_owe() - a leaf was zapped or has lost bits
 * @d:		debts of the VM
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
 * @d:		debts of the VM
 * @lpid:	LPID of the translations
 * @start:	first guest real address
 * @end:	end of the range, exclusive; -1UL: no limit
 */
void khx_flush_debug_paid(struct khx_flush_debug *d, u64 lpid,
			  unsigned long start, unsigned long end);

/**
 * khx_flush_debug_settled() - warn if the VM owes any invalidation
 * @d:		debts of the VM
 *
 * Return: true if it owes none.
 */
bool khx_flush_debug_settled(struct khx_flush_debug *d);

/**
 * khx_flush_debug_settled_range() - warn if pages of one LPID are owed any
 * @d:		debts of the VM
 * @lpid:	the LPID
 * @start:	first guest real address
 * @end:	end of the range, exclusive
 *
 * Return: true if they are owed none.
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
