// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables of a guest are charged to the VMM's memory cgroup, and freed with it
 *
 * The guest touches one page in each 2 MiB, and thus needs a page table for
 * each. Each CPU of the host keeps up to a page of what it has charged or given
 * back to itself: so there are more tables than two CPUs can hide.
 */
#include "ktap.h"

#include <errno.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "module.h"
#include "slab.h"

#define CGROUPS		"/sys/fs/cgroup/"
#define OURS		CGROUPS "ktap/"
#define TABLE_BYTES	(STRIDE / page_size() * 8)

#define SLOT		1
#define STRIDE		0x200000ul
#define SIZE		(512 * STRIDE)
/* Each of these memslots maps the same memory. */
#define NR_SLOTS	4
#define NR_TABLES	(NR_SLOTS * SIZE / STRIDE)
#define PATIENCE_S	10

/* Unreclaimable slab memory charged to the cgroup, in bytes. */
static long charged(void)
{
	static const char name[] = "slab_unreclaimable ";
	char line[256];
	long bytes = -1;
	FILE *file = fopen(OURS "memory.stat", "r");

	if (!file)
		die(OURS "memory.stat: %m");
	while (fgets(line, sizeof(line), file))
		if (!strncmp(line, name, sizeof(name) - 1))
			bytes = atol(line + sizeof(name) - 1);
	fclose(file);
	return bytes;
}

/*
 * The kernel adds up small charges of a cgroup every two seconds: wait for a value above,
 * or below, @limit. Return the last one.
 */
static long await_charged(long before, bool above, long limit)
{
	unsigned int i;
	long now;

	for (i = 0; i < PATIENCE_S; i++) {
		now = charged() - before;
		if (above ? now >= limit : now < limit)
			break;
		sleep(1);
	}
	return now;
}

/* Move this process to a new cgroup. Return why that is impossible, or NULL. */
static const char *enter_group(void)
{
	if (access(CGROUPS "cgroup.procs", F_OK) &&
	    mount("cgroup2", CGROUPS, "cgroup2", 0, NULL))
		return "the kernel has no control groups";
	if (access(CGROUPS "cgroup.subtree_control", W_OK))
		return "control groups are of version 1";
	write_file(CGROUPS "cgroup.subtree_control", "+memory");
	if (mkdir(OURS, 0755) && errno != EEXIST)
		die("mkdir " OURS ": %m");
	write_file(OURS "cgroup.procs", "0");
	return access(OURS "memory.stat", R_OK) ? "the kernel has no memory groups" : NULL;
}

static struct vm *create(void *memory)
{
	struct vm_config config = { 0 };
	struct vm *vm = vm_create(&config);
	unsigned int i;

	for (i = 0; i < NR_SLOTS; i++)
		if (vm_set_slot(vm, SLOT + i, VM_DATA_GPA + i * SIZE, SIZE, memory, 0))
			die("memslot %u cannot be created", i);
	return vm;
}

static void fill_tables(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < NR_TABLES; i++)
		vcpu_store(&vm->vcpu[0], VM_DATA_GPA + i * STRIDE, i);
}

TEST(charged_and_given_back)
{
	long before, with, without, tables = NR_TABLES * TABLE_BYTES;
	struct vm *vm;
	void *memory;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	SKIP_IF(return, enter_group());
	if (module_loaded() && module_parameter("notifiers") == 'N')
		SKIP(return, "with notifiers=0 page tables are those of stock");
	memory = mem_alloc(SIZE, BACKING_SMALL, NULL);
	vm = create(memory);

	before = charged();
	fill_tables(vm);
	with = await_charged(before, true, tables / 2);
	EXPECT_OURS(vm, with >= tables / 2, "stock charges page tables to no cgroup");

	vm_destroy(vm);
	without = await_charged(before, false, tables / 2);
	TH_LOG("tables of %ld bytes: %ld charged, %ld after the VM has ended", tables, with,
	       without);
	EXPECT_GT(tables / 2, without);
	mem_free(memory, SIZE);
}

/* They are freed, whoever has made them. The first VM only fills caches. */
TEST(freed)
{
	long before = 0, left, tables = NR_TABLES * TABLE_BYTES;
	unsigned int i;
	struct vm *vm;
	void *memory;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	SKIP_IF(return, slab_missing());
	if (page_size() == TABLE_BYTES)
		SKIP(return, "only small objects are counted");
	memory = mem_alloc(SIZE, BACKING_SMALL, NULL);
	for (i = 0; i < 2; i++) {
		if (i)
			before = slab_bytes();
		vm = create(memory);
		fill_tables(vm);
		vm_destroy(vm);
	}
	left = slab_bytes() - before;
	TH_LOG("tables of %ld bytes: %ld left after the VM has ended", tables, left);
	EXPECT_GT(tables / 2, left);
	mem_free(memory, SIZE);
}

TEST_HARNESS_MAIN
