// SPDX-License-Identifier: GPL-2.0
/*
 * Try a program in a process of its own, and judge what it has left behind
 */
#define _GNU_SOURCE
#include "trial.h"

#include <fcntl.h>
#include <poll.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "witness.h"

/* Seconds for a program, and for a process to end after SIGKILL. */
#define PATIENCE	30

/* How often what the module holds is read until it is what it was. */
#define LOOKS		5000
#define LOOK_US		1000

/**
 * struct progress - shared with the process of the program
 * @done: number of calls that have returned
 * @ended: the program has ended
 * @spoilt: pages of the host that it has changed
 */
struct progress {
	unsigned int done;
	bool ended;
	unsigned long spoilt;
};

static struct progress *progress;
static long references, pins;
static int messages;
static sigjmp_buf astray;

/* Pages that are pinned now, by anybody. */
static long count_pins(void)
{
	FILE *file = fopen("/proc/vmstat", "r");
	char name[64];
	long value, now = 0;

	if (!file)
		die("/proc/vmstat: %m");
	while (fscanf(file, "%63s %ld", name, &value) == 2) {
		if (!strcmp(name, "nr_foll_pin_acquired"))
			now += value;
		else if (!strcmp(name, "nr_foll_pin_released"))
			now -= value;
	}
	fclose(file);
	return now;
}

void trial_init(void)
{
	progress = mmap(NULL, sizeof(*progress), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (progress == MAP_FAILED)
		die("shared memory: %m");
	messages = memfd_create("messages", MFD_CLOEXEC);
	if (messages < 0)
		die("memfd: %m");
	subject_memory();
	witnesses_create();
	references = module_refcnt();
	if (references <= 0)
		die("the module is not loaded, or does not track new VMs");
	pins = count_pins();
}

/* A helper has given up: the program has done what it could. */
static void give_up(int signal)
{
	(void)signal;
	siglongjmp(astray, 1);
}

static void child(const struct program *p)
{
	static struct subject s;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(messages, STDOUT_FILENO);
	dup2(messages, STDERR_FILENO);
	feedback_start();
	subject_create(&s, p->kind);
	if (!sigsetjmp(astray, 1)) {
		signal(SIGABRT, give_up);
		program_run(p, &s, &progress->done);
	}
	signal(SIGABRT, SIG_DFL);
	progress->spoilt = subject_private_spoilt(&s);
	vm_destroy(s.vm);
	progress->ended = true;
	_exit(0);
}

/* Return false if the process does not end. */
static bool await(int pidfd)
{
	struct pollfd poll_fd = { .fd = pidfd, .events = POLLIN };

	return poll(&poll_fd, 1, PATIENCE * 1000) == 1;
}

/* Show where in the kernel the process is. */
static void tell_stack(pid_t pid)
{
	char path[64], line[256];
	FILE *file;

	snprintf(path, sizeof(path), "/proc/%d/stack", pid);
	file = fopen(path, "r");
	while (file && fgets(line, sizeof(line), file))
		printf("#   %s", line);
	if (file)
		fclose(file);
}

static void tell_messages(void)
{
	char line[512];
	int copy = dup(messages);
	FILE *file = fdopen(copy, "r");

	if (!file)
		return;
	rewind(file);
	while (fgets(line, sizeof(line), file))
		printf("# %s", line);
	fclose(file);
}

static bool nothing_held(void)
{
	unsigned int look;

	for (look = 0; look < LOOKS; look++) {
		if (module_refcnt() == references && count_pins() == pins)
			return true;
		usleep(LOOK_US);
	}
	printf("# the module: %ld references, %ld before; %ld pages pinned, %ld before\n",
	       module_refcnt(), references, count_pins(), pins);
	return false;
}

static const char *judge(const struct program *p, bool over, int status)
{
	if (!over && !progress->ended)
		return "it does not end";
	if (!over)
		return "its VM does not end";
	if (!WIFEXITED(status) || !progress->ended) {
		printf("# call %u of %u, status %#x\n", progress->done + 1, p->nr, status);
		return "its process died";
	}
	if (progress->spoilt) {
		printf("# %lu pages\n", progress->spoilt);
		return "memory of the process that is no guest's has changed";
	}
	if (subject_guards_spoilt())
		return "memory between the pages of the guest has changed";
	if (!nothing_held())
		return "it has left something behind";
	return witnesses_ask();
}

const char *trial_run(const struct program *p, struct places *reached, bool verbose)
{
	const char *wrong;
	int pidfd, status = 0;
	bool over;
	pid_t pid;

	*progress = (struct progress){ 0 };
	if (ftruncate(messages, 0) || lseek(messages, 0, SEEK_SET))
		die("messages: %m");
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid)
		child(p);
	pidfd = syscall(SYS_pidfd_open, pid, 0);
	over = await(pidfd);
	if (!over) {
		printf("# call %u of %u has not returned after %u s\n", progress->done + 1, p->nr,
		       PATIENCE);
		tell_stack(pid);
		kill(pid, SIGKILL);
		printf("# %s\n", await(pidfd) ? "SIGKILL ends it" : "SIGKILL does not end it");
	} else {
		waitpid(pid, &status, 0);
	}
	close(pidfd);
	feedback_take(reached);
	wrong = judge(p, over, status);
	if (wrong || verbose)
		tell_messages();
	return wrong;
}
