// SPDX-License-Identifier: GPL-2.0
/*
 * The program in the migrating guest. It continuously rewrites its memory and
 * detects any page that differs from what it has last written there.
 *
 * It is the guest's init, so the kernel passes it the arguments after "--" on
 * the command line: MiB of memory to verify, MiB of it to rewrite in each pass,
 * milliseconds to pause after a pass; and optionally "areas" to check the areas
 * that its kernel shares with the host, too, or "go-on" to correct wrong pages
 * and continue.
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
#include "pattern.h"

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

int main(int argc, char **argv)
{
	size_t page_size = sysconf(_SC_PAGESIZE);
	bool areas = argc == 5 && !strcmp(argv[4], "areas");
	useconds_t rest;

	setvbuf(stdout, NULL, _IOLBF, 0);
	go_on = argc == 5 && !strcmp(argv[4], "go-on");
	if (argc != 4 && !areas && !go_on) {
		printf("usage: init MIB-WATCHED MIB-REWRITTEN-PER-PASS REST-MS [areas | go-on]\n");
		return EXIT_FAILURE;
	}
	if (areas && !areas_open())
		return EXIT_FAILURE;
	nr_pages = strtoul(argv[1], NULL, 0) * MIB / page_size;
	nr_hot = strtoul(argv[2], NULL, 0) * MIB / page_size;
	rest = strtoul(argv[3], NULL, 0) * 1000;
	words_per_page = page_size / sizeof(*memory);

	memory = mmap(NULL, nr_pages * page_size, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
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
		if (areas && !areas_check())
			return EXIT_FAILURE;
		printf("pass %lu sweep %lu log %lu\n", pass, pass / SWEEP, areas_entries);
		usleep(rest);
	}
}
