// SPDX-License-Identifier: GPL-2.0
/*
 * Makes, prints, reads and runs episodes
 */
#define _GNU_SOURCE
#include "episode.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <string.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "../ktap/module.h"
#include "../ktap/options.h"
#include "beside.h"
#include "host.h"

#define PREFIX		"# replay "
#define PATIENCE	180	/* seconds that an operation may take */
#define BESIDE_MOST	12	/* operations beside which another is repeated */

static const char *const kind_name[NR_KINDS] = {
	[KIND_RADIX] = "radix", [KIND_NESTED] = "nested", [KIND_HPT] = "hpt",
};

static void make_config(struct subject_config *c, __u64 *random)
{
	static const enum backing backings[] = {
		BACKING_SMALL, BACKING_SMALL, BACKING_SMALL, BACKING_THP, BACKING_THP,
		BACKING_MEMFD, BACKING_MEMFD, BACKING_HUGETLB,
	};

	*c = (struct subject_config){
		.kind = random_below(random, NR_KINDS),
		.backing = backings[random_below(random, ARRAY_SIZE(backings))],
		.vcpus = 1 + random_below(random, 2),
		.stock = !random_below(random, 6),
		.manual = random_below(random, 2),
		.running = !random_below(random, 4),
	};
	if (subject_missing(c))
		c->kind = subject_missing(&(struct subject_config){ .kind = KIND_RADIX }) ?
			KIND_HPT : KIND_RADIX;
	c->stock &= c->kind != KIND_NESTED;
	c->manual &= !c->stock;
	if (c->stock)
		c->backing = BACKING_SMALL;
	c->running &= !c->stock && c->kind != KIND_NESTED;
}

static void make_params(struct episode *e, __u64 *random)
{
	bool areas = random_below(random, 8), nested = true, log, notifiers;
	unsigned int i;

	for (i = 0; i < e->subjects; i++)
		nested &= e->config[i].kind != KIND_NESTED;
	nested = !nested || random_below(random, 8);
	log = e->config[0].kind == KIND_NESTED || random_below(random, 10);
	notifiers = e->config[0].kind == KIND_NESTED || random_below(random, 10);
	e->paging = host_is_power8() || !notifiers || random_below(random, 8);
	e->tracked = log && notifiers;
	e->plain = !e->tracked;
	for (i = 0; i < e->subjects; i++)
		e->plain |= e->config[i].stock;
	for (i = 0; i < e->subjects && !e->tracked; i++)
		if (e->config[i].kind == KIND_NESTED)
			e->config[i].kind = KIND_RADIX;
	snprintf(e->params, sizeof(e->params),
		 "areas=%d dirty_log=%d notifiers=%d nested=%d paging=%d flush_ceiling=%u",
		 areas, log, notifiers, nested, e->paging,
		 (unsigned int)(random_below(random, 3) ? 0 : 1 + random_below(random, 40)));
}

static void make_faults(struct episode *e, __u64 *random)
{
	unsigned int i;

	e->faults = random_below(random, 3) ? FAULTS_NONE : random_below(random, NR_FAULTS);
	e->faults_how = random_u64(random);
	if (!faults_possible(e->faults))
		e->faults = FAULTS_NONE;
	for (i = 0; i < e->subjects; i++) {
		e->config[i].running &= e->faults == FAULTS_NONE;
		e->shaky |= e->config[i].running && !host_is_exact();
	}
	e->beside = e->faults == FAULTS_NONE && random_below(random, 2);
	e->shaky |= e->beside && !host_is_exact();
}

static unsigned int make_kind(__u64 *random)
{
	unsigned int total = 0, i;
	__u64 choice;

	for (i = 0; i < nr_operations; i++)
		total += operations[i].weight;
	choice = random_below(random, total);
	for (i = 0; choice >= operations[i].weight; i++)
		choice -= operations[i].weight;
	return i;
}

void episode_make(struct episode *e, __u64 seed, unsigned long number)
{
	__u64 random = seed ^ number * 0xd1342543de82ef95ull;
	unsigned int i, j;

	*e = (struct episode){ .seed = seed, .number = number };
	random_u64(&random);
	e->subjects = 1 + random_below(&random, MAX_SUBJECTS);
	for (i = 0; i < e->subjects; i++) {
		make_config(&e->config[i], &random);
		e->geometry[i] = random_u64(&random);
	}
	make_params(e, &random);
	make_faults(e, &random);
	e->limit = random_below(&random, 4) ? 0 : 96 + random_below(&random, 128);
	if (!e->paging || e->plain || e->shaky)
		e->limit = 0;
	e->nr_ops = 40 + random_below(&random, MAX_OPS - 40);
	for (i = 0; i < e->nr_ops; i++) {
		e->ops[i].kind = make_kind(&random);
		e->ops[i].subject = random_below(&random, e->subjects);
		e->ops[i].beside = operations[e->ops[i].kind].flags & OP_BESIDE &&
				   random_below(&random, 2);
		for (j = 0; j < 4; j++)
			e->ops[i].a[j] = random_u64(&random);
	}
}

void episode_tell(const struct episode *e)
{
	const struct subject_config *c;
	unsigned int i;

	printf("# episode %llu %lu: %u operations, %s, faults %s, limit %u:", e->seed, e->number,
	       e->nr_ops, e->params, faults_name(e->faults), e->limit);
	for (i = 0; i < e->subjects; i++) {
		c = &e->config[i];
		printf(" %s/%s/%u%s%s%s", kind_name[c->kind], backing_name(c->backing), c->vcpus,
		       c->stock ? "/stock" : "", c->manual ? "/manual" : "",
		       c->running ? "/running" : "");
	}
	if (e->beside)
		printf(", two at once");
	printf("\n");
	fflush(stdout);
}

void episode_print(const struct episode *e, unsigned int first, unsigned int end)
{
	const struct op *op;

	printf(PREFIX "episode %llu %lu\n", e->seed, e->number);
	for (op = e->ops + first; op < e->ops + end && op < e->ops + e->nr_ops; op++)
		printf(PREFIX "%s%s %u %x %x %x %x\n", op->beside ? "&" : "",
		       operations[op->kind].name, op->subject, op->a[0], op->a[1], op->a[2],
		       op->a[3]);
	fflush(stdout);
}

bool episode_read(struct episode *e, FILE *file)
{
	bool forget = e->forget, found = false;
	unsigned long number;
	char line[256], name[32];
	const char *text;
	__u64 seed;
	struct op op;

	while (fgets(line, sizeof(line), file)) {
		text = strstr(line, PREFIX);
		if (!text)
			continue;
		text += strlen(PREFIX);
		op.beside = *text == '&';
		text += op.beside;
		if (sscanf(text, "episode %llu %lu", &seed, &number) == 2) {
			episode_make(e, seed, number);
			e->forget = forget;
			e->nr_ops = 0;
			found = true;
			continue;
		}
		if (!found || e->nr_ops == MAX_OPS ||
		    sscanf(text, "%31s %u %x %x %x %x", name, &op.subject, &op.a[0], &op.a[1],
			   &op.a[2], &op.a[3]) != 6 || op.subject >= e->subjects)
			return false;
		for (op.kind = 0; op.kind < nr_operations; op.kind++)
			if (!strcmp(operations[op.kind].name, name))
				break;
		if (op.kind == nr_operations)
			return false;
		e->ops[e->nr_ops++] = op;
	}
	return found;
}

static bool can_be_carried_out(const struct episode *e, const struct op *op,
			       const struct subject *s)
{
	unsigned int flags = operations[op->kind].flags;

	return operation_suits(&operations[op->kind], s) &&
	       (!(flags & OP_TAKES) || e->paging) &&
	       (!(flags & OP_SWAP) || host_swaps()) &&
	       (!(flags & OP_GLOBAL) || !(e->plain || e->shaky));
}

static void carry_out(const struct op *op, struct subject *s, struct shared *shared)
{
	const struct operation *kind = &operations[op->kind];
	int ret;

	faults_allow(kind->flags & OP_FAULTY);
	ret = kind->run(s, op->a);
	faults_allow(false);
	shared->done[op->kind]++;
	shared->succeeded[op->kind] += !ret;
}

static void carry_out_all(const struct episode *e, struct subject *subjects,
			  struct shared *shared)
{
	unsigned int i, until = 0, repeated = 0;
	const struct op *op;
	struct subject *s;
	bool beside;

	for (i = 0; i < e->nr_ops; i++) {
		op = &e->ops[i];
		s = &subjects[op->subject];
		__atomic_store_n(&shared->step, i + 1, __ATOMIC_SEQ_CST);
		if (!can_be_carried_out(e, op, s))
			continue;
		beside = e->beside && op->beside &&
			 !(e->shaky && operations[op->kind].flags & OP_TAKES);
		if (beside || i >= until || operations[op->kind].flags & OP_ALONE)
			shared->done[repeated] += beside_end(&shared->succeeded[repeated]);
		if (!beside) {
			carry_out(op, s, shared);
			continue;
		}
		beside_start(&operations[op->kind], s, op->a);
		repeated = op->kind;
		until = i + 1 + op->a[3] % BESIDE_MOST;
	}
	shared->done[repeated] += beside_end(&shared->succeeded[repeated]);
}

/* VMs that are stock's are created first. */
static void create(const struct episode *e, struct subject *subjects, bool stock,
		   struct shared *shared)
{
	unsigned int i;

	for (i = 0; i < e->subjects; i++) {
		if (e->config[i].stock != stock)
			continue;
		subject_create(&subjects[i], &e->config[i], e->geometry[i], e->tracked,
			       &shared->tally);
		subjects[i].forget = e->forget;
		subjects[i].faulty = e->faults >= FAULTS_SLAB && e->faults <= FAULTS_COPIES;
	}
}

static void __noreturn run(const struct episode *e, struct shared *shared)
{
	static struct subject subjects[MAX_SUBJECTS];
	unsigned int i;
	int ret;

	host_enter(e->limit);
	host_balance(e->paging && !e->plain && !e->shaky);
	create(e, subjects, true, shared);
	ret = module_insert(e->params);
	if (ret)
		die("load the module: %s", strerror(-ret));
	create(e, subjects, false, shared);
	faults_prepare(e->faults, e->faults_how, e->faults_how >> 31);
	for (i = 0; i < e->subjects; i++)
		subject_start(&subjects[i]);
	carry_out_all(e, subjects, shared);
	/* A child may be the last that has a VM. */
	if (e->geometry[0] % 2)
		memory_end();
	for (i = 0; i < e->subjects; i++) {
		subject_stop(&subjects[i]);
		subject_end(&subjects[i], e->geometry[i] >> 32);
	}
	memory_end();
	_exit(0);
}

/* Wait for the process as long as it makes progress. */
static const char *await(pid_t pid, const struct shared *shared, bool quiet)
{
	unsigned long before = 0, step;
	time_t since = time(NULL);
	static char why[96];
	int status;

	while (!waitpid(pid, &status, WNOHANG)) {
		step = __atomic_load_n(&shared->step, __ATOMIC_SEQ_CST);
		if (step != before) {
			before = step;
			since = time(NULL);
		}
		if (time(NULL) - since > PATIENCE) {
			if (!quiet)
				host_tell_threads(pid);
			kill(pid, SIGKILL);
			return "an operation does not end";
		}
		usleep(20000);
	}
	if (WIFEXITED(status) && !WEXITSTATUS(status))
		return NULL;
	snprintf(why, sizeof(why), "its process ended by %s %d",
		 WIFSIGNALED(status) ? "signal" : "status",
		 WIFSIGNALED(status) ? WTERMSIG(status) : WEXITSTATUS(status));
	return why;
}

const char *episode_run(const struct episode *e, struct shared *shared, bool quiet,
			unsigned long *hits)
{
	const char *why, *leak;
	pid_t pid;

	shared->step = 0;
	fflush(stdout);
	pid = fork();
	if (pid < 0)
		die("fork: %m");
	if (!pid) {
		if (quiet)
			dup2(open("/dev/null", O_WRONLY), STDERR_FILENO);
		run(e, shared);
	}
	why = await(pid, shared, quiet);
	*hits += faults_end(e->faults);
	leak = host_leak();
	return why ?: leak;
}
