/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Functions of another module that the redirect suite redirects.
 */
#ifndef KHX_TEST_VICTIM_H
#define KHX_TEST_VICTIM_H

#include <linux/types.h>

/* Mix the arguments with the salt, read through the TOC of the module. */
u64 khx_test_victim(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h);
extern u64 khx_test_victim_salt;

/* The same plus @i, which is passed in memory. */
u64 khx_test_victim_of_nine(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h,
			    u64 i);
u64 khx_test_call_nine_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h,
			       u64 i);

/*
 * Call the victim by its local entry point, as code of its own module does.
 * @r2_kept returns whether the TOC pointer was preserved.
 */
u64 khx_test_call_locally(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g,
			  u64 h, bool *r2_kept);

/* The formula, shared by the victim and the suite. */
static inline u64 khx_test_mix(u64 salt, u64 a, u64 b, u64 c, u64 d, u64 e,
			       u64 f, u64 g, u64 h)
{
	return salt ^ (a + 3 * b + 5 * c + 7 * d + 11 * e + 13 * f + 17 * g + 19 * h);
}

#endif /* KHX_TEST_VICTIM_H */
