// SPDX-License-Identifier: GPL-2.0
/*
 * Fuzzer of what reaches the module: ioctls, hypercalls of a guest, tables of an
 * L1
 *
 * Programs that reach new code of the module are kept, and changed further. The
 * text of each is printed before it is tried, so that the console has it if the
 * host does not survive. Without KCOV no program is kept.
 */
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "../ktap/options.h"
#include "trial.h"

#define CORPUS_MAX	4096
#define GENERATE_ONE_IN	4	/* the others are programs of the corpus, changed */

/**
 * struct corpus - programs that have reached code that those before had not
 * @program: the programs, by the VM that they need
 * @nr: number of each
 */
struct corpus {
	struct program *program[NR_SUBJECTS][CORPUS_MAX];
	unsigned int nr[NR_SUBJECTS];
};

static struct corpus corpus;
static struct places seen;
static unsigned long tried;
static bool verbose;

static void __noreturn help(void)
{
	fputs("usage: fuzz [OPTION]... [FILE...]\n"
	      "Tries the programs of each FILE, one a line, then makes others.\n"
	      "  --replay     only try those of the files\n"
	      "  --seconds N  make others for so long (60)\n"
	      "  --seed N     of the pseudo-random numbers (1)\n"
	      "  --kind KIND  use only VMs of this kind: radix, pinned, hpt or nested\n"
	      "  --verbose    print what each call returns\n",
	      stderr);
	exit(2);
}

/* Try a program; end if something is wrong. */
static void try_program(const struct program *p, struct places *reached)
{
	char text[PROGRAM_TEXT];
	const char *wrong;

	program_print(p, text);
	printf("# try %lu %s\n", ++tried, text);
	wrong = trial_run(p, reached, verbose);
	if (!wrong)
		return;
	printf("# %s: %s\nnot ok 1 program %lu\n", wrong, text, tried);
	exit(1);
}

static bool reaches(const struct program *p, const struct places *wanted)
{
	struct places reached;

	try_program(p, &reached);
	return !places_beyond(wanted, &reached);
}

/* Drop the calls that a program reaches new code without. */
static void minimise(struct program *p, const struct places *wanted)
{
	struct program less;
	unsigned int i;

	for (i = p->nr; i-- > 0 && p->nr > 1;) {
		less = *p;
		program_drop(&less, i);
		if (reaches(&less, wanted))
			*p = less;
	}
}

static void keep(const struct program *p)
{
	struct program *copy;

	if (corpus.nr[p->kind] == CORPUS_MAX)
		return;
	copy = malloc(sizeof(*copy));
	if (!copy)
		die("no memory for a program");
	*copy = *p;
	corpus.program[p->kind][corpus.nr[p->kind]++] = copy;
}

static void consider(struct program *p)
{
	static const struct places none;
	struct places reached, fresh;
	char text[PROGRAM_TEXT];

	try_program(p, &reached);
	fresh = reached;
	places_remove(&fresh, &seen);
	places_add(&seen, &reached);
	/* what is reached only sometimes would be found again and again */
	if (!places_beyond(&fresh, &none) || !reaches(p, &fresh))
		return;
	minimise(p, &fresh);
	keep(p);
	program_print(p, text);
	printf("# keep %s\n", text);
}

static const struct program *any_of(enum subject_kind kind, __u64 *random)
{
	return corpus.program[kind][random_below(random, corpus.nr[kind])];
}

static void fuzz(const bool *wanted, unsigned long seconds, __u64 random)
{
	time_t begin = time(NULL);
	struct program p;
	unsigned int kind;

	while (time(NULL) < begin + (time_t)seconds) {
		do
			kind = random_below(&random, NR_SUBJECTS);
		while (!wanted[kind]);
		if (!corpus.nr[kind] || !random_below(&random, GENERATE_ONE_IN)) {
			program_generate(&p, kind, &random);
		} else {
			p = *any_of(kind, &random);
			program_mutate(&p, any_of(kind, &random), &random);
		}
		consider(&p);
	}
}

/* Try the programs of a file that this host has VMs for. Return how many. */
static unsigned int replay(const char *name, const bool *wanted)
{
	FILE *file = fopen(name, "r");
	unsigned int count = 0, line = 0;
	char text[PROGRAM_TEXT];
	struct places reached;
	struct program p;

	if (!file)
		die("open %s: %m", name);
	while (fgets(text, sizeof(text), file)) {
		line++;
		if (!program_parse(&p, text))
			die("%s:%u is no program", name, line);
		if (!wanted[p.kind])
			continue;
		try_program(&p, &reached);
		places_add(&seen, &reached);
		keep(&p);
		count++;
	}
	fclose(file);
	return count;
}

static unsigned int kind_of(const char *name)
{
	unsigned int kind;

	for (kind = 0; kind < NR_SUBJECTS; kind++)
		if (!strcmp(subject_names[kind], name))
			return kind;
	help();
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "replay", no_argument, NULL, 'r' },
		{ "seconds", required_argument, NULL, 's' },
		{ "seed", required_argument, NULL, 'n' },
		{ "kind", required_argument, NULL, 'k' },
		{ "verbose", no_argument, NULL, 'v' },
		{ }
	};
	static const struct places none;
	bool wanted[NR_SUBJECTS] = { false }, only_replay = false, chosen = false;
	unsigned long seconds = 60, count = 0, kinds = 0;
	const char *missing;
	__u64 seed = 1;
	time_t begin;
	int option, kind;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 'r':
			only_replay = true;
			break;
		case 's':
			seconds = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			seed = strtoull(optarg, NULL, 0);
			break;
		case 'k':
			wanted[kind_of(optarg)] = true;
			chosen = true;
			break;
		case 'v':
			verbose = true;
			break;
		default:
			help();
		}
	}
	puts("KTAP version 1\n1..1");
	missing = feedback_open();
	printf("# %s; seed %llu\n", missing ?: "KCOV tells what is reached", seed);
	for (kind = 0; kind < NR_SUBJECTS; kind++) {
		missing = subject_missing(kind);
		wanted[kind] = (wanted[kind] || !chosen) && !missing;
		if (missing)
			printf("# no %s: %s\n", subject_names[kind], missing);
		kinds += wanted[kind];
	}
	if (!kinds)
		die("this host has no VM of a kind that is wanted");
	trial_init();
	begin = time(NULL);
	for (; optind < argc; optind++)
		count += replay(argv[optind], wanted);
	if (!only_replay)
		fuzz(wanted, seconds, seed);
	else if (!count)
		die("no program for this host");
	places_print(&seen);
	printf("# %lu programs in %ld s, %zu places reached\n", tried, (long)(time(NULL) - begin),
	       places_beyond(&seen, &none));
	printf("ok 1 %s\n", only_replay ? "replayed" : "fuzzed");
	return 0;
}
