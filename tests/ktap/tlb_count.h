/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kernel's own count of TLB invalidations of guests
 *
 * A histogram on the kernel's tracepoints: of hypercalls if the host is a
 * partition, of tlbie instructions on bare metal. For HPT guests a histogram on
 * probes of the functions that issue them.
 */
#ifndef TESTS_KTAP_TLB_COUNT_H
#define TESTS_KTAP_TLB_COUNT_H

#include "vm.h"

/* Return why this kernel cannot count, or NULL if it can. */
const char *tlb_count_missing(void);

/*
 * Count from tlb_count_start() on; tlb_count_stop() returns the number. Only those
 * that the calling thread issues are counted. Of a CPU that an emulator runs the code
 * of before the tracepoint was switched on, none is: count again before you believe 0.
 */
void tlb_count_start(enum vm_mmu mmu);
unsigned long tlb_count_stop(enum vm_mmu mmu);

#endif
