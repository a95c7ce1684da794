// SPDX-License-Identifier: GPL-2.0
/*
 * KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2 and KVM_CLEAR_DIRTY_LOG as documented in
 * Documentation/virt/kvm/api.rst: which VMs are offered the capability, which
 * calls are refused, and what each call changes. Stock has neither.
 */
#include "ktap.h"

#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>

#include "area.h"
#include "logged_vm.h"

#define NPAGES		224	/* no multiple of 64; whole huge pages */
#define BITMAP_WORDS	((NPAGES + 63) / 64)
#define UNLOGGED_SLOT	2
#define ABSENT_SLOT	3
#define SLOT_BIT	0x10000
#define LAST_WORD	192	/* first page in the last word of the bitmap */

#define ENABLE		KVM_DIRTY_LOG_MANUAL_PROTECT_ENABLE
#define INITIALLY_SET	KVM_DIRTY_LOG_INITIALLY_SET

FIXTURE(clear) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	__u64 all[BITMAP_WORDS];
};

FIXTURE_VARIANT(clear) {
	enum vm_mmu mmu;
	enum backing backing;
};

FIXTURE_VARIANT_ADD(clear, radix) { VM_MMU_RADIX, BACKING_SMALL };
FIXTURE_VARIANT_ADD(clear, radix_thp) { VM_MMU_RADIX, BACKING_THP };
FIXTURE_VARIANT_ADD(clear, radix_memfd) { VM_MMU_RADIX, BACKING_MEMFD };
FIXTURE_VARIANT_ADD(clear, hpt) { VM_MMU_HPT, BACKING_SMALL };

/* No page is mapped or dirty yet. Collections do not clear what they report. */
FIXTURE_SETUP(clear)
{
	struct vm_config config = { .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NPAGES, variant->backing));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];
	memset(self->all, 0xff, sizeof(self->all));
	if (!self->vm->ours) {
		EXPECT_EQ(0, vm_offers_manual_protect(self->vm));
		EXPECT_EQ(-EINVAL, vm_manual_protect(self->vm, ENABLE));
		EXPECT_EQ(-ENOTTY, vm_clear_dirty_log(self->vm, LOGGED_SLOT, 0, NPAGES,
						      self->all));
		SKIP(return, "stock has no manual protection");
	}
	ASSERT_EQ(0, vm_manual_protect(self->vm, ENABLE));
	ASSERT_EQ(0, vm_set_slot(self->vm, UNLOGGED_SLOT, 2 * VM_DATA_GPA,
				 self->l->size, self->l->memory, 0));
}

FIXTURE_TEARDOWN(clear)
{
	logged_vm_destroy(self->l);
}

static int clear(struct _test_data_clear *self, __u64 first, __u32 pages, void *bitmap)
{
	return vm_clear_dirty_log(self->vm, LOGGED_SLOT, first, pages, bitmap);
}

/* Collect without clearing, and return the number of dirty pages. */
static size_t dirty(struct __test_metadata *_metadata, struct _test_data_clear *self)
{
	ASSERT_EQ(0, logged_vm_collect(self->l));
	return logged_vm_count(self->l);
}

static void store(struct _test_data_clear *self, size_t page, size_t count)
{
	vcpu_store_pages(self->vcpu, logged_vm_gpa(self->l, page), self->l->page, count,
			 1);
}

TEST_F(clear, offered)
{
	EXPECT_EQ(ENABLE | INITIALLY_SET, vm_offers_manual_protect(NULL));
	EXPECT_EQ(ENABLE | INITIALLY_SET, vm_offers_manual_protect(self->vm));
}

TEST_F(clear, flags)
{
	struct kvm_enable_cap flagged = {
		.cap = KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
		.flags = 1,
		.args = { ENABLE },
	};

	EXPECT_EQ(-1, ioctl(self->vm->fd, KVM_ENABLE_CAP, &flagged));
	EXPECT_EQ(EINVAL, errno);
	EXPECT_EQ(-EINVAL, vm_manual_protect(self->vm, INITIALLY_SET));
	EXPECT_EQ(-EINVAL, vm_manual_protect(self->vm, 4 | ENABLE));
	EXPECT_EQ(-EINVAL, vm_manual_protect(self->vm, 1ull << 32 | ENABLE));
	EXPECT_EQ(0, vm_manual_protect(self->vm, ENABLE | INITIALLY_SET));
	EXPECT_EQ(0, vm_manual_protect(self->vm, ENABLE));
	/* Without it collections clear, and the CLEAR ioctl still works. */
	EXPECT_EQ(0, vm_manual_protect(self->vm, 0));
	store(self, 3, 5);
	EXPECT_EQ(0, clear(self, 0, 64, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
	store(self, 3, 5);
	EXPECT_EQ(5, dirty(_metadata, self));
	EXPECT_EQ(0, dirty(_metadata, self));
}

/* A failed call must not change anything. */
TEST_F(clear, refused)
{
	int slots = ioctl(self->vm->fd, KVM_CHECK_EXTENSION, KVM_CAP_NR_MEMSLOTS);
	struct vm *vm = self->vm;
	char *pages, *end;
	const char *why;

	store(self, 0, NPAGES);
	EXPECT_EQ(-EINVAL, vm_clear_dirty_log(vm, slots, 0, NPAGES, self->all));
	EXPECT_EQ(-EINVAL, vm_clear_dirty_log(vm, ~0u, 0, NPAGES, self->all));
	EXPECT_EQ(-EINVAL, vm_clear_dirty_log(vm, SLOT_BIT | LOGGED_SLOT, 0, NPAGES,
					      self->all));
	EXPECT_EQ(-ENOENT, vm_clear_dirty_log(vm, slots - 1, 0, NPAGES, self->all));
	EXPECT_EQ(-ENOENT, vm_clear_dirty_log(vm, ABSENT_SLOT, 0, NPAGES, self->all));
	EXPECT_EQ(-ENOENT, vm_clear_dirty_log(vm, UNLOGGED_SLOT, 0, NPAGES, self->all));
	/* KVM checks the first page before the slot. */
	EXPECT_EQ(-EINVAL, vm_clear_dirty_log(vm, ABSENT_SLOT, 1, 64, self->all));

	EXPECT_EQ(-EINVAL, clear(self, 1, 64, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 63, 64, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 32, NPAGES - 32, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 256, 0, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 1ull << 52, 64, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 0, NPAGES + 1, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 0, 256, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 64, NPAGES, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 0, ~0u, self->all));
	EXPECT_EQ(-EINVAL, clear(self, 0, 65, self->all));
	EXPECT_EQ(-EINVAL, clear(self, LAST_WORD, NPAGES - LAST_WORD - 1, self->all));

	pages = mem_alloc(2 * self->l->page, BACKING_SMALL, &why);
	end = pages + self->l->page;
	ASSERT_EQ(0, mprotect(end, self->l->page, PROT_NONE));
	EXPECT_EQ(-EFAULT, clear(self, 0, NPAGES, end));
	EXPECT_EQ(-EFAULT, clear(self, 0, NPAGES, end - 8));
	EXPECT_EQ(-1, ioctl(vm->fd, KVM_CLEAR_DIRTY_LOG, end));
	EXPECT_EQ(EFAULT, errno);
	memset(end - 8, 0xff, 8);
	EXPECT_EQ(NPAGES, dirty(_metadata, self));
	/* KVM reads only as much of the bitmap as it needs. */
	EXPECT_EQ(0, clear(self, 64, 64, end - 8));
	EXPECT_EQ(NPAGES - 64, dirty(_metadata, self));
	mem_free(pages, 2 * self->l->page);
}

TEST_F(clear, nothing)
{
	__u64 none[BITMAP_WORDS] = { 0 };

	store(self, 0, NPAGES);
	EXPECT_EQ(0, clear(self, 0, 0, self->all));
	EXPECT_EQ(0, clear(self, 64, 0, NULL));
	EXPECT_EQ(0, clear(self, 0, NPAGES, none));
	EXPECT_EQ(NPAGES, dirty(_metadata, self));
}

TEST_F(clear, stays_until_cleared)
{
	store(self, 10, 20);
	EXPECT_EQ(20, dirty(_metadata, self));
	EXPECT_EQ(20, dirty(_metadata, self));
	EXPECT_EQ(0, clear(self, 0, NPAGES, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
	store(self, 10, 1);
	EXPECT_EQ(1, dirty(_metadata, self));
}

/**
 * struct meanwhile - a switch of manual protection during a collection's copy
 * @vm: the VM
 * @flags: new flags of its manual protection
 * @fd: userfaultfd of @buffer
 * @buffer: destination of the copy, one page, unmapped after the switch
 */
struct meanwhile {
	struct vm *vm;
	__u64 flags;
	int fd;
	char *buffer;
};

static void *switch_meanwhile(void *arg)
{
	struct meanwhile *m = arg;
	struct uffdio_range range = { (unsigned long)m->buffer, page_size() };
	struct uffd_msg message;
	int ret;

	if (read(m->fd, &message, sizeof(message)) != sizeof(message))
		die("wait for the copy: %m");
	ret = vm_manual_protect(m->vm, m->flags);
	if (ret)
		die("switch manual protection: %s", strerror(-ret));
	mem_free(m->buffer, page_size());
	if (ioctl(m->fd, UFFDIO_WAKE, &range))
		die("let the copy continue: %m");
	return NULL;
}

/* Collect; the copy waits until manual protection was switched, then fails. */
static void collect_meanwhile(struct __test_metadata *_metadata,
			      struct _test_data_clear *self, __u64 flags)
{
	struct uffdio_api api = { .api = UFFD_API };
	struct uffdio_register area = { .mode = UFFDIO_REGISTER_MODE_MISSING };
	struct meanwhile m = { .vm = self->vm, .flags = flags };
	pthread_t thread;

	m.fd = syscall(SYS_userfaultfd, O_CLOEXEC);
	ASSERT_LE(0, m.fd);
	m.buffer = mem_alloc(page_size(), BACKING_SMALL, NULL);
	area.range.start = (unsigned long)m.buffer;
	area.range.len = page_size();
	ASSERT_EQ(0, ioctl(m.fd, UFFDIO_API, &api));
	ASSERT_EQ(0, ioctl(m.fd, UFFDIO_REGISTER, &area));
	ASSERT_EQ(0, pthread_create(&thread, NULL, switch_meanwhile, &m));
	EXPECT_EQ(-EFAULT, vm_get_dirty_log(self->vm, LOGGED_SLOT, m.buffer));
	pthread_join(thread, NULL);
	close(m.fd);
	EXPECT_EQ(20, dirty(_metadata, self));
}

/* A failed collection must not change anything, in whichever mode it ends. */
TEST_F(clear, switched_meanwhile)
{
	int fd = syscall(SYS_userfaultfd, O_CLOEXEC);

	if (fd < 0)
		SKIP(return, "the kernel has no userfaultfd");
	close(fd);
	ASSERT_EQ(0, vm_manual_protect(self->vm, 0));
	store(self, 10, 20);
	collect_meanwhile(_metadata, self, ENABLE);
	ASSERT_EQ(0, clear(self, 0, NPAGES, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
	store(self, 10, 20);
	collect_meanwhile(_metadata, self, 0);
	EXPECT_EQ(0, dirty(_metadata, self));
}

/* Clear single pages of memory that a large leaf may map. */
TEST_F(clear, page_by_page)
{
	__u64 one[BITMAP_WORDS];
	size_t page, left = NPAGES;

	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	store(self, 0, NPAGES);
	ASSERT_EQ(0, vm_manual_protect(self->vm, ENABLE | INITIALLY_SET));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	for (page = 0; page < NPAGES; page += 7) {
		memset(one, 0, sizeof(one));
		set_bit(one, page);
		ASSERT_EQ(0, clear(self, 0, NPAGES, one));
		ASSERT_EQ(--left, dirty(_metadata, self));
		ASSERT_FALSE(test_bit(self->l->bitmap, page));
		/* another store is reported again */
		store(self, page, 1);
		ASSERT_EQ(left + 1, dirty(_metadata, self));
		ASSERT_EQ(0, clear(self, 0, NPAGES, one));
	}
}

/* Clear middle words, and the last word, which has fewer pages than bits. */
TEST_F(clear, ranges)
{
	store(self, 0, NPAGES);
	EXPECT_EQ(0, clear(self, 64, 64, self->all));
	EXPECT_EQ(NPAGES - 64, dirty(_metadata, self));
	EXPECT_FALSE(test_bit(self->l->bitmap, 64));
	EXPECT_FALSE(test_bit(self->l->bitmap, 127));
	EXPECT_EQ(0, clear(self, LAST_WORD, NPAGES - LAST_WORD, self->all));
	EXPECT_EQ(128, dirty(_metadata, self));
	EXPECT_TRUE(test_bit(self->l->bitmap, 191));
	EXPECT_EQ(0, clear(self, 128, NPAGES - 128, self->all));
	EXPECT_EQ(64, dirty(_metadata, self));
}

/* Switch the log on, and create a slot with a log. */
TEST_F(clear, initially_set)
{
	ASSERT_EQ(0, vm_manual_protect(self->vm, ENABLE | INITIALLY_SET));
	store(self, 0, NPAGES);
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	EXPECT_EQ(NPAGES, dirty(_metadata, self));
	EXPECT_EQ(0, clear(self, 0, NPAGES, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));

	ASSERT_EQ(0, vm_set_slot(self->vm, LOGGED_SLOT, VM_DATA_GPA, 0,
				 self->l->memory, 0));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	EXPECT_EQ(NPAGES, dirty(_metadata, self));
	EXPECT_EQ(0, clear(self, 0, 64, self->all));
	EXPECT_EQ(NPAGES - 64, dirty(_metadata, self));
}

/* Drop the pages before the collection, or between it and the clearing. */
TEST_F(clear, unmapped)
{
	store(self, 0, 10);
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	EXPECT_EQ(10, dirty(_metadata, self));
	EXPECT_EQ(10, dirty(_metadata, self));
	store(self, 10, 10);
	EXPECT_EQ(20, dirty(_metadata, self));
	ASSERT_EQ(0, madvise(self->l->memory, self->l->size, MADV_DONTNEED));
	EXPECT_EQ(20, dirty(_metadata, self));
	EXPECT_EQ(0, clear(self, 0, NPAGES, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
}

/* The host's own stores to a VPA. */
TEST_F(clear, area)
{
	__u64 vpa = logged_vm_gpa(self->l, 5), none = 0;

	ASSERT_EQ(0, vcpu_set_one_reg(self->vcpu, KVM_REG_PPC_VPA_ADDR, &vpa));
	store(self, 7, 1);
	EXPECT_EQ(2, dirty(_metadata, self));
	EXPECT_EQ(2, dirty(_metadata, self));
	EXPECT_TRUE(test_bit(self->l->bitmap, 5));
	EXPECT_EQ(0, clear(self, 0, 64, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
	/* Pages can be cleared without having been collected. */
	store(self, 7, 1);
	EXPECT_EQ(0, clear(self, 0, 64, self->all));
	EXPECT_EQ(0, dirty(_metadata, self));
	ASSERT_EQ(0, vcpu_set_one_reg(self->vcpu, KVM_REG_PPC_VPA_ADDR, &none));
}

/* The log ends with pages dirty, and begins clean. */
TEST_F(clear, log_switched)
{
	store(self, 0, 10);
	EXPECT_EQ(10, dirty(_metadata, self));
	ASSERT_EQ(0, logged_vm_set_log(self->l, false));
	EXPECT_EQ(-ENOENT, clear(self, 0, NPAGES, self->all));
	ASSERT_EQ(0, logged_vm_set_log(self->l, true));
	if (variant->mmu == VM_MMU_RADIX)
		EXPECT_EQ(0, dirty(_metadata, self));
	EXPECT_EQ(0, clear(self, 0, NPAGES, self->all));
	store(self, 20, 1);
	EXPECT_EQ(1, dirty(_metadata, self));
}

TEST_HARNESS_MAIN
