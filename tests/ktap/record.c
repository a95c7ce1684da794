// SPDX-License-Identifier: GPL-2.0
/*
 * Results of a run on stock, recorded for comparison with the run on the module
 */
#include "record.h"

#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "vm.h"

#define LINE_MAX	256

void record_open(struct record *r, bool compare, const char *fmt, ...)
{
	const char *dir = getenv("KTAP_RECORDS");
	char name[LINE_MAX], path[2 * LINE_MAX];
	va_list args;

	*r = (struct record){ .compare = compare };
	if (!dir)
		return;
	va_start(args, fmt);
	vsnprintf(name, sizeof(name), fmt, args);
	va_end(args);
	snprintf(path, sizeof(path), "%s/%s", dir, name);
	r->file = fopen(path, compare ? "r" : "w");
	/* There is no record if the suite runs only on the module. */
	if (!r->file && !compare)
		die("open %s: %m", path);
}

void record(struct record *r, const char *fmt, ...)
{
	char now[LINE_MAX], then[LINE_MAX];
	va_list args;

	va_start(args, fmt);
	vsnprintf(now, sizeof(now), fmt, args);
	va_end(args);
	r->lines++;
	if (!r->file)
		return;
	if (!r->compare) {
		fprintf(r->file, "%s\n", now);
		return;
	}
	if (!fgets(then, sizeof(then), r->file))
		die("result %lu: '%s', stock has fewer results", r->lines, now);
	then[strcspn(then, "\n")] = '\0';
	if (strcmp(then, now))
		die("result %lu: '%s', on stock '%s'", r->lines, now, then);
}

void record_close(struct record *r)
{
	if (!r->file)
		return;
	if (r->compare && fgetc(r->file) != EOF)
		die("stock has more than %lu results", r->lines);
	if (fclose(r->file))
		die("write the record of results: %m");
}
