/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Additions to the kernel's kselftest_harness.h
 */
#ifndef TESTS_KTAP_KTAP_H
#define TESTS_KTAP_KTAP_H

#include "kselftest_harness.h"

/* The emulated host's clock runs on while the machine gives it no CPU. */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT 120

#include "options.h"
#include "vm.h"

#if !defined(KSFT_XFAIL) || !defined(KSELFTEST_PRIO_XFAIL)
#error "KSRC must be a kernel source tree whose kselftest_harness.h knows XFAIL (6.12 does)"
#endif

/*
 * Skip a test, or the rest of its setup, for a reason; NULL does not skip. The
 * harness runs no teardown after a setup that skips.
 */
#define SKIP_IF(statement, reason) do {					\
	const char *skip_reason = (reason);				\
									\
	if (skip_reason)						\
		SKIP(statement, "%s", skip_reason);			\
} while (0)

/* Report a known failure of stock as an expected failure. */
#define XFAIL(statement, fmt, ...) do { \
	snprintf(_metadata->results->reason, \
		 sizeof(_metadata->results->reason), fmt, ##__VA_ARGS__); \
	TH_LOG("XFAIL: %s", _metadata->results->reason); \
	if (_metadata->exit_code != KSFT_FAIL) \
		_metadata->exit_code = KSFT_XFAIL; \
	statement; \
} while (0)

/* May a known failure be expected? Only on stock, without KTAP_STRICT. */
static inline bool may_xfail(const struct vm *vm)
{
	return !vm->ours && !option("KTAP_STRICT", 0);
}

/* Expect a condition that stock is known to violate. */
#define EXPECT_OURS(vm, condition, reason) do {				\
	bool holds = (condition);					\
									\
	if (!holds && may_xfail(vm))					\
		XFAIL(break, reason);					\
	else								\
		EXPECT_TRUE(holds);					\
} while (0)

/*
 * Can a test judge a loss while memory is taken from running vCPUs? Not on a
 * host whose vCPUs may still write to it; and stock misses a store now and
 * then.
 */
static inline bool judges_theft(const struct vm *vm)
{
	return host_is_exact() && !may_xfail(vm);
}

/* Expect no loss, if this host and subject can be judged. */
#define EXPECT_NONE(judged, count) do {					\
	unsigned long found = (count);					\
									\
	if (found && !(judged))						\
		XFAIL(break, "this host, or stock, is known to lose some");	\
	else								\
		EXPECT_EQ(0, found);					\
} while (0)

#endif
