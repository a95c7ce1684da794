// SPDX-License-Identifier: GPL-2.0
/*
 * Reads the module's tracepoints and its files in debugfs
 */
#define _GNU_SOURCE
#include "observe.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "hist.h"

#define INSTANCE	TRACEFS "instances/ktap/"
#define BUFFER_KB	"8192"
#define KVM_DEBUGFS	"/sys/kernel/debug/kvm/"

static void remove_instance(void)
{
	rmdir(INSTANCE);
}

void events_start(void)
{
	char filter[32];

	remove_instance();
	if (mkdir(INSTANCE, 0700))
		die("mkdir " INSTANCE ": %m");
	snprintf(filter, sizeof(filter), "pid == %d", getpid());
	write_file(INSTANCE "buffer_size_kb", BUFFER_KB);
	write_file(INSTANCE "events/kvm_hv_ext/filter", filter);
	write_file(INSTANCE "events/kvm_hv_ext/enable", "1");
}

static void add_event(struct events *events, const char *line)
{
	const char *name = strstr(line, ": khx_");
	struct event *event;

	if (!name)
		die("no event of the module: %s", line);
	events->event = realloc(events->event, (events->nr + 1) * sizeof(*event));
	event = &events->event[events->nr++];
	if (sscanf(name, ": %39[^:]: %255[^\n]", event->name, event->fields) != 2)
		die("not understood: %s", line);
}

void events_stop(struct events *events)
{
	unsigned long kept, written;
	bool complete = false;
	char line[512];
	FILE *file;

	*events = (struct events){ 0 };
	write_file(INSTANCE "events/kvm_hv_ext/enable", "0");
	file = fopen(INSTANCE "trace", "r");
	if (!file)
		die("open " INSTANCE "trace: %m");
	while (fgets(line, sizeof(line), file)) {
		if (*line != '#')
			add_event(events, line);
		else if (sscanf(line, "# entries-in-buffer/entries-written: %lu/%lu", &kept,
				&written) == 2)
			complete = kept == written;
	}
	fclose(file);
	remove_instance();
	if (!complete)
		die("the trace is incomplete");
}

void events_free(struct events *events)
{
	free(events->event);
}

const struct event *events_next(const struct events *events, const char *name,
				const struct event *last)
{
	size_t i = last ? last - events->event + 1 : 0;

	for (; i < events->nr; i++)
		if (!strcmp(events->event[i].name, name))
			return &events->event[i];
	return NULL;
}

size_t events_count(const struct events *events, const char *name)
{
	const struct event *event = NULL;
	size_t nr = 0;

	while ((event = events_next(events, name, event)))
		nr++;
	return nr;
}

const struct event *events_only(const struct events *events, const char *name)
{
	if (events_count(events, name) != 1)
		die("%zu events %s instead of one", events_count(events, name), name);
	return events_next(events, name, NULL);
}

/* Return the text of a value, which ends at a space or at the end of the line. */
static const char *field_text(const struct event *event, const char *field)
{
	size_t length = strlen(field);
	const char *at = event->fields;

	while ((at = strstr(at, field))) {
		if ((at == event->fields || at[-1] == ' ') && at[length] == '=')
			return at + length + 1;
		at += length;
	}
	die("%s has no field %s: %s", event->name, field, event->fields);
}

__u64 event_field(const struct event *event, const char *field)
{
	size_t length = strlen(field);
	bool address = !strcmp(field + length - 3, "gfn") || !strcmp(field + length - 3, "gpa") ||
		       !strcmp(field + length - 3, "hva");

	return strtoull(field_text(event, field), NULL, address ? 16 : 10);
}

bool event_has(const struct event *event, const char *field)
{
	size_t length = strlen(field);
	const char *at = event->fields;

	while ((at = strstr(at, field))) {
		if ((at == event->fields || at[-1] == ' ') && (!at[length] || at[length] == ' '))
			return true;
		at += length;
	}
	return false;
}

__u64 events_sum(const struct events *events, const char *name, const char *field)
{
	const struct event *event = NULL;
	__u64 sum = 0;

	while ((event = events_next(events, name, event)))
		sum += event_field(event, field);
	return sum;
}

void vm_debugfs_path(char *path, size_t size, const struct vm *vm, const char *file)
{
	snprintf(path, size, KVM_DEBUGFS "%d-%d/%s", getpid(), vm->fd, file);
}

static FILE *open_of(const struct vm *vm, const char *name)
{
	char path[128], file[64];
	FILE *stream;

	snprintf(file, sizeof(file), "hv_ext/%s", name);
	vm_debugfs_path(path, sizeof(path), vm, file);
	stream = fopen(path, "r");
	if (!stream)
		die("open %s: %m", path);
	return stream;
}

void counters_read(struct counters *c, const struct vm *vm, const char *file)
{
	FILE *stream = open_of(vm, file);
	char line[80];

	c->nr = 0;
	while (fgets(line, sizeof(line), stream)) {
		if (c->nr == ARRAY_SIZE(c->line) ||
		    sscanf(line, "%31s %31[^\n]", c->line[c->nr].name, c->line[c->nr].value) != 2)
			die("%s: %s", file, line);
		c->nr++;
	}
	fclose(stream);
}

const char *counter_text(const struct counters *c, const char *name)
{
	size_t i;

	for (i = 0; i < c->nr; i++)
		if (!strcmp(c->line[i].name, name))
			return c->line[i].value;
	die("no counter %s", name);
}

__u64 counter(const struct counters *c, const char *name)
{
	return strtoull(counter_text(c, name), NULL, 10);
}

static __s64 expected_change(const struct change *expected, const char *name)
{
	for (; expected->name; expected++)
		if (!strcmp(expected->name, name))
			return expected->by;
	return 0;
}

unsigned int counters_differ(const struct counters *before, const struct counters *after,
			     const struct change *expected)
{
	unsigned int differ = 0;
	const struct change *e;
	__s64 by, want;
	size_t i;

	for (e = expected; e->name; e++)
		counter(after, e->name);
	for (i = 0; i < after->nr; i++) {
		by = counter(after, after->line[i].name) - counter(before, after->line[i].name);
		want = expected_change(expected, after->line[i].name);
		if (by == want)
			continue;
		ksft_print_msg("%s grew by %lld instead of %lld\n", after->line[i].name,
			       (long long)by, (long long)want);
		differ++;
	}
	return differ;
}

struct slot_line slot_read(const struct vm *vm, unsigned int id)
{
	FILE *stream = open_of(vm, "slots");
	struct slot_line s = { 0 };
	unsigned int found;
	char line[160];

	while (!s.found && fgets(line, sizeof(line), stream))
		s.found = sscanf(line, "%u %llx %llu %llu %llu %llu %llu %llu", &found, &s.gfn,
				 &s.npages, &s.logged, &s.collections, &s.clears, &s.cleaned,
				 &s.requests) == 8 && found == id;
	fclose(stream);
	return s;
}

/* Add up the buckets of a histogram that @value belongs to, or all of them. */
static unsigned long hist_sum(const struct vm *vm, const char *name, const __u64 *value)
{
	FILE *stream = open_of(vm, "histograms");
	unsigned long count, sum = 0;
	char line[80], found[32];
	__u64 from;

	while (fgets(line, sizeof(line), stream)) {
		if (sscanf(line, "%31s %llu %lu", found, &from, &count) != 3)
			die("histograms: %s", line);
		if (strcmp(found, name))
			continue;
		if (!value || (from ? *value >= from && *value < 2 * from : !*value))
			sum += count;
	}
	fclose(stream);
	return sum;
}

unsigned long hist_bucket(const struct vm *vm, const char *name, __u64 value)
{
	return hist_sum(vm, name, &value);
}

unsigned long hist_all(const struct vm *vm, const char *name)
{
	return hist_sum(vm, name, NULL);
}
