// SPDX-License-Identifier: GPL-2.0
/*
 * A thread that unmaps the memory of a running guest
 */
#define _GNU_SOURCE
#include "thief.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <sys/wait.h>
#include <unistd.h>

#include "options.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define KSM		"/sys/kernel/mm/ksm/"
#define REST_US		1000

#define BIT(way)	(1u << (way))

static unsigned int possible(enum backing backing)
{
	switch (backing) {
	case BACKING_SMALL:
		return BIT(THEFT_PAGE_OUT) | BIT(THEFT_COLD) | BIT(THEFT_FORK) |
		       BIT(THEFT_MERGE);
	case BACKING_THP:
		return BIT(THEFT_PAGE_OUT) | BIT(THEFT_COLD) | BIT(THEFT_FORK) |
		       BIT(THEFT_COLLAPSE);
	case BACKING_MEMFD:
		return BIT(THEFT_DROP) | BIT(THEFT_PAGE_OUT);
	default:
		return 0;
	}
}

const char *thief_swap_missing(void)
{
	return access("/proc/swaps", F_OK) ? "the kernel has no swap (CONFIG_SWAP)" : NULL;
}

unsigned int thefts_from(enum backing backing)
{
	unsigned int ways = possible(backing);

	return thief_swap_missing() ? ways & ~BIT(THEFT_PAGE_OUT) : ways;
}

/* The swap device stays in use until the host reboots. */
void thief_swap_on(void)
{
	if (!access("/sys/block/zram0", F_OK))
		return;
	if (system("modprobe zram >/dev/null 2>&1"))
		die("the host has no zram to swap to");
	write_file("/sys/block/zram0/disksize", "256M");
	if (system("mkswap /dev/zram0 >/dev/null && swapon /dev/zram0"))
		die("the host cannot swap to zram");
}

static void merge_on(void)
{
	if (access(KSM "run", W_OK))
		return;
	write_file(KSM "sleep_millisecs", "1");
	write_file(KSM "pages_to_scan", "1000");
	write_file(KSM "run", "1");
}

/* It is no failure if the kernel cannot follow the advice at the moment. */
static void advise(void *memory, size_t size, int advice)
{
	if (madvise(memory, size, advice) && errno != EAGAIN && errno != EINVAL &&
	    errno != EBUSY && errno != ENOMEM)
		die("madvise(%d): %m", advice);
}

static void share_with_child(void)
{
	pid_t child = fork();

	if (child < 0)
		die("fork: %m");
	if (!child) {
		usleep(REST_US);
		_exit(0);
	}
	waitpid(child, NULL, 0);
}

static void steal(struct thief *thief, enum theft way, void *memory, size_t size)
{
	switch (way) {
	case THEFT_DROP:
		advise(memory, size, MADV_DONTNEED);
		break;
	case THEFT_PAGE_OUT:
		advise(memory, size, MADV_PAGEOUT);
		break;
	case THEFT_COLD:
		advise(memory, size, MADV_COLD);
		break;
	case THEFT_FORK:
		share_with_child();
		break;
	case THEFT_MERGE:
		advise(memory, size, MADV_MERGEABLE);
		break;
	default:
		advise(thief->l->memory, thief->l->size, MADV_COLLAPSE);
		break;
	}
	thief->count[way]++;
}

static void *thief_thread(void *arg)
{
	struct thief *thief = arg;
	const struct logged_vm *l = thief->l;
	size_t first, count, most = thief->most ?: l->pages;
	unsigned int turn = 0;
	enum theft way;

	while (!atomic_load(&thief->stop)) {
		do
			way = turn < NR_THEFTS ? turn++ :
			      random_below(&thief->random, NR_THEFTS);
		while (!(thief->ways & BIT(way)));
		first = random_below(&thief->random, l->pages);
		count = 1 + random_below(&thief->random, MIN(l->pages - first, most));
		steal(thief, way, l->memory + first * l->page, count * l->page);
		usleep(thief->rest_us ?: REST_US);
	}
	return NULL;
}

void thief_start(struct thief *thief)
{
	if (thief->ways & BIT(THEFT_PAGE_OUT))
		thief_swap_on();
	if (thief->ways & BIT(THEFT_MERGE))
		merge_on();
	if (pthread_create(&thief->thread, NULL, thief_thread, thief))
		die("thread that takes memory: %m");
}

void thief_stop(struct thief *thief)
{
	atomic_store(&thief->stop, true);
	pthread_join(thief->thread, NULL);
}

bool thief_has_taken(const struct thief *thief)
{
	enum theft way;

	for (way = 0; way < NR_THEFTS; way++)
		if (thief->ways & BIT(way) && !thief->count[way])
			return false;
	return true;
}

bool thief_succeeded(const struct thief *thief)
{
	static const char *const name[NR_THEFTS] = {
		[THEFT_DROP] = "dropped",
		[THEFT_PAGE_OUT] = "paged out",
		[THEFT_COLD] = "cold",
		[THEFT_FORK] = "forked",
		[THEFT_MERGE] = "merged",
		[THEFT_COLLAPSE] = "collapsed",
	};
	enum theft way;

	for (way = 0; way < NR_THEFTS; way++) {
		if (!(thief->ways & BIT(way)))
			continue;
		ksft_print_msg("memory %s: %lu times\n", name[way],
			       thief->count[way]);
	}
	return thief_has_taken(thief);
}
