// SPDX-License-Identifier: GPL-2.0
/*
 * Inserting and removing the module, from a program
 */
#define _GNU_SOURCE
#include "module.h"

#include <errno.h>
#include <fcntl.h>
#include <libgen.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/syscall.h>
#include <unistd.h>

static const char *module_path(void)
{
	return getenv("KTAP_MODULE") ?: "/lab/modules/kvm-hv-ext.ko";
}

/* A file beside the module. */
static void beside_module(char *path, const char *file)
{
	char module[PATH_MAX];

	snprintf(module, sizeof(module), "%s", module_path());
	snprintf(path, PATH_MAX, "%s/%s", dirname(module), file);
}

static int insert(const char *path, const char *parameters)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	int ret;

	if (fd < 0)
		return -errno;
	ret = syscall(SYS_finit_module, fd, parameters, 0) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

int module_insert_file(const char *file, const char *parameters)
{
	char path[PATH_MAX];

	beside_module(path, file);
	return insert(path, parameters);
}

int module_insert(const char *parameters)
{
	return insert(module_path(), parameters);
}

int module_remove_name(const char *name)
{
	return syscall(SYS_delete_module, name, O_NONBLOCK) < 0 ? -errno : 0;
}

int module_remove(void)
{
	return module_remove_name(MODULE_NAME);
}

bool module_loaded(void)
{
	return access("/sys/module/" MODULE_NAME, F_OK) == 0;
}

bool module_built(const char *file)
{
	char path[PATH_MAX];

	beside_module(path, file);
	return access(path, R_OK) == 0;
}
