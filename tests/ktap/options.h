/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Options of a suite, which the run script passes in the environment, and the
 * pseudo-random numbers that KTAP_SEED starts:
 *	KTAP_SUBJECT	"stock" or "ours" (kvm-hv-ext): fail on VMs of the other
 *	KTAP_STRICT	expect of stock what is expected of kvm-hv-ext
 *	KTAP_SEED	start of the pseudo-random sequences
 *	KTAP_SCALE	factor on the amount of work, in percent
 *	KTAP_EXACT	1: the host's tlbie is exact, although it is emulated
 *	KTAP_MANUAL	1: logged VMs enable KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2
 *	KTAP_RECORDS	directory for results of a run on stock, with which a
 *			run on kvm-hv-ext is compared
 *	KTAP_ICOUNT	the host's clock counts instructions
 *			('lab boot --icount')
 *	KTAP_MODULE	file of the module, for suites that load it
 */
#ifndef TESTS_KTAP_OPTIONS_H
#define TESTS_KTAP_OPTIONS_H

#include <linux/types.h>
#include <stdlib.h>

static inline unsigned long option(const char *name, unsigned long otherwise)
{
	const char *text = getenv(name);

	return text && *text ? strtoul(text, NULL, 0) : otherwise;
}

static inline unsigned long scaled(unsigned long amount)
{
	unsigned long ret = amount * option("KTAP_SCALE", 100) / 100;

	return ret ? ret : 1;
}

/* splitmix64: the same on every host for the same seed */
static inline __u64 random_u64(__u64 *state)
{
	__u64 z = *state += 0x9e3779b97f4a7c15ull;

	z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9ull;
	z = (z ^ (z >> 27)) * 0x94d049bb133111ebull;
	return z ^ (z >> 31);
}

static inline __u64 random_below(__u64 *state, __u64 limit)
{
	return random_u64(state) % limit;
}

#endif
