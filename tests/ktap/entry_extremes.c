// SPDX-License-Identifier: GPL-2.0
/*
 * Extreme values that no VMM passes, for each argument of each ioctl and
 * hypercall that the module serves. docs/entry-points.md lists them and the
 * suites that test the others.
 *
 * A run on stock records what each call returns; the module must return the
 * same. Afterwards the VM must work as before.
 */
#define _GNU_SOURCE
#include "ktap.h"

#include <fcntl.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "area.h"
#include "logged_vm.h"
#include "nested.h"
#include "record.h"

#define NPAGES		224	/* no multiple of 64; whole huge pages */
#define OTHER_SLOT	2
#define OTHER_GPA	(2 * VM_DATA_GPA)
#define PAGING		"/sys/module/kvm_hv_ext/parameters/paging"

#define TIMEOUT		300

FIXTURE(extremes) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	size_t page;
	struct record record;
	__u64 bitmap[(NPAGES + 63) / 64];
};

FIXTURE_VARIANT(extremes) {
	enum vm_mmu mmu;
	const char *name;
};

FIXTURE_VARIANT_ADD(extremes, radix) { VM_MMU_RADIX, "radix" };
FIXTURE_VARIANT_ADD(extremes, hpt) { VM_MMU_HPT, "hpt" };

FIXTURE_SETUP(extremes)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NPAGES, BACKING_SMALL));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	self->page = self->l->page;
	record_open(&self->record, self->vm->ours, "extremes.%s.%s",
		    _metadata->name, variant->name);
}

FIXTURE_TEARDOWN(extremes)
{
	record_close(&self->record);
	logged_vm_destroy(self->l);
}

static int call(int fd, unsigned long request, void *arg)
{
	int ret = ioctl(fd, request, arg);

	return ret < 0 ? -errno : ret;
}

/* The VM must still work: guest stores reach memory and are reported. */
static void check_vm(struct __test_metadata *_metadata, struct _test_data_extremes *self)
{
	static __u64 value;
	size_t page;

	ASSERT_EQ(0, logged_vm_collect(self->l));
	for (page = 0; page < NPAGES; page += 100) {
		vcpu_store(self->vcpu, logged_vm_gpa(self->l, page), ++value);
		ASSERT_EQ(value, *(__u64 *)(self->l->memory + page * self->page));
	}
	ASSERT_EQ(0, logged_vm_collect(self->l));
	for (page = 0; page < NPAGES; page += 100)
		EXPECT_TRUE(test_bit(self->l->bitmap, page));
}

TEST_F(extremes, memslot_arguments)
{
	int slots = call(self->vm->fd, KVM_CHECK_EXTENSION, (void *)KVM_CAP_NR_MEMSLOTS);
	const __u64 ids[] = {
		OTHER_SLOT, slots - 1, slots, 0x7fff, 0x8000, 0xffff, 0x10000 | OTHER_SLOT,
		0x7fffffff, 0x80000000, 0xffffffff,
	};
	const __u64 sizes[] = {
		0, 1, self->page - 1, self->page, self->page + 1, 1ull << 47,
		self->page << 31, (self->page << 31) - self->page, 1ull << 63, -self->page, -1,
	};
	const __u64 hvas[] = {
		0, self->page, (unsigned long)self->l->memory,
		(unsigned long)self->l->memory + 1, 1ull << 47, 1ull << 62,
		0xc000000000000000ull, -self->page, -1,
	};
	const __u32 flags[] = { 0, 1, 2, 3, 4, 0x10000, 0x80000000, 0xffffffff };
	struct kvm_userspace_memory_region region;
	unsigned int i, s, h, f;
	int ret;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (s = 0; s < ARRAY_SIZE(sizes); s++) {
			for (h = 0; h < ARRAY_SIZE(hvas); h++) {
				for (f = 0; f < ARRAY_SIZE(flags); f++) {
					region = (struct kvm_userspace_memory_region){
						.slot = ids[i],
						.flags = flags[f],
						.guest_phys_addr = OTHER_GPA,
						.memory_size = sizes[s],
						.userspace_addr = hvas[h],
					};
					ret = call(self->vm->fd, KVM_SET_USER_MEMORY_REGION,
						   &region);
					record(&self->record, "%llx %llx %u %x: %d", ids[i],
					       sizes[s], h, flags[f], ret);
					region.memory_size = 0;
					if (!ret)
						call(self->vm->fd,
						     KVM_SET_USER_MEMORY_REGION, &region);
				}
			}
		}
	}
	check_vm(_metadata, self);
}

TEST_F(extremes, get_dirty_log)
{
	static const __u32 ids[] = {
		LOGGED_SLOT, OTHER_SLOT, 0x7ffe, 0x7fff, 0x8000, 0xffff, 0x10000 | LOGGED_SLOT,
		0x7fffffff, 0x80000000, 0xffffffff,
	};
	void *const bitmaps[] = {
		NULL, (void *)1, self->bitmap, (void *)(1ul << 62),
		(void *)0xc000000000000000ul, (void *)-8ul, (void *)-1ul,
	};
	unsigned int i, b;

	for (i = 0; i < ARRAY_SIZE(ids); i++)
		for (b = 0; b < ARRAY_SIZE(bitmaps); b++)
			record(&self->record, "%x %u: %d", ids[i], b,
			       vm_get_dirty_log(self->vm, ids[i], bitmaps[b]));
	check_vm(_metadata, self);
}

/* first_page and num_pages according to Documentation/virt/kvm/api.rst. */
static int model_of_clear(__u64 first, __u32 pages)
{
	return first % 64 || first > NPAGES || pages > NPAGES - first ||
	       (pages < NPAGES - first && pages % 64) ? -EINVAL : 0;
}

TEST_F(extremes, clear_dirty_log)
{
	static const __u64 firsts[] = {
		0, 1, 63, 64, 65, 128, 192, 223, 224, 255, 256, 320, 0x7fffffc0, 0x80000000,
		0xffffffc0, 0xffffffff, 1ull << 32, 1ull << 58, 1ull << 63, -64ull, -1ull,
	};
	static const __u32 counts[] = {
		0, 1, 31, 32, 33, 63, 64, 65, 96, 128, 160, 192, 223, 224, 225, 256, 0x7fffffff,
		0x80000000, 0xffffff00, 0xffffffc0, 0xffffffe0, 0xffffffff,
	};
	unsigned int i, n;

	if (!self->vm->ours)
		SKIP(return, "stock has no KVM_CLEAR_DIRTY_LOG");
	memset(self->bitmap, 0xff, sizeof(self->bitmap));
	for (i = 0; i < ARRAY_SIZE(firsts); i++)
		for (n = 0; n < ARRAY_SIZE(counts); n++)
			EXPECT_EQ(model_of_clear(firsts[i], counts[n]),
				  vm_clear_dirty_log(self->vm, LOGGED_SLOT, firsts[i],
						     counts[n], self->bitmap)) {
				TH_LOG("from %llx, %x pages", firsts[i], counts[n]);
			}
	check_vm(_metadata, self);
}

/* Only KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 differs: stock does not offer it. */
TEST_F(extremes, capabilities)
{
	static const __u64 caps[] = {
		KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 - 1,
		KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 + 1,
		1ull << 32 | KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0x7fffffff, 0x80000000,
		0xffffffff, 1ull << 63, -1ull,
	};
	static const __u64 args[] = { 0, 1, 2, 3, 4, 5, 1ull << 32, 1ull << 63, -1ull };
	int kvm = open("/dev/kvm", O_RDWR | O_CLOEXEC);
	struct kvm_enable_cap cap = { 0 };
	unsigned int i, a, flags;
	int ret;

	for (i = 0; i < ARRAY_SIZE(caps); i++) {
		if (i)
			record(&self->record, "%llx: %d %d", caps[i],
			       call(kvm, KVM_CHECK_EXTENSION, (void *)caps[i]),
			       call(self->vm->fd, KVM_CHECK_EXTENSION, (void *)caps[i]));
		for (a = 0; a < ARRAY_SIZE(args); a++) {
			for (flags = 0; flags < 2; flags++) {
				cap = (struct kvm_enable_cap){
					.cap = caps[i],
					.flags = flags ? 0x80000000 : 0,
					.args = { args[a], -1, -1, -1 },
				};
				ret = call(self->vm->fd, KVM_ENABLE_CAP, &cap);
				if (cap.cap != KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2)
					record(&self->record, "%llx %llx: %d", caps[i],
					       args[a], ret);
				else
					EXPECT_EQ(!self->vm->ours || flags || args[a] > 3 ||
						  args[a] == 2 ? -EINVAL : 0, ret);
			}
		}
	}
	close(kvm);
	if (self->vm->ours)
		ASSERT_EQ(0, vm_manual_protect(self->vm, self->l->manual));
	check_vm(_metadata, self);
}

/* A VMM may enable nested guests at any time, even for an HPT guest. */
TEST_F(extremes, nested_allowed)
{
	struct kvm_enable_cap cap = { .cap = KVM_CAP_PPC_NESTED_HV, .args = { 1 } };
	struct vm *vm = self->vm;
	unsigned int turn;
	int ret;

	for (turn = 0; turn < 3; turn++) {
		vcpu_store_pages(self->vcpu, VM_DATA_GPA, self->page, NPAGES, turn);
		ret = call(vm->fd, KVM_ENABLE_CAP, &cap);
		record(&self->record, "%d", ret);
		vcpu_store_pages(self->vcpu, VM_DATA_GPA + 8, self->page, NPAGES / 2, turn);
		if (turn == 1)
			mem_drop(self->l->memory, self->l->size / 2);
		record(&self->record, "%d %d",
		       vm_set_memslot(vm, LOGGED_SLOT, OTHER_GPA, self->l->size,
				      self->l->memory, KVM_MEM_LOG_DIRTY_PAGES),
		       vm_set_memslot(vm, LOGGED_SLOT, VM_DATA_GPA, self->l->size,
				      self->l->memory, KVM_MEM_LOG_DIRTY_PAGES));
		vcpu_store_pages(self->vcpu, VM_DATA_GPA, self->page, NPAGES, turn);
		ASSERT_EQ(0, vm_set_memslot(vm, LOGGED_SLOT, VM_DATA_GPA, 0, NULL, 0));
		ASSERT_EQ(0, vm_set_memslot(vm, LOGGED_SLOT, VM_DATA_GPA, self->l->size,
					    self->l->memory, KVM_MEM_LOG_DIRTY_PAGES));
		check_vm(_metadata, self);
	}
}

TEST_F(extremes, vcpu_numbers)
{
	static const __u64 ids[] = {
		0, 1, 7, 8, 255, 2047, 2048, 4095, 0x3fff, 0x4000, 0x7fff, 0x8000, 0xffff,
		0x10000, 0x7fffffff, 0x80000000, 0xffffffff, 1ull << 32, 1ull << 63, -1ull,
	};
	unsigned int i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		fd = call(self->vm->fd, KVM_CREATE_VCPU, (void *)ids[i]);
		record(&self->record, "%llx: %d", ids[i], fd < 0 ? fd : 0);
		/* a new vCPU may have areas, and collections visit it */
		if (fd >= 0) {
			struct vcpu vcpu = { .fd = fd };

			record(&self->record, "%d %d", area_set(&vcpu, VPA, VM_DATA_GPA, 0),
			       logged_vm_collect(self->l));
			close(fd);
		}
	}
	check_vm(_metadata, self);
}

/* Unreadable argument addresses. */
static void *const nowhere[] = {
	NULL, (void *)1, (void *)(1ul << 62), (void *)0xc000000000000000ul, (void *)-4ul,
	(void *)-1ul,
};

TEST_F(extremes, no_argument)
{
	static const unsigned long requests[] = {
		KVM_SET_USER_MEMORY_REGION, KVM_GET_DIRTY_LOG, KVM_ENABLE_CAP,
		KVM_PPC_ALLOCATE_HTAB, KVM_PPC_GET_HTAB_FD, KVM_PPC_RESIZE_HPT_PREPARE,
		KVM_PPC_RESIZE_HPT_COMMIT, KVM_PPC_CONFIGURE_V3_MMU,
	};
	unsigned int i, n;

	for (n = 0; n < ARRAY_SIZE(nowhere); n++) {
		for (i = 0; i < ARRAY_SIZE(requests); i++)
			record(&self->record, "%lx %u: %d", requests[i], n,
			       call(self->vm->fd, requests[i], nowhere[n]));
		if (self->vm->ours)
			EXPECT_EQ(-EFAULT, call(self->vm->fd, KVM_CLEAR_DIRTY_LOG,
						nowhere[n]));
	}
	check_vm(_metadata, self);
}

static int allocate(struct vm *vm, __u32 order)
{
	return call(vm->fd, KVM_PPC_ALLOCATE_HTAB, &order);
}

/* A radix guest becomes an HPT guest if the host supports it. */
TEST_F(extremes, hpt_orders)
{
	static const __u32 orders[] = {
		1, 4, 16, 17, 18, 18, 19, 24, 24, 47, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(orders); i++)
		record(&self->record, "%u: %d", orders[i], allocate(self->vm, orders[i]));
	/* the VM has no HPT now */
	record(&self->record, "%d", logged_vm_collect(self->l));
	record(&self->record, "%d", vm_set_memslot(self->vm, LOGGED_SLOT, OTHER_GPA,
						   self->l->size, self->l->memory, 0));
}

/*
 * Order 0 is also the order of a VM without an HPT. Stock thus takes the absent
 * HPT for one of the right size, and clears memory at address 0.
 */
TEST_F(extremes, hpt_order_0)
{
	if (may_xfail(self->vm))
		SKIP(return, "the host crashes on stock");
	if (vm_mmu_missing(VM_MMU_HPT)) {
		EXPECT_EQ(-EOPNOTSUPP, allocate(self->vm, 0));
		SKIP(return, "%s", vm_mmu_missing(VM_MMU_HPT));
	}
	EXPECT_EQ(-EINVAL, allocate(self->vm, 0));
	EXPECT_EQ(-EINVAL, allocate(self->vm, 0));
	/* kvm-hv frees the HPT, and cannot allocate the other one */
	EXPECT_EQ(0, allocate(self->vm, 18));
	EXPECT_EQ(-EINVAL, allocate(self->vm, 47));
	EXPECT_EQ(-EINVAL, allocate(self->vm, 0));
	EXPECT_EQ(0, allocate(self->vm, 18));
}

static int resize(struct vm *vm, unsigned long request, __u64 flags, __u32 shift)
{
	struct kvm_ppc_resize_hpt arg = { .flags = flags, .shift = shift };

	return call(vm->fd, request, &arg);
}

/*
 * Run a vCPU first: kvm-hv WARNs if a guest that is not ready commits a resize.
 */
TEST_F(extremes, hpt_resize)
{
	static const __u64 flags[] = { 1, 1ull << 32, 1ull << 63, -1ull };
	static const __u32 shifts[] = {
		0, 1, 17, 47, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff,
	};
	struct vm *vm = self->vm;
	unsigned int i;

	check_vm(_metadata, self);
	for (i = 0; i < ARRAY_SIZE(flags); i++)
		record(&self->record, "%d %d",
		       resize(vm, KVM_PPC_RESIZE_HPT_PREPARE, flags[i], 18),
		       resize(vm, KVM_PPC_RESIZE_HPT_COMMIT, flags[i], 18));
	for (i = 0; i < ARRAY_SIZE(shifts); i++)
		record(&self->record, "%d %d",
		       resize(vm, KVM_PPC_RESIZE_HPT_PREPARE, 0, shifts[i]),
		       resize(vm, KVM_PPC_RESIZE_HPT_COMMIT, 0, shifts[i]));
	/* commit without a prepare; prepare one order and commit another */
	record(&self->record, "%d", resize(vm, KVM_PPC_RESIZE_HPT_COMMIT, 0, 18));
	record(&self->record, "%d", resize(vm, KVM_PPC_RESIZE_HPT_PREPARE, 0, 19));
	record(&self->record, "%d", resize(vm, KVM_PPC_RESIZE_HPT_COMMIT, 0, 20));
	record(&self->record, "%d", resize(vm, KVM_PPC_RESIZE_HPT_PREPARE, 0, 0));
	check_vm(_metadata, self);
}

TEST_F(extremes, hpt_file)
{
	static const __u64 flags[] = { 0, 1, 2, 3, 4, 1ull << 32, 1ull << 63, -1ull };
	static const __u64 starts[] = {
		0, 1, 0xfffff, 0x100000, 0xffffffff, 1ull << 32, 1ull << 60, 1ull << 63, -1ull,
	};
	static const size_t counts[] = { 0, 1, 8, 23, 24, 25, 4096, 1ul << 62, -1ul };
	char *buffer = mem_alloc(THP_SIZE, BACKING_SMALL, NULL);
	struct kvm_get_htab_fd get;
	unsigned int f, s, c, n;
	long ret;
	int fd;

	for (f = 0; f < ARRAY_SIZE(flags); f++) {
		for (s = 0; s < ARRAY_SIZE(starts); s++) {
			get = (struct kvm_get_htab_fd){
				.flags = flags[f],
				.start_index = starts[s],
				.reserved = { -1, -1 },
			};
			fd = call(self->vm->fd, KVM_PPC_GET_HTAB_FD, &get);
			record(&self->record, "%llx %llx: %d", flags[f], starts[s],
			       fd < 0 ? fd : 0);
			if (fd < 0)
				continue;
			for (c = 0; c < ARRAY_SIZE(counts); c++) {
				ret = read(fd, buffer, counts[c] < THP_SIZE ? counts[c] : 0);
				/* never valid entries may be reported */
				record(&self->record, "read %zx: %d", counts[c],
				       ret < 0 ? -errno : 0);
				/* write a header with no HPTEs */
				memset(buffer, 0, counts[c] < THP_SIZE ? counts[c] : 8);
				ret = write(fd, buffer, counts[c]);
				record(&self->record, "write %zx: %ld", counts[c],
				       ret < 0 ? -errno : ret);
			}
			for (n = 0; n < ARRAY_SIZE(nowhere); n++) {
				ret = read(fd, nowhere[n], 4096);
				EXPECT_TRUE(!ret || (ret < 0 &&
						     (errno == EFAULT || errno == EBADF)));
				ret = write(fd, nowhere[n], 4096);
				record(&self->record, "%ld", ret < 0 ? -errno : ret);
			}
			close(fd);
		}
	}
	mem_free(buffer, THP_SIZE);
	check_vm(_metadata, self);
}

/* A guest that is no longer a radix guest, and has no HPT yet. */
TEST_F(extremes, hpt_file_without_hpt)
{
	struct {
		struct kvm_get_htab_header header;
		__be64 hptes[6];
	} buffer;
	const struct {
		size_t count;
		__u16 n_valid, n_invalid;
		int result;
	} writes[] = {
		/* no whole header, or not all of its HPTEs: nothing is written */
		{ 0, 0, 0, 0 }, { 7, 0, 0, 0 }, { 8, 1, 0, 0 }, { 15, 1, 0, 0 },
		{ 40, 3, 0, 0 }, { 40, 0xffff, 0, 0 }, { 40, 0xffff, 0xffff, 0 },
		/* there is no place for them */
		{ 8, 0, 0, -EINVAL }, { 8, 0, 1, -EINVAL }, { 16, 1, 0, -EINVAL },
		{ 24, 1, 1, -EINVAL }, { 40, 2, 0, -EINVAL }, { 40, 2, 0xffff, -EINVAL },
	};
	struct kvm_get_htab_fd get = { .start_index = 1000 };
	unsigned int i;
	int in, out;
	long ret;

	if (variant->mmu == VM_MMU_HPT)
		SKIP(return, "this guest has an HPT");
	SKIP_IF(return, vm_mmu_missing(VM_MMU_HPT));
	out = call(self->vm->fd, KVM_PPC_GET_HTAB_FD, &get);
	get.flags = KVM_GET_HTAB_WRITE;
	in = call(self->vm->fd, KVM_PPC_GET_HTAB_FD, &get);
	ASSERT_LE(0, in);
	ASSERT_LE(0, out);
	ASSERT_EQ(0, vm_set_mmu(self->vm, VM_MMU_HPT));

	for (i = 0; i < ARRAY_SIZE(writes); i++) {
		memset(&buffer, 0, sizeof(buffer));
		buffer.header.n_valid = writes[i].n_valid;
		buffer.header.n_invalid = writes[i].n_invalid;
		ret = write(in, &buffer, writes[i].count);
		EXPECT_EQ(writes[i].result, ret < 0 ? -errno : ret)
			TH_LOG("write %u", i);
	}
	for (i = 0; i < ARRAY_SIZE(nowhere); i++) {
		EXPECT_EQ(-1, write(in, nowhere[i], sizeof(buffer)));
		EXPECT_EQ(EFAULT, errno);
	}
	EXPECT_EQ(0, read(out, &buffer, sizeof(buffer)));
	/* the first pass begins with the first HPT that a read finds */
	ASSERT_EQ(0, vm_alloc_hpt(self->vm));
	ret = read(out, &buffer, sizeof(buffer));
	EXPECT_OURS(self->vm, ret > 0 && buffer.header.index == get.start_index &&
		    !buffer.header.n_valid && buffer.header.n_invalid,
		    "a read of no HPT counts as the first pass");
	ASSERT_EQ(0, vm_set_mmu(self->vm, VM_MMU_RADIX));
	EXPECT_EQ(-1, write(in, &buffer, 0));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(0, read(out, &buffer, sizeof(buffer)));
	close(in);
	close(out);
	check_vm(_metadata, self);
}

/* Switch between radix and HPT in the order of the values; no vCPU runs. */
TEST_F(extremes, mmu_modes)
{
	static const __u64 flags[] = { 0, 1, 2, 3, 4, 1ull << 32, 1ull << 63, -1ull };
	static const __u64 tables[] = {
		0, 12, 24, 25, 31, 1ull << 52, 1ull << 60, 1ull << 63, 1ull << 63 | 24,
		1ull << 63 | 25, 1ull << 63 | 1ull << 60, -1ull, -8ull,
	};
	struct kvm_ppc_mmuv3_cfg cfg;
	unsigned int f, t;

	for (f = 0; f < ARRAY_SIZE(flags); f++) {
		for (t = 0; t < ARRAY_SIZE(tables); t++) {
			cfg.flags = flags[f];
			cfg.process_table = tables[t];
			record(&self->record, "%llx %llx: %d %d", flags[f], tables[t],
			       call(self->vm->fd, KVM_PPC_CONFIGURE_V3_MMU, &cfg),
			       logged_vm_collect(self->l));
		}
	}
	if (variant->mmu == VM_MMU_HPT)
		ASSERT_EQ(0, vm_alloc_hpt(self->vm));
	ASSERT_EQ(0, vm_set_mmu(self->vm, variant->mmu));
	if (variant->mmu == VM_MMU_HPT)
		vm_map_slots(self->vm);
	check_vm(_metadata, self);
}

#define H_REMOVE	0x04
#define H_ENTER		0x08
#define H_ENTERS	2000

#define HPTE_LARGE	0x4
#define HPTE_64K	0x1000
#define HPTE_NO_SIZE	0x2000
#define HPTE_SIZES	0xff000

/*
 * Random H_ENTER calls for 4 KiB and 64 KiB pages. The module also refuses some
 * larger pages that stock accepts: see hpt_bounds.
 */
TEST_F_TIMEOUT(extremes, h_enter, TIMEOUT)
{
	const __u64 groups = 1 << 17, values[] = {
		0, 1, 2, 4, 5, 0x10, 0x40, 0x80, 0x190, 0x1000, 1ull << 31, 1ull << 32,
		1ull << 51, 1ull << 52, 1ull << 60, 1ull << 61, 1ull << 62, 1ull << 63, -8ull,
		-1ull,
	};
	const __u64 indices[] = {
		0, 1, 7, 8, 8 * groups - 8, 8 * groups - 1, 8 * groups, 16 * groups, 1ull << 31,
		1ull << 32, 1ull << 60, 1ull << 63, -8ull, -1ull,
	};
	unsigned long enters = scaled(H_ENTERS), i;
	__u64 random = 1, flags, index, v, r, rc, entered;

	if (variant->mmu != VM_MMU_HPT)
		SKIP(return, "a radix guest has no HPT");
	for (i = 0; i < enters; i++) {
		flags = random_below(&random, 2) ? 0 :
			values[random_below(&random, ARRAY_SIZE(values))];
		index = indices[random_below(&random, ARRAY_SIZE(indices))];
		v = values[random_below(&random, ARRAY_SIZE(values))] | random_below(&random, 2);
		r = values[random_below(&random, ARRAY_SIZE(values))];
		if (random_below(&random, 2))
			r |= logged_vm_gpa(self->l, random_below(&random, NPAGES));
		if (v & HPTE_LARGE)
			r = (r & ~(__u64)HPTE_SIZES) |
			    (random_below(&random, 4) ? HPTE_64K : HPTE_NO_SIZE);
		self->vcpu->area->regs[4] = r;
		rc = vcpu_hcall(self->vcpu, H_ENTER, flags, index, v);
		entered = self->vcpu->area->regs[1];
		record(&self->record, "%llx %llx %llx %llx: %lld %llx", flags, index, v, r, rc,
		       rc ? 0 : entered);
		if (!rc)
			ASSERT_EQ(0, vcpu_hcall(self->vcpu, H_REMOVE, 0, entered, 0));
	}
	check_vm(_metadata, self);
}

#define H_RPT_INVALIDATE	0x448
#define H_TLB_INVALIDATE	0xf808
#define H_COPY_TOFROM_GUEST	0xf80c
#define LPID			9
#define L2_GPA			VM_DATA_GPA

/* LPIDs for L1 to pass. Only the first is that of an L2. */
static const __u64 lpids[] = {
	LPID, 0, 1, 255, 256, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
	1ull << 32 | LPID, 1ull << 63 | LPID, -1ull,
};

/* Return NULL in the HPT variant, and on hosts without nested guests. */
static struct nested *nested_start(struct _test_data_extremes *self, struct l2 *l2)
{
	struct kvm_enable_cap rpt = {
		.cap = KVM_CAP_PPC_ENABLE_HCALL,
		.args = { H_RPT_INVALIDATE, 1 },
	};
	struct nested *n;
	struct vm *vm;

	if (self->vm->mmu != VM_MMU_RADIX || nested_vm_create(&vm, 1))
		return NULL;
	if (call(vm->fd, KVM_ENABLE_CAP, &rpt))
		die("KVM_CAP_PPC_ENABLE_HCALL");
	if (vm_set_slot(vm, 1, VM_DATA_GPA, self->l->size, self->l->memory, 0))
		die("memslot of L1");
	n = nested_create_one(vm, l2, LPID);
	nested_map(n, LPID, L2_GPA, VM_DATA_GPA, 4 * NESTED_PAGE, NESTED_READ | NESTED_WRITE);
	l2_store(l2, L2_GPA, 1);
	return n;
}

static void nested_stop(struct nested *n)
{
	vm_destroy(n->vm);
	nested_destroy(n);
}

/* Split the next digit off a number that counts combinations. */
static unsigned int digit(unsigned long *number, unsigned int base)
{
	unsigned int ret = *number % base;

	*number /= base;
	return ret;
}

/* All fields of the tlbie instruction, and of RB: EPN, IS and AP. */
TEST_F_TIMEOUT(extremes, h_tlb_invalidate, TIMEOUT)
{
	const __u64 epns[] = { 0, L2_GPA, 1ull << 51, 1ull << 52 | L2_GPA, 1ull << 63, -1ull };
	const unsigned long all = 4 * 2 * 2 * 4 * ARRAY_SIZE(lpids) * ARRAY_SIZE(epns) * 8;
	__u64 ric, prs, r, is, ap, lpid, rb, rc;
	bool no_4k = nested_4k_reported();
	unsigned long number, rest;
	unsigned int epn;
	struct nested *n;
	struct l2 l2;

	n = nested_start(self, &l2);
	if (!n)
		SKIP(return, "no nested guests");
	for (number = 0; number < all; number++) {
		rest = number;
		ric = digit(&rest, 4);
		prs = digit(&rest, 2);
		r = digit(&rest, 2);
		is = digit(&rest, 4);
		lpid = lpids[digit(&rest, ARRAY_SIZE(lpids))];
		epn = digit(&rest, ARRAY_SIZE(epns));
		ap = digit(&rest, 8);
		/* only with RIC 0 and IS 0 does KVM use EPN and AP */
		if ((is || ric) && (epn || ap))
			continue;
		if (!is && !ric && !ap && no_4k)
			continue;
		rb = (epns[epn] & ~0xfffull) | is << 10 | ap << 5;
		rc = vcpu_hcall(l2.l1, H_TLB_INVALIDATE, ric << 18 | prs << 17 | r << 16,
				lpid, rb);
		record(&self->record, "%llu %llu %llu %llx %llx: %lld", ric, prs, r, lpid, rb,
		       rc);
	}
	l2_store(&l2, L2_GPA, 2);
	EXPECT_EQ(2, *(__u64 *)self->l->memory);
	nested_stop(n);
}

#define RPT_4K		1ull	/* as a page size of H_RPT_INVALIDATE */
#define RPT_ONE_IN	16	/* test one in 16: all would take minutes */

TEST_F_TIMEOUT(extremes, h_rpt_invalidate, TIMEOUT)
{
	static const __u64 targets[] = { 0, 1, 2, 4, 7, -1ull };
	static const __u64 types[] = { 0, 1, 2, 4, 8, 0x10, 0x11, 0x1f, 1ull << 63, -1ull };
	static const __u64 sizes[] = { 0, 1, 2, 4, 8, 0xf, 1ull << 63, -1ull };
	/*
	 * kvm-hv loops forever on a range that ends less than a page below 2^64
	 */
	static const __u64 ranges[][2] = {
		{ 0, 0 }, { 0, -1ull }, { L2_GPA, L2_GPA + NESTED_PAGE }, { L2_GPA, L2_GPA },
		{ -1ull, 0 }, { 1ull << 52 | L2_GPA, (1ull << 52 | L2_GPA) + NESTED_PAGE },
		{ L2_GPA + 1, L2_GPA + 2 },
	};
	const unsigned long all = ARRAY_SIZE(lpids) * ARRAY_SIZE(targets) * ARRAY_SIZE(types) *
				  ARRAY_SIZE(sizes) * ARRAY_SIZE(ranges);
	__u64 lpid, target, type, *regs, rc, random = 1;
	bool no_4k = nested_4k_reported();
	unsigned long number, rest;
	struct nested *n;
	struct l2 l2;

	n = nested_start(self, &l2);
	if (!n)
		SKIP(return, "no nested guests");
	regs = l2.l1->area->regs;
	for (number = 0; number < all; number++) {
		if (random_below(&random, RPT_ONE_IN))
			continue;
		rest = number;
		lpid = lpids[digit(&rest, ARRAY_SIZE(lpids))];
		target = targets[digit(&rest, ARRAY_SIZE(targets))];
		type = types[digit(&rest, ARRAY_SIZE(types))];
		regs[4] = sizes[digit(&rest, ARRAY_SIZE(sizes))];
		if (no_4k)
			regs[4] &= ~RPT_4K;
		regs[5] = ranges[rest][0];
		regs[6] = ranges[rest][1];
		rc = vcpu_hcall(l2.l1, H_RPT_INVALIDATE, lpid, target, type);
		record(&self->record, "%lu: %lld", number, rc);
	}
	l2_store(&l2, L2_GPA, 3);
	EXPECT_EQ(3, *(__u64 *)self->l->memory);
	nested_stop(n);
}

/* L1 reads memory of its L2: LPID, address, buffer and length. */
TEST_F_TIMEOUT(extremes, h_copy_tofrom_guest, TIMEOUT)
{
	static const __u64 eas[] = {
		0, L2_GPA, 1ull << 52 | L2_GPA, 1ull << 62, 3ull << 62, -1ull,
	};
	static const __u64 lengths[] = {
		0, 1, 8, 0x10000, 0x10001, 1ull << 32, 1ull << 63, -1ull,
	};
	static const __u64 buffers[] = { 0, L2_GPA, 1ull << 52, -1ull };
	const unsigned long all = ARRAY_SIZE(lpids) * ARRAY_SIZE(eas) * ARRAY_SIZE(lengths) *
				  ARRAY_SIZE(buffers);
	unsigned long number, rest;
	__u64 lpid, ea, *regs, rc;
	struct nested *n;
	struct l2 l2;

	n = nested_start(self, &l2);
	if (!n)
		SKIP(return, "no nested guests");
	regs = l2.l1->area->regs;
	for (number = 0; number < all; number++) {
		rest = number;
		lpid = lpids[digit(&rest, ARRAY_SIZE(lpids))];
		ea = eas[digit(&rest, ARRAY_SIZE(eas))];
		/*
		 * r7: L1's buffer to read into; r8: buffer to write from, none
		 */
		regs[6] = lengths[digit(&rest, ARRAY_SIZE(lengths))];
		regs[4] = buffers[rest];
		regs[5] = 0;
		rc = vcpu_hcall(l2.l1, H_COPY_TOFROM_GUEST, lpid, 0, ea);
		record(&self->record, "%lu: %lld", number, rc);
	}
	l2_store(&l2, L2_GPA, 4);
	EXPECT_EQ(4, *(__u64 *)self->l->memory);
	nested_stop(n);
}

TEST_F(extremes, paging_parameter)
{
	static const char *const bad[] = { "", "\n", "2", "-1", "maybe", "on on", "N0" };
	char long_text[4096], now = 0;
	unsigned int i;
	int fd;

	if (!self->vm->ours)
		SKIP(return, "stock has no such parameter");
	memset(long_text, '7', sizeof(long_text));
	fd = open(PAGING, O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		/* writing 0 bytes is no error */
		ssize_t ret = write(fd, bad[i], strlen(bad[i]));

		if (bad[i][0] && strcmp(bad[i], "on on") && strcmp(bad[i], "N0"))
			EXPECT_EQ(-1, ret);
	}
	EXPECT_EQ(-1, write(fd, long_text, sizeof(long_text)));
	write_file(PAGING, "1");
	ASSERT_EQ(1, pread(fd, &now, 1, 0));
	EXPECT_EQ('Y', now);
	close(fd);
}

TEST_HARNESS_MAIN
