/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that the kernel has allocated as small objects
 */
#ifndef TESTS_KTAP_SLAB_H
#define TESTS_KTAP_SLAB_H

#include <sys/types.h>

/* Return why it cannot be measured, or NULL if it can. */
const char *slab_missing(void);

/*
 * Return the bytes in caches of small objects of kmalloc() and KVM. Shrinks
 * these caches before, which frees only part of what is cached per CPU: a few
 * slabs more or less are noise.
 */
long slab_bytes(void);

/* Return the bytes in all caches that are not reclaimable. */
long slab_unreclaimable(void);

/*
 * Count exactly the objects that a thread allocates and does not free between
 * the two calls. All that the thread does counts, so another thread must call
 * them.
 */
void slab_count_start(pid_t thread);
long slab_count_stop(pid_t thread);

#endif
