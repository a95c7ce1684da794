// SPDX-License-Identifier: GPL-2.0
/*
 * Count events during a phase with the kernel's tracepoints and kprobes
 *
 * Histograms on tracepoints are exact and need no memory per event. The hold
 * time of a lock is the time from lock_acquire, which the kernel emits before
 * it waits for the lock, to lock_release; a synthetic event joins the two. Only
 * kernels with lockdep have these events.
 */
#include "counters.h"

#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "../ktap/hist.h"
#include "../ktap/vm.h"

#define PROBE		"bench_fault"
#define FAULT		"kprobes/" PROBE
#define PROBE_RC	"bench_set_rc"
#define SET_RC		"kprobes/" PROBE_RC
#define PROBED		" kvm_hv:kvmppc_book3s_hv_page_fault"
#define HCALL		"powerpc/hcall_entry"
#define TLBIE		"powerpc/tlbie"
#define ACQUIRE		"lock/lock_acquire"
#define RELEASE		"lock/lock_release"
#define HELD		"synthetic/bench_held"

#define IS_MMU_LOCK	" if name ~ \"*mmu_lock*\""

#define BY_THREAD	"hist:keys=common_pid"
/*
 * Of two CPUs that insert the same new key at a time, the kernel may drop one's
 * event: hence the CPU in keys that CPUs share.
 */
#define BY_NUMBER	"hist:keys=opcode,common_cpu"
#define ASKS_RC		"hist:keys=common_pid if dsisr & 0x40000"
#define OF_GUESTS	"hist:keys=local,common_cpu if local == 0 && lpid != 0"
#define TIME_TAKEN	"hist:keys=common_pid:taken=common_timestamp" IS_MMU_LOCK
#define TIME_GIVEN	"hist:keys=common_pid:ns=common_timestamp-$taken:"	\
			"onmatch(lock.lock_acquire).trace(bench_held,$ns)" IS_MMU_LOCK
#define SUM_AND_MOST	"hist:keys=common_pid:vals=ns:most=ns:onmax($most).save(ns)"

const char *counters_missing(void)
{
	if (!hist_possible(TLBIE) || !hist_possible(HCALL))
		return "the kernel has no histograms of its tracepoints (CONFIG_HIST_TRIGGERS)";
	if (access(TRACEFS "kprobe_events", W_OK))
		return "the kernel has no kprobe events (CONFIG_KPROBE_EVENTS)";
	return NULL;
}

bool counters_see_locks(void)
{
	return hist_possible(ACQUIRE) && !access(TRACEFS "synthetic_events", W_OK);
}

void counters_on(void)
{
	write_file(TRACEFS "kprobe_events",
		   "p:" PROBE PROBED "\n"
		   "p:" PROBE_RC PROBED " dsisr=%gpr5:x64");
	hist_start(FAULT, BY_THREAD);
	hist_start(SET_RC, ASKS_RC);
	hist_start(HCALL, BY_NUMBER);
	hist_start(TLBIE, OF_GUESTS);
	if (!counters_see_locks())
		return;
	write_file(TRACEFS "synthetic_events", "bench_held u64 ns");
	hist_start(ACQUIRE, TIME_TAKEN);
	hist_start(RELEASE, TIME_GIVEN);
}

void counters_off(void)
{
	if (counters_see_locks()) {
		/* reverse order: RELEASE refers to ACQUIRE and to the event */
		hist_stop(RELEASE, TIME_GIVEN);
		hist_stop(ACQUIRE, TIME_TAKEN);
		write_file(TRACEFS "synthetic_events", "");
	}
	hist_stop(TLBIE, OF_GUESTS);
	hist_stop(HCALL, BY_NUMBER);
	hist_stop(SET_RC, ASKS_RC);
	hist_stop(FAULT, BY_THREAD);
	write_file(TRACEFS "kprobe_events", "");
}

static void add(unsigned long key, unsigned long hits, void *sum)
{
	(void)key;
	*(unsigned long *)sum += hits;
}

static void add_hcall(unsigned long key, unsigned long hits, void *arg)
{
	struct counters *c = arg;
	unsigned int i = 0;

	while (i < c->nr_hcalls && c->hcall[i].nr != key)
		i++;
	if (i == MAX_HCALLS)
		die("more than %d kinds of hypercalls", MAX_HCALLS);
	if (i == c->nr_hcalls)
		c->hcall[c->nr_hcalls++].nr = key;
	c->hcall[i].count += hits;
}

/* This histogram also has sums and maxima, which hist_read() does not parse. */
static void read_held(struct counters *c)
{
	char line[256];
	unsigned long holds, ns;
	FILE *file = fopen(TRACEFS "events/" HELD "/hist", "r");

	if (!file)
		die("open the histogram of " HELD ": %m");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "{ %*[^}]} hitcount: %lu ns: %lu", &holds, &ns) == 2) {
			c->holds += holds;
			c->held_ns += ns;
		} else if (sscanf(line, " max: %lu", &ns) == 1 && ns > c->longest_ns) {
			c->longest_ns = ns;
		}
	}
	fclose(file);
}

static void read_all(struct counters *c)
{
	memset(c, 0, sizeof(*c));
	hist_read(FAULT, add, &c->faults);
	hist_read(SET_RC, add, &c->set_rc);
	hist_read(TLBIE, add, &c->tlbie);
	hist_read(HCALL, add_hcall, c);
}

void counters_begin(struct counters *c)
{
	/* a new histogram: its maximum is that of this phase */
	if (counters_see_locks())
		hist_start(HELD, SUM_AND_MOST);
	read_all(c);
}

static unsigned long hcalls_of(const struct counters *c, unsigned long nr)
{
	unsigned int i;

	for (i = 0; i < c->nr_hcalls; i++)
		if (c->hcall[i].nr == nr)
			return c->hcall[i].count;
	return 0;
}

void counters_end(struct counters *c)
{
	struct counters now;
	unsigned int i;

	read_all(&now);
	if (counters_see_locks()) {
		read_held(&now);
		hist_stop(HELD, SUM_AND_MOST);
	}
	now.faults -= c->faults;
	now.set_rc -= c->set_rc;
	now.tlbie -= c->tlbie;
	for (i = 0; i < now.nr_hcalls; i++)
		now.hcall[i].count -= hcalls_of(c, now.hcall[i].nr);
	*c = now;
}
