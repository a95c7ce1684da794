// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own operations and functions, where ours stand in their place.
 */
#include "redirect.h"
#include "stock.h"

struct kvmppc_ops kvm_ext_stock;

static struct kvm_ext_redirect *rows;

void *kvm_ext_original(enum kvm_ext_redirected which)
{
	return kvm_ext_redirect_original(&rows[which]);
}

void kvm_ext_stock_init(const struct kvmppc_ops *ops, struct kvm_ext_redirect *row)
{
	kvm_ext_stock = *ops;
	rows = row;
}
