/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The host: what torture needs of it, and what must be as before after an episode
 */
#ifndef TESTS_TORTURE_HOST_H
#define TESTS_TORTURE_HOST_H

#include <stdbool.h>
#include <sys/types.h>

#define HOST_CGROUP	"/sys/fs/cgroup/torture"

/* Write to a file of the kernel. Return 0 or -errno. */
int host_write(const char *path, const char *text);

/* Does the hypervisor say that it serves hypercalls of this kind? */
bool host_serves(const char *kind);

/* Set up swap, KSM, NUMA balancing and a memory cgroup, as far as the host has them. */
void host_prepare(void);

/*
 * Prepare the calling process and what it needs: it may lock memory, is in the
 * cgroup, and there are huge pages. Above @high MiB it reclaims; 0: never.
 */
void host_enter(unsigned int high);
bool host_swaps(void);

/*
 * Let the host move memory to the node of the CPU that uses it, or not; without
 * effect on a host that has one node.
 */
void host_balance(bool on);

/*
 * Unload the module, which nothing may hold any more. Return NULL, or what has
 * leaked: references, page tables, pinned pages.
 */
const char *host_leak(void);

/* Let kmemleak scan. Return the number of reports that name the module, or -1. */
int host_kmemleak(void);

/* Print where the threads of a process are. */
void host_tell_threads(pid_t pid);

#endif
