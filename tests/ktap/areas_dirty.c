// SPDX-License-Identifier: GPL-2.0
/*
 * Dirty logging of the host's stores to per-vCPU areas
 *
 * The guest never touches the logged slot, so that the log contains only the
 * host's own stores. Stock never reports a DTL.
 */
#include "ktap.h"

#include <stdatomic.h>

#include "area.h"
#include "logged_vm.h"
#include "record.h"

#define NR_VCPUS	GUEST_MAX_VCPUS
#define NR_PAGES	64

/* Pages of the first vCPU's areas; the other vCPUs use the pages after them. */
#define VPA_PAGE	8
#define SLB_PAGE	24
#define DTL_PAGE	40

#define PAGE(n)		(1ull << (n))
#define VPAS		PAGE(VPA_PAGE)
#define DTLS		PAGE(DTL_PAGE)

#define DTL_LENGTH	(10 * DTL_ENTRY)
#define SLB_LENGTH	256

#define OTHER_SLOT	2
#define RACES		1000
#define TIMEOUT		120

FIXTURE(dirty) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	struct record record;
};

FIXTURE_VARIANT(dirty) {
	enum vm_mmu mmu;
	enum backing backing;
	const char *name;
};

FIXTURE_VARIANT_ADD(dirty, radix) { VM_MMU_RADIX, BACKING_SMALL, "radix" };
FIXTURE_VARIANT_ADD(dirty, memfd) { VM_MMU_RADIX, BACKING_MEMFD, "memfd" };
FIXTURE_VARIANT_ADD(dirty, hpt) { VM_MMU_HPT, BACKING_SMALL, "hpt" };

FIXTURE_SETUP(dirty)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, variant->backing));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	record_open(&self->record, self->vm->ours, "areas_dirty.%s.%s",
		    _metadata->name, variant->name);
}

FIXTURE_TEARDOWN(dirty)
{
	record_close(&self->record);
	logged_vm_destroy(self->l);
}

static __u64 gpa_of(const struct _test_data_dirty *self, size_t page)
{
	return logged_vm_gpa(self->l, page);
}

static void *hva(const struct _test_data_dirty *self, size_t page)
{
	return self->l->memory + page * self->l->page;
}

/* Register all three areas, @n pages after those of the first vCPU. */
static void set_areas(struct _test_data_dirty *self, struct vcpu *vcpu,
		      unsigned int n)
{
	if (area_set(vcpu, VPA, gpa_of(self, VPA_PAGE + n), 0) ||
	    area_set(vcpu, SLB, gpa_of(self, SLB_PAGE + n), SLB_LENGTH) ||
	    area_set(vcpu, DTL, gpa_of(self, DTL_PAGE + n), DTL_LENGTH))
		die("areas of vCPU %d cannot be registered", vcpu->id);
}

/*
 * Collect, and expect exactly the pages in @want. Stock is known not to report
 * those in @lost.
 */
static void expect_pages(struct __test_metadata *_metadata,
			 struct _test_data_dirty *self, __u64 want, __u64 lost)
{
	__u64 got;

	ASSERT_EQ(0, logged_vm_collect(self->l));
	got = self->l->bitmap[0];
	record(&self->record, "%llx without %llx", got & ~lost, lost);
	if (lost && got == (want & ~lost) && may_xfail(self->vm))
		XFAIL(return, "%s", want & ~lost ?
		      "stock does not report a DTL" :
		      "stock loses the collected bits when the copy faults");
	EXPECT_EQ(want, got)
		TH_LOG("missing %#llx, not dirty %#llx", want & ~got,
		       got & ~want);
}

/* A collection reports exactly what was written since the previous one. */
TEST_F(dirty, registered)
{
	unsigned int i;

	set_areas(self, self->vcpu, 0);
	expect_pages(_metadata, self, 0, 0);
	for (i = 0; i < 3; i++) {
		vcpu_dispatch(self->vcpu);
		expect_pages(_metadata, self, VPAS | DTLS, DTLS);
		expect_pages(_metadata, self, 0, 0);
	}
}

TEST_F(dirty, registered_by_hcall)
{
	area_put_length(hva(self, VPA_PAGE), VPA, VPA_LENGTH);
	area_put_length(hva(self, SLB_PAGE), SLB, SLB_LENGTH);
	area_put_length(hva(self, DTL_PAGE), DTL, DTL_LENGTH);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_VPA, 0,
					    gpa_of(self, VPA_PAGE)));
	expect_pages(_metadata, self, VPAS, 0);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_SLB, 0,
					    gpa_of(self, SLB_PAGE)));
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_DTL, 0,
					    gpa_of(self, DTL_PAGE)));
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
}

/* The host reads the SLB shadow and never writes it. */
TEST_F(dirty, slb_shadow)
{
	unsigned int i;

	set_areas(self, self->vcpu, 0);
	ASSERT_EQ(0, area_set(self->vcpu, DTL, 0, 0));
	for (i = 0; i < 3; i++) {
		vcpu_dispatch(self->vcpu);
		expect_pages(_metadata, self, VPAS, 0);
	}
	ASSERT_EQ(0, area_set(self->vcpu, SLB, gpa_of(self, SLB_PAGE + 1),
			      SLB_LENGTH));
	vcpu_dispatch(self->vcpu);
	ASSERT_EQ(0, area_set(self->vcpu, SLB, 0, 0));
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS, 0);
}

/* A DTL of one entry: the host writes each entry over the previous one. */
TEST_F(dirty, dtl_of_1_entry)
{
	unsigned int i;

	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa_of(self, VPA_PAGE), 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, gpa_of(self, DTL_PAGE),
			      DTL_ENTRY));
	for (i = 0; i < 3; i++) {
		vcpu_dispatch(self->vcpu);
		expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	}
}

/* Collect after and before the VMM unregisters the areas. */
TEST_F(dirty, unregistered)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	area_unset_all(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, 0, 0);

	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	area_unset_all(self->vcpu);
	expect_pages(_metadata, self, 0, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, 0, 0);
}

TEST_F(dirty, unregistered_by_hcall)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_DTL, 0, 0));
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_SLB, 0, 0));
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_VPA, 0, 0));
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, 0, 0);
}

/* The vCPU never runs again, as after a reset. */
TEST_F(dirty, unregistered_and_not_run)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	vcpu_dispatch(self->vcpu);
	area_unset_all(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	expect_pages(_metadata, self, 0, 0);
}

TEST_F(dirty, never_applied)
{
	set_areas(self, self->vcpu, 0);
	area_unset_all(self->vcpu);
	expect_pages(_metadata, self, 0, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, 0, 0);
}

TEST_F(dirty, replaced)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	set_areas(self, self->vcpu, 1);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | VPAS << 1 | DTLS | DTLS << 1,
		     DTLS | DTLS << 1);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS << 1 | DTLS << 1, DTLS << 1);

	/* The new areas are not applied yet: only the old ones were written. */
	vcpu_dispatch(self->vcpu);
	set_areas(self, self->vcpu, 2);
	expect_pages(_metadata, self, VPAS << 1 | DTLS << 1, DTLS << 1);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS << 2 | DTLS << 2, DTLS << 2);
}

/* KVM applies only the last of several requests. */
TEST_F(dirty, replaced_before_applied)
{
	unsigned int i;

	for (i = 0; i < 4; i++)
		set_areas(self, self->vcpu, i);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS << 3 | DTLS << 3, DTLS << 3);
}

/* Register the same address again, which restarts the area. */
TEST_F(dirty, registered_again)
{
	area_put_length(hva(self, VPA_PAGE), VPA, VPA_LENGTH);
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(&self->vcpu[1], REG_VPA, 0,
					    gpa_of(self, VPA_PAGE)));
	expect_pages(_metadata, self, 0, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	ASSERT_EQ(0, area_set(self->vcpu, DTL, 0, 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, gpa_of(self, DTL_PAGE),
			      DTL_LENGTH));
	expect_pages(_metadata, self, 0, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
}

/* A failed copy loses nothing. */
static void collect_in_vain(struct __test_metadata *_metadata,
			    struct _test_data_dirty *self)
{
	ASSERT_EQ(-EFAULT, vm_get_dirty_log(self->vm, LOGGED_SLOT, NULL));
}

TEST_F(dirty, copy_faulted)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	collect_in_vain(_metadata, self);
	expect_pages(_metadata, self, VPAS | DTLS, VPAS | DTLS);
	expect_pages(_metadata, self, 0, 0);
}

TEST_F(dirty, copy_faulted_then_unregistered)
{
	set_areas(self, self->vcpu, 0);
	vcpu_dispatch(self->vcpu);
	collect_in_vain(_metadata, self);
	area_unset_all(self->vcpu);
	collect_in_vain(_metadata, self);
	expect_pages(_metadata, self, VPAS | DTLS, VPAS | DTLS);
	expect_pages(_metadata, self, 0, 0);
}

/* Stores from before logging began are reported by the first collection. */
TEST_F(dirty, logged_later)
{
	set_areas(self, self->vcpu, 0);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	vcpu_dispatch(self->vcpu);
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	expect_pages(_metadata, self, 0, 0);
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
}

/* A slot's log reports only areas in that slot. */
TEST_F(dirty, slot_by_slot)
{
	__u64 other = VM_DATA_GPA + self->l->size, bitmap;
	void *memory;

	memory = mem_alloc(THP_SIZE, BACKING_SMALL, NULL);
	ASSERT_EQ(0, vm_set_slot(self->vm, OTHER_SLOT, other, self->l->page,
				 memory, KVM_MEM_LOG_DIRTY_PAGES));
	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa_of(self, VPA_PAGE), 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, other, DTL_LENGTH));
	vcpu_dispatch(self->vcpu);
	expect_pages(_metadata, self, VPAS, 0);
	bitmap = -1;
	ASSERT_EQ(0, vm_get_dirty_log(self->vm, OTHER_SLOT, &bitmap));
	if (!bitmap && may_xfail(self->vm))
		XFAIL(bitmap = 1, "stock does not report a DTL");
	EXPECT_EQ(1, bitmap);

	/* Swap the two areas. */
	ASSERT_EQ(0, area_set(self->vcpu, VPA, other, 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, gpa_of(self, DTL_PAGE),
			      DTL_LENGTH));
	vcpu_dispatch(self->vcpu);
	bitmap = -1;
	ASSERT_EQ(0, vm_get_dirty_log(self->vm, OTHER_SLOT, &bitmap));
	EXPECT_EQ(1, bitmap);
	expect_pages(_metadata, self, DTLS, DTLS);
	mem_free(memory, THP_SIZE);
}

/* The areas of a vCPU that does not run are clean. */
TEST_F(dirty, vcpu_by_vcpu)
{
	set_areas(self, &self->vcpu[0], 0);
	set_areas(self, &self->vcpu[1], 1);
	vcpu_dispatch(&self->vcpu[0]);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	vcpu_dispatch(&self->vcpu[1]);
	expect_pages(_metadata, self, VPAS << 1 | DTLS << 1, DTLS << 1);
	vcpu_dispatch(&self->vcpu[0]);
	expect_pages(_metadata, self, VPAS | DTLS, DTLS);
	expect_pages(_metadata, self, 0, 0);
}

/* Areas of two vCPUs on one page. */
TEST_F(dirty, shared_page)
{
	__u64 gpa = gpa_of(self, VPA_PAGE);

	ASSERT_EQ(0, area_set(&self->vcpu[0], VPA, gpa, 0));
	ASSERT_EQ(0, area_set(&self->vcpu[1], VPA, gpa + 1024, 0));
	vcpu_dispatch(&self->vcpu[0]);
	expect_pages(_metadata, self, VPAS, 0);
	vcpu_dispatch(&self->vcpu[1]);
	expect_pages(_metadata, self, VPAS, 0);
	expect_pages(_metadata, self, 0, 0);
}

/* A thread that unregisters areas while the main thread collects. */
struct unregister {
	struct vcpu *vcpu;
	pthread_barrier_t barrier;
	atomic_bool stop;
};

static void *unregister_thread(void *arg)
{
	struct unregister *u = arg;

	for (;;) {
		pthread_barrier_wait(&u->barrier);
		if (atomic_load(&u->stop))
			return NULL;
		area_unset_all(u->vcpu);
		pthread_barrier_wait(&u->barrier);
	}
}

static void busy_wait(unsigned long turns)
{
	while (turns--)
		__asm__ volatile("" : : : "memory");
}

/*
 * The host stores before the collection begins, so that collection must report
 * the store, no matter when the area is unregistered meanwhile. Otherwise the
 * last round of a migration, after the guest was stopped, would miss the page.
 */
TEST_F_TIMEOUT(dirty, unregistered_during_collection, TIMEOUT)
{
	/* A collection reaches the last vCPU last, which widens the race. */
	struct unregister u = { .vcpu = &self->vm->vcpu[NR_VCPUS - 1] };
	unsigned long races = scaled(RACES), race;
	unsigned long vpas_late = 0, dtls_late = 0;
	__u64 random = option("KTAP_SEED", 1);
	pthread_t thread;

	ASSERT_EQ(0, pthread_barrier_init(&u.barrier, NULL, 2));
	ASSERT_EQ(0, pthread_create(&thread, NULL, unregister_thread, &u));
	for (race = 0; race < races; race++) {
		set_areas(self, u.vcpu, 0);
		vcpu_dispatch(u.vcpu);
		pthread_barrier_wait(&u.barrier);
		busy_wait(random_below(&random, 20000));
		ASSERT_EQ(0, logged_vm_collect(self->l));
		pthread_barrier_wait(&u.barrier);
		vpas_late += !test_bit(self->l->bitmap, VPA_PAGE);
		dtls_late += !test_bit(self->l->bitmap, DTL_PAGE);
		/* Collect the rest before the next race. */
		ASSERT_EQ(0, logged_vm_collect(self->l));
	}
	atomic_store(&u.stop, true);
	pthread_barrier_wait(&u.barrier);
	pthread_join(thread, NULL);
	TH_LOG("%lu times, %lu VPAs and %lu DTLs not reported in time", races,
	       vpas_late, dtls_late);
	if (dtls_late && may_xfail(self->vm))
		XFAIL(return, "stock does not report a DTL");
	EXPECT_EQ(0, vpas_late);
	EXPECT_EQ(0, dtls_late);
}

TEST_HARNESS_MAIN
