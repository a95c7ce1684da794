/* SPDX-License-Identifier: GPL-2.0 */
/*
 * A tracked radix VM with one logged memslot and nothing else, for the suites
 * about its tables. The host address of a page is its guest address plus
 * PUD_SIZE, and so identifies the guest page.
 */
#ifndef KHX_TEST_RADIX_VM_H
#define KHX_TEST_RADIX_VM_H

#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <asm/kvm_book3s_64.h>

#include "table.h"
#include "vm.h"

#define TEST_LPID	5
#define TEST_R		_PAGE_ACCESSED
#define TEST_RC		(_PAGE_ACCESSED | _PAGE_DIRTY)
#define TEST_SLOT_GFN	0x1000UL
#define TEST_SLOT_PAGES	2048UL
#define TEST_PMD_PAGES	(PMD_SIZE >> PAGE_SHIFT)

struct test_vm {
	struct kvm *kvm;
	struct khx_vm *vm;
	struct kvm_memory_slot *slot;
	unsigned long *map;
	pgd_t *root;
};

/* Init and exit for struct kunit_suite. The VM is in test->priv. */
int test_vm_init(struct kunit *test);
void test_vm_exit(struct kunit *test);

/* Set the flush backend; the default is test_backend_ranges. */
void test_vm_backend(struct test_vm *f, const struct khx_flush_backend *b);

/* Guest real address, and host address, of a page of the slot. */
static inline unsigned long test_gpa(unsigned long page)
{
	return (TEST_SLOT_GFN + page) << PAGE_SHIFT;
}

static inline unsigned long test_hpa(unsigned long page)
{
	return PUD_SIZE + test_gpa(page);
}

/* Map a leaf in the guest's table that begins at a page of the slot. */
pte_t *test_map_page(struct kunit *test, unsigned long page, unsigned int shift,
		     unsigned long bits);

/* Add a nested guest to the VM. */
struct kvm_nested_guest *test_add_nested(struct kunit *test, int l1_lpid,
					 int shadow_lpid);

/* Map a shadow PTE for a page of the slot, and insert its entry. */
pte_t *test_map_nested(struct kunit *test, unsigned long page,
		       struct kvm_nested_guest *gp, unsigned long n_gpa,
		       unsigned int shift, unsigned long bits);

/* Count the entries of a page of the slot. */
unsigned int test_count_rmap(const struct test_vm *f, unsigned long page);

/* Harvest into f->map; false if a flush was refused. Test a bit of f->map. */
bool test_harvest(struct test_vm *f);
bool test_reported(const struct test_vm *f, unsigned long page);

/* Call the operations for pages [page, end) of the slot. */
void test_unmap(struct test_vm *f, unsigned long page, unsigned long end);
void test_unmap_slot(struct test_vm *f);	/* by unmap and flush_slot */
bool test_age(struct test_vm *f, unsigned long page, unsigned long end, bool clear);

#endif /* KHX_TEST_RADIX_VM_H */
