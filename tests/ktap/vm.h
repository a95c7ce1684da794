/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Book3S HV virtual machines, driven through /dev/kvm
 *
 * A function that returns an int returns 0 or -errno of its ioctl, for the
 * caller to judge. Every other function ends the test with a message on
 * failure.
 *
 * The guest is tests/guest; guest.h lists its commands. No floating point or
 * vector value may be live across KVM_RUN: stock KVM returns f14..f31 with the
 * guest's values if the thread was switched out meanwhile.
 */
#ifndef TESTS_KTAP_VM_H
#define TESTS_KTAP_VM_H

#include <linux/kvm.h>
#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

#include "../guest/guest.h"
#include "kselftest.h"

#define VM_MAX_SLOTS	16
#define VM_SYS_SLOT	0

/* Memory of tests: 2 MiB aligned, above the system slot. */
#define VM_DATA_GPA	0x10000000ull

#define THP_SIZE	0x200000ull

enum vm_mmu {
	VM_MMU_RADIX,
	VM_MMU_HPT,
};

/**
 * enum backing - kind of host memory of a memslot
 * @BACKING_SMALL: anonymous, never huge pages
 * @BACKING_THP: anonymous, transparent huge pages
 * @BACKING_MEMFD: shared memory
 * @BACKING_HUGETLB: huge pages of the default size
 * @BACKING_REPEATED: the same few huge pages mapped repeatedly: a memslot may
 *	be larger than the host's memory
 */
enum backing {
	BACKING_SMALL,
	BACKING_THP,
	BACKING_MEMFD,
	BACKING_HUGETLB,
	BACKING_REPEATED,
};

struct vm;

/**
 * struct vcpu - a vCPU
 * @vm: its VM
 * @id: its number, also the number of its guest_area
 * @fd: its file descriptor
 * @run: its kvm_run structure
 * @run_size: size of the mapping of @run
 * @area: its guest_area
 * @thread: the thread that runs it between vcpu_start() and vcpu_stop()
 * @tid: its thread ID, or 0 until it has begun
 * @pinned: @thread runs only on @cpu
 * @cpu: see @pinned
 * @running: @thread is in KVM_RUN, or about to enter it
 * @exits: number of interrupted KVM_RUN calls on @thread
 * @patient: @thread calls KVM_RUN again if it fails with EFAULT
 * @faults: number of these retries
 */
struct vcpu {
	struct vm *vm;
	int id;
	int fd;
	struct kvm_run *run;
	size_t run_size;
	struct guest_area *area;
	pthread_t thread;
	pid_t tid;
	bool pinned;
	int cpu;
	bool running;
	unsigned long exits;
	bool patient;
	unsigned long faults;
};

/**
 * struct slot - a memslot; size 0 if it does not exist
 * @gpa: guest real address
 * @size: size in bytes
 * @hva: its host memory
 * @flags: KVM_MEM_ flags
 */
struct slot {
	__u64 gpa;
	size_t size;
	void *hva;
	__u32 flags;
};

/**
 * struct vm - a VM
 * @fd: its file descriptor
 * @ours: kvm_hv_ext tracks it: the module was loaded when it was created
 * @mmu: its MMU mode
 * @system_size: size of the memory of the system slot
 * @nr_vcpus: number of vCPUs
 * @vcpu: the vCPUs
 * @slot: the memslots by id
 */
struct vm {
	int fd;
	bool ours;
	enum vm_mmu mmu;
	size_t system_size;
	unsigned int nr_vcpus;
	struct vcpu vcpu[GUEST_MAX_VCPUS];
	struct slot slot[VM_MAX_SLOTS];
};

/**
 * struct vm_config - what vm_create() creates; all zero is one radix vCPU
 * @nr_vcpus: number of vCPUs, 0 means 1
 * @mmu: MMU mode
 * @nested: the VM may run nested guests
 * @system_size: size of the system memslot, 0 means GUEST_SYS_SIZE. After a new
 *	HPT the host maps all of that memslot by itself
 */
struct vm_config {
	unsigned int nr_vcpus;
	enum vm_mmu mmu;
	bool nested;
	size_t system_size;
};

/* tests/guest as linked: see guest_image.S. */
extern const char guest_image[], guest_image_end[];

void __noreturn __printf(1, 2) die(const char *fmt, ...);

/* The host. */
size_t page_size(void);
bool kernel_has(const char *symbol);
bool host_is_lpar(void);
bool host_is_power8(void);
bool host_keeps_stale_translations(void);
bool host_is_exact(void);
long module_refcnt(void);
void write_file(const char *path, const char *text);

/*
 * Host memory. Return NULL and a reason in *why if @backing is not available.
 */
void *mem_alloc(size_t size, enum backing backing, const char **why);
void mem_free(void *mem, size_t size);

/* Drop private memory, and keep its frames allocated so that it gets others. */
void mem_drop(void *mem, size_t size);
const char *backing_name(enum backing backing);

/* VMs. */
const char *vm_mmu_missing(enum vm_mmu mmu);
struct vm *vm_create(const struct vm_config *config);
void vm_destroy(struct vm *vm);
int vm_set_memslot(struct vm *vm, unsigned int id, __u64 gpa, size_t size,
		   void *hva, __u32 flags);
int vm_set_slot(struct vm *vm, unsigned int id, __u64 gpa, size_t size,
		void *hva, __u32 flags);
void *vm_hva(struct vm *vm, __u64 gpa);
int vm_get_dirty_log(struct vm *vm, __u32 id, void *bitmap);
int vm_clear_dirty_log(struct vm *vm, __u32 id, __u64 first, __u32 pages, void *bitmap);

/* KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2: flags of a VM, or of /dev/kvm (NULL). */
int vm_offers_manual_protect(const struct vm *vm);
int vm_manual_protect(struct vm *vm, __u64 flags);
int vm_set_mmu(struct vm *vm, enum vm_mmu mmu);
int vm_alloc_hpt(struct vm *vm);
struct guest_area *vm_area(struct vm *vm, unsigned int id);

/*
 * An HPT guest in real mode can access what its HPT maps. vm_set_slot() maps
 * new slots of a VM in HPT mode; call vm_map_slots() if a VM entered that mode
 * later, or if its HPT was reset.
 */
void vm_map_hpt(struct vm *vm, __u64 gpa, size_t size);
void vm_map_hpt_at(struct vm *vm, __u64 ea, __u64 gpa, size_t size);
void vm_map_slots(struct vm *vm);
bool vm_map_hpt_large(struct vm *vm, __u64 gpa);

/* The two doublewords of such an HPTE; its group in an HPT of 2^order bytes. */
struct vrma_hpte {
	__u64 v;
	__u64 r;
};

struct vrma_hpte vrma_hpte(__u64 gpa);
__u64 vrma_group(__u64 gpa, unsigned int order);

/* Run a command on the calling thread. Return 0 if done, or the exit reason. */
int vcpu_run(struct vcpu *vcpu, enum guest_op op);

/*
 * The same, but return -errno if KVM_RUN fails. After -EFAULT, when the guest's
 * memory is not what the guest needs, a call with the same command continues
 * it.
 */
int vcpu_try(struct vcpu *vcpu, enum guest_op op);

/* Make the vCPU ready for another command instead. */
void vcpu_restart(struct vcpu *vcpu);
void vcpu_store(struct vcpu *vcpu, __u64 addr, __u64 value);
__u64 vcpu_load(struct vcpu *vcpu, __u64 addr);
void vcpu_store_pages(struct vcpu *vcpu, __u64 addr, __u64 stride,
		      size_t count, __u64 value);
void vcpu_load_pages(struct vcpu *vcpu, __u64 addr, __u64 stride, size_t count);
__u64 vcpu_hcall(struct vcpu *vcpu, __u64 nr, __u64 r4, __u64 r5, __u64 r6);
int vcpu_set_one_reg(struct vcpu *vcpu, __u64 id, const void *value);
int vcpu_get_one_reg(struct vcpu *vcpu, __u64 id, void *value);

/* Run a command on a thread of its own until it is stopped. */
void vcpu_start(struct vcpu *vcpu, enum guest_op op);
void vcpu_stop(struct vcpu *vcpu);
void vm_kick(struct vm *vm);

/* Fill in one access per page. Return how many of them one command takes. */
size_t area_list(struct guest_area *area, __u64 addr, __u64 stride, size_t count,
		 __u64 value);

/* Requests to a vCPU that is running, nested or not. */
void area_serve(struct guest_area *area);
void area_stop(struct guest_area *area);
__u64 area_progress(const struct guest_area *area);

/* Bitmaps in the format of KVM_GET_DIRTY_LOG. */
static inline size_t bitmap_size(size_t slot_size)
{
	return (slot_size / page_size() + 63) / 64 * 8;
}

static inline bool test_bit(const __u64 *bitmap, size_t bit)
{
	return bitmap[bit / 64] >> (bit % 64) & 1;
}

static inline void set_bit(__u64 *bitmap, size_t bit)
{
	bitmap[bit / 64] |= 1ull << (bit % 64);
}

static inline size_t count_bits(const __u64 *bitmap, size_t bytes)
{
	size_t i, count = 0;

	for (i = 0; i < bytes / 8; i++)
		count += __builtin_popcountll(bitmap[i]);
	return count;
}

#endif
