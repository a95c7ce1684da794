// SPDX-License-Identifier: GPL-2.0
/*
 * How large a leaf may be: memslots that start and end at every page around
 * the borders of large pages.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/pgtable.h>

#include "compat.h"
#include "radix_fault.h"

#define PAGES_OF(size)	((size) >> PAGE_SHIFT)

/* A large page at a guest address, and where the host has it. */
#define GPA		(3 * PUD_SIZE)
#define HPA		(5 * PUD_SIZE)
#define BITS		(_PAGE_PRESENT | _PAGE_READ | _PAGE_WRITE | _PAGE_PTE)

#define NR_LEVELS	3

/* On Book3S the sizes are known at run time only. */
static unsigned long size_of(unsigned int level)
{
	return level == 2 ? PUD_SIZE : level == 1 ? PMD_SIZE : PAGE_SIZE;
}

/* What kvm-hv wants at that level for @gpa: the host's leaf around it. */
static pte_t wanted(unsigned long gpa, unsigned int level)
{
	return pfn_pte(round_down(HPA + gpa - GPA, size_of(level)) >> PAGE_SHIFT,
		       __pgprot(BITS));
}

static unsigned int want(const struct kvm_memory_slot *slot, unsigned long gpa,
			 unsigned int level)
{
	unsigned long start = slot->base_gfn << PAGE_SHIFT;
	unsigned long end = start + (slot->npages << PAGE_SHIFT);

	for (; level; level--)
		if (round_down(gpa, size_of(level)) >= start &&
		    round_down(gpa, size_of(level)) + size_of(level) <= end)
			break;
	return level;
}

static void check(struct kunit *test, const struct kvm_memory_slot *slot,
		  unsigned long gpa, unsigned int level)
{
	unsigned int bound = want(slot, gpa, level);
	pte_t pte = wanted(gpa, level);

	KUNIT_ASSERT_EQ_MSG(test, kvm_ext_bound_leaf(slot, gpa, level, &pte), bound,
			    "gpa %lx level %u slot %llx + %lx", gpa, level,
			    slot->base_gfn, slot->npages);
	KUNIT_ASSERT_EQ(test, pte_val(pte), pte_val(wanted(gpa, bound)));
}

/* First and last page of the slot, of each large page at its borders, and one between. */
static void check_slot(struct kunit *test, unsigned long first, unsigned long pages)
{
	struct kvm_memory_slot slot = {
		.base_gfn = PAGES_OF(GPA) + first, .npages = pages,
	};
	unsigned long start = GPA + (first << PAGE_SHIFT);
	unsigned long last = start + ((pages - 1) << PAGE_SHIFT);
	unsigned long gpas[] = {
		start, last, start + (pages / 2 << PAGE_SHIFT),
		min(last, round_up(start, PMD_SIZE)),
		max(start, round_down(last, PMD_SIZE)),
		min(last, round_up(start, PUD_SIZE)),
		max(start, round_down(last, PUD_SIZE)),
	};
	unsigned int i, level;

	for (i = 0; i < ARRAY_SIZE(gpas); i++)
		for (level = 0; level < NR_LEVELS; level++)
			check(test, &slot, gpas[i], level);
}

static void every_border(struct kunit *test)
{
	const unsigned long borders[] = {
		0, PMD_SIZE, PUD_SIZE, PUD_SIZE + PMD_SIZE, 2 * PUD_SIZE,
	};
	unsigned int i, j;
	int a, b;

	for (i = 0; i < ARRAY_SIZE(borders); i++)
		for (j = i; j < ARRAY_SIZE(borders); j++)
			for (a = -2; a <= 2; a++)
				for (b = -2; b <= 2; b++) {
					long first = PAGES_OF(borders[i]) + a;
					long end = PAGES_OF(borders[j]) + b;

					if (first >= 0 && end > first)
						check_slot(test, first, end - first);
				}
}

/* Memory of no slot: a mapping that an invalidation is about to refuse. */
static void no_slot(struct kunit *test)
{
	unsigned long gpa = GPA + PMD_SIZE + 7 * PAGE_SIZE;
	pte_t pte = wanted(gpa, 2);

	KUNIT_EXPECT_EQ(test, kvm_ext_bound_leaf(NULL, gpa, 2, &pte), 0);
	KUNIT_EXPECT_EQ(test, pte_val(pte), pte_val(wanted(gpa, 0)));
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_border),
	KUNIT_CASE(no_slot),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_fault",
	.test_cases = cases,
};

kunit_test_suite(suite);
