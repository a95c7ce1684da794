// SPDX-License-Identifier: GPL-2.0
/*
 * An L1 whose tables are invalid, or that enters guests it does not have
 *
 * L2 exits to L1, and its store changes no memory. Once L1 has repaired the
 * tables, L2 continues.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <endian.h>
#include <unistd.h>

#include "nested.h"

#define NR_L2		2
#define NR_PAGES	16
#define SIZE		(NR_PAGES * NESTED_PAGE)
#define SLOT		1
#define LPID(i)		(9 + (i))
#define L2_AREA(i)	(GUEST_MAX_VCPUS - 1 - (i))

#define NO_SLOT		0x4000000000ull		/* L1 has no memslot here */
#define HUGE_ADDRESS	0x00fffffffff00000ull

#define HISI		0xe20
#define H_PARAMETER	-4ull

#define VALUE		0x5a5a5a5a5a5a5a5aull
#define WAIT_US		50000
#define MARK_AT		(NESTED_PAGE - 0x100)	/* after the guest's code */

#define H_SET_PARTITION_TABLE	0xf800

FIXTURE(bogus) {
	struct vm *vm;
	struct nested *n;
	struct l2 l2[NR_L2];
	char *pages;
	char *before;
};

FIXTURE_SETUP(bogus)
{
	unsigned int i;

	SKIP_IF(return, nested_vm_create(&self->vm, NR_L2));
	self->pages = mem_alloc(SIZE, BACKING_SMALL, NULL);
	self->before = mem_alloc(SIZE, BACKING_SMALL, NULL);
	ASSERT_EQ(0, vm_set_slot(self->vm, SLOT, VM_DATA_GPA, SIZE, self->pages, 0));
	self->n = nested_create(self->vm);
	for (i = 0; i < NR_L2; i++) {
		nested_add_guest(self->n, LPID(i));
		nested_map(self->n, LPID(i), VM_DATA_GPA, VM_DATA_GPA, SIZE,
			   NESTED_READ | NESTED_WRITE);
		l2_init(&self->l2[i], self->n, i, LPID(i), L2_AREA(i));
	}
}

FIXTURE_TEARDOWN(bogus)
{
	vm_destroy(self->vm);
	nested_destroy(self->n);
	mem_free(self->pages, SIZE);
	mem_free(self->before, SIZE);
}

static __u64 word(struct _test_data_bogus *self, unsigned int page)
{
	return *(__u64 *)(self->pages + page * NESTED_PAGE);
}

static void tell_all(struct _test_data_bogus *self)
{
	if (nested_tlbie(self->l2[1].l1, NESTED_RIC_ALL, 0, NESTED_RB_ALL))
		die("H_TLB_INVALIDATE");
}

/* Make the first L2 store. Return why it exited. */
static __u64 try_store(struct _test_data_bogus *self, __u64 gpa)
{
	struct guest_area *area = self->l2[0].area;

	area->count = 1;
	area->list[0] = (struct guest_access){ gpa, VALUE };
	memcpy(self->before, self->pages, SIZE);
	return l2_run(&self->l2[0], GUEST_STORE);
}

static bool unchanged(const struct _test_data_bogus *self)
{
	return !memcmp(self->before, self->pages, SIZE);
}

/*
 * Replace the partition table entry of an L2 that has run: L2 must exit, and
 * continue after the entry is restored.
 */
static void bad_entry(struct __test_metadata *_metadata, struct _test_data_bogus *self,
		      __u64 bad)
{
	__u64 *entry = nested_guest_entry(self->n, LPID(0)), was = *entry, trap;

	l2_store(&self->l2[0], VM_DATA_GPA, 0);
	*entry = htobe64(bad);
	tell_all(self);
	trap = try_store(self, VM_DATA_GPA);
	EXPECT_TRUE(trap == HISI || trap == NESTED_HDSI) {
		TH_LOG("entry %llx: exit by %llx", bad, trap);
	}
	EXPECT_TRUE(unchanged(self));
	*entry = was;
	tell_all(self);
	ASSERT_EQ(0, l2_resume(&self->l2[0]));
	EXPECT_EQ(VALUE, word(self, 0));
}

#define PATE_ROOT	0x0fffffffffffff00ull
#define PATE_BITS	0x1full
#define PATE_SIZE	0x60000000000000e0ull

TEST_F(bogus, guest_entry)
{
	__u64 good = be64toh(*nested_guest_entry(self->n, LPID(0)));
	unsigned int bits;

	bad_entry(_metadata, self, 0);
	bad_entry(_metadata, self, (good & ~PATE_ROOT) | NO_SLOT);
	bad_entry(_metadata, self, (good & ~PATE_ROOT) | HUGE_ADDRESS);
	/* a root just after the end of the memslot */
	bad_entry(_metadata, self, (good & ~PATE_ROOT) | (VM_DATA_GPA + SIZE));
	bad_entry(_metadata, self, good & ~PATE_SIZE);
	bad_entry(_metadata, self, good | PATE_SIZE);
	for (bits = 0; bits < 32; bits++)
		if (bits != (good & PATE_BITS))
			bad_entry(_metadata, self, (good & ~PATE_BITS) | bits);
}

/* The same with an entry of L2's tree, at one level of the path to its data. */
static void bad_tree(struct __test_metadata *_metadata, struct _test_data_bogus *self,
		     unsigned int level, __u64 bad)
{
	__u64 *entry = nested_tree_entry(self->n, LPID(0), VM_DATA_GPA, level);
	__u64 was = *entry, trap;

	l2_store(&self->l2[0], VM_DATA_GPA, 0);
	*entry = htobe64(bad);
	tell_all(self);
	trap = try_store(self, VM_DATA_GPA);
	EXPECT_TRUE(trap == HISI || trap == NESTED_HDSI) {
		TH_LOG("level %u, entry %llx: exit by %llx", level, bad, trap);
	}
	EXPECT_TRUE(unchanged(self));
	*entry = was;
	tell_all(self);
	ASSERT_EQ(0, l2_resume(&self->l2[0]));
	EXPECT_EQ(VALUE, word(self, 0));
}

#define VALID		0x8000000000000000ull
#define LEAF		0x4000000000000000ull
#define RW		(NESTED_READ | NESTED_WRITE | NESTED_R | NESTED_C)

TEST_F(bogus, tree_entry)
{
	unsigned int level, bits;
	__u64 good, *entry;

	for (level = 0; level < NESTED_LEVELS; level++) {
		entry = nested_tree_entry(self->n, LPID(0), VM_DATA_GPA, level);
		good = be64toh(*entry);
		bad_tree(_metadata, self, level, 0);
		if (level == NESTED_LEVELS - 1) {
			/* a table instead of a leaf */
			bad_tree(_metadata, self, level, good & ~LEAF);
			continue;
		}
		bad_tree(_metadata, self, level, (good & ~PATE_ROOT) | NO_SLOT);
		bad_tree(_metadata, self, level, (good & ~PATE_ROOT) | HUGE_ADDRESS);
		for (bits = 0; bits < 32; bits++)
			if (bits != (good & PATE_BITS))
				bad_tree(_metadata, self, level,
					 (good & ~PATE_BITS) | bits);
		/* a leaf that is not aligned to its size, or too large */
		bad_tree(_metadata, self, level, VALID | LEAF | RW |
			 (VM_DATA_GPA + NESTED_PAGE));
		/* a table that is its own next level, and has no leaf */
		bad_tree(_metadata, self, level, VALID | nested_table_gpa(self->n, entry, level) |
			 (good & PATE_BITS));
	}
}

/*
 * L1 maps a page of L2 to no memory: L2 must wait until L1 maps it correctly.
 */
TEST_F(bogus, page_without_memory)
{
	struct l2 *l2 = &self->l2[0];
	__u64 before;

	l2_store(l2, VM_DATA_GPA, 0);
	nested_map(self->n, LPID(0), VM_DATA_GPA, NO_SLOT, NESTED_PAGE,
		   NESTED_READ | NESTED_WRITE);
	tell_all(self);
	memcpy(self->before, self->pages, SIZE);
	l2->area->count = 1;
	l2->area->list[0] = (struct guest_access){ VM_DATA_GPA, VALUE };
	l2_start(l2, GUEST_STORE);
	usleep(WAIT_US);
	EXPECT_TRUE(unchanged(self));
	before = word(self, 0);
	nested_map(self->n, LPID(0), VM_DATA_GPA, VM_DATA_GPA, NESTED_PAGE,
		   NESTED_READ | NESTED_WRITE);
	tell_all(self);
	l2_stop(l2);
	EXPECT_EQ(0, before);
	EXPECT_EQ(VALUE, word(self, 0));
}

/* KVM keeps the old partition table if the new one is absent or too large. */
TEST_F(bogus, partition_table)
{
	static const __u64 bad[] = {
		NO_SLOT, HUGE_ADDRESS, VM_DATA_GPA + SIZE, NESTED_TABLES_GPA | 5,
		NESTED_TABLES_GPA | 0x1f, NO_SLOT | 4,
	};
	unsigned int i;

	l2_store(&self->l2[0], VM_DATA_GPA, 0);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(H_PARAMETER, vcpu_hcall(self->l2[1].l1, H_SET_PARTITION_TABLE,
						  bad[i], 0, 0)) {
			TH_LOG("%llx", bad[i]);
		}
		l2_store(&self->l2[0], VM_DATA_GPA, i + 1);
		EXPECT_EQ(i + 1, word(self, 0));
	}
}

/* Replace the partition table: the first L2 then has the tree of the second. */
TEST_F(bogus, new_partition_table)
{
	__u64 *entry = nested_guest_entry(self->n, LPID(0));
	__u64 *other = (__u64 *)self->pages + 2 * LPID(0);

	l2_store(&self->l2[0], VM_DATA_GPA + NESTED_PAGE, 1);
	nested_map(self->n, LPID(1), VM_DATA_GPA + NESTED_PAGE,
		   VM_DATA_GPA + 2 * NESTED_PAGE, NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	other[0] = entry[2 * (LPID(1) - LPID(0))];
	other[1] = entry[1];
	ASSERT_EQ(0, vcpu_hcall(self->l2[1].l1, H_SET_PARTITION_TABLE, VM_DATA_GPA, 0, 0));
	tell_all(self);
	l2_store(&self->l2[0], VM_DATA_GPA + NESTED_PAGE, 2);
	EXPECT_EQ(1, word(self, 1));
	EXPECT_EQ(2, word(self, 2));
}

/* Enter an L2 with this LPID on the second vCPU. */
static __u64 enter(struct _test_data_bogus *self, __u64 lpid)
{
	struct l2 l2;

	l2_init(&l2, self->n, 1, lpid, L2_AREA(1));
	l2.area->count = 0;
	return l2_run(&l2, GUEST_LOAD);
}

TEST_F(bogus, guest_that_is_not)
{
	static const __u64 bad[] = { 256, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff };
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(bad); i++)
		EXPECT_EQ(H_PARAMETER, enter(self, bad[i]));
	/* these are inside the partition table, but have no tree */
	EXPECT_EQ(HISI, enter(self, 0));
	EXPECT_EQ(HISI, enter(self, 255));
	EXPECT_EQ(0, enter(self, LPID(1)));
}

/*
 * LPID 0 and its address 0 must work like any others. The page there has the
 * guest's code, and another L2 maps it first.
 */
TEST_F(bogus, lpid_0_address_0)
{
	char *code = self->vm->slot[VM_SYS_SLOT].hva;
	__u64 mark = VALUE;

	nested_add_guest(self->n, 0);
	l2_store(&self->l2[0], VM_DATA_GPA, 0);
	ASSERT_EQ(0, enter(self, 0));
	memcpy(self->before, code, NESTED_PAGE);
	memcpy(self->before + MARK_AT, &mark, sizeof(mark));
	mem_drop(code, NESTED_PAGE);
	memcpy(code, self->before, NESTED_PAGE);
	/*
	 * if L2 still maps the old frame, it does not even find its code there
	 */
	self->l2[0].area->count = 1;
	self->l2[0].area->list[0].addr = MARK_AT;
	EXPECT_OURS(self->vm, !l2_run(&self->l2[0], GUEST_LOAD) &&
		    self->l2[0].area->list[0].value == VALUE,
		    "stock loses the shadow PTEs of a page that LPID 0 maps at 0");
}

TEST_HARNESS_MAIN
