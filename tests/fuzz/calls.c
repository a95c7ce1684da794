// SPDX-License-Identifier: GPL-2.0
/*
 * The calls that programs consist of
 *
 * Each returns what it was told, for a person who reads it: 0 or a count, -errno,
 * the exit reason of a vCPU, or the result of a hypercall. None of it is judged:
 * a call must return, and harm nobody.
 */
#define _GNU_SOURCE
#include "calls.h"

#include <endian.h>
#include <errno.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/wait.h>
#include <unistd.h>

#define H_BULK_REMOVE		0x24
#define H_PAGE_INIT		0x2c
#define H_RPT_INVALIDATE	0x448
#define H_SET_PARTITION_TABLE	0xf800
#define H_ENTER_NESTED		0xf804
#define H_TLB_INVALIDATE	0xf808
#define H_COPY_TOFROM_GUEST	0xf80c

#define PTE_VALID_LEAF		0xc000000000000000ull
#define PTE_ADDRESS		0x01fffffffffff000ull

/* Bits of an L2 address below each level, and entries of its tables. */
static const unsigned int level_shift[NESTED_LEVELS] = { 39, 30, 21, 16 };
static const unsigned int level_entries[NESTED_LEVELS] = { 8192, 512, 512, 32 };

static long result(long ret)
{
	return ret < 0 ? -errno : ret;
}

static long vm_call(struct subject *s, unsigned long request, void *arg)
{
	return result(ioctl(s->vm->fd, request, arg));
}

static long memslot(struct subject *s, const __u64 *arg)
{
	struct kvm_userspace_memory_region region = {
		.slot = arg[0],
		.guest_phys_addr = arg[1],
		.memory_size = arg[2],
		.userspace_addr = arg[3],
		.flags = arg[4],
	};

	long ret;

	subject_give(s, arg[3], arg[2]);
	ret = vm_call(s, KVM_SET_USER_MEMORY_REGION, &region);
	if (!ret && region.slot < VM_MAX_SLOTS)
		s->slot[region.slot] = (struct slot){ arg[1], arg[2], (void *)arg[3], arg[4] };
	return ret;
}

static long get_log(struct subject *s, const __u64 *arg)
{
	struct kvm_dirty_log log = { .slot = arg[0], .dirty_bitmap = (void *)arg[1] };

	subject_give(s, arg[1], BUFFER_SIZE);
	return vm_call(s, KVM_GET_DIRTY_LOG, &log);
}

static long clear_log(struct subject *s, const __u64 *arg)
{
	struct kvm_clear_dirty_log log = {
		.slot = arg[0],
		.first_page = arg[1],
		.num_pages = arg[2],
		.dirty_bitmap = (void *)arg[3],
	};

	return vm_call(s, KVM_CLEAR_DIRTY_LOG, &log);
}

static long enable_cap(struct subject *s, const __u64 *arg)
{
	struct kvm_enable_cap cap = {
		.cap = arg[0],
		.flags = arg[1],
		.args = { arg[2], arg[3] },
	};

	return vm_call(s, KVM_ENABLE_CAP, &cap);
}

static long check_extension(struct subject *s, const __u64 *arg)
{
	return vm_call(s, KVM_CHECK_EXTENSION, (void *)arg[0]);
}

static long allocate_hpt(struct subject *s, const __u64 *arg)
{
	__u32 order = arg[0];

	return vm_call(s, KVM_PPC_ALLOCATE_HTAB, &order);
}

static long resize_hpt(struct subject *s, unsigned long request, const __u64 *arg)
{
	struct kvm_ppc_resize_hpt resize = { .flags = arg[0], .shift = arg[1] };

	return vm_call(s, request, &resize);
}

static long prepare_hpt(struct subject *s, const __u64 *arg)
{
	return resize_hpt(s, KVM_PPC_RESIZE_HPT_PREPARE, arg);
}

static long commit_hpt(struct subject *s, const __u64 *arg)
{
	return resize_hpt(s, KVM_PPC_RESIZE_HPT_COMMIT, arg);
}

static int open_hpt(struct subject *s, __u64 flags, __u64 start)
{
	struct kvm_get_htab_fd get = { .flags = flags, .start_index = start };

	return ioctl(s->vm->fd, KVM_PPC_GET_HTAB_FD, &get);
}

static long read_hpt(struct subject *s, const __u64 *arg)
{
	int fd = open_hpt(s, arg[0], arg[1]);
	long ret;

	subject_give(s, arg[2], arg[3]);

	if (fd < 0)
		return -errno;
	/* the second one continues */
	read(fd, (void *)arg[2], arg[3]);
	ret = result(read(fd, (void *)arg[2], arg[3]));
	close(fd);
	return ret;
}

/* Write so many valid entries, all the same, and then absent ones. */
static long write_hpt(struct subject *s, const __u64 *arg)
{
	struct {
		struct kvm_get_htab_header header;
		__u64 entry[2 * 8];
	} image = {
		.header = { .index = arg[1], .n_valid = arg[2], .n_invalid = arg[3] },
	};
	size_t size = sizeof(image.header), i;
	int fd = open_hpt(s, arg[0], 0);
	long ret;

	if (fd < 0)
		return -errno;
	for (i = 0; i < 8; i++) {
		image.entry[2 * i] = htobe64(arg[4]);
		image.entry[2 * i + 1] = htobe64(arg[5]);
		if (i < arg[2])
			size += 2 * sizeof(__u64);
	}
	ret = result(write(fd, &image, size));
	close(fd);
	return ret;
}

static long configure_mmu(struct subject *s, const __u64 *arg)
{
	struct kvm_ppc_mmuv3_cfg cfg = { .flags = arg[0], .process_table = arg[1] };

	return vm_call(s, KVM_PPC_CONFIGURE_V3_MMU, &cfg);
}

static long rmmu_info(struct subject *s, const __u64 *arg)
{
	subject_give(s, arg[0], sizeof(struct kvm_ppc_rmmu_info));
	return vm_call(s, KVM_PPC_GET_RMMU_INFO, (void *)arg[0]);
}

static long set_reg(struct subject *s, const __u64 *arg)
{
	const __u64 value[32] = { arg[2], arg[3] };

	return vcpu_set_one_reg(&s->vm->vcpu[arg[0] & 1], arg[1], value);
}

static long get_reg(struct subject *s, const __u64 *arg)
{
	__u64 value[32];

	return vcpu_get_one_reg(&s->vm->vcpu[arg[0] & 1], arg[1], value);
}

/* It stays until the program ends: a collection of the log visits it. */
static long create_vcpu(struct subject *s, const __u64 *arg)
{
	return vm_call(s, KVM_CREATE_VCPU, (void *)arg[0]);
}

static __u64 memory_size(const __u64 *arg)
{
	return arg[1] * FUZZ_PAGE;
}

static long advise(struct subject *s, const __u64 *arg)
{
	subject_give(s, arg[0], memory_size(arg));
	return result(madvise((void *)arg[0], memory_size(arg), arg[2]));
}

static long protect(struct subject *s, const __u64 *arg)
{
	subject_give(s, arg[0], memory_size(arg));
	return result(mprotect((void *)arg[0], memory_size(arg), arg[2]));
}

static long move(struct subject *s, const __u64 *arg)
{
	subject_give(s, arg[0], memory_size(arg));
	subject_give(s, arg[2], memory_size(arg));
	return mremap((void *)arg[0], memory_size(arg), memory_size(arg),
		      MREMAP_MAYMOVE | MREMAP_FIXED, (void *)arg[2]) == MAP_FAILED ? -errno : 0;
}

/* A child that shares all pages for a moment. */
static long share(struct subject *s, const __u64 *arg)
{
	pid_t child = fork();

	(void)s;
	(void)arg;
	if (!child)
		_exit(0);
	return result(waitpid(child, NULL, 0));
}

/* Store as the host, where that is possible. */
static long poke(struct subject *s, const __u64 *arg)
{
	__u64 at = subject_hva(s, arg[0] & -8ull);
	int pipes[2];
	long ret;

	if (!at || pipe(pipes))
		return -EFAULT;
	write(pipes[1], &arg[1], sizeof(arg[1]));
	ret = result(read(pipes[0], (void *)at, sizeof(arg[1])));
	close(pipes[0]);
	close(pipes[1]);
	return ret;
}

/* One access to each of up to 64 pages. */
static void list(struct guest_area *area, const __u64 *arg)
{
	area_list(area, arg[0] & -8ull, FUZZ_PAGE, arg[1] & 63, arg[2]);
}

static long store(struct subject *s, const __u64 *arg)
{
	list(s->vm->vcpu[0].area, arg);
	return subject_run(s, 0, GUEST_STORE);
}

static long load(struct subject *s, const __u64 *arg)
{
	list(s->vm->vcpu[0].area, arg);
	return subject_run(s, 0, GUEST_LOAD);
}

static long store_2(struct subject *s, const __u64 *arg)
{
	list(s->vm->vcpu[1].area, arg);
	return subject_run(s, 1, GUEST_STORE);
}

static long set_pate(struct subject *s, const __u64 *arg)
{
	nested_guest_entry(s->n, arg[0] & 0xff)[arg[1] & 1] = htobe64(arg[2]);
	return 0;
}

static long set_entry(struct subject *s, const __u64 *arg)
{
	unsigned int level = arg[0] % NESTED_LEVELS;

	s->table[level][arg[1] >> level_shift[level] & (level_entries[level] - 1)] =
		htobe64(arg[2]);
	return 0;
}

static long map_l2(struct subject *s, const __u64 *arg)
{
	const __u64 entry[] = {
		NESTED_LEVELS - 1, arg[0],
		PTE_VALID_LEAF | NESTED_R | NESTED_C | (arg[1] & PTE_ADDRESS) | (arg[2] & 7),
	};

	return set_entry(s, entry);
}

static long set_hv_word(struct subject *s, const __u64 *arg)
{
	s->vm->vcpu[0].area->nested.hv[arg[0] % NESTED_HV_WORDS] = arg[1];
	return 0;
}

static long set_regs_word(struct subject *s, const __u64 *arg)
{
	s->vm->vcpu[0].area->nested.regs[arg[0] % NESTED_REGS_WORDS] = arg[1];
	return 0;
}

/* Enter L2 as it is. */
static long enter_l2(struct subject *s, const __u64 *arg)
{
	(void)arg;
	return subject_run(s, 0, GUEST_ENTER_NESTED) ?: (long)s->vm->vcpu[0].area->nested.trap;
}

static long reset_l2(struct subject *s, const __u64 *arg)
{
	l2_init(&s->l2, s->n, 0, arg[0], GUEST_MAX_VCPUS - 1);
	return 0;
}

static long run_l2(struct subject *s, enum guest_op op, const __u64 *arg)
{
	struct guest_nested *nested = &s->vm->vcpu[0].area->nested;

	list(s->l2.area, arg);
	s->l2.area->op = op;
	nested->regs[3] = GUEST_AREA(GUEST_MAX_VCPUS - 1);
	nested->regs[NESTED_REGS_NIP] = GUEST_ENTRY;
	return enter_l2(s, arg);
}

static long store_l2(struct subject *s, const __u64 *arg)
{
	return run_l2(s, GUEST_STORE, arg);
}

static long load_l2(struct subject *s, const __u64 *arg)
{
	return run_l2(s, GUEST_LOAD, arg);
}

#define ALL	NR_SUBJECTS
#define HPT	SUBJECT_HPT
#define NESTED	SUBJECT_NESTED

const struct call calls[] = {
	{ "memslot", { V_SLOT, V_GPA, V_SIZE, V_HVA, V_SLOT_FLAGS }, ALL, .make = memslot },
	{ "getlog", { V_SLOT, V_BUFFER }, ALL, .make = get_log },
	{ "clearlog", { V_SLOT, V_FIRST, V_COUNT, V_BUFFER }, ALL, .make = clear_log },
	{ "enablecap", { V_CAP, V_FLAGS, V_CAP_ARG, V_CAP_ARG }, ALL, .make = enable_cap },
	{ "checkcap", { V_CAP }, ALL, .make = check_extension },
	{ "hpt", { V_ORDER }, ALL, .make = allocate_hpt },
	{ "prepare", { V_FLAGS, V_ORDER }, ALL, .make = prepare_hpt },
	{ "commit", { V_FLAGS, V_ORDER }, ALL, .make = commit_hpt },
	{ "readhpt", { V_HTAB, V_INDEX, V_BUFFER, V_SIZE }, ALL, .make = read_hpt },
	{ "writehpt", { V_HTAB, V_INDEX, V_VALID, V_VALID, V_HPTE_V, V_HPTE_R },
	  ALL, .make = write_hpt },
	{ "mmu", { V_MMU, V_PROCESS_TABLE }, ALL, .make = configure_mmu },
	{ "rmmuinfo", { V_BUFFER }, ALL, .make = rmmu_info },
	{ "setreg", { V_VCPU, V_REG, V_AREA, V_LENGTH }, ALL, .make = set_reg },
	{ "getreg", { V_VCPU, V_REG }, ALL, .make = get_reg },
	{ "vcpu", { V_VCPU }, ALL, .make = create_vcpu },
	{ "advise", { V_MEMORY, V_PAGES, V_ADVICE }, ALL, .make = advise },
	{ "protect", { V_MEMORY, V_PAGES, V_PROT }, ALL, .make = protect },
	{ "move", { V_MEMORY, V_PAGES, V_MEMORY }, ALL, .make = move },
	{ "share", { V_NONE }, ALL, .make = share },
	{ "poke", { V_GPA, V_WORD }, ALL, .make = poke },
	{ "store", { V_GPA, V_PAGES, V_WORD }, ALL, .make = store },
	{ "load", { V_GPA, V_PAGES, V_WORD }, ALL, .make = load },
	{ "store2", { V_GPA, V_PAGES, V_WORD }, ALL, .make = store_2 },
	{ "hvpa", { V_VPA_FUNC, V_VCPU, V_AREA }, ALL, .hypercall = H_REGISTER_VPA },
	{ "henter", { V_H_FLAGS, V_INDEX, V_HPTE_V, V_HPTE_R }, HPT, .hypercall = H_ENTER },
	{ "hremove", { V_H_FLAGS, V_INDEX, V_HPTE_V }, HPT, .hypercall = H_REMOVE },
	{ "hread", { V_H_FLAGS, V_INDEX }, HPT, .hypercall = H_READ },
	{ "hprotect", { V_H_FLAGS, V_INDEX, V_HPTE_V }, HPT, .hypercall = H_PROTECT },
	{ "hclearref", { V_H_FLAGS, V_INDEX }, HPT, .hypercall = H_CLEAR_REF },
	{ "hclearmod", { V_H_FLAGS, V_INDEX }, HPT, .hypercall = H_CLEAR_MOD },
	{ "hbulk", { V_TRANSLATION, V_HPTE_V, V_TRANSLATION, V_HPTE_V, V_TRANSLATION, V_HPTE_V },
	  HPT, .hypercall = H_BULK_REMOVE },
	{ "hpageinit", { V_H_FLAGS, V_GPA, V_GPA }, HPT, .hypercall = H_PAGE_INIT },
	{ "hpartition", { V_L1_POINTER }, NESTED, .hypercall = H_SET_PARTITION_TABLE },
	{ "henternested", { V_L1_POINTER, V_L1_POINTER }, NESTED, .hypercall = H_ENTER_NESTED },
	{ "htlbie", { V_TLBIE, V_LPID, V_RB }, NESTED, .hypercall = H_TLB_INVALIDATE },
	{ "hrpt", { V_LPID, V_RPT_TARGET, V_RPT_TYPE, V_RPT_SIZE, V_RPT_START, V_RPT_END },
	  NESTED, .hypercall = H_RPT_INVALIDATE },
	{ "hcopy", { V_LPID, V_VCPU, V_L2_GPA, V_L1_POINTER, V_L1_POINTER, V_LENGTH },
	  NESTED, .hypercall = H_COPY_TOFROM_GUEST },
	{ "pate", { V_LPID, V_DOUBLEWORD, V_PATE }, NESTED, .make = set_pate },
	{ "entry", { V_LEVEL, V_L2_GPA, V_ENTRY }, NESTED, .make = set_entry },
	{ "l2map", { V_L2_GPA, V_GPA, V_ACCESS }, NESTED, .make = map_l2 },
	{ "l2hv", { V_HV_WORD, V_WORD }, NESTED, .make = set_hv_word },
	{ "l2regs", { V_REGS_WORD, V_WORD }, NESTED, .make = set_regs_word },
	{ "l2reset", { V_LPID }, NESTED, .make = reset_l2 },
	{ "l2enter", { V_NONE }, NESTED, .make = enter_l2 },
	{ "l2store", { V_L2_GPA, V_PAGES, V_WORD }, NESTED, .make = store_l2 },
	{ "l2load", { V_L2_GPA, V_PAGES, V_WORD }, NESTED, .make = load_l2 },
};

const unsigned int nr_calls = ARRAY_SIZE(calls);

static long hypercall(struct subject *s, __u64 nr, const __u64 *arg, unsigned int nr_args)
{
	struct guest_area *area = s->vm->vcpu[0].area;

	memset(area->regs, 0, sizeof(area->regs));
	area->regs[0] = nr;
	memcpy(area->regs + 1, arg, nr_args * sizeof(*arg));
	return subject_run(s, 0, GUEST_HCALL) ?: (long)area->regs[0];
}

long call_make(const struct call *call, struct subject *s, const __u64 *arg)
{
	if (call->hypercall)
		return hypercall(s, call->hypercall, arg, call_args(call));
	return call->make(s, arg);
}
