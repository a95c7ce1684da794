// SPDX-License-Identifier: GPL-2.0
/*
 * The host: swap, KSM, NUMA nodes, a memory cgroup; leaks
 */
#define _GNU_SOURCE
#include "host.h"

#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "../ktap/module.h"
#include "../ktap/thief.h"
#include "../ktap/vm.h"

#define KSM		"/sys/kernel/mm/ksm/"
#define KMEMLEAK	"/sys/kernel/debug/kmemleak"
#define HCALLS		"/proc/device-tree/rtas/ibm,hypertas-functions"
#define SLABS		"/sys/kernel/slab/"
#define BALANCING	"/sys/kernel/debug/sched/numa_balancing/"

#define HUGEPAGES	"32"	/* for some of an episode's memslots */
#define PATIENCE	100	/* times 100 ms, until all is freed */

int host_write(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC | O_CLOEXEC), ret = 0;

	if (fd < 0)
		return -errno;
	if (write(fd, text, strlen(text)) < 0)
		ret = -errno;
	close(fd);
	return ret;
}

/* A list of strings, each of which ends with a zero byte. */
bool host_serves(const char *kind)
{
	FILE *file = fopen(HCALLS, "r");
	char list[4096];
	size_t length;

	if (!file)
		return false;
	length = fread(list, 1, sizeof(list), file);
	fclose(file);
	return memmem(list, length, kind, strlen(kind) + 1);
}

bool host_swaps(void)
{
	return !access("/sys/block/zram0", F_OK);
}

void host_prepare(void)
{
	if (!thief_swap_missing())
		thief_swap_on();
	host_write(KSM "sleep_millisecs", "1");
	host_write(KSM "pages_to_scan", "1000");
	host_write(BALANCING "scan_delay_ms", "0");
	host_write(BALANCING "scan_period_min_ms", "20");
	host_write(BALANCING "scan_period_max_ms", "20");
	if (access("/sys/fs/cgroup/cgroup.procs", F_OK))
		mount("cgroup2", "/sys/fs/cgroup", "cgroup2", 0, NULL);
	host_write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
	mkdir(HOST_CGROUP, 0755);
}

void host_balance(bool on)
{
	host_write("/proc/sys/kernel/numa_balancing", on ? "1" : "0");
}

void host_enter(unsigned int high)
{
	const struct rlimit unlimited = { RLIM_INFINITY, RLIM_INFINITY };
	char text[16] = "max";

	if (high)
		snprintf(text, sizeof(text), "%uM", high);
	setrlimit(RLIMIT_MEMLOCK, &unlimited);
	host_write("/proc/sys/vm/nr_hugepages", HUGEPAGES);
	host_write(HOST_CGROUP "/memory.high", text);
	host_write(HOST_CGROUP "/cgroup.procs", "0");
}

static long number_after(const char *path, const char *name)
{
	FILE *file = fopen(path, "r");
	char line[256], word[64];
	long number = 0, value;

	if (!file)
		return 0;
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "%63s %ld", word, &value) == 2 && !strcmp(word, name))
			number = value;
	fclose(file);
	return number;
}

/* Each CPU adds what it has counted only now and then. */
static long pinned(void)
{
	host_write("/proc/sys/vm/stat_refresh", "1");
	return number_after("/proc/vmstat", "nr_foll_pin_acquired") -
	       number_after("/proc/vmstat", "nr_foll_pin_released");
}

/* Page-table pages below the largest levels are objects of KVM's caches. */
static long page_tables(void)
{
	static const char *const caches[] = { "kvm-pte", "kvm-pmd" };
	char path[64];
	long total = 0;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(caches); i++) {
		snprintf(path, sizeof(path), SLABS "%s/shrink", caches[i]);
		host_write(path, "1");
		total += number_after("/proc/slabinfo", caches[i]);
	}
	return total;
}

const char *host_leak(void)
{
	static char what[128];
	unsigned int i;
	long tables, pins;
	int ret = 0;

	for (i = 0; i < PATIENCE && module_loaded(); i++) {
		ret = module_remove();
		if (ret)
			usleep(100000);
	}
	if (module_loaded()) {
		snprintf(what, sizeof(what), "the module cannot be unloaded: %s, %ld references",
			 strerror(-ret), module_refcnt());
		return what;
	}
	for (i = 0; i < PATIENCE; i++) {
		tables = page_tables();
		pins = pinned();
		if (!tables && !pins)
			return NULL;
		usleep(100000);
	}
	snprintf(what, sizeof(what), "%ld page tables, %ld pinned pages are left", tables, pins);
	return what;
}

int host_kmemleak(void)
{
	int reports = 0;
	char line[256];
	FILE *file;

	if (host_write(KMEMLEAK, "scan") || host_write(KMEMLEAK, "scan"))
		return -1;
	file = fopen(KMEMLEAK, "r");
	while (file && fgets(line, sizeof(line), file)) {
		if (!strstr(line, "[kvm_hv_ext]") && !strstr(line, "khx_"))
			continue;
		reports++;
		printf("# kmemleak: %s", line);
	}
	if (file)
		fclose(file);
	return reports;
}

static void tell(const char *path)
{
	char line[256];
	FILE *file = fopen(path, "r");

	if (!file)
		return;
	printf("# %s\n", path);
	while (fgets(line, sizeof(line), file))
		printf("#   %s", line);
	fclose(file);
}

void host_tell_threads(pid_t pid)
{
	char pattern[64];
	glob_t found;
	size_t i;

	snprintf(pattern, sizeof(pattern), "/proc/%d/task/*/stack", pid);
	if (glob(pattern, 0, NULL, &found))
		return;
	for (i = 0; i < found.gl_pathc; i++)
		tell(found.gl_pathv[i]);
	globfree(&found);
}
