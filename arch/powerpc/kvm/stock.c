// SPDX-License-Identifier: GPL-2.0
/*
 * The kernel's own operations and functions, where ours stand in their place.
 */
#include "redirect.h"
#include "stock.h"

struct kvmppc_ops khx_stock_ops;

static struct khx_redirect *rows;

void *khx_original(enum khx_redirected which)
{
	return khx_redirect_original(&rows[which]);
}

void khx_stock_init(const struct kvmppc_ops *ops, struct khx_redirect *row)
{
	khx_stock_ops = *ops;
	rows = row;
}
