// SPDX-License-Identifier: GPL-2.0
/*
 * The VM of the suites about radix tables.
 */
#include <linux/idr.h>
#include <linux/slab.h>
#include <linux/srcu.h>

#include "compat.h"
#include "mmu.h"
#include "nested_rmap.h"
#include "radix_mmu.h"
#include "radix_vm.h"

void test_vm_backend(struct test_vm *f, const struct khx_flush_backend *b)
{
	f->vm->flusher.backend = b;
}

/* Return a set of memslots with the fields that a lookup of the slot uses. */
static struct kvm_memslots *memslots(struct kunit *test, struct kvm_memory_slot *slot)
{
	struct kvm_memslots *slots = test_zalloc(test, sizeof(*slots));

	hash_init(slots->id_hash);
	hash_add(slots->id_hash, &slot->id_node[slots->node_idx], slot->id);
	atomic_long_set(&slots->last_used_slot, (unsigned long)slot);
	return slots;
}

int test_vm_init(struct kunit *test)
{
	struct test_vm *f = test_zalloc(test, sizeof(*f));

	f->root = test_table(test);
	f->kvm = test_zalloc(test, sizeof(*f->kvm));
	f->vm = test_zalloc(test, sizeof(*f->vm));
	f->slot = test_zalloc(test, sizeof(*f->slot));
	f->map = test_zalloc(test, TEST_SLOT_PAGES / 8);

	mutex_init(&f->kvm->arch.mmu_setup_lock);
	mutex_init(&f->kvm->slots_lock);
	spin_lock_init(&f->kvm->mmu_lock);
	idr_init(&f->kvm->arch.kvm_nested_guest_idr);
	KUNIT_ASSERT_EQ(test, 0, init_srcu_struct(&f->kvm->srcu));
	/* lockdep lets anyone look up memslots of a VM without users */
	refcount_set(&f->kvm->users_count, 1);
	f->kvm->arch.radix = 1;
	f->kvm->arch.lpid = TEST_LPID;
	f->kvm->arch.pgtable = f->root;
	f->kvm->nr_memslot_pages = 1UL << 20;

	f->slot->base_gfn = TEST_SLOT_GFN;
	f->slot->npages = TEST_SLOT_PAGES;
	f->slot->arch.rmap = test_zalloc(test, TEST_SLOT_PAGES * sizeof(unsigned long));
	f->slot->dirty_bitmap = test_zalloc(test, 2 * TEST_SLOT_PAGES / 8);
	rcu_assign_pointer(f->kvm->memslots[0], memslots(test, f->slot));

	KUNIT_ASSERT_EQ(test, 0, khx_vm_init(f->vm, f->kvm));
	khx_vm_publish(f->vm);
	test_vm_backend(f, &test_backend_ranges);
	test_requests_reset();
	test->priv = f;
	return 0;
}

void test_vm_exit(struct kunit *test)
{
	struct test_vm *f = test->priv;
	struct khx_shadow *shadow;
	unsigned long lpid;

	if (!f)
		return;
	spin_lock(&f->kvm->mmu_lock);
	xa_for_each(&f->vm->nested.rmap.shadows, lpid, shadow)
		khx_rmap_remove_all(&f->vm->nested.rmap, shadow);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.entries, 0);
	KUNIT_EXPECT_EQ(test, f->vm->nested.rmap.nodes, 0);
	idr_destroy(&f->kvm->arch.kvm_nested_guest_idr);
	khx_vm_unpublish(f->vm);
	synchronize_rcu();
	khx_vm_release(f->vm);
	cleanup_srcu_struct(&f->kvm->srcu);
}

pte_t *test_map_page(struct kunit *test, unsigned long page, unsigned int shift,
		     unsigned long bits)
{
	struct test_vm *f = test->priv;

	return test_map(test, f->root, test_gpa(page), shift, test_hpa(page), bits);
}

struct kvm_nested_guest *test_add_nested(struct kunit *test, int l1_lpid,
					 int shadow_lpid)
{
	struct test_vm *f = test->priv;
	struct kvm_nested_guest *gp = test_zalloc(test, sizeof(*gp));

	gp->l1_host = f->kvm;
	gp->l1_lpid = l1_lpid;
	gp->shadow_lpid = shadow_lpid;
	gp->shadow_pgtable = test_table(test);
	KUNIT_ASSERT_EQ(test, idr_alloc(&f->kvm->arch.kvm_nested_guest_idr, gp, l1_lpid,
					l1_lpid + 1, GFP_KERNEL), l1_lpid);
	f->kvm->arch.nested_enable = true;
	return gp;
}

pte_t *test_map_nested(struct kunit *test, unsigned long page,
		       struct kvm_nested_guest *gp, unsigned long n_gpa,
		       unsigned int shift, unsigned long bits)
{
	struct test_vm *f = test->priv;
	int err;

	spin_lock(&f->kvm->mmu_lock);
	err = khx_rmap_insert(&f->vm->nested.rmap, f->slot, TEST_SLOT_GFN + page, gp, n_gpa);
	spin_unlock(&f->kvm->mmu_lock);
	KUNIT_ASSERT_EQ(test, err, 0);
	return test_map(test, gp->shadow_pgtable, n_gpa, shift, test_hpa(page), bits);
}

unsigned int test_count_rmap(const struct test_vm *f, unsigned long page)
{
	struct llist_node *node = (struct llist_node *)f->slot->arch.rmap[page];
	struct rmap_nested *cursor;
	unsigned int nr = 0;
	unsigned long entry;

	for_each_nest_rmap_safe(cursor, node, &entry)
		nr++;
	return nr;
}

bool test_harvest(struct test_vm *f)
{
	bool flushed;

	bitmap_zero(f->map, TEST_SLOT_PAGES);
	mutex_lock(&f->kvm->arch.mmu_setup_lock);
	mutex_lock(&f->kvm->slots_lock);
	flushed = khx_radix_harvest(f->vm, f->slot, f->map);
	mutex_unlock(&f->kvm->slots_lock);
	mutex_unlock(&f->kvm->arch.mmu_setup_lock);
	return flushed;
}

bool test_reported(const struct test_vm *f, unsigned long page)
{
	return test_bit_le(page, f->map);
}

void test_unmap(struct test_vm *f, unsigned long page, unsigned long end)
{
	spin_lock(&f->kvm->mmu_lock);
	khx_radix_unmap(f->vm, f->slot, TEST_SLOT_GFN + page, TEST_SLOT_GFN + end, 0);
	spin_unlock(&f->kvm->mmu_lock);
}

void test_unmap_slot(struct test_vm *f)
{
	spin_lock(&f->kvm->mmu_lock);
	khx_radix_unmap(f->vm, f->slot, f->slot->base_gfn,
			f->slot->base_gfn + f->slot->npages, KHX_UNMAP_MAY_SLEEP);
	spin_unlock(&f->kvm->mmu_lock);
	mutex_lock(&f->kvm->slots_lock);
	khx_radix_flush_slot(f->vm, f->slot);
	mutex_unlock(&f->kvm->slots_lock);
}

bool test_age(struct test_vm *f, unsigned long page, unsigned long end, bool clear)
{
	gfn_t first = TEST_SLOT_GFN + page, last = TEST_SLOT_GFN + end;
	bool young;

	spin_lock(&f->kvm->mmu_lock);
	if (clear)
		young = khx_radix_age(f->vm, f->slot, first, last);
	else
		young = khx_radix_test_age(f->vm, f->slot, first, last);
	spin_unlock(&f->kvm->mmu_lock);
	return young;
}
