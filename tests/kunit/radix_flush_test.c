// SPDX-License-Identifier: GPL-2.0
/*
 * The gatherer: which flush requests it issues for the addresses added to it.
 */
#include <linux/bitmap.h>
#include <linux/cpumask.h>
#include <linux/delay.h>
#include <linux/irqflags.h>
#include <linux/kthread.h>
#include <linux/preempt.h>
#include <linux/random.h>
#include <linux/smp.h>

#include "compat.h"
#include "flush_debug.h"
#include "table.h"

#define LPID	5
#define MANY	0x100000UL	/* pages of a large VM */

static struct khx_flush_debug debug;
static struct khx_flusher flusher = { .debug = &debug };
static struct khx_flush flush;

static void begin(const struct khx_flush_backend *backend, unsigned long total)
{
	test_requests_reset();
	flush.refused = false;
	flusher.backend = backend;
	atomic_set(&flusher.refusals, 0);
	khx_flush_init(&flush, &flusher);
	khx_flush_begin(&flush, LPID, total);
}

static void add_run(unsigned long page, unsigned long pages)
{
	while (pages--)
		khx_flush_add(&flush, page++ << PAGE_SHIFT, PAGE_SHIFT);
}

static void expect_request(struct kunit *test, unsigned int i,
			   unsigned long start_page, unsigned long end_page)
{
	KUNIT_ASSERT_GT(test, test_requests.nr, i);
	KUNIT_EXPECT_EQ(test, test_requests.seen[i].lpid, LPID);
	KUNIT_EXPECT_EQ(test, test_requests.seen[i].start, start_page << PAGE_SHIFT);
	KUNIT_EXPECT_EQ(test, test_requests.seen[i].end, end_page << PAGE_SHIFT);
}

static void expect_whole(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, test_requests.nr, 1);
	KUNIT_EXPECT_EQ(test, test_requests.seen[0].lpid, LPID);
	KUNIT_EXPECT_EQ(test, test_requests.seen[0].end, -1UL);
}

static void nothing(struct kunit *test)
{
	begin(&test_backend_pages, MANY);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
}

static void runs_become_ranges(struct kunit *test)
{
	begin(&test_backend_ranges, MANY);
	add_run(10, 5);
	add_run(15, 1);
	add_run(17, 1);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 2);
	expect_request(test, 0, 10, 16);
	expect_request(test, 1, 17, 18);
}

/* What was issued is not issued again with what is added later. */
static void issued_once(struct kunit *test)
{
	begin(&test_backend_ranges, MANY);
	add_run(10, 5);
	khx_flush_finish(&flush);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
	add_run(20, 1);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 2);
	expect_request(test, 1, 20, 21);

	begin(&test_backend_pages, MANY);
	add_run(0, 34);
	khx_flush_finish(&flush);
	khx_flush_finish(&flush);
	expect_whole(test);
}

static void long_run_is_cut(struct kunit *test)
{
	begin(&test_backend_ranges, MANY);
	add_run(100, 2048);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, DIV_ROUND_UP(2048, 33));
	expect_request(test, 0, 100, 133);
	expect_request(test, 62, 100 + 62 * 33, 100 + 2048);
}

static void sizes_are_not_mixed(struct kunit *test)
{
	unsigned long pages = PMD_SIZE >> PAGE_SHIFT;

	begin(&test_backend_ranges, MANY);
	khx_flush_add(&flush, PMD_SIZE, PMD_SHIFT);
	khx_flush_add(&flush, 2 * PMD_SIZE, PAGE_SHIFT);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 2);
	expect_request(test, 0, pages, 2 * pages);
	expect_request(test, 1, 2 * pages, 2 * pages + 1);
}

static void ceiling(struct kunit *test)
{
	begin(&test_backend_pages, MANY);
	add_run(0, 33);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 33);

	begin(&test_backend_pages, MANY);
	add_run(0, 34);
	khx_flush_finish(&flush);
	expect_whole(test);

	begin(&test_backend_pages, MANY);
	add_run(0, 2048);
	khx_flush_finish(&flush);
	expect_whole(test);
}

/*
 * Without a ceiling, as over a hypervisor with a shadow table, the gatherer
 * flushes the whole LPID only for more than half of the VM's pages.
 */
static void share(struct kunit *test)
{
	begin(&test_backend_ranges, 4096);
	add_run(0, 2048);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, DIV_ROUND_UP(2048, 33));

	begin(&test_backend_ranges, 4096);
	add_run(0, 2049);
	khx_flush_finish(&flush);
	expect_whole(test);
}

/* More ranges than the gatherer holds: it issues some early and loses none. */
static void many_ranges(struct kunit *test)
{
	unsigned long page;

	begin(&test_backend_ranges, MANY);
	for (page = 0; page < 2000; page += 2) {
		add_run(page, 1);
		KUNIT_ASSERT_EQ(test, khx_flush_full(&flush),
				page % (2 * KHX_FLUSH_RANGES) ==
				2 * (KHX_FLUSH_RANGES - 1));
	}
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1000);
	for (page = 0; page < 2000; page++)
		KUNIT_ASSERT_EQ(test, test_request_covers(LPID, page << PAGE_SHIFT),
				!(page & 1));
}

static void random_sets(struct kunit *test)
{
	unsigned long *pages = test_zalloc(test, BITS_TO_LONGS(4096) * sizeof(long));
	unsigned int round;

	for (round = 0; round < 100; round++) {
		unsigned int density = 1 + get_random_u32() % 100;
		unsigned long page, nr = 0;

		begin(round & 1 ? &test_backend_pages : &test_backend_ranges, 4096);
		bitmap_zero(pages, 4096);
		for (page = 0; page < 4096; page++) {
			if (get_random_u32() % 100 < density) {
				__set_bit(page, pages);
				add_run(page, 1);
				nr++;
			}
		}
		khx_flush_finish(&flush);
		for_each_set_bit(page, pages, 4096)
			KUNIT_ASSERT_TRUE(test, test_request_covers(LPID, page << PAGE_SHIFT));
		KUNIT_EXPECT_LE(test, test_requests.nr, nr);
		if (round & 1)
			KUNIT_EXPECT_LE(test, test_requests.nr, test_backend_pages.ceiling);
	}
}

static void refused(struct kunit *test)
{
	/* after a refused range the whole LPID is flushed */
	begin(&test_backend_ranges, MANY);
	test_requests.fail_range = 1;
	add_run(1, 1);
	add_run(3, 1);
	khx_flush_finish(&flush);
	expect_whole(test);
	KUNIT_EXPECT_FALSE(test, flush.refused);
	KUNIT_EXPECT_EQ(test, atomic_read(&flusher.refusals), 0);

	/* both the range and the LPID are refused */
	begin(&test_backend_ranges, MANY);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	add_run(1, 1);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_TRUE(test, flush.refused);
	KUNIT_EXPECT_EQ(test, atomic_read(&flusher.refusals), 1);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 0);

	/* the next pass flushes the whole LPID, later passes do not */
	khx_flush_begin(&flush, LPID, MANY);
	khx_flush_finish(&flush);
	expect_whole(test);
	khx_flush_begin(&flush, LPID, MANY);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_EQ(test, test_requests.nr, 1);
}

/* A CPU that takes no interrupts for a while. */
struct busy_cpu {
	bool begun;
	bool ended;
};

static int busy_cpu_thread(void *arg)
{
	struct busy_cpu *busy = arg;

	local_irq_disable();
	WRITE_ONCE(busy->begun, true);
	mdelay(50);
	WRITE_ONCE(busy->ended, true);
	local_irq_enable();
	while (!kthread_should_stop())
		msleep(20);
	return 0;
}

/* The flush waits until each other CPU has taken an interrupt. */
static void expect_kick(struct kunit *test)
{
	struct busy_cpu busy = {};
	struct task_struct *thread;
	unsigned int cpu;

	migrate_disable();
	cpu = cpumask_any_but(cpu_online_mask, smp_processor_id());
	if (cpu >= nr_cpu_ids) {
		migrate_enable();
		kunit_skip(test, "there is one CPU");
	}
	thread = kthread_run_on_cpu(busy_cpu_thread, &busy, cpu, "busy-cpu/%u");
	if (IS_ERR(thread)) {
		migrate_enable();
		KUNIT_FAIL(test, "no thread");
		return;
	}
	while (!READ_ONCE(busy.begun))
		cond_resched();
	add_run(1, 1);
	khx_flush_finish(&flush);
	KUNIT_EXPECT_TRUE(test, READ_ONCE(busy.ended));
	migrate_enable();
	kthread_stop(thread);
}

/* Where the hypervisor serves nothing, or refuses, all CPUs leave their guests. */
static void kicks(struct kunit *test)
{
	begin(&khx_flush_none, MANY);
	expect_kick(test);

	begin(&test_backend_ranges, MANY);
	test_requests.fail_range = 1;
	test_requests.fail_lpid = 1;
	expect_kick(test);
	KUNIT_EXPECT_TRUE(test, flush.refused);
}

static int suite_init(struct kunit *test)
{
	khx_flush_debug_init(&debug);
	return 0;
}

static void suite_exit(struct kunit *test)
{
	khx_flush_debug_destroy(&debug);
}

static struct kunit_case cases[] = {
	KUNIT_CASE(nothing),
	KUNIT_CASE(runs_become_ranges),
	KUNIT_CASE(issued_once),
	KUNIT_CASE(long_run_is_cut),
	KUNIT_CASE(sizes_are_not_mixed),
	KUNIT_CASE(ceiling),
	KUNIT_CASE(share),
	KUNIT_CASE(many_ranges),
	KUNIT_CASE(random_sets),
	KUNIT_CASE(refused),
	KUNIT_CASE(kicks),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_radix_flush",
	.init = suite_init,
	.exit = suite_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
