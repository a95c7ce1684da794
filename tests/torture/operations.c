// SPDX-License-Identifier: GPL-2.0
/*
 * The table of operations, and those on KVM
 */
#define _GNU_SOURCE
#include "operations.h"

#include <assert.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "../ktap/area.h"
#include "../ktap/module.h"
#include "../ktap/options.h"

#define HPT_ORDER	24	/* of vm.c */
#define TREE_END	0x10000000000000ull

static struct patch *any_patch(struct subject *s, __u32 which)
{
	return &s->patch[which % SUBJECT_SLOTS];
}

static struct vcpu *any_vcpu(struct subject *s, __u32 which)
{
	return &s->vm->vcpu[which % s->vm->nr_vcpus];
}

static int op_store(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);

	if (!p->exists)
		return -ENOENT;
	return subject_store(s, p, patch_run(p, a[1], a[2], MAX_STORES), a[3]);
}

static int op_load(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);

	if (!p->exists)
		return -ENOENT;
	return subject_load(s, p, patch_run(p, a[1], a[2], MAX_STORES), a[3]);
}

/* The VMM stores: no log has to report it. */
static int op_host_store(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	size_t page = patch_run(p, a[1], 0, 1).first;

	p->value[page] = ++s->serial;
	p->maybe_zero[page] = false;
	*patch_word(s, p, page) = p->value[page];
	return 0;
}

static int op_compare(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);

	subject_compare(s, p, (struct run){ 0, s->total });
	return 0;
}

static int op_collect(struct subject *s, const __u32 a[4])
{
	return subject_collect(s, any_patch(s, a[0]));
}

static int op_clear(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	__u64 pattern = a[3] % 3 ? a[3] * 0x9e3779b97f4a7c15ull : -1ull;

	/* What running vCPUs store is copied when it is collected. */
	if (!s->config.manual || !p->exists || patch_is_busy(s, p))
		return -EOPNOTSUPP;
	return subject_clear(s, p, a[1], a[2], pattern);
}

static void must_be_refused(struct subject *s, int ret, const char *what, __u32 which)
{
	if (!ret)
		fail(s, "%s %u is not refused", what, which);
}

static int op_log_wrong(struct subject *s, const __u32 a[4])
{
	static const __u32 absent[] = { SPARE_SLOT, 32767, 65537, -1u };
	struct patch *p = any_patch(s, a[0]);
	__u64 bits[MAX_PAGES / 64 + 1] = { 0 };
	__u32 which = a[1] % 8, id = absent[a[2] % ARRAY_SIZE(absent)];
	int ret;

	switch (which) {
	case 0:
		ret = vm_get_dirty_log(s->vm, id, bits);
		break;
	case 1:
		ret = vm_clear_dirty_log(s->vm, id, 0, 64, bits);
		break;
	case 2:
		ret = vm_clear_dirty_log(s->vm, p->id, 1 + a[3] % 63, 64, bits);
		break;
	case 3:
		ret = vm_clear_dirty_log(s->vm, p->id, 0, p->pages + 1, bits);
		break;
	case 4:
		ret = vm_clear_dirty_log(s->vm, p->id, -64ull, 64, bits);
		break;
	case 5:
		ret = vm_clear_dirty_log(s->vm, p->id, 0, -64u, bits);
		break;
	case 6:
		if (!p->exists)
			return -ENOENT;
		ret = vm_get_dirty_log(s->vm, p->id, (void *)-0x10000ull);
		break;
	default:
		ret = vm_manual_protect(s->vm, ~0ull << 2);
		break;
	}
	must_be_refused(s, ret, "wrong call on a log", which);
	return 0;
}

/* HPTEs cannot be written while vCPUs run. */
static bool can_be_placed(const struct subject *s, const struct patch *p)
{
	return !patch_is_busy(s, p) && !(s->config.running && s->vm->mmu == VM_MMU_HPT);
}

static int op_slot(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]), old = *p;
	int ret;

	if (!can_be_placed(s, p))
		return -EBUSY;
	p->exists = !p->exists;
	p->logged = p->exists && a[3] % 4;
	if (p->exists) {
		/* L1 maps pages of SLOT_ALIGN */
		size_t unit = SLOT_ALIGN / s->page, units = s->total / unit;

		p->first = a[1] % units * unit;
		p->pages = (1 + a[2] % (units - a[1] % units)) * unit;
		p->gpa = patch_gpa(s, p, a[2] ^ a[1]);
	}
	ret = patch_set(s, p);
	if (ret)
		*p = old;
	else
		patch_begin_log(s, p);
	return ret;
}

static int op_slot_moved(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	__u64 old = p->gpa;
	int ret;

	if (!p->exists || !can_be_placed(s, p))
		return -EBUSY;
	p->gpa = patch_gpa(s, p, a[1]);
	ret = patch_set(s, p);
	if (ret)
		p->gpa = old;
	return ret;
}

static int op_log_switched(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	int ret;

	if (!p->exists)
		return -ENOENT;
	p->logged = !p->logged;
	ret = patch_set(s, p);
	if (ret) {
		p->logged = !p->logged;
		return ret;
	}
	if (patch_is_busy(s, p) && !host_is_exact())
		vm_kick(s->vm);
	patch_begin_log(s, p);
	return 0;
}

static int op_slot_wrong(struct subject *s, const __u32 a[4])
{
	const struct patch *p = any_patch(s, a[0]);
	size_t size = p->pages * s->page;
	void *memory = p->memory + p->first * s->page;
	__u64 gpa = p->gpa;
	__u32 which = a[1] % 9, id = p->id, flags = p->logged ? KVM_MEM_LOG_DIRTY_PAGES : 0;
	int ret;

	if (!p->exists)
		return -ENOENT;
	switch (which) {
	case 0: /* overlaps */
		id = SPARE_SLOT;
		gpa += a[2] % p->pages * s->page;
		break;
	case 1:
		size += s->page;
		break;
	case 2:
		memory += s->page;
		break;
	case 3:
		gpa++;
		break;
	case 4:
		size--;
		break;
	case 5:
		id = 32767 + a[2] % 65536;
		gpa += 0x1000000000ull;
		break;
	case 6:
		flags |= 1u << (2 + a[2] % 30);
		break;
	case 7: /* around the end of addresses */
		id = SPARE_SLOT;
		gpa = -(__u64)s->page * (1 + a[2] % 2);
		size = 4 * s->page;
		break;
	default:
		id = SPARE_SLOT;
		size = 0x80000000ull * s->page;
		break;
	}
	ret = vm_set_memslot(s->vm, id, gpa, size, memory, flags);
	must_be_refused(s, ret, "wrong memslot", which);
	return 0;
}

/* Whatever KVM accepts can be logged, collected, and deleted. */
static int op_slot_extreme(struct subject *s, const __u32 a[4])
{
	static const __u64 gpas[] = {
		0x8000000000ull, TREE_END - 0x10000, TREE_END - 0x20000, TREE_END,
		TREE_END + SLOT_WINDOW, 0x7fffffffffff0000ull, -0x30000ull, -0x1000000ull,
	};
	struct patch *p = any_patch(s, a[2]);
	__u64 gpa = gpas[a[0] % ARRAY_SIZE(gpas)] + (a[3] % 16) * s->page;
	size_t pages = 1 + a[1] % s->total;
	__u64 bits[MAX_PAGES / 64 + 1] = { 0 };
	int ret = vm_set_memslot(s->vm, SPARE_SLOT, gpa, pages * s->page, p->memory,
				 KVM_MEM_LOG_DIRTY_PAGES);

	if (ret)
		return ret;
	vm_get_dirty_log(s->vm, SPARE_SLOT, bits);
	vm_clear_dirty_log(s->vm, SPARE_SLOT, 0, pages, bits);
	vm_set_memslot(s->vm, SPARE_SLOT, gpa, pages * s->page, p->memory, 0);
	ret = vm_set_memslot(s->vm, SPARE_SLOT, gpa, 0, p->memory, 0);
	if (ret && !s->faulty)
		fail(s, "an extreme memslot stays: %s", strerror(-ret));
	/* With one more try it must go, or the next one would overlap. */
	while (ret == -ENOMEM || ret == -EFAULT)
		ret = vm_set_memslot(s->vm, SPARE_SLOT, gpa, 0, p->memory, 0);
	return ret;
}

/* Areas are before the words of the record, in any page, or nowhere. */
static const size_t area_at[NR_AREAS] = { [VPA] = 0, [DTL] = 0x400, [SLB] = 0xa00 };

static __u64 area_gpa(const struct subject *s, const struct patch *p, enum area kind, __u32 where)
{
	static const __u64 nowhere[] = { 0, 0x7000000000ull, TREE_END, -0x10000ull, 0x1234 };

	if (!p->exists || where % 8 == 0)
		return nowhere[where / 8 % ARRAY_SIZE(nowhere)];
	return p->gpa + where % p->pages * s->page + area_at[kind];
}

static int op_area(struct subject *s, const __u32 a[4])
{
	enum area area = a[1] % NR_AREAS;

	return area_set(any_vcpu(s, a[3]), area, area_gpa(s, any_patch(s, a[0]), area, a[2]),
			area == VPA ? 0 : DTL_ENTRY * (a[3] % 8));
}

static int op_area_hcall(struct subject *s, const __u32 a[4])
{
	struct patch *p = any_patch(s, a[0]);
	unsigned int func = a[1] % H_REGISTER_VPA_FUNCS;
	enum area area = (func + 3) % 4 % NR_AREAS;
	__u64 gpa = area_gpa(s, p, area, a[2]);

	if (p->exists && gpa - p->gpa < p->pages * s->page)
		area_put_length(p->memory + p->first * s->page + (gpa - p->gpa), area,
				VPA_LENGTH >> (area != VPA));
	return h_register_vpa(any_vcpu(s, a[3]), func, a[3] / 2 % 3, gpa) ? -EINVAL : 0;
}

static int op_vcpu(struct subject *s, const __u32 a[4])
{
	static const long ids[] = { 0, 2048, -1, 1l << 31, 1l << 32, 2, 3, 7, 100, 2047 };
	/*
	 * QEMU's nested API v2 aborts if new vCPUs are not numbered in order: only the
	 * first five, which KVM refuses itself, are possible there.
	 */
	unsigned int nr = option("TORTURE_NEW_VCPUS", 1) ? ARRAY_SIZE(ids) : 5;
	int fd = ioctl(s->vm->fd, KVM_CREATE_VCPU, ids[a[0] % nr]);

	if (fd < 0)
		return -errno;
	close(fd);
	return 0;
}

static int op_vm(struct subject *s, const __u32 a[4])
{
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC), fd, ret;

	(void)s;
	fd = ioctl(kvm, KVM_CREATE_VM, a[0] % 2);
	ret = fd < 0 ? -errno : 0;
	close(kvm);
	if (fd >= 0)
		close(fd);
	return ret;
}

static int op_kick(struct subject *s, const __u32 a[4])
{
	struct vcpu *vcpu = any_vcpu(s, a[0]);
	int ret;

	if (s->config.running) {
		vm_kick(s->vm);
		return 0;
	}
	vcpu->area->count = 0;
	vcpu->area->op = GUEST_LOAD;
	vcpu->run->immediate_exit = 1;
	ret = ioctl(vcpu->fd, KVM_RUN, 0) ? -errno : 0;
	vcpu->run->immediate_exit = 0;
	if (ret != -EINTR)
		fail(s, "KVM_RUN with immediate_exit: %d", ret);
	return 0;
}

/* Both ways; the logs go on. Memslots are in a new HPT. */
static int op_mmu(struct subject *s, const __u32 a[4])
{
	int ret;

	if (s->config.kind == KIND_NESTED)
		return -EOPNOTSUPP;
	if (s->vm->mmu == VM_MMU_HPT && a[0] % 2)
		return vm_set_mmu(s->vm, VM_MMU_RADIX);
	ret = vm_alloc_hpt(s->vm);
	if (ret)
		return vm_set_mmu(s->vm, VM_MMU_RADIX) ?: ret;
	vm_map_slots(s->vm);
	return 0;
}

/* The HPT that a guest uses stays as large as vm.c expects. */
static int op_hpt_resize(struct subject *s, const __u32 a[4])
{
	struct kvm_ppc_resize_hpt resize = {
		.shift = a[0] % 2 ? HPT_ORDER : a[1] % 28,
	};
	int ret;

	while ((ret = ioctl(s->vm->fd, KVM_PPC_RESIZE_HPT_PREPARE, &resize)) > 0 && a[0] % 4)
		usleep(1000);
	if (ret < 0)
		return -errno;
	if (resize.shift != HPT_ORDER)
		return 0;
	return ioctl(s->vm->fd, KVM_PPC_RESIZE_HPT_COMMIT, &resize) ? -errno : 0;
}

static int op_hpt_read(struct subject *s, const __u32 a[4])
{
	struct kvm_get_htab_fd get = { .start_index = a[0] % (1 << (HPT_ORDER - 4)) };
	static char buffer[1 << 16];
	int fd = ioctl(s->vm->fd, KVM_PPC_GET_HTAB_FD, &get), ret;

	if (fd < 0)
		return -errno;
	ret = read(fd, buffer, 1 + a[1] % sizeof(buffer)) < 0 ? -errno : 0;
	close(fd);
	return ret;
}

/* L1 invalidates what its L2 uses: a page, its LPID, all, or another LPID. */
static int op_l1_invalidates(struct subject *s, const __u32 a[4])
{
	const struct patch *p = any_patch(s, a[0]);
	const __u64 rb[] = {
		NESTED_RB_PAGE(p->gpa + a[1] % p->pages * s->page), NESTED_RB_LPID,
		NESTED_RB_ALL,
	};

	if (s->config.kind != KIND_NESTED)
		return -EOPNOTSUPP;
	return nested_tlbie(&s->vm->vcpu[0], a[3] % 4 ? NESTED_RIC_TLB : NESTED_RIC_ALL,
			    a[3] / 4 % 3, rb[a[2] % ARRAY_SIZE(rb)]) ? -EINVAL : 0;
}

static void read_all(const char *path)
{
	static char buffer[1 << 16];
	int fd = open(path, O_RDONLY | O_NONBLOCK);

	if (fd < 0)
		return;
	while (read(fd, buffer, sizeof(buffer)) > 0)
		;
	close(fd);
}

/* Read the module's counters of each VM, in KVM's debugfs. */
static int op_observe(struct subject *s, const __u32 a[4])
{
	glob_t found;
	size_t i;
	int ret;

	(void)s;
	(void)a;
	ret = glob("/sys/kernel/debug/kvm/*/hv_ext/*", 0, NULL, &found);
	if (ret)
		return -ENOENT;
	for (i = 0; i < found.gl_pathc; i++)
		read_all(found.gl_pathv[i]);
	globfree(&found);
	return 0;
}

/* A module whose VMs live stays. */
static int op_unload(struct subject *s, const __u32 a[4])
{
	int ret = module_remove();

	(void)a;
	if (ret != -EWOULDBLOCK)
		fail(s, "the module was unloaded under a VM: %d", ret);
	return 0;
}

#define ANY	(OP_STOCK | OP_RUNNING)

const struct operation operations[] = {
	{ "store", 60, OP_STOCK | OP_FAULTY, op_store },
	{ "load", 20, OP_STOCK | OP_FAULTY, op_load },
	{ "host_store", 6, ANY, op_host_store },
	{ "compare", 4, ANY, op_compare },
	{ "collect", 40, ANY | OP_FAULTY, op_collect },
	{ "clear", 12, OP_FAULTY | OP_RUNNING, op_clear },
	{ "log_wrong", 4, OP_RUNNING | OP_FAULTY | OP_ALONE, op_log_wrong },
	{ "slot", 8, OP_RUNNING | OP_FAULTY, op_slot },
	{ "slot_moved", 6, OP_RUNNING | OP_FAULTY, op_slot_moved },
	{ "log_switched", 10, ANY | OP_FAULTY, op_log_switched },
	{ "slot_wrong", 4, OP_RUNNING | OP_FAULTY | OP_ALONE, op_slot_wrong },
	{ "slot_extreme", 3, OP_RUNNING | OP_FAULTY | OP_BESIDE | OP_ALONE, op_slot_extreme },
	{ "area", 8, OP_FAULTY, op_area },
	{ "area_hcall", 8, 0, op_area_hcall },
	{ "vcpu", 2, OP_RUNNING | OP_FAULTY | OP_BESIDE, op_vcpu },
	{ "vm", 2, ANY | OP_FAULTY | OP_BESIDE, op_vm },
	{ "kick", 4, ANY, op_kick },
	{ "mmu", 4, OP_HPT | OP_ALONE, op_mmu },
	{ "hpt_resize", 6, OP_VM_HPT | OP_RUNNING, op_hpt_resize },
	{ "hpt_read", 6, OP_VM_HPT | OP_RUNNING | OP_BESIDE, op_hpt_read },
	{ "l1_invalidates", 6, 0, op_l1_invalidates },
	{ "observe", 2, ANY | OP_BESIDE, op_observe },
	{ "unload", 1, OP_RUNNING | OP_BESIDE, op_unload },
	{ "advise", 10, OP_RUNNING | OP_FAULTY | OP_TAKES | OP_BESIDE, op_advise },
	{ "merge", 4, OP_RUNNING | OP_TAKES | OP_BESIDE, op_merge },
	{ "drop", 10, ANY | OP_TAKES, op_drop },
	{ "free", 4, OP_RUNNING | OP_TAKES, op_free },
	{ "page_out", 8, OP_RUNNING | OP_FAULTY | OP_TAKES | OP_SWAP | OP_BESIDE, op_page_out },
	{ "protect", 6, OP_RUNNING | OP_TAKES, op_protect },
	{ "move_memory", 4, OP_RUNNING | OP_TAKES | OP_ALONE, op_move_memory },
	{ "move_node", 4, OP_RUNNING | OP_FAULTY | OP_TAKES | OP_BESIDE, op_move_node },
	{ "fork", 5, ANY | OP_TAKES | OP_GLOBAL | OP_ALONE, op_fork },
	{ "userfault", 4, OP_TAKES, op_userfault },
	{ "reclaim", 3, ANY | OP_TAKES | OP_GLOBAL | OP_SWAP | OP_BESIDE, op_reclaim },
	{ "compact", 1, ANY | OP_GLOBAL | OP_BESIDE, op_compact },
};

const unsigned int nr_operations = ARRAY_SIZE(operations);
static_assert(ARRAY_SIZE(operations) <= MAX_OPERATIONS, "more operations than counters");

bool operation_suits(const struct operation *op, const struct subject *s)
{
	return (!s->plain || op->flags & OP_STOCK) &&
	       (!s->config.running || op->flags & OP_RUNNING) &&
	       (!(op->flags & OP_HPT) || !host_is_lpar()) &&
	       (!(op->flags & OP_VM_HPT) || s->vm->mmu == VM_MMU_HPT);
}
