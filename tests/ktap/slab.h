/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory that the kernel has allocated in small pieces
 */
#ifndef TESTS_KTAP_SLAB_H
#define TESTS_KTAP_SLAB_H

/* Why it cannot be known; NULL when it can. */
const char *slab_missing(void);

/*
 * Bytes in kmalloc() caches and in caches of KVM, exactly: what is cached for a
 * CPU is given back before.
 */
long slab_bytes(void);

#endif
