// SPDX-License-Identifier: GPL-2.0
/*
 * Invalidate translations that come from HPTEs (Power ISA v3.0B book III,
 * 5.9.3.3). kvm-hv's built-in functions invalidate a single HPTE. For a whole
 * LPID the module issues the tlbie itself, in a form that processors before
 * POWER9 lack.
 */
#include <linux/kvm_host.h>
#include <asm/cputable.h>
#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s.h>
#include <asm/mmu.h>

#include "compat.h"
#include "hpt_flush.h"

/* As tlb_single_page_flush_ceiling of the kernel (mm/book3s64/radix_tlb.c). */
#define HPT_FLUSH_CEILING		33

/* RIC=0 (TLB only), PRS=0 (partition-scoped); R: 0 for HPT, 1 for radix. */
static __always_inline void hpt_flush_tlbie_lpid(unsigned long lpid, const int r)
{
	asm volatile(".machine push\n\t"
		     ".machine power9\n\t"
		     "tlbie %0, %1, 0, 0, %2\n\t"
		     ".machine pop"
		     : : "r" (TLBIEL_INVAL_SET_LPID), "r" (lpid), "i" (r) : "memory");
}

/*
 * Work around two POWER9 errata, as fixup_tlbie_lpid() does:
 *
 * - A tlbie may complete before earlier stores have drained, unless it is
 *   issued twice (STQ_BUG; "powerpc/mm: Fixup tlbie vs store ordering issue on
 *   POWER9").
 * - A tlbie may miss the ERAT when another thread of the core executes mtlpidr,
 *   unless a radix tlbie for LPID 0 follows (ERAT_BUG; Linux 5.4, "powerpc/mm:
 *   Fixup tlbie vs mtpidr/mtlpidr ordering issue on POWER9").
 */
static void hpt_flush_all(struct kvm *kvm)
{
	asm volatile("ptesync" : : : "memory");
	hpt_flush_tlbie_lpid(kvm->arch.lpid, 0);
	if (cpu_has_feature(CPU_FTR_P9_TLBIE_ERAT_BUG)) {
		asm volatile("ptesync" : : : "memory");
		hpt_flush_tlbie_lpid(0, 1);
	}
	if (cpu_has_feature(CPU_FTR_P9_TLBIE_STQ_BUG)) {
		asm volatile("ptesync" : : : "memory");
		hpt_flush_tlbie_lpid(kvm->arch.lpid, 0);
	}
	asm volatile("eieio; tlbsync; ptesync" : : : "memory");
}

static const struct khx_hpt_flush_backend power9 = {
	.ceiling = HPT_FLUSH_CEILING,
	.hpte = kvmppc_invalidate_hpte,
	.clear_ref = kvmppc_clear_ref_hpte,
	.lpid = hpt_flush_all,
};

static const struct khx_hpt_flush_backend power8 = {
	.hpte = kvmppc_invalidate_hpte,
	.clear_ref = kvmppc_clear_ref_hpte,
};

const struct khx_hpt_flush_backend *khx_hpt_flush_default(void)
{
	return cpu_has_feature(CPU_FTR_ARCH_300) ? &power9 : &power8;
}
