// SPDX-License-Identifier: GPL-2.0
/*
 * Counts TLB invalidations of guests with the kernel's histograms
 */
#define _GNU_SOURCE
#include "tlb_count.h"

#include <stdio.h>
#include <unistd.h>

#include "hist.h"
#include "module.h"

#define PROBE		"ktap_tlbie"
#define EVERY		"p:" PROBE " "

/*
 * HPT guests: a probe. Radix guests: H_TLB_INVALIDATE and H_RPT_INVALIDATE in
 * an LPAR, else tlbie.
 */
static const char *event(enum vm_mmu mmu)
{
	if (mmu == VM_MMU_HPT)
		return "kprobes/" PROBE;
	return host_is_lpar() ? "powerpc/hcall_entry" : "powerpc/tlbie";
}

/* The thread that counts causes them itself; another VM may just end meanwhile. */
static const char *trigger(enum vm_mmu mmu)
{
	static char text[128];
	const char *which = "hist:keys=local if local == 0 && lpid != 0 &&";

	if (mmu == VM_MMU_HPT)
		which = "hist:keys=common_pid if";
	else if (host_is_lpar())
		which = "hist:keys=opcode if (opcode == 0xf808 || opcode == 0x448) &&";
	snprintf(text, sizeof(text), "%s common_pid == %d", which, gettid());
	return text;
}

const char *tlb_count_missing(void)
{
	return hist_possible("powerpc/tlbie") ? NULL :
	       "the kernel has no histograms of its tracepoints (CONFIG_HIST_TRIGGERS)";
}

/*
 * HPTE invalidations have no tracepoint: probe the functions that issue them.
 */
static void probe_hpt(void)
{
	write_file(TRACEFS "kprobe_events",
		   module_loaded() ? EVERY "kvmppc_invalidate_hpte\n"
				     EVERY "kvmppc_clear_ref_hpte\n"
				     EVERY "kvm_hv_ext:hpt_flush_all\n" :
				     EVERY "kvmppc_invalidate_hpte\n"
				     EVERY "kvmppc_clear_ref_hpte\n");
}

void tlb_count_start(enum vm_mmu mmu)
{
	if (mmu == VM_MMU_HPT)
		probe_hpt();
	hist_start(event(mmu), trigger(mmu));
}

unsigned long tlb_count_stop(enum vm_mmu mmu)
{
	unsigned long count = hist_stop(event(mmu), trigger(mmu));

	if (mmu == VM_MMU_HPT)
		write_file(TRACEFS "kprobe_events", "");
	return count;
}
