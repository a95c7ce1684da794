/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the copier finds the area of a nested guest in the memory of the guest
 */
#ifndef HYPERVISOR_H
#define HYPERVISOR_H

#include "../../guest/guest.h"

/* The seed in the area, by which it differs from other memory. */
#define NESTED_SEED	0x4e45535445443031ull

#endif
