// SPDX-License-Identifier: GPL-2.0
/*
 * Reports what the threads of a test do that takes too long
 */
#define _GNU_SOURCE
#include "stuck.h"

#include <dirent.h>
#include <pthread.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "vm.h"

#define TASKS	"/proc/self/task"

unsigned long stuck_step;

/* Print a file of a thread, if this kernel has it. */
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

static void tell_thread(const char *task)
{
	fprintf(stderr, "# thread %s\n", task);
	tell(task, "stat");
	tell(task, "syscall");
	tell(task, "stack");
}

/* Print the main thread last, where a truncated report still has it. */
static void tell_all(void)
{
	struct dirent *entry;
	DIR *tasks = opendir(TASKS);
	char own[16];

	if (!tasks)
		die("%s: %m", TASKS);
	snprintf(own, sizeof(own), "%d", getpid());
	while ((entry = readdir(tasks)))
		if (entry->d_name[0] != '.' && strcmp(entry->d_name, own))
			tell_thread(entry->d_name);
	closedir(tasks);
	tell_thread(own);
	fprintf(stderr, "# the test is at step %lu\n",
		__atomic_load_n(&stuck_step, __ATOMIC_RELAXED));
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
