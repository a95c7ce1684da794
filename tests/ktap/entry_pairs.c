// SPDX-License-Identifier: GPL-2.0
/*
 * Concurrency that no VMM causes: each pair of operations on a VM at the same
 * time, and races with its first HPT and with its end. docs/entry-points.md
 * lists them.
 *
 * The tests ignore what the operations return. The host must not crash, nothing
 * may hang, and another VM must still work. Stock crashes in some of them.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <sys/ioctl.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

#include "area.h"
#include "logged_vm.h"
#include "nested.h"

#define NPAGES		224	/* no multiple of 64; whole huge pages */
#define OTHER_SLOT	2
#define OTHER_GPA	(2 * VM_DATA_GPA)
#define PAGING		"/sys/module/kvm_hv_ext/parameters/paging"

#define LIMIT		20	/* seconds, for what takes milliseconds */
#define TIMEOUT		300

FIXTURE(pairs) {
	struct logged_vm *l;
	size_t page;
};

FIXTURE_VARIANT(pairs) {
	enum vm_mmu mmu;
};

FIXTURE_VARIANT_ADD(pairs, radix) { VM_MMU_RADIX };
FIXTURE_VARIANT_ADD(pairs, hpt) { VM_MMU_HPT };

FIXTURE_SETUP(pairs)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NPAGES, BACKING_SMALL));
	self->page = self->l->page;
}

/* The other VM must still work: its stores reach memory and are reported. */
FIXTURE_TEARDOWN(pairs)
{
	struct logged_vm *l = self->l;

	ASSERT_EQ(0, logged_vm_collect(l));
	vcpu_store_pages(&l->vm->vcpu[0], VM_DATA_GPA, l->page, NPAGES, 1);
	ASSERT_EQ(0, logged_vm_collect(l));
	EXPECT_EQ(NPAGES, logged_vm_count(l));
	EXPECT_EQ(NPAGES, *(__u64 *)(l->memory + (NPAGES - 1) * l->page));
	logged_vm_destroy(l);
}

/* Allocate an HPT, possibly the first since the module was loaded. */
static void *get_hpt(void *arg)
{
	struct vm *vm = arg;
	int ret = vm_alloc_hpt(vm);

	if (ret)
		die("KVM_PPC_ALLOCATE_HTAB: %s", strerror(-ret));
	vm_map_slots(vm);
	vcpu_load(&vm->vcpu[0], GUEST_AREA(0));
	return NULL;
}

#define NR_FIRST	4

TEST_F(pairs, first_hpts)
{
	struct vm_config config = { .mmu = variant->mmu };
	pthread_t thread[NR_FIRST];
	struct vm *vm[NR_FIRST];
	unsigned int i;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	for (i = 0; i < NR_FIRST; i++)
		vm[i] = vm_create(&config);
	for (i = 0; i < NR_FIRST; i++)
		ASSERT_EQ(0, pthread_create(&thread[i], NULL, get_hpt, vm[i]));
	for (i = 0; i < NR_FIRST; i++) {
		ASSERT_EQ(0, pthread_join(thread[i], NULL));
		vm_destroy(vm[i]);
	}
}

/*
 * Pinned pages stay mapped, so the module's own MMU notifier handles changes of
 * their protection; also while the VM is destroyed.
 */
#define NR_PINNED	1024
#define NR_ENDS		8

struct protector {
	pthread_t thread;
	char *memory;
	unsigned long begin;	/* number of the mprotect() round to do */
	unsigned long done;
};

static void protect(char *memory, size_t size, int prot)
{
	if (mprotect(memory, size, prot))
		die("mprotect: %m");
}

static void *protector_thread(void *arg)
{
	struct protector *p = arg;
	size_t page = page_size(), at;
	unsigned long turn;

	for (turn = 1; turn <= scaled(NR_ENDS); turn++) {
		while (__atomic_load_n(&p->begin, __ATOMIC_ACQUIRE) != turn)
			sched_yield();
		for (at = 0; at < NR_PINNED * page; at += 2 * page)
			protect(p->memory + at, page, PROT_READ);
		protect(p->memory, NR_PINNED * page, PROT_READ | PROT_WRITE);
		__atomic_store_n(&p->done, turn, __ATOMIC_RELEASE);
	}
	return NULL;
}

TEST_F_TIMEOUT(pairs, vm_ends_while_protected, TIMEOUT)
{
	struct vm_config config = { .mmu = variant->mmu };
	size_t size = NR_PINNED * self->page;
	struct protector p = { 0 };
	unsigned long turn;
	struct vm *vm;

	p.memory = mem_alloc(size, BACKING_SMALL, NULL);
	memset(p.memory, 1, size);
	ASSERT_EQ(0, pthread_create(&p.thread, NULL, protector_thread, &p));
	for (turn = 1; turn <= scaled(NR_ENDS); turn++) {
		write_file(PAGING, "0");
		vm = vm_create(&config);
		write_file(PAGING, "1");
		ASSERT_EQ(0, vm_set_slot(vm, 1, VM_DATA_GPA, size, p.memory, 0));
		vcpu_load_pages(&vm->vcpu[0], VM_DATA_GPA, self->page, NR_PINNED);
		__atomic_store_n(&p.begin, turn, __ATOMIC_RELEASE);
		vm_destroy(vm);
		while (__atomic_load_n(&p.done, __ATOMIC_ACQUIRE) != turn)
			sched_yield();
	}
	ASSERT_EQ(0, pthread_join(p.thread, NULL));
	mem_free(p.memory, size);
}

/*
 * Two threads repeat one operation each for a while. Neither the return values
 * nor the state of this VM's guest matter: the host must not crash, nothing may
 * hang, and the fixture's other VM must still work afterwards.
 */
#define PAIR_MS		40
#define PAIR_VCPUS	3	/* only the first runs; all are given areas */
#define PAIR_MAX_NEW	64	/* limit of vCPUs created by do_vcpu() */

struct pair {
	struct vm *vm;
	char *memory;
	size_t size;
	size_t page;
	struct kvm_regs regs;
	int new_vcpus;
	bool stop;
};

static void set_slot(struct pair *p, unsigned int id, __u64 gpa, size_t size, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)p->memory,
	};

	ioctl(p->vm->fd, KVM_SET_USER_MEMORY_REGION, &region);
}

static void do_run(struct pair *p)
{
	struct vcpu *vcpu = &p->vm->vcpu[0];

	ioctl(vcpu->fd, KVM_SET_REGS, &p->regs);
	area_list(vcpu->area, VM_DATA_GPA, p->page, 64, 1);
	vcpu->area->op = GUEST_STORE;
	ioctl(vcpu->fd, KVM_RUN, 0);
}

/* The running vCPU registers areas of all vCPUs. */
static void do_hcall(struct pair *p)
{
	static unsigned int turn;
	struct vcpu *vcpu = &p->vm->vcpu[0];

	turn++;
	ioctl(vcpu->fd, KVM_SET_REGS, &p->regs);
	vcpu->area->regs[0] = H_REGISTER_VPA;
	vcpu->area->regs[1] = (__u64)(turn % 8) << H_REGISTER_VPA_SHIFT;
	vcpu->area->regs[2] = turn / 8 % PAIR_VCPUS;
	vcpu->area->regs[3] = VM_DATA_GPA + turn % 5 * p->page;
	vcpu->area->op = GUEST_HCALL;
	ioctl(vcpu->fd, KVM_RUN, 0);
}

static void do_areas(struct pair *p)
{
	static unsigned int turn;
	struct vcpu *vcpu = &p->vm->vcpu[++turn % PAIR_VCPUS];
	__u64 gpa = VM_DATA_GPA + turn % 3 * p->page;

	area_set(vcpu, VPA, gpa, 0);
	area_set(vcpu, DTL, gpa + p->page / 2, 10 * DTL_ENTRY);
	area_set(vcpu, SLB, gpa + 1024, 1024);
	area_set(vcpu, SLB, 0, 0);
	area_set(vcpu, DTL, 0, 0);
	area_set(vcpu, VPA, 0, 0);
}

static void do_slot(struct pair *p)
{
	set_slot(p, OTHER_SLOT, OTHER_GPA, p->size, KVM_MEM_LOG_DIRTY_PAGES);
	set_slot(p, OTHER_SLOT, OTHER_GPA, 0, 0);
}

static void do_move(struct pair *p)
{
	set_slot(p, LOGGED_SLOT, 3 * VM_DATA_GPA, p->size, KVM_MEM_LOG_DIRTY_PAGES);
	set_slot(p, LOGGED_SLOT, VM_DATA_GPA, p->size, KVM_MEM_LOG_DIRTY_PAGES);
}

static void do_log(struct pair *p)
{
	set_slot(p, LOGGED_SLOT, VM_DATA_GPA, p->size, 0);
	set_slot(p, LOGGED_SLOT, VM_DATA_GPA, p->size, KVM_MEM_LOG_DIRTY_PAGES);
}

static void do_get(struct pair *p)
{
	__u64 bitmap[(NPAGES + 63) / 64];

	vm_get_dirty_log(p->vm, LOGGED_SLOT, bitmap);
	vm_get_dirty_log(p->vm, LOGGED_SLOT, NULL);
}

static void do_clear(struct pair *p)
{
	__u64 bitmap[(NPAGES + 63) / 64];

	memset(bitmap, 0xff, sizeof(bitmap));
	vm_clear_dirty_log(p->vm, LOGGED_SLOT, 0, NPAGES, bitmap);
	vm_clear_dirty_log(p->vm, LOGGED_SLOT, 64, 64, bitmap);
}

static void do_manual(struct pair *p)
{
	vm_manual_protect(p->vm, 3);
	vm_manual_protect(p->vm, 1);
	vm_manual_protect(p->vm, 0);
}

static void do_nested(struct pair *p)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PPC_NESTED_HV, .args = { 1 } };

	ioctl(p->vm->fd, KVM_ENABLE_CAP, &cap);
}

static void do_vcpu(struct pair *p)
{
	int nr = __atomic_fetch_add(&p->new_vcpus, 1, __ATOMIC_SEQ_CST);
	int fd = -1;

	if (nr < PAIR_MAX_NEW)
		fd = ioctl(p->vm->fd, KVM_CREATE_VCPU, (long)PAIR_VCPUS + nr);
	if (fd >= 0)
		close(fd);
	else
		usleep(1000);
}

static void do_drop(struct pair *p)
{
	madvise(p->memory, p->size, MADV_DONTNEED);
}

static void do_protect(struct pair *p)
{
	protect(p->memory, p->size, PROT_READ);
	protect(p->memory, p->size, PROT_READ | PROT_WRITE);
}

static void do_alloc_hpt(struct pair *p)
{
	static unsigned int turn;
	__u32 order = 18 + ++turn % 2;

	ioctl(p->vm->fd, KVM_PPC_ALLOCATE_HTAB, &order);
}

static void do_mode(struct pair *p)
{
	struct kvm_ppc_mmuv3_cfg radix = { KVM_PPC_MMUV3_RADIX, 1ull << 63 }, hpt = { 0, 0 };

	ioctl(p->vm->fd, KVM_PPC_CONFIGURE_V3_MMU, &hpt);
	ioctl(p->vm->fd, KVM_PPC_CONFIGURE_V3_MMU, &radix);
	radix.process_table = 31;
	ioctl(p->vm->fd, KVM_PPC_CONFIGURE_V3_MMU, &radix);
}

static void do_resize(struct pair *p)
{
	struct kvm_ppc_resize_hpt arg = { .shift = 18 };

	ioctl(p->vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &arg);
	arg.shift = 19;
	ioctl(p->vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &arg);
	arg.shift = 0;
	ioctl(p->vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &arg);
}

static void do_read_hpt(struct pair *p)
{
	struct kvm_get_htab_fd get = { 0 };
	int fd = ioctl(p->vm->fd, KVM_PPC_GET_HTAB_FD, &get);
	char buffer[4096];
	unsigned int i;

	if (fd < 0)
		return;
	for (i = 0; i < 16 && read(fd, buffer, sizeof(buffer)) > 0; i++)
		;
	close(fd);
}

static void do_write_hpt(struct pair *p)
{
	struct kvm_get_htab_fd get = { .flags = KVM_GET_HTAB_WRITE };
	struct kvm_get_htab_header header = { .index = 0, .n_invalid = 256 };
	int fd = ioctl(p->vm->fd, KVM_PPC_GET_HTAB_FD, &get);

	if (fd < 0)
		return;
	if (write(fd, &header, sizeof(header)) < 0)
		sched_yield();
	close(fd);
}

static void (*const operations[])(struct pair *p) = {
	do_run, do_hcall, do_areas, do_slot, do_move, do_log, do_get, do_clear, do_manual,
	do_nested, do_vcpu, do_drop, do_protect, do_alloc_hpt, do_mode, do_resize, do_read_hpt,
	do_write_hpt,
};

struct operator {
	pthread_t thread;
	struct pair *p;
	void (*operation)(struct pair *p);
	bool ended;
};

static void *operator_thread(void *arg)
{
	struct operator *o = arg;

	while (!__atomic_load_n(&o->p->stop, __ATOMIC_SEQ_CST))
		o->operation(o->p);
	__atomic_store_n(&o->ended, true, __ATOMIC_SEQ_CST);
	return NULL;
}

/* Interrupt KVM_RUN: a guest whose memory was unmapped may fault forever. */
static bool end_operator(struct operator *o)
{
	time_t give_up = time(NULL) + LIMIT;

	while (!__atomic_load_n(&o->ended, __ATOMIC_SEQ_CST)) {
		if (time(NULL) > give_up)
			return false;
		o->p->vm->vcpu[0].run->immediate_exit = 1;
		pthread_kill(o->thread, SIGUSR1);
		usleep(100);
	}
	o->p->vm->vcpu[0].run->immediate_exit = 0;
	return !pthread_join(o->thread, NULL);
}

static bool run_pair(struct pair *p, unsigned int one, unsigned int two)
{
	struct operator o[] = {
		{ .p = p, .operation = operations[one] },
		{ .p = p, .operation = operations[two] },
	};
	unsigned int i;
	bool ended = true;

	p->stop = false;
	for (i = 0; i < ARRAY_SIZE(o); i++)
		if (pthread_create(&o[i].thread, NULL, operator_thread, &o[i]))
			die("a thread: %m");
	usleep(scaled(PAIR_MS) * 1000);
	__atomic_store_n(&p->stop, true, __ATOMIC_SEQ_CST);
	for (i = 0; i < ARRAY_SIZE(o); i++)
		ended = end_operator(&o[i]) && ended;
	return ended;
}

TEST_F_TIMEOUT(pairs, at_the_same_time, TIMEOUT)
{
	struct vm_config config = { .nr_vcpus = PAIR_VCPUS, .mmu = variant->mmu };
	struct pair p = { .size = self->l->size, .page = self->page };
	unsigned int one, two, pairs = 0;

	p.memory = mem_alloc(THP_SIZE * 8, BACKING_SMALL, NULL);
	p.vm = vm_create(&config);
	ASSERT_EQ(0, ioctl(p.vm->vcpu[0].fd, KVM_GET_REGS, &p.regs));
	set_slot(&p, LOGGED_SLOT, VM_DATA_GPA, p.size, KVM_MEM_LOG_DIRTY_PAGES);
	for (one = 0; one < ARRAY_SIZE(operations); one++) {
		for (two = one; two < ARRAY_SIZE(operations); two++) {
			/* both use vCPU 0: its mutex serialises KVM_RUN */
			if (operations[one] == do_run && operations[two] == do_hcall)
				continue;
			ASSERT_TRUE(run_pair(&p, one, two)) {
				TH_LOG("operations %u and %u do not end", one, two);
			}
			pairs++;
		}
	}
	TH_LOG("%u pairs", pairs);
	vm_destroy(p.vm);
	mem_free(p.memory, THP_SIZE * 8);
}

#define NR_SLOTS	100
#define MODE_CHANGES	2000

struct changer {
	struct vm *vm;
	char *memory;
	bool stop;
	unsigned long times;
};

static int set_nth_slot(const struct changer *c, unsigned int n, size_t size)
{
	return vm_set_memslot(c->vm, OTHER_SLOT + n, OTHER_GPA + n * THP_SIZE, size, c->memory, 0);
}

static void *changer_thread(void *arg)
{
	struct changer *c = arg;

	while (!__atomic_load_n(&c->stop, __ATOMIC_RELAXED)) {
		if (set_nth_slot(c, c->times % NR_SLOTS, 0) ||
		    set_nth_slot(c, c->times % NR_SLOTS, page_size()))
			die("memslot %lu cannot be changed", c->times % NR_SLOTS);
		c->times++;
	}
	return NULL;
}

/* A guest that may have nested guests leaves radix mode: they are released. */
TEST_F_TIMEOUT(pairs, mode_while_memslots_change, TIMEOUT)
{
	struct vm_config config = { .mmu = variant->mmu, .nested = true };
	struct changer c = { 0 };
	pthread_t thread;
	unsigned int i;

	if (variant->mmu == VM_MMU_HPT)
		SKIP(return, "an HPT guest has no nested guests");
	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	SKIP_IF(return, nested_missing());
	c.vm = vm_create(&config);
	c.memory = mem_alloc(page_size(), BACKING_SMALL, NULL);
	for (i = 0; i < NR_SLOTS; i++)
		ASSERT_EQ(0, set_nth_slot(&c, i, page_size()));
	ASSERT_EQ(0, pthread_create(&thread, NULL, changer_thread, &c));
	for (i = 0; i < scaled(MODE_CHANGES); i++) {
		ASSERT_EQ(0, vm_set_mmu(c.vm, VM_MMU_HPT));
		ASSERT_EQ(0, vm_set_mmu(c.vm, VM_MMU_RADIX));
	}
	__atomic_store_n(&c.stop, true, __ATOMIC_RELAXED);
	ASSERT_EQ(0, pthread_join(thread, NULL));
	TH_LOG("memslots changed %lu times during %u changes of the mode", c.times, i);
	vm_destroy(c.vm);
	mem_free(c.memory, page_size());
}

TEST_HARNESS_MAIN
