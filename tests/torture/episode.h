/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Episodes: some VMs, and a sequence of operations on them
 *
 * A seed and a number determine an episode on a kind of host. Each runs in a
 * process of its own: what it leaves behind is the kernel's, and a failure ends
 * only it.
 */
#ifndef TESTS_TORTURE_EPISODE_H
#define TESTS_TORTURE_EPISODE_H

#include <stdio.h>

#include "faults.h"
#include "operations.h"
#include "subject.h"

#define MAX_SUBJECTS	4
#define MAX_OPS		400

/**
 * struct op - one operation
 * @kind: index in operations[]
 * @subject: which VM
 * @beside: repeat it while the next ones are carried out
 * @a: its numbers
 */
struct op {
	unsigned int kind;
	unsigned int subject;
	bool beside;
	__u32 a[4];
};

/**
 * struct episode - an episode
 * @seed: seed of the run
 * @number: number of the episode
 * @subjects: number of VMs
 * @config: what they are
 * @geometry: a source of pseudo-random numbers, for their memslots and their end
 * @params: parameters of the module
 * @paging: one of them: the host may take memory
 * @tracked: the module does all of the memory tracking
 * @plain: some VM is plain, see struct subject
 * @beside: some operations are repeated beside others
 * @shaky: vCPUs or a second thread run all the time, on a host whose CPUs may use a
 *	translation for a moment after it was flushed: nothing takes memory of the process
 *	itself, and the second thread takes none of a VM
 * @faults: what fails
 * @faults_how: how often, and where
 * @limit: of its memory in MiB, 0: none
 * @forget: fail on purpose
 * @ops: the operations
 * @nr_ops: their number
 */
struct episode {
	__u64 seed;
	unsigned long number;
	unsigned int subjects;
	struct subject_config config[MAX_SUBJECTS];
	__u64 geometry[MAX_SUBJECTS];
	char params[128];
	bool paging;
	bool tracked;
	bool plain;
	bool beside;
	bool shaky;
	enum faults faults;
	__u32 faults_how;
	unsigned int limit;
	bool forget;
	struct op ops[MAX_OPS];
	unsigned int nr_ops;
};

/**
 * struct shared - what the process of an episode tells
 * @step: number of operations begun
 * @tally: what was compared
 * @done: operations carried out, by kind
 * @succeeded: those that were not refused
 */
struct shared {
	unsigned long step;
	struct tally tally;
	unsigned long done[MAX_OPERATIONS];
	unsigned long succeeded[MAX_OPERATIONS];
};

void episode_make(struct episode *e, __u64 seed, unsigned long number);

/* Print one line that says what the episode is. */
void episode_tell(const struct episode *e);

/* Print the operations in a form that episode_read() reads. */
void episode_print(const struct episode *e, unsigned int first, unsigned int end);

/* Read what episode_print() has printed, among other lines. Return success. */
bool episode_read(struct episode *e, FILE *file);

/*
 * Run the episode, then look for leaks. Return NULL, or why it has failed. @hits:
 * number of calls that were made to fail.
 */
const char *episode_run(const struct episode *e, struct shared *shared, bool quiet,
			unsigned long *hits);

/* Leave out operations as long as the episode fails. */
void episode_shrink(struct episode *e, struct shared *shared);

#endif
