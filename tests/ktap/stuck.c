// SPDX-License-Identifier: GPL-2.0
/*
 * Where the threads of a test are that does not end
 */
#define _GNU_SOURCE
#include "stuck.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <unistd.h>

#include "vm.h"

#define TASKS	"/proc/self/task"

/* What a kernel does not tell is left out. */
static void tell(const char *task, const char *what)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), TASKS "/%.20s/%s", task, what);
	file = fopen(path, "r");
	if (!file)
		return;
	while (fgets(line, sizeof(line), file))
		fprintf(stderr, "#   %s", line);
	fclose(file);
}

static void tell_all(void)
{
	struct dirent *entry;
	DIR *tasks = opendir(TASKS);

	if (!tasks)
		die("%s: %m", TASKS);
	while ((entry = readdir(tasks))) {
		if (entry->d_name[0] == '.')
			continue;
		fprintf(stderr, "# thread %s\n", entry->d_name);
		tell(entry->d_name, "stat");
		tell(entry->d_name, "syscall");
		tell(entry->d_name, "stack");
	}
	closedir(tasks);
}

static void *watch(void *arg)
{
	unsigned int seconds = (unsigned long)arg, passed;

	for (passed = seconds;; passed += seconds) {
		sleep(seconds);
		fprintf(stderr, "# after %u s:\n", passed);
		tell_all();
	}
	return NULL;
}

void stuck_watch(unsigned int seconds)
{
	static bool watched;
	pthread_t thread;

	if (__atomic_exchange_n(&watched, true, __ATOMIC_SEQ_CST))
		return;
	if (pthread_create(&thread, NULL, watch, (void *)(unsigned long)seconds))
		die("a thread to watch the others: %m");
	pthread_detach(thread);
}
