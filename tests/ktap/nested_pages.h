/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Logged pages of L1 that its guests use as well, in several ways at once: one
 * guest, which has a page table, at three addresses, one of them at or above
 * 2^52; and a second guest
 */
#ifndef TESTS_KTAP_NESTED_PAGES_H
#define TESTS_KTAP_NESTED_PAGES_H

#include "logged_vm.h"
#include "nested.h"
#include "translate.h"

#define NESTED_NR_PAGES	64	/* of NESTED_PAGE, as many as a mask has bits */
#define NESTED_ALL	(-1ull)
#define NESTED_ALIAS	(2 * VM_DATA_GPA)
#define NESTED_HIGH	(GPA_TREE_END + 3 * VM_DATA_GPA)
#define NESTED_NR_L2	2
#define NESTED_NR_WAYS	4

/**
 * struct nested_pages - the pages
 * @l: the L1, with its pages at VM_DATA_GPA
 * @n: its tables
 * @l2: its guests; vCPU i of L1 runs guest i
 * @way: how a guest reaches the pages: which guest, and from which address on.
 *	Each way uses its own word in each page
 * @random: state of the pseudo-random numbers
 */
struct nested_pages {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2[NESTED_NR_L2];
	struct {
		struct l2 *l2;
		__u64 gpa;
	} way[NESTED_NR_WAYS];
	__u64 random;
};

/* Return NULL, or why the host cannot have such guests. */
const char *nested_pages_create(struct nested_pages *p, enum backing backing);
void nested_pages_destroy(struct nested_pages *p);

static inline __u64 *nested_word(const struct nested_pages *p, unsigned int page,
				 unsigned int way)
{
	return (__u64 *)(p->l->memory + page * NESTED_PAGE) + way;
}

static inline __u64 nested_gpa(const struct nested_pages *p, unsigned int page,
			       unsigned int way)
{
	return p->way[way].gpa + page * NESTED_PAGE + way * sizeof(__u64);
}

/*
 * nested_list() fills in one access to each page of a mask; page n stores value
 * + n. nested_access() also runs them. Both return the list.
 */
struct guest_access *nested_list(struct nested_pages *p, unsigned int way,
				 __u64 pages, __u64 value);
struct guest_access *nested_access(struct nested_pages *p, unsigned int way,
				   enum guest_op op, __u64 pages, __u64 value);

/*
 * Store to all pages in all ways, so that all shadow PTEs are installed
 * writable.
 */
void nested_populate(struct nested_pages *p);

/* Return about a quarter of all pages; return one of the ways. */
__u64 nested_some(struct nested_pages *p);
unsigned int nested_any_way(struct nested_pages *p);

/* Collect the log. Return the reported pages as a mask. */
__u64 nested_collect(struct nested_pages *p);

/* Count the words of these pages in which a guest and the host differ. */
unsigned long nested_differing(struct nested_pages *p, unsigned int way, __u64 pages);

/* Count the words that do not hold what nested_access() stored. */
unsigned long nested_lost(struct nested_pages *p, unsigned int way, __u64 pages,
			  __u64 value);

static inline unsigned long nested_count(__u64 pages)
{
	return __builtin_popcountll(pages);
}

/* Expect that no page was missed, except by stock. */
#define EXPECT_NO_MISS(vm, asked, missed, what) do {			\
	unsigned long all = (asked), lost = (missed);			\
									\
	TH_LOG("%lu %s, %lu missed", all, what, lost);			\
	if (lost && may_xfail(vm))					\
		XFAIL(break, "stock misses %lu of %lu", lost, all);	\
	else								\
		EXPECT_EQ(0, lost);					\
} while (0)

#endif
