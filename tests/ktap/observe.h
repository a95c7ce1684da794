/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the module tells of a VM: its tracepoints, and its files in debugfs
 */
#ifndef TESTS_KTAP_OBSERVE_H
#define TESTS_KTAP_OBSERVE_H

#include "vm.h"

/**
 * struct event - an event of the module that concerns this process
 * @name: of the tracepoint
 * @fields: as the kernel prints them: "name=value ..."
 */
struct event {
	char name[40];
	char fields[256];
};

/**
 * struct events - all of them, oldest first
 * @nr: entries of @event
 * @event: the events
 */
struct events {
	size_t nr;
	struct event *event;
};

/* Record events from events_start() to events_stop(), in a trace of its own. */
void events_start(void);
void events_stop(struct events *events);
void events_free(struct events *events);

size_t events_count(const struct events *events, const char *name);

/* The next event of a name after @last, or the first if @last is NULL; or NULL. */
const struct event *events_next(const struct events *events, const char *name,
				const struct event *last);

/* The only event of this name; any other number ends the test. */
const struct event *events_only(const struct events *events, const char *name);

/* The number in a field; addresses and gfns are hexadecimal. */
__u64 event_field(const struct event *event, const char *field);

/* Is this "name=value" among the fields? */
bool event_has(const struct event *event, const char *field);

/* The sum of a field over all events of a name. */
__u64 events_sum(const struct events *events, const char *name, const char *field);

/**
 * struct counters - a file of "name value" lines
 * @nr: number of lines
 * @line: the lines
 */
struct counters {
	size_t nr;
	struct {
		char name[32];
		char value[32];
	} line[64];
};

/* KVM's directory of a VM in debugfs, and a file of the module in it. */
void vm_debugfs_path(char *path, size_t size, const struct vm *vm, const char *file);
void counters_read(struct counters *c, const struct vm *vm, const char *file);
const char *counter_text(const struct counters *c, const char *name);
__u64 counter(const struct counters *c, const char *name);

/**
 * struct change - an expected change of a counter
 * @name: the counter, NULL in the last entry
 * @by: by how much it grew
 */
struct change {
	const char *name;
	__s64 by;
};

/*
 * Return how many counters changed otherwise than expected, and print them. A
 * counter that is not named must not change.
 */
unsigned int counters_differ(const struct counters *before, const struct counters *after,
			     const struct change *expected);

/**
 * struct slot_line - a line of the file slots
 * @found: there is one for this memslot
 */
struct slot_line {
	bool found;
	__u64 gfn, npages, logged, collections, clears, cleaned, requests;
};

struct slot_line slot_read(const struct vm *vm, unsigned int id);

/* The count of the bucket of a histogram that @value belongs to; and of all. */
unsigned long hist_bucket(const struct vm *vm, const char *name, __u64 value);
unsigned long hist_all(const struct vm *vm, const char *name);

#endif
