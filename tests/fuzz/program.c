// SPDX-License-Identifier: GPL-2.0
/*
 * Programs: sequences of calls
 */
#include "program.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "../ktap/options.h"

#define SEPARATORS	";\n"

static bool parse_kind(enum subject_kind *kind, const char *name)
{
	for (*kind = 0; *kind < NR_SUBJECTS; (*kind)++)
		if (!strcmp(subject_names[*kind], name))
			return true;
	return false;
}

static const struct call *find_call(const char *name)
{
	unsigned int i;

	for (i = 0; i < nr_calls; i++)
		if (!strcmp(calls[i].name, name))
			return &calls[i];
	return NULL;
}

static bool parse_step(struct step *step, char *text)
{
	char *word, *end, *rest = NULL;
	unsigned int i;

	word = strtok_r(text, " ", &rest);
	step->call = word ? find_call(word) : NULL;
	if (!step->call)
		return false;
	for (i = 0; i < call_args(step->call); i++) {
		word = strtok_r(NULL, " ", &rest);
		if (!word)
			return false;
		step->arg[i] = strtoull(word, &end, 16);
		if (*end)
			return false;
	}
	return !strtok_r(NULL, " ", &rest);
}

bool program_parse(struct program *p, const char *text)
{
	char copy[PROGRAM_TEXT], *part, *rest = NULL;

	if (snprintf(copy, sizeof(copy), "%s", text) >= (int)sizeof(copy))
		return false;
	*p = (struct program){ 0 };
	part = strtok_r(copy, SEPARATORS, &rest);
	if (!part || !parse_kind(&p->kind, part))
		return false;
	while ((part = strtok_r(NULL, SEPARATORS, &rest)))
		if (p->nr == PROGRAM_CALLS || !parse_step(&p->step[p->nr++], part))
			return false;
	return p->nr;
}

void program_print(const struct program *p, char text[PROGRAM_TEXT])
{
	char *at = text + sprintf(text, "%s", subject_names[p->kind]);
	const struct step *step;
	unsigned int i;

	for (step = p->step; step < p->step + p->nr; step++) {
		at += sprintf(at, "; %s", step->call->name);
		for (i = 0; i < call_args(step->call); i++)
			at += sprintf(at, " %#llx", step->arg[i]);
	}
}

static void make_step(struct step *step, enum subject_kind kind, __u64 *random)
{
	bool special = random_below(random, 2) && (kind == SUBJECT_HPT || kind == SUBJECT_NESTED);
	const struct call *call;
	unsigned int i;

	do
		call = &calls[random_below(random, nr_calls)];
	while (call->only != kind && (special || call->only != NR_SUBJECTS));
	step->call = call;
	for (i = 0; i < call_args(call); i++)
		step->arg[i] = value_make(call->arg[i], random);
}

void program_generate(struct program *p, enum subject_kind kind, __u64 *random)
{
	*p = (struct program){
		.kind = kind,
		.nr = 1 + random_below(random, PROGRAM_CALLS / 2),
	};
	for (unsigned int i = 0; i < p->nr; i++)
		make_step(&p->step[i], kind, random);
}

void program_drop(struct program *p, unsigned int step)
{
	memmove(&p->step[step], &p->step[step + 1], (--p->nr - step) * sizeof(p->step[0]));
}

static void insert(struct program *p, unsigned int at, const struct step *step)
{
	if (p->nr == PROGRAM_CALLS)
		return;
	memmove(&p->step[at + 1], &p->step[at], (p->nr++ - at) * sizeof(p->step[0]));
	p->step[at] = *step;
}

static void mutate_once(struct program *p, const struct program *other, __u64 *random)
{
	unsigned int at = random_below(random, p->nr), i, nr;
	struct step step = p->step[at];

	switch (random_below(random, 8)) {
	case 0:
		if (p->nr > 1)
			program_drop(p, at);
		break;
	case 1:
		insert(p, random_below(random, p->nr + 1), &step);
		break;
	case 2:
		nr = 1 + random_below(random, other->nr);
		for (i = 0; i < nr; i++)
			insert(p, at + i, &other->step[other->nr - nr + i]);
		break;
	case 3:
	case 4:
		make_step(&step, p->kind, random);
		insert(p, random_below(random, p->nr + 1), &step);
		break;
	default:
		nr = call_args(step.call);
		if (!nr)
			break;
		i = random_below(random, nr);
		p->step[at].arg[i] = value_change(step.call->arg[i], step.arg[i], random);
	}
}

void program_mutate(struct program *p, const struct program *other, __u64 *random)
{
	do
		mutate_once(p, other, random);
	while (random_below(random, 3));
}

void program_run(const struct program *p, struct subject *s, unsigned int *done)
{
	const struct step *step;

	for (step = p->step; step < p->step + p->nr; step++) {
		printf("%s: ", step->call->name);
		fflush(stdout);
		printf("%ld\n", call_make(step->call, s, step->arg));
		fflush(stdout);
		__atomic_add_fetch(done, 1, __ATOMIC_RELAXED);
	}
}
