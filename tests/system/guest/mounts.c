// SPDX-License-Identifier: GPL-2.0
/*
 * File systems of the guest's kernel
 */
#include <errno.h>
#include <stdio.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "mounts.h"

bool mounts_have(const char *type, const char *path)
{
	mkdir(path, 0755);
	if (!mount(type, path, type, 0, NULL) || errno == EBUSY)
		return true;
	perror(path);
	return false;
}
