// SPDX-License-Identifier: GPL-2.0
/*
 * Page tables of a guest are charged to the VMM's memory cgroup
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

#define CGROUPS		"/sys/fs/cgroup/"
#define OURS		CGROUPS "ktap/"

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

TEST(charged_and_given_back)
{
	long before, with, without, tables = NR_TABLES * (STRIDE / page_size()) * 8;
	struct vm_config config = { 0 };
	struct vm *vm;
	unsigned int i;
	void *memory;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	SKIP_IF(return, enter_group());
	memory = mem_alloc(SIZE, BACKING_SMALL, NULL);
	vm = vm_create(&config);
	for (i = 0; i < NR_SLOTS; i++)
		ASSERT_EQ(0, vm_set_slot(vm, SLOT + i, VM_DATA_GPA + i * SIZE, SIZE, memory, 0));

	before = charged();
	for (i = 0; i < NR_TABLES; i++)
		vcpu_store(&vm->vcpu[0], VM_DATA_GPA + i * STRIDE, i);
	with = await_charged(before, true, tables / 2);
	EXPECT_OURS(vm, with >= tables / 2, "stock charges page tables to no cgroup");

	vm_destroy(vm);
	without = await_charged(before, false, tables / 2);
	TH_LOG("tables of %ld bytes: %ld charged, %ld after the VM has ended", tables, with,
	       without);
	EXPECT_GT(tables / 2, without);
	mem_free(memory, SIZE);
}

TEST_HARNESS_MAIN
