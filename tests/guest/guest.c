// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's command loop
 *
 * Freestanding code for real mode: no library, no floating point or vector
 * registers. It uses atomic accesses for memory that the host may read or write
 * while a command runs.
 */
#include "guest.h"

#include <stdbool.h>

#include "../system/guest/pattern.h"

#define H_ENTER_NESTED		0xf804
#define H_TLB_INVALIDATE	0xf808

#define H_SUCCESS		0
#define H_PTEG_FULL		-6ull
#define H_NOT_FOUND		-7ull

/* A tlbie of everything for an LPID: RIC=2, R=1; in RB, IS=2. */
#define TLBIE_ALL		(2 << 18 | 1 << 16)
#define TLBIE_LPID		0x800

#define HPTE_R_RPN		0x0ffffffffffff000ull

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

static void update_list(struct guest_area *area)
{
	__u64 i;

	for (i = 0; i < area->count; i++) {
		load((__u64 *)area->list[i].addr);
		store((__u64 *)area->list[i].addr, area->list[i].value);
	}
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

/* An interrupt that only the host handles also ends an entry: enter again. */
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

/* A hypercall with up to four arguments. Results in r4 and r5 stay in regs. */
static __u64 call(__u64 regs[GUEST_HCALL_REGS], __u64 nr, __u64 r4, __u64 r5,
		  __u64 r6, __u64 r7)
{
	regs[0] = nr;
	regs[1] = r4;
	regs[2] = r5;
	regs[3] = r6;
	regs[4] = r7;
	hcall(regs);
	return regs[0];
}

/*
 * H_READ must find the HPTE that H_ENTER has made: it is bolted, and so
 * survives a resize of the HPT. If it is missing, skip the store.
 */
static bool churn_hpte(struct guest_area *area, const struct guest_access *hpte)
{
	__u64 index = hpte[0].addr, at = hpte[0].value;
	__u64 v = hpte[1].addr, r = hpte[1].value;
	__u64 regs[GUEST_HCALL_REGS], rc;
	bool found;

	rc = call(regs, H_ENTER, H_EXACT, index, v, r);
	if (rc != H_SUCCESS) {
		if (rc != H_PTEG_FULL)
			store(&area->refused, area->refused + 1);
		return false;
	}
	call(regs, H_READ, 0, index, 0, 0);
	found = regs[1] == v && !((regs[2] ^ r) & HPTE_R_RPN);
	if (found) {
		store((__u64 *)at, area->progress);
		if (area->progress % 8 == 0) {
			call(regs, H_CLEAR_MOD, 0, index, 0, 0);
			call(regs, H_CLEAR_REF, 0, index, 0, 0);
			call(regs, H_PROTECT, 0, index, 0, 0);
		}
	} else {
		store(&area->wrong, area->wrong + 1);
	}
	rc = call(regs, H_REMOVE, 0, index, 0, 0);
	if (rc != H_SUCCESS && (found || rc != H_NOT_FOUND))
		store(&area->refused, area->refused + 1);
	return true;
}

static void churn_hptes(struct guest_area *area)
{
	__u64 i;

	while (!load(&area->stop))
		for (i = 0; i < area->count; i++)
			if (churn_hpte(area, &area->list[2 * i]))
				store(&area->progress, area->progress + 1);
}

static void churn_guests(struct guest_area *area)
{
	__u64 token = area->nested.hv[NESTED_HV_LPID_TOKEN] >> 32 << 32;
	__u64 regs[GUEST_HCALL_REGS], entry = area->regs[0], lpid, *at, i;

	while (!load(&area->stop)) {
		for (i = 0; i < area->count; i++) {
			at = (__u64 *)area->list[i].addr;
			lpid = area->list[i].value;
			store(at, entry);
			area->nested.hv[NESTED_HV_LPID_TOKEN] = lpid | token;
			enter_nested(area);
			store(at, 0);
			if (area->nested.trap != area->trap)
				store(&area->wrong, area->wrong + 1);
			if (call(regs, H_TLB_INVALIDATE, TLBIE_ALL, lpid, TLBIE_LPID, 0))
				store(&area->refused, area->refused + 1);
			store(&area->progress, area->progress + 1);
		}
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
		case GUEST_UPDATE:
			update_list(area);
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
		case GUEST_HPTES:
			churn_hptes(area);
			break;
		case GUEST_GUESTS:
			churn_guests(area);
			break;
		}
		done[0] = GUEST_EXIT_DONE;
		hcall(done);
	}
}
