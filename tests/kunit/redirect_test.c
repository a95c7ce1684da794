// SPDX-License-Identifier: GPL-2.0
/*
 * Redirection of functions of another module.
 */
#include <kunit/test.h>
#include <linux/delay.h>
#include <linux/kthread.h>
#include <linux/module.h>

#include "compat.h"
#include "redirect.h"
#include "redirect_test.h"
#include "victim.h"

/* Accessible only through this module's TOC. */
static u64 replacement_salt = 0xaaaabbbbccccdddd;

/* First argument of calls that must not be redirected. */
#define STOCK_CALL	0xdead

u64 test_replacement(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h)
{
	return khx_test_mix(READ_ONCE(replacement_salt), a, b, c, d, e, f, g, h);
}

static bool notrace wanted(const struct pt_regs *regs)
{
	return regs->gpr[3] != STOCK_CALL;
}

static bool notrace never_wanted(const struct pt_regs *regs)
{
	return false;
}

static struct khx_redirect row = {
	.name = "khx_test_victim",
	.stub = test_stub_replacement,
	.wanted = wanted,
};

static struct khx_redirects table = { .row = &row, .nr = 1 };

static u64 stock_result(u64 a)
{
	return khx_test_mix(khx_test_victim_salt, a, 2, 3, 4, 5, 6, 7, 8);
}

static u64 ext_result(u64 a)
{
	return khx_test_mix(replacement_salt, a, 2, 3, 4, 5, 6, 7, 8);
}

static u64 call_locally(struct kunit *test, u64 a)
{
	bool r2_kept;
	u64 ret;

	ret = khx_test_call_locally(a, 2, 3, 4, 5, 6, 7, 8, &r2_kept);
	KUNIT_EXPECT_TRUE(test, r2_kept);
	return ret;
}

static u64 call_globally(u64 a)
{
	typeof(khx_test_victim) *fn = khx_test_victim;

	OPTIMIZER_HIDE_VAR(fn);
	return fn(a, 2, 3, 4, 5, 6, 7, 8);
}

static void expect_stock(struct kunit *test)
{
	KUNIT_EXPECT_EQ(test, call_locally(test, 1), stock_result(1));
	KUNIT_EXPECT_EQ(test, call_globally(1), stock_result(1));
}

static void redirect_and_back(struct kunit *test)
{
	expect_stock(test);

	KUNIT_ASSERT_EQ(test, khx_redirect_register(&table), 0);
	KUNIT_EXPECT_EQ(test, call_locally(test, 1), ext_result(1));
	KUNIT_EXPECT_EQ(test, call_globally(1), ext_result(1));
	KUNIT_EXPECT_EQ(test, khx_test_victim(1, 2, 3, 4, 5, 6, 7, 8), ext_result(1));

	khx_redirect_unregister(&table);
	expect_stock(test);
}

static void not_wanted(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, khx_redirect_register(&table), 0);
	KUNIT_EXPECT_EQ(test, call_locally(test, STOCK_CALL), stock_result(STOCK_CALL));
	KUNIT_EXPECT_EQ(test, call_globally(STOCK_CALL), stock_result(STOCK_CALL));
	khx_redirect_unregister(&table);
}

/* A replacement that calls the function that it replaces. */
static u64 (*wrapped)(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h);

u64 test_wrapper(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h)
{
	return wrapped(a, b, c, d, e, f, g, h) + 1;
}

static bool notrace not_from_here(const struct pt_regs *regs)
{
	return !within_module(regs->gpr[0], THIS_MODULE);
}

static struct khx_redirect wrapper_row = {
	.name = "khx_test_victim",
	.stub = test_stub_wrapper,
	.original = (void **)&wrapped,
	.wanted = not_from_here,
};

static struct khx_redirects wrapper_table = { .row = &wrapper_row, .nr = 1 };

static void original_is_callable(struct kunit *test)
{
	KUNIT_ASSERT_EQ(test, khx_redirect_register(&wrapper_table), 0);
	KUNIT_EXPECT_EQ(test, call_locally(test, 1), stock_result(1) + 1);
	KUNIT_EXPECT_PTR_EQ(test, (void *)wrapped, (void *)khx_test_victim);
	khx_redirect_unregister(&wrapper_table);
	expect_stock(test);
}

/* The ninth argument is in the caller's frame. */
u64 test_nine(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i)
{
	return khx_test_mix(READ_ONCE(replacement_salt), a, b, c, d, e, f, g, h) - i;
}

static void nine_arguments(struct kunit *test)
{
	static u64 (*original)(u64 a, u64 b, u64 c, u64 d, u64 e, u64 f, u64 g, u64 h, u64 i);
	static struct khx_redirect nine = {
		.name = "khx_test_victim_of_nine",
		.stub = test_stub_nine,
		.original = (void **)&original,
		.wanted = wanted,
	};
	static struct khx_redirects of_nine = { .row = &nine, .nr = 1 };
	u64 stock = khx_test_mix(khx_test_victim_salt, 1, 2, 3, 4, 5, 6, 7, 8) + 9;
	typeof(khx_test_victim_of_nine) *fn = khx_test_victim_of_nine;

	OPTIMIZER_HIDE_VAR(fn);
	KUNIT_EXPECT_EQ(test, fn(1, 2, 3, 4, 5, 6, 7, 8, 9), stock);
	KUNIT_ASSERT_EQ(test, khx_redirect_register(&of_nine), 0);
	KUNIT_EXPECT_EQ(test, fn(1, 2, 3, 4, 5, 6, 7, 8, 9), ext_result(1) - 9);
	KUNIT_EXPECT_EQ(test, khx_test_call_nine_locally(1, 2, 3, 4, 5, 6, 7, 8, 9),
			ext_result(1) - 9);
	KUNIT_EXPECT_EQ(test, original(STOCK_CALL, 2, 3, 4, 5, 6, 7, 8, 9),
			stock_result(STOCK_CALL) + 9);
	khx_redirect_unregister(&of_nine);
	KUNIT_EXPECT_EQ(test, khx_test_call_nine_locally(1, 2, 3, 4, 5, 6, 7, 8, 9), stock);
}

/* With .caller, only calls from that function are redirected. */
static void one_caller(struct kunit *test)
{
	static struct khx_redirect local = {
		.name = "khx_test_victim",
		.caller = "khx_test_call_locally",
		.stub = test_stub_replacement,
		.wanted = wanted,
	};
	static struct khx_redirects locals = { .row = &local, .nr = 1 };

	KUNIT_ASSERT_EQ(test, khx_redirect_register(&locals), 0);
	KUNIT_EXPECT_EQ(test, call_locally(test, 1), ext_result(1));
	KUNIT_EXPECT_EQ(test, call_globally(1), stock_result(1));
	khx_redirect_unregister(&locals);

	local.caller = "khx_no_such_function";
	KUNIT_EXPECT_EQ(test, khx_redirect_register(&locals), -ENOENT);
	local.caller = "khx_test_call_locally";
	expect_stock(test);
}

/* Allocate a table of @nr copies of row. */
static struct khx_redirects *some(struct kunit *test, unsigned int nr)
{
	struct khx_redirects *t = kunit_kzalloc(test, sizeof(*t), GFP_KERNEL);
	unsigned int i;

	KUNIT_ASSERT_NOT_NULL(test, t);
	t->row = kunit_kcalloc(test, nr, sizeof(*t->row), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, t->row);
	t->nr = nr;
	for (i = 0; i < nr; i++)
		t->row[i] = row;
	return t;
}

static void all_or_nothing(struct kunit *test)
{
	struct khx_redirects *t = some(test, 2);

	t->row[1].name = "khx_no_such_function";
	KUNIT_EXPECT_EQ(test, khx_redirect_register(t), -ENOENT);
	expect_stock(test);
}

static void one_owner(struct kunit *test)
{
	struct khx_redirects *first = some(test, 1), *second = some(test, 1);

	KUNIT_ASSERT_EQ(test, khx_redirect_register(first), 0);
	KUNIT_EXPECT_EQ(test, khx_redirect_register(second), -EBUSY);
	KUNIT_EXPECT_EQ(test, call_globally(1), ext_result(1));
	khx_redirect_unregister(first);
	expect_stock(test);
}

/* Two rows: each has its own predicate and its own address. */
static void two_functions(struct kunit *test)
{
	struct khx_redirects *t = some(test, 2);

	t->row[0].name = "khx_test_call_locally";
	t->row[0].wanted = never_wanted;
	KUNIT_ASSERT_EQ(test, khx_redirect_register(t), 0);
	KUNIT_EXPECT_EQ(test, call_locally(test, 1), ext_result(1));
	KUNIT_EXPECT_EQ(test, call_globally(1), ext_result(1));
	KUNIT_EXPECT_TRUE(test, t->row[0].ip && t->row[1].ip);
	KUNIT_EXPECT_NE(test, t->row[0].ip, t->row[1].ip);
	khx_redirect_unregister(t);
	expect_stock(test);
}

static void facet_off(struct kunit *test)
{
	static const bool off;
	struct khx_redirects *t = some(test, 2);

	t->row[0].facet = &off;
	/* register does not look up the function */
	t->row[0].name = "khx_no_such_function";
	KUNIT_EXPECT_EQ(test, khx_redirect_register(t), 0);
	KUNIT_EXPECT_EQ(test, call_globally(1), ext_result(1));
	khx_redirect_unregister(t);

	t->row[1].facet = &off;
	KUNIT_EXPECT_EQ(test, khx_redirect_register(t), 0);
	khx_redirect_unregister(t);
	expect_stock(test);
}

struct hammer {
	struct task_struct *task;
	unsigned long stock;
	unsigned long ext;
	unsigned long wrong;
};

static int hammer_thread(void *data)
{
	struct hammer *h = data;
	bool r2_kept;
	u64 a = 0, ret;

	while (!kthread_should_stop()) {
		a++;
		ret = khx_test_call_locally(a, 2, 3, 4, 5, 6, 7, 8, &r2_kept);
		if (ret == stock_result(a) && r2_kept)
			h->stock++;
		else if (ret == ext_result(a) && r2_kept)
			h->ext++;
		else
			h->wrong++;
		/* preemption is no quiescent state of ftrace's RCU tasks */
		if (!(a & 0xff))
			cond_resched_tasks_rcu_qs();
	}
	return 0;
}

#define MAX_HAMMERS	16

static void many_cpus(struct kunit *test)
{
	struct hammer *hammers;
	unsigned int cpu, nr = 0, i;

	hammers = kunit_kcalloc(test, MAX_HAMMERS, sizeof(*hammers), GFP_KERNEL);
	KUNIT_ASSERT_NOT_NULL(test, hammers);

	for_each_online_cpu(cpu) {
		struct task_struct *task;

		if (nr == MAX_HAMMERS)
			break;
		task = kthread_create(hammer_thread, &hammers[nr], "hammer/%u", cpu);
		if (IS_ERR(task))
			break;
		kthread_bind(task, cpu);
		wake_up_process(task);
		hammers[nr++].task = task;
	}

	for (i = 0; i < 20; i++) {
		KUNIT_EXPECT_EQ(test, khx_redirect_register(&table), 0);
		msleep(20);
		khx_redirect_unregister(&table);
		msleep(20);
	}

	KUNIT_EXPECT_GT(test, nr, 0);
	for (i = 0; i < nr; i++) {
		kthread_stop(hammers[i].task);
		KUNIT_EXPECT_EQ(test, hammers[i].wrong, 0);
		KUNIT_EXPECT_GT(test, hammers[i].stock, 0);
		KUNIT_EXPECT_GT(test, hammers[i].ext, 0);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(redirect_and_back),
	KUNIT_CASE(not_wanted),
	KUNIT_CASE(original_is_callable),
	KUNIT_CASE(nine_arguments),
	KUNIT_CASE(one_caller),
	KUNIT_CASE(all_or_nothing),
	KUNIT_CASE(one_owner),
	KUNIT_CASE(two_functions),
	KUNIT_CASE(facet_off),
	KUNIT_CASE(many_cpus),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_redirect",
	.test_cases = cases,
};

kunit_test_suite(suite);
