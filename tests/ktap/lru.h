/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host's LRU lists of pages
 *
 * A new page waits in a batch of the CPU that made it, which holds a reference.
 * Until then the host neither ages it nor pages it out, and it copies the page
 * for a store after fork() although no other process has it.
 */
#ifndef TESTS_KTAP_LRU_H
#define TESTS_KTAP_LRU_H

/* Move the pages in all CPUs' batches to their lists. */
void lru_drain(void);

#endif
