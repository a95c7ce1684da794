// SPDX-License-Identifier: GPL-2.0
/*
 * Book3S HV virtual machines driven through /dev/kvm
 */
#define _GNU_SOURCE
#include "vm.h"

#include <endian.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/auxv.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/param.h>
#include <time.h>
#include <unistd.h>

#include "options.h"

#define KICK_SIGNAL	SIGUSR1
#define NR_HUGEPAGES	"/proc/sys/vm/nr_hugepages"
#define REPEATED	(64ul << 20)	/* size of a BACKING_REPEATED piece */

/*
 * Seconds to wait for a guest. die() then names the vCPU; a test that runs into
 * its own timeout reports no reason.
 */
#define PATIENCE	120

#define KVM_VM_TYPE_HV	1

#define MSR_SF		0x8000000000000000ull
#define MSR_ME		0x1000ull
#define MSR_RI		0x2ull
#define MSR_LE		0x1ull

#define LPCR_ILE	0x2000000ull

#define PATE_GR		0x8000000000000000ull

/* An HPT of 16 MiB: 128 Ki groups of 8 entries of 16 bytes. */
#define HPT_ORDER	24
#define HPT_GROUP_ORDER	7
#define HPT_GROUPS_ORDER (HPT_ORDER - HPT_GROUP_ORDER)
#define HPT_GROUP_SIZE	8

/* HPTEs of the VRMA segment, which translates guests in real mode. */
#define VRMA_VSID	0x1ffffffull
#define HPTE_V_1TB_SEG	0x4000000000000000ull
#define HPTE_V_BOLTED	0x10ull
#define HPTE_V_LARGE	0x4ull
#define HPTE_V_VALID	0x1ull
#define HPTE_R_64K	0x1000ull
#define HPTE_R_16M_IN_64K	0x8000ull
#define HPTE_R_M	0x10ull

void die(const char *fmt, ...)
{
	va_list args;

	fputs("# ", stderr);
	va_start(args, fmt);
	vfprintf(stderr, fmt, args);
	va_end(args);
	fputc('\n', stderr);
	abort();
}

size_t page_size(void)
{
	return sysconf(_SC_PAGESIZE);
}

static long read_number(const char *path)
{
	long value;
	FILE *file = fopen(path, "r");

	if (!file)
		return -1;
	if (fscanf(file, "%ld", &value) != 1)
		value = -1;
	fclose(file);
	return value;
}

void write_file(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_TRUNC);

	if (fd < 0)
		die("open %s: %m", path);
	if (write(fd, text, strlen(text)) < 0)
		die("write %s to %s: %m", text, path);
	close(fd);
}

bool kernel_has(const char *symbol)
{
	FILE *file = fopen("/proc/kallsyms", "r");
	char line[512], name[256];
	bool found = false;

	if (!file)
		die("open /proc/kallsyms: %m");
	while (!found && fgets(line, sizeof(line), file))
		found = sscanf(line, "%*s %*s %255s", name) == 1 && !strcmp(name, symbol);
	fclose(file);
	return found;
}

/* True if the host runs in a partition (LPAR), false on bare metal. */
bool host_is_lpar(void)
{
	return access("/proc/device-tree/ibm,opal", F_OK) != 0;
}

bool host_is_power8(void)
{
	return !(getauxval(AT_HWCAP2) & PPC_FEATURE2_ARCH_3_00);
}

static bool host_is_emulated(void)
{
	char model[64] = "";
	FILE *file = fopen("/proc/device-tree/model", "r");

	if (file) {
		if (!fgets(model, sizeof(model), file))
			model[0] = 0;
		fclose(file);
	}
	return strstr(model, "emulated by qemu");
}

/*
 * On exact hosts, once an invalidation is complete no CPU stores through the
 * old translation and every C bit is in memory. Debian's QEMU does not wait for
 * other CPUs on powernv: a CPU that has just read the old PTE may still store
 * and set C there. And on QEMU 10 a translation cached by a load also permits
 * stores, although C is clear.
 */
bool host_is_exact(void)
{
	return !host_is_emulated() || option("KTAP_EXACT", 0);
}

/*
 * Debian's QEMU ignores H_TLB_INVALIDATE on pseries: it flushes all
 * translations whenever a vCPU exits the guest, and only then.
 */
bool host_keeps_stale_translations(void)
{
	return host_is_lpar() && !host_is_exact();
}

/* Number of VMs that the module tracks, or -1 if it is not loaded. */
long module_refcnt(void)
{
	return read_number("/sys/module/kvm_hv_ext/refcnt");
}

const char *backing_name(enum backing backing)
{
	static const char *const names[] = {
		[BACKING_SMALL] = "small",
		[BACKING_THP] = "thp",
		[BACKING_MEMFD] = "memfd",
		[BACKING_HUGETLB] = "hugetlb",
		[BACKING_REPEATED] = "repeated",
	};

	return names[backing];
}

/*
 * Bytes in transparent huge pages of the mapping at @mem, from its smaps entry.
 */
static size_t thp_bytes(void *mem)
{
	FILE *file = fopen("/proc/self/smaps", "r");
	unsigned long start, kib = 0;
	bool found = false;
	char line[256];

	if (!file)
		die("open /proc/self/smaps: %m");
	while (fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%lx-", &start) == 1 && strchr(line, '-'))
			found = start == (unsigned long)mem;
		else if (found && sscanf(line, "AnonHugePages: %lu", &kib) == 1)
			break;
	}
	fclose(file);
	return kib * 1024;
}

/* Reserve an aligned address range for the caller to map with MAP_FIXED. */
static void *reserve(size_t size, size_t align)
{
	char *mem = mmap(NULL, size + align, PROT_NONE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	size_t head;

	if (mem == MAP_FAILED)
		die("addresses for %zu bytes: %m", size);
	head = -(unsigned long)mem & (align - 1);
	if (head)
		munmap(mem, head);
	if (align - head)
		munmap(mem + head + size, align - head);
	return mem + head;
}

static void *map(void *mem, size_t size, int flags, int fd)
{
	return mmap(mem, size, PROT_READ | PROT_WRITE, MAP_FIXED | flags, fd, 0);
}

static void *map_anonymous(size_t size, int advice)
{
	void *mem = map(reserve(size, THP_SIZE), size,
			MAP_PRIVATE | MAP_ANONYMOUS, -1);

	if (mem == MAP_FAILED)
		die("map %zu bytes: %m", size);
	/* EINVAL: a kernel without transparent huge pages. */
	if (madvise(mem, size, advice) < 0 && errno != EINVAL)
		die("madvise(%d): %m", advice);
	return mem;
}

static void *map_memfd(size_t size)
{
	int fd = memfd_create("guest", 0);
	void *mem;

	if (fd < 0 || ftruncate(fd, size) < 0)
		die("memfd of %zu bytes: %m", size);
	mem = map(reserve(size, THP_SIZE), size, MAP_SHARED, fd);
	if (mem == MAP_FAILED)
		die("map memfd of %zu bytes: %m", size);
	close(fd);
	return mem;
}

static void *map_hugetlb(size_t size, const char **why)
{
	void *at = reserve(size, 1ul << 30), *mem;
	char pages[32];

	mem = map(at, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	if (mem == MAP_FAILED && errno == ENOMEM) {
		snprintf(pages, sizeof(pages), "%llu", size / THP_SIZE);
		write_file(NR_HUGEPAGES, pages);
		mem = map(at, size, MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB, -1);
	}
	if (mem == MAP_FAILED) {
		munmap(at, size);
		*why = "the host has no free huge pages (hugetlb)";
		return NULL;
	}
	return mem;
}

/*
 * Map the same REPEATED bytes again and again. Pieces that large keep the
 * process below its limit of 65,530 mappings.
 */
static void *map_repeated(size_t size, const char **why)
{
	size_t piece = size < REPEATED ? size : REPEATED, done;
	int fd = memfd_create("guest", MFD_HUGETLB);
	char *mem, pages[32];

	snprintf(pages, sizeof(pages), "%llu", piece / THP_SIZE);
	if (fd >= 0)
		write_file(NR_HUGEPAGES, pages);
	if (fd < 0 || ftruncate(fd, piece) < 0 || fallocate(fd, 0, 0, piece) < 0) {
		if (fd >= 0)
			close(fd);
		*why = "the host has no free huge pages (hugetlb)";
		return NULL;
	}
	mem = reserve(size, 1ul << 30);
	for (done = 0; done < size; done += piece)
		if (map(mem + done, MIN(piece, size - done), MAP_SHARED, fd) == MAP_FAILED)
			die("map %zu bytes again, at %zu of %zu: %m", piece, done, size);
	close(fd);
	return mem;
}

void *mem_alloc(size_t size, enum backing backing, const char **why)
{
	void *mem;

	switch (backing) {
	case BACKING_SMALL:
		return map_anonymous(size, MADV_NOHUGEPAGE);
	case BACKING_THP:
		mem = map_anonymous(size, MADV_HUGEPAGE);
		memset(mem, 0, size);
		if (thp_bytes(mem) == size)
			return mem;
		munmap(mem, size);
		*why = "the host gives no transparent huge pages";
		return NULL;
	case BACKING_MEMFD:
		return map_memfd(size);
	case BACKING_HUGETLB:
		return map_hugetlb(size, why);
	case BACKING_REPEATED:
		return map_repeated(size, why);
	}
	die("no such backing: %d", backing);
}

void mem_free(void *mem, size_t size)
{
	if (munmap(mem, size) < 0)
		die("unmap %zu bytes: %m", size);
}

void mem_drop(void *mem, size_t size)
{
	if (madvise(mem, size, MADV_DONTNEED))
		die("drop %zu bytes: %m", size);
	memset(mem_alloc(size, BACKING_SMALL, NULL), 1, size);
}

static int open_kvm(void)
{
	int fd = open("/dev/kvm", O_RDWR | O_CLOEXEC);

	if (fd < 0)
		die("open /dev/kvm: %m");
	return fd;
}

static int check_extension(int fd, long cap)
{
	int ret = ioctl(fd, KVM_CHECK_EXTENSION, cap);

	if (ret < 0)
		die("KVM_CHECK_EXTENSION %ld: %m", cap);
	return ret;
}

/* Return why the host cannot run VMs in this MMU mode, or NULL if it can. */
const char *vm_mmu_missing(enum vm_mmu mmu)
{
	int kvm = open_kvm();
	const char *why = NULL;

	if (mmu == VM_MMU_RADIX && !check_extension(kvm, KVM_CAP_PPC_MMU_RADIX))
		why = "the host runs no radix guests";
	if (mmu == VM_MMU_HPT && host_is_lpar())
		why = "a partition runs no HPT guests";
	close(kvm);
	return why;
}

static int vm_ioctl(struct vm *vm, unsigned long request, void *arg)
{
	return ioctl(vm->fd, request, arg) < 0 ? -errno : 0;
}

/* Allocate or clear the HPT. This also switches a radix VM to HPT mode. */
int vm_alloc_hpt(struct vm *vm)
{
	__u32 order = HPT_ORDER;
	int ret = vm_ioctl(vm, KVM_PPC_ALLOCATE_HTAB, &order);

	if (!ret)
		vm->mmu = VM_MMU_HPT;
	return ret;
}

int vm_set_mmu(struct vm *vm, enum vm_mmu mmu)
{
	struct kvm_ppc_mmuv3_cfg cfg = { 0 };
	int ret;

	if (mmu == VM_MMU_RADIX) {
		cfg.flags = KVM_PPC_MMUV3_RADIX | KVM_PPC_MMUV3_GTSE;
		cfg.process_table = PATE_GR;
	}
	ret = vm_ioctl(vm, KVM_PPC_CONFIGURE_V3_MMU, &cfg);
	if (!ret)
		vm->mmu = mmu;
	return ret;
}

struct vrma_hpte vrma_hpte(__u64 gpa)
{
	bool large = page_size() == 0x10000;

	return (struct vrma_hpte){
		.v = HPTE_V_1TB_SEG | VRMA_VSID << 24 | (gpa >> 16 & ~0x7full) |
		     HPTE_V_BOLTED | HPTE_V_VALID | (large ? HPTE_V_LARGE : 0),
		.r = gpa | HPTE_R_M | (large ? HPTE_R_64K : 0),
	};
}

__u64 vrma_group(__u64 gpa, unsigned int order)
{
	return (gpa / page_size() ^ VRMA_VSID ^ (VRMA_VSID << 25)) &
	       ((1 << (order - HPT_GROUP_ORDER)) - 1);
}

struct hpte {
	struct kvm_get_htab_header header;
	__u64 v;	/* big endian, as is r */
	__u64 r;
};

/*
 * Return the HPTE that maps the page at @ea to @gpa. If @in_16m, the HPTE is
 * for the 16 MiB page that contains @gpa.
 */
static struct hpte hpte_of(__u64 ea, __u64 gpa, bool in_16m)
{
	__u64 entry = HPT_GROUP_SIZE - 1 - (ea / page_size() >> HPT_GROUPS_ORDER);
	struct vrma_hpte hpte = vrma_hpte(ea);

	hpte.r += gpa - ea;
	if (in_16m)
		hpte.r = (gpa & -(16ull << 20)) | HPTE_R_M | HPTE_R_16M_IN_64K;

	if (entry >= HPT_GROUP_SIZE)
		die("address 0x%llx does not fit the HPT", ea);
	return (struct hpte){
		.header = {
			.index = vrma_group(ea, HPT_ORDER) * HPT_GROUP_SIZE + entry,
			.n_valid = 1,
		},
		.v = htobe64(hpte.v),
		.r = htobe64(hpte.r),
	};
}

static int open_hpt(struct vm *vm)
{
	struct kvm_get_htab_fd get = { .flags = KVM_GET_HTAB_WRITE };
	int fd = ioctl(vm->fd, KVM_PPC_GET_HTAB_FD, &get);

	if (fd < 0)
		die("KVM_PPC_GET_HTAB_FD: %m");
	return fd;
}

void vm_map_hpt_at(struct vm *vm, __u64 ea, __u64 gpa, size_t size)
{
	struct hpte hpte;
	int fd = open_hpt(vm);
	size_t at;

	for (at = 0; at < size; at += page_size()) {
		hpte = hpte_of(ea + at, gpa + at, false);
		if (write(fd, &hpte, sizeof(hpte)) != sizeof(hpte))
			die("write HPTE of guest address 0x%llx: %m", gpa + at);
	}
	close(fd);
}

void vm_map_hpt(struct vm *vm, __u64 gpa, size_t size)
{
	vm_map_hpt_at(vm, gpa, gpa, size);
}

/*
 * Map a 16 MiB page in a segment whose base page size is 64 KiB. Return false
 * if the host refuses such an HPTE.
 */
bool vm_map_hpt_large(struct vm *vm, __u64 gpa)
{
	struct hpte hpte = hpte_of(gpa, gpa, true);
	int fd = open_hpt(vm);
	bool written = write(fd, &hpte, sizeof(hpte)) == sizeof(hpte);

	close(fd);
	return written;
}

void vm_map_slots(struct vm *vm)
{
	const struct slot *slot;

	for (slot = vm->slot; slot < vm->slot + VM_MAX_SLOTS; slot++)
		vm_map_hpt(vm, slot->gpa, slot->size);
}

/* Leave HPTEs unchanged: they apply again if a deleted slot is recreated. */
int vm_set_memslot(struct vm *vm, unsigned int id, __u64 gpa, size_t size,
		   void *hva, __u32 flags)
{
	struct kvm_userspace_memory_region region = {
		.slot = id,
		.flags = flags,
		.guest_phys_addr = gpa,
		.memory_size = size,
		.userspace_addr = (unsigned long)hva,
	};
	int ret = vm_ioctl(vm, KVM_SET_USER_MEMORY_REGION, &region);

	if (!ret && id < VM_MAX_SLOTS)
		vm->slot[id] = (struct slot){ gpa, size, hva, flags };
	return ret;
}

/*
 * Also write HPTEs for new memory of an HPT guest; none of its vCPUs may run.
 */
int vm_set_slot(struct vm *vm, unsigned int id, __u64 gpa, size_t size,
		void *hva, __u32 flags)
{
	struct slot old = id < VM_MAX_SLOTS ? vm->slot[id] : (struct slot){ 0 };
	int ret = vm_set_memslot(vm, id, gpa, size, hva, flags);

	if (!ret && id < VM_MAX_SLOTS && vm->mmu == VM_MMU_HPT &&
	    (old.gpa != gpa || old.size != size))
		vm_map_hpt(vm, gpa, size);
	return ret;
}

void *vm_hva(struct vm *vm, __u64 gpa)
{
	const struct slot *slot;

	for (slot = vm->slot; slot < vm->slot + VM_MAX_SLOTS; slot++)
		if (gpa >= slot->gpa && gpa - slot->gpa < slot->size)
			return slot->hva + (gpa - slot->gpa);
	die("no memslot at guest address 0x%llx", gpa);
}

struct guest_area *vm_area(struct vm *vm, unsigned int id)
{
	return vm_hva(vm, GUEST_AREA(id));
}

int vm_get_dirty_log(struct vm *vm, __u32 id, void *bitmap)
{
	struct kvm_dirty_log log = { .slot = id, .dirty_bitmap = bitmap };

	return vm_ioctl(vm, KVM_GET_DIRTY_LOG, &log);
}

/* Bit 0 of @bitmap is page @first of the slot. */
int vm_clear_dirty_log(struct vm *vm, __u32 id, __u64 first, __u32 pages, void *bitmap)
{
	struct kvm_clear_dirty_log log = {
		.slot = id,
		.first_page = first,
		.num_pages = pages,
		.dirty_bitmap = bitmap,
	};

	return vm_ioctl(vm, KVM_CLEAR_DIRTY_LOG, &log);
}

int vm_offers_manual_protect(const struct vm *vm)
{
	int fd = vm ? vm->fd : open_kvm();
	int flags = ioctl(fd, KVM_CHECK_EXTENSION, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2);

	if (flags < 0)
		die("KVM_CHECK_EXTENSION: %m");
	if (!vm)
		close(fd);
	return flags;
}

int vm_manual_protect(struct vm *vm, __u64 flags)
{
	struct kvm_enable_cap cap = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.args = { flags },
	};

	return vm_ioctl(vm, KVM_ENABLE_CAP, &cap);
}

static void vcpu_ioctl(struct vcpu *vcpu, unsigned long request, void *arg,
		       const char *what)
{
	if (ioctl(vcpu->fd, request, arg) < 0)
		die("%s of vCPU %d: %m", what, vcpu->id);
}

int vcpu_set_one_reg(struct vcpu *vcpu, __u64 id, const void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (unsigned long)value };

	return ioctl(vcpu->fd, KVM_SET_ONE_REG, &reg) < 0 ? -errno : 0;
}

int vcpu_get_one_reg(struct vcpu *vcpu, __u64 id, void *value)
{
	struct kvm_one_reg reg = { .id = id, .addr = (unsigned long)value };

	return ioctl(vcpu->fd, KVM_GET_ONE_REG, &reg) < 0 ? -errno : 0;
}

void vcpu_restart(struct vcpu *vcpu)
{
	struct kvm_regs regs;

	vcpu_ioctl(vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	regs.pc = GUEST_ENTRY;
	regs.gpr[3] = GUEST_AREA(vcpu->id);
	vcpu_ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
}

static void vcpu_create(struct vm *vm, int id)
{
	struct kvm_enable_cap papr = { .cap = KVM_CAP_PPC_PAPR };
	struct vcpu *vcpu = &vm->vcpu[id];
	struct kvm_regs regs;
	__u64 lpcr;
	int ret;

	vcpu->vm = vm;
	vcpu->id = id;
	vcpu->fd = ioctl(vm->fd, KVM_CREATE_VCPU, (long)id);
	if (vcpu->fd < 0)
		die("KVM_CREATE_VCPU %d: %m", id);
	vcpu->run = mmap(NULL, vcpu->run_size, PROT_READ | PROT_WRITE,
			 MAP_SHARED, vcpu->fd, 0);
	if (vcpu->run == MAP_FAILED)
		die("map kvm_run of vCPU %d: %m", id);
	vcpu->area = vm_area(vm, id);
	vcpu_ioctl(vcpu, KVM_ENABLE_CAP, &papr, "KVM_CAP_PPC_PAPR");

	/* The little-endian guest can report only little-endian interrupts. */
	ret = vcpu_get_one_reg(vcpu, KVM_REG_PPC_LPCR_64, &lpcr);
	lpcr |= LPCR_ILE;
	if (!ret)
		ret = vcpu_set_one_reg(vcpu, KVM_REG_PPC_LPCR_64, &lpcr);
	if (ret)
		die("set LPCR of vCPU %d: %s", id, strerror(-ret));

	vcpu_ioctl(vcpu, KVM_GET_REGS, &regs, "KVM_GET_REGS");
	regs.msr = MSR_SF | MSR_ME | MSR_RI | MSR_LE;
	vcpu_ioctl(vcpu, KVM_SET_REGS, &regs, "KVM_SET_REGS");
	vcpu_restart(vcpu);
}

static void vm_init_mmu(struct vm *vm, enum vm_mmu mmu)
{
	int ret = mmu == VM_MMU_HPT ? vm_alloc_hpt(vm) : 0;

	if (ret)
		die("KVM_PPC_ALLOCATE_HTAB: %s", strerror(-ret));
	ret = vm_set_mmu(vm, mmu);
	/* ENODEV: this processor has only one MMU mode. */
	if (ret && ret != -ENODEV)
		die("KVM_PPC_CONFIGURE_V3_MMU: %s", strerror(-ret));
}

/* Without a handler, the signal would not interrupt KVM_RUN. */
static void kick_handler(int signal)
{
	(void)signal;
}

/* Abort a "stock" run if the module tracks the VM, or the reverse. */
static void check_subject(const struct vm *vm)
{
	const char *subject = getenv("KTAP_SUBJECT"), *other = vm->ours ? "stock" : "ours";

	if (subject && !strcmp(subject, other))
		die("KTAP_SUBJECT is %s, but a new VM is not", other);
}

struct vm *vm_create(const struct vm_config *config)
{
	struct kvm_enable_cap nested = {
		.cap = KVM_CAP_PPC_NESTED_HV,
		.args = { 1 },
	};
	struct sigaction action = { .sa_handler = kick_handler };
	unsigned int nr_vcpus = config->nr_vcpus ?: 1;
	struct vm *vm = calloc(1, sizeof(*vm));
	long others = module_refcnt();
	int kvm = open_kvm();
	unsigned int i;
	void *sys;
	int ret;

	if (!vm || nr_vcpus > GUEST_MAX_VCPUS)
		die("no room for %u vCPUs", nr_vcpus);
	sigaction(KICK_SIGNAL, &action, NULL);
	vm->fd = ioctl(kvm, KVM_CREATE_VM, KVM_VM_TYPE_HV);
	if (vm->fd < 0)
		die("KVM_CREATE_VM: %m");
	vm->ours = module_refcnt() > others;
	check_subject(vm);
	if (config->nested) {
		ret = vm_ioctl(vm, KVM_ENABLE_CAP, &nested);
		if (ret)
			die("KVM_CAP_PPC_NESTED_HV: %s", strerror(-ret));
	}
	vm_init_mmu(vm, config->mmu);

	vm->system_size = config->system_size ?: GUEST_SYS_SIZE;
	sys = mem_alloc(vm->system_size, BACKING_SMALL, NULL);
	memcpy(sys, guest_image, guest_image_end - guest_image);
	ret = vm_set_slot(vm, VM_SYS_SLOT, 0, vm->system_size, sys, 0);
	if (ret)
		die("system memslot: %s", strerror(-ret));

	vm->nr_vcpus = nr_vcpus;
	for (i = 0; i < nr_vcpus; i++) {
		vm->vcpu[i].run_size = ioctl(kvm, KVM_GET_VCPU_MMAP_SIZE, 0);
		vcpu_create(vm, i);
	}
	close(kvm);
	return vm;
}

/* The caller frees the memory of all slots other than the system slot. */
void vm_destroy(struct vm *vm)
{
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++) {
		munmap(vm->vcpu[i].run, vm->vcpu[i].run_size);
		close(vm->vcpu[i].fd);
	}
	close(vm->fd);
	mem_free(vm->slot[VM_SYS_SLOT].hva, vm->system_size);
	free(vm);
}

/*
 * Return the exit reason of KVM_RUN, or 0 if the guest completed its command.
 */
static int vcpu_exit(struct vcpu *vcpu)
{
	struct kvm_run *run = vcpu->run;

	if (run->exit_reason != KVM_EXIT_PAPR_HCALL)
		return run->exit_reason;
	switch (run->papr_hcall.nr) {
	case GUEST_EXIT_DONE:
		return 0;
	case GUEST_EXIT_FAULT:
		die("vCPU %d took interrupt 0x%llx: SRR0 %llx SRR1 %llx DAR %llx DSISR %llx",
		    vcpu->id, run->papr_hcall.args[0], run->papr_hcall.args[1],
		    run->papr_hcall.args[2], run->papr_hcall.args[3],
		    run->papr_hcall.args[4]);
	default:
		die("vCPU %d left by hypercall 0x%llx", vcpu->id,
		    run->papr_hcall.nr);
	}
}

int vcpu_try(struct vcpu *vcpu, enum guest_op op)
{
	vcpu->area->op = op;
	while (ioctl(vcpu->fd, KVM_RUN, 0) < 0)
		if (errno != EINTR)
			return -errno;
	return vcpu_exit(vcpu);
}

int vcpu_run(struct vcpu *vcpu, enum guest_op op)
{
	int reason = vcpu_try(vcpu, op);

	if (reason < 0)
		die("KVM_RUN of vCPU %d: %s", vcpu->id, strerror(-reason));
	return reason;
}

static void vcpu_do(struct vcpu *vcpu, enum guest_op op)
{
	int reason = vcpu_run(vcpu, op);

	if (reason)
		die("vCPU %d, command %d: unexpected exit reason %d", vcpu->id,
		    op, reason);
}

size_t area_list(struct guest_area *area, __u64 addr, __u64 stride, size_t count,
		 __u64 value)
{
	size_t i;

	area->count = count < GUEST_LIST_MAX ? count : GUEST_LIST_MAX;
	for (i = 0; i < area->count; i++) {
		area->list[i].addr = addr + i * stride;
		area->list[i].value = value + i;
	}
	return area->count;
}

/* Split the accesses into as many commands as needed. */
static void vcpu_access_pages(struct vcpu *vcpu, enum guest_op op, __u64 addr,
			      __u64 stride, size_t count, __u64 value)
{
	size_t done, n;

	for (done = 0; done < count; done += n) {
		n = area_list(vcpu->area, addr + done * stride, stride,
			      count - done, value + done);
		vcpu_do(vcpu, op);
	}
}

void vcpu_store_pages(struct vcpu *vcpu, __u64 addr, __u64 stride,
		      size_t count, __u64 value)
{
	vcpu_access_pages(vcpu, GUEST_STORE, addr, stride, count, value);
}

void vcpu_load_pages(struct vcpu *vcpu, __u64 addr, __u64 stride, size_t count)
{
	vcpu_access_pages(vcpu, GUEST_LOAD, addr, stride, count, 0);
}

void vcpu_store(struct vcpu *vcpu, __u64 addr, __u64 value)
{
	vcpu_store_pages(vcpu, addr, 0, 1, value);
}

__u64 vcpu_load(struct vcpu *vcpu, __u64 addr)
{
	vcpu_load_pages(vcpu, addr, 0, 1);
	return vcpu->area->list[0].value;
}

__u64 vcpu_hcall(struct vcpu *vcpu, __u64 nr, __u64 r4, __u64 r5, __u64 r6)
{
	__u64 *regs = vcpu->area->regs;

	regs[0] = nr;
	regs[1] = r4;
	regs[2] = r5;
	regs[3] = r6;
	vcpu_do(vcpu, GUEST_HCALL);
	return regs[0];
}

static void *vcpu_thread(void *arg)
{
	struct vcpu *vcpu = arg;
	int reason;

	__atomic_store_n(&vcpu->tid, gettid(), __ATOMIC_SEQ_CST);
	while (ioctl(vcpu->fd, KVM_RUN, 0) < 0) {
		if (errno == EFAULT && vcpu->patient) {
			__atomic_add_fetch(&vcpu->faults, 1, __ATOMIC_SEQ_CST);
			sched_yield();
			continue;
		}
		if (errno != EINTR)
			die("KVM_RUN of vCPU %d: %m", vcpu->id);
		vcpu->run->immediate_exit = 0;
		__atomic_add_fetch(&vcpu->exits, 1, __ATOMIC_SEQ_CST);
	}
	__atomic_store_n(&vcpu->running, false, __ATOMIC_SEQ_CST);
	reason = vcpu_exit(vcpu);
	if (reason)
		die("vCPU %d, command %llu: unexpected exit reason %d", vcpu->id,
		    vcpu->area->op, reason);
	return NULL;
}

void vcpu_start(struct vcpu *vcpu, enum guest_op op)
{
	pthread_attr_t attr;
	cpu_set_t cpus;
	int ret;

	vcpu->area->op = op;
	vcpu->area->stop = 0;
	vcpu->running = true;
	vcpu->tid = 0;
	pthread_attr_init(&attr);
	if (vcpu->pinned) {
		CPU_ZERO(&cpus);
		CPU_SET(vcpu->cpu, &cpus);
		pthread_attr_setaffinity_np(&attr, sizeof(cpus), &cpus);
	}
	ret = pthread_create(&vcpu->thread, &attr, vcpu_thread, vcpu);
	if (ret)
		die("thread of vCPU %d: %s", vcpu->id, strerror(ret));
	pthread_attr_destroy(&attr);
}

void vcpu_stop(struct vcpu *vcpu)
{
	struct timespec give_up = { .tv_sec = time(NULL) + PATIENCE };

	area_stop(vcpu->area);
	if (pthread_timedjoin_np(vcpu->thread, NULL, &give_up))
		die("vCPU %d has not stopped in %d s", vcpu->id, PATIENCE);
	vcpu->run->immediate_exit = 0;
}

/*
 * pthread_kill() takes a lock in the memory of the other thread. When a process
 * forks, an emulated CPU may use a translation for a moment after it was flushed, and
 * so lose the store that releases the lock.
 */
static void kick(const struct vcpu *vcpu)
{
	pid_t tid = __atomic_load_n(&vcpu->tid, __ATOMIC_SEQ_CST);

	if (tid)
		tgkill(getpid(), tid, KICK_SIGNAL);
}

/* Make each vCPU that runs on a thread exit the guest at least once. */
void vm_kick(struct vm *vm)
{
	unsigned long before[GUEST_MAX_VCPUS];
	time_t give_up = time(NULL) + PATIENCE;
	struct vcpu *vcpu;
	bool all = false;
	unsigned int i;

	for (i = 0; i < vm->nr_vcpus; i++)
		before[i] = __atomic_load_n(&vm->vcpu[i].exits, __ATOMIC_SEQ_CST);
	while (!all) {
		all = true;
		for (i = 0; i < vm->nr_vcpus; i++) {
			vcpu = &vm->vcpu[i];
			if (!__atomic_load_n(&vcpu->running, __ATOMIC_SEQ_CST) ||
			    __atomic_load_n(&vcpu->exits, __ATOMIC_SEQ_CST) != before[i])
				continue;
			all = false;
			if (time(NULL) > give_up)
				die("vCPU %d has not left the guest in %d s", i, PATIENCE);
			vcpu->run->immediate_exit = 1;
			kick(vcpu);
		}
		sched_yield();
	}
}

/* Make a vCPU that runs GUEST_SERVE do its stores, and wait until it has. */
void area_serve(struct guest_area *area)
{
	__u64 request = area->request + 1, served;
	time_t give_up = time(NULL) + PATIENCE;

	__atomic_store_n(&area->request, request, __ATOMIC_SEQ_CST);
	while ((served = __atomic_load_n(&area->served, __ATOMIC_SEQ_CST)) != request) {
		if (time(NULL) > give_up)
			die("after %d s the guest has served request %llu, not yet %llu",
			    PATIENCE, served, request);
		sched_yield();
	}
}

void area_stop(struct guest_area *area)
{
	__atomic_store_n(&area->stop, 1, __ATOMIC_RELAXED);
}

/* Number of stores done by a vCPU that runs GUEST_CHURN. */
__u64 area_progress(const struct guest_area *area)
{
	return __atomic_load_n(&area->progress, __ATOMIC_RELAXED);
}
