/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of another module, to be redirected by the redirect suite.
 */
#ifndef KHX_TEST_VICTIM_H
#define KHX_TEST_VICTIM_H

#include <linux/types.h>

/* What the victim computes; the salt is in the victim's module, by its TOC. */
u64 khx_test_victim(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h);
extern u64 khx_test_victim_salt;

/* The same plus @i, which is not in a register. */
u64 khx_test_victim_of_nine(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h,
			    u64 i);
u64 khx_test_call_nine_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h,
			       u64 i);

/*
 * Calls the victim by its local entry point, as code of its own module does.
 * @r2_kept tells whether the TOC pointer came back as it was.
 */
u64 khx_test_call_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g,
			  u64 h, bool *r2_kept);

/* The formula, for both sides. */
static inline u64 khx_test_mix(u64 salt, u64 a, u64 b, u64 c, u64 d, u64 e,
			       u64 f, u64 g, u64 h)
{
	return salt ^ (a + 3 * b + 5 * c + 7 * d + 11 * e + 13 * f + 17 * g + 19 * h);
}

#endif /* KHX_TEST_VICTIM_H */
