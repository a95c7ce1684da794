/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel does itself, for those of our functions that add to it: they
 * stand in its place.
 */
#ifndef KVM_EXT_STOCK_H
#define KVM_EXT_STOCK_H

#include <linux/kvm_host.h>
#include <asm/kvm_ppc.h>

struct kvm_ext_redirect;

/* kvm-hv's own operations, as they were before we replaced members. */
extern struct kvmppc_ops kvm_ext_stock;

/* The rows of the table of redirects. */
enum kvm_ext_redirected {
	KVM_EXT_SELF_TEST,
	KVM_EXT_FREE_RADIX,
	KVM_EXT_UPDATE_VPA,
	KVM_EXT_INSTANTIATE_PAGE,
	KVM_EXT_CREATE_PTE,
	KVM_EXT_FLUSH_MEMSLOT,
	KVM_EXT_CHECK_EXTENSION,
	KVM_EXT_ENABLE_CAP,
	KVM_EXT_GET_NESTED,
	KVM_EXT_INSERT_RMAP,
	KVM_EXT_REMOVE_RMAP,
	KVM_EXT_UPDATE_RMAP_RC,
	KVM_EXT_FIND_NESTED_PTE,
	KVM_EXT_UNMAP_PTE,
	KVM_EXT_FREE_PGTABLE,
	KVM_EXT_RELEASE_NESTED,
	KVM_EXT_NESTED_TLBIE,
	KVM_EXT_RPT_INVALIDATE,

	/* placed when the first HPT guest appears */
	KVM_EXT_FIRST_HPT,
	KVM_EXT_H_ENTER = KVM_EXT_FIRST_HPT,
	KVM_EXT_HPT_FAULT,
	KVM_EXT_SETUP_MMU,
	KVM_EXT_FREE_HPT,
	KVM_EXT_HTAB_READ,
	KVM_EXT_HTAB_WRITE,
	KVM_EXT_RESIZE_PREPARE,
	KVM_EXT_RESIZE_COMMIT,

	/* placed when the first VM comes whose pages are pinned */
	KVM_EXT_FIRST_PIN,
	KVM_EXT_VCPU_RUN = KVM_EXT_FIRST_PIN,
};

/**
 * kvm_ext_original() - kvm_ext_redirect_original() by row
 * @which:	row that applies
 *
 * Context: any.
 * Return: the stock function.
 */
void *kvm_ext_original(enum kvm_ext_redirected which);

/**
 * kvm_ext_stock_init() - what kvm_ext_stock and kvm_ext_original() give from now on
 * @ops:	kvm-hv's table of operations, before a member is replaced
 * @row:	the table of redirects, a row for each enum kvm_ext_redirected
 *
 * Context: module load, before any of both is asked for.
 */
void kvm_ext_stock_init(const struct kvmppc_ops *ops, struct kvm_ext_redirect *row);

#endif /* KVM_EXT_STOCK_H */
