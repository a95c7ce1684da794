// SPDX-License-Identifier: GPL-2.0
/*
 * Gathering of partition-scoped TLB invalidations, and the ways to issue them:
 * tlbie on bare metal (Power ISA v3.0B book III, 5.9.3.3), and as a guest the
 * hypercalls H_RPT_INVALIDATE (PAPR; Linux 5.14, "KVM: PPC: Book3S HV: Nested
 * support in H_RPT_INVALIDATE") or H_TLB_INVALIDATE (nested API v1; Linux 4.20,
 * "KVM: PPC: Book3S HV: Implement H_TLB_INVALIDATE hcall"). Where the hypervisor
 * serves neither, CPUs leave their guests.
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

/*
 * A KVM hypervisor below us serves a range of up to so many pages page by
 * page, and answers a longer one by dropping its whole shadow table of the
 * partition (as it does for any request that names all of an LPID).
 */
#define RPT_RANGE_PAGES		33

/* Above so many tlbie, the kernel's own flushes prefer one of all. */
#define TLBIE_CEILING		33

static long bare_range(u64 lpid, unsigned long start, unsigned long end,
		       unsigned int shift)
{
	radix__flush_tlb_lpid_page(lpid, start, 1UL << shift);
	return 0;
}

static long bare_lpid(u64 lpid)
{
	radix__flush_all_lpid(lpid);
	return 0;
}

static long rpt_invalidate(u64 lpid, u64 type, unsigned long start, unsigned long end,
			   u64 pgsize)
{
	long rc;

	mb();	/* PTE changes before the request, whoever performs it */
	do {
		rc = plpar_hcall_norets(H_RPT_INVALIDATE, lpid,
					H_RPTI_TARGET_CMMU,
					H_RPTI_TYPE_NESTED | type,
					pgsize, start, end);
	} while (rc == H_BUSY);

	return rc;
}

static long rpt_range(u64 lpid, unsigned long start, unsigned long end,
		      unsigned int shift)
{
	return rpt_invalidate(lpid, H_RPTI_TYPE_TLB, start, end,
			      psize_to_rpti_pgsize(shift_to_mmu_psize(shift)));
}

static long rpt_lpid(u64 lpid)
{
	return rpt_invalidate(lpid, H_RPTI_TYPE_TLB | H_RPTI_TYPE_PWC, 0, -1UL,
			      H_RPTI_PAGE_ALL);
}

static long tlbi_invalidate(u64 lpid, unsigned long ric, unsigned long rb)
{
	long rc;

	mb();	/* as in rpt_invalidate() */
	do {
		rc = plpar_hcall_norets(H_TLB_INVALIDATE, H_TLBIE_P1_ENC(ric, 0, 1),
					lpid, rb);
	} while (rc == H_BUSY);

	return rc;
}

static long tlbi_range(u64 lpid, unsigned long start, unsigned long end,
		       unsigned int shift)
{
	unsigned long ap = mmu_get_ap(shift_to_mmu_psize(shift));

	return tlbi_invalidate(lpid, RIC_FLUSH_TLB, start | (ap << PPC_BITLSHIFT(58)));
}

static long tlbi_lpid(u64 lpid)
{
	return tlbi_invalidate(lpid, RIC_FLUSH_ALL, TLBIEL_INVAL_SET_LPID);
}

static struct kvm_ext_flush_backend this_machine;
const struct kvm_ext_flush_backend *kvm_ext_flush_default = &this_machine;
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_default);

static const struct kvm_ext_flush_backend backend_bare = {
	.name = "tlbie",
	.range_pages = 1,
	.ceiling = TLBIE_CEILING,
	.range = bare_range,
	.lpid = bare_lpid,
};

static const struct kvm_ext_flush_backend backend_rpt = {
	.name = "H_RPT_INVALIDATE",
	.range_pages = RPT_RANGE_PAGES,
	.range = rpt_range,
	.lpid = rpt_lpid,
};

static const struct kvm_ext_flush_backend backend_tlbi = {
	.name = "H_TLB_INVALIDATE",
	.range_pages = 1,
	.ceiling = TLBIE_CEILING,
	.range = tlbi_range,
	.lpid = tlbi_lpid,
};

/*
 * The hypervisor serves neither request. It drops a guest's translations whenever
 * that is entered, or kvm-hv would not work there, which counts on that as well.
 */
static long leave_guests(u64 lpid)
{
	kick_all_cpus_sync();
	return 0;
}

static long leave_guests_range(u64 lpid, unsigned long start, unsigned long end,
			       unsigned int shift)
{
	return leave_guests(lpid);
}

static const struct kvm_ext_flush_backend backend_none = {
	.name = "entry into the guest",
	.range_pages = 1,
	.ceiling = 1,
	.range = leave_guests_range,
	.lpid = leave_guests,
};

static bool kvm_below(void)
{
	struct device_node *np = of_find_node_by_path("/hypervisor");
	bool kvm = np && of_device_is_compatible(np, "linux,kvm");

	of_node_put(np);
	return kvm;
}

/*
 * Does the hypervisor serve the request? One invalidation too many harms nobody. Any
 * other error than that there is no such hypercall may be about this LPID.
 */
static bool is_served(const struct kvm_ext_flush_backend *backend)
{
	const u64 any_lpid = 1;

	return backend->range(any_lpid, 0, PAGE_SIZE, PAGE_SHIFT) != H_FUNCTION;
}

void kvm_ext_flush_probe(unsigned int ceiling)
{
	if (!kvmhv_on_pseries()) {
		this_machine = backend_bare;
	} else if (firmware_has_feature(FW_FEATURE_RPT_INVALIDATE) &&
		   is_served(&backend_rpt)) {
		this_machine = backend_rpt;
	} else if (is_served(&backend_tlbi)) {
		this_machine = backend_tlbi;
		if (kvm_below())
			this_machine.ceiling = 0;
	} else {
		this_machine = backend_none;
		pr_info("the hypervisor serves neither H_RPT_INVALIDATE nor H_TLB_INVALIDATE (%d): all CPUs leave their guests instead\n",
			H_FUNCTION);
	}
	if (ceiling)
		this_machine.ceiling = ceiling;
}

void kvm_ext_flush_init(struct kvm_ext_flush *f, struct kvm_ext_flusher *flusher)
{
	f->flusher = flusher;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_init);

void kvm_ext_flush_begin(struct kvm_ext_flush *f, u64 lpid, unsigned long total)
{
	/* What was refused the last time is still to be invalidated. */
	f->whole = f->refused && f->lpid == lpid;
	f->refused = false;
	f->lpid = lpid;
	f->total = total;
	f->pages = 0;
	f->requests = 0;
	f->nr = 0;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_begin);

bool kvm_ext_flush_lpid(struct kvm_ext_flusher *flusher, u64 lpid)
{
	long rc = flusher->backend->lpid(lpid);

	if (rc) {
		if (atomic_inc_return(&flusher->refusals) == 1)
			pr_warn("pid %d: %s for all of LPID %llu was refused by the hypervisor with %ld: all CPUs leave their guests instead, and the dirty log reports pages once more\n",
				flusher->pid, flusher->backend->name,
				(unsigned long long)lpid, rc);
		kick_all_cpus_sync();
	}
	/* What can be done has been done. */
	kvm_ext_flush_debug_paid(flusher->debug, lpid, 0, -1UL);
	return !rc;
}

static void flush_whole(struct kvm_ext_flush *f)
{
	if (!kvm_ext_flush_lpid(f->flusher, f->lpid))
		f->refused = true;
}

/* Issue the requests of one range. True if all were served. */
static bool issue_range(struct kvm_ext_flush *f, unsigned int i, bool may_sleep)
{
	const struct kvm_ext_flush_backend *backend = f->flusher->backend;
	unsigned int shift = f->range[i].shift;
	unsigned long step = (unsigned long)backend->range_pages << shift;
	unsigned long start = f->range[i].start, end;

	for (; start < f->range[i].end; start = end) {
		end = min(start + step, f->range[i].end);
		if (backend->range(f->lpid, start, end, shift))
			return false;
		kvm_ext_flush_debug_paid(f->flusher->debug, f->lpid, start, end);
		if (may_sleep)
			cond_resched();
	}
	return true;
}

static void issue(struct kvm_ext_flush *f, bool may_sleep)
{
	unsigned int i;

	for (i = 0; i < f->nr; i++) {
		if (!issue_range(f, i, may_sleep)) {
			flush_whole(f);
			break;
		}
	}
	f->nr = 0;
}

void kvm_ext_flush_issue(struct kvm_ext_flush *f)
{
	might_sleep();
	if (!f->whole)
		issue(f, true);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_issue);

static unsigned long requests(const struct kvm_ext_flush *f, unsigned int i)
{
	unsigned long pages = (f->range[i].end - f->range[i].start) >>
			      f->range[i].shift;

	return DIV_ROUND_UP(pages, f->flusher->backend->range_pages);
}

static bool whole_is_better(const struct kvm_ext_flush *f)
{
	if (f->flusher->backend->ceiling)
		return f->requests > f->flusher->backend->ceiling;
	return f->pages > f->total / 2;
}

void kvm_ext_flush_add(struct kvm_ext_flush *f, unsigned long gpa,
		       unsigned int shift)
{
	unsigned int last = f->nr - 1;

	f->pages += 1UL << (shift - PAGE_SHIFT);
	if (f->whole)
		return;

	if (f->nr && f->range[last].end == gpa && f->range[last].shift == shift) {
		f->requests -= requests(f, last);
	} else {
		if (f->nr == KVM_EXT_FLUSH_RANGES)
			issue(f, false);
		last = f->nr++;
		f->range[last].start = gpa;
		f->range[last].shift = shift;
	}
	f->range[last].end = gpa + (1UL << shift);
	f->requests += requests(f, last);

	if (whole_is_better(f))
		f->whole = true;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_add);

void kvm_ext_flush_finish(struct kvm_ext_flush *f)
{
	if (f->whole)
		flush_whole(f);
	else
		issue(f, false);
	f->nr = 0;
	f->whole = false;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_flush_finish);
