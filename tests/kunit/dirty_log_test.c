// SPDX-License-Identifier: GPL-2.0
/*
 * Accumulation of ranges of pages, compared with a model that sets one bit at a
 * time.
 */
#include <kunit/test.h>
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/random.h>

#include "dirty_log.h"

#define NR_PAGES	(5 * BITS_PER_LONG + 7)
#define BASE_GFN	0x123UL
#define ROUNDS		20000

/* A range is cut at the end of the slot; later bits of the bitmap stay. */
static void ranges(struct kunit *test)
{
	DECLARE_BITMAP(bits, NR_PAGES + BITS_PER_LONG) = {};
	DECLARE_BITMAP(model, NR_PAGES + BITS_PER_LONG) = {};
	struct kvm_memory_slot slot = {
		.base_gfn = BASE_GFN,
		.npages = NR_PAGES,
		.dirty_bitmap = bits,
	};
	unsigned long first, nr, page;
	unsigned int i;

	for (i = 0; i < ROUNDS; i++) {
		first = get_random_u32() % NR_PAGES;
		nr = get_random_u32() % (i % 2 ? 3 : 4 * BITS_PER_LONG);
		khx_dirty_log_accumulate(&slot, BASE_GFN + first, BASE_GFN + first + nr);
		for (page = first; page < min(first + nr, NR_PAGES); page++)
			__set_bit_le(page, model);
		if (!bitmap_equal(bits, model, NR_PAGES + BITS_PER_LONG))
			KUNIT_FAIL(test, "%lu pages from %lu on", nr, first);
		if (i % 8)
			continue;
		bitmap_zero(bits, NR_PAGES + BITS_PER_LONG);
		bitmap_zero(model, NR_PAGES + BITS_PER_LONG);
	}
}

static void not_logged(struct kunit *test)
{
	struct kvm_memory_slot slot = { .base_gfn = BASE_GFN, .npages = NR_PAGES };

	khx_dirty_log_accumulate(&slot, BASE_GFN, BASE_GFN + NR_PAGES);
	KUNIT_EXPECT_NULL(test, slot.dirty_bitmap);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(ranges),
	KUNIT_CASE(not_logged),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_dirty_log",
	.test_cases = cases,
};

kunit_test_suite(suite);
