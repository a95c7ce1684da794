// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that are not paged (paging=0): what they have touched stays where it
 * is, counts against RLIMIT_MEMLOCK, and is given back
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <errno.h>
#include <linux/capability.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "logged_vm.h"

#define PAGING		"/sys/module/kvm_hv_ext/parameters/paging"
#define NR_PAGES	64
#define VALUE		0x5157

FIXTURE(pinned) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	unsigned long before;	/* locked before the slot was touched */
};

FIXTURE_VARIANT(pinned) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(pinned, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(pinned, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(pinned, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(pinned, hpt) { VM_MMU_HPT, BACKING_SMALL };

/* Pages that count against RLIMIT_MEMLOCK of this process. */
static unsigned long locked_pages(void)
{
	unsigned long kbytes = 0;
	char line[128];
	FILE *file = fopen("/proc/self/status", "r");

	if (!file)
		die("open /proc/self/status: %m");
	while (fgets(line, sizeof(line), file))
		if (sscanf(line, "VmLck: %lu", &kbytes) == 1)
			break;
	fclose(file);
	return kbytes * 1024 / page_size();
}

static void store_all(struct vcpu *vcpu, const struct logged_vm *l)
{
	vcpu_store_pages(vcpu, VM_DATA_GPA, l->page, l->pages, VALUE);
}

FIXTURE_SETUP(pinned)
{
	struct vm_config config = { .mmu = variant->mmu };
	const char *why;

	if (module_refcnt() < 0)
		SKIP(return, "stock pages all guests");
	write_file(PAGING, "0");
	self->l = logged_vm_create(&config, NR_PAGES, variant->backing, &why);
	write_file(PAGING, "1");
	if (!self->l)
		SKIP(return, "%s", why);
	check_subject(self->l->vm);
	self->vcpu = &self->l->vm->vcpu[0];
	/* what the guest itself needs comes first */
	vcpu_load(self->vcpu, GUEST_AREA(0));
	self->before = locked_pages();
}

FIXTURE_TEARDOWN(pinned)
{
	if (!self->l)
		return;
	logged_vm_destroy(self->l);
	EXPECT_EQ(0, locked_pages());
}

/* A page that is mapped for a paged guest reads as zero after this. */
TEST_F(pinned, stays)
{
	struct logged_vm *l = self->l;
	size_t page;

	store_all(self->vcpu, l);
	EXPECT_EQ(self->before + l->pages, locked_pages());
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(l->pages, logged_vm_count(l));

	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	for (page = 0; page < l->pages; page++)
		EXPECT_EQ(VALUE + page,
			  vcpu_load(self->vcpu, logged_vm_gpa(l, page)));
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

/* An HPTE may name memory that is there without a fault. */
TEST_F(pinned, there_before)
{
	struct logged_vm *l = self->l;

	memset(l->memory, 1, l->size);
	if (variant->mmu == VM_MMU_HPT)
		vm_map_hpt(l->vm, VM_DATA_GPA, l->size);
	store_all(self->vcpu, l);
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

/* A large page is pinned as a whole; a page that nobody touches is not. */
TEST_F(pinned, when_touched)
{
	struct logged_vm *l = self->l;
	size_t most = variant->backing == BACKING_THP ? THP_SIZE / l->page : 1;

	ASSERT_EQ(0, logged_vm_set_log(l, false));
	vcpu_store(self->vcpu, VM_DATA_GPA, VALUE);
	EXPECT_LT(self->before, locked_pages());
	EXPECT_GE(self->before + most, locked_pages());
}

/* What userspace puts there is the guest's when the guest maps it again. */
TEST_F(pinned, replaced)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	*(__u64 *)l->memory = VALUE + 1;
	if (variant->mmu == VM_MMU_RADIX) {
		/* a log takes no mapping away, a slot that goes does */
		ASSERT_EQ(0, logged_vm_set_log(l, false));
		EXPECT_EQ(variant->backing == BACKING_MEMFD ? VALUE + 1 : VALUE,
			  vcpu_load(self->vcpu, VM_DATA_GPA));
		ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT, VM_DATA_GPA, 0,
					    l->memory, 0));
		ASSERT_EQ(0, logged_vm_set_log(l, false));
		EXPECT_EQ(VALUE + 1, vcpu_load(self->vcpu, VM_DATA_GPA));
		store_all(self->vcpu, l);
	}
	vcpu_store(self->vcpu, VM_DATA_GPA, VALUE + 2);
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

TEST_F(pinned, given_back_with_slot)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_LT(self->before, locked_pages());
	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT, VM_DATA_GPA, 0, l->memory, 0));
	EXPECT_EQ(self->before, locked_pages());
}

static void drop_capabilities(void)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct none[2] = { 0 };

	if (syscall(SYS_capset, &header, none))
		die("drop capabilities: %m");
}

static void limit_locked(unsigned long pages)
{
	struct rlimit limit = { pages * page_size(), RLIM_INFINITY };

	if (setrlimit(RLIMIT_MEMLOCK, &limit))
		die("limit locked memory to %lu pages: %m", pages);
}

/* KVM_RUN says so, and goes on where it was when the limit is raised. */
TEST_F(pinned, limited)
{
	struct guest_area *area = self->vcpu->area;
	unsigned int i;

	limit_locked(self->before + 4);
	drop_capabilities();
	area->op = GUEST_STORE;
	area->count = 8;
	for (i = 0; i < area->count; i++) {
		area->list[i].addr = logged_vm_gpa(self->l, i);
		area->list[i].value = VALUE + i;
	}
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(-1, ioctl(self->vcpu->fd, KVM_RUN, 0));
		EXPECT_EQ(ENOMEM, errno);
		EXPECT_EQ(self->before + 4, locked_pages());
	}

	limit_locked(self->before + 8);
	ASSERT_EQ(0, vcpu_run(self->vcpu, GUEST_STORE));
	for (i = 0; i < 8; i++)
		EXPECT_EQ(VALUE + i, *(__u64 *)(self->l->memory + i * self->l->page));
}

TEST_HARNESS_MAIN
