// SPDX-License-Identifier: GPL-2.0
/*
 * Addresses at and above 2^52 that a nested guest uses, or that its L1 passes
 *
 * For L2 addresses only the lower 52 bits count: all addresses that differ in
 * the upper bits name the same page, whether L2 accesses it or L1 invalidates
 * it. The entries in L1's tables hold L1 addresses, and L1 has no accessible
 * memory at 2^52 and above.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <endian.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "nested_pages.h"

#define SIZE		(NESTED_NR_PAGES * NESTED_PAGE)
#define HIGH_SLOT	2
#define FREE_GPA	(5 * VM_DATA_GPA)	/* L1 has no memslot here */
#define Y		(6 * VM_DATA_GPA)	/* L2 address not mapped yet */

#define H_RPT_INVALIDATE	0x448
#define H_SET_PARTITION_TABLE	0xf800

/* Arguments of H_RPT_INVALIDATE: target, type, and page sizes. */
#define RPT_CORES		1
#define RPT_NESTED_TLB		3
#define RPT_4K			1
#define RPT_1G			8

#define ROUNDS		2000
#define TIMEOUT		300
#define NR_LIVING	16	/* pages of L2's */

#define WAIT_US		50000

#define OWN		0x0141
#define VALUE		0x5a5a5a5a5a5a5a5aull

/*
 * Upper bits of L2's addresses; and of RB of a tlbie, where they are ignored.
 */
static const __u64 above[] = { 0, GPA_TREE_END, GPA_ALL_HIGH };
static const __u64 above_tlbie[] = {
	GPA_TREE_END, GPA_ALL_HIGH, 0xfffull << 52, 1ull << 63, 0,
};

FIXTURE(high) {
	struct nested_pages p;
	struct l2 *l2;
	unsigned long reports;
};

/* Taint flags that the kernel sets when it reports a defect. */
#define TAINT_DIE	0x080
#define TAINT_WARN	0x200

static unsigned long kernel_reports(void)
{
	FILE *file = fopen("/proc/sys/kernel/tainted", "r");
	unsigned long taint;

	if (!file || fscanf(file, "%lu", &taint) != 1)
		die("/proc/sys/kernel/tainted: %m");
	fclose(file);
	return taint & (TAINT_DIE | TAINT_WARN);
}

FIXTURE_SETUP(high)
{
	SKIP_IF(return, nested_pages_create(&self->p, BACKING_SMALL));
	self->l2 = &self->p.l2[0];
	self->reports = kernel_reports();
	nested_populate(&self->p);
	nested_collect(&self->p);
}

FIXTURE_TEARDOWN(high)
{
	nested_pages_destroy(&self->p);
}

static void tell(struct _test_data_high *self, __u64 gpa)
{
	if (nested_tlbie(self->l2->l1, NESTED_RIC_TLB, self->l2->lpid,
			 NESTED_RB_PAGE(gpa)))
		die("H_TLB_INVALIDATE of 0x%llx", gpa);
}

static int set_slot(struct logged_vm *l, size_t size)
{
	return vm_set_slot(l->vm, l->slot, l->gpa, size, l->memory,
			   KVM_MEM_LOG_DIRTY_PAGES);
}

/*
 * Delete L1's memslot: no shadow PTE of its pages may remain. Then recreate it,
 * let the L2s use the pages, and delete it again.
 */
static void slot_goes(struct __test_metadata *_metadata, struct _test_data_high *self)
{
	struct nested_pages *p = &self->p;
	unsigned int way;

	ASSERT_EQ(0, set_slot(p->l, 0));
	ASSERT_EQ(0, set_slot(p->l, p->l->size));
	for (way = 0; way < NESTED_NR_WAYS; way++) {
		nested_access(p, way, GUEST_STORE, NESTED_ALL, VALUE);
		EXPECT_EQ(0, nested_lost(p, way, NESTED_ALL, VALUE));
	}
	for (way = 0; way < NESTED_NR_WAYS; way++)
		tell(self, p->way[way].gpa);
	ASSERT_EQ(0, set_slot(p->l, 0));
	EXPECT_EQ(self->reports, kernel_reports());
}

/* L1 invalidates unchanged entries; L2's stores must still be reported. */
TEST_F(high, told_above)
{
	struct nested_pages *p = &self->p;
	unsigned long asked = 0, missed = 0;
	unsigned int i, page, way;
	__u64 pages;

	for (way = 0; way < NESTED_NR_WAYS; way++) {
		if (p->way[way].l2 != self->l2)
			continue;
		for (i = 0; i < ARRAY_SIZE(above_tlbie); i++) {
			pages = 0x1111111111111111ull << (i % 4);
			nested_access(p, way, GUEST_STORE, pages, i);
			for (page = 0; page < NESTED_NR_PAGES; page++)
				if (pages >> page & 1)
					tell(self, nested_gpa(p, page, way) ^
					     above_tlbie[i]);
			asked += nested_count(pages);
			missed += nested_count(pages & ~nested_collect(p));
			EXPECT_EQ(0, nested_differing(p, way, NESTED_ALL));
		}
	}
	EXPECT_NO_MISS(p->l->vm, asked, missed, "stores");
	slot_goes(_metadata, self);
}

/* L2 has accessed the pages only by addresses above 2^52. */
TEST_F(high, mapped_above)
{
	struct nested_pages *p = &self->p;
	unsigned long asked = 0, missed = 0;
	unsigned int i, page;
	__u64 ea;

	nested_map(p->n, self->l2->lpid, Y, VM_DATA_GPA, SIZE, NESTED_READ | NESTED_WRITE);
	for (i = 0; i < ARRAY_SIZE(above); i++) {
		ea = translate_ea(Y + above[i]);
		l2_store_pages(self->l2, ea, NESTED_NR_PAGES, VALUE);
		EXPECT_EQ(0, nested_lost(p, 0, NESTED_ALL, VALUE));
		asked += NESTED_NR_PAGES;
		missed += nested_count(~nested_collect(p));
		mem_drop(p->l->memory, SIZE);
		l2_load_pages(self->l2, ea, NESTED_NR_PAGES);
		for (page = 0; page < NESTED_NR_PAGES; page++)
			EXPECT_EQ(0, self->l2->area->list[page].value);
		/* L1 invalidates below 2^52 what L2 mapped above */
		l2_store_pages(self->l2, ea, NESTED_NR_PAGES, VALUE);
		for (page = 0; page < NESTED_NR_PAGES; page++) {
			nested_map(p->n, self->l2->lpid, Y + page * NESTED_PAGE,
				   VM_DATA_GPA + SIZE - (page + 1) * NESTED_PAGE,
				   NESTED_PAGE, NESTED_READ | NESTED_WRITE);
			tell(self, Y + page * NESTED_PAGE);
		}
		l2_load_pages(self->l2, ea, NESTED_NR_PAGES);
		for (page = 0; page < NESTED_NR_PAGES; page++)
			EXPECT_EQ(VALUE + NESTED_NR_PAGES - 1 - page,
				  self->l2->area->list[page].value);
		nested_map(p->n, self->l2->lpid, Y, VM_DATA_GPA, SIZE,
			   NESTED_READ | NESTED_WRITE);
		if (nested_tlbie(self->l2->l1, NESTED_RIC_TLB, self->l2->lpid,
				 NESTED_RB_LPID))
			die("H_TLB_INVALIDATE");
		nested_collect(p);
	}
	EXPECT_NO_MISS(p->l->vm, asked, missed, "stores");
	slot_goes(_metadata, self);
}

static __u64 tell_range(struct _test_data_high *self, unsigned int size, __u64 start,
			__u64 end)
{
	struct vcpu *l1 = self->l2->l1;

	l1->area->regs[4] = size;
	l1->area->regs[5] = start;
	l1->area->regs[6] = end;
	return vcpu_hcall(l1, H_RPT_INVALIDATE, self->l2->lpid, RPT_CORES, RPT_NESTED_TLB);
}

/*
 * L1 invalidates ranges that end less than a page below 2^64, for each page
 * size. They include the last page of the address space, and the hypercall must
 * return.
 */
TEST_F(high, told_to_the_end)
{
	static const __u64 starts[] = { 1, NESTED_PAGE, 1ull << 63, -NESTED_PAGE, -1ull };
	static const __u64 ends[] = { -1ull, -2ull, -0xfffull, -0xffffull, 1 - (1ull << 30) };
	struct kvm_enable_cap rpt = {
		.cap = KVM_CAP_PPC_ENABLE_HCALL,
		.args = { H_RPT_INVALIDATE, 1 },
	};
	struct nested_pages *p = &self->p;
	unsigned int s, e, size;
	bool no_4k = nested_4k_reported();
	__u64 known;

	if (may_xfail(p->l->vm))
		SKIP(return, "the hypercall never returns on stock");
	ASSERT_EQ(0, ioctl(p->l->vm->fd, KVM_ENABLE_CAP, &rpt));
	for (size = RPT_4K; size <= RPT_1G; size *= 2) {
		if (size == RPT_4K && no_4k)
			continue;
		/* a page size that the host's MMU lacks is always an error */
		known = tell_range(self, size, 0, 0);
		for (s = 0; s < ARRAY_SIZE(starts); s++)
			for (e = 0; e < ARRAY_SIZE(ends); e++)
				if (starts[s] <= ends[e])
					EXPECT_EQ(known, tell_range(self, size, starts[s],
								    ends[e]));
	}
	EXPECT_NE(0, tell_range(self, 0, 1, -1ull));
	slot_goes(_metadata, self);
}

/**
 * struct life - expected state of L2's memory, and results
 * @page: L1 page that each page of L2 is mapped to
 * @value: contents of each page of L1
 * @stored: L1 pages stored to since the last collection
 * @asked: number of pages stored to, counted per collection
 * @missed: number of these that were not reported
 * @wrong: number of wrong loads and stores
 */
struct life {
	unsigned int page[NR_LIVING];
	__u64 value[NESTED_NR_PAGES];
	__u64 stored;
	unsigned long asked;
	unsigned long missed;
	unsigned long wrong;
};

static __u64 any_above(struct nested_pages *p)
{
	return above[random_below(&p->random, ARRAY_SIZE(above))];
}

static void remap(struct _test_data_high *self, struct life *life, unsigned int page)
{
	struct nested_pages *p = &self->p;
	unsigned int to = random_below(&p->random, NESTED_NR_PAGES);
	__u64 gpa = Y + page * NESTED_PAGE;

	nested_map(p->n, self->l2->lpid, gpa, VM_DATA_GPA + to * NESTED_PAGE, NESTED_PAGE,
		   NESTED_READ | NESTED_WRITE);
	tell(self, gpa ^ above_tlbie[random_below(&p->random, ARRAY_SIZE(above_tlbie))]);
	life->page[page] = to;
}

static void collect(struct nested_pages *p, struct life *life)
{
	life->asked += nested_count(life->stored);
	life->missed += nested_count(life->stored & ~nested_collect(p));
	life->stored = 0;
}

static void live(struct _test_data_high *self, struct life *life, __u64 value)
{
	struct nested_pages *p = &self->p;
	unsigned int page = random_below(&p->random, NR_LIVING), mine = life->page[page];
	__u64 ea = translate_ea(Y + page * NESTED_PAGE + any_above(p));

	switch (random_below(&p->random, 8)) {
	case 0:
		remap(self, life, page);
		break;
	case 1:
		mem_drop(nested_word(p, mine, 0), NESTED_PAGE);
		life->value[mine] = 0;
		break;
	case 2:
		collect(p, life);
		break;
	case 3:
	case 4:
		life->wrong += l2_load(self->l2, ea) != life->value[mine];
		break;
	default:
		l2_store(self->l2, ea, value);
		life->wrong += *nested_word(p, mine, 0) != value;
		life->value[mine] = value;
		life->stored |= 1ull << mine;
	}
}

TEST_F_TIMEOUT(high, life, TIMEOUT)
{
	unsigned long rounds = scaled(ROUNDS), round;
	struct nested_pages *p = &self->p;
	struct life life = { 0 };
	unsigned int page;

	for (page = 0; page < NESTED_NR_PAGES; page++)
		life.value[page] = *nested_word(p, page, 0);
	for (page = 0; page < NR_LIVING; page++)
		remap(self, &life, page);
	for (round = 1; round <= rounds; round++)
		live(self, &life, round);
	collect(p, &life);
	TH_LOG("%lu rounds, %lu loads or stores wrong", rounds, life.wrong);
	EXPECT_EQ(0, life.wrong);
	EXPECT_NO_MISS(p->l->vm, life.asked, life.missed, "stores");
	slot_goes(_metadata, self);
}

/* L2's own page table is at addresses above 2^52. */
TEST_F(high, page_table)
{
	struct nested_pages *p = &self->p;
	char *tables = p->l->vm->slot[TRANSLATE_SLOT].hva;
	char *copy = malloc(TRANSLATE_SIZE);
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(above); i++) {
		translate_l2(self->l2, above[i]);
		/* make KVM read the new partition table entry */
		if (nested_tlbie(self->l2->l1, NESTED_RIC_ALL, self->l2->lpid,
				 NESTED_RB_LPID))
			die("H_TLB_INVALIDATE");
		nested_access(p, 3, GUEST_STORE, NESTED_ALL, i);
		EXPECT_EQ(0, nested_lost(p, 3, NESTED_ALL, i));
		memcpy(copy, tables, TRANSLATE_SIZE);
		mem_drop(tables, TRANSLATE_SIZE);
		memcpy(tables, copy, TRANSLATE_SIZE);
		nested_access(p, 0, GUEST_STORE, NESTED_ALL, i);
		EXPECT_EQ(0, nested_lost(p, 0, NESTED_ALL, i));
	}
	free(copy);
	slot_goes(_metadata, self);
}

/*
 * L1's tables are above 2^52: KVM reads them through the memslot, not the tree.
 */
TEST_F(high, l1_tables)
{
	__u64 *entry = nested_guest_entry(self->p.n, self->l2->lpid);
	struct nested_pages *p = &self->p;
	struct vm *vm = p->l->vm;

	ASSERT_EQ(0, vm_set_slot(vm, HIGH_SLOT, GPA_TREE_END + NESTED_TABLES_GPA,
				 vm->slot[NESTED_TABLES_SLOT].size, p->n->tables, 0));
	ASSERT_EQ(0, vcpu_hcall(p->l2[1].l1, H_SET_PARTITION_TABLE,
				GPA_TREE_END + NESTED_TABLES_GPA, 0, 0));
	entry[0] |= htobe64(GPA_TREE_END);
	if (nested_tlbie(p->l2[1].l1, NESTED_RIC_ALL, 0, NESTED_RB_ALL))
		die("H_TLB_INVALIDATE");
	nested_access(p, 0, GUEST_STORE, NESTED_ALL, VALUE);
	EXPECT_EQ(0, nested_lost(p, 0, NESTED_ALL, VALUE));
	nested_access(p, 3, GUEST_STORE, NESTED_ALL, VALUE);
	EXPECT_EQ(0, nested_lost(p, 3, NESTED_ALL, VALUE));
	entry[0] &= ~htobe64(GPA_TREE_END);
	slot_goes(_metadata, self);
}

/*
 * An entry in L1's table holds an L1 address above 2^52 where L1 has a memslot.
 * L2 must not reach it: it exits to L1, or faults until L1 has changed the
 * entry.
 */
static void names_above(struct __test_metadata *_metadata, struct _test_data_high *self,
			__u64 gpa, char *below)
{
	char *memory = mem_alloc(NESTED_PAGE, BACKING_SMALL, NULL);
	__u64 *above_word = (__u64 *)memory, *below_word = (__u64 *)(below ?: memory);
	struct nested_pages *p = &self->p;
	struct l2 *l2 = self->l2;
	__u64 trap;

	*above_word = OWN;
	*below_word = OWN;
	ASSERT_EQ(0, vm_set_slot(p->l->vm, HIGH_SLOT, gpa, NESTED_PAGE, memory, 0));
	nested_map(p->n, l2->lpid, Y, gpa, NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	l2->area->count = 1;
	l2->area->list[0] = (struct guest_access){ Y, VALUE };
	l2_start(l2, GUEST_STORE);
	usleep(WAIT_US);
	EXPECT_OURS(p->l->vm, *above_word == OWN, "stock lets L2 store to it");
	EXPECT_OURS(p->l->vm, *below_word == OWN, "stock lets L2 store to another memslot");
	if (*above_word != OWN || *below_word != OWN) {
		l2_stop(l2);
		mem_drop(below ?: memory, NESTED_PAGE);
		EXPECT_OURS(p->l->vm, !l2_load(l2, Y), "stock keeps the dropped page mapped");
		/* leak the memory: L2 may still store to it */
		return;
	}
	nested_map(p->n, l2->lpid, Y, VM_DATA_GPA + NESTED_PAGE, NESTED_PAGE,
		   NESTED_READ | NESTED_WRITE);
	/* on a vCPU that is not running */
	if (nested_tlbie(p->l2[1].l1, NESTED_RIC_TLB, l2->lpid, NESTED_RB_PAGE(Y)))
		die("H_TLB_INVALIDATE");
	trap = l2_join(l2);
	if (trap) {
		EXPECT_EQ(NESTED_HDSI, trap);
		ASSERT_EQ(0, l2_resume(l2));
	}
	/* L2 may have begun only now */
	EXPECT_OURS(p->l->vm, *nested_word(p, 1, 0) == VALUE, "stock lets L2 store elsewhere");
	EXPECT_OURS(p->l->vm, *above_word == OWN, "stock lets L2 store to it");
	EXPECT_OURS(p->l->vm, *below_word == OWN, "stock lets L2 store to another memslot");
	ASSERT_EQ(0, vm_set_slot(p->l->vm, HIGH_SLOT, gpa, 0, memory, 0));
	slot_goes(_metadata, self);
	mem_free(memory, NESTED_PAGE);
}

TEST_F(high, l1_names_above)
{
	names_above(_metadata, self, GPA_TREE_END + FREE_GPA, NULL);
}

TEST_F(high, l1_names_above_page)
{
	names_above(_metadata, self, GPA_TREE_END + VM_DATA_GPA, self->p.l->memory);
}

TEST_F(high, l1_names_all_bits)
{
	names_above(_metadata, self, GPA_ALL_HIGH + VM_DATA_GPA, self->p.l->memory);
}

TEST_HARNESS_MAIN
