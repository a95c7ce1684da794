// SPDX-License-Identifier: GPL-2.0
/*
 * The program in the migrating guest. It continuously rewrites its memory and
 * detects any page that differs from what it has last written there.
 *
 * It is the guest's init, so the kernel passes it the arguments after "--" on
 * the command line: MiB of memory to verify, MiB of it to rewrite in each pass,
 * milliseconds to pause after a pass; and any of these words:
 *	areas	check the areas that its kernel shares with the host, too
 *	go-on	correct wrong pages and continue
 *	huge	use memory in the kernel's huge pages
 *	resize	change the size of its HPT again and again
 *	screen	draw on its screen in each pass
 *
 * The expected content of a page depends only on its number and the number of
 * the pass, so there is no table of expected content that could become stale
 * together with the pages. After each pass the program prints a line "pass P
 * sweep S log E": S is how often all memory has been verified, E the number of
 * entries read from the dispatch trace log.
 */
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "areas.h"
#include "hpt.h"
#include "pattern.h"
#include "screen.h"

#define MIB		(1024UL * 1024UL)
/* A pass verifies one in SWEEP of the pages that it does not rewrite. */
#define SWEEP		16UL
/* A pass rewrites one in TURN of the pages that are not rewritten in each. */
#define TURN		1024UL

static uint64_t *memory;
static size_t words_per_page;
static uint64_t nr_pages, nr_hot;
static bool go_on;

static uint64_t rewrite_period(uint64_t page)
{
	return page < nr_hot ? 1 : TURN;
}

/* The last pass, up to and including @pass, that rewrote @page. */
static uint64_t last_rewrite(uint64_t page, uint64_t pass)
{
	uint64_t period = rewrite_period(page);
	uint64_t age = (pass + period - page % period) % period;

	return pass > age ? pass - age : 0;
}

static void fill(uint64_t page, uint64_t pass)
{
	uint64_t *p = memory + page * words_per_page;

	for (size_t i = 0; i < words_per_page; i++)
		p[i] = word_of(page, pass, i);
}

static void verify(uint64_t page, uint64_t pass)
{
	const uint64_t *p = memory + page * words_per_page;
	uint64_t written = last_rewrite(page, pass);

	for (size_t i = 0; i < words_per_page; i++) {
		uint64_t found = p[i], tag;

		if (found == word_of(page, written, i))
			continue;
		tag = found ^ word_of(0, 0, i);
		if (tag >> 32 == page)
			printf("CORRUPT page %lu: written in pass %lu, found as of pass %lu\n",
			       page, written, tag & UINT32_MAX);
		else
			printf("CORRUPT page %lu word %zu: written in pass %lu, found %#lx\n",
			       page, i, written, found);
		if (!go_on)
			exit(EXIT_FAILURE);	/* so the kernel panics */
		fill(page, written);
		break;
	}
}

static bool check_areas(uint64_t pass)
{
	(void)pass;
	return areas_check();
}

/* What the words on the command line ask for */
static struct {
	const char *name;
	bool (*open)(void);
	bool (*each_pass)(uint64_t pass);
	bool chosen;
} words[] = {
	{ .name = "areas", .open = areas_open, .each_pass = check_areas },
	{ .name = "resize", .open = hpt_open, .each_pass = hpt_resize },
	{ .name = "screen", .open = screen_open, .each_pass = screen_draw },
	{ .name = "go-on" },
	{ .name = "huge" },
};

#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))

static bool chosen(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (!strcmp(words[i].name, name))
			return words[i].chosen;
	}
	return false;
}

static bool choose(const char *name)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (strcmp(words[i].name, name))
			continue;
		words[i].chosen = true;
		return !words[i].open || words[i].open();
	}
	printf("init: unknown word: %s\n", name);
	return false;
}

static bool handle_chosen(uint64_t pass)
{
	for (size_t i = 0; i < ARRAY_SIZE(words); i++) {
		if (words[i].chosen && words[i].each_pass && !words[i].each_pass(pass))
			return false;
	}
	return true;
}

int main(int argc, char **argv)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	useconds_t rest;

	setvbuf(stdout, NULL, _IOLBF, 0);
	if (argc < 4) {
		printf("usage: init MIB-WATCHED MIB-REWRITTEN-PER-PASS REST-MS [WORD...]\n");
		return EXIT_FAILURE;
	}
	for (int i = 4; i < argc; i++) {
		if (!choose(argv[i]))
			return EXIT_FAILURE;
	}
	go_on = chosen("go-on");
	nr_pages = strtoul(argv[1], NULL, 0) * MIB / page_size;
	nr_hot = strtoul(argv[2], NULL, 0) * MIB / page_size;
	rest = strtoul(argv[3], NULL, 0) * 1000;
	words_per_page = page_size / sizeof(*memory);

	memory = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | (chosen("huge") ? MAP_HUGETLB : 0), -1, 0);
	if (memory == MAP_FAILED) {
		perror("mmap");
		return EXIT_FAILURE;
	}

	for (uint64_t page = 0; page < nr_pages; page++)
		fill(page, 0);

	for (uint64_t pass = 1;; pass++) {
		for (uint64_t page = 0; page < nr_pages; page++) {
			if (last_rewrite(page, pass) == pass) {
				verify(page, pass - 1);
				fill(page, pass);
			} else if (page % SWEEP == pass % SWEEP) {
				verify(page, pass);
			}
		}
		if (!handle_chosen(pass))
			return EXIT_FAILURE;
		printf("pass %lu sweep %lu log %lu\n", pass, pass / SWEEP, areas_entries);
		usleep(rest);
	}
}
