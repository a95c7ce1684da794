// SPDX-License-Identifier: GPL-2.0
/*
 * Calls that are made to fail
 */
#define _GNU_SOURCE
#include "faults.h"

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../ktap/module.h"
#include "../ktap/vm.h"
#include "host.h"

#define DEBUGFS		"/sys/kernel/debug/"
#define ALLOW		"/proc/self/make-it-fail"
#define REFUSE		"kvm_hv_ext_refuse"
#define REFUSE_FILE	"kvm-hv-ext-refuse.ko"
#define TIMES		1000000

static const char *const names[NR_FAULTS] = {
	[FAULTS_NONE] = "none",
	[FAULTS_SLAB] = "failslab",
	[FAULTS_PAGES] = "fail_page_alloc",
	[FAULTS_COPIES] = "fail_usercopy",
	[FAULTS_REFUSED] = "refused",
};

static int allow_fd = -1;

const char *faults_name(enum faults kind)
{
	return names[kind];
}

static bool is_injected(enum faults kind)
{
	return kind >= FAULTS_SLAB && kind <= FAULTS_COPIES;
}

static void attribute(char *path, size_t size, enum faults kind, const char *name)
{
	snprintf(path, size, DEBUGFS "%s/%s", names[kind], name);
}

bool faults_possible(enum faults kind)
{
	char path[96];

	if (kind == FAULTS_NONE)
		return true;
	if (kind == FAULTS_REFUSED)
		return host_is_lpar() && module_built(REFUSE_FILE);
	attribute(path, sizeof(path), kind, "probability");
	return !access(path, W_OK);
}

/* Not every kernel has every attribute. */
static void set(enum faults kind, const char *name, unsigned long long value)
{
	char path[96], text[24];

	attribute(path, sizeof(path), kind, name);
	snprintf(text, sizeof(text), "%llu", value);
	host_write(path, text);
}

static long get(enum faults kind, const char *name)
{
	char path[96];
	long value = 0;
	FILE *file;

	attribute(path, sizeof(path), kind, name);
	file = fopen(path, "r");
	if (!file)
		return 0;
	if (fscanf(file, "%ld", &value) != 1)
		value = 0;
	fclose(file);
	return value;
}

/* Where the text of the module is. */
static bool find_module(unsigned long long *start, unsigned long long *size)
{
	FILE *file = fopen("/proc/modules", "r");
	char line[512], name[64];
	bool found = false;

	while (file && !found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%63s %llu %*s %*s %*s %llx", name, size, start) == 3 &&
			!strcmp(name, MODULE_NAME);
	if (file)
		fclose(file);
	return found;
}

void faults_prepare(enum faults kind, __u32 how, bool ours)
{
	unsigned long long start = 0, size = -1ull;
	char options[48];

	if (kind == FAULTS_REFUSED) {
		/* A refused H_RPT_INVALIDATE of kvm-hv's own is a BUG(). */
		snprintf(options, sizeof(options), "every=%u only_ours=%d", 1 + how % 8,
			 ours || host_serves("hcall-rpt-invalidate"));
		if (module_insert_file(REFUSE_FILE, options))
			die("the module that refuses invalidations cannot be loaded");
		return;
	}
	if (!is_injected(kind))
		return;
	if (!ours || !find_module(&start, &size))
		start = 0, size = -1ull;
	set(kind, "verbose", 0);
	set(kind, "task-filter", 1);
	set(kind, "ignore-gfp-wait", 0);
	set(kind, "min-order", 0);
	set(kind, "interval", 1);
	set(kind, "probability", 1 + how % 20);
	set(kind, "stacktrace-depth", 32);
	set(kind, "require-start", start);
	set(kind, "require-end", start + size);
	set(kind, "times", TIMES);
	allow_fd = open(ALLOW, O_WRONLY | O_CLOEXEC);
	if (allow_fd < 0)
		die("open " ALLOW ": %m");
}

/* The write itself may be made to fail. */
void faults_allow(bool on)
{
	if (allow_fd < 0)
		return;
	while (pwrite(allow_fd, on ? "1" : "0", 1, 0) != 1)
		;
}

unsigned long faults_end(enum faults kind)
{
	unsigned long hits = 0;

	if (kind == FAULTS_REFUSED && !access("/sys/module/" REFUSE, F_OK)) {
		FILE *file = fopen("/sys/module/" REFUSE "/parameters/refused", "r");

		if (file && fscanf(file, "%lu", &hits) != 1)
			hits = 0;
		if (file)
			fclose(file);
		module_remove_name(REFUSE);
	}
	if (!is_injected(kind))
		return hits;
	set(kind, "probability", 0);
	return TIMES - get(kind, "times");
}
