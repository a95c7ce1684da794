/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Two ways to find a lost bit while vCPUs run: stores on request, each of which
 * the next collection must report; and a copy made in rounds, like a migration,
 * which must equal the memory after the vCPUs have stopped
 *
 * An emulated host may leave stale translations to a running vCPU until it next
 * leaves the guest. So after each collection every vCPU is kicked, unless the
 * host is exact.
 */
#ifndef TESTS_KTAP_ROUNDS_H
#define TESTS_KTAP_ROUNDS_H

#include "logged_vm.h"

/* Kick the vCPUs out of the guest, unless the host is exact. */
void rounds_kick(struct logged_vm *l);

/**
 * struct served - stores on request
 * @rounds: number of rounds of up to 8 stores
 * @pages: number of pages of the memslot to store to
 * @random: state of the pseudo-random numbers
 * @asked: number of stores
 * @missed: stores that were not reported
 * @lost: stores that are not in memory
 */
struct served {
	unsigned long rounds;
	size_t pages;
	__u64 random;
	unsigned long asked;
	unsigned long missed;
	unsigned long lost;
};

/* Pin the calling thread, the collector, to CPU 0, the vCPU to the last. */
void rounds_pin(struct vcpu *vcpu);

/* @area is that of a vCPU that runs GUEST_SERVE. */
void rounds_serve(struct logged_vm *l, struct guest_area *area,
		  struct served *served);

/*
 * Start GUEST_CHURN or GUEST_REMEMBER on all vCPUs of the VM. Each stores
 * rising numbers to random pages of the memslot, in a word of its own. Returns
 * their areas in @area.
 */
void rounds_churn(struct logged_vm *l, struct guest_area *area[],
		  enum guest_op op, __u64 *random);

/* Wait until each of these vCPUs has stored again. */
void rounds_await_stores(struct guest_area *const area[], unsigned int count);

/* Turn the log on and make the first, full copy. */
void rounds_copy_all(struct logged_vm *l, char *copy);

/* Copy one round. No vCPU may run after the last one. */
void rounds_copy_dirty(struct logged_vm *l, char *copy);

/* Return the number of pages that differ from the copy. */
size_t rounds_differing(const struct logged_vm *l, const char *copy);

/* Count the pages without the value that GUEST_REMEMBER recorded. */
size_t rounds_lost(const struct logged_vm *l, const struct guest_area *area);

#endif
