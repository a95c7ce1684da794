/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gathering of partition-scoped TLB invalidations.
 *
 * A caller that zaps leaves or clears their R or C bits adds each of them with
 * khx_flush_add(). khx_flush_finish() then issues as few invalidations as this
 * machine allows. Two decisions depend on khx_flush_backend:
 *
 * - Neighbouring pages are merged into one range, and a range into one request
 *   where a request can name a range.
 * - One invalidation of the whole LPID replaces the requests if there are more
 *   of them than a ceiling. Where the hypervisor serves that by dropping its
 *   whole shadow table of the LPID, it replaces them only if they cover more
 *   than half of the LPID's memory.
 *
 * No caller sees an error. If the hypervisor refuses a request, the module asks
 * it to invalidate the whole LPID. If it refuses that too, the module makes all
 * CPUs leave their guests, because a hypervisor without these requests drops
 * translations at guest entry. The module logs the first such refusal of each
 * VM, and the next flush of that LPID asks for the whole LPID again. Stock
 * kvm-hv also logs a refusal and continues.
 */
#ifndef KHX_RADIX_FLUSH_H
#define KHX_RADIX_FLUSH_H

#include <linux/types.h>

struct khx_flush_debug;

/* Ranges that a gatherer holds before it issues them. */
#define KHX_FLUSH_RANGES	64

/**
 * struct khx_flush_backend - how this machine invalidates translations
 * @name:	name of the method, for messages
 * @range_pages: pages that one request can name
 * @ceiling:	issue one request for the whole LPID instead of more requests
 *		than this; 0: decide by the share of the LPID's memory
 * @range:	issue one request: invalidate [start, end), at most @range_pages
 *		pages of 1 << shift bytes; returns 0 or the hypervisor's return
 *		code
 * @lpid:	invalidate a whole LPID; returns 0 or the hypervisor's return
 *		code
 */
struct khx_flush_backend {
	const char *name;
	unsigned int range_pages;
	unsigned int ceiling;
	long (*range)(u64 lpid, unsigned long start, unsigned long end,
		      unsigned int shift);
	long (*lpid)(u64 lpid);
};

/**
 * struct khx_flusher - how to invalidate translations of one VM
 * @backend:	the machine's method
 * @debug:	records what was issued (debug builds)
 * @pid:	the VM's userspace process, for messages
 * @refusals:	how often the hypervisor refused to invalidate a whole LPID
 * @lpid_requests: invalidations of a whole LPID that no gatherer issued
 */
struct khx_flusher {
	const struct khx_flush_backend *backend;
	struct khx_flush_debug *debug;
	pid_t pid;
	atomic_t refusals;
	atomic_long_t lpid_requests;
};

/**
 * struct khx_flush - a gatherer: pending invalidations of one LPID
 * @flusher:	issues them
 * @lpid:	the LPID
 * @total:	base pages that the LPID can have mapped
 * @pages:	base pages added since khx_flush_begin()
 * @requests:	requests that they need
 * @earlier:	base pages added before khx_flush_begin(), ever
 * @issued:	requests issued, ever; khx_flush_issued()
 * @begun:	@issued at khx_flush_begin()
 * @nr:		entries of @range in use
 * @whole:	khx_flush_finish() must invalidate the whole LPID
 * @refused:	the hypervisor refused a request, and also to invalidate the
 *		whole LPID
 * @range:	pending ranges; guest real addresses in bytes
 */
struct khx_flush {
	struct khx_flusher *flusher;
	u64 lpid;
	unsigned long total;
	unsigned long pages;
	unsigned long requests;
	unsigned long earlier;
	unsigned long issued;
	unsigned long begun;
	unsigned int nr;
	bool whole;
	bool refused;
	struct {
		unsigned long start;
		unsigned long end;
		unsigned int shift;
	} range[KHX_FLUSH_RANGES];
};

/* The backend for this machine; khx_flush_probe() sets it. */
extern const struct khx_flush_backend *khx_flush_default;

/* The backend for a hypervisor that serves no request. */
extern const struct khx_flush_backend khx_flush_none;

/**
 * khx_flush_probe() - choose the backend for this machine
 * @ceiling:	replaces the backend's own ceiling unless 0
 *
 * In a partition the function tries each request that the hypervisor announces
 * once: H_FUNCTION means that the hypervisor does not serve it.
 *
 * Context: module load.
 */
void khx_flush_probe(unsigned int ceiling);

/**
 * khx_flush_init() - prepare a gatherer, once
 * @f:		the gatherer
 * @flusher:	issues its invalidations
 */
void khx_flush_init(struct khx_flush *f, struct khx_flusher *flusher);

/**
 * khx_flush_begin() - begin to gather
 * @f:		the gatherer
 * @lpid:	LPID whose translations are to be invalidated
 * @total:	base pages of memory that this LPID can have mapped
 *
 * If the hypervisor refused the last invalidation of the same LPID through @f,
 * khx_flush_finish() will invalidate the whole LPID.
 */
void khx_flush_begin(struct khx_flush *f, u64 lpid, unsigned long total);

/**
 * khx_flush_add() - add a leaf whose translations must be invalidated
 * @f:		the gatherer
 * @gpa:	guest real address of the leaf, aligned to its size
 * @shift:	log2 of its size in bytes
 *
 * The caller has changed the PTE already. Leaves that are added in the order of
 * their addresses make the fewest ranges. If there is no room for one more
 * range (khx_flush_full()), the function issues the pending ones first.
 *
 * Context: any with interrupts enabled; the owner of @f serialises.
 */
void khx_flush_add(struct khx_flush *f, unsigned long gpa,
		   unsigned int shift);

/**
 * khx_flush_full() - may the next khx_flush_add() issue requests?
 * @f:		the gatherer
 *
 * A caller that holds a lock over khx_flush_add() can drop it first.
 *
 * Return: true if there may be no room for one more leaf.
 */
static inline bool khx_flush_full(const struct khx_flush *f)
{
	return f->nr == KHX_FLUSH_RANGES && !f->whole;
}

/**
 * khx_flush_issued() - count the requests since khx_flush_begin()
 * @f:		the gatherer
 *
 * On bare metal, one request may be more than one tlbie.
 */
static inline unsigned long khx_flush_issued(const struct khx_flush *f)
{
	return f->issued - f->begun;
}

/**
 * khx_flush_gathered() - count the base pages that were ever added
 * @f:		the gatherer
 *
 * Context: as khx_flush_add(); any, for an estimate.
 */
static inline unsigned long khx_flush_gathered(const struct khx_flush *f)
{
	return f->earlier + f->pages;
}

/**
 * khx_flush_issue() - issue the pending ranges, and continue to gather
 * @f:		the gatherer
 *
 * Leaves an invalidation of the whole LPID to khx_flush_finish().
 *
 * Context: may sleep.
 */
void khx_flush_issue(struct khx_flush *f);

/**
 * khx_flush_finish() - issue all pending invalidations
 * @f:		the gatherer
 *
 * On return no TLB has a translation of any leaf added since khx_flush_begin(),
 * unless @f->refused is set: the hypervisor refused.
 *
 * Context: as khx_flush_add().
 */
void khx_flush_finish(struct khx_flush *f);

/**
 * khx_flush_lpid() - invalidate a whole LPID
 * @flusher:	issues the invalidation
 * @lpid:	the LPID
 *
 * Invalidates translations and page-walk caches.
 *
 * Context: any with interrupts enabled.
 * Return: false if the hypervisor refused.
 */
bool khx_flush_lpid(struct khx_flusher *flusher, u64 lpid);

#endif /* KHX_RADIX_FLUSH_H */
