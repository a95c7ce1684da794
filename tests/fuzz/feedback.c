// SPDX-License-Identifier: GPL-2.0
/*
 * Which code of the module a program has reached, by KCOV
 */
#include "feedback.h"

#include <fcntl.h>
#include <linux/kcov.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>

#include "../ktap/vm.h"

#define KCOV_FILE	"/sys/kernel/debug/kcov"
#define TEXT_FILE	"/sys/module/kvm_hv_ext/sections/.text"

#define TRACE_WORDS	0x80000ul
#define PER_LINE	16

/* The first word of the trace is the number of addresses that follow. */
static unsigned long *trace, text;
static int kcov;

const char *feedback_open(void)
{
	FILE *file = fopen(TEXT_FILE, "r");

	if (!file || fscanf(file, "%lx", &text) != 1)
		return "the address of the module cannot be read";
	fclose(file);
	kcov = open(KCOV_FILE, O_RDWR | O_CLOEXEC);
	if (kcov < 0)
		return "this kernel has no KCOV";
	if (ioctl(kcov, KCOV_INIT_TRACE, TRACE_WORDS))
		die("KCOV_INIT_TRACE: %m");
	trace = mmap(NULL, TRACE_WORDS * sizeof(*trace), PROT_READ | PROT_WRITE, MAP_SHARED,
		     kcov, 0);
	if (trace == MAP_FAILED)
		die("map KCOV's trace: %m");
	return NULL;
}

void feedback_start(void)
{
	if (!trace)
		return;
	__atomic_store_n(&trace[0], 0, __ATOMIC_RELAXED);
	if (ioctl(kcov, KCOV_ENABLE, KCOV_TRACE_PC))
		die("KCOV_ENABLE: %m");
}

void feedback_take(struct places *reached)
{
	unsigned long i, place;

	memset(reached, 0, sizeof(*reached));
	for (i = 1; trace && i <= trace[0]; i++) {
		place = (trace[i] - text) / 4;
		if (place < FEEDBACK_PLACES)
			reached->bit[place / 64] |= 1ull << place % 64;
	}
}

size_t places_beyond(const struct places *a, const struct places *b)
{
	size_t i, count = 0;

	for (i = 0; i < FEEDBACK_PLACES / 64; i++)
		count += __builtin_popcountll(a->bit[i] & ~b->bit[i]);
	return count;
}

void places_add(struct places *a, const struct places *b)
{
	size_t i;

	for (i = 0; i < FEEDBACK_PLACES / 64; i++)
		a->bit[i] |= b->bit[i];
}

void places_remove(struct places *a, const struct places *b)
{
	size_t i;

	for (i = 0; i < FEEDBACK_PLACES / 64; i++)
		a->bit[i] &= ~b->bit[i];
}

void places_print(const struct places *places)
{
	unsigned int i, printed = 0;

	for (i = 0; i < FEEDBACK_PLACES; i++)
		if (places->bit[i / 64] >> i % 64 & 1)
			printf("%s%x", printed++ % PER_LINE ? " " : "\n# reached ", i * 4);
	putchar('\n');
}
