// SPDX-License-Identifier: GPL-2.0
/*
 * A pass over leaves: the only place where one is changed.
 *
 * Which flush covers what was cleared. In a shadow PTE: one under its shadow
 * LPID before mmu_lock is dropped, because the nested guest may end and its
 * LPID be given to another as soon as it is. In the guest's own table:
 *
 * - a leaf that goes: before mmu_lock is dropped, because its page may be
 *   anything else then;
 * - R: the same; otherwise a page that is used through a translation in a TLB
 *   would look idle for as long as that stays;
 * - C: once, at the end of the harvest. That is early enough: until then a store
 *   through a stale translation goes unlogged, but its page is in this harvest's
 *   bitmap, which userspace sees only afterwards. If the page is unmapped in
 *   between, that unmap flushes before the page can be anything else.
 */
#include <linux/kvm_host.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "flush_debug.h"
#include "radix_flush.h"
#include "radix_pass.h"
#include "vm.h"

/* The gatherer of a shadow LPID; makes room by issuing another's. */
static struct kvm_ext_flush *nested_flush(struct kvm_ext_pass *p, u64 lpid)
{
	struct kvm_ext_flush *nested = p->vm->nested;
	unsigned int i;

	for (i = 0; i < p->nested_used; i++)
		if (nested[i].lpid == lpid)
			return &nested[i];

	if (p->nested_used == KVM_EXT_NESTED_FLUSHES) {
		i = KVM_EXT_NESTED_FLUSHES - 1;
		if (kvm_ext_flush_finish(&nested[i]))
			p->err = -EIO;
	} else {
		i = p->nested_used++;
	}
	kvm_ext_flush_begin(&nested[i], lpid, p->vm->kvm->nr_memslot_pages);
	return &nested[i];
}

unsigned long kvm_ext_pass_visit(struct kvm_ext_pass *p, u64 lpid, pte_t *ptep,
				 unsigned long gpa, unsigned int shift)
{
	unsigned long old = pte_val(READ_ONCE(*ptep));

	if (!(old & p->clear))
		return old & p->look;

	old = __radix_pte_update(ptep, p->clear, 0);
	kvm_ext_flush_debug_owe(&p->vm->debug, lpid, gpa, shift);
	kvm_ext_flush_add(lpid == p->vm->kvm->arch.lpid ? p->flush : nested_flush(p, lpid),
			  gpa, shift);
	p->cleared = true;
	return old & p->look;
}

void kvm_ext_pass_finish(struct kvm_ext_pass *p)
{
	while (p->nested_used) {
		p->nested_used--;
		if (kvm_ext_flush_finish(&p->vm->nested[p->nested_used]))
			p->err = -EIO;
	}

	if (p->cleared && p->vm->kvm->arch.nested_enable)
		p->vm->kvm->mmu_invalidate_seq++;
}
