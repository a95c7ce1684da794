/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gathering of partition-scoped TLB invalidations.
 *
 * Who clears R or C bits, or removes PTEs, adds each of them; finishing issues
 * as few invalidations as the machine below allows. Two decisions are made,
 * both from what kvm_ext_flush_backend says of that machine:
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
#ifndef KVM_EXT_RADIX_FLUSH_H
#define KVM_EXT_RADIX_FLUSH_H

#include <linux/types.h>

struct kvm_ext_flush_debug;

/* Ranges remembered before they are issued. */
#define KVM_EXT_FLUSH_RANGES	64

/**
 * struct kvm_ext_flush_backend - how this machine invalidates
 * @name:	for messages
 * @range_pages: pages that one request can name
 * @ceiling:	requests above which one for the whole LPID is better; 0: judge
 *		by the share of the partition's memory
 * @range:	one request: invalidate [start, end), at most @range_pages pages of
 *		1 << shift bytes; 0 or the hypervisor's return code
 * @lpid:	invalidate all of an LPID: 0 or the hypervisor's return code
 */
struct kvm_ext_flush_backend {
	const char *name;
	unsigned int range_pages;
	unsigned int ceiling;
	long (*range)(u64 lpid, unsigned long start, unsigned long end,
		      unsigned int shift);
	long (*lpid)(u64 lpid);
};

/**
 * struct kvm_ext_flusher - who invalidates translations of one VM
 * @backend:	how
 * @debug:	told of what was issued
 * @pid:	the VM's userspace, for messages
 * @refusals:	how often the hypervisor refused to invalidate a whole LPID
 */
struct kvm_ext_flusher {
	const struct kvm_ext_flush_backend *backend;
	struct kvm_ext_flush_debug *debug;
	pid_t pid;
	atomic_t refusals;
};

/**
 * struct kvm_ext_flush - invalidations of one LPID being gathered
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
struct kvm_ext_flush {
	struct kvm_ext_flusher *flusher;
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
	} range[KVM_EXT_FLUSH_RANGES];
};

/* The backend for this machine; set by kvm_ext_flush_probe(). */
extern const struct kvm_ext_flush_backend *kvm_ext_flush_default;

/**
 * kvm_ext_flush_probe() - choose the backend for this machine
 * @ceiling:	replaces the backend's own ceiling unless 0
 *
 * In a partition the hypervisor is asked once for each request that it announces:
 * one that answers H_FUNCTION does not serve it.
 *
 * Context: module load.
 */
void kvm_ext_flush_probe(unsigned int ceiling);

/**
 * kvm_ext_flush_init() - prepare a gatherer, once
 * @f:		the gatherer
 * @flusher:	who issues the invalidations
 */
void kvm_ext_flush_init(struct kvm_ext_flush *f, struct kvm_ext_flusher *flusher);

/**
 * kvm_ext_flush_begin() - begin to gather
 * @f:		the gatherer
 * @lpid:	LPID to invalidate translations of
 * @total:	base pages of memory that this LPID can have mapped
 *
 * If the last invalidation of the same LPID through @f was refused, it is made
 * up for: all of the LPID will be invalidated.
 */
void kvm_ext_flush_begin(struct kvm_ext_flush *f, u64 lpid, unsigned long total);

/**
 * kvm_ext_flush_add() - a leaf whose translations must go
 * @f:		the gatherer
 * @gpa:	guest real address of the leaf, aligned to its size
 * @shift:	log2 of its size in bytes
 *
 * The PTE has been changed already. Adding in the order of addresses makes
 * the best ranges. Issues what is gathered if there is no room for one more
 * range (kvm_ext_flush_full()).
 *
 * Context: any; the owner of @f serialises.
 */
void kvm_ext_flush_add(struct kvm_ext_flush *f, unsigned long gpa,
		       unsigned int shift);

/**
 * kvm_ext_flush_full() - will the next leaf issue requests?
 * @f:		the gatherer
 *
 * For who holds a lock over kvm_ext_flush_add() and can let go of it first.
 *
 * Return: true if there may be no room for one more leaf.
 */
static inline bool kvm_ext_flush_full(const struct kvm_ext_flush *f)
{
	return f->nr == KVM_EXT_FLUSH_RANGES && !f->whole;
}

/**
 * kvm_ext_flush_issue() - issue what is gathered, and go on gathering
 * @f:		the gatherer
 *
 * If the whole LPID is to be invalidated, that is left to kvm_ext_flush_finish().
 *
 * Context: may sleep.
 */
void kvm_ext_flush_issue(struct kvm_ext_flush *f);

/**
 * kvm_ext_flush_finish() - issue what is gathered
 * @f:		the gatherer
 *
 * On return no translation of what was added since begin is left in any TLB,
 * unless @f->refused says that the hypervisor did not want.
 *
 * Context: as kvm_ext_flush_add(); interrupts enabled.
 */
void kvm_ext_flush_finish(struct kvm_ext_flush *f);

/**
 * kvm_ext_flush_lpid() - invalidate all of an LPID at once
 * @flusher:	who invalidates
 * @lpid:	the LPID
 *
 * Translations, and what is cached of the tables that they were made from.
 *
 * Context: any; interrupts enabled.
 * Return: false if the hypervisor refused.
 */
bool kvm_ext_flush_lpid(struct kvm_ext_flusher *flusher, u64 lpid);

#endif /* KVM_EXT_RADIX_FLUSH_H */
