// SPDX-License-Identifier: GPL-2.0
/*
 * Gathering of partition-scoped TLB invalidations, and the ways to issue them:
 * tlbie on bare metal (Power ISA v3.0B book III, 5.9.3.3); as a guest the
 * hypercalls H_RPT_INVALIDATE (PAPR; Linux 5.14, "KVM: PPC: Book3S HV: Nested
 * support in H_RPT_INVALIDATE") or H_TLB_INVALIDATE (nested API v1; Linux 4.20,
 * "KVM: PPC: Book3S HV: Implement H_TLB_INVALIDATE hcall"). If the hypervisor
 * serves neither, the module makes all CPUs leave their guests.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/of.h>
#include <linux/sched.h>
#include <linux/smp.h>
#include <asm/firmware.h>
#include <asm/hvcall.h>
#include <asm/kvm_ppc.h>
#include <asm/plpar_wrappers.h>
#include <asm/tlbflush.h>

#include "compat.h"
#include "flush_debug.h"
#include "kunit.h"
#include "radix_flush.h"
#include "trace.h"

/*
 * A KVM hypervisor serves a range of at most this many pages page by page. For
 * a longer range it drops the whole shadow table of the LPID, as for any
 * request that names the whole LPID. With the nested API v2 it is the number of
 * pages above which the kernel's own flushes ask for the whole PID.
 */
#define FLUSH_RPT_RANGE_PAGES		33

/* For more pages, the kernel's own flushes invalidate the whole PID. */
#define FLUSH_TLBIE_CEILING		33

/*
 * With the nested API v2 the hypervisor keeps no shadow tables, so that a request
 * for the whole LPID costs no more than its own hypercall and what the guest must
 * translate again. A hypercall is taken for four tlbie.
 */
#define FLUSH_V2_CEILING		8

static long flush_bare_range(u64 lpid, unsigned long start, unsigned long end,
			     unsigned int shift)
{
	radix__flush_tlb_lpid_page(lpid, start, 1UL << shift);
	return 0;
}

static long flush_bare_lpid(u64 lpid)
{
	radix__flush_all_lpid(lpid);
	return 0;
}

static long flush_rpt(u64 lpid, u64 type, unsigned long start, unsigned long end,
		      u64 pgsize)
{
	long rc;

	mb();	/* PTE changes before the request, whichever CPU serves it */
	do {
		rc = plpar_hcall_norets(H_RPT_INVALIDATE, lpid,
					H_RPTI_TARGET_CMMU,
					H_RPTI_TYPE_NESTED | type,
					pgsize, start, end);
	} while (rc == H_BUSY);

	return rc;
}

static long flush_rpt_range(u64 lpid, unsigned long start, unsigned long end,
			    unsigned int shift)
{
	return flush_rpt(lpid, H_RPTI_TYPE_TLB, start, end,
			 psize_to_rpti_pgsize(shift_to_mmu_psize(shift)));
}

static long flush_rpt_lpid(u64 lpid)
{
	return flush_rpt(lpid, H_RPTI_TYPE_TLB | H_RPTI_TYPE_PWC, 0, -1UL,
			 H_RPTI_PAGE_ALL);
}

static long flush_tlbi(u64 lpid, unsigned long ric, unsigned long rb)
{
	long rc;

	mb();	/* as in flush_rpt() */
	do {
		rc = plpar_hcall_norets(H_TLB_INVALIDATE, H_TLBIE_P1_ENC(ric, 0, 1),
					lpid, rb);
	} while (rc == H_BUSY);

	return rc;
}

static long flush_tlbi_range(u64 lpid, unsigned long start, unsigned long end,
			     unsigned int shift)
{
	unsigned long ap = mmu_get_ap(shift_to_mmu_psize(shift));

	return flush_tlbi(lpid, RIC_FLUSH_TLB, start | (ap << PPC_BITLSHIFT(58)));
}

static long flush_tlbi_lpid(u64 lpid)
{
	return flush_tlbi(lpid, RIC_FLUSH_ALL, TLBIEL_INVAL_SET_LPID);
}

static struct khx_flush_backend this_machine;
const struct khx_flush_backend *khx_flush_default = &this_machine;
EXPORT_SYMBOL_IF_KUNIT(khx_flush_default);

static const struct khx_flush_backend backend_bare = {
	.name = "tlbie",
	.range_pages = 1,
	.ceiling = FLUSH_TLBIE_CEILING,
	.range = flush_bare_range,
	.lpid = flush_bare_lpid,
};

static const struct khx_flush_backend backend_rpt = {
	.name = "H_RPT_INVALIDATE",
	.range_pages = FLUSH_RPT_RANGE_PAGES,
	.range = flush_rpt_range,
	.lpid = flush_rpt_lpid,
};

static const struct khx_flush_backend backend_rpt_v2 = {
	.name = "H_RPT_INVALIDATE",
	.range_pages = FLUSH_RPT_RANGE_PAGES,
	.ceiling = FLUSH_V2_CEILING,
	.range = flush_rpt_range,
	.lpid = flush_rpt_lpid,
};

static const struct khx_flush_backend backend_tlbi = {
	.name = "H_TLB_INVALIDATE",
	.range_pages = 1,
	.ceiling = FLUSH_TLBIE_CEILING,
	.range = flush_tlbi_range,
	.lpid = flush_tlbi_lpid,
};

/*
 * The hypervisor serves neither request. It must drop a guest's translations at
 * each guest entry: stock kvm-hv relies on that as well.
 */
static long flush_kick_lpid(u64 lpid)
{
	kick_all_cpus_sync();
	return 0;
}

static long flush_kick_range(u64 lpid, unsigned long start, unsigned long end,
			     unsigned int shift)
{
	return flush_kick_lpid(lpid);
}

const struct khx_flush_backend khx_flush_none = {
	.name = "entry into the guest",
	.range_pages = 1,
	.ceiling = 1,
	.range = flush_kick_range,
	.lpid = flush_kick_lpid,
};
EXPORT_SYMBOL_IF_KUNIT(khx_flush_none);

static bool flush_kvm_below(void)
{
	struct device_node *np = of_find_node_by_path("/hypervisor");
	bool kvm = np && of_device_is_compatible(np, "linux,kvm");

	of_node_put(np);
	return kvm;
}

/*
 * Does the hypervisor serve the request? A superfluous invalidation is
 * harmless. Any error other than H_FUNCTION may be about this LPID only.
 */
static bool flush_hcall_served(const struct khx_flush_backend *backend)
{
	const u64 any_lpid = 1;

	return backend->range(any_lpid, 0, PAGE_SIZE, PAGE_SHIFT) != H_FUNCTION;
}

void khx_flush_probe(unsigned int ceiling)
{
	if (!kvmhv_on_pseries()) {
		this_machine = backend_bare;
	} else if (firmware_has_feature(FW_FEATURE_RPT_INVALIDATE) &&
		   flush_hcall_served(&backend_rpt)) {
		this_machine = khx_nested_v2() ? backend_rpt_v2 : backend_rpt;
	} else if (flush_hcall_served(&backend_tlbi)) {
		this_machine = backend_tlbi;
		if (flush_kvm_below())
			this_machine.ceiling = 0;
	} else {
		this_machine = khx_flush_none;
		pr_info("the hypervisor serves neither H_RPT_INVALIDATE nor H_TLB_INVALIDATE (%d): all CPUs exit their guests instead\n",
			H_FUNCTION);
	}
	if (ceiling)
		this_machine.ceiling = ceiling;
}

void khx_flush_init(struct khx_flush *f, struct khx_flusher *flusher)
{
	f->flusher = flusher;
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_init);

void khx_flush_begin(struct khx_flush *f, u64 lpid, unsigned long total)
{
	/* the last flush was refused: invalidate the whole LPID now */
	f->whole = f->refused && f->lpid == lpid;
	f->refused = false;
	f->lpid = lpid;
	f->total = total;
	f->earlier += f->pages;
	f->begun = f->issued;
	f->pages = 0;
	f->requests = 0;
	f->nr = 0;
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_begin);

static bool flush_lpid(struct khx_flusher *flusher, u64 lpid)
{
	long rc = flusher->backend->lpid(lpid);

	if (rc) {
		trace_khx_flush_refused(flusher->pid, lpid, true, rc);
		if (atomic_inc_return(&flusher->refusals) == 1)
			pr_warn("pid %d: the hypervisor refused %s for all of LPID %llu (%ld): all CPUs exit their guests instead, and the dirty log reports pages again\n",
				flusher->pid, flusher->backend->name,
				(unsigned long long)lpid, rc);
		kick_all_cpus_sync();
	}
	/* paid even if refused: there is no other way to invalidate */
	khx_flush_debug_paid(flusher->debug, lpid, 0, -1UL);
	return !rc;
}

bool khx_flush_lpid(struct khx_flusher *flusher, u64 lpid)
{
	atomic_long_inc(&flusher->lpid_requests);
	return flush_lpid(flusher, lpid);
}

static void flush_whole_lpid(struct khx_flush *f)
{
	f->issued++;
	if (!flush_lpid(f->flusher, f->lpid))
		f->refused = true;
}

/* Issue the requests of one range. True if the hypervisor served all. */
static bool flush_issue_range(struct khx_flush *f, unsigned int i, bool may_sleep)
{
	const struct khx_flush_backend *backend = f->flusher->backend;
	unsigned int shift = f->range[i].shift;
	unsigned long step = (unsigned long)backend->range_pages << shift;
	unsigned long start = f->range[i].start, end;
	long rc;

	for (; start < f->range[i].end; start = end) {
		end = min(start + step, f->range[i].end);
		f->issued++;
		rc = backend->range(f->lpid, start, end, shift);
		if (rc) {
			trace_khx_flush_refused(f->flusher->pid, f->lpid, false, rc);
			return false;
		}
		khx_flush_debug_paid(f->flusher->debug, f->lpid, start, end);
		if (may_sleep)
			cond_resched();
	}
	return true;
}

static void flush_issue_ranges(struct khx_flush *f, bool may_sleep)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++) {
		if (!flush_issue_range(f, i, may_sleep)) {
			flush_whole_lpid(f);
			break;
		}
	}
	f->nr = 0;
}

void khx_flush_issue(struct khx_flush *f)
{
	might_sleep();
	if (!f->whole)
		flush_issue_ranges(f, true);
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_issue);

static unsigned long flush_range_requests(const struct khx_flush *f, unsigned int i)
{
	unsigned long pages = (f->range[i].end - f->range[i].start) >>
			      f->range[i].shift;

	return DIV_ROUND_UP(pages, f->flusher->backend->range_pages);
}

static bool flush_whole_is_better(const struct khx_flush *f)
{
	if (f->flusher->backend->ceiling)
		return f->requests > f->flusher->backend->ceiling;
	return f->pages > f->total / 2;
}

void khx_flush_add(struct khx_flush *f, unsigned long gpa,
		   unsigned int shift)
{
	unsigned int last = f->nr - 1;

	f->pages += 1UL << (shift - PAGE_SHIFT);
	if (f->whole)
		return;

	if (f->nr && f->range[last].end == gpa && f->range[last].shift == shift) {
		f->requests -= flush_range_requests(f, last);
	} else {
		if (f->nr == KHX_FLUSH_RANGES)
			flush_issue_ranges(f, false);
		last = f->nr++;
		f->range[last].start = gpa;
		f->range[last].shift = shift;
	}
	f->range[last].end = gpa + (1UL << shift);
	f->requests += flush_range_requests(f, last);

	if (flush_whole_is_better(f))
		f->whole = true;
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_add);

void khx_flush_finish(struct khx_flush *f)
{
	if (f->whole)
		flush_whole_lpid(f);
	else
		flush_issue_ranges(f, false);
	f->nr = 0;
	f->whole = false;
}
EXPORT_SYMBOL_IF_KUNIT(khx_flush_finish);
