/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gathering of partition-scoped TLB invalidations.
 *
 * Who clears R or C bits, or removes PTEs, adds each of them; finishing issues
 * as few invalidations as the machine below allows. Two decisions are made,
 * both from what khx_flush_backend says of that machine:
 *
 * - Neighbouring pages become one range, and a range one request where
 *   requests can name ranges.
 * - One invalidation of the whole LPID replaces the requests when there are
 *   more than a ceiling of them; or, where the hypervisor below answers it by
 *   throwing away its shadow of everything this partition has mapped, only
 *   when most of that is to be invalidated anyway.
 *
 * No caller sees an error. A hypervisor that refuses a request is asked to
 * invalidate the whole LPID. If it refuses that too, all CPUs are made to leave
 * their guests, because a hypervisor without these requests drops translations
 * when a guest is entered; the refusal is logged once for each VM, and the next
 * flush of that LPID asks for the whole of it again. kvm-hv logs and goes on as
 * well.
 */
#ifndef KHX_RADIX_FLUSH_H
#define KHX_RADIX_FLUSH_H

#include <linux/types.h>

struct khx_flush_debug;

/* Ranges remembered before they are issued. */
#define KHX_FLUSH_RANGES	64

/**
 * struct khx_flush_backend - how this machine invalidates
 * @name:	for messages
 * @range_pages: pages that one request can name
 * @ceiling:	requests above which one for the whole LPID is better; 0: judge
 *		by the share of the partition's memory
 * @range:	one request: invalidate [start, end), at most @range_pages pages of
 *		1 << shift bytes; 0 or the hypervisor's return code
 * @lpid:	invalidate all of an LPID: 0 or the hypervisor's return code
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
 * struct khx_flusher - who invalidates translations of one VM
 * @backend:	how
 * @debug:	told of what was issued
 * @pid:	the VM's userspace, for messages
 * @refusals:	how often the hypervisor refused to invalidate a whole LPID
 */
struct khx_flusher {
	const struct khx_flush_backend *backend;
	struct khx_flush_debug *debug;
	pid_t pid;
	atomic_t refusals;
};

/**
 * struct khx_flush - invalidations of one LPID being gathered
 * @flusher:	who issues them
 * @lpid:	whose
 * @total:	base pages that the LPID can have mapped
 * @pages:	base pages added since begin
 * @requests:	requests they amount to
 * @nr:		ranges remembered
 * @whole:	decided: one invalidation of all
 * @refused:	the hypervisor refused, also to invalidate the whole LPID
 * @range:	what is remembered; guest real addresses in bytes
 */
struct khx_flush {
	struct khx_flusher *flusher;
	u64 lpid;
	unsigned long total;
	unsigned long pages;
	unsigned long requests;
	unsigned int nr;
	bool whole;
	bool refused;
	struct {
		unsigned long start;
		unsigned long end;
		unsigned int shift;
	} range[KHX_FLUSH_RANGES];
};

/* The backend for this machine; set by khx_flush_probe(). */
extern const struct khx_flush_backend *khx_flush_default;

/**
 * khx_flush_probe() - choose the backend for this machine
 * @ceiling:	replaces the backend's own ceiling unless 0
 *
 * In a partition the hypervisor is asked once for each request that it announces:
 * one that answers H_FUNCTION does not serve it.
 *
 * Context: module load.
 */
void khx_flush_probe(unsigned int ceiling);

/**
 * khx_flush_init() - prepare a gatherer, once
 * @f:		the gatherer
 * @flusher:	who issues the invalidations
 */
void khx_flush_init(struct khx_flush *f, struct khx_flusher *flusher);

/**
 * khx_flush_begin() - begin to gather
 * @f:		the gatherer
 * @lpid:	LPID to invalidate translations of
 * @total:	base pages of memory that this LPID can have mapped
 *
 * If the last invalidation of the same LPID through @f was refused, it is made
 * up for: all of the LPID will be invalidated.
 */
void khx_flush_begin(struct khx_flush *f, u64 lpid, unsigned long total);

/**
 * khx_flush_add() - a leaf whose translations must go
 * @f:		the gatherer
 * @gpa:	guest real address of the leaf, aligned to its size
 * @shift:	log2 of its size in bytes
 *
 * The PTE has been changed already. Adding in the order of addresses makes
 * the best ranges. Issues what is gathered if there is no room for one more
 * range (khx_flush_full()).
 *
 * Context: any; the owner of @f serialises.
 */
void khx_flush_add(struct khx_flush *f, unsigned long gpa,
		   unsigned int shift);

/**
 * khx_flush_full() - will the next leaf issue requests?
 * @f:		the gatherer
 *
 * For who holds a lock over khx_flush_add() and can let go of it first.
 *
 * Return: true if there may be no room for one more leaf.
 */
static inline bool khx_flush_full(const struct khx_flush *f)
{
	return f->nr == KHX_FLUSH_RANGES && !f->whole;
}

/**
 * khx_flush_issue() - issue what is gathered, and go on gathering
 * @f:		the gatherer
 *
 * If the whole LPID is to be invalidated, that is left to khx_flush_finish().
 *
 * Context: may sleep.
 */
void khx_flush_issue(struct khx_flush *f);

/**
 * khx_flush_finish() - issue what is gathered
 * @f:		the gatherer
 *
 * On return no translation of what was added since begin is left in any TLB,
 * unless @f->refused says that the hypervisor did not want.
 *
 * Context: as khx_flush_add(); interrupts enabled.
 */
void khx_flush_finish(struct khx_flush *f);

/**
 * khx_flush_lpid() - invalidate all of an LPID at once
 * @flusher:	who invalidates
 * @lpid:	the LPID
 *
 * Translations, and what is cached of the tables that they were made from.
 *
 * Context: any; interrupts enabled.
 * Return: false if the hypervisor refused.
 */
bool khx_flush_lpid(struct khx_flusher *flusher, u64 lpid);

#endif /* KHX_RADIX_FLUSH_H */
