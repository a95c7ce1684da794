// SPDX-License-Identifier: GPL-2.0
/*
 * Inserts and removes kernel modules
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

#include "vm.h"

#define LIVEPATCH	"kvm_hv_ext_livepatch"

static const char *module_path(void)
{
	return getenv("KTAP_MODULE") ?: "/lab/modules/kvm-hv-ext.ko";
}

/* Path of a file in the module's directory. */
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

char module_parameter(const char *name)
{
	char path[128], value = 0;
	int fd;

	snprintf(path, sizeof(path), "/sys/module/" MODULE_NAME "/parameters/%s", name);
	fd = open(path, O_RDONLY);
	if (fd < 0 || read(fd, &value, 1) != 1)
		die("read %s: %m", path);
	close(fd);
	return value;
}

/* Disable the patch, wait for the transition to end, then remove its module. */
void module_remove_livepatch(void)
{
	static const char dir[] = "/sys/kernel/livepatch/" LIVEPATCH;

	write_file("/sys/kernel/livepatch/" LIVEPATCH "/enabled", "0");
	while (!access(dir, F_OK))
		usleep(10000);
	while (module_remove_name(LIVEPATCH))
		usleep(10000);
}

bool module_built(const char *file)
{
	char path[PATH_MAX];

	beside_module(path, file);
	return access(path, R_OK) == 0;
}
