/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that the kernel has allocated in small pieces
 */
#ifndef TESTS_KTAP_SLAB_H
#define TESTS_KTAP_SLAB_H

#include <sys/types.h>

/* Why it cannot be known; NULL when it can. */
const char *slab_missing(void);

/*
 * Bytes in caches of small objects, kmalloc()'s and KVM's. What is cached for a
 * CPU is given back before, but in part only: a few slabs more or less are noise.
 */
long slab_bytes(void);

/* Bytes in all caches of what is not given back when memory is short. */
long slab_unreclaimable(void);

/*
 * Objects that a thread allocates and does not free, exactly: all that it does
 * between the two calls counts, so that another thread has to make them.
 */
void slab_count_start(pid_t thread);
long slab_count_stop(pid_t thread);

#endif
