// SPDX-License-Identifier: GPL-2.0
/*
 * Registration of per-vCPU areas: every sub-function in every state, every
 * boundary of address and length, what can be read while it is pending; and
 * the dirty state that an area leaves behind.
 */
#include <kunit/test.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/dtl.h>
#include <asm/hvcall.h>
#include <asm/lppaca.h>

#include "areas.h"
#include "compat.h"
#include "vm.h"

#define GPA	0x10000UL
#define VPA_LEN	sizeof(struct lppaca)
#define DTL_LEN	sizeof(struct dtl_entry)
#define SLOT_PAGES	64UL

/* Sub-functions of H_REGISTER_VPA, as PAPR numbers them. */
enum { REG_VPA = 1, REG_DTL, REG_SLB, DEREG_VPA = 5, DEREG_DTL, DEREG_SLB };

/* What an area can be in before a request. */
enum state { NONE, ASKED, APPLIED, FAILED, TO_GO, NR_STATES };

struct fixture {
	struct kvm *kvm;
	struct kvm_vcpu *vcpu;
	struct kvm_ext_vm *vm;
	struct kvm_ext_vcpu *ext;
	struct kvm_memory_slot *slot;	/* the only one, at 0, logged */
};

static void *must(struct kunit *test, size_t size)
{
	void *p = kunit_kzalloc(test, size, GFP_KERNEL);

	KUNIT_ASSERT_NOT_NULL(test, p);
	return p;
}

static void add_slot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct kvm_memslots *slots = &kvm->__memslots[0][0];

	rb_link_node(&slot->gfn_node[0], NULL, &slots->gfn_tree.rb_node);
	rb_insert_color(&slot->gfn_node[0], &slots->gfn_tree);
	rcu_assign_pointer(kvm->memslots[0], slots);
}

static int fixture_init(struct kunit *test)
{
	struct fixture *f = must(test, sizeof(*f));

	f->kvm = must(test, sizeof(*f->kvm));
	f->vcpu = must(test, sizeof(*f->vcpu));
	f->vm = must(test, sizeof(*f->vm));
	f->slot = must(test, sizeof(*f->slot));
	f->slot->npages = SLOT_PAGES;
	f->slot->dirty_bitmap = must(test, 2 * SLOT_PAGES / 8);
	KUNIT_ASSERT_EQ(test, init_srcu_struct(&f->kvm->srcu), 0);
	test->priv = f;
	add_slot(f->kvm, f->slot);
	spin_lock_init(&f->kvm->mmu_lock);
	f->vcpu->kvm = f->kvm;
	spin_lock_init(&f->vcpu->arch.vpa_update_lock);
	KUNIT_ASSERT_EQ(test, 0, kvm_ext_vm_init(f->vm, f->kvm));
	KUNIT_ASSERT_EQ(test, kvm_ext_vcpu_create(f->vm, f->vcpu), 0);
	f->ext = xa_load(&f->vm->vcpus, (unsigned long)f->vcpu);
	KUNIT_ASSERT_NOT_NULL(test, f->ext);
	return 0;
}

static void fixture_exit(struct kunit *test)
{
	struct fixture *f = test->priv;

	if (!f)
		return;
	if (f->ext) {
		kvm_ext_vcpu_free(f->vm, f->vcpu);
		kvm_ext_vm_release(f->vm);
	}
	cleanup_srcu_struct(&f->kvm->srcu);
}

static struct kvmppc_vpa *area(struct fixture *f, enum kvm_ext_area a)
{
	struct kvmppc_vpa *areas[] = {
		[KVM_EXT_VPA] = &f->vcpu->arch.vpa,
		[KVM_EXT_DTL] = &f->vcpu->arch.dtl,
		[KVM_EXT_SLB] = &f->vcpu->arch.slb_shadow,
	};

	return areas[a];
}

static void set_state(struct fixture *f, enum kvm_ext_area a, enum state s)
{
	struct kvmppc_vpa *v = area(f, a);

	memset(v, 0, sizeof(*v));
	memset(&f->ext->area[a], 0, sizeof(f->ext->area[a]));
	v->update_pending = s == ASKED || s == TO_GO;
	f->ext->area[a].failed = s == FAILED;
	if (s == ASKED || s == APPLIED || s == FAILED) {
		v->next_gpa = 0x4000 + 0x400 * a;
		v->len = 0x280;
	}
}

static bool counts_as_registered(enum state s)
{
	return s == ASKED || s == APPLIED;
}

/* What PAPR says, written down a second time. */
static long want(unsigned long func, const enum state *s, unsigned long len,
		 unsigned long room)
{
	bool fits = len >= 8 && len <= room;

	switch (func) {
	case REG_VPA:
		return fits && len >= VPA_LEN ? H_SUCCESS : H_PARAMETER;
	case REG_DTL:
		if (!fits || len < DTL_LEN)
			return H_PARAMETER;
		return counts_as_registered(s[KVM_EXT_VPA]) ? H_SUCCESS : H_RESOURCE;
	case REG_SLB:
		if (!fits)
			return H_PARAMETER;
		return counts_as_registered(s[KVM_EXT_VPA]) ? H_SUCCESS : H_RESOURCE;
	case DEREG_VPA:
		return counts_as_registered(s[KVM_EXT_DTL]) ||
		       counts_as_registered(s[KVM_EXT_SLB]) ? H_RESOURCE : H_SUCCESS;
	case DEREG_DTL:
	case DEREG_SLB:
		return H_SUCCESS;
	default:
		return H_PARAMETER;
	}
}

static void one_request(struct kunit *test, const enum state *s, unsigned long func,
			unsigned long len, unsigned long room)
{
	static const enum kvm_ext_area target[] = {
		[REG_VPA] = KVM_EXT_VPA, [DEREG_VPA] = KVM_EXT_VPA,
		[REG_DTL] = KVM_EXT_DTL, [DEREG_DTL] = KVM_EXT_DTL,
		[REG_SLB] = KVM_EXT_SLB, [DEREG_SLB] = KVM_EXT_SLB,
	};
	struct fixture *f = test->priv;
	struct kvmppc_vpa before[KVM_EXT_NR_AREAS];
	enum kvm_ext_area a;
	long rc;

	for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
		set_state(f, a, s[a]);
		before[a] = *area(f, a);
	}

	rc = kvm_ext_area_request(f->vm, f->vcpu, func, GPA, len, room);
	KUNIT_ASSERT_EQ_MSG(test, rc, want(func, s, len, room),
			    "func %lu len %lu room %lu states %d %d %d",
			    func, len, room, s[0], s[1], s[2]);

	for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
		struct kvmppc_vpa *v = area(f, a);

		if (rc != H_SUCCESS || target[func] != a) {
			KUNIT_ASSERT_EQ(test, memcmp(v, &before[a], sizeof(*v)), 0);
			continue;
		}
		KUNIT_ASSERT_EQ(test, v->update_pending, 1);
		KUNIT_ASSERT_EQ(test, f->ext->area[a].update, KVM_EXT_AREA_NEW);
		KUNIT_ASSERT_FALSE(test, f->ext->area[a].failed);
		if (func >= DEREG_VPA) {
			KUNIT_ASSERT_EQ(test, v->next_gpa, 0);
			KUNIT_ASSERT_EQ(test, v->len, 0);
		} else {
			KUNIT_ASSERT_EQ(test, v->next_gpa, GPA);
			KUNIT_ASSERT_EQ(test, v->len,
					func == REG_DTL ? len - len % DTL_LEN : len);
		}
		/* what is pinned is the owner's until the vCPU applies this */
		KUNIT_ASSERT_PTR_EQ(test, v->pinned_addr, before[a].pinned_addr);
	}
}

static void every_state(struct kunit *test)
{
	enum state s[KVM_EXT_NR_AREAS];
	unsigned long func;

	for (s[0] = 0; s[0] < NR_STATES; s[0]++)
		for (s[1] = 0; s[1] < NR_STATES; s[1]++)
			for (s[2] = 0; s[2] < NR_STATES; s[2]++)
				for (func = 0; func < 8; func++)
					one_request(test, s, func, 1024, PAGE_SIZE);
}

static void every_boundary(struct kunit *test)
{
	static const enum state registered[] = { APPLIED, NONE, NONE };
	unsigned long lengths[] = {
		0, 1, 7, 8, 9, DTL_LEN - 1, DTL_LEN, DTL_LEN + 1, 2 * DTL_LEN - 1,
		VPA_LEN - 1, VPA_LEN, VPA_LEN + 1, 4095, 4096, 4097,
		PAGE_SIZE - 128, PAGE_SIZE - 1, PAGE_SIZE, PAGE_SIZE + 1,
		0xffff, 0x10000, 0xffffffff,
	};
	unsigned long room, func;
	unsigned int i;

	for (room = 128; room <= PAGE_SIZE; room += 128)
		for (func = REG_VPA; func <= REG_SLB; func++) {
			for (i = 0; i < ARRAY_SIZE(lengths); i++)
				one_request(test, registered, func, lengths[i], room);
			one_request(test, registered, func, room - 1, room);
			one_request(test, registered, func, room, room);
			one_request(test, registered, func, room + 1, room);
		}
}

static const u64 reg_id[] = {
	[KVM_EXT_VPA] = KVM_REG_PPC_VPA_ADDR,
	[KVM_EXT_DTL] = KVM_REG_PPC_VPA_DTL,
	[KVM_EXT_SLB] = KVM_REG_PPC_VPA_SLB,
};

static int set_reg(struct fixture *f, enum kvm_ext_area a, u64 gpa, u64 len)
{
	union kvmppc_one_reg val = { .vpaval = { .addr = gpa, .length = len } };

	return kvm_ext_set_area_reg(f->vm, f->vcpu, reg_id[a], &val);
}

/* Stock's getter, which is what userspace gets for VMs of ours too. */
static void expect_reg(struct kunit *test, enum kvm_ext_area a, u64 gpa, u64 len)
{
	struct fixture *f = test->priv;
	union kvmppc_one_reg val = { };

	KUNIT_ASSERT_EQ(test, kvmppc_hv_ops->get_one_reg(f->vcpu, reg_id[a], &val), 0);
	KUNIT_EXPECT_EQ(test, val.vpaval.addr, gpa);
	if (a != KVM_EXT_VPA)
		KUNIT_EXPECT_EQ(test, val.vpaval.length, len);
}

/* What was asked for is what is read, long before it is applied. */
static void get_while_pending(struct kunit *test)
{
	struct fixture *f = test->priv;
	unsigned long func;
	enum kvm_ext_area a;

	for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
		KUNIT_ASSERT_EQ(test, set_reg(f, a, GPA, 10 * DTL_LEN + 1), 0);
		expect_reg(test, a, GPA, 10 * DTL_LEN + (a == KVM_EXT_SLB));
		KUNIT_EXPECT_TRUE(test, area(f, a)->update_pending);
		KUNIT_EXPECT_NULL(test, area(f, a)->pinned_addr);

		KUNIT_ASSERT_EQ(test, set_reg(f, a, 2 * GPA, 7 * DTL_LEN), 0);
		expect_reg(test, a, 2 * GPA, 7 * DTL_LEN);
	}
	for (func = REG_VPA; func <= REG_SLB; func++)
		KUNIT_ASSERT_EQ(test, kvm_ext_area_request(f->vm, f->vcpu, func, 3 * GPA,
							   VPA_LEN, PAGE_SIZE),
				H_SUCCESS);
	expect_reg(test, KVM_EXT_VPA, 3 * GPA, 0);
	expect_reg(test, KVM_EXT_DTL, 3 * GPA, rounddown(VPA_LEN, DTL_LEN));
	expect_reg(test, KVM_EXT_SLB, 3 * GPA, VPA_LEN);

	/* Unregistering waits for no vCPU. */
	for (a = KVM_EXT_NR_AREAS; a--;) {
		KUNIT_ASSERT_EQ(test, set_reg(f, a, 0, 0), 0);
		expect_reg(test, a, 0, 0);
		KUNIT_EXPECT_FALSE(test, area(f, a)->update_pending);
	}
}

/* A page under an area, pinned as pin_user_pages() does it, and held. */
static struct page *pin(struct kunit *test, enum kvm_ext_area a)
{
	struct page *page = alloc_page(GFP_KERNEL | __GFP_ZERO);
	struct fixture *f = test->priv;
	struct kvmppc_vpa *v = area(f, a);

	KUNIT_ASSERT_NOT_NULL(test, page);
	page_ref_add(page, GUP_PIN_COUNTING_BIAS);
	set_state(f, a, APPLIED);
	f->ext->area[a].page = page;
	v->next_gpa = GPA;
	v->gpa = GPA;
	v->pinned_addr = page_address(page);
	v->pinned_end = v->pinned_addr + v->len;
	return page;
}

enum written { NOT, FLAG_ONLY, DATA_ONLY };

/* What kvm-hv does when it dispatches the vCPU, or a part of it. */
static void write_area(struct fixture *f, enum kvm_ext_area a, enum written w)
{
	struct lppaca *vpa = f->vcpu->arch.vpa.pinned_addr;

	if (w == FLAG_ONLY)
		area(f, a)->dirty = true;
	else if (w == DATA_ONLY && a == KVM_EXT_VPA)
		vpa->yield_count = cpu_to_be32(be32_to_cpu(vpa->yield_count) + 1);
	else if (w == DATA_ONLY && a == KVM_EXT_DTL)
		f->vcpu->arch.dtl_index++;
}

/* An area that goes leaves a bit where the next collection finds it. */
static void hand_over(struct kunit *test)
{
	static const bool leaves_bit[KVM_EXT_NR_AREAS][3] = {
		[KVM_EXT_VPA] = { [FLAG_ONLY] = true, [DATA_ONLY] = true },
		[KVM_EXT_DTL] = { [DATA_ONLY] = true },
	};
	struct fixture *f = test->priv;
	enum kvm_ext_area a;
	struct page *page;
	enum written w;

	for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
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
			/* ours is the last reference; the owner must not lose data */
			KUNIT_EXPECT_EQ(test, page_ref_count(page), 1);
			KUNIT_EXPECT_TRUE(test, PageDirty(page));
			ClearPageDirty(page);
			__free_page(page);
		}
	}
}

static struct kunit_case cases[] = {
	KUNIT_CASE(every_state),
	KUNIT_CASE(every_boundary),
	KUNIT_CASE(get_while_pending),
	KUNIT_CASE(hand_over),
	{}
};

static struct kunit_suite suite = {
	.name = "kvm_hv_ext_areas",
	.init = fixture_init,
	.exit = fixture_exit,
	.test_cases = cases,
};

kunit_test_suite(suite);
