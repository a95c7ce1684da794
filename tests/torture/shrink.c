// SPDX-License-Identifier: GPL-2.0
/*
 * Delta debugging: which of an episode's operations does its failure need?
 */
#include "episode.h"

#include <string.h>

/* Fails without the operations from @first to @end? Then leave them out for good. */
static bool leave_out(struct episode *e, unsigned int first, unsigned int end,
		      struct shared *shared)
{
	static struct episode trial;
	unsigned long hits = 0;

	trial = *e;
	memmove(trial.ops + first, trial.ops + end, (e->nr_ops - end) * sizeof(trial.ops[0]));
	trial.nr_ops -= end - first;
	if (!episode_run(&trial, shared, true, &hits))
		return false;
	*e = trial;
	printf("# it still fails with %u operations\n", e->nr_ops);
	fflush(stdout);
	return true;
}

void episode_shrink(struct episode *e, struct shared *shared)
{
	unsigned int size = (e->nr_ops + 1) / 2, at;
	bool any;

	/* What comes after the failure is not needed. */
	if (shared->step && shared->step < e->nr_ops)
		leave_out(e, shared->step, e->nr_ops, shared);
	while (e->nr_ops && size) {
		any = false;
		for (at = 0; at < e->nr_ops;) {
			unsigned int end = at + size < e->nr_ops ? at + size : e->nr_ops;

			if (leave_out(e, at, end, shared))
				any = true;
			else
				at = end;
		}
		if (size == 1 && !any)
			break;
		size = size > 1 ? size / 2 : 1;
	}
}
