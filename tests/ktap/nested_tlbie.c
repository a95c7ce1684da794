// SPDX-License-Identifier: GPL-2.0
/*
 * Invalidations by L1: of one page, of one guest, or of all its guests
 */
#include "ktap.h"

#include "nested_pages.h"

#define ROUNDS		20
#define HALF		(NESTED_NR_PAGES / 2)
#define HALF_SIZE	(HALF * NESTED_PAGE)

FIXTURE(tlbie) {
	struct nested_pages p;
};

FIXTURE_VARIANT(tlbie) {
	unsigned int ric;
	__u64 rb;
};

FIXTURE_VARIANT_ADD(tlbie, page) { NESTED_RIC_TLB, NESTED_RB_PAGE(0) };
FIXTURE_VARIANT_ADD(tlbie, large_page) { NESTED_RIC_TLB, NESTED_RB_LARGE(0) };
FIXTURE_VARIANT_ADD(tlbie, guest) { NESTED_RIC_TLB, NESTED_RB_LPID };
FIXTURE_VARIANT_ADD(tlbie, guest_and_table) { NESTED_RIC_ALL, NESTED_RB_LPID };
FIXTURE_VARIANT_ADD(tlbie, all) { NESTED_RIC_TLB, NESTED_RB_ALL };
FIXTURE_VARIANT_ADD(tlbie, all_and_tables) { NESTED_RIC_ALL, NESTED_RB_ALL };

FIXTURE_SETUP(tlbie)
{
	const char *why = NULL;
	void *large;

	/* A host without 2 MiB pages refuses their invalidation. */
	if (variant->rb == NESTED_RB_LARGE(0)) {
		large = mem_alloc(THP_SIZE, BACKING_THP, &why);
		if (large)
			mem_free(large, THP_SIZE);
	}
	SKIP_IF(return, why);
	SKIP_IF(return, nested_pages_create(&self->p, BACKING_SMALL));
}

FIXTURE_TEARDOWN(tlbie)
{
	nested_pages_destroy(&self->p);
}

/* Invalidate L1's entries for @pages, on the L1 vCPU that runs this guest. */
static void invalidate(struct nested_pages *p, const struct _fixture_variant_tlbie *v,
		       unsigned int way, __u64 pages)
{
	struct l2 *l2 = p->way[way].l2;
	unsigned int page, by = 1;
	__u64 rc = 0;

	if (v->rb == NESTED_RB_LPID || v->rb == NESTED_RB_ALL) {
		if (nested_tlbie(l2->l1, v->ric, l2->lpid, v->rb))
			die("H_TLB_INVALIDATE of LPID %u", l2->lpid);
		return;
	}
	if (v->rb == NESTED_RB_LARGE(0))
		by = NESTED_LARGE_PAGE / NESTED_PAGE;
	for (page = 0; page < NESTED_NR_PAGES; page += by)
		if (pages >> page & ((1ull << by) - 1))
			rc |= nested_tlbie(l2->l1, v->ric, l2->lpid,
					   v->rb | (p->way[way].gpa + page * NESTED_PAGE));
	if (rc)
		die("H_TLB_INVALIDATE of pages of LPID %u", l2->lpid);
}

/*
 * Map both halves of a guest's pages to L1's lower half, or to its upper half.
 */
static void map_half(struct nested_pages *p, unsigned int way, bool upper)
{
	unsigned int i;

	for (i = 0; i < 2; i++)
		nested_map(p->n, p->way[way].l2->lpid, p->way[way].gpa + i * HALF_SIZE,
			   VM_DATA_GPA + upper * HALF_SIZE, HALF_SIZE,
			   NESTED_READ | NESTED_WRITE);
}

static __u64 half(bool upper)
{
	return upper ? -1ull << HALF : (1ull << HALF) - 1;
}

static void fill(struct nested_pages *p, __u64 value)
{
	unsigned int way, page;

	for (way = 0; way < NESTED_NR_WAYS; way++)
		for (page = 0; page < NESTED_NR_PAGES; page++)
			*nested_word(p, page, way) = value + page;
}

/*
 * Load from all pages, then store to half of them. Return the number of errors.
 */
static unsigned long use(struct nested_pages *p, unsigned int way, bool upper, __u64 value)
{
	unsigned int from = upper ? HALF : 0, other = HALF - from, page;
	struct guest_access *list;
	unsigned long wrong = 0;

	fill(p, value);
	list = nested_access(p, way, GUEST_LOAD, NESTED_ALL, 0);
	for (page = 0; page < NESTED_NR_PAGES; page++)
		wrong += list[page].value != value + from + page % HALF;
	nested_access(p, way, GUEST_STORE, half(true), ~value);
	for (page = 0; page < HALF; page++) {
		wrong += *nested_word(p, from + page, way) != ~value + HALF + page;
		wrong += *nested_word(p, other + page, way) != value + other + page;
	}
	return wrong;
}

/* After remapping and invalidation all accesses must reach the other half. */
TEST_F(tlbie, other_page_is_used)
{
	unsigned long rounds = scaled(ROUNDS), round, wrong = 0;
	struct nested_pages *p = &self->p;
	unsigned int way;

	nested_populate(p);
	for (round = 1; round <= rounds; round++) {
		for (way = 0; way < NESTED_NR_WAYS; way++)
			map_half(p, way, round & 1);
		/* invalidate once if RB names all guests, else for each way */
		for (way = 0; way < NESTED_NR_WAYS; way++)
			if (!way || variant->rb != NESTED_RB_ALL)
				invalidate(p, variant, way, NESTED_ALL);
		for (way = 0; way < NESTED_NR_WAYS; way++)
			wrong += use(p, way, round & 1, round << 16);
	}
	TH_LOG("%lu rounds, %lu words wrong", rounds, wrong);
	EXPECT_EQ(0, wrong);
}

/* L1 unmaps the pages and invalidates, or invalidates unchanged entries. */
TEST_F(tlbie, stores_are_reported)
{
	unsigned long rounds = scaled(ROUNDS), asked = 0, missed = 0;
	struct nested_pages *p = &self->p;
	unsigned int way, page;
	__u64 pages;

	nested_populate(p);
	while (rounds--) {
		/* store and collect, so that only new stores count */
		for (way = 0; way < NESTED_NR_WAYS; way++)
			nested_map(p->n, p->way[way].l2->lpid, p->way[way].gpa,
				   VM_DATA_GPA, 2 * HALF_SIZE,
				   NESTED_READ | NESTED_WRITE);
		nested_populate(p);
		nested_collect(p);
		pages = nested_some(p);
		way = nested_any_way(p);
		nested_access(p, way, GUEST_STORE, pages, rounds);
		for (page = 0; rounds & 1 && page < NESTED_NR_PAGES; page++)
			if (pages >> page & 1)
				nested_unmap(p->n, p->way[way].l2->lpid,
					     p->way[way].gpa + page * NESTED_PAGE);
		invalidate(p, variant, way, pages);
		asked += nested_count(pages);
		missed += nested_count(pages & ~nested_collect(p));
	}
	EXPECT_NO_MISS(p->l->vm, asked, missed, "stores");
}

/* A guest whose entry is absent exits to L1. */
TEST_F(tlbie, absent_is_noticed)
{
	struct nested_pages *p = &self->p;
	unsigned int way, page;

	nested_populate(p);
	for (way = 0; way < NESTED_NR_WAYS; way++) {
		struct l2 *l2 = p->way[way].l2;
		const __u64 *hv = l2->l1->area->nested.hv;

		for (page = way; page < NESTED_NR_PAGES; page += 7) {
			__u64 gpa = nested_gpa(p, page, way);
			enum guest_op op = page & 1 ? GUEST_STORE : GUEST_LOAD;
			__u64 entry = nested_change(p->n, l2->lpid, gpa, -1ull, 0);

			invalidate(p, variant, way, 1ull << page);
			nested_list(p, way, 1ull << page, page);
			ASSERT_EQ(NESTED_HDSI, l2_run(l2, op));
			EXPECT_EQ(NESTED_HDSI_NO_ENTRY,
				  hv[NESTED_HV_HDSISR] & ~NESTED_HDSI_STORE);
			EXPECT_EQ(op == GUEST_STORE,
				  !!(hv[NESTED_HV_HDSISR] & NESTED_HDSI_STORE));
			EXPECT_EQ(gpa & -0x1000ull, hv[NESTED_HV_ASDR] & -0x1000ull);
			nested_change(p->n, l2->lpid, gpa, 0, entry);
			ASSERT_EQ(0, l2_resume(l2));
			EXPECT_EQ(l2->area->list[0].value, *nested_word(p, page, way));
		}
	}
}

/*
 * After L1 clears R and C in an entry, L2 exits to L1 to set them, one by one.
 */
TEST_F(tlbie, r_and_c_are_asked_for)
{
	struct nested_pages *p = &self->p;
	unsigned int way, page;

	nested_change(p->n, p->l2[0].lpid, VM_DATA_GPA, NESTED_R | NESTED_C, 0);
	nested_access(p, 0, GUEST_STORE, 1, 0);
	if (!p->n->asked)
		SKIP(return, "this MMU sets R and C itself");
	nested_populate(p);
	for (way = 0; way < NESTED_NR_WAYS; way++)
		for (page = way; page < NESTED_NR_PAGES; page += 7) {
			unsigned int lpid = p->way[way].l2->lpid;
			__u64 gpa = nested_gpa(p, page, way);

			nested_change(p->n, lpid, gpa, NESTED_R | NESTED_C, 0);
			invalidate(p, variant, way, 1ull << page);
			p->n->asked = 0;
			nested_access(p, way, GUEST_LOAD, 1ull << page, 0);
			EXPECT_EQ(1, p->n->asked);
			nested_access(p, way, GUEST_LOAD, 1ull << page, 0);
			EXPECT_EQ(1, p->n->asked);
			nested_access(p, way, GUEST_STORE, 1ull << page, 0);
			EXPECT_EQ(2, p->n->asked);
			EXPECT_EQ(NESTED_R | NESTED_C,
				  nested_change(p->n, lpid, gpa, 0, 0) &
				  (NESTED_R | NESTED_C));
		}
}

TEST_HARNESS_MAIN
