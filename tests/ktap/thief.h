/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A thread that takes memory from a running guest, in every way that keeps its
 * content: the guest must not notice
 */
#ifndef TESTS_KTAP_THIEF_H
#define TESTS_KTAP_THIEF_H

#include <pthread.h>
#include <stdatomic.h>
#include <unistd.h>

#include "logged_vm.h"

/**
 * enum theft - a way to take memory
 * @THEFT_DROP: unmap it; only shared memory, whose pages stay in the file
 * @THEFT_PAGE_OUT: write it to swap
 * @THEFT_COLD: age it, which makes it a candidate for swap
 * @THEFT_FORK: share it with a child, so that a store copies it
 * @THEFT_MERGE: let KSM merge it with other memory
 * @THEFT_COLLAPSE: collapse it into huge pages
 */
enum theft {
	THEFT_DROP, THEFT_PAGE_OUT, THEFT_COLD, THEFT_FORK, THEFT_MERGE,
	THEFT_COLLAPSE, NR_THEFTS
};

/* Return why the host cannot swap, or NULL. Swap to compressed memory. */
const char *thief_swap_missing(void);
void thief_swap_on(void);

/* Return the ways that suit a backing, as a mask. */
unsigned int thefts_from(enum backing backing);

/**
 * struct thief - the thread
 * @l: VM to take memory from
 * @ways: a mask of 1 << enum theft
 * @most: maximum number of pages of one theft, 0 for all
 * @rest_us: pause after a theft, 0 for a short one
 * @random: state of the pseudo-random numbers
 * @count: number of thefts, by way
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

/* Was memory taken in each of the ways? The thief begins with each way once. */
bool thief_has_taken(const struct thief *thief);

/* The same, and print how often. */
bool thief_succeeded(const struct thief *thief);

#endif
