/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Threads on which all vCPUs of a VM access one memslot. They live as long as
 * the VM, because creating a thread takes longer than some of the phases.
 */
#ifndef TESTS_BENCH_CREW_H
#define TESTS_BENCH_CREW_H

#include "../ktap/logged_vm.h"

struct crew;

struct crew *crew_create(struct logged_vm *l);
void crew_destroy(struct crew *crew);

/* Number of pages that crew_work() accesses; they are at equal distances. */
size_t crew_pages(const struct logged_vm *l, unsigned int percent);

/* Store to or load from each of these pages once; wait for all vCPUs. */
void crew_work(struct crew *crew, enum guest_op op, unsigned int percent);

#endif
