// SPDX-License-Identifier: GPL-2.0
/*
 * HPTs that are replaced, resized or freed while in use
 *
 * The rmap of a guest page chains its HPTEs by index. Chains and reads of the
 * HPT must refer to the guest's current HPT: the memory of the old one is free.
 *
 * The tests judge what guest and VMM see, and that the kernel reports nothing.
 * Stock crashes on these: run each test there in a boot of its own.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include "hist.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

#define NR_PAGES	512
#define SECONDS		30
#define TIMEOUT		600
#define REST_US		1000

/* Sizes of an HPT: both hold the system memslot, with one HPTE in a group. */
#define SMALL		18
#define LARGE		19
/* So large that the host takes a while to allocate it. */
#define HUGE		24

#define HPTE_SIZE	16
#define HPTES(order)	((1u << (order)) / HPTE_SIZE)
#define GROUP_SIZE	8

/*
 * A memslot whose pages hash to the first groups of a SMALL or a LARGE HPT, the
 * last page to group 0. The guest enters these HPTEs; only the last HPTE of
 * each group is written by the host, see struct vm_config.
 */
#define PLACE_SLOT	1
#define PLACE_END	(1u << (LARGE - 7))
#define NR_PLACES	4
#define NR_ENTRIES	(GROUP_SIZE - 1)

#define BETWEEN_STOPS	16

/* The main thread runs the first vCPU, the others enter HPTEs. */
#define NR_VCPUS	3

#define VALUE		0x4850540000000000ull

/* Buffer sizes: a whole HPT, and only a few HPTEs. */
#define READ_ALL	(2u << LARGE)
#define READ_SOME	1000

struct stores {
	unsigned long asked, lost, unreported;
};

FIXTURE(life) {
	struct vm *vm;
	size_t page;
	char *data;		/* pages to store to, in the system slot */
	__u64 data_gpa;
	char *places;
	__u64 *bitmap;
	__u64 random;
	atomic_bool stop;
	unsigned long times, busy;	/* HPTs replaced, EBUSY returned */
	unsigned long reads, entries, insane, unwritten;
	int other_hpt;		/* another VM's HPT, a copy of what is read */
};

/* KVM does not handle these by default; QEMU enables them like this. */
static void enable_hcall(struct vm *vm, __u64 nr)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_PPC_ENABLE_HCALL,
		.args = { nr, 1 },
	};

	if (ioctl(vm->fd, KVM_ENABLE_CAP, &cap))
		die("KVM_CAP_PPC_ENABLE_HCALL 0x%llx: %m", nr);
}

static int set_places(struct _test_data_life *self, __u32 flags)
{
	return vm_set_memslot(self->vm, PLACE_SLOT, (PLACE_END - NR_PLACES) * self->page,
			      NR_PLACES * self->page, self->places, flags);
}

/* Address of the page whose HPTEs are in @group. */
static __u64 place_gpa(const struct _test_data_life *self, unsigned int group)
{
	return (PLACE_END - 1 - group) * self->page;
}

FIXTURE_SETUP(life)
{
	struct vm_config config = {
		.nr_vcpus = NR_VCPUS,
		.mmu = VM_MMU_HPT,
		.system_size = GUEST_SYS_SIZE + NR_PAGES * page_size(),
	};
	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	self->page = page_size();
	self->vm = vm_create(&config);
	enable_hcall(self->vm, H_CLEAR_MOD);
	enable_hcall(self->vm, H_CLEAR_REF);
	self->data_gpa = GUEST_SYS_SIZE;
	self->data = vm_hva(self->vm, self->data_gpa);
	self->places = mem_alloc(NR_PLACES * self->page, BACKING_SMALL, NULL);
	self->random = option("KTAP_SEED", 1);
	self->bitmap = calloc(1, bitmap_size(config.system_size));
	ASSERT_EQ(0, set_places(self, 0));
}

FIXTURE_TEARDOWN(life)
{
	vm_destroy(self->vm);
	mem_free(self->places, NR_PLACES * self->page);
	free(self->bitmap);
}

/* The new HPT has no HPTEs other than the host's, for the system memslot. */
static int new_hpt(struct _test_data_life *self, __u32 order)
{
	return ioctl(self->vm->fd, KVM_PPC_ALLOCATE_HTAB, &order) ? -errno : 0;
}

/*
 * As QEMU does for H_RESIZE_HPT_PREPARE and H_RESIZE_HPT_COMMIT. A smaller HPT
 * may be too small for all HPTEs, but not for those of these tests.
 */
static int prepare(struct vm *vm, __u32 order)
{
	struct kvm_ppc_resize_hpt resize = { .shift = order };
	int ms;

	while ((ms = ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &resize)) > 0)
		usleep(1000);
	return ms ? -errno : 0;
}

static int commit(struct vm *vm, __u32 order)
{
	struct kvm_ppc_resize_hpt resize = { .shift = order };

	return ioctl(vm->fd, KVM_PPC_RESIZE_HPT_COMMIT, &resize) ? -errno : 0;
}

/*
 * Fill free kernel memory with a pattern that is no valid HPTE index, so that a
 * stale or uninitialised index is noticed. The kernel allocates the pages of a
 * pipe, stores the pattern in them, and frees them.
 */
static void soil(void)
{
	static char pattern[1 << 20];
	int ends[2];

	if (pipe2(ends, O_NONBLOCK))
		die("pipe: %m");
	fcntl(ends[1], F_SETPIPE_SZ, sizeof(pattern));
	memset(pattern, 0xaa, sizeof(pattern));
	if (write(ends[1], pattern, sizeof(pattern)) < 0)
		die("write to a pipe: %m");
	close(ends[0]);
	close(ends[1]);
}

static pthread_t start(void *(*thread)(void *), struct _test_data_life *self)
{
	pthread_t ret;

	if (pthread_create(&ret, NULL, thread, self))
		die("thread: %m");
	return ret;
}

/* Replace the HPT, at times by one of the other size. EBUSY: a vCPU runs. */
static void *replace(void *arg)
{
	struct _test_data_life *self = arg;
	unsigned long i;
	int ret;

	for (i = 0; !atomic_load(&self->stop); i++) {
		soil();
		ret = new_hpt(self, i & 2 ? LARGE : SMALL);
		if (!ret)
			self->times++;
		else if (ret == -EBUSY)
			self->busy++;
		else
			die("KVM_PPC_ALLOCATE_HTAB: %s", strerror(-ret));
	}
	return NULL;
}

/* Drop one half of the pages; store_some() checks the other half. */
static void *drop(void *arg)
{
	struct _test_data_life *self = arg;

	while (!atomic_load(&self->stop)) {
		if (madvise(self->data, NR_PAGES / 2 * self->page, MADV_DONTNEED))
			die("madvise: %m");
		/* let the guest make progress */
		usleep(REST_US);
	}
	return NULL;
}

/*
 * The guest stores to some pages. Count those that lack the value, except among
 * pages that drop() drops, and those missing from the dirty log.
 */
static void store_some(struct _test_data_life *self, struct stores *stores)
{
	size_t count = 1 + random_below(&self->random, NR_PAGES / 8);
	size_t first = random_below(&self->random, NR_PAGES - count), page;
	__u64 value = random_u64(&self->random);
	int ret;

	vcpu_store_pages(&self->vm->vcpu[0], self->data_gpa + first * self->page,
			 self->page, count, value);
	ret = vm_get_dirty_log(self->vm, VM_SYS_SLOT, self->bitmap);
	if (ret)
		die("KVM_GET_DIRTY_LOG: %s", strerror(-ret));
	for (page = first; page < first + count; page++) {
		stores->lost += page >= NR_PAGES / 2 &&
			*(__u64 *)(self->data + page * self->page) != value + page - first;
		stores->unreported += !test_bit(self->bitmap,
						self->data_gpa / self->page + page);
	}
	stores->asked += count;
}

/*
 * @judged: the kernel, not the emulator, is to blame for an unreported store.
 */
static void store_while_replaced(struct __test_metadata *_metadata,
				 struct _test_data_life *self, bool judged)
{
	time_t end = time(NULL) + scaled(SECONDS);
	struct stores stores = { 0 };
	struct vm *vm = self->vm;
	pthread_t replacer;

	ASSERT_EQ(0, vm_set_memslot(vm, VM_SYS_SLOT, 0, vm->system_size,
				    vm->slot[VM_SYS_SLOT].hva, KVM_MEM_LOG_DIRTY_PAGES));
	replacer = start(replace, self);
	do {
		store_some(self, &stores);
		usleep(random_below(&self->random, REST_US));
	} while (time(NULL) < end);
	atomic_store(&self->stop, true);
	pthread_join(replacer, NULL);
	TH_LOG("%lu new HPTs, %lu refused; %lu stores, %lu lost, %lu unreported",
	       self->times, self->busy, stores.asked, stores.lost, stores.unreported);
	EXPECT_NE(0, self->times);
	EXPECT_EQ(0, stores.lost);
	EXPECT_NONE(judged, stores.unreported);
}

TEST_F_TIMEOUT(life, new_while_stored_to, TIMEOUT)
{
	store_while_replaced(_metadata, self, true);
}

TEST_F_TIMEOUT(life, new_while_memory_goes, TIMEOUT)
{
	pthread_t dropper = start(drop, self);

	store_while_replaced(_metadata, self, host_is_exact());
	pthread_join(dropper, NULL);
}

/*
 * Each vCPU enters and removes HPTEs of a page of its own until it is stopped.
 */
static void start_entering(struct _test_data_life *self)
{
	struct guest_area *area;
	struct vrma_hpte hpte;
	unsigned int i, e;
	__u64 gpa;

	for (i = 1; i < NR_VCPUS; i++) {
		area = self->vm->vcpu[i].area;
		gpa = place_gpa(self, i - 1);
		hpte = vrma_hpte(gpa);
		area->count = NR_ENTRIES;
		for (e = 0; e < NR_ENTRIES; e++) {
			area->list[2 * e].addr = (i - 1) * GROUP_SIZE + e;
			area->list[2 * e].value = gpa;
			area->list[2 * e + 1] = (struct guest_access){ hpte.v, hpte.r };
		}
		vcpu_start(&self->vm->vcpu[i], GUEST_HPTES);
	}
}

static void await_entered(struct _test_data_life *self)
{
	__u64 before[NR_VCPUS];
	unsigned int i;

	for (i = 1; i < NR_VCPUS; i++)
		before[i] = area_progress(self->vm->vcpu[i].area);
	for (i = 1; i < NR_VCPUS; i++)
		while (area_progress(self->vm->vcpu[i].area) == before[i])
			sched_yield();
}

static void stop_entering(struct _test_data_life *self)
{
	unsigned int i;

	for (i = 1; i < NR_VCPUS; i++)
		vcpu_stop(&self->vm->vcpu[i]);
}

static void expect_entered(struct __test_metadata *_metadata, struct _test_data_life *self)
{
	__u64 entered = 0, lost = 0, refused = 0;
	unsigned int i;

	for (i = 1; i < NR_VCPUS; i++) {
		entered += self->vm->vcpu[i].area->progress;
		lost += self->vm->vcpu[i].area->wrong;
		refused += self->vm->vcpu[i].area->refused;
	}
	TH_LOG("%llu HPTEs entered, %llu lost, %llu calls refused", entered, lost, refused);
	EXPECT_NE(0, entered);
	EXPECT_EQ(0, lost);
	EXPECT_EQ(0, refused);
}

static __u64 hcall_4(struct vcpu *vcpu, __u64 nr, __u64 r4, __u64 r5, __u64 r6, __u64 r7)
{
	vcpu->area->regs[4] = r7;
	return vcpu_hcall(vcpu, nr, r4, r5, r6);
}

/*
 * Enter an HPTE for a page: does the guest access the memory that the VMM sees?
 */
static bool place_is_right(struct _test_data_life *self, unsigned int group, __u64 value)
{
	__u64 gpa = place_gpa(self, group), index = group * GROUP_SIZE;
	struct vrma_hpte hpte = vrma_hpte(gpa);
	struct vcpu *vcpu = &self->vm->vcpu[0];
	void *hva = vm_hva(self->vm, gpa);
	bool right;

	/*
	 * an HPTE removed while its copy moved to the next HPT is valid there
	 */
	vcpu_hcall(vcpu, H_REMOVE, 0, index, 0);
	if (hcall_4(vcpu, H_ENTER, H_EXACT, index, hpte.v, hpte.r))
		die("H_ENTER");
	vcpu_store(vcpu, gpa, value);
	right = *(__u64 *)hva == value;
	mem_drop(hva, self->page);
	right &= !vcpu_load(vcpu, gpa);
	if (vcpu_hcall(vcpu, H_REMOVE, 0, index, 0))
		die("H_REMOVE");
	return right;
}

static void resize(struct _test_data_life *self, unsigned long i)
{
	__u32 order = i & 1 ? SMALL : LARGE;
	int ret = prepare(self->vm, order);

	if (ret)
		die("KVM_PPC_RESIZE_HPT_PREPARE: %s", strerror(-ret));
	ret = commit(self->vm, order);
	if (ret)
		die("KVM_PPC_RESIZE_HPT_COMMIT: %s", strerror(-ret));
}

/* After each resize, the rmap of each page must lead to its current HPTEs. */
TEST_F_TIMEOUT(life, resized_while_entered, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	unsigned long times = 0, wrong = 0;
	unsigned int group, i;

	ASSERT_EQ(0, new_hpt(self, SMALL));
	ASSERT_TRUE(place_is_right(self, 0, VALUE));
	do {
		start_entering(self);
		for (i = 0; i < BETWEEN_STOPS; i++) {
			soil();
			await_entered(self);
			resize(self, times++);
		}
		await_entered(self);
		stop_entering(self);
		for (group = 0; group < NR_PLACES; group++)
			wrong += !place_is_right(self, group, VALUE + times);
	} while (time(NULL) < end);
	TH_LOG("%lu resizes, %lu wrong pages", times, wrong);
	expect_entered(_metadata, self);
	EXPECT_EQ(0, wrong);
}

/* HPTE_V_HVLOCK of the host; kvm-hv does not mask it in what read() returns. */
#define HPTE_V_LOCKED	0x40

/* Can this guest have entered this HPTE? */
static bool is_sane(const struct _test_data_life *self, __u64 v, __u64 r)
{
	__u64 gpa = r & 0x0fffffffffff0000ull;

	if (self->page == 0x1000)
		gpa = r & 0x0ffffffffffff000ull;
	if ((v & ~HPTE_V_LOCKED) != vrma_hpte(gpa).v)
		return false;
	return gpa < self->vm->system_size ||
	       (gpa >= place_gpa(self, NR_PLACES - 1) && gpa <= place_gpa(self, 0));
}

/*
 * Check the result of one read(): headers must fit the HPT, and the guest must
 * have entered the HPTEs. Write them to the other VM, one header at a time like
 * QEMU.
 */
static void look_at(struct _test_data_life *self, const char *buffer, size_t size)
{
	const struct kvm_get_htab_header *header;
	size_t at = 0, length;
	const __u64 *hpte;
	unsigned int i;

	while (at + sizeof(*header) <= size) {
		header = (const void *)(buffer + at);
		length = sizeof(*header) + header->n_valid * HPTE_SIZE;
		if (header->index + header->n_valid + header->n_invalid > HPTES(LARGE) ||
		    at + length > size) {
			self->insane++;
			return;
		}
		for (i = 0; i < header->n_valid; i++) {
			hpte = (const void *)(header + 1) + i * HPTE_SIZE;
			if (!is_sane(self, be64toh(hpte[0]), be64toh(hpte[1])))
				self->insane++;
		}
		self->entries += header->n_valid;
		if (write(self->other_hpt, header, length) != (ssize_t)length)
			self->unwritten++;
		at += length;
	}
	self->insane += at != size;
}

static int get_htab_fd(struct vm *vm, __u64 flags)
{
	struct kvm_get_htab_fd get = { .flags = flags };
	int fd = ioctl(vm->fd, KVM_PPC_GET_HTAB_FD, &get);

	if (fd < 0)
		die("KVM_PPC_GET_HTAB_FD: %m");
	return fd;
}

/* Like QEMU in a migration, read the whole HPT and then what has changed. */
static void read_htab(struct _test_data_life *self, char *buffer, size_t size)
{
	int fd = get_htab_fd(self->vm, 0), passes = 0;
	ssize_t got;

	while (passes < 3 && !atomic_load(&self->stop)) {
		got = read(fd, buffer, size);
		if (got < 0)
			die("read the HPT: %m");
		self->reads++;
		passes += !got || size == READ_ALL;
		look_at(self, buffer, got);
	}
	close(fd);
}

static void *read_always(void *arg)
{
	struct _test_data_life *self = arg;
	char *buffer = malloc(READ_ALL);

	while (!atomic_load(&self->stop)) {
		read_htab(self, buffer, READ_ALL);
		read_htab(self, buffer, READ_SOME);
	}
	free(buffer);
	return NULL;
}

static struct vm *other_vm(struct _test_data_life *self)
{
	struct vm_config config = {
		.mmu = VM_MMU_HPT,
		.system_size = self->vm->system_size,
	};
	struct vm *vm = vm_create(&config);

	self->other_hpt = get_htab_fd(vm, KVM_GET_HTAB_WRITE);
	return vm;
}

static void expect_sane(struct __test_metadata *_metadata, struct _test_data_life *self)
{
	TH_LOG("%lu reads, %lu HPTEs; %lu invalid, %lu headers that could not be written",
	       self->reads, self->entries, self->insane, self->unwritten);
	EXPECT_NE(0, self->entries);
	EXPECT_EQ(0, self->insane);
	EXPECT_EQ(0, self->unwritten);
}

TEST_F_TIMEOUT(life, resized_while_read, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	struct vm *other = other_vm(self);
	unsigned long times = 0;
	pthread_t reader;

	ASSERT_EQ(0, new_hpt(self, SMALL));
	vcpu_store(&self->vm->vcpu[0], self->data_gpa, VALUE);
	reader = start(read_always, self);
	start_entering(self);
	do {
		soil();
		await_entered(self);
		resize(self, times++);
	} while (time(NULL) < end);
	stop_entering(self);
	atomic_store(&self->stop, true);
	pthread_join(reader, NULL);
	close(self->other_hpt);
	vm_destroy(other);
	TH_LOG("%lu resizes", times);
	expect_entered(_metadata, self);
	expect_sane(_metadata, self);
}

TEST_F_TIMEOUT(life, new_while_read, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	struct vm *other = other_vm(self);
	pthread_t reader, replacer;

	ASSERT_EQ(0, new_hpt(self, SMALL));
	reader = start(read_always, self);
	replacer = start(replace, self);
	do {
		vcpu_store_pages(&self->vm->vcpu[0], self->data_gpa, self->page,
				 NR_PAGES / 8, VALUE);
		usleep(random_below(&self->random, REST_US));
	} while (time(NULL) < end);
	atomic_store(&self->stop, true);
	pthread_join(replacer, NULL);
	pthread_join(reader, NULL);
	close(self->other_hpt);
	vm_destroy(other);
	TH_LOG("%lu new HPTs, %lu refused", self->times, self->busy);
	EXPECT_NE(0, self->times);
	expect_sane(_metadata, self);
}

/* The VM switches to radix, which frees its HPT, and back to a new HPT. */
TEST_F_TIMEOUT(life, gone_while_read, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	unsigned long times = 0;
	struct vm *other;
	pthread_t reader;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	other = other_vm(self);
	ASSERT_EQ(0, new_hpt(self, SMALL));
	reader = start(read_always, self);
	do {
		soil();
		ASSERT_EQ(0, new_hpt(self, times & 1 ? SMALL : LARGE));
		vcpu_store(&self->vm->vcpu[0], self->data_gpa, VALUE);
		usleep(times % 8 * 1000);
		ASSERT_EQ(0, vm_set_mmu(self->vm, VM_MMU_RADIX));
		times++;
	} while (time(NULL) < end);
	atomic_store(&self->stop, true);
	pthread_join(reader, NULL);
	close(self->other_hpt);
	vm_destroy(other);
	TH_LOG("%lu times", times);
	expect_sane(_metadata, self);
}

/* The hypercalls look up a memslot that is replaced all the time. */
TEST_F_TIMEOUT(life, log_comes_and_goes, TIMEOUT)
{
	time_t end = time(NULL) + scaled(SECONDS);
	unsigned long times = 0;

	ASSERT_EQ(0, new_hpt(self, SMALL));
	start_entering(self);
	do {
		ASSERT_EQ(0, set_places(self, KVM_MEM_LOG_DIRTY_PAGES));
		ASSERT_EQ(0, set_places(self, 0));
		times++;
	} while (time(NULL) < end);
	stop_entering(self);
	TH_LOG("%lu times", times);
	expect_entered(_metadata, self);
}

/*
 * HPTEs of a 1 TiB segment with 16 MiB pages, of its first page by the primary and by
 * the secondary hash, and of another page; and of a 256 MiB segment with 4 KiB pages.
 * Each is in its group of a SMALL HPT.
 */
#define PAGE_16M(n)	((n) * 0x100ull)
#define BOLTED_16M	(0x4000000000000000ull | 0x1a34ull << 24 | 0x15)
#define SECOND_HASH	0x2
#define NO_MEMORY	0x10000000000ull

static const struct {
	__u64 v;
	unsigned int group;
} in_place[] = {
	{ BOLTED_16M, 0x1a34 & 0x7ff },
	{ BOLTED_16M | SECOND_HASH, ~0x1a34 & 0x7ff },
	{ BOLTED_16M | PAGE_16M(5), (0x1a34 ^ 5) & 0x7ff },
	{ 0x54321ull << 12 | 0x10 << 7 | 0x11, (0x54321 ^ 0x8123) & 0x7ff },
};

/*
 * kvm-hv computes the group of a 16 MiB page in the new HPT from the address
 * alone. A guest that also enters the page in another group has two HPTEs for
 * one entry of the new HPT.
 */
TEST_F(life, resized_with_two_for_one_place)
{
	struct vcpu *vcpu = &self->vm->vcpu[0];
	unsigned int i;

	ASSERT_EQ(0, new_hpt(self, SMALL));
	for (i = 0; i < ARRAY_SIZE(in_place); i++)
		ASSERT_EQ(0, hcall_4(vcpu, H_ENTER, H_EXACT, in_place[i].group * GROUP_SIZE,
				     in_place[i].v, NO_MEMORY));
	ASSERT_EQ(0, hcall_4(vcpu, H_ENTER, H_EXACT, GROUP_SIZE, BOLTED_16M, NO_MEMORY));
	ASSERT_EQ(0, prepare(self->vm, LARGE));
	EXPECT_EQ(-ENOSPC, commit(self->vm, LARGE));
	/* any failure discards the prepared HPT */
	EXPECT_EQ(-ENXIO, commit(self->vm, LARGE));
	vcpu_store(vcpu, self->data_gpa, VALUE);
	EXPECT_EQ(VALUE, *(__u64 *)self->data);

	ASSERT_EQ(0, vcpu_hcall(vcpu, H_REMOVE, 0, GROUP_SIZE, 0));
	ASSERT_EQ(0, prepare(self->vm, LARGE));
	EXPECT_EQ(0, commit(self->vm, LARGE));
	vcpu_store(vcpu, self->data_gpa, ~VALUE);
	EXPECT_EQ(~VALUE, *(__u64 *)self->data);
}

/* A guest that has never run cannot commit a resize. */
TEST_F(life, resized_too_early)
{
	ASSERT_EQ(0, new_hpt(self, SMALL));
	ASSERT_EQ(0, prepare(self->vm, LARGE));
	EXPECT_EQ(-EIO, commit(self->vm, LARGE));
	vcpu_store(&self->vm->vcpu[0], self->data_gpa, VALUE);
	EXPECT_EQ(VALUE, *(__u64 *)self->data);
}

static unsigned long memory_of_host(void)
{
	return sysconf(_SC_PHYS_PAGES) * page_size();
}

/*
 * A prepared HPT is freed with its VM, and when the VM switches to radix:
 * prepare more than the host's memory in total.
 */
TEST_F_TIMEOUT(life, prepared_goes_with_vm, TIMEOUT)
{
	struct vm_config config = { .mmu = VM_MMU_HPT };
	/* the reverse map is as large as the HPT */
	unsigned long times = memory_of_host() / (2ul << HUGE) + 1, i;
	bool radix = !vm_mmu_missing(VM_MMU_RADIX);
	struct vm *vm;

	for (i = 0; i < (radix ? 2 : 1) * times; i++) {
		vm = vm_create(&config);
		ASSERT_EQ(0, prepare(vm, HUGE));
		if (i >= times)
			ASSERT_EQ(0, vm_set_mmu(vm, VM_MMU_RADIX));
		vm_destroy(vm);
	}
}

#define MADE	"hpt_made"
#define MADE_AT	"r:" MADE " kvm_hv:resize_hpt_prepare_work"
#define BY_PID	"hist:keys=common_pid"

/*
 * Another size is requested while kvm-hv's worker allocates an HPT. The worker
 * must have ended when the ioctl returns: kvm-hv then drops its reference, and
 * the destruction of the VM would not wait for the worker.
 */
TEST_F_TIMEOUT(life, another_size_meanwhile, TIMEOUT)
{
	struct kvm_ppc_resize_hpt other = { .shift = HUGE - 1 };
	struct kvm_ppc_resize_hpt resize = { .shift = HUGE };
	struct vm_config config = { .mmu = VM_MMU_HPT };
	unsigned long times = scaled(40), i;
	struct vm *vm;

	if (access(TRACEFS "kprobe_events", W_OK))
		SKIP(return, "the kernel has no kprobes to count with");
	for (i = 0; i < times; i++) {
		vm = vm_create(&config);
		write_file(TRACEFS "kprobe_events", MADE_AT);
		hist_start("kprobes/" MADE, BY_PID);
		ASSERT_LT(0, ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &resize));
		ASSERT_LE(0, ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &other));
		EXPECT_NE(0, hist_stop("kprobes/" MADE, BY_PID));
		vm_destroy(vm);
		write_file(TRACEFS "kprobe_events", "");
	}
}

/*
 * The VM is destroyed while kvm-hv prepares an HPT; also after a request for
 * another size, for none, or to commit the HPT before it is ready.
 */
TEST_F_TIMEOUT(life, ends_while_prepared, TIMEOUT)
{
	struct kvm_ppc_resize_hpt resize = { .shift = HUGE };
	struct kvm_ppc_resize_hpt other = { .shift = HUGE - 1 };
	struct kvm_ppc_resize_hpt none = { };
	struct vm_config config = { .mmu = VM_MMU_HPT };
	unsigned long times = scaled(200), i;
	struct vm *vm;

	for (i = 0; i < times; i++) {
		vm = vm_create(&config);
		ASSERT_LT(0, ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &resize));
		if (i % 4 == 1)
			ASSERT_LT(0, ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &other));
		if (i % 4 == 2)
			ASSERT_EQ(0, ioctl(vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &none));
		/* waits for the worker */
		if (i % 4 == 3)
			ASSERT_EQ(0, commit(vm, HUGE));
		vm_destroy(vm);
	}
}

TEST_HARNESS_MAIN
