/* SPDX-License-Identifier: GPL-2.0 */
/* File systems of the guest's kernel */
#ifndef TESTS_SYSTEM_GUEST_MOUNTS_H
#define TESTS_SYSTEM_GUEST_MOUNTS_H

#include <stdbool.h>

/* Mount file system @type at @path, unless it is; false on failure. */
bool mounts_have(const char *type, const char *path);

#endif
