/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Invalidate translations that come from HPTEs: those of one HPTE, or all of an
 * LPID. HPT guests run on bare metal only, so every invalidation is a tlbie.
 */
#ifndef KHX_HPT_FLUSH_H
#define KHX_HPT_FLUSH_H

#include <linux/types.h>

struct kvm;

/**
 * struct khx_hpt_flush_backend - how this machine invalidates
 * @ceiling:	invalidate the whole LPID for more HPTEs than this
 * @hpte:	clear V of an HPTE and invalidate its translations
 * @clear_ref:	clear R of a valid HPTE and invalidate its translations
 * @lpid:	invalidate all translations of the VM's LPID; NULL where only
 *		single HPTEs can be invalidated
 *
 * Context of all: any; the caller has locked the HPTE. On return the
 * invalidation is complete on all CPUs, and R and C of an HPTE that is not
 * valid are final.
 */
struct khx_hpt_flush_backend {
	unsigned int ceiling;
	void (*hpte)(struct kvm *kvm, __be64 *hptep, unsigned long index);
	void (*clear_ref)(struct kvm *kvm, __be64 *hptep, unsigned long index);
	void (*lpid)(struct kvm *kvm);
};

/**
 * khx_hpt_flush_default() - get the backend for this machine
 *
 * Context: any.
 */
const struct khx_hpt_flush_backend *khx_hpt_flush_default(void);

#endif /* KHX_HPT_FLUSH_H */
