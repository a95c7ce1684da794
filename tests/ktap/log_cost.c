// SPDX-License-Identifier: GPL-2.0
/*
 * What a log costs the guest: page faults after it is switched on or off, large
 * mappings, and pages reported that were only read
 *
 * Stock takes all mappings away when a log begins, and again when it ends; and it
 * reports what was loaded from as if it had been stored to.
 */
#include "ktap.h"

#include "hist.h"
#include "logged_vm.h"

#define SIZE		(16 * THP_SIZE)

#define PROBE		"ktap_fault"
#define EVENT		"kprobes/" PROBE
/* All page faults of radix guests, those for R and C as well. */
#define PROBE_ANY	"ktap_any_fault"
#define EVENT_ANY	"kprobes/" PROBE_ANY
#define TRIGGER		"hist:keys=common_pid"

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

/* All is mapped, and no log is kept. */
FIXTURE_SETUP(cost)
{
	struct vm_config config = { .mmu = variant->mmu };
	const char *why;

	self->l = logged_vm_create(&config, SIZE / page_size(), variant->backing, &why);
	if (!self->l)
		SKIP(return, "%s", why);
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
	if (self->l)
		logged_vm_destroy(self->l);
}

/* Page faults of an access to each page. */
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
	EXPECT_OURS(self->l->vm, !loads && !stores, "stock takes all mappings away");
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
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	loads = faults(self, event, false);
	stores = faults(self, event, true);
	TH_LOG("%zu pages mapped, log switched off: loads fault %lu times, stores %lu",
	       self->l->pages, loads, stores);
	EXPECT_OURS(self->l->vm, !loads && !stores, "stock takes all mappings away");
}

/* Large mappings of all VMs, as the kernel counts them. */
static long large_mappings(void)
{
	char text[32] = "";
	FILE *file = fopen("/sys/kernel/debug/kvm/num_2M_pages", "r");

	if (!file)
		return -1;
	if (!fgets(text, sizeof(text), file))
		text[0] = 0;
	fclose(file);
	return atol(text);
}

TEST_F(cost, large_mappings)
{
	long before = large_mappings(), logged, after;

	if (before <= 0)
		SKIP(return, "this memory is not mapped by large leaves");
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	logged = large_mappings();
	vcpu_store_pages(&self->l->vm->vcpu[0], self->l->gpa, self->l->page,
			 self->l->pages, 3);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	after = large_mappings();
	TH_LOG("leaves of 2 MiB: %ld, while logged %ld, afterwards %ld", before, logged,
	       after);
	EXPECT_EQ(0, logged);
	EXPECT_OURS(self->l->vm, before == after, "stock has the guest fault for each");
}

/* Memory that the host has and the guest comes to for the first time, in a new slot. */
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
