// SPDX-License-Identifier: GPL-2.0
/*
 * Invalidation of translations that HPTEs gave (Power ISA v3.0B book III,
 * 5.9.3.3). A single HPTE goes by kvm-hv's own functions in the kernel; all of
 * an LPID by a tlbie of ours, which processors before POWER9 do not have.
 */
#include <linux/kvm_host.h>
#include <asm/cputable.h>
#include <asm/kvm_ppc.h>
#include <asm/kvm_book3s.h>
#include <asm/mmu.h>

#include "compat.h"
#include "hpt_flush.h"

/* As for radix guests: above so many the kernel's own flushes prefer one of all. */
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
 * POWER9 has two errata with cures that powerpc knows: a store may pass a tlbie, unless that comes
 * twice (STQ_BUG; "powerpc/mm: Fixup tlbie vs store ordering issue on POWER9"),
 * and a change of the partition may, unless one for LPID 0 in radix format
 * follows (ERAT_BUG; Linux 5.4, "powerpc/mm: Fixup tlbie vs mtpidr/mtlpidr
 * ordering issue on POWER9").
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
