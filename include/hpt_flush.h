/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Invalidation of translations that HPTEs gave: of one HPTE, or of all of an
 * LPID. HPT guests run on bare metal only, so each is a tlbie.
 */
#ifndef KHX_HPT_FLUSH_H
#define KHX_HPT_FLUSH_H

#include <linux/types.h>

struct kvm;

/**
 * struct khx_hpt_flush_backend - how this machine invalidates
 * @ceiling:	HPTEs above which one invalidation of all of the LPID is better
 * @hpte:	make an HPTE invalid and invalidate what it gave
 * @clear_ref:	clear R of a valid HPTE and invalidate what it gave
 * @lpid:	invalidate all of the VM's LPID; NULL where HPTEs have to be named
 *
 * Context of all: any; the HPTE is locked. On return the invalidation is
 * complete on all CPUs, and R and C of the HPTE are final if it is not valid.
 */
struct khx_hpt_flush_backend {
	unsigned int ceiling;
	void (*hpte)(struct kvm *kvm, __be64 *hptep, unsigned long index);
	void (*clear_ref)(struct kvm *kvm, __be64 *hptep, unsigned long index);
	void (*lpid)(struct kvm *kvm);
};

/**
 * khx_hpt_flush_default() - the backend for this machine
 *
 * Context: any.
 */
const struct khx_hpt_flush_backend *khx_hpt_flush_default(void);

#endif /* KHX_HPT_FLUSH_H */
