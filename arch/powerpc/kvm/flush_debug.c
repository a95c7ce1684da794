// SPDX-License-Identifier: GPL-2.0
/*
 * Debug builds: the account of cleared R and C bits and of the invalidations
 * that cover them.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/bug.h>
#include <linux/mm.h>

#include "flush_debug.h"
#include "kunit.h"

/* Guest real addresses have at most 52 bits, LPIDs 12. */
#define GPA_BITS	52
#define GPA_MASK	((1UL << GPA_BITS) - 1)
#define LPID_SHIFT	(GPA_BITS - PAGE_SHIFT)

static unsigned long index_of(u64 lpid, unsigned long gpa)
{
	return (lpid & 0xfff) << LPID_SHIFT | gpa >> PAGE_SHIFT;
}

void kvm_ext_flush_debug_init(struct kvm_ext_flush_debug *d)
{
	xa_init(&d->owed);
	d->blind = false;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_debug_init);

void kvm_ext_flush_debug_destroy(struct kvm_ext_flush_debug *d)
{
	xa_destroy(&d->owed);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_debug_destroy);

void kvm_ext_flush_debug_owe(struct kvm_ext_flush_debug *d, u64 lpid,
			     unsigned long gpa, unsigned int shift)
{
	unsigned long end = gpa + (1UL << shift);

	for (; gpa < end; gpa += PAGE_SIZE)
		if (xa_err(xa_store(&d->owed, index_of(lpid, gpa),
				    xa_mk_value(1), GFP_ATOMIC)))
			d->blind = true;
}

void kvm_ext_flush_debug_paid(struct kvm_ext_flush_debug *d, u64 lpid,
			      unsigned long start, unsigned long end)
{
	unsigned long first = index_of(lpid, start), index;
	unsigned long last = end == -1UL ? index_of(lpid, -PAGE_SIZE & GPA_MASK) :
					   index_of(lpid, end - 1);
	void *entry;

	xa_for_each_range(&d->owed, index, entry, first, last)
		xa_erase(&d->owed, index);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_debug_paid);

static bool settled(struct kvm_ext_flush_debug *d, unsigned long first,
		    unsigned long last)
{
	unsigned long index = first;

	if (d->blind || !xa_find(&d->owed, &index, last, XA_PRESENT))
		return true;

	WARN_ONCE(1, "LPID %lu page %#lx: a leaf was changed, and that is relied upon, but not flushed\n",
		  index >> LPID_SHIFT, index & ((1UL << LPID_SHIFT) - 1));
	return false;
}

bool kvm_ext_flush_debug_settled(struct kvm_ext_flush_debug *d)
{
	return settled(d, 0, ULONG_MAX);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_debug_settled);

bool kvm_ext_flush_debug_settled_range(struct kvm_ext_flush_debug *d, u64 lpid,
				       unsigned long start, unsigned long end)
{
	return settled(d, index_of(lpid, start), index_of(lpid, end - 1));
}
