// SPDX-License-Identifier: GPL-2.0
/*
 * Debug builds: record zapped leaves and cleared R and C bits until an
 * invalidation covers them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/mm.h>

#include "flush_debug.h"
#include "kunit.h"

/* Guest real addresses have at most 52 bits, LPIDs 12. */
#define FLUSH_DEBUG_GPA_BITS	52
#define FLUSH_DEBUG_GPA_MASK	((1UL << FLUSH_DEBUG_GPA_BITS) - 1)
#define FLUSH_DEBUG_LPID_SHIFT	(FLUSH_DEBUG_GPA_BITS - PAGE_SHIFT)

static unsigned long flush_debug_index(u64 lpid, unsigned long gpa)
{
	return (lpid & 0xfff) << FLUSH_DEBUG_LPID_SHIFT | gpa >> PAGE_SHIFT;
}

void khx_flush_debug_init(struct khx_flush_debug *d)
{
	xa_init(&d->owed);
	d->blind = false;
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_debug_init);

void khx_flush_debug_destroy(struct khx_flush_debug *d)
{
	xa_destroy(&d->owed);
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_debug_destroy);

void khx_flush_debug_owe(struct khx_flush_debug *d, u64 lpid,
			 unsigned long gpa, unsigned int shift)
{
	unsigned long end = gpa + (1UL << shift);

	for (; gpa < end; gpa += PAGE_SIZE)
		if (xa_err(xa_store(&d->owed, flush_debug_index(lpid, gpa),
				    xa_mk_value(1), GFP_ATOMIC)))
			d->blind = true;
}

void khx_flush_debug_paid(struct khx_flush_debug *d, u64 lpid,
			  unsigned long start, unsigned long end)
{
	unsigned long first = flush_debug_index(lpid, start), index, last;
	void *entry;

	last = flush_debug_index(lpid, end == -1UL ? FLUSH_DEBUG_GPA_MASK : end - 1);

	xa_for_each_range(&d->owed, index, entry, first, last)
		xa_erase(&d->owed, index);
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_debug_paid);

static bool flush_debug_range_settled(struct khx_flush_debug *d, unsigned long first,
				      unsigned long last)
{
	unsigned long index = first;

	if (d->blind || !xa_find(&d->owed, &index, last, XA_PRESENT))
		return true;

	WARN_ONCE(1, "LPID %lu page %#lx: leaf changed without TLB flush\n",
		  index >> FLUSH_DEBUG_LPID_SHIFT, index & ((1UL << FLUSH_DEBUG_LPID_SHIFT) - 1));
	return false;
}

bool khx_flush_debug_settled(struct khx_flush_debug *d)
{
	return flush_debug_range_settled(d, 0, ULONG_MAX);
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_debug_settled);

bool khx_flush_debug_settled_range(struct khx_flush_debug *d, u64 lpid,
				   unsigned long start, unsigned long end)
{
	return flush_debug_range_settled(d, flush_debug_index(lpid, start),
					 flush_debug_index(lpid, end - 1));
}
