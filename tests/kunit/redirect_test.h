/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry stubs of the redirect suite (redirect_test_stub.S), and their targets.
 */
#ifndef KHX_TEST_REDIRECT_H
#define KHX_TEST_REDIRECT_H

#include <linux/types.h>

void test_stub_replacement(void);
void test_stub_wrapper(void);
void test_stub_nine(void);

u64 test_replacement(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h);
u64 test_wrapper(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h);
u64 test_nine(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i);

#endif /* KHX_TEST_REDIRECT_H */
