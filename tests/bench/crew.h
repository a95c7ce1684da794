/* SPDX-License-Identifier: GPL-2.0 */
/*
 * All vCPUs of a VM at work on one memslot, each on a thread that lives as long as
 * the VM: to make a thread takes longer than some of the phases
 */
#ifndef TESTS_BENCH_CREW_H
#define TESTS_BENCH_CREW_H

#include "../ktap/logged_vm.h"

struct crew;

struct crew *crew_create(struct logged_vm *l);
void crew_destroy(struct crew *crew);

/* Pages that crew_work() accesses: that percentage, at equal distances. */
size_t crew_pages(const struct logged_vm *l, unsigned int percent);

/* GUEST_STORE or GUEST_LOAD, once to each of these pages; returns when all are done. */
void crew_work(struct crew *crew, enum guest_op op, unsigned int percent);

#endif
