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
 *		1 << shift bytes; 0 or -EIO
 * @lpid:	invalidate all of an LPID: 0 or -EIO
 */
struct kvm_ext_flush_backend {
	const char *name;
	unsigned int range_pages;
	unsigned int ceiling;
	int (*range)(u64 lpid, unsigned long start, unsigned long end,
		     unsigned int shift);
	int (*lpid)(u64 lpid);
};

/**
 * struct kvm_ext_flush - invalidations of one LPID being gathered
 * @backend:	who issues them
 * @debug:	told of what was issued
 * @lpid:	whose
 * @total:	base pages that the LPID can have mapped
 * @pages:	base pages added since begin
 * @requests:	requests they amount to
 * @nr:		ranges remembered
 * @whole:	decided: one invalidation of all
 * @failed:	an invalidation failed, and so did that of the whole LPID
 * @range:	what is remembered; guest real addresses in bytes
 */
struct kvm_ext_flush {
	const struct kvm_ext_flush_backend *backend;
	struct kvm_ext_flush_debug *debug;
	u64 lpid;
	unsigned long total;
	unsigned long pages;
	unsigned long requests;
	unsigned int nr;
	bool whole;
	bool failed;
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
 * Context: module load.
 */
void kvm_ext_flush_probe(unsigned int ceiling);

/**
 * kvm_ext_flush_init() - prepare a gatherer, once
 * @f:		the gatherer
 * @debug:	where cleared bits are remembered in debug builds
 * @backend:	who issues the invalidations
 */
void kvm_ext_flush_init(struct kvm_ext_flush *f,
			struct kvm_ext_flush_debug *debug,
			const struct kvm_ext_flush_backend *backend);

/**
 * kvm_ext_flush_begin() - begin to gather
 * @f:		the gatherer
 * @lpid:	LPID to invalidate translations of
 * @total:	base pages of memory that this LPID can have mapped
 *
 * If the last invalidation of the same LPID through @f failed, it is made up
 * for: all of the LPID will be invalidated.
 */
void kvm_ext_flush_begin(struct kvm_ext_flush *f, u64 lpid, unsigned long total);

/**
 * kvm_ext_flush_add() - a leaf whose translations must go
 * @f:		the gatherer
 * @gpa:	guest real address of the leaf, aligned to its size
 * @shift:	log2 of its size in bytes
 *
 * The PTE has been changed already. Adding in the order of addresses makes
 * the best ranges. May issue invalidations.
 *
 * Context: any; the owner of @f serialises.
 */
void kvm_ext_flush_add(struct kvm_ext_flush *f, unsigned long gpa,
		       unsigned int shift);

/**
 * kvm_ext_flush_finish() - issue what is gathered
 * @f:		the gatherer
 *
 * Context: as kvm_ext_flush_add().
 * Return: 0 when no translation of what was added since begin is left in any
 * TLB; -EIO if the machine refused, even to invalidate the whole LPID.
 */
int kvm_ext_flush_finish(struct kvm_ext_flush *f);

/**
 * kvm_ext_flush_lpid() - invalidate all of an LPID at once
 * @f:		a gatherer, whose backend is used; nothing in it changes
 * @lpid:	the LPID
 *
 * Translations, and what is cached of the tables that they were made from.
 *
 * Context: any.
 * Return: 0, or -EIO if the machine refused.
 */
int kvm_ext_flush_lpid(const struct kvm_ext_flush *f, u64 lpid);

#endif /* KVM_EXT_RADIX_FLUSH_H */
