/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Calls that are made to fail: allocations and copies of the calling thread, by
 * the kernel's fault injection; and invalidations, which modules/refuse.c refuses
 */
#ifndef TESTS_TORTURE_FAULTS_H
#define TESTS_TORTURE_FAULTS_H

#include <linux/types.h>
#include <stdbool.h>

/**
 * enum faults - what fails
 * @FAULTS_SLAB: kmalloc() and the like
 * @FAULTS_PAGES: page allocations
 * @FAULTS_COPIES: copies from and to userspace
 * @FAULTS_REFUSED: invalidations, by the hypervisor
 */
enum faults { FAULTS_NONE, FAULTS_SLAB, FAULTS_PAGES, FAULTS_COPIES, FAULTS_REFUSED, NR_FAULTS };

const char *faults_name(enum faults kind);
bool faults_possible(enum faults kind);

/*
 * Get ready: fail some, as often as @how says, only on paths through the module if
 * the kernel can tell and @ours, or if the kernel does not survive others; call it
 * once the module is loaded.
 */
void faults_prepare(enum faults kind, __u32 how, bool ours);

/* Calls of this thread may fail, or not. */
void faults_allow(bool on);

/* Stop; return how many were made to fail. */
unsigned long faults_end(enum faults kind);

#endif
