/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The areas that the guest's kernel shares with the host, as the guest sees
 * them: counts in its VPA, entries in its dispatch trace log.
 */
#ifndef TESTS_SYSTEM_GUEST_AREAS_H
#define TESTS_SYSTEM_GUEST_AREAS_H

#include <stdbool.h>

/* Has the kernel register a dispatch trace log for CPU 0. False: it cannot. */
bool areas_open(void);

/* Reads what has come since the last call; false if it does not fit it. */
bool areas_check(void);

/* Dispatches of the CPU, and entries of its log read, since the guest started. */
extern unsigned long areas_dispatches, areas_entries;

#endif
