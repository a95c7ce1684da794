// SPDX-License-Identifier: GPL-2.0
/*
 * Aging of guest memory: which pages count as used, how many invalidations
 * aging takes, and how many instructions, if the clock of an emulated host
 * counts instructions ('lab boot --icount')
 *
 * The host's idle page tracking clears R of pages through the MMU notifier, and
 * later tells whether they have been used since. One notifier call ages one
 * page of the host, which may be a huge page.
 */
#include "ktap.h"

#include <stdio.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "idle.h"
#include "logged_vm.h"
#include "lru.h"
#include "tlb_count.h"

#define SIZE		(64ul << 20)
#define TIMES		3
#define TIMEOUT		300

FIXTURE(age) {
	struct logged_vm *l;
	int idle;
	__u64 *pfn;
};

FIXTURE_VARIANT(age) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(age, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(age, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(age, hpt) { VM_MMU_HPT, BACKING_SMALL };

static void touch(struct logged_vm *l)
{
	vcpu_load_pages(&l->vm->vcpu[0], VM_DATA_GPA, l->page, l->pages);
}

static void find_pages(struct logged_vm *l, __u64 *pfn)
{
	size_t i;

	for (i = 0; i < l->pages; i++) {
		pfn[i] = idle_pfn(l->memory + i * l->page);
		if (!pfn[i])
			die("page %zu is not present", i);
	}
}

FIXTURE_SETUP(age)
{
	struct vm_config config = { .mmu = variant->mmu };

	self->idle = idle_open();
	if (self->idle < 0)
		SKIP(return, "the host does not track idle pages (CONFIG_IDLE_PAGE_TRACKING)");
	SKIP_IF(return, tlb_count_missing());
	SKIP_IF(return, logged_vm_create(&self->l, &config, SIZE / page_size(), variant->backing));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	memset(self->l->memory, 1, self->l->size);
	touch(self->l);
	/* only pages on an LRU list are tracked: drain the per-CPU batches */
	lru_drain();
	self->pfn = calloc(self->l->pages, sizeof(*self->pfn));
	find_pages(self->l, self->pfn);
}

FIXTURE_TEARDOWN(age)
{
	free(self->pfn);
	logged_vm_destroy(self->l);
	close(self->idle);
}

/* A huge page has only the idle bit of its first page. */
static size_t step(const struct logged_vm *l, enum backing backing)
{
	return backing == BACKING_THP ? THP_SIZE / l->page : 1;
}

static __u64 now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return t.tv_sec * 1000000000ull + t.tv_nsec;
}

static size_t count_idle(int fd, const __u64 *pfn, size_t pages, size_t by)
{
	size_t i, idle = 0;

	for (i = 0; i < pages; i += by)
		idle += idle_test(fd, pfn[i]);
	return idle;
}

/* Pages are idle until the guest uses them. */
TEST_F_TIMEOUT(age, used_or_not, TIMEOUT)
{
	size_t by = step(self->l, variant->backing), half = self->l->pages / 2, i;

	for (i = 0; i < self->l->pages; i += by)
		idle_set(self->idle, self->pfn[i]);
	EXPECT_EQ(self->l->pages / by, count_idle(self->idle, self->pfn, self->l->pages, by));
	vcpu_load_pages(&self->l->vm->vcpu[0], VM_DATA_GPA, self->l->page, half);
	EXPECT_EQ(0, count_idle(self->idle, self->pfn, half, by));
	EXPECT_EQ(half / by, count_idle(self->idle, self->pfn + half, half, by));
}

/* Record the cost on stock. On the module, return that record, or 0. */
static __u64 cost_on_stock(const char *name, __u64 cost, bool ours)
{
	const char *dir = getenv("KTAP_RECORDS");
	unsigned long long stock = 0;
	char path[256];
	FILE *file;

	if (!dir)
		return 0;
	snprintf(path, sizeof(path), "%s/age.%s", dir, name);
	file = fopen(path, ours ? "r" : "w");
	if (!file)
		return 0;
	if (!ours)
		fprintf(file, "%llu\n", cost);
	else if (fscanf(file, "%llu", &stock) != 1)
		die("%s holds no number", path);
	fclose(file);
	return stock;
}

/*
 * Each call invalidates once if the page has been used. Stock never does so for
 * radix guests, and pages whose translation is in a TLB then look idle. If the
 * clock counts instructions (KTAP_ICOUNT), aging a huge page must nevertheless
 * cost no more than on stock, which walks the huge page by base pages. Other
 * work of the host adds a few per cent of noise.
 */
TEST_F_TIMEOUT(age, cost, TIMEOUT)
{
	size_t by = step(self->l, variant->backing), calls = self->l->pages / by, i;
	bool ours = self->l->vm->ours, lazy;
	__u64 best = -1ull, begin, stock;
	unsigned long count;
	unsigned int round;

	for (round = 0; round < TIMES; round++) {
		touch(self->l);
		begin = now();
		for (i = 0; i < self->l->pages; i += by)
			idle_set(self->idle, self->pfn[i]);
		begin = now() - begin;
		if (begin < best)
			best = begin;
	}
	touch(self->l);
	tlb_count_start(variant->mmu);
	for (i = 0; i < self->l->pages; i += by)
		idle_set(self->idle, self->pfn[i]);
	count = tlb_count_stop(variant->mmu);
	lazy = !ours && variant->mmu == VM_MMU_RADIX && may_xfail(self->l->vm);
	EXPECT_EQ(lazy, count == 0);
	/* bare metal issues up to three tlbies per page of a radix guest */
	EXPECT_GE(host_is_lpar() || variant->mmu == VM_MMU_HPT ? calls : 3 * calls,
		  count);

	stock = cost_on_stock(variant->mmu == VM_MMU_HPT ? "hpt" :
			      backing_name(variant->backing), best, ours);
	TH_LOG("%zu calls: %lu invalidations, %llu ns, on stock %llu", calls, count,
	       best, ours ? stock : best);
	if (option("KTAP_ICOUNT", 0) && ours && variant->backing == BACKING_THP) {
		ASSERT_NE(0, stock);
		EXPECT_GE(stock + stock / 10, best);
	}
}

TEST_HARNESS_MAIN
