// SPDX-License-Identifier: GPL-2.0
/*
 * Pages that L1 shares with its guests: the dirty log reports the guests'
 * stores, the host's unmapping affects the guests, and its aging sees their
 * accesses
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <sys/mman.h>
#include <unistd.h>

#include "idle.h"
#include "lru.h"
#include "nested_pages.h"
#include "thief.h"

#define ROUNDS		40

FIXTURE(cases) {
	struct nested_pages p;
};

FIXTURE_VARIANT(cases) {
	enum backing backing;
};

FIXTURE_VARIANT_ADD(cases, small) { BACKING_SMALL };
FIXTURE_VARIANT_ADD(cases, thp) { BACKING_THP };
FIXTURE_VARIANT_ADD(cases, memfd) { BACKING_MEMFD };

FIXTURE_SETUP(cases)
{
	SKIP_IF(return, nested_pages_create(&self->p, variant->backing));
}

FIXTURE_TEARDOWN(cases)
{
	nested_pages_destroy(&self->p);
}

TEST_F(cases, stores_reported_once)
{
	unsigned long rounds = scaled(ROUNDS), asked = 0, missed = 0, more = 0;
	struct nested_pages *p = &self->p;
	__u64 pages, reported;
	unsigned int way;

	nested_populate(p);
	EXPECT_EQ(NESTED_ALL, nested_collect(p));
	while (rounds--) {
		pages = nested_some(p);
		nested_access(p, nested_any_way(p), GUEST_STORE, pages, rounds);
		reported = nested_collect(p);
		asked += nested_count(pages);
		missed += nested_count(pages & ~reported);
		more += nested_count(reported & ~pages);
		more += nested_count(nested_collect(p));
		for (way = 0; way < NESTED_NR_WAYS; way++)
			nested_access(p, way, GUEST_LOAD, NESTED_ALL, 0);
		more += nested_count(nested_collect(p));
	}
	EXPECT_EQ(0, more);
	EXPECT_NO_MISS(p->l->vm, asked, missed, "stores");
}

/* Ways to unmap a guest's page. */
enum taking { EMPTY, PAGE_OUT };

static void take(struct nested_pages *p, enum backing backing, enum taking taking,
		 __u64 pages)
{
	int advice = taking == PAGE_OUT ? MADV_PAGEOUT :
		     backing == BACKING_MEMFD ? MADV_REMOVE : MADV_DONTNEED;
	unsigned int page;

	/* only pages on an LRU list are paged out: drain the per-CPU batches */
	if (taking == PAGE_OUT)
		lru_drain();
	for (page = 0; page < NESTED_NR_PAGES; page++)
		if ((pages >> page & 1) &&
		    madvise(nested_word(p, page, 0), NESTED_PAGE, advice))
			die("madvise(%d): %m", advice);
}

static unsigned long count_gone(struct nested_pages *p, __u64 pages)
{
	unsigned long gone = 0;
	unsigned int page;

	for (page = 0; page < NESTED_NR_PAGES; page++)
		if (pages >> page & 1)
			gone += !idle_pfn(nested_word(p, page, 0));
	return gone;
}

static void fill_by_host(struct nested_pages *p, __u64 pages, __u64 value)
{
	unsigned int way, page;

	for (page = 0; page < NESTED_NR_PAGES; page++)
		for (way = 0; way < NESTED_NR_WAYS; way++)
			if (pages >> page & 1)
				*nested_word(p, page, way) = value << way;
}

/*
 * Unmap pages, and let all guests use them. In half of the rounds the VMM fills
 * the pages before a guest touches them; in half of them guests store before
 * they load.
 */
static void use_after(struct __test_metadata *_metadata, struct nested_pages *p,
		      enum backing backing, enum taking taking)
{
	unsigned long rounds = scaled(ROUNDS), round, asked = 0, gone = 0, wrong = 0;
	__u64 pages, value;
	unsigned int way;

	nested_populate(p);
	for (round = 1; round <= rounds; round++) {
		pages = nested_some(p);
		take(p, backing, taking, pages);
		asked += nested_count(pages);
		gone += count_gone(p, pages);
		if (round & 1)
			fill_by_host(p, pages, round << 32);
		for (way = 0; !(round & 2) && way < NESTED_NR_WAYS; way++)
			wrong += nested_differing(p, way, NESTED_ALL);
		for (way = 0; way < NESTED_NR_WAYS; way++) {
			value = round << 16 | way << 8;
			nested_access(p, way, GUEST_STORE, pages, value);
			wrong += nested_lost(p, way, pages, value);
		}
		for (way = 0; way < NESTED_NR_WAYS; way++)
			wrong += nested_differing(p, way, NESTED_ALL);
	}
	TH_LOG("%lu pages taken, %lu gone, %lu words wrong", asked, gone, wrong);
	EXPECT_EQ(0, wrong);
	/* It is no failure if the kernel cannot page out a page. */
	if (taking == PAGE_OUT && gone < asked / 2 && !wrong)
		SKIP(return, "the kernel paged out %lu of %lu pages", gone, asked);
	EXPECT_LE(taking == PAGE_OUT ? asked / 2 : asked, gone);
}

TEST_F(cases, emptied_reaches_guests)
{
	use_after(_metadata, &self->p, variant->backing, EMPTY);
}

TEST_F(cases, paged_out_reaches_guests)
{
	SKIP_IF(return, thief_swap_missing());
	thief_swap_on();
	use_after(_metadata, &self->p, variant->backing, PAGE_OUT);
}

/* Pages are dropped while only an L2's shadow PTE has C set. */
TEST_F(cases, emptied_is_reported)
{
	unsigned long rounds = scaled(ROUNDS), asked = 0, missed = 0;
	struct nested_pages *p = &self->p;
	__u64 pages;

	while (rounds--) {
		nested_populate(p);
		nested_collect(p);
		pages = nested_some(p);
		nested_access(p, nested_any_way(p), GUEST_STORE, pages, rounds);
		take(p, variant->backing, EMPTY, pages);
		asked += nested_count(pages);
		missed += nested_count(pages & ~nested_collect(p));
	}
	EXPECT_NO_MISS(p->l->vm, asked, missed, "stores");
}

/* On hosts that keep stale translations, make the guests exit. */
static void forget_translations(struct nested_pages *p)
{
	if (host_keeps_stale_translations())
		vm_kick(p->l->vm);
}

/* Both guests run meanwhile. */
TEST_F(cases, emptied_under_way)
{
	unsigned long rounds = scaled(4 * ROUNDS), lost = 0, asked = 0, round;
	struct nested_pages *p = &self->p;
	static const unsigned int way[] = { 3, 2 };
	unsigned int i;
	__u64 pages;

	nested_populate(p);
	for (i = 0; i < NESTED_NR_L2; i++)
		l2_start(&p->l2[i], GUEST_SERVE);
	for (round = 1; round <= rounds; round++) {
		pages = nested_some(p);
		take(p, variant->backing, EMPTY, pages);
		forget_translations(p);
		for (i = 0; i < NESTED_NR_L2; i++) {
			nested_list(p, way[i], pages, round);
			area_serve(p->l2[i].area);
			asked += nested_count(pages);
			lost += nested_lost(p, way[i], pages, round);
		}
	}
	for (i = 0; i < NESTED_NR_L2; i++)
		l2_stop(&p->l2[i]);
	TH_LOG("%lu stores, %lu lost", asked, lost);
	EXPECT_EQ(0, lost);
}

/* Pages with a common idle bit: a huge page has only that of its first page. */
static __u64 same_page(enum backing backing, unsigned int page)
{
	unsigned int by = THP_SIZE / NESTED_PAGE;

	return backing == BACKING_THP ? ((1ull << by) - 1) << page / by * by :
	       1ull << page;
}

TEST_F(cases, aged)
{
	unsigned long rounds = scaled(ROUNDS), used = 0, unseen = 0, imagined = 0;
	unsigned int page, by = variant->backing == BACKING_THP ? THP_SIZE / NESTED_PAGE : 1;
	struct nested_pages *p = &self->p;
	__u64 pfn[NESTED_NR_PAGES], pages;
	int idle = idle_open();

	if (idle < 0)
		SKIP(return, "the host does not track idle pages (CONFIG_IDLE_PAGE_TRACKING)");
	nested_populate(p);
	/* only pages on an LRU list are tracked: drain the per-CPU batches */
	lru_drain();
	for (page = 0; page < NESTED_NR_PAGES; page++)
		pfn[page] = idle_pfn(nested_word(p, page, 0));
	while (rounds--) {
		for (page = 0; page < NESTED_NR_PAGES; page += by)
			idle_set(idle, pfn[page]);
		/* use pages of the whole range, of its lower half, or none */
		pages = nested_some(p) & (rounds & 1 ? NESTED_ALL : rounds & 2 ? -1u : 0);
		nested_access(p, nested_any_way(p), GUEST_LOAD, pages, 0);
		for (page = 0; page < NESTED_NR_PAGES; page += by) {
			if (pages & same_page(variant->backing, page)) {
				used++;
				unseen += idle_test(idle, pfn[page]);
			} else {
				imagined += !idle_test(idle, pfn[page]);
			}
		}
	}
	close(idle);
	EXPECT_EQ(0, imagined);
	EXPECT_NO_MISS(p->l->vm, used, unseen, "pages used");
}

TEST_HARNESS_MAIN
