// SPDX-License-Identifier: GPL-2.0
/*
 * An operation that a second thread repeats
 */
#define _GNU_SOURCE
#include "beside.h"

static struct {
	pthread_t thread;
	bool exists;
	bool stop;
	const struct operation *op;
	struct subject *s;
	const __u32 *a;
	unsigned long done;
	unsigned long succeeded;
} beside;

static void *repeat(void *unused)
{
	(void)unused;
	do {
		beside.succeeded += !beside.op->run(beside.s, beside.a);
		beside.done++;
	} while (!__atomic_load_n(&beside.stop, __ATOMIC_RELAXED));
	return NULL;
}

void beside_start(const struct operation *op, struct subject *s, const __u32 a[4])
{
	beside.op = op;
	beside.s = s;
	beside.a = a;
	beside.stop = false;
	beside.done = 0;
	beside.succeeded = 0;
	if (pthread_create(&beside.thread, NULL, repeat, NULL))
		fail(s, "a second thread: %m");
	beside.exists = true;
}

unsigned long beside_end(unsigned long *succeeded)
{
	if (!beside.exists)
		return 0;
	__atomic_store_n(&beside.stop, true, __ATOMIC_RELAXED);
	pthread_join(beside.thread, NULL);
	beside.exists = false;
	*succeeded += beside.succeeded;
	return beside.done;
}
