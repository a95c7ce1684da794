/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two ways to find a lost bit while vCPUs run: stores made on request, each of
 * which the next collection must report; and a copy made in rounds, as by a
 * migration, which must equal the memory when the vCPUs are stopped at last.
 *
 * An emulated host may leave stale translations to a running vCPU until it next
 * leaves the guest. So after each collection every vCPU is made to do so, unless
 * the host is exact.
 */
#ifndef TESTS_KTAP_ROUNDS_H
#define TESTS_KTAP_ROUNDS_H

#include "logged_vm.h"

/* vCPUs leave the guest for a moment, where stale translations stay until then. */
void rounds_kick(struct logged_vm *l);

/**
 * struct served - stores on request
 * @rounds: how many rounds of up to 8 stores there shall be
 * @pages: to how many pages of the slot they go
 * @random: state of the pseudo-random numbers
 * @asked: stores asked for
 * @missed: of these, not reported
 * @lost: of these, not in memory
 */
struct served {
	unsigned long rounds;
	size_t pages;
	__u64 random;
	unsigned long asked;
	unsigned long missed;
	unsigned long lost;
};

/* The collector is the calling thread; it keeps to CPU 0, the vCPU to the last. */
void rounds_pin(struct vcpu *vcpu);

/* The area is that of a vCPU which runs GUEST_SERVE. */
void rounds_serve(struct logged_vm *l, struct guest_area *area,
		  struct served *served);

/*
 * Starts GUEST_CHURN or GUEST_REMEMBER on all vCPUs of the VM: each stores
 * rising numbers to random pages of the slot, at a place of its own. Their
 * areas are returned.
 */
void rounds_churn(struct logged_vm *l, struct guest_area *area[],
		  enum guest_op op, __u64 *random);

/* Returns when each of these vCPUs has stored again. */
void rounds_await_stores(struct guest_area *const area[], unsigned int count);

/* Turns the log on and takes the first, full copy. */
void rounds_copy_all(struct logged_vm *l, char *copy);

/* One round; after the last one no vCPU may run. */
void rounds_copy_dirty(struct logged_vm *l, char *copy);

/* Number of pages that differ from the copy. */
size_t rounds_differing(const struct logged_vm *l, const char *copy);

/* Number of pages that do not hold what a vCPU remembers (GUEST_REMEMBER). */
size_t rounds_lost(const struct logged_vm *l, const struct guest_area *area);

#endif
