/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the suites add to the kernel's kselftest_harness.h
 */
#ifndef TESTS_KTAP_KTAP_H
#define TESTS_KTAP_KTAP_H

#include "kselftest_harness.h"
#include "options.h"
#include "vm.h"

#if !defined(KSFT_XFAIL) || !defined(KSELFTEST_PRIO_XFAIL)
#error "KSRC must be a kernel source tree whose kselftest_harness.h knows XFAIL (6.12 does)"
#endif

/*
 * Skip a test, or what is left of its setup, where there is a reason to; NULL is
 * none. After a setup that skips no teardown runs.
 */
#define SKIP_IF(statement, reason) do {					\
	const char *skip_reason = (reason);				\
									\
	if (skip_reason)						\
		SKIP(statement, "%s", skip_reason);			\
} while (0)

/* A failure that is known and is stock's: reported as such, and not hidden. */
#define XFAIL(statement, fmt, ...) do { \
	snprintf(_metadata->results->reason, \
		 sizeof(_metadata->results->reason), fmt, ##__VA_ARGS__); \
	TH_LOG("XFAIL: %s", _metadata->results->reason); \
	if (_metadata->exit_code != KSFT_FAIL) \
		_metadata->exit_code = KSFT_XFAIL; \
	statement; \
} while (0)

/* Stock's known failures count as such, unless stock is held to our standard. */
static inline bool may_xfail(const struct vm *vm)
{
	return !vm->ours && !option("KTAP_STRICT", 0);
}

/* A condition that stock is known not to meet. */
#define EXPECT_OURS(vm, condition, reason) do {				\
	bool holds = (condition);					\
									\
	if (!holds && may_xfail(vm))					\
		XFAIL(break, reason);					\
	else								\
		EXPECT_TRUE(holds);					\
} while (0)

/*
 * Can a loss be judged where memory is taken from running vCPUs? Not where they
 * may write it all the same; and stock misses a store now and then.
 */
static inline bool judges_theft(const struct vm *vm)
{
	return host_is_exact() && !may_xfail(vm);
}

/* No loss, if that is judged. */
#define EXPECT_NONE(judged, count) do {					\
	unsigned long found = (count);					\
									\
	if (found && !(judged))						\
		XFAIL(break, "this host, or stock, is known to lose some");	\
	else								\
		EXPECT_EQ(0, found);					\
} while (0)

#endif
