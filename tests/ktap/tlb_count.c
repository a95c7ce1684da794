// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own count of partition-scoped TLB invalidations
 */
#include "tlb_count.h"

#include <stddef.h>

#include "hist.h"
#include "vm.h"

/* H_TLB_INVALIDATE and H_RPT_INVALIDATE; tlbie of any guest. */
static const char *event(void)
{
	return host_is_lpar() ? "powerpc/hcall_entry" : "powerpc/tlbie";
}

static const char *trigger(void)
{
	return host_is_lpar() ?
	       "hist:keys=opcode if opcode == 0xf808 || opcode == 0x448" :
	       "hist:keys=local if local == 0 && lpid != 0";
}

const char *tlb_count_missing(void)
{
	return hist_possible(event()) ? NULL :
	       "the kernel has no histograms of its tracepoints (CONFIG_HIST_TRIGGERS)";
}

void tlb_count_start(void)
{
	hist_start(event(), trigger());
}

unsigned long tlb_count_stop(void)
{
	return hist_stop(event(), trigger());
}
