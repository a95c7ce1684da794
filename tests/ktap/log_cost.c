// SPDX-License-Identifier: GPL-2.0
/*
 * Costs of a dirty log for the guest: page faults after it is switched on or
 * off, lost large mappings, and reports of pages that were only read
 *
 * Stock zaps all mappings when a log begins, and again when it ends. It also
 * reports pages that were only loaded from.
 */
#include "ktap.h"

#include <sys/mman.h>

#include "hist.h"
#include "logged_vm.h"

#define SIZE		(16 * THP_SIZE)

#define PROBE		"ktap_fault"
#define EVENT		"kprobes/" PROBE
/* All page faults of radix guests, including those that set R or C. */
#define PROBE_ANY	"ktap_any_fault"
#define EVENT_ANY	"kprobes/" PROBE_ANY
#define TRIGGER		"hist:keys=common_pid"
/* Grace periods that take tens of milliseconds: no expedited ones, nor SRCU's. */
#define PROBE_GRACE	"ktap_grace"
#define EVENT_GRACE	"kprobes/" PROBE_GRACE

FIXTURE(cost) {
	struct logged_vm *l;
	bool counting;
};

FIXTURE_VARIANT(cost) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(cost, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(cost, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(cost, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(cost, hugetlb) { VM_MMU_RADIX, BACKING_HUGETLB };
FIXTURE_VARIANT_ADD(cost, hpt) { VM_MMU_HPT, BACKING_SMALL };

/* All pages are mapped, and the log is off. */
FIXTURE_SETUP(cost)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, SIZE / page_size(), variant->backing));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	vcpu_store_pages(&self->l->vm->vcpu[0], self->l->gpa, self->l->page,
			 self->l->pages, 1);
	if (access(TRACEFS "kprobe_events", W_OK))
		return;
	write_file(TRACEFS "kprobe_events", variant->mmu == VM_MMU_HPT ?
		   "p:" PROBE " kvm_hv:kvmppc_book3s_hv_page_fault" :
		   "p:" PROBE " kvm_hv:kvmppc_book3s_instantiate_page\n"
		   "p:" PROBE_ANY " kvm_hv:kvmppc_book3s_radix_page_fault");
	self->counting = true;
}

FIXTURE_TEARDOWN(cost)
{
	if (self->counting)
		write_file(TRACEFS "kprobe_events", "");
	logged_vm_destroy(self->l);
}

/* Access each page, and return the number of page faults. */
static unsigned long faults(struct _test_data_cost *self, const char *event, bool store)
{
	struct logged_vm *l = self->l;

	hist_start(event, TRIGGER);
	if (store)
		vcpu_store_pages(&l->vm->vcpu[0], l->gpa, l->page, l->pages, 2);
	else
		vcpu_load_pages(&l->vm->vcpu[0], l->gpa, l->page, l->pages);
	return hist_stop(event, TRIGGER);
}

TEST_F(cost, faults_while_logged)
{
	unsigned long loads, stores;

	if (!self->counting)
		SKIP(return, "the kernel has no kprobes to count with");
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	loads = faults(self, EVENT, false);
	stores = faults(self, EVENT, true);
	TH_LOG("%zu pages mapped, log switched on: loads fault %lu times, stores %lu",
	       self->l->pages, loads, stores);
	EXPECT_OURS(self->l->vm, !loads && !stores, "stock zaps all mappings");
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(self->l->pages, logged_vm_count(self->l));
	stores = faults(self, EVENT, true);
	EXPECT_EQ(0, stores);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(self->l->pages, logged_vm_count(self->l));
}

TEST_F(cost, faults_afterwards)
{
	const char *event = variant->mmu == VM_MMU_HPT ? EVENT : EVENT_ANY;
	unsigned long loads, stores;

	if (!self->counting)
		SKIP(return, "the kernel has no kprobes to count with");
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	vcpu_store_pages(&self->l->vm->vcpu[0], self->l->gpa, self->l->page,
			 self->l->pages, 3);
	/* clean the pages: stores fault if software has to set C */
	ASSERT_EQ(0, logged_vm_collect(self->l));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	loads = faults(self, event, false);
	stores = faults(self, event, true);
	TH_LOG("%zu pages mapped, log switched off: loads fault %lu times, stores %lu",
	       self->l->pages, loads, stores);
	EXPECT_OURS(self->l->vm, !loads && !stores, "stock zaps all mappings");
}

/*
 * Shared memory that the VMM may write to, but has not: a load maps it for stores
 * as well.
 */
TEST_F(cost, loaded_first)
{
	unsigned long loads, stores;

	if (!self->counting)
		SKIP(return, "the kernel has no kprobes to count with");
	if (variant->backing != BACKING_MEMFD)
		SKIP(return, "the first store to private memory replaces the page");
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	loads = faults(self, EVENT_ANY, false);
	stores = faults(self, EVENT_ANY, true);
	TH_LOG("%zu pages unmapped: loads fault %lu times, then stores %lu", self->l->pages,
	       loads, stores);
	EXPECT_LE(self->l->pages, loads);
	EXPECT_EQ(0, stores);
}

/* QEMU does this for each memslot of a guest, and serves no device meanwhile. */
TEST_F(cost, switched_without_grace_period)
{
	unsigned long waits;
	char trigger[128];

	if (!self->counting)
		SKIP(return, "the kernel has no kprobes to count with");
	/* Without it, synchronize_rcu_tasks() is synchronize_rcu(). */
	write_file(TRACEFS "kprobe_events", kernel_has("synchronize_rcu_tasks") ?
		   "p:" PROBE_GRACE " synchronize_rcu\n"
		   "p:" PROBE_GRACE " synchronize_rcu_tasks" :
		   "p:" PROBE_GRACE " synchronize_rcu");
	snprintf(trigger, sizeof(trigger), "%s if common_pid==%d", TRIGGER, getpid());
	hist_start(EVENT_GRACE, trigger);
	for (int i = 0; i < 10; i++) {
		ASSERT_EQ(0, logged_vm_set_log(self->l, true));
		ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	}
	waits = hist_stop(EVENT_GRACE, trigger);
	EXPECT_EQ(0, waits);
}

#define LEAVES_2M	"/sys/kernel/debug/kvm/num_2M_pages"
#define LEAVES_1G	"/sys/kernel/debug/kvm/num_1G_pages"

/* The kernel's count of large mappings of all VMs. */
static long large_mappings(const char *of_size)
{
	char text[32] = "";
	FILE *file = fopen(of_size, "r");

	if (!file)
		return -1;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return atol(text);
}

TEST_F(cost, large_mappings)
{
	long before = large_mappings(LEAVES_2M), logged, after;

	if (before <= 0)
		SKIP(return, "no large leaves map this memory");
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	logged = large_mappings(LEAVES_2M);
	vcpu_store_pages(&self->l->vm->vcpu[0], self->l->gpa, self->l->page,
			 self->l->pages, 3);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	after = large_mappings(LEAVES_2M);
	TH_LOG("leaves of 2 MiB: %ld, while logged %ld, afterwards %ld", before, logged,
	       after);
	EXPECT_EQ(0, logged);
	EXPECT_OURS(self->l->vm, before == after, "stock maps them only when the guest faults");
}

#define GIGA		0x40000000ul

/* A 1 GiB page, which the host must have reserved at boot. */
TEST(gigantic)
{
	struct vm_config config = { 0 };
	long before, logged, after;
	struct vm *vm;
	char *memory;
	__u64 page;

	memory = mmap(NULL, GIGA, PROT_READ | PROT_WRITE,
		      MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | 30 << MAP_HUGE_SHIFT, -1, 0);
	if (memory == MAP_FAILED)
		SKIP(return, "the host has no page of 1 GiB (hugepagesz=1G hugepages=1)");
	vm = vm_create(&config);
	ASSERT_EQ(0, vm_set_slot(vm, 1, GIGA, GIGA, memory, 0));
	vcpu_store(&vm->vcpu[0], GIGA, 1);
	before = large_mappings(LEAVES_1G);
	ASSERT_EQ(0, vm_set_slot(vm, 1, GIGA, GIGA, memory, KVM_MEM_LOG_DIRTY_PAGES));
	logged = large_mappings(LEAVES_1G);
	for (page = 0; page < 100; page++)
		vcpu_store(&vm->vcpu[0], GIGA + page * 0xa30000, page);
	ASSERT_EQ(0, vm_set_slot(vm, 1, GIGA, GIGA, memory, 0));
	after = large_mappings(LEAVES_1G);
	TH_LOG("leaves of 1 GiB: %ld, while logged %ld, afterwards %ld; of 2 MiB %ld", before,
	       logged, after, large_mappings(LEAVES_2M));
	EXPECT_EQ(1, before);
	EXPECT_EQ(0, logged);
	EXPECT_OURS(vm, after == 1, "stock maps it only when the guest faults");
	for (page = 0; page < 100; page++)
		EXPECT_EQ(page, *(__u64 *)(memory + page * 0xa30000));
	for (page = 0; page < 100; page++)
		EXPECT_EQ(page, vcpu_load(&vm->vcpu[0], GIGA + page * 0xa30000));
	vm_destroy(vm);
	munmap(memory, GIGA);
}

/* Present memory in a new slot, which the guest accesses for the first time. */
TEST_F(cost, only_read)
{
	struct logged_vm *l = self->l;
	struct vcpu *vcpu = &l->vm->vcpu[0];

	l->slot = LOGGED_SLOT + 1;
	l->gpa = 2 * VM_DATA_GPA;
	ASSERT_EQ(0, logged_vm_set_log(l, true));
	vcpu_load_pages(vcpu, l->gpa, l->page, l->pages);
	ASSERT_EQ(0, logged_vm_collect(l));
	TH_LOG("%zu pages only read, %zu reported", l->pages, logged_vm_count(l));
	EXPECT_OURS(l->vm, !logged_vm_count(l), "stock reports pages that were only read");
	vcpu_store_pages(vcpu, l->gpa, l->page, l->pages, 4);
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(l->pages, logged_vm_count(l));
	vcpu_load_pages(vcpu, l->gpa, l->page, l->pages);
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(0, logged_vm_count(l));
}

TEST_HARNESS_MAIN
