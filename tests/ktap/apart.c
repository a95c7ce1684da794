// SPDX-License-Identifier: GPL-2.0
/*
 * Runs a part of a test that may hang in a process of its own
 */
#define _GNU_SOURCE
#include "apart.h"

#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#include "vm.h"

/* Seconds allowed for one step, and for a process to end after SIGKILL. */
#define PATIENCE	5
#define POLLS_PER_S	100

/* A process that cannot be killed keeps a CPU busy, and spoils later timing. */
static bool *given_up;

static void *map_shared(size_t size)
{
	void *mem = mmap(NULL, size, PROT_READ | PROT_WRITE, MAP_SHARED | MAP_ANONYMOUS,
			 -1, 0);

	if (mem == MAP_FAILED)
		die("map %zu bytes: %m", size);
	return mem;
}

/* A constructor, so that all tests that the harness forks share the flag. */
static void __attribute__((constructor)) share(void)
{
	given_up = map_shared(sizeof(*given_up));
}

void apart_done(struct apart *a, long result)
{
	if (a->steps == APART_RESULTS)
		die("more than %u steps", APART_RESULTS);
	a->result[a->steps] = result;
	__atomic_add_fetch(&a->steps, 1, __ATOMIC_SEQ_CST);
}

/* Wait for the process. Return false if it completes no step for too long. */
static bool await(pid_t pid, int *status, const struct apart *a)
{
	unsigned int polls = 0, steps = 0, now;

	while (waitpid(pid, status, WNOHANG) != pid) {
		now = __atomic_load_n(&a->steps, __ATOMIC_SEQ_CST);
		polls = now == steps ? polls + 1 : 0;
		steps = now;
		if (polls > PATIENCE * POLLS_PER_S)
			return false;
		usleep(1000000 / POLLS_PER_S);
	}
	return true;
}

static void tell(int messages)
{
	char line[256];
	FILE *file = fdopen(messages, "r");

	rewind(file);
	while (fgets(line, sizeof(line), file))
		fputs(line, stderr);
	fclose(file);
}

bool apart_run(struct apart *result, void (*part)(struct apart *a, const void *arg),
	       const void *arg)
{
	struct apart *a = map_shared(sizeof(*a));
	int messages = memfd_create("messages", 0), status = 0;
	bool over;
	pid_t pid;

	*result = (struct apart){ 0 };
	if (*given_up) {
		fputs("# not started: an earlier part still hangs\n", stderr);
		return false;
	}
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid) {
		/* readers of the output wait until no process has it open */
		setpgid(0, 0);
		dup2(messages, STDOUT_FILENO);
		dup2(messages, STDERR_FILENO);
		part(a, arg);
		a->ended = true;
		_exit(0);
	}
	over = await(pid, &status, a);
	if (!over) {
		kill(pid, SIGKILL);
		*given_up = !await(pid, &status, a);
	}
	tell(messages);
	*result = *a;
	if (!a->ended)
		fprintf(stderr, "# step %u: %s: %s\n", a->steps, a->doing ?: "start",
			over ? "died" : *given_up ? "never returns, and cannot be killed" :
			"takes too long");
	return a->ended;
}
