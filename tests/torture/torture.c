// SPDX-License-Identifier: GPL-2.0
/*
 * Tortures VMs and the module at random; prints KTAP
 *
 * A run is a sequence of episodes (episode.h). If one fails, its last operations
 * are printed; the same seed and number repeat it, and --shrink finds which of
 * its operations it needs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <getopt.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "../ktap/module.h"
#include "../ktap/options.h"
#include "../ktap/slab.h"
#include "episode.h"
#include "host.h"

#define TELL_SECONDS	20
#define LAST_OPS	40
#define KMEMLEAK_EVERY	10	/* episodes */
#define CYCLES_TOLD	50
#define WARM_UP		10	/* cycles that allocate what stays */
#define CYCLE_LEAK	64	/* bytes that a load may not cost for good */
#define NOISE		(4l << 20)

enum mode { MODE_RUN, MODE_ONE, MODE_REPLAY, MODE_CYCLES };

/**
 * struct torture - a run
 * @shared: what the episodes tell
 * @seed: seed
 * @seconds: how long
 * @shrink: shrink the first failure
 * @forget: fail on purpose
 * @episodes: number of episodes
 * @failed: number that failed
 * @hits: calls that were made to fail
 * @leaks: reports of kmemleak, or -1 if the kernel has none
 */
struct torture {
	struct shared *shared;
	__u64 seed;
	time_t seconds;
	bool shrink;
	bool forget;
	unsigned long episodes;
	unsigned long failed;
	unsigned long hits;
	int leaks;
};

static void tell(const struct torture *t, time_t passed)
{
	const struct shared *s = t->shared;
	unsigned long all = 0;
	unsigned int i;

	for (i = 0; i < nr_operations; i++)
		all += s->done[i];
	printf("# %ld s: %lu episodes, %lu operations, %lu collections, %lu stores in logs, ",
	       (long)passed, t->episodes, all, s->tally.collections, s->tally.stores);
	printf("%lu extra, %lu values compared, %lu not judged, %lu faults;", s->tally.extra,
	       s->tally.loads, s->tally.unjudged, t->hits);
	for (i = 0; i < nr_operations; i++)
		if (s->done[i])
			printf(" %s %lu/%lu", operations[i].name, s->succeeded[i], s->done[i]);
	printf("\n");
	fflush(stdout);
}

/* Run an episode; if it fails, tell how to repeat it. */
static void run_episode(struct torture *t, struct episode *e)
{
	const char *why;
	unsigned long step;

	e->forget = t->forget;
	episode_tell(e);
	why = episode_run(e, t->shared, false, &t->hits);
	t->episodes++;
	if (!why)
		return;
	t->failed++;
	step = t->shared->step;
	printf("# episode %lu failed: %s; repeat it with --seed %llu --episode %lu\n", e->number,
	       why, e->seed, e->number);
	printf("# its last operations:\n");
	episode_print(e, step > LAST_OPS ? step - LAST_OPS : 0, step);
	if (!t->shrink)
		return;
	episode_shrink(e, t->shared);
	printf("# shrunk:\n");
	episode_print(e, 0, e->nr_ops);
}

static void scan(struct torture *t)
{
	int leaks = host_kmemleak();

	t->leaks = leaks < 0 ? -1 : t->leaks + leaks;
}

static void run_episodes(struct torture *t)
{
	time_t begin = time(NULL), told = begin, now = begin;
	static struct episode e;
	unsigned long number;
	unsigned int i;

	for (number = 0; now - begin < t->seconds; number++) {
		episode_make(&e, t->seed, number);
		run_episode(t, &e);
		if (t->failed)
			break;
		if (number % KMEMLEAK_EVERY == KMEMLEAK_EVERY - 1)
			scan(t);
		now = time(NULL);
		if (now - told >= TELL_SECONDS) {
			told = now;
			tell(t, now - begin);
		}
	}
	scan(t);
	tell(t, time(NULL) - begin);
	for (i = 0; i < nr_operations; i++)
		if (!t->shared->succeeded[i])
			printf("# never succeeded here: %s\n", operations[i].name);
}

static void print_result(bool ok, unsigned int number, const char *what)
{
	printf("%sok %u %s\n", ok ? "" : "not ", number, what);
	fflush(stdout);
}

static int finish(struct torture *t)
{
	const struct tally *tally = &t->shared->tally;
	bool compared = tally->collections && tally->stores && tally->loads;

	print_result(!t->failed, 1, "stores are in a log and in memory, nothing is left");
	print_result(compared, 2, "logs and memory were compared");
	if (t->leaks < 0)
		printf("ok 3 kmemleak # SKIP the kernel has none, or it is off\n");
	else
		print_result(!t->leaks, 3, "kmemleak reports nothing of the module");
	return t->failed || !compared || t->leaks > 0;
}

/* One VM that stores, is collected and ends. */
static void use_vm(struct torture *t, __u64 *random)
{
	static struct subject s;
	struct subject_config config = { .vcpus = 1 };

	if (subject_missing(&config))
		config.kind = KIND_HPT;
	subject_create(&s, &config, random_u64(random), true, &t->shared->tally);
	if (subject_store(&s, &s.patch[0], (struct run){ 0, MAX_STORES }, 1))
		die("a store has failed");
	subject_end(&s, random_u64(random));
}

/* Load and unload the module; every other time with a VM. */
static int run_cycles(struct torture *t, unsigned long cycles)
{
	__u64 random = t->seed;
	time_t begin = time(NULL);
	long before = 0, after;
	char parameters[64];
	const char *leak;
	unsigned long i;
	int ret;

	printf("1..1\n");
	for (i = 0; i < cycles && time(NULL) - begin < t->seconds; i++) {
		if (i == WARM_UP)
			before = slab_unreclaimable();
		snprintf(parameters, sizeof(parameters), "areas=%d nested=%d flush_ceiling=%d",
			 (int)random_below(&random, 2), (int)random_below(&random, 2),
			 (int)random_below(&random, 64));
		ret = module_insert(parameters);
		if (ret)
			die("cycle %lu: load the module: %s", i, strerror(-ret));
		if (i % 2)
			use_vm(t, &random);
		leak = host_leak();
		if (leak)
			die("cycle %lu: %s", i, leak);
		if (i % CYCLES_TOLD == CYCLES_TOLD - 1) {
			printf("# %lu cycles in %ld s, slab %ld kB\n", i + 1,
			       (long)(time(NULL) - begin), slab_unreclaimable() >> 10);
			fflush(stdout);
		}
	}
	after = slab_unreclaimable();
	printf("# %lu cycles in %ld s, slab %ld kB more than after %d cycles\n", i,
	       (long)(time(NULL) - begin), (after - before) / 1024, WARM_UP);
	ret = !before || after - before > NOISE + (long)i * CYCLE_LEAK;
	print_result(!ret, 1, "the module was loaded and unloaded, and nothing is left");
	return ret;
}

static void __noreturn usage(void)
{
	fputs("torture [--seed N] [--seconds N] [--shrink] [--forget-store]\n"
	      "	[--episode N | --replay FILE | --load-cycles N]\n", stderr);
	exit(2);
}

int main(int argc, char **argv)
{
	static const struct option options[] = {
		{ "seed", required_argument, NULL, 's' },
		{ "seconds", required_argument, NULL, 't' },
		{ "episode", required_argument, NULL, 'e' },
		{ "replay", required_argument, NULL, 'r' },
		{ "load-cycles", required_argument, NULL, 'c' },
		{ "shrink", no_argument, NULL, 'k' },
		{ "forget-store", no_argument, NULL, 'f' },
		{ 0 },
	};
	struct torture t = { .seed = 1, .seconds = 60 };
	static struct episode e;
	enum mode mode = MODE_RUN;
	unsigned long number = 0;
	FILE *file = NULL;
	int option;

	while ((option = getopt_long(argc, argv, "", options, NULL)) != -1) {
		switch (option) {
		case 's':
			t.seed = strtoull(optarg, NULL, 0);
			break;
		case 't':
			t.seconds = strtol(optarg, NULL, 0);
			break;
		case 'e':
		case 'c':
			mode = option == 'e' ? MODE_ONE : MODE_CYCLES;
			number = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			mode = MODE_REPLAY;
			file = fopen(optarg, "r");
			if (!file)
				die("open %s: %m", optarg);
			break;
		case 'k':
			t.shrink = true;
			break;
		case 'f':
			t.forget = true;
			break;
		default:
			usage();
		}
	}
	if (optind < argc)
		usage();
	if (module_loaded())
		die("the module is loaded; torture loads it itself");
	t.shared = mmap(NULL, sizeof(*t.shared), PROT_READ | PROT_WRITE,
			MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (t.shared == MAP_FAILED)
		die("shared memory: %m");
	host_prepare();
	printf("KTAP version 1\n");
	if (mode == MODE_CYCLES)
		return run_cycles(&t, number);
	printf("1..3\n# seed %llu\n", t.seed);
	if (mode == MODE_RUN) {
		run_episodes(&t);
		return finish(&t);
	}
	if (mode == MODE_ONE)
		episode_make(&e, t.seed, number);
	else if (!episode_read(&e, file))
		die("there is no episode to replay");
	run_episode(&t, &e);
	scan(&t);
	return finish(&t);
}
