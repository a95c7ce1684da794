/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that takes memory from under a running guest, in every way that
 * leaves its content: the guest must notice nothing
 */
#ifndef TESTS_KTAP_THIEF_H
#define TESTS_KTAP_THIEF_H

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "logged_vm.h"

/**
 * enum theft - a way to take memory
 * @THEFT_DROP: unmap it; shared memory only, whose pages stay in the file
 * @THEFT_PAGE_OUT: write it to swap
 * @THEFT_COLD: age it, so that it is a candidate for that
 * @THEFT_FORK: have it shared with a child, so that a store copies it
 * @THEFT_MERGE: let KSM find it the same as other memory
 * @THEFT_COLLAPSE: make huge pages of it
 */
enum theft {
	THEFT_DROP, THEFT_PAGE_OUT, THEFT_COLD, THEFT_FORK, THEFT_MERGE,
	THEFT_COLLAPSE, NR_THEFTS
};

/* Why the host cannot swap, NULL when it can; to compressed memory from then on. */
const char *thief_swap_missing(void);
void thief_swap_on(void);

/* Ways that suit a backing, as a mask. */
unsigned int thefts_from(enum backing backing);

/**
 * struct thief - the thread
 * @l: whose memory
 * @ways: a mask of 1 << enum theft
 * @most: pages that one theft may be about, 0 for all
 * @rest_us: pause after a theft, 0 for a short one
 * @random: state of the pseudo-random numbers
 * @count: times that memory was taken, by way
 */
struct thief {
	const struct logged_vm *l;
	unsigned int ways;
	size_t most;
	useconds_t rest_us;
	__u64 random;
	atomic_ulong count[NR_THEFTS];
	pthread_t thread;
	atomic_bool stop;
};

void thief_start(struct thief *thief);
void thief_stop(struct thief *thief);

/* Was memory taken in each of these ways by now? The thief begins with each of them. */
bool thief_has_taken(const struct thief *thief);

/* The same, and says how often. */
bool thief_succeeded(const struct thief *thief);

#endif
