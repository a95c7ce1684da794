// SPDX-License-Identifier: GPL-2.0
/*
 * An L1 that changes entries of its L2, with or without H_TLB_INVALIDATE
 *
 * Without the invalidation a change may take effect late: an L2 still uses the
 * old page. But L2 must never access a page that L1 does not have. Stock ORs
 * the new shadow PTE into the old one, which maps the frame number A|B. These
 * tests choose the frames of L1's pages such that A|B is the frame of another
 * L1 page or of a guard page of this program, so that L2 damages nothing else.
 * (Stock WARNs about it once per boot.)
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <sys/mman.h>

#include "idle.h"
#include "translate.h"

#define LPID		9
#define SLOT		1

#define POOL		(64ul << 20)
#define LARGE_POOL	(32ul << 20)
#define IN_LARGE	(NESTED_LARGE_PAGE / NESTED_PAGE)

#define MAX_BLOCK	32	/* frames, a power of 2 */
#define MIN_BLOCK	8
#define MAX_OWNED	(2 * IN_LARGE)
#define MAX_GUARDS	IN_LARGE

#define ROUNDS		1000
#define LARGE_ROUNDS	60
#define TIMEOUT		300

#define PATTERN		0x6a6a6a6a6a6a6a6aull
#define X		VM_DATA_GPA	/* L2 address of the tested page */
#define NR_PLACES	64		/* number of L2 pages, from X on */

/**
 * struct arena - memory whose frame numbers are known
 * @pool: the memory from which the pages are taken
 * @pool_size: size of @pool in bytes
 * @owned: L1's pages, contiguous
 * @nr_owned: number of L1's pages
 * @word: expected first word of each of L1's pages
 * @guard: pages that no guest may access
 * @nr_guards: number of guard pages
 */
struct arena {
	char *pool;
	size_t pool_size;
	char *owned;
	unsigned int nr_owned;
	__u64 word[MAX_OWNED];
	char *guard[MAX_GUARDS];
	unsigned int nr_guards;
};

/**
 * struct count - results of L2's accesses
 * @accesses: total number
 * @beyond: accesses to memory that L1 does not have
 * @wrong: accesses to a wrong page of L1
 */
struct count {
	unsigned long accesses;
	unsigned long beyond;
	unsigned long wrong;
};

static void fill(char *memory, __u64 pattern)
{
	size_t i;

	for (i = 0; i < NESTED_PAGE / sizeof(pattern); i++)
		((__u64 *)memory)[i] = pattern;
}

static void arena_fill(struct arena *a)
{
	unsigned int i;

	for (i = 0; i < a->nr_guards; i++)
		fill(a->guard[i], PATTERN);
	for (i = 0; i < a->nr_owned; i++) {
		a->word[i] = ~0ull - i;
		fill(a->owned + i * NESTED_PAGE, a->word[i]);
	}
}

static char *reserve_owned(struct arena *a, size_t size)
{
	a->owned = mmap(NULL, size + THP_SIZE, PROT_NONE,
			MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (a->owned == MAP_FAILED)
		die("addresses for %zu bytes: %m", size);
	a->owned += -(unsigned long)a->owned & (THP_SIZE - 1);
	return a->owned;
}

/* Move pages to another address; their frames stay the same. */
static void give_to_l1(char *from, size_t size, char *to)
{
	if (mremap(from, size, size, MREMAP_MAYMOVE | MREMAP_FIXED, to) != to)
		die("mremap: %m");
}

struct frame {
	__u64 number;
	char *memory;
};

static int by_number(const void *a, const void *b)
{
	const struct frame *f = a, *g = b;

	return f->number < g->number ? -1 : f->number > g->number;
}

/* Return the frames of the pool in ascending order, in units of @by bytes. */
static struct frame *sorted_frames(const struct arena *a, size_t by, size_t *count)
{
	struct frame *frames;
	size_t i;

	*count = a->pool_size / by;
	frames = calloc(*count, sizeof(*frames));
	for (i = 0; i < *count; i++) {
		frames[i].memory = a->pool + i * by;
		memset(frames[i].memory, 1, by);
		frames[i].number = idle_pfn(frames[i].memory) / (by / page_size());
	}
	qsort(frames, *count, sizeof(*frames), by_number);
	return frames;
}

/* Find contiguous, aligned frames: the OR of any of them is one of them. */
static struct frame *find_block(struct frame *frames, size_t count, unsigned int size)
{
	size_t i;

	for (i = 0; i + size <= count; i++)
		if (frames[i].number && frames[i].number % size == 0 &&
		    frames[i + size - 1].number - frames[i].number == size - 1)
			return frames + i;
	return NULL;
}

/*
 * L1 gets the frames of a block whose numbers have an even number of bits set.
 */
static const char *arena_create(struct arena *a)
{
	struct frame *frames, *block = NULL;
	unsigned int size, i;
	size_t count;

	if (page_size() != NESTED_PAGE)
		return "the host's page size is not that of L1";
	a->pool_size = POOL;
	a->pool = mem_alloc(POOL, BACKING_SMALL, NULL);
	frames = sorted_frames(a, NESTED_PAGE, &count);
	for (size = MAX_BLOCK; !block && size >= MIN_BLOCK; size /= 2)
		block = find_block(frames, count, size);
	if (!block)
		return "the host provides no contiguous frames";
	size *= 2;
	reserve_owned(a, size / 2 * NESTED_PAGE);
	for (i = 0; i < size; i++) {
		if (__builtin_popcount(i) & 1)
			a->guard[a->nr_guards++] = block[i].memory;
		else
			give_to_l1(block[i].memory, NESTED_PAGE,
				   a->owned + a->nr_owned++ * NESTED_PAGE);
	}
	free(frames);
	arena_fill(a);
	return NULL;
}

static struct frame *find_frame(struct frame *frames, size_t count, __u64 number)
{
	struct frame key = { .number = number };

	return bsearch(&key, frames, count, sizeof(*frames), by_number);
}

/*
 * L1 gets two huge pages; the huge page whose frame is their OR is the guard.
 */
static const char *arena_create_large(struct arena *a)
{
	struct frame *frames, *guard = NULL;
	const char *why = NULL;
	size_t count, i, j;

	a->pool_size = LARGE_POOL;
	a->pool = mem_alloc(LARGE_POOL, BACKING_THP, &why);
	if (!a->pool)
		return why;
	frames = sorted_frames(a, THP_SIZE, &count);
	for (i = 0; i < count && !guard; i++)
		for (j = i + 1; j < count && !guard; j++) {
			guard = find_frame(frames, count,
					   frames[i].number | frames[j].number);
			if (guard == frames + i || guard == frames + j)
				guard = NULL;
			if (!guard)
				continue;
			reserve_owned(a, 2 * THP_SIZE);
			give_to_l1(frames[i].memory, THP_SIZE, a->owned);
			give_to_l1(frames[j].memory, THP_SIZE, a->owned + THP_SIZE);
		}
	if (!guard)
		return "the host provides no three huge pages A, B and A|B";
	a->nr_owned = 2 * IN_LARGE;
	for (i = 0; i < IN_LARGE; i++)
		a->guard[a->nr_guards++] = guard->memory + i * NESTED_PAGE;
	free(frames);
	arena_fill(a);
	return NULL;
}

/* Count the guard pages that were written, and restore them. */
static unsigned long guards_hit(struct arena *a)
{
	unsigned long hit = 0;
	unsigned int i;

	for (i = 0; i < a->nr_guards; i++)
		if (*(__u64 *)a->guard[i] != PATTERN) {
			*(__u64 *)a->guard[i] = PATTERN;
			hit++;
		}
	return hit;
}

/* Count the guard pages that were written after their first word. */
static unsigned long guards_spoilt(const struct arena *a)
{
	unsigned long spoilt = 0;
	unsigned int i;

	for (i = 0; i < a->nr_guards; i++)
		spoilt += memcmp(a->guard[i], a->guard[i] + sizeof(__u64),
				 NESTED_PAGE - sizeof(__u64)) != 0;
	return spoilt;
}

/*
 * A store must have changed exactly one page of L1, one in the mask @allowed.
 */
static void judge_store(struct arena *a, __u64 allowed, __u64 value, struct count *c)
{
	unsigned long hit = guards_hit(a);
	unsigned int i, changed = 0;
	__u64 now;

	c->accesses++;
	for (i = 0; i < a->nr_owned; i++) {
		now = *(__u64 *)(a->owned + i * NESTED_PAGE);
		if (now == a->word[i])
			continue;
		a->word[i] = now;
		changed++;
		c->wrong += now != value || !(allowed >> i & 1);
	}
	c->wrong += changed > 1;
	/* a store that changed no known page hit memory outside of the arena */
	c->beyond += hit ?: !changed;
}

static void judge_load(const struct arena *a, __u64 allowed, __u64 value,
		       struct count *c)
{
	unsigned int i;

	c->accesses++;
	for (i = 0; i < a->nr_owned; i++)
		if (a->word[i] == value)
			break;
	if (i == a->nr_owned)
		c->beyond++;
	else
		c->wrong += !(allowed >> i & 1);
}

FIXTURE(remap) {
	struct arena a;
	struct vm *vm;
	struct nested *n;
	struct l2 l2;
	bool high;
	__u64 random;
	struct count count;
};

/*
 * high: L2 adds 2^52 to half of the addresses it uses. That bit is ignored, so
 * the pages, and what L1 sees, are the same.
 */
FIXTURE_VARIANT(remap) {
	bool large;
	bool high;
};

FIXTURE_VARIANT_ADD(remap, small) { false, false };
FIXTURE_VARIANT_ADD(remap, large) { true, false };
FIXTURE_VARIANT_ADD(remap, small_high) { false, true };
FIXTURE_VARIANT_ADD(remap, large_high) { true, true };

FIXTURE_SETUP(remap)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX, .nested = true };

	SKIP_IF(return, nested_missing());
	SKIP_IF(return, variant->large ? arena_create_large(&self->a) : arena_create(&self->a));
	self->vm = vm_create(&config);
	ASSERT_EQ(0, vm_set_slot(self->vm, SLOT, VM_DATA_GPA,
				 self->a.nr_owned * NESTED_PAGE, self->a.owned, 0));
	self->n = nested_create_one(self->vm, &self->l2, LPID);
	self->high = variant->high;
	if (self->high)
		translate_l2(&self->l2, 0);
	self->random = option("KTAP_SEED", 1);
}

FIXTURE_TEARDOWN(remap)
{
	vm_destroy(self->vm);
	nested_destroy(self->n);
}

static __u64 page_gpa(unsigned int page)
{
	return VM_DATA_GPA + page * NESTED_PAGE;
}

static void map_to(struct _test_data_remap *self, __u64 gpa, unsigned int page,
		   bool writable)
{
	nested_map(self->n, LPID, gpa, page_gpa(page), NESTED_PAGE,
		   NESTED_READ | (writable ? NESTED_WRITE : 0));
}

static void tell(struct _test_data_remap *self, __u64 rb)
{
	if (nested_tlbie(self->l2.l1, NESTED_RIC_TLB, LPID, rb))
		die("H_TLB_INVALIDATE");
}

static unsigned int any_page(struct _test_data_remap *self)
{
	return random_below(&self->random, self->a.nr_owned);
}

static unsigned int other_page(struct _test_data_remap *self, unsigned int than)
{
	unsigned int page;

	do
		page = any_page(self);
	while (page == than);
	return page;
}

static __u64 bit(unsigned int page)
{
	return 1ull << page;
}

/* Choose one of the addresses by which L2 can access a page. */
static __u64 address(struct _test_data_remap *self, __u64 gpa)
{
	if (self->high && random_below(&self->random, 2))
		gpa += GPA_TREE_END;
	return translate_ea(gpa);
}

static void load(struct _test_data_remap *self, __u64 gpa, __u64 allowed)
{
	judge_load(&self->a, allowed, l2_load(&self->l2, address(self, gpa)),
		   &self->count);
}

/* Each store has a value of its own. */
static __u64 next_value(struct _test_data_remap *self)
{
	return self->count.accesses + 1;
}

static void store(struct _test_data_remap *self, __u64 gpa, __u64 allowed)
{
	__u64 value = next_value(self);

	l2_store(&self->l2, address(self, gpa), value);
	judge_store(&self->a, allowed, value, &self->count);
}

static void judge(struct __test_metadata *_metadata, struct _test_data_remap *self,
		  bool stock_too)
{
	const struct count *c = &self->count;
	unsigned long spoilt = guards_spoilt(&self->a);

	TH_LOG("%lu accesses: %lu outside of L1's memory, %lu to a wrong page of L1",
	       c->accesses, c->beyond, c->wrong);
	EXPECT_EQ(0, spoilt);
	if ((c->beyond || c->wrong) && !stock_too && may_xfail(self->vm))
		XFAIL(return, "on stock %lu of %lu accesses are outside of L1, %lu to a wrong page",
		      c->beyond, c->accesses, c->wrong);
	EXPECT_EQ(0, c->beyond);
	EXPECT_EQ(0, c->wrong);
}

TEST_F_TIMEOUT(remap, told, TIMEOUT)
{
	unsigned long rounds = scaled(ROUNDS);
	unsigned int page = 0;

	while (rounds--) {
		page = other_page(self, page);
		map_to(self, X, page, rounds & 1);
		tell(self, NESTED_RB_PAGE(X));
		load(self, X, bit(page));
		if (rounds & 1)
			store(self, X, bit(page));
	}
	judge(_metadata, self, true);
}

/* The old page is read-only, the new one is writable. */
TEST_F_TIMEOUT(remap, read_only_to_writable, TIMEOUT)
{
	unsigned long rounds = scaled(ROUNDS);
	unsigned int from, to;

	while (rounds--) {
		from = any_page(self);
		map_to(self, X, from, false);
		tell(self, NESTED_RB_PAGE(X));
		load(self, X, bit(from));
		to = other_page(self, from);
		map_to(self, X, to, true);
		load(self, X, bit(from) | bit(to));
		store(self, X, bit(to));
		load(self, X, bit(to));
	}
	judge(_metadata, self, false);
}

/* L1 seldom or never invalidates: L2 may use an old page until L1 does. */
static void tell_seldom(struct _test_data_remap *self, unsigned int interval)
{
	__u64 seen[NR_PLACES] = { 0 }, written[NR_PLACES] = { 0 }, gpa;
	unsigned long rounds = scaled(ROUNDS);
	unsigned int page = 0, place;
	bool writable;

	while (rounds--) {
		place = random_below(&self->random, NR_PLACES);
		gpa = X + place * NESTED_PAGE;
		page = other_page(self, page);
		writable = random_below(&self->random, 2);
		map_to(self, gpa, page, writable);
		if (interval && random_below(&self->random, interval) == 0) {
			tell(self, NESTED_RB_PAGE(gpa));
			seen[place] = 0;
			written[place] = 0;
		}
		seen[place] |= bit(page);
		written[place] |= writable ? bit(page) : 0;
		load(self, gpa, seen[place]);
		if (writable)
			store(self, gpa, written[place]);
	}
}

TEST_F_TIMEOUT(remap, seldom_told, TIMEOUT)
{
	tell_seldom(self, 4);
	judge(_metadata, self, false);
}

TEST_F_TIMEOUT(remap, never_told, TIMEOUT)
{
	tell_seldom(self, 0);
	judge(_metadata, self, false);
}

/* Replace the frame of a page, and give it contents that no other page has. */
static void empty(struct _test_data_remap *self, unsigned int page)
{
	char *memory = self->a.owned + page * NESTED_PAGE;

	mem_drop(memory, NESTED_PAGE);
	self->a.word[page] = next_value(self) << 32;
	fill(memory, self->a.word[page]);
}

TEST_F_TIMEOUT(remap, host_takes_page, TIMEOUT)
{
	unsigned int from, to;
	__u64 gpa;

	for (from = 0; from < self->a.nr_owned / 2; from++) {
		to = self->a.nr_owned - 1 - from;
		gpa = X + from * NESTED_PAGE;
		map_to(self, gpa, from, false);
		load(self, gpa, bit(from));
		map_to(self, gpa, to, true);
		store(self, gpa, bit(to));
		empty(self, from & 1 ? from : to);
		load(self, gpa, bit(to));
		store(self, gpa, bit(to));
	}
	judge(_metadata, self, false);
}

/*
 * One large entry maps L2's 2 MiB at X to the upper half of L1's memory, or
 * small entries map them to the lower half, in a different order each round.
 */
static unsigned int small_page(unsigned int i, unsigned long round)
{
	return (i + round) % IN_LARGE;
}

static void map_size(struct _test_data_remap *self, bool large, unsigned long round,
		     bool writable)
{
	unsigned int i;

	if (large) {
		nested_map_large(self->n, LPID, X, page_gpa(IN_LARGE),
				 NESTED_READ | (writable ? NESTED_WRITE : 0));
		return;
	}
	for (i = 0; i < IN_LARGE; i++)
		map_to(self, X + i * NESTED_PAGE, small_page(i, round), writable);
}

/* Return the L1 page that L2's page @i at X is mapped to. */
static unsigned int mapped_page(bool large, unsigned int i, unsigned long round)
{
	return large ? IN_LARGE + i : small_page(i, round);
}

/*
 * Change from one entry size to the other. The old pages are writable in half
 * of the rounds. Before the change L2 accesses all of them, or every third.
 */
static void change_size(struct _test_data_remap *self, unsigned long round)
{
	bool large = round & 1, writable = round & 2;
	unsigned int i, by = round & 4 ? 1 : 3;
	__u64 gpa, old, new;

	map_size(self, !large, round, writable);
	tell(self, NESTED_RB_LPID);
	for (i = 0; i < IN_LARGE; i += by) {
		old = bit(mapped_page(!large, i, round));
		load(self, X + i * NESTED_PAGE, old);
		if (writable)
			store(self, X + i * NESTED_PAGE, old);
	}
	map_size(self, large, round + 1, true);
	for (i = 0; i < IN_LARGE; i++) {
		gpa = X + (i * 7 + round) % IN_LARGE * NESTED_PAGE;
		old = bit(mapped_page(!large, (i * 7 + round) % IN_LARGE, round));
		new = bit(mapped_page(large, (i * 7 + round) % IN_LARGE, round + 1));
		if (i & 1)
			load(self, gpa, old | new);
		store(self, gpa, new | (writable ? old : 0));
	}
}

TEST_F_TIMEOUT(remap, size_changed, TIMEOUT)
{
	unsigned long rounds = scaled(LARGE_ROUNDS), round;

	if (!variant->large)
		SKIP(return, "for memory in huge pages");
	for (round = 0; round < rounds; round++)
		change_size(self, round);
	judge(_metadata, self, false);
}

/* Replace the frames of the old and the new page, as L2 may use either. */
static void size_changed_and_taken(struct _test_data_remap *self, bool large)
{
	unsigned int i, old, new;

	change_size(self, large ? 3 : 2);
	for (i = 0; i < IN_LARGE; i += 3) {
		old = mapped_page(!large, i, large ? 3 : 2);
		new = mapped_page(large, i, large ? 4 : 3);
		empty(self, old);
		empty(self, new);
		load(self, X + i * NESTED_PAGE, bit(old) | bit(new));
		store(self, X + i * NESTED_PAGE, bit(old) | bit(new));
	}
}

TEST_F_TIMEOUT(remap, made_large_and_taken, TIMEOUT)
{
	if (!variant->large)
		SKIP(return, "for memory in huge pages");
	size_changed_and_taken(self, true);
	judge(_metadata, self, false);
}

TEST_F_TIMEOUT(remap, made_small_and_taken, TIMEOUT)
{
	if (!variant->large)
		SKIP(return, "for memory in huge pages");
	size_changed_and_taken(self, false);
	judge(_metadata, self, false);
}

/* L1 changes a large entry from one huge page to the other. */
TEST_F_TIMEOUT(remap, large_to_large, TIMEOUT)
{
	unsigned long rounds = scaled(LARGE_ROUNDS);
	unsigned int i, from, to;

	if (!variant->large)
		SKIP(return, "for memory in huge pages");
	while (rounds--) {
		from = rounds & 1 ? IN_LARGE : 0;
		to = IN_LARGE - from;
		nested_map_large(self->n, LPID, X, page_gpa(from), NESTED_READ);
		tell(self, NESTED_RB_LPID);
		for (i = 0; i < IN_LARGE; i += 5)
			load(self, X + i * NESTED_PAGE, bit(from + i));
		nested_map_large(self->n, LPID, X, page_gpa(to),
				 NESTED_READ | NESTED_WRITE);
		for (i = 0; i < IN_LARGE; i++) {
			load(self, X + i * NESTED_PAGE, bit(from + i) | bit(to + i));
			store(self, X + i * NESTED_PAGE, bit(to + i));
		}
	}
	judge(_metadata, self, false);
}

TEST_HARNESS_MAIN
