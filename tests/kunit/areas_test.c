// SPDX-License-Identifier: GPL-2.0
/*
 * Per-vCPU areas: what KVM_GET_ONE_REG returns while a request is pending, how
 * requests and invalidations are applied in kvm-hv's order of calls, and the
 * dirty state that is accumulated when an area is unregistered.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/dtl.h>
#include <asm/lppaca.h>

#include "areas.h"
#include "compat.h"
#include "hooks.h"
#include "table.h"
#include "vm.h"

#define GPA	0x10000UL
#define VPA_LEN	sizeof(struct lppaca)
#define DTL_LEN	sizeof(struct dtl_entry)
#define SLOT_PAGES	64UL

struct fixture {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	struct khx_vm *vm;
	struct khx_vcpu_areas *ext;
	struct kvm_memory_slot *slot;	/* the only one, at 0, logged */
};

static void add_slot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct kvm_memslots *slots = &kvm->__memslots[0][0];

	rb_link_node(&slot->gfn_node[0], NULL, &slots->gfn_tree.rb_node);
	rb_insert_color(&slot->gfn_node[0], &slots->gfn_tree);
	rcu_assign_pointer(kvm->memslots[0], slots);
}

static int fixture_init(struct kunit *test)
{
	struct fixture *f = test_zalloc(test, sizeof(*f));

	f->kvm = test_zalloc(test, sizeof(*f->kvm));
	f->vcpu = test_zalloc(test, sizeof(*f->vcpu));
	f->vm = test_zalloc(test, sizeof(*f->vm));
	f->slot = test_zalloc(test, sizeof(*f->slot));
	f->slot->npages = SLOT_PAGES;
	f->slot->flags = KVM_MEMSLOT_INVALID;	/* its pages cannot be pinned */
	f->slot->dirty_bitmap = test_zalloc(test, 2 * SLOT_PAGES / 8);
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&f->kvm->srcu), 0);
	test->priv = f;
	add_slot(f->kvm, f->slot);
	spin_lock_init(&f->kvm->mmu_lock);
	f->vcpu->kvm = f->kvm;
	spin_lock_init(&f->vcpu->arch.vpa_update_lock);
	KUNIT_ASSERT_EQ(test, 0, khx_vm_init(f->vm, f->kvm));
	khx_vm_publish(f->vm);
	KUNIT_ASSERT_EQ(test, khx_vcpu_create(f->vm, f->vcpu), 0);
	f->ext = &khx_vcpu_find(f->vm, f->vcpu)->areas;
	return 0;
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	if (f->ext) {
		khx_areas_vcpu_free(f->vm, f->vcpu);
		khx_vcpu_free(f->vm, f->vcpu);
		khx_vm_unpublish(f->vm);
		synchronize_rcu();
		khx_vm_release(f->vm);
	}
	cleanup_srcu_struct(&f->kvm->srcu);
}

static struct kvmppc_vpa *area(struct fixture *f, enum khx_area a)
{
	struct kvmppc_vpa *areas[] = {
		[KHX_VPA] = &f->vcpu->arch.vpa,
		[KHX_DTL] = &f->vcpu->arch.dtl,
		[KHX_SLB] = &f->vcpu->arch.slb_shadow,
	};

	return areas[a];
}

static const u64 reg_id[] = {
	[KHX_VPA] = KVM_REG_PPC_VPA_ADDR,
	[KHX_DTL] = KVM_REG_PPC_VPA_DTL,
	[KHX_SLB] = KVM_REG_PPC_VPA_SLB,
};

static int set_reg(struct fixture *f, enum khx_area a, u64 gpa, u64 len)
{
	union kvmppc_one_reg val = { .vpaval = { .addr = gpa, .length = len } };

	return khx_areas_set_reg(f->vm, f->vcpu, reg_id[a], &val);
}

/* Calls stock's getter, which also serves KVM_GET_ONE_REG of tracked VMs. */
static void expect_reg(struct kunit *test, enum khx_area a, u64 gpa, u64 len)
{
	struct fixture *f = test->priv;
	union kvmppc_one_reg val = { };

	KUNIT_ASSERT_EQ(test, kvmppc_hv_ops->get_one_reg(f->vcpu, reg_id[a], &val), 0);
	KUNIT_EXPECT_EQ(test, val.vpaval.addr, gpa);
	if (a != KHX_VPA)
		KUNIT_EXPECT_EQ(test, val.vpaval.length, len);
}

/* The getter returns the requested values before the vCPU applies them. */
static void get_while_pending(struct kunit *test)
{
	struct fixture *f = test->priv;
	enum khx_area a;

	for (a = 0; a < KHX_NR_AREAS; a++) {
		KUNIT_ASSERT_EQ(test, set_reg(f, a, GPA, 10 * DTL_LEN + 1), 0);
		expect_reg(test, a, GPA, 10 * DTL_LEN + (a == KHX_SLB));
		KUNIT_EXPECT_TRUE(test, area(f, a)->update_pending);
		KUNIT_EXPECT_NULL(test, area(f, a)->pinned_addr);

		KUNIT_ASSERT_EQ(test, set_reg(f, a, 2 * GPA, 7 * DTL_LEN), 0);
		expect_reg(test, a, 2 * GPA, 7 * DTL_LEN);
	}
	/* Unregistering takes effect at once. */
	for (a = KHX_NR_AREAS; a--;) {
		KUNIT_ASSERT_EQ(test, set_reg(f, a, 0, 0), 0);
		expect_reg(test, a, 0, 0);
		KUNIT_EXPECT_FALSE(test, area(f, a)->update_pending);
	}
}

/*
 * Give an area a page with the reference count of a pin by pin_user_pages() and
 * one more reference, which the test holds.
 */
static struct page *pin(struct kunit *test, enum khx_area a)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct fixture *f = test->priv;
	struct kvmppc_vpa *v = area(f, a);

	KUNIT_ASSERT_NOT_NULL(test, page);
	page_ref_add(page, GUP_PIN_COUNTING_BIAS);
	memset(v, 0, sizeof(*v));
	memset(&f->ext->area[a], 0, sizeof(f->ext->area[a]));
	f->ext->area[a].page = page;
	f->ext->area[a].noted = GPA;
	v->next_gpa = GPA;
	v->gpa = GPA;
	v->len = VPA_LEN;
	v->pinned_addr = page_address(page);
	v->pinned_end = v->pinned_addr + v->len;
	return page;
}

enum written { NOT, FLAG_ONLY, DATA_ONLY };

/* Do a part of what kvm-hv does when it dispatches the vCPU. */
static void write_area(struct fixture *f, enum khx_area a, enum written w)
{
	struct lppaca *vpa = f->vcpu->arch.vpa.pinned_addr;

	if (w == FLAG_ONLY)
		area(f, a)->dirty = true;
	else if (w == DATA_ONLY && a == KHX_VPA)
		vpa->yield_count = cpu_to_be32(be32_to_cpu(vpa->yield_count) + 1);
	else if (w == DATA_ONLY && a == KHX_DTL)
		f->vcpu->arch.dtl_index++;
}

static void expect_gone(struct kunit *test, struct page *page)
{
	KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
	ClearPageDirty(page);
	__free_page(page);
}

/* Does the page become dirty? */
static const bool leaves_bit[KHX_NR_AREAS][3] = {
	[KHX_VPA] = { [FLAG_ONLY] = true, [DATA_ONLY] = true },
	[KHX_DTL] = { [DATA_ONLY] = true },
};

/* Unregistering an area that the host has written accumulates its page. */
static void hand_over(struct kunit *test)
{
	struct fixture *f = test->priv;
	enum khx_area a;
	struct page *page;
	enum written w;

	for (a = 0; a < KHX_NR_AREAS; a++) {
		for (w = NOT; w <= DATA_ONLY; w++) {
			bitmap_zero(f->slot->dirty_bitmap, SLOT_PAGES);
			page = pin(test, a);
			write_area(f, a, w);
			KUNIT_ASSERT_EQ(test, set_reg(f, a, 0, 0), 0);

			KUNIT_EXPECT_EQ_MSG(test, test_bit_le(GPA >> PAGE_SHIFT,
							      f->slot->dirty_bitmap),
					    leaves_bit[a][w], "area %d, %d", a, w);
			KUNIT_EXPECT_EQ(test, bitmap_weight(f->slot->dirty_bitmap,
							    SLOT_PAGES),
					leaves_bit[a][w]);
			KUNIT_EXPECT_NULL(test, area(f, a)->pinned_addr);
			KUNIT_EXPECT_NULL(test, f->vcpu->arch.dtl_ptr);
			/* marked dirty, so that its owner does not lose data */
			KUNIT_EXPECT_TRUE(test, PageDirty(page));
			expect_gone(test, page);
		}
	}
}

/* Collect the slot's log. Is the page of the areas in it, and no other? */
static bool collected(struct kunit *test)
{
	DECLARE_BITMAP(map, SLOT_PAGES) = {};
	struct fixture *f = test->priv;
	bool found;

	khx_areas_collect(f->vm, f->slot, map);
	found = test_bit_le(GPA >> PAGE_SHIFT, map);
	KUNIT_EXPECT_EQ(test, bitmap_weight(map, SLOT_PAGES), found);
	return found;
}

/* A store of the host is in the next collection, and in that one only. */
static void collected_once(struct kunit *test)
{
	struct fixture *f = test->priv;
	enum khx_area a;
	struct page *page;
	enum written w;

	xa_init(&f->kvm->vcpu_array);
	KUNIT_ASSERT_FALSE(test, xa_err(xa_store(&f->kvm->vcpu_array, 0, f->vcpu, GFP_KERNEL)));
	atomic_set(&f->kvm->online_vcpus, 1);
	for (a = 0; a < KHX_NR_AREAS; a++) {
		for (w = NOT; w <= DATA_ONLY; w++) {
			page = pin(test, a);
			write_area(f, a, w);
			KUNIT_EXPECT_EQ_MSG(test, collected(test), leaves_bit[a][w],
					    "area %d, %d", a, w);
			KUNIT_EXPECT_FALSE_MSG(test, collected(test), "area %d, %d", a, w);
			write_area(f, a, w);
			KUNIT_EXPECT_EQ(test, collected(test), leaves_bit[a][w]);
			KUNIT_ASSERT_EQ(test, set_reg(f, a, 0, 0), 0);
			expect_gone(test, page);
		}
	}
	xa_destroy(&f->kvm->vcpu_array);
}

/*
 * Call the hook as kvm-hv does before a vCPU enters the guest. Return true if
 * kvm-hv would initialise a VPA, or unpin an area.
 */
static bool apply(struct fixture *f)
{
	struct kvmppc_vpa old = { .pinned_addr = f };
	struct kvm_vcpu *vcpu = f->vcpu;
	bool initialised = false;

	spin_lock(&vcpu->arch.vpa_update_lock);
	if (vcpu->arch.vpa.update_pending) {
		khx_hook_update_vpa(vcpu, &vcpu->arch.vpa, &old);
		initialised = vcpu->arch.vpa.pinned_addr;
	}
	if (vcpu->arch.dtl.update_pending) {
		khx_hook_update_vpa(vcpu, &vcpu->arch.dtl, &old);
		vcpu->arch.dtl_ptr = vcpu->arch.dtl.pinned_addr;
		vcpu->arch.dtl_index = 0;
	}
	if (vcpu->arch.slb_shadow.update_pending)
		khx_hook_update_vpa(vcpu, &vcpu->arch.slb_shadow, &old);
	spin_unlock(&vcpu->arch.vpa_update_lock);
	if (khx_update_vpa_has_old() && old.pinned_addr != f)
		initialised |= !!old.pinned_addr;
	return initialised;
}

/*
 * The guest unregisters one area, or registers it at another address, where no
 * memory can be pinned. The other areas of the vCPU stay pinned, and the
 * dispatch trace log continues.
 */
static void one_request_at_a_time(struct kunit *test)
{
	struct page *pages[KHX_NR_AREAS];
	struct fixture *f = test->priv;
	enum khx_area asked, a;
	unsigned int gone;

	for (asked = 0; asked < KHX_NR_AREAS; asked++) {
		for (gone = 0; gone < 2; gone++) {
			for (a = 0; a < KHX_NR_AREAS; a++)
				pages[a] = pin(test, a);
			f->vcpu->arch.dtl_ptr = f->vcpu->arch.dtl.pinned_addr;
			f->vcpu->arch.dtl_index = 7;
			f->ext->area[KHX_DTL].seen.dtl_index = 7;

			area(f, asked)->next_gpa = gone ? 0 : 3 * GPA;
			area(f, asked)->update_pending = 1;
			KUNIT_EXPECT_FALSE(test, apply(f));
			for (a = 0; a < KHX_NR_AREAS; a++) {
				KUNIT_EXPECT_FALSE(test, area(f, a)->update_pending);
				KUNIT_EXPECT_PTR_EQ(test, area(f, a)->pinned_addr, a == asked ?
						    NULL : page_address(pages[a]));
				KUNIT_EXPECT_EQ(test, f->ext->area[a].failed,
						a == asked && !gone);
			}
			if (asked == KHX_DTL)
				KUNIT_EXPECT_NULL(test, f->vcpu->arch.dtl_ptr);
			else
				KUNIT_EXPECT_EQ(test, f->vcpu->arch.dtl_index, 7);
			for (a = 0; a < KHX_NR_AREAS; a++) {
				struct kvmppc_vpa *v = area(f, a);

				v->next_gpa = 0;
				v->update_pending = 1;
			}
			KUNIT_EXPECT_FALSE(test, apply(f));
			for (a = 0; a < KHX_NR_AREAS; a++)
				expect_gone(test, pages[a]);
			KUNIT_EXPECT_TRUE(test, xa_empty(&f->vm->areas.pages));
		}
	}
}

/* Memory under areas is invalidated while kvm-hv has no request. */
static void looked_at_again(struct kunit *test)
{
	struct page *pages[KHX_NR_AREAS];
	struct fixture *f = test->priv;
	enum khx_area a;

	for (a = 0; a < KHX_NR_AREAS; a++) {
		pages[a] = pin(test, a);
		xa_store(&f->vm->areas.pages, GPA >> PAGE_SHIFT, xa_mk_value(a + 1), GFP_KERNEL);
	}
	KUNIT_EXPECT_FALSE(test, apply(f));
	for (a = 0; a < KHX_NR_AREAS; a++)
		KUNIT_EXPECT_PTR_EQ(test, area(f, a)->pinned_addr, page_address(pages[a]));

	/* as khx_areas_invalidate() does for one of a VM's vCPUs */
	f->ext->look = BIT(KHX_VPA) | BIT(KHX_DTL) | BIT(KHX_SLB);
	f->vcpu->arch.slb_shadow.update_pending = 1;
	KUNIT_EXPECT_FALSE(test, apply(f));
	for (a = 0; a < KHX_NR_AREAS; a++) {
		KUNIT_EXPECT_NULL(test, area(f, a)->pinned_addr);
		KUNIT_EXPECT_EQ(test, area(f, a)->next_gpa, GPA);
		KUNIT_EXPECT_TRUE(test, f->ext->area[a].failed);
		expect_gone(test, pages[a]);
	}
}

/*
 * Userspace registers an area whose page cannot be pinned, and then again: both times
 * it is the area that the guest had before. Once the guest has registered it, it is new.
 */
static void restored_again(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned int i;

	for (i = 0; i < 2; i++) {
		KUNIT_ASSERT_EQ(test, 0, set_reg(f, KHX_VPA, GPA, VPA_LEN));
		KUNIT_EXPECT_TRUE(test, area(f, KHX_VPA)->update_pending);
		KUNIT_EXPECT_FALSE(test, apply(f));
		KUNIT_EXPECT_TRUE(test, f->ext->area[KHX_VPA].failed);
		KUNIT_EXPECT_EQ(test, KHX_AREA_RESTORED, f->ext->area[KHX_VPA].update);
	}
	/* as H_REGISTER_VPA does */
	area(f, KHX_VPA)->next_gpa = 0;
	area(f, KHX_VPA)->update_pending = 1;
	KUNIT_EXPECT_FALSE(test, apply(f));
	area(f, KHX_VPA)->next_gpa = GPA;
	area(f, KHX_VPA)->update_pending = 1;
	KUNIT_EXPECT_FALSE(test, apply(f));
	KUNIT_EXPECT_EQ(test, KHX_AREA_NEW, f->ext->area[KHX_VPA].update);
}

struct ending {
	struct delayed_work work;
	struct fixture *f;
	const struct kvmppc_vpa *area;	/* being pinned */
	bool vpa;		/* the VPA's memory is invalidated as well */
	bool pending;		/* H_REGISTER_VPA knew that the area is registered */
	bool ended;
};

static void end_invalidation(struct work_struct *work)
{
	struct ending *e = container_of(to_delayed_work(work), struct ending, work);
	struct kvm_vcpu *vcpu = e->f->vcpu;
	struct kvm *kvm = e->f->kvm;

	spin_lock(&kvm->mmu_lock);
	spin_lock(&vcpu->arch.vpa_update_lock);
	e->pending = e->area->update_pending;
	if (e->vpa) {
		/* as khx_areas_invalidate() does */
		e->f->ext->look |= BIT(KHX_VPA);
		vcpu->arch.slb_shadow.update_pending = 1;
	}
	spin_unlock(&vcpu->arch.vpa_update_lock);
	kvm->mmu_invalidate_seq++;
	kvm->mmu_invalidate_in_progress--;
	e->ended = true;
	spin_unlock(&kvm->mmu_lock);
}

/*
 * A vCPU applies a request for an area, at another address, while the host is
 * invalidating all memory. With @vpa the VPA's memory is invalidated as well.
 */
static void request_meanwhile(struct kunit *test, enum khx_area a, bool vpa)
{
	struct fixture *f = test->priv;
	struct ending e = { .f = f, .area = area(f, a), .vpa = vpa };

	INIT_DELAYED_WORK_ONSTACK(&e.work, end_invalidation);
	f->kvm->mmu_invalidate_range_start = 0;
	f->kvm->mmu_invalidate_range_end = ULONG_MAX - 1;
	f->kvm->mmu_invalidate_in_progress = 1;
	area(f, a)->next_gpa = 3 * GPA;
	area(f, a)->update_pending = 1;
	schedule_delayed_work(&e.work, msecs_to_jiffies(50));
	KUNIT_EXPECT_FALSE(test, apply(f));
	KUNIT_EXPECT_TRUE(test, e.ended);
	KUNIT_EXPECT_TRUE(test, e.pending);
	flush_delayed_work(&e.work);
	destroy_delayed_work_on_stack(&e.work);
}

/*
 * The host is invalidating all memory when a vCPU pins the page of an area. The
 * module must not use a result from before the end of the invalidation.
 */
static void invalidated_meanwhile(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *page;
	enum khx_area a;

	for (a = 0; a < KHX_NR_AREAS; a++) {
		page = pin(test, a);
		request_meanwhile(test, a, false);
		KUNIT_EXPECT_FALSE(test, area(f, a)->update_pending);
		KUNIT_EXPECT_TRUE(test, f->ext->area[a].failed);
		expect_gone(test, page);
		area(f, a)->next_gpa = 0;
		area(f, a)->update_pending = 1;
		KUNIT_EXPECT_FALSE(test, apply(f));
	}
}

/* The memory of an area is invalidated while the vCPU pins the page of a later one. */
static void invalidated_behind(struct kunit *test)
{
	struct fixture *f = test->priv;
	struct page *page;
	enum khx_area a;

	for (a = KHX_DTL; a < KHX_NR_AREAS; a++) {
		page = pin(test, KHX_VPA);
		request_meanwhile(test, a, true);
		KUNIT_EXPECT_EQ(test, 0, f->ext->look);
		KUNIT_EXPECT_NULL(test, area(f, KHX_VPA)->pinned_addr);
		expect_gone(test, page);
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(one_request_at_a_time),
	KUNIT_CASE(looked_at_again),
	KUNIT_CASE(invalidated_meanwhile),
	KUNIT_CASE(invalidated_behind),
	KUNIT_CASE(restored_again),
	KUNIT_CASE(get_while_pending),
	KUNIT_CASE(hand_over),
	KUNIT_CASE(collected_once),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_areas",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
