// SPDX-License-Identifier: GPL-2.0
/*
 * The VM that a program is tried on, and the memory that it can give to guests
 */
#define _GNU_SOURCE
#include "subject.h"

#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/time.h>
#include <unistd.h>

#define PAGING		"/sys/module/kvm_hv_ext/parameters/paging"
#define GUARDS		0x602000000000ull
#define PATTERN		0x6a6a6a6a6a6a6a6aull

#define MSR_SF_ME_RI_LE	0x8000000000001003ull
#define H_FUNCTION	-2ull

/* A command takes a few milliseconds; a guest that runs astray never ends. */
#define RUN_US		200000

const char *const subject_names[NR_SUBJECTS] = {
	[SUBJECT_RADIX] = "radix",
	[SUBJECT_PINNED] = "pinned",
	[SUBJECT_HPT] = "hpt",
	[SUBJECT_NESTED] = "nested",
};

/* The vCPU that the timer interrupts. */
static struct kvm_run *running;

const char *subject_missing(enum subject_kind kind)
{
	switch (kind) {
	case SUBJECT_PINNED:
		if (host_is_power8())
			return "paging=0 needs a POWER9";
		return vm_mmu_missing(VM_MMU_RADIX);
	case SUBJECT_HPT:
		return vm_mmu_missing(VM_MMU_HPT);
	case SUBJECT_NESTED:
		return nested_missing();
	default:
		return vm_mmu_missing(VM_MMU_RADIX);
	}
}

static void map_at(__u64 addr, size_t size, int prot, int flags, int fd, off_t offset)
{
	void *at = (void *)addr;

	if (mmap(at, size, prot, MAP_FIXED | flags, fd, offset) != at)
		die("map 0x%llx: %m", addr);
}

static void fill(__u64 addr, size_t size)
{
	__u64 *word = (__u64 *)addr;
	size_t i;

	for (i = 0; i < size / sizeof(*word); i++)
		word[i] = PATTERN;
}

static bool filled(__u64 addr, size_t size)
{
	const __u64 *word = (const __u64 *)addr;

	return word[0] == PATTERN && !memcmp(word, word + 1, size - sizeof(*word));
}

/*
 * A guest may use the pages whose number has an even number of bits set: the
 * OR of two of them is often a page between them.
 */
void subject_memory(void)
{
	const int rw = PROT_READ | PROT_WRITE;
	int fd = memfd_create("fuzz", 0);
	__u64 shared = SHARED, guards = GUARDS, i;

	if (fd < 0 || ftruncate(fd, 2 * SHARED_SIZE))
		die("memfd: %m");
	for (i = 0; i < 2 * SHARED_SIZE / FUZZ_PAGE; i++) {
		__u64 *at = __builtin_popcount(i) & 1 ? &guards : &shared;

		map_at(*at, FUZZ_PAGE, rw, MAP_SHARED | MAP_POPULATE, fd, i * FUZZ_PAGE);
		*at += FUZZ_PAGE;
	}
	close(fd);
	fill(GUARDS, SHARED_SIZE);
	map_at(BUFFER, BUFFER_SIZE, rw, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	map_at(READ_ONLY, FUZZ_PAGE, PROT_READ, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
}

unsigned long subject_guards_spoilt(void)
{
	unsigned long spoilt = 0;
	__u64 at;

	for (at = GUARDS; at < GUARDS + SHARED_SIZE; at += FUZZ_PAGE)
		spoilt += !filled(at, FUZZ_PAGE);
	return spoilt;
}

static void set_slot(struct subject *s, unsigned int id, __u64 gpa, __u64 size,
		     __u64 hva, __u32 flags)
{
	int ret = vm_set_slot(s->vm, id, gpa, size, (void *)hva, flags);

	if (ret)
		die("memslot %u: %s", id, strerror(-ret));
	s->slot[id] = (struct slot){ gpa, size, (void *)hva, flags };
	subject_give(s, hva, size);
}

static void create_l2(struct subject *s)
{
	unsigned int level;

	s->n = nested_create_one(s->vm, &s->l2, FUZZ_LPID);
	nested_map(s->n, FUZZ_LPID, GPA_1, GPA_2, SIZE_1, NESTED_READ | NESTED_WRITE);
	for (level = 0; level < NESTED_LEVELS; level++) {
		__u64 *entry = nested_tree_entry(s->n, FUZZ_LPID, GPA_1, level);

		s->table[level] = (__u64 *)(s->n->tables - NESTED_TABLES_GPA +
					    nested_table_gpa(s->n, entry, level));
	}
}

static void interrupt(int signal)
{
	struct kvm_run *run = __atomic_load_n(&running, __ATOMIC_RELAXED);

	(void)signal;
	if (run)
		run->immediate_exit = 1;
}

void subject_create(struct subject *s, enum subject_kind kind)
{
	const struct vm_config config = {
		.nr_vcpus = 2,
		.mmu = kind == SUBJECT_HPT ? VM_MMU_HPT : VM_MMU_RADIX,
		.nested = kind == SUBJECT_NESTED,
	};
	struct sigaction action = { .sa_handler = interrupt };

	*s = (struct subject){ .kind = kind };
	sigaction(SIGALRM, &action, NULL);
	map_at(PRIVATE, PRIVATE_SIZE, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	madvise((void *)PRIVATE, PRIVATE_SIZE, MADV_HUGEPAGE);
	fill(PRIVATE, PRIVATE_SIZE);
	if (kind == SUBJECT_PINNED)
		write_file(PAGING, "0");
	s->vm = vm_create(&config);
	if (kind == SUBJECT_PINNED)
		write_file(PAGING, "1");
	set_slot(s, SLOT_1, GPA_1, SIZE_1, HVA_1, KVM_MEM_LOG_DIRTY_PAGES);
	set_slot(s, SLOT_2, GPA_2, SHARED_SIZE, SHARED, 0);
	if (kind == SUBJECT_NESTED)
		create_l2(s);
}

unsigned long subject_private_spoilt(const struct subject *s)
{
	unsigned long spoilt = 0, i;

	for (i = 0; i < PRIVATE_PAGES; i++)
		spoilt += !s->given[i] && !filled(PRIVATE + i * FUZZ_PAGE, FUZZ_PAGE);
	return spoilt;
}

void subject_give(struct subject *s, __u64 addr, __u64 size)
{
	__u64 i, at;

	for (i = 0; i < PRIVATE_PAGES; i++) {
		at = PRIVATE + i * FUZZ_PAGE;
		if (addr < at + FUZZ_PAGE && (at < addr || at - addr < size))
			s->given[i] = true;
	}
}

__u64 subject_hva(const struct subject *s, __u64 gpa)
{
	const struct slot *slot;

	for (slot = s->slot; slot < s->slot + VM_MAX_SLOTS; slot++)
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->size)
			return (__u64)slot->hva + (gpa - slot->gpa);
	return 0;
}

static void set_timer(unsigned long us)
{
	const struct itimerval timer = {
		/* again, as the signal may come before KVM_RUN is called */
		.it_interval.tv_usec = us,
		.it_value.tv_usec = us,
	};

	setitimer(ITIMER_REAL, &timer, NULL);
}

static int kvm_run(struct vcpu *vcpu)
{
	return ioctl(vcpu->fd, KVM_RUN, 0) < 0 ? -errno : (int)vcpu->run->exit_reason;
}

/* Answer the hypercalls that KVM leaves to userspace as QEMU would. */
static bool answered(struct kvm_run *run)
{
	if (run->exit_reason != KVM_EXIT_PAPR_HCALL ||
	    run->papr_hcall.nr == GUEST_EXIT_DONE || run->papr_hcall.nr == GUEST_EXIT_FAULT)
		return false;
	run->papr_hcall.ret = H_FUNCTION;
	return true;
}

static void make_ready(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	/* completes what the last exit has left to be done */
	vcpu->run->immediate_exit = 1;
	kvm_run(vcpu);
	vcpu->run->immediate_exit = 0;
	if (ioctl(vcpu->fd, KVM_GET_REGS, &regs))
		die("KVM_GET_REGS: %m");
	regs.pc = GUEST_ENTRY;
	regs.msr = MSR_SF_ME_RI_LE;
	regs.gpr[3] = GUEST_AREA(vcpu->id);
	if (ioctl(vcpu->fd, KVM_SET_REGS, &regs))
		die("KVM_SET_REGS: %m");
}

int subject_run(struct subject *s, unsigned int id, enum guest_op op)
{
	struct vcpu *vcpu = &s->vm->vcpu[id];
	int reason;

	vcpu->area->op = op;
	vcpu->area->stop = 0;
	__atomic_store_n(&running, vcpu->run, __ATOMIC_RELAXED);
	set_timer(RUN_US);
	do
		reason = kvm_run(vcpu);
	while (reason >= 0 && answered(vcpu->run));
	set_timer(0);
	__atomic_store_n(&running, NULL, __ATOMIC_RELAXED);
	vcpu->run->immediate_exit = 0;
	if (reason == KVM_EXIT_PAPR_HCALL && vcpu->run->papr_hcall.nr == GUEST_EXIT_DONE)
		return 0;
	make_ready(vcpu);
	return reason;
}
