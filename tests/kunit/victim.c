// SPDX-License-Identifier: GPL-2.0
/*
 * Functions for the redirect suite to redirect, and their callers.
 */
#include <linux/module.h>

#include "compat.h"
#include "victim.h"

u64 khx_test_victim_salt = 0x1111222233334444;
EXPORT_SYMBOL_GPL(khx_test_victim_salt);

noinline u64 khx_test_victim(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f,
			     u64 g, u64 h)
{
	return khx_test_mix(READ_ONCE(khx_test_victim_salt),
			    a, b, c, d, e, f, g, h);
}
EXPORT_SYMBOL_GPL(khx_test_victim);

u64 khx_test_call_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g,
			  u64 h, bool *r2_kept)
{
	unsigned long before, after;
	u64 ret;

	asm volatile("mr %0,2" : "=r" (before) : : "memory");
	ret = khx_test_victim(a, b, c, d, e, f, g, h);
	asm volatile("mr %0,2" : "=r" (after) : : "memory");

	*r2_kept = before == after;
	return ret;
}
EXPORT_SYMBOL_GPL(khx_test_call_locally);

noinline u64 khx_test_victim_of_nine(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g,
				     u64 h, u64 i)
{
	return khx_test_mix(READ_ONCE(khx_test_victim_salt),
			    a, b, c, d, e, f, g, h) + i;
}
EXPORT_SYMBOL_GPL(khx_test_victim_of_nine);

/* Must not become a sibling call, which would pass on the caller's frame. */
u64 khx_test_call_nine_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h,
			       u64 i)
{
	u64 ret = khx_test_victim_of_nine(a, b, c, d, e, f, g, h, i);

	OPTIMIZER_HIDE_VAR(ret);
	return ret;
}
EXPORT_SYMBOL_GPL(khx_test_call_nine_locally);

MODULE_DESCRIPTION("Functions to be redirected by the KUnit tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
