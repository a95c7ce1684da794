// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's command loop
 *
 * Freestanding code for real mode: no library, no floating point or vector
 * registers. What the host may change or look at while a command runs is
 * accessed atomically.
 */
#include "guest.h"

#include <stdbool.h>

#include "../system/guest/pattern.h"

#define H_ENTER_NESTED		0xf804

#define TRAP_EXTERNAL		0x500
#define TRAP_HV_DECREMENTER	0x980

#define HDEC_FAR_AWAY		0x10000000000ull

static inline __u64 load(const __u64 *p)
{
	return __atomic_load_n(p, __ATOMIC_ACQUIRE);
}

static inline void store(__u64 *p, __u64 value)
{
	__atomic_store_n(p, value, __ATOMIC_RELEASE);
}

static void store_list(struct guest_area *area)
{
	__u64 i;

	for (i = 0; i < area->count; i++)
		store((__u64 *)area->list[i].addr, area->list[i].value);
}

static void load_list(struct guest_area *area)
{
	__u64 i;

	for (i = 0; i < area->count; i++)
		area->list[i].value = load((__u64 *)area->list[i].addr);
}

static __u64 xorshift(__u64 x)
{
	x ^= x << 13;
	x ^= x >> 7;
	return x ^ (x << 17);
}

static void churn(struct guest_area *area)
{
	__u64 addr = area->addr, stride = area->stride, count = area->count;
	__u64 random = area->seed, stored = 0;

	while (!load(&area->stop)) {
		random = xorshift(random);
		store((__u64 *)(addr + (random % count) * stride), ++stored);
		store(&area->progress, stored);
	}
}

static void churn_and_remember(struct guest_area *area)
{
	__u64 addr = area->addr, stride = area->stride, count = area->count;
	__u64 random = area->seed, stored = 0;

	while (!load(&area->stop)) {
		__u64 page, *p;

		random = xorshift(random);
		page = random % count;
		p = (__u64 *)(addr + page * stride);
		if (load(p) != area->list[page].value)
			store(&area->wrong, area->wrong + 1);
		if (random >> 63)
			continue;
		store(p, ++stored);
		area->list[page].value = stored;
		store(&area->progress, stored);
	}
}

static void fill(__u64 *p, __u64 page, __u64 pass, __u64 words)
{
	__u64 i;

	for (i = 0; i < words; i++)
		store(&p[i], word_of(page, pass, i));
}

static bool holds(const __u64 *p, __u64 page, __u64 pass, __u64 words)
{
	__u64 i;

	for (i = 0; i < words; i++)
		if (load(&p[i]) != word_of(page, pass, i))
			return false;
	return true;
}

static void rewrite(struct guest_area *area)
{
	__u64 count = area->count, words = area->stride / sizeof(__u64);
	__u64 *memory = (__u64 *)area->addr;
	__u64 random = area->seed, pass = 0, page, *p;

	for (page = 0; page < count; page++) {
		fill(memory + page * words, page, 0, words);
		area->list[page].value = 0;
	}
	while (!load(&area->stop)) {
		pass++;
		for (page = 0; page < count; page++) {
			p = memory + page * words;
			if (!holds(p, page, area->list[page].value, words))
				store(&area->wrong, area->wrong + 1);
			random = xorshift(random);
			if (random % GUEST_REWRITE_ONE_IN)
				continue;
			fill(p, page, pass, words);
			area->list[page].value = pass;
		}
		store(&area->progress, pass);
	}
}

static void serve(struct guest_area *area)
{
	__u64 request;

	while (!load(&area->stop)) {
		request = load(&area->request);
		if (request == area->served)
			continue;
		store_list(area);
		store(&area->served, request);
	}
}

static void guest_hcall(struct guest_area *area)
{
	__u64 regs[GUEST_HCALL_REGS];
	int i;

	for (i = 0; i < GUEST_HCALL_REGS; i++)
		regs[i] = area->regs[i];
	hcall(regs);
	for (i = 0; i < GUEST_HCALL_REGS; i++)
		area->regs[i] = regs[i];
}

static __u64 timebase(void)
{
	__u64 tb;

	asm volatile("mftb %0" : "=r" (tb));
	return tb;
}

/* Interrupts that are the host's business end an entry too: enter again. */
static void enter_nested(struct guest_area *area)
{
	__u64 regs[GUEST_HCALL_REGS];

	do {
		area->nested.hv[NESTED_HV_HDEC_EXPIRY] = timebase() + HDEC_FAR_AWAY;
		regs[0] = H_ENTER_NESTED;
		regs[1] = (__u64)area->nested.hv;
		regs[2] = (__u64)area->nested.regs;
		hcall(regs);
	} while (!regs[0] || regs[0] == TRAP_EXTERNAL ||
		 regs[0] == TRAP_HV_DECREMENTER);
	area->nested.trap = regs[0];
}

static void churn_areas(struct guest_area *area)
{
	__u64 random = area->seed, calls = 0, refused = 0, func;
	__u64 regs[GUEST_HCALL_REGS];

	while (!load(&area->stop)) {
		random = xorshift(random);
		func = random % H_REGISTER_VPA_FUNCS;
		regs[0] = H_REGISTER_VPA;
		regs[1] = func << H_REGISTER_VPA_SHIFT;
		regs[2] = (random >> 8) % area->vcpus;
		regs[3] = area->addr + area->stride *
			((func + 3) % 4 * area->count +
			 (random >> 16) % area->count);
		hcall(regs);
		refused += regs[0] != 0;
		store(&area->refused, refused);
		store(&area->progress, ++calls);
	}
}

void guest_main(struct guest_area *area)
{
	__u64 done[GUEST_HCALL_REGS];

	for (;;) {
		switch (area->op) {
		case GUEST_STORE:
			store_list(area);
			break;
		case GUEST_LOAD:
			load_list(area);
			break;
		case GUEST_CHURN:
			churn(area);
			break;
		case GUEST_REMEMBER:
			churn_and_remember(area);
			break;
		case GUEST_REWRITE:
			rewrite(area);
			break;
		case GUEST_SERVE:
			serve(area);
			break;
		case GUEST_HCALL:
			guest_hcall(area);
			break;
		case GUEST_ENTER_NESTED:
			enter_nested(area);
			break;
		case GUEST_AREAS:
			churn_areas(area);
			break;
		}
		done[0] = GUEST_EXIT_DONE;
		hcall(done);
	}
}
