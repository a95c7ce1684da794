// SPDX-License-Identifier: GPL-2.0
/*
 * Per-vCPU areas whose memory is unmapped, replaced, or added late
 *
 * The host must write the page that the guest sees, and no other. Stock looks
 * up the page once, when the area is registered, and keeps writing that page;
 * if there is no memory at that time, stock never looks again.
 */
#include "ktap.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/uio.h>
#include <sys/wait.h>

#include "area.h"
#include "logged_vm.h"

#define NR_VCPUS	2
#define NR_PAGES	8

#define VPA_PAGE	1
#define DTL_PAGE	3
#define SLB_PAGE	5

/* an area must not cross a page of the host */
#define DTL_LENGTH	(80 * DTL_ENTRY)
#define SLB_LENGTH	256

#define VANISHINGS	300
#define VMS		20
#define KILLS		12
#define TIMEOUT		120

FIXTURE(memory) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	void *vpa;
	void *dtl;
	char *before;		/* a copy of the slot */
};

FIXTURE_VARIANT(memory) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(memory, radix) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(memory, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(memory, hpt) { VM_MMU_HPT, BACKING_SMALL };

FIXTURE_SETUP(memory)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, variant->backing));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	self->vpa = self->l->memory + VPA_PAGE * self->l->page;
	self->dtl = self->l->memory + DTL_PAGE * self->l->page;
	self->before = malloc(self->l->size);
}

FIXTURE_TEARDOWN(memory)
{
	free(self->before);
	logged_vm_destroy(self->l);
}

static __u64 gpa_of(const struct _test_data_memory *self, size_t page)
{
	return logged_vm_gpa(self->l, page);
}

static void set_areas(struct _test_data_memory *self, struct vcpu *vcpu)
{
	if (area_set(vcpu, VPA, gpa_of(self, VPA_PAGE), 0) ||
	    area_set(vcpu, DTL, gpa_of(self, DTL_PAGE), DTL_LENGTH) ||
	    area_set(vcpu, SLB, gpa_of(self, SLB_PAGE), SLB_LENGTH))
		die("areas of vCPU %d cannot be registered", vcpu->id);
}

static int set_slot(struct _test_data_memory *self, __u64 gpa, size_t size,
		    void *hva)
{
	return vm_set_slot(self->vm, LOGGED_SLOT, gpa, size, hva,
			   KVM_MEM_LOG_DIRTY_PAGES);
}

static void take_copy(struct _test_data_memory *self)
{
	memcpy(self->before, self->l->memory, self->l->size);
}

static bool changed(const struct _test_data_memory *self)
{
	return memcmp(self->before, self->l->memory, self->l->size) != 0;
}

/* Does a dispatch change VPA and DTL in the pages that the guest sees? */
static bool written_by_dispatch(struct _test_data_memory *self)
{
	__u32 count = vpa_yield_count(self->vpa);
	__u64 index = vpa_dtl_index(self->vpa);
	char dtl[DTL_LENGTH];

	memcpy(dtl, self->dtl, DTL_LENGTH);
	vcpu_dispatch(self->vcpu);
	return vpa_yield_count(self->vpa) > count &&
	       vpa_dtl_index(self->vpa) > index &&
	       memcmp(dtl, self->dtl, DTL_LENGTH) != 0;
}

static bool initialised(const struct _test_data_memory *self)
{
	return ((__u8 *)self->vpa)[VPA_STATUS] & VPA_STATUS_SHARED;
}

/* The hypercall succeeds only if KVM considers the VPA to be registered. */
static long ask_for_slb(struct _test_data_memory *self)
{
	__u64 gpa = GUEST_AREA(GUEST_MAX_VCPUS);

	area_put_length(vm_hva(self->vm, gpa), SLB, SLB_LENGTH);
	return h_register_vpa(self->vcpu, REG_SLB, 0, gpa);
}

#define STALE	"stock keeps writing the page it found at registration"

/*
 * Let a pipe hold pages, so that they can be read after the process drops them.
 */
static void hold(int pipe[2], void *page, size_t size)
{
	struct iovec iov = { page, size };

	if (pipe2(pipe, O_CLOEXEC) < 0)
		die("pipe: %m");
	if (vmsplice(pipe[1], &iov, 1, 0) != (ssize_t)size)
		die("vmsplice: %m");
}

static void read_held(int pipe[2], void *copy, size_t size)
{
	size_t done = 0;
	ssize_t ret;

	for (; done < size; done += ret) {
		ret = read(pipe[0], copy + done, size - done);
		if (ret <= 0)
			die("read what the pipe holds: %m");
	}
	close(pipe[0]);
	close(pipe[1]);
}

/* The host must write to the new page, not to the one that was dropped. */
TEST_F(memory, dropped)
{
	size_t page = self->l->page;
	char *held = malloc(page);
	bool written, old_written;
	__u64 want;
	int pipe[2];

	if (variant->backing != BACKING_SMALL)
		SKIP(return, "shared memory stays when it is dropped");
	set_areas(self, self->vcpu);
	vcpu_dispatch(self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	take_copy(self);
	hold(pipe, self->vpa, page);
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	EXPECT_EQ(0, vpa_yield_count(self->vpa));
	ASSERT_EQ(0, logged_vm_collect(self->l));

	written = written_by_dispatch(self) && written_by_dispatch(self);
	read_held(pipe, held, page);
	old_written = memcmp(held, self->before + VPA_PAGE * page, page) != 0;
	free(held);
	EXPECT_OURS(self->vm, written && !old_written, STALE);

	/* The guest sees it too. */
	if (variant->mmu == VM_MMU_RADIX)
		EXPECT_EQ(*(__u64 *)(self->vpa + VPA_DTL_INDEX),
			  vcpu_load(&self->vm->vcpu[1],
				    gpa_of(self, VPA_PAGE) + VPA_DTL_INDEX));
	want = 1ull << VPA_PAGE | 1ull << DTL_PAGE;
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_OURS(self->vm, (self->l->bitmap[0] & want) == want,
		    "stock does not report a DTL");
}

/* A hole in the file, as a balloon device punches it into shared memory. */
TEST_F(memory, hole_punched)
{
	if (variant->backing != BACKING_MEMFD)
		SKIP(return, "only shared memory has holes");
	set_areas(self, self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_REMOVE));
	EXPECT_EQ(0, vpa_yield_count(self->vpa));
	EXPECT_OURS(self->vm, written_by_dispatch(self), STALE);
}

/*
 * Drop the memory repeatedly while a vCPU runs. The host must always end up
 * writing the present page.
 */
TEST_F_TIMEOUT(memory, dropped_while_running, TIMEOUT)
{
	unsigned long rounds = scaled(VANISHINGS), round, stale = 0;
	int advice = variant->backing == BACKING_MEMFD ? MADV_REMOVE :
							 MADV_DONTNEED;
	__u32 count;

	set_areas(self, self->vcpu);
	vcpu_start(self->vcpu, GUEST_SERVE);
	for (round = 0; round < rounds; round++) {
		memset(self->l->memory, 0, self->l->size);
		ASSERT_EQ(0, madvise(self->l->memory, self->l->size, advice));
		vcpu_reenter(self->vcpu);
		count = vpa_yield_count(self->vpa);
		vcpu_reenter(self->vcpu);
		stale += vpa_yield_count(self->vpa) == count;
	}
	vcpu_stop(self->vcpu);
	TH_LOG("the host wrote a dropped page %lu of %lu times", stale,
	       rounds);
	EXPECT_OURS(self->vm, stale == 0, STALE);
}

TEST_F(memory, slot_deleted)
{
	void *other = mem_alloc(THP_SIZE, variant->backing, NULL);

	set_areas(self, self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, 0, self->l->memory));
	take_copy(self);
	vcpu_dispatch(self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_OURS(self->vm, !changed(self), STALE);
	EXPECT_EQ(gpa_of(self, VPA_PAGE), area_get(self->vcpu, VPA).addr);
	EXPECT_EQ(gpa_of(self, DTL_PAGE), area_get(self->vcpu, DTL).addr);

	/* The guest gets other memory in its place. */
	take_copy(self);
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, self->l->size, other));
	self->vpa = other + VPA_PAGE * self->l->page;
	self->dtl = other + DTL_PAGE * self->l->page;
	EXPECT_OURS(self->vm, written_by_dispatch(self) && !changed(self), STALE);

	/* After all this, unregistering works as usual. */
	area_unset_all(self->vcpu);
	memcpy(self->before, other, self->l->size);
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(0, memcmp(self->before, other, self->l->size));
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, 0, other));
	mem_free(other, THP_SIZE);
}

TEST_F(memory, slot_moved)
{
	__u64 away = VM_DATA_GPA + 2 * self->l->size;

	set_areas(self, self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	ASSERT_EQ(0, set_slot(self, away, self->l->size, self->l->memory));
	take_copy(self);
	vcpu_dispatch(self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_OURS(self->vm, !changed(self), STALE);

	/* Areas at the new address of the slot work. */
	ASSERT_EQ(0, area_set(self->vcpu, VPA, away, 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, 0, 0));
	vcpu_dispatch(self->vcpu);
	EXPECT_LT(1, vpa_yield_count(self->l->memory));

	/* The old areas work again once the slot is back. */
	set_areas(self, self->vcpu);
	vcpu_dispatch(self->vcpu);
	memset(self->l->memory, 0, self->l->size);
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, self->l->size,
			      self->l->memory));
	EXPECT_OURS(self->vm, written_by_dispatch(self),
		    "stock never looks again for memory that was missing");
}

/* Registered before there is memory, as in an incoming migration. */
TEST_F(memory, slot_added_later)
{
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, 0, self->l->memory));
	set_areas(self, self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(gpa_of(self, VPA_PAGE), area_get(self->vcpu, VPA).addr);
	EXPECT_EQ(DTL_LENGTH, area_get(self->vcpu, DTL).length);
	/* For the guest's hypercalls the VPA is not registered. */
	EXPECT_EQ(H_RESOURCE, ask_for_slb(self));

	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, self->l->size,
			      self->l->memory));
	EXPECT_OURS(self->vm, written_by_dispatch(self) && initialised(self),
		    "stock never looks again for memory that was missing");

	/* Setting another value and the same again helps on stock too. */
	area_unset_all(self->vcpu);
	vcpu_dispatch(self->vcpu);
	memset(self->l->memory, 0, self->l->size);
	set_areas(self, self->vcpu);
	EXPECT_TRUE(written_by_dispatch(self) && initialised(self));
}

/* The slot is added while the vCPU runs a command that does not end. */
TEST_F(memory, slot_added_while_running)
{
	ASSERT_EQ(0, set_slot(self, VM_DATA_GPA, 0, self->l->memory));
	set_areas(self, self->vcpu);
	vcpu_start(self->vcpu, GUEST_SERVE);
	vcpu_reenter(self->vcpu);
	ASSERT_EQ(0, vm_set_memslot(self->vm, LOGGED_SLOT, VM_DATA_GPA,
				    self->l->size, self->l->memory,
				    KVM_MEM_LOG_DIRTY_PAGES));
	vcpu_reenter(self->vcpu);
	EXPECT_OURS(self->vm, vpa_yield_count(self->vpa) > 0,
		    "stock never looks again for memory that was missing");
	vcpu_stop(self->vcpu);
}

/* Read-only memory becomes writable; the VMM sets the same value again. */
TEST_F(memory, writable_later)
{
	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size, PROT_READ));
	set_areas(self, self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(0, vpa_yield_count(self->vpa));
	EXPECT_EQ(H_RESOURCE, ask_for_slb(self));
	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size,
			      PROT_READ | PROT_WRITE));
	set_areas(self, self->vcpu);
	EXPECT_OURS(self->vm, written_by_dispatch(self),
		    "stock never looks again for memory that was missing");
}

/* The same for an area that was in use, where the module retries by itself. */
TEST_F(memory, read_only_for_a_while)
{
	__u32 count;

	set_areas(self, self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size, PROT_READ));
	take_copy(self);
	vcpu_dispatch(self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_OURS(self->vm, !changed(self), STALE);
	count = vpa_yield_count(self->vpa);

	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size,
			      PROT_READ | PROT_WRITE));
	EXPECT_TRUE(written_by_dispatch(self));
	/* The yield count continues: this is not a new registration. */
	EXPECT_LT(count, vpa_yield_count(self->vpa));
}

/*
 * The same for areas that the guest itself has registered: counts would begin anew
 * if it registered them again.
 */
TEST_F(memory, registered_by_hcall)
{
	unsigned int i;

	area_put_length(self->vpa, VPA, VPA_LENGTH);
	area_put_length(self->dtl, DTL, DTL_LENGTH);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_VPA, 0, gpa_of(self, VPA_PAGE)));
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_DTL, 0, gpa_of(self, DTL_PAGE)));
	for (i = 0; i < 5; i++)
		vcpu_dispatch(self->vcpu);
	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size, PROT_READ));
	ASSERT_EQ(0, mprotect(self->l->memory, self->l->size,
			      PROT_READ | PROT_WRITE));
	EXPECT_TRUE(written_by_dispatch(self));
}

/* After fork() the host must write the parent's page, not the child's. */
TEST_F(memory, forked)
{
	bool written, child_changed;
	int go[2], status;
	char byte = 0;
	pid_t child;

	if (variant->backing != BACKING_SMALL)
		SKIP(return, "shared memory is not copied on write");
	set_areas(self, self->vcpu);
	ASSERT_TRUE(written_by_dispatch(self));
	take_copy(self);
	ASSERT_EQ(0, pipe(go));
	child = fork();
	ASSERT_LE(0, child);
	if (!child) {
		if (read(go[0], &byte, 1) != 1)
			_exit(2);
		_exit(changed(self));
	}
	/* Break copy-on-write in the parent. */
	memset(self->vpa + VPA_LENGTH, 1, 1);
	memset(self->dtl + DTL_LENGTH, 1, 1);
	written = written_by_dispatch(self) && written_by_dispatch(self);
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(child, waitpid(child, &status, 0));
	ASSERT_TRUE(WIFEXITED(status));
	ASSERT_GE(1, WEXITSTATUS(status));
	child_changed = WEXITSTATUS(status);
	EXPECT_OURS(self->vm, written && !child_changed, STALE);
	close(go[0]);
	close(go[1]);
}

/* Number of pages pinned now in the whole system. */
static long count_pins(void)
{
	long acquired = 0, released = 0;
	char line[256];
	FILE *file;

	write_file("/proc/sys/vm/stat_refresh", "1");
	file = fopen("/proc/vmstat", "r");
	if (!file)
		die("open /proc/vmstat: %m");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "nr_foll_pin_acquired %ld", &acquired) != 1 &&
		    sscanf(line, "nr_foll_pin_released %ld", &released) != 1)
			continue;
	}
	fclose(file);
	return acquired - released;
}

/* Destroy VMs with areas in every possible state. */
TEST_F_TIMEOUT(memory, no_pin_left, TIMEOUT)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };
	unsigned long vms = scaled(VMS), i;
	long before = count_pins();
	struct _test_data_memory other;
	long during;

	if (!self->vm->ours)
		SKIP(return, "stock's references to pages are not counted");
	for (i = 0; i < vms; i++) {
		ASSERT_EQ(NULL, logged_vm_create(&other.l, &config, NR_PAGES,
						 variant->backing));
		other.vm = other.l->vm;
		set_areas(&other, &other.vm->vcpu[0]);
		set_areas(&other, &other.vm->vcpu[1]);
		if (i & 1) {
			vcpu_dispatch(&other.vm->vcpu[0]);
			during = count_pins();
			/* Each of the three areas is on a page of its own. */
			EXPECT_EQ(before + 3, during);
		}
		if (i & 2)
			ASSERT_EQ(0, area_set(&other.vm->vcpu[0], VPA,
					      gpa_of(&other, VPA_PAGE + 1), 0));
		if (i & 4)
			area_unset_all(&other.vm->vcpu[0]);
		if (i & 8) {
			ASSERT_EQ(0, set_slot(&other, VM_DATA_GPA, 0,
					      other.l->memory));
			vcpu_dispatch(&other.vm->vcpu[0]);
		}
		logged_vm_destroy(other.l);
		EXPECT_EQ(before, count_pins());
	}
}

/* Kill a process at a random time while its vCPUs run. */
TEST_F_TIMEOUT(memory, no_pin_left_when_killed, TIMEOUT)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };
	unsigned long kills = scaled(KILLS), i, tries;
	__u64 random = option("KTAP_SEED", 1);
	long before = count_pins();
	struct _test_data_memory other;
	pid_t child;

	if (!self->vm->ours)
		SKIP(return, "stock's references to pages are not counted");
	for (i = 0; i < kills; i++) {
		child = fork();
		ASSERT_LE(0, child);
		if (!child) {
			logged_vm_create(&other.l, &config, NR_PAGES, variant->backing);
			other.vm = other.l->vm;
			vcpu_start(&other.vm->vcpu[1], GUEST_SERVE);
			for (;;) {
				set_areas(&other, &other.vm->vcpu[0]);
				h_register_vpa(&other.vm->vcpu[0], DEREG_DTL, 1, 0);
				vcpu_dispatch(&other.vm->vcpu[0]);
				area_unset_all(&other.vm->vcpu[0]);
			}
		}
		usleep(20000 + random_below(&random, 200000));
		kill(child, SIGKILL);
		ASSERT_EQ(child, waitpid(child, NULL, 0));
		for (tries = 0; tries < 100 && count_pins() != before; tries++)
			usleep(10000);
		EXPECT_EQ(before, count_pins());
	}
}

TEST_HARNESS_MAIN
