// SPDX-License-Identifier: GPL-2.0
/*
 * Memslots on memory that the host maps by page frame number, like that of a
 * device which is passed through: KVM finds no struct page for it
 *
 * tests/modules/pfnmap.c has the memory, and where the kernel can, it maps it by
 * huge leaves. KTAP_PFNMAP gives that module parameters: 'base=' an address above
 * 'mem=' takes memory that has no struct page at all.
 */
#include "ktap.h"

#include <fcntl.h>
#include <sys/mman.h>

#include "logged_vm.h"
#include "module.h"

#define MODULE		"kvm_hv_ext_pfnmap"
#define MODULE_FILE	"kvm-hv-ext-pfnmap.ko"
#define DEVICE		"/dev/kvm-hv-ext-pfnmap"

#define HUGE		"/sys/module/" MODULE "/parameters/huge"
#define HUGE_PAGES	"/sys/kernel/mm/transparent_hugepage"
#define LEAVES_2M	"/sys/kernel/debug/kvm/num_2M_pages"

/* The device has twice as much. */
#define SIZE		THP_SIZE
#define VALUE		0x1234567800000000ull

FIXTURE(pfnmap) {
	struct vm *vm;
	struct vcpu *vcpu;
	int fd;
	char *memory;
	size_t pages;
	__u64 *bitmap;
};

FIXTURE_VARIANT(pfnmap) {
	bool huge;
};

FIXTURE_VARIANT_ADD(pfnmap, small) { false };
FIXTURE_VARIANT_ADD(pfnmap, huge) { true };

static bool file_begins(const char *path, char letter)
{
	FILE *file = fopen(path, "r");
	int first = EOF;

	if (file) {
		first = fgetc(file);
		fclose(file);
	}
	return first == letter;
}

/* Map one half of the device at self->memory. */
static int map_half(struct _test_data_pfnmap *self, unsigned int half, int prot)
{
	void *at = mmap(self->memory, SIZE, prot, MAP_SHARED | MAP_FIXED, self->fd,
			half * SIZE);

	return at == MAP_FAILED ? -errno : 0;
}

static __u64 *host_word(const struct _test_data_pfnmap *self, size_t page)
{
	return (__u64 *)(self->memory + page * page_size());
}

FIXTURE_SETUP(pfnmap)
{
	struct vm_config config = { .mmu = VM_MMU_RADIX };
	char parameters[128];
	char *arena;

	SKIP_IF(return, vm_mmu_missing(VM_MMU_RADIX));
	if (!module_built(MODULE_FILE))
		SKIP(return, MODULE_FILE " was not built");
	snprintf(parameters, sizeof(parameters), "huge=%d %s", variant->huge,
		 getenv("KTAP_PFNMAP") ?: "");
	/* left by a test that was ended */
	module_remove_name(MODULE);
	ASSERT_EQ(0, module_insert_file(MODULE_FILE, parameters));
	/* no huge pages: neither has the machine, as powernv of QEMU */
	if (variant->huge && (!file_begins(HUGE, 'Y') || access(HUGE_PAGES, F_OK))) {
		module_remove_name(MODULE);
		SKIP(return, "the kernel has no huge leaves of such memory");
	}
	self->fd = open(DEVICE, O_RDWR);
	ASSERT_LE(0, self->fd);
	arena = mmap(NULL, 2 * SIZE, PROT_NONE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)arena);
	self->memory = (char *)(((unsigned long)arena + SIZE - 1) & -SIZE);
	self->pages = SIZE / page_size();
	self->bitmap = malloc(bitmap_size(SIZE));
	self->vm = vm_create(&config);
	self->vcpu = &self->vm->vcpu[0];
	ASSERT_EQ(0, map_half(self, 0, PROT_READ | PROT_WRITE));
	ASSERT_EQ(0, vm_set_slot(self->vm, 1, VM_DATA_GPA, SIZE, self->memory, 0));
}

FIXTURE_TEARDOWN(pfnmap)
{
	vm_destroy(self->vm);
	free(self->bitmap);
	munmap(self->memory, SIZE);
	close(self->fd);
	EXPECT_EQ(0, module_remove_name(MODULE));
}

static void store_all(struct _test_data_pfnmap *self, __u64 value)
{
	vcpu_store_pages(self->vcpu, VM_DATA_GPA, page_size(), self->pages, value);
}

/* How many pages hold something else? */
static size_t wrong(const struct _test_data_pfnmap *self, __u64 value)
{
	size_t page, count = 0;

	for (page = 0; page < self->pages; page++)
		count += *host_word(self, page) != value + page;
	return count;
}

static size_t collect(struct _test_data_pfnmap *self)
{
	memset(self->bitmap, 0, bitmap_size(SIZE));
	if (vm_get_dirty_log(self->vm, 1, self->bitmap))
		die("KVM_GET_DIRTY_LOG: %m");
	return count_bits(self->bitmap, bitmap_size(SIZE));
}

TEST_F(pfnmap, stores_are_logged)
{
	store_all(self, VALUE);
	EXPECT_EQ(0, wrong(self, VALUE));
	EXPECT_EQ(variant->huge, file_begins(LEAVES_2M, '1'));
	ASSERT_EQ(0, vm_set_slot(self->vm, 1, VM_DATA_GPA, SIZE, self->memory,
				 KVM_MEM_LOG_DIRTY_PAGES));
	collect(self);
	store_all(self, ~VALUE);
	EXPECT_EQ(self->pages, collect(self));
	EXPECT_EQ(0, wrong(self, ~VALUE));
	vcpu_load_pages(self->vcpu, VM_DATA_GPA, page_size(), self->pages);
	EXPECT_EQ(0, collect(self));
	ASSERT_EQ(0, vm_set_slot(self->vm, 1, VM_DATA_GPA, SIZE, self->memory, 0));
	store_all(self, VALUE);
	EXPECT_EQ(0, wrong(self, VALUE));
}

/* What was mapped before must not be reached afterwards. */
TEST_F(pfnmap, replaced)
{
	size_t page;

	store_all(self, VALUE);
	ASSERT_EQ(0, map_half(self, 1, PROT_READ | PROT_WRITE));
	for (page = 0; page < self->pages; page++)
		*host_word(self, page) = ~VALUE + page;
	for (page = 0; page < self->pages; page++)
		EXPECT_EQ(~VALUE + page,
			  vcpu_load(self->vcpu, VM_DATA_GPA + page * page_size()));
	store_all(self, VALUE + 1);
	ASSERT_EQ(0, map_half(self, 0, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, wrong(self, VALUE));
}

TEST_F(pfnmap, unmapped)
{
	store_all(self, VALUE);
	ASSERT_EQ(0, munmap(self->memory, SIZE));
	area_list(self->vcpu->area, VM_DATA_GPA, page_size(), 1, VALUE);
	EXPECT_EQ(-EFAULT, vcpu_try(self->vcpu, GUEST_LOAD));
	ASSERT_EQ(0, map_half(self, 0, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, vcpu_try(self->vcpu, GUEST_LOAD));
	EXPECT_EQ(VALUE, vcpu_load(self->vcpu, VM_DATA_GPA));
}

TEST_F(pfnmap, read_only)
{
	store_all(self, VALUE);
	ASSERT_EQ(0, map_half(self, 0, PROT_READ));
	EXPECT_EQ(VALUE + 1, vcpu_load(self->vcpu, VM_DATA_GPA + page_size()));
	area_list(self->vcpu->area, VM_DATA_GPA + page_size(), page_size(), 1, ~VALUE);
	EXPECT_EQ(-EFAULT, vcpu_try(self->vcpu, GUEST_STORE));
	EXPECT_EQ(VALUE + 1, *host_word(self, 1));
	ASSERT_EQ(0, map_half(self, 0, PROT_READ | PROT_WRITE));
	EXPECT_EQ(0, vcpu_try(self->vcpu, GUEST_STORE));
	EXPECT_EQ(~VALUE, *host_word(self, 1));
}

TEST_HARNESS_MAIN
