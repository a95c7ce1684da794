/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The areas that the guest's kernel shares with the host, as the guest sees
 * them: counts in its VPA, entries in its dispatch trace log.
 */
#ifndef TESTS_SYSTEM_GUEST_AREAS_H
#define TESTS_SYSTEM_GUEST_AREAS_H

#include <stdbool.h>

/* Make the kernel register a dispatch trace log of CPU 0; false on failure. */
bool areas_open(void);

/* Read counts and new log entries; false if inconsistent with the last call. */
bool areas_check(void);

/* Since the guest started: number of dispatches, and of log entries read. */
extern unsigned long areas_dispatches, areas_entries;

#endif
