// SPDX-License-Identifier: GPL-2.0
/*
 * Guests that are not paged (paging=0): pages that they have touched stay
 * pinned, count against RLIMIT_MEMLOCK, and are unpinned in the end. Otherwise
 * they are like other guests: the guest cannot access what the VMM may not
 * write or has lost.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "logged_vm.h"
#include "nested.h"
#include "observe.h"
#include "options.h"

#define PAGING		"/sys/module/kvm_hv_ext/parameters/paging"
#define NR_PAGES	64
#define VALUE		0x5157
#define OTHER		0x6268

#ifndef MADV_SOFT_OFFLINE
#define MADV_SOFT_OFFLINE	101
#endif

/* Seconds to wait for a vCPU that nothing blocks. */
#define PATIENCE	20
#define TIMEOUT		300

#define LPID		9

FIXTURE(pinned) {
	struct logged_vm *l;
	struct vcpu *vcpu;
	unsigned long before;	/* pages locked before the slot was touched */
};

FIXTURE_VARIANT(pinned) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(pinned, small) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(pinned, thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(pinned, memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(pinned, hpt) { VM_MMU_HPT, BACKING_SMALL };

/* Number of pages charged to RLIMIT_MEMLOCK of this process. */
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
	struct vm_config config = { .nr_vcpus = 2, .mmu = variant->mmu };
	const char *why;

	if (module_refcnt() < 0)
		SKIP(return, "stock pages all guests");
	if (host_is_power8())
		SKIP(return, "a POWER8 cannot pin pages");
	write_file(PAGING, "0");
	why = logged_vm_create(&self->l, &config, NR_PAGES, variant->backing);
	write_file(PAGING, "1");
	SKIP_IF(return, why);
	self->vcpu = &self->l->vm->vcpu[0];
	/* pin the guest's own code and data before counting */
	vcpu_load(self->vcpu, GUEST_AREA(0));
	self->before = locked_pages();
}

FIXTURE_TEARDOWN(pinned)
{
	logged_vm_destroy(self->l);
	EXPECT_EQ(0, locked_pages());
}

/* After the madvise() a paged guest would read zeroes. */
TEST_F(pinned, stays)
{
	struct logged_vm *l = self->l;
	struct counters counters;
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
	counters_read(&counters, l->vm, "counters");
	EXPECT_EQ(0, counter(&counters, "fault_failed"));
}

/* A new HPTE may map present memory without a fault, and must pin it too. */
TEST_F(pinned, there_before)
{
	struct logged_vm *l = self->l;

	memset(l->memory, 1, l->size);
	if (variant->mmu == VM_MMU_HPT)
		vm_map_hpt(l->vm, VM_DATA_GPA, l->size);
	store_all(self->vcpu, l);
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

/*
 * KVM pins a huge page as a whole, and no page that the guest does not touch.
 */
TEST_F(pinned, when_touched)
{
	struct logged_vm *l = self->l;
	size_t most = variant->backing == BACKING_THP ? THP_SIZE / l->page : 1;

	ASSERT_EQ(0, logged_vm_set_log(l, false));
	vcpu_store(self->vcpu, VM_DATA_GPA, VALUE);
	EXPECT_LT(self->before, locked_pages());
	EXPECT_GE(self->before + most, locked_pages());
}

/* The guest sees replaced memory once it faults the page again. */
TEST_F(pinned, replaced)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	*(__u64 *)l->memory = VALUE + 1;
	if (variant->mmu == VM_MMU_RADIX) {
		/* switching the log zaps no mapping, deleting the slot does */
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

/* A change of the protection makes the guest fault again; the new page is then pinned. */
TEST_F(pinned, replaced_by_protection)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	*(__u64 *)l->memory = OTHER;
	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_READ));
	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(OTHER, vcpu_load(self->vcpu, VM_DATA_GPA));

	/* a paged guest would read zero */
	ASSERT_EQ(0, madvise(l->memory, l->size, MADV_DONTNEED));
	EXPECT_EQ(OTHER, vcpu_load(self->vcpu, VM_DATA_GPA));
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

/* A low address, below all memslots and what was mapped before. */
#define LOW	((void *)(1ul << 36))

/*
 * The protection of other memory changes: of the next memslot, and of memory that
 * is not the guest's. No page of this memslot loses its mapping, or its C bit.
 */
TEST_F(pinned, protected_elsewhere)
{
	struct logged_vm *l = self->l;
	char *behind = mem_alloc(l->size, BACKING_SMALL, NULL), *low;

	low = mmap(LOW, l->page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)low);
	memset(behind, 1, l->size);
	memset(low, 1, l->page);
	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT + 1, l->gpa + l->size, l->size, behind,
				    0));
	store_all(self->vcpu, l);
	ASSERT_EQ(0, mprotect(behind + l->size / 2, l->page, PROT_READ));
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(l->pages, logged_vm_count(l));

	store_all(self->vcpu, l);
	ASSERT_EQ(0, mprotect(low, l->page, PROT_READ));
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(l->pages, logged_vm_count(l));

	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT + 1, l->gpa + l->size, 0, behind, 0));
	munmap(low, l->page);
	mem_free(behind, l->size);
}

TEST_F(pinned, given_back_with_slot)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_LT(self->before, locked_pages());
	ASSERT_EQ(0, vm_set_memslot(l->vm, LOGGED_SLOT, VM_DATA_GPA, 0, l->memory, 0));
	EXPECT_EQ(self->before, locked_pages());
}

/* One access to a page: 0 or -errno of KVM_RUN. */
static int try_page(struct vcpu *vcpu, const struct logged_vm *l, enum guest_op op,
		    size_t page, __u64 value)
{
	area_list(vcpu->area, logged_vm_gpa(l, page), 0, 1, value);
	return vcpu_try(vcpu, op);
}

TEST_F(pinned, made_read_only)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_READ));
	EXPECT_EQ(VALUE, vcpu_load(self->vcpu, VM_DATA_GPA));
	EXPECT_EQ(-EFAULT, try_page(self->vcpu, l, GUEST_STORE, 0, OTHER));
	EXPECT_EQ(VALUE, *(__u64 *)l->memory);
	/* the guest's second attempt fails too */
	EXPECT_EQ(-EFAULT, vcpu_try(self->vcpu, GUEST_STORE));

	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, vcpu_try(self->vcpu, GUEST_STORE));
	EXPECT_EQ(OTHER, *(__u64 *)l->memory);
	EXPECT_EQ(self->before + l->pages, locked_pages());
}

/* Memory that the VMM cannot access either. */
TEST_F(pinned, made_inaccessible)
{
	struct logged_vm *l = self->l;

	store_all(self->vcpu, l);
	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_NONE));
	EXPECT_EQ(-EFAULT, try_page(self->vcpu, l, GUEST_LOAD, 0, 0));
	EXPECT_EQ(-EFAULT, try_page(self->vcpu, l, GUEST_STORE, 1, OTHER));
	ASSERT_EQ(0, mprotect(l->memory, l->size, PROT_READ | PROT_WRITE));
	EXPECT_EQ(VALUE, vcpu_load(self->vcpu, VM_DATA_GPA));
}

/*
 * A private mapping of a file may not be written when the guest loads from it. Later kernels
 * copy the page to pin it; for earlier ones the copy that the first store takes must replace
 * the pinned page of the file.
 */
TEST_F(pinned, copied_for_store)
{
	const __u64 gpa = VM_DATA_GPA + (16ull << 20);
	struct logged_vm *l = self->l;
	struct vm *vm = l->vm;
	__u64 value = VALUE;
	__u64 *memory;
	int fd;

	if (variant->backing != BACKING_SMALL)
		SKIP(return, "one kind of memory is enough");
	fd = memfd_create("pinned", MFD_CLOEXEC);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, ftruncate(fd, l->page));
	ASSERT_EQ((ssize_t)sizeof(value), pwrite(fd, &value, sizeof(value), 0));
	memory = mmap(NULL, l->page, PROT_READ, MAP_PRIVATE, fd, 0);
	ASSERT_NE(MAP_FAILED, memory);
	ASSERT_EQ(0, vm_set_memslot(vm, LOGGED_SLOT + 1, gpa, l->page, memory, 0));
	if (variant->mmu == VM_MMU_HPT)
		vm_map_hpt(vm, gpa, l->page);

	EXPECT_EQ(VALUE, vcpu_load(self->vcpu, gpa));
	EXPECT_EQ(self->before + 1, locked_pages());
	ASSERT_EQ(0, mprotect(memory, l->page, PROT_READ | PROT_WRITE));
	vcpu_store(self->vcpu, gpa, OTHER);
	EXPECT_EQ(OTHER, *memory);
	*memory = VALUE + 1;
	/* a paged guest would read the file's value */
	ASSERT_EQ(0, madvise(memory, l->page, MADV_DONTNEED));
	EXPECT_EQ(VALUE + 1, vcpu_load(self->vcpu, gpa));
	EXPECT_EQ(self->before + 1, locked_pages());
	ASSERT_EQ((ssize_t)sizeof(value), pread(fd, &value, sizeof(value), 0));
	EXPECT_EQ(VALUE, value);

	ASSERT_EQ(0, vm_set_memslot(vm, LOGGED_SLOT + 1, gpa, 0, memory, 0));
	EXPECT_EQ(self->before, locked_pages());
	munmap(memory, l->page);
	close(fd);
}

static void ignore(int signal)
{
	(void)signal;
}

/* The host treats a page as broken memory; some kernels send the VMM SIGBUS. */
TEST_F(pinned, poisoned)
{
	struct sigaction action = { .sa_handler = ignore };
	struct logged_vm *l = self->l;

	if (variant->backing != BACKING_SMALL)
		SKIP(return, "one kind of memory is enough");
	sigaction(SIGBUS, &action, NULL);
	store_all(self->vcpu, l);
	if (madvise(l->memory + l->page, l->page, MADV_HWPOISON) && errno != EBUSY)
		SKIP(return, "the kernel does not handle broken memory (CONFIG_MEMORY_FAILURE)");
	EXPECT_EQ(-EFAULT, try_page(self->vcpu, l, GUEST_LOAD, 1, 0));
	EXPECT_EQ(-EFAULT, try_page(self->vcpu, l, GUEST_STORE, 1, OTHER));
	/* on the other vCPU: this one still has to complete its access */
	EXPECT_EQ(VALUE + 2, vcpu_load(&l->vm->vcpu[1], logged_vm_gpa(l, 2)));
}

/*
 * The host tries to take the page offline: it cannot move it, or replaces it.
 */
TEST_F(pinned, taken_offline)
{
	struct logged_vm *l = self->l;

	if (variant->backing != BACKING_SMALL)
		SKIP(return, "one kind of memory is enough");
	store_all(self->vcpu, l);
	if (madvise(l->memory + l->page, l->page, MADV_SOFT_OFFLINE) && errno == EINVAL)
		SKIP(return, "the kernel does not handle broken memory (CONFIG_MEMORY_FAILURE)");
	EXPECT_EQ(VALUE + 1, vcpu_load(self->vcpu, logged_vm_gpa(l, 1)));
	vcpu_store(self->vcpu, logged_vm_gpa(l, 1), OTHER);
	EXPECT_EQ(OTHER, *(__u64 *)(l->memory + l->page));
}

/*
 * Make threads that touch the memory wait for let_go(). Return why the host
 * cannot, or NULL.
 */
static const char *hold_up(void *memory, size_t size, int *fd)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register range = {
		.range = { (unsigned long)memory, size },
		.mode = UFFDIO_REGISTER_MODE_MISSING,
	};

	*fd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (*fd < 0)
		return "the kernel has no userfaultfd (CONFIG_USERFAULTFD)";
	if (ioctl(*fd, UFFDIO_API, &api) || ioctl(*fd, UFFDIO_REGISTER, &range))
		die("userfaultfd: %m");
	return NULL;
}

static void await_held_up(int fd)
{
	struct pollfd poll_fd = { .fd = fd, .events = POLLIN };

	if (poll(&poll_fd, 1, PATIENCE * 1000) != 1)
		die("no thread waits for the userfaultfd");
}

static void let_go(int fd, void *memory, size_t size)
{
	struct uffdio_zeropage zero = {
		.range = { (unsigned long)memory, size },
	};

	if (ioctl(fd, UFFDIO_ZEROPAGE, &zero))
		die("UFFDIO_ZEROPAGE: %m");
}

/* Wait until another thread has increased a number; false on timeout. */
static bool gets_larger(const unsigned long *number, unsigned long before)
{
	time_t give_up = time(NULL) + PATIENCE;

	while (__atomic_load_n(number, __ATOMIC_SEQ_CST) == before) {
		if (time(NULL) > give_up)
			return false;
		usleep(1000);
	}
	return true;
}

/*
 * A vCPU touches memory that arrives late, as after a post-copy migration. The
 * other vCPU must still fault pages in and react to signals.
 */
TEST_F_TIMEOUT(pinned, waits_alone, TIMEOUT)
{
	struct vcpu *waiting = self->vcpu, *other = &self->l->vm->vcpu[1];
	struct logged_vm *l = self->l;
	unsigned long exits;
	bool gets_on;
	int fd;

	if (variant->backing == BACKING_THP)
		SKIP(return, "all huge pages are populated");
	SKIP_IF(return, hold_up(l->memory, l->page, &fd));
	area_list(waiting->area, VM_DATA_GPA, 0, 1, VALUE);
	vcpu_start(waiting, GUEST_STORE);
	await_held_up(fd);

	other->area->addr = logged_vm_gpa(l, 1);
	other->area->stride = l->page;
	other->area->count = l->pages - 1;
	other->area->seed = 1;
	vcpu_start(other, GUEST_CHURN);
	gets_on = gets_larger((unsigned long *)&other->area->progress, 0);
	EXPECT_TRUE(gets_on);
	if (gets_on) {
		/* it may have exited before pthread_kill() returns */
		exits = other->exits;
		other->run->immediate_exit = 1;
		pthread_kill(other->thread, SIGUSR1);
		EXPECT_TRUE(gets_larger(&other->exits, exits));
	}

	EXPECT_TRUE(waiting->running);
	let_go(fd, l->memory, l->page);
	vcpu_stop(waiting);
	vcpu_stop(other);
	EXPECT_EQ(VALUE, *(__u64 *)l->memory);
	close(fd);
}

/* A thread on CPU 0 that measures the longest time it could not run, in @ns. */
struct rival {
	atomic_bool stop;
	unsigned long ns;
};

static unsigned long now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ul + now.tv_nsec;
}

static void keep_to_cpu_0(void)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(0, &cpus);
	if (sched_setaffinity(0, sizeof(cpus), &cpus))
		die("run on CPU 0 only: %m");
}

static void *rival_thread(void *arg)
{
	struct rival *rival = arg;
	unsigned long last, now;

	keep_to_cpu_0();
	last = now_ns();
	while (!atomic_load(&rival->stop)) {
		now = now_ns();
		if (now - last > rival->ns)
			rival->ns = now - last;
		last = now;
	}
	return NULL;
}

/*
 * Unpinning a large slot takes long, and must leave CPU time to other threads.
 */
TEST_F_TIMEOUT(pinned, gives_way, TIMEOUT)
{
	size_t size = sysconf(_SC_PHYS_PAGES) / 2 * self->l->page;
	struct rival rival = { 0 };
	unsigned long begin, ns;
	pthread_t thread;
	void *memory;

	if (variant->mmu != VM_MMU_RADIX || variant->backing != BACKING_SMALL)
		SKIP(return, "one kind of memory is enough");
	if (!option("KTAP_ICOUNT", 0))
		SKIP(return, "the host's clock does not count instructions");
	memory = mem_alloc(size, BACKING_SMALL, NULL);
	ASSERT_EQ(0, vm_set_memslot(self->l->vm, LOGGED_SLOT + 1, 1ull << 32, size,
				    memory, 0));
	vcpu_store_pages(self->vcpu, 1ull << 32, self->l->page, size / self->l->page,
			 VALUE);
	keep_to_cpu_0();
	ASSERT_EQ(0, pthread_create(&thread, NULL, rival_thread, &rival));
	usleep(100000);
	rival.ns = 0;
	begin = now_ns();
	ASSERT_EQ(0, vm_set_memslot(self->l->vm, LOGGED_SLOT + 1, 1ull << 32, 0, memory,
				    0));
	ns = now_ns() - begin;
	atomic_store(&rival.stop, true);
	pthread_join(thread, NULL);
	mem_free(memory, size);
	TH_LOG("%zu pages unpinned in %lu us, another thread waited at most %lu us",
	       size / self->l->page, ns / 1000, rival.ns / 1000);
	EXPECT_GT(ns / 4, rival.ns);
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

/*
 * KVM_RUN fails with ENOMEM, and continues the guest once the limit is raised.
 */
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

FIXTURE(pinned_nested) {
	struct logged_vm *l;
	struct nested *n;
	struct l2 l2;
};

FIXTURE_SETUP(pinned_nested)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX, .nested = true };
	const char *why;

	if (module_refcnt() < 0)
		SKIP(return, "stock pages all guests");
	if (host_is_power8())
		SKIP(return, "a POWER8 cannot pin pages");
	write_file(PAGING, "0");
	why = logged_vm_create(&self->l, &config, NR_PAGES * NESTED_PAGE / page_size(),
			       BACKING_SMALL);
	write_file(PAGING, "1");
	SKIP_IF(return, why);
	self->n = nested_create_one(self->l->vm, &self->l2, LPID);
	nested_map(self->n, LPID, VM_DATA_GPA, VM_DATA_GPA, self->l->size,
		   NESTED_READ | NESTED_WRITE);
	/* pin the guests' own code and data before counting */
	l2_store(&self->l2, VM_DATA_GPA, VALUE);
}

FIXTURE_TEARDOWN(pinned_nested)
{
	logged_vm_destroy(self->l);
	nested_destroy(self->n);
	EXPECT_EQ(0, locked_pages());
}

/* KVM_RUN fails with ENOMEM; L2 must not exit to L1 for it. */
TEST_F(pinned_nested, limited)
{
	unsigned long before = locked_pages();
	struct guest_area *area = self->l2.area;
	unsigned int i;

	limit_locked(before + 2);
	drop_capabilities();
	area_list(area, VM_DATA_GPA + NESTED_PAGE, NESTED_PAGE, 8, VALUE);
	area->op = GUEST_STORE;
	for (i = 0; i < 2; i++) {
		ASSERT_EQ(-ENOMEM, vcpu_try(self->l2.l1, GUEST_ENTER_NESTED));
		EXPECT_EQ(before + 2, locked_pages());
	}

	limit_locked(before + 8);
	l2_do(&self->l2, GUEST_STORE);
	for (i = 0; i < 8; i++)
		EXPECT_EQ(VALUE + i,
			  *(__u64 *)(self->l->memory + (i + 1) * NESTED_PAGE));
}

TEST_HARNESS_MAIN
