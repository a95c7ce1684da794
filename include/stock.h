/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the kernel does itself, for those of our functions that add to it: they
 * stand in its place.
 */
#ifndef KHX_STOCK_H
#define KHX_STOCK_H

#include <linux/kvm_host.h>
#include <asm/kvm_ppc.h>

struct khx_redirect;

/* kvm-hv's own operations, as they were before we replaced members. */
extern struct kvmppc_ops khx_stock_ops;

/* The rows of the table of redirects. */
enum khx_redirected {
	KHX_SELF_TEST,
	KHX_FREE_RADIX,
	KHX_UPDATE_VPA,
	KHX_INSTANTIATE_PAGE,
	KHX_CREATE_PTE,
	KHX_FLUSH_MEMSLOT,
	KHX_CHECK_EXTENSION,
	KHX_ENABLE_CAP,
	KHX_GET_NESTED,
	KHX_INSERT_RMAP,
	KHX_REMOVE_RMAP,
	KHX_UPDATE_RMAP_RC,
	KHX_FIND_NESTED_PTE,
	KHX_UNMAP_PTE,
	KHX_FREE_PGTABLE,
	KHX_RELEASE_NESTED,
	KHX_NESTED_TLBIE,
	KHX_RPT_INVALIDATE,

	/* placed when the first HPT guest appears */
	KHX_FIRST_HPT,
	KHX_H_ENTER = KHX_FIRST_HPT,
	KHX_HPT_FAULT,
	KHX_SETUP_MMU,
	KHX_FREE_HPT,
	KHX_HTAB_READ,
	KHX_HTAB_WRITE,
	KHX_RESIZE_PREPARE,
	KHX_RESIZE_COMMIT,

	/* placed when the first VM comes whose pages are pinned */
	KHX_FIRST_PIN,
	KHX_VCPU_RUN = KHX_FIRST_PIN,
};

/**
 * khx_original() - khx_redirect_original() by row
 * @which:	row that applies
 *
 * Context: any.
 * Return: the stock function.
 */
void *khx_original(enum khx_redirected which);

/**
 * khx_stock_init() - what khx_stock_ops and khx_original() give from now on
 * @ops:	kvm-hv's table of operations, before a member is replaced
 * @row:	the table of redirects, a row for each enum khx_redirected
 *
 * Context: module load, before any of both is asked for.
 */
void khx_stock_init(const struct kvmppc_ops *ops, struct khx_redirect *row);

#endif /* KHX_STOCK_H */
