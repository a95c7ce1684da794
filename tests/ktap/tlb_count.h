/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own count of partition-scoped TLB invalidations
 *
 * A histogram on the kernel's tracepoints: of hypercalls where the host is a
 * partition, of tlbie instructions on bare metal.
 */
#ifndef TESTS_KTAP_TLB_COUNT_H
#define TESTS_KTAP_TLB_COUNT_H

/* Why this kernel cannot count; NULL when it can. */
const char *tlb_count_missing(void);

/* Counts from tlb_count_start() on; tlb_count_stop() returns how many there were. */
void tlb_count_start(void);
unsigned long tlb_count_stop(void);

#endif
