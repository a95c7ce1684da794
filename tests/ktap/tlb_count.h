/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own count of TLB invalidations of guests
 *
 * A histogram on the kernel's tracepoints: of hypercalls where the host is a
 * partition, of tlbie instructions on bare metal; for HPT guests on probes of the
 * functions that make them.
 */
#ifndef TESTS_KTAP_TLB_COUNT_H
#define TESTS_KTAP_TLB_COUNT_H

#include "vm.h"

/* Why this kernel cannot count; NULL when it can. */
const char *tlb_count_missing(void);

/* Counts from tlb_count_start() on; tlb_count_stop() returns how many there were. */
void tlb_count_start(enum vm_mmu mmu);
unsigned long tlb_count_stop(enum vm_mmu mmu);

#endif
