// SPDX-License-Identifier: GPL-2.0
/*
 * The VPA on a host whose hypervisor writes to it as well (nested API v2)
 *
 * The host tells the hypervisor where the VPA is. The hypervisor must write only to
 * the page that the guest sees, and never to a page that was freed.
 * tests/modules/refuse.c answers in place of a hypervisor that refuses, and counts
 * the references of the page that the real one was told of last.
 *
 * Only the emulator of exact-papr10 has a hypervisor that writes: it counts
 * dispatches. That of papr10 refuses each VPA.
 */
#include "ktap.h"

#include <endian.h>
#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/uio.h>

#include "area.h"
#include "kernel_log.h"
#include "logged_vm.h"
#include "module.h"

#define HELPER		"kvm_hv_ext_refuse"
#define HELPER_FILE	"kvm-hv-ext-refuse.ko"
#define PARAMETERS	"/sys/module/" HELPER "/parameters/"

#define H_GUEST_CREATE		0x470
#define H_GUEST_RUN_VCPU	0x480
#define H_HARDWARE		-1l
#define H_AUTHORITY		-10l

#define NR_PAGES	8
#define VPA_PAGE	1
#define OTHER_PAGE	3
#define DISPATCHES	5

#define SAYS(what)	"^[^;]*;kvm_hv_ext: pid [0-9]+ vCPU 0: cannot make the hypervisor " what \
			" the VPA \\(-?[0-9]+\\)"
#define SAYS_REGISTER	SAYS("register") "$"
#define SAYS_FORGET	SAYS("forget") ": its last page stays allocated$"

FIXTURE(told) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	char *vpa, *other;
	int log;
};

static long parameter(const char *name)
{
	char path[128], text[32] = "";
	FILE *file;

	snprintf(path, sizeof(path), PARAMETERS "%s", name);
	file = fopen(path, "r");
	if (!file || !fgets(text, sizeof(text), file))
		die("read %s: %m", path);
	fclose(file);
	return text[0] == 'Y' ? 1 : strtol(text, NULL, 0);
}

/* From now on no VPA is registered with the hypervisor, or forgotten by it. */
static void refuse(bool on)
{
	write_file(PARAMETERS "vpa", on ? "1" : "0");
}

static __u32 dispersions(const void *vpa)
{
	return be32toh(__atomic_load_n((const __be32 *)(vpa + VPA_DISPERSIONS),
				       __ATOMIC_ACQUIRE));
}

/* Dispatch the vCPU: how often has the hypervisor counted in this VPA? */
static __u32 counted(struct _test_data_told *self, const void *vpa)
{
	__u32 before = dispersions(vpa);
	unsigned int i;

	for (i = 0; i < DISPATCHES; i++)
		vcpu_dispatch(self->vcpu);
	return dispersions(vpa) - before;
}

FIXTURE_SETUP(told)
{
	struct vm_config config = { 0 };

	if (!host_is_lpar())
		SKIP(return, "bare metal has no hypervisor");
	if (!module_built(HELPER_FILE))
		SKIP(return, HELPER_FILE " was not built");
	module_remove_name(HELPER);
	ASSERT_EQ(0, module_insert_file(HELPER_FILE, ""));
	if (!parameter("nested_v2")) {
		module_remove_name(HELPER);
		SKIP(return, "the hypervisor is not told of VPAs (no nested API v2)");
	}
	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	self->vpa = self->l->memory + VPA_PAGE * self->l->page;
	self->other = self->l->memory + OTHER_PAGE * self->l->page;
	self->log = kernel_log_open();
}

FIXTURE_TEARDOWN(told)
{
	refuse(false);
	if (self->l)
		logged_vm_destroy(self->l);
	close(self->log);
	EXPECT_EQ(0, module_remove_name(HELPER));
}

static int set_vpa(struct _test_data_told *self, const void *vpa)
{
	__u64 offset = (const char *)vpa - self->l->memory;

	return area_set(self->vcpu, VPA, vpa ? self->l->gpa + offset : 0, 0);
}

/* Why this hypervisor is no use: it must accept VPAs, and write to them. */
static const char *hypervisor_silent(struct _test_data_told *self)
{
	bool writes;

	if (set_vpa(self, self->other))
		die("cannot register a VPA");
	writes = counted(self, self->other);
	if (set_vpa(self, NULL))
		die("cannot unregister a VPA");
	return writes ? NULL : "this hypervisor does not write to VPAs";
}

TEST_F(told, counts_where_registered)
{
	const char *second = self->vpa + VPA_LENGTH;
	char *copy = malloc(self->l->size);

	SKIP_IF(return, hypervisor_silent(self));
	EXPECT_EQ(0, counted(self, self->other));
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
	/* in the same page */
	ASSERT_EQ(0, set_vpa(self, second));
	EXPECT_LE(DISPATCHES, counted(self, second));
	EXPECT_EQ(0, counted(self, self->vpa));
	ASSERT_EQ(0, set_vpa(self, self->other));
	EXPECT_LE(DISPATCHES, counted(self, self->other));
	EXPECT_EQ(0, counted(self, second));
	/* registered again, as after a reset of the guest */
	ASSERT_EQ(0, set_vpa(self, NULL));
	ASSERT_EQ(0, set_vpa(self, self->other));
	EXPECT_LE(DISPATCHES, counted(self, self->other));
	ASSERT_EQ(0, set_vpa(self, NULL));
	memcpy(copy, self->l->memory, self->l->size);
	EXPECT_EQ(0, counted(self, self->other));
	EXPECT_EQ(0, memcmp(copy, self->l->memory, self->l->size));
	free(copy);
}

TEST_F(told, counts_by_hypercall)
{
	SKIP_IF(return, hypervisor_silent(self));
	area_put_length(self->vpa, VPA, VPA_LENGTH);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_VPA, 0,
					    logged_vm_gpa(self->l, VPA_PAGE)));
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_VPA, 0, 0));
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(0, counted(self, self->vpa));
}

/* What the hypervisor writes is in the dirty log once the vCPU has left the guest. */
TEST_F(told, counts_are_logged)
{
	SKIP_IF(return, hypervisor_silent(self));
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	vcpu_dispatch(self->vcpu);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(0, self->l->bitmap[0]);
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_EQ(1ull << VPA_PAGE, self->l->bitmap[0]);
}

TEST_F(told, counts_in_the_new_page)
{
	SKIP_IF(return, hypervisor_silent(self));
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	EXPECT_OURS(self->vm, counted(self, self->vpa) >= DISPATCHES,
		    "stock keeps using the page it found at registration");
}

/* The VM runs as before, but for what the hypervisor would have written. */
TEST_F(told, register_refused)
{
	__u32 yields;

	kernel_log_count(self->log, SAYS_REGISTER);
	refuse(true);
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	EXPECT_EQ(0, counted(self, self->vpa));
	yields = vpa_yield_count(self->vpa);
	vcpu_dispatch(self->vcpu);
	EXPECT_LT(yields, vpa_yield_count(self->vpa));
	EXPECT_EQ(self->vm->ours, kernel_log_count(self->log, SAYS_REGISTER));
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_TRUE(self->l->bitmap[0] & 1ull << VPA_PAGE);

	refuse(false);
	if (hypervisor_silent(self))
		return;
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
}

/*
 * The hypervisor continues to write to a page that the VM has given up, so that
 * page must not be freed. A pipe holds it too, for the references to be counted.
 */
static void forget_refused(struct __test_metadata *_metadata,
			   struct _test_data_told *self, const void *vpa, bool new_page)
{
	struct iovec iov = { self->vpa, self->l->page };
	size_t page = self->l->page;
	int pipe[2];

	SKIP_IF(return, hypervisor_silent(self));
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	ASSERT_LE(DISPATCHES, counted(self, self->vpa));
	ASSERT_EQ(0, pipe2(pipe, O_CLOEXEC));
	ASSERT_EQ((ssize_t)page, vmsplice(pipe[1], &iov, 1, 0));
	kernel_log_count(self->log, SAYS_FORGET);

	refuse(true);
	ASSERT_EQ(0, madvise(self->vpa, page, MADV_DONTNEED));
	if (new_page)
		ASSERT_EQ(0, set_vpa(self, vpa));
	vcpu_dispatch(self->vcpu);
	/* pages wait on each CPU to be put on an LRU list, with a reference */
	write_file("/proc/sys/vm/compact_memory", "1");
	EXPECT_OURS(self->vm, parameter("references") == 2,
		    "stock frees the page or keeps using it");
	EXPECT_EQ(self->vm->ours, kernel_log_count(self->log, SAYS_FORGET) > 0);
	if (vpa) {
		__u32 yields = vpa_yield_count(vpa);

		vcpu_dispatch(self->vcpu);
		EXPECT_OURS(self->vm, yields < vpa_yield_count(vpa),
			    "stock keeps using the page it found at registration");
	}

	/* the VM's end ends it too */
	logged_vm_destroy(self->l);
	self->l = NULL;
	write_file("/proc/sys/vm/compact_memory", "1");
	EXPECT_EQ(1, parameter("references"));
	close(pipe[0]);
	close(pipe[1]);
}

TEST_F(told, forget_refused_page_dropped)
{
	forget_refused(_metadata, self, self->vpa, false);
}

TEST_F(told, forget_refused_replaced)
{
	forget_refused(_metadata, self, self->other, true);
}

TEST_F(told, forget_refused_unregistered)
{
	forget_refused(_metadata, self, NULL, true);
}

/* Refused once, accepted later: nothing is kept any more. */
TEST_F(told, forgotten_later)
{
	SKIP_IF(return, hypervisor_silent(self));
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	ASSERT_LE(DISPATCHES, counted(self, self->vpa));
	refuse(true);
	ASSERT_EQ(0, set_vpa(self, self->other));
	vcpu_dispatch(self->vcpu);
	refuse(false);
	ASSERT_EQ(0, set_vpa(self, self->vpa));
	EXPECT_LE(DISPATCHES, counted(self, self->vpa));
	EXPECT_EQ(0, counted(self, self->other));
	ASSERT_EQ(0, set_vpa(self, NULL));
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(0, parameter("references"));
}

static void refuse_hcall(unsigned long number, long rc)
{
	char text[32];

	snprintf(text, sizeof(text), "%ld", rc);
	write_file(PARAMETERS "rc", text);
	snprintf(text, sizeof(text), "%lu", number);
	write_file(PARAMETERS "hcall", text);
}

/* A hypervisor that has no room for a guest, or has withdrawn what it offered. */
TEST_F(told, create_refused)
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct vm_config config = { 0 };

	refuse_hcall(H_GUEST_CREATE, H_AUTHORITY);
	EXPECT_EQ(-1, ioctl(kvm, KVM_CREATE_VM, KVM_VM_PPC_HV));
	EXPECT_EQ(EPERM, errno);
	close(kvm);
	vcpu_dispatch(self->vcpu);
	refuse_hcall(0, 0);
	vm_destroy(vm_create(&config));
}

/* KVM_RUN returns without an exit reason, and the VM is as before. */
TEST_F(told, run_refused)
{
	__u64 value = 0x1234, gpa = logged_vm_gpa(self->l, OTHER_PAGE);

	ASSERT_EQ(0, set_vpa(self, self->vpa));
	vcpu_store(self->vcpu, gpa, 1);
	refuse_hcall(H_GUEST_RUN_VCPU, H_HARDWARE);
	self->vcpu->area->count = 0;
	EXPECT_EQ(KVM_EXIT_UNKNOWN, vcpu_try(self->vcpu, GUEST_LOAD));
	EXPECT_EQ(KVM_EXIT_UNKNOWN, vcpu_try(self->vcpu, GUEST_LOAD));
	refuse_hcall(0, 0);
	vcpu_restart(self->vcpu);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	vcpu_store(self->vcpu, gpa, value);
	EXPECT_EQ(value, *(__u64 *)self->other);
	ASSERT_EQ(0, logged_vm_collect(self->l));
	EXPECT_TRUE(self->l->bitmap[0] & 1ull << OTHER_PAGE);
}

TEST_HARNESS_MAIN
