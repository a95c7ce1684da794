// SPDX-License-Identifier: GPL-2.0
/*
 * The per-vCPU areas: registration, pinning, dirty state.
 *
 * How a write is not missed. Stock's writers run in the vCPU's thread without
 * a lock: they store to the area and set vpa.dirty, in no particular order,
 * and never set dtl.dirty. So the flag alone proves nothing: it may be seen,
 * and cleared, before the data can be seen. A collection therefore clears the
 * flag, orders that before what follows, and compares what the host writes at
 * each dispatch (yield count, dispatch time, index of the log) with what the
 * last collection saw. A store that becomes visible after the comparison makes
 * the next one differ; a store visible before it is visible to whoever copies
 * the page afterwards. For the log the index says it all: it is incremented
 * behind a write barrier after each entry.
 *
 * The SLB shadow is never written by the host.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <asm/dtl.h>
#include <asm/hvcall.h>
#include <asm/kvm_book3s.h>
#include <asm/lppaca.h>

#include "areas.h"
#include "compat.h"
#include "kunit.h"
#include "stock.h"
#include "vm.h"

/* The sub-function is in bits 16 to 18 of the flags (PAPR, IBM numbering). */
#define FUNC_SHIFT	45
#define FUNC_MASK	7
enum {
	REG_VPA = 1, REG_DTL, REG_SLB,
	DEREG_VPA = 5, DEREG_DTL, DEREG_SLB,
};

#define MIN_LENGTH	8	/* what contains the length itself */

static struct kvmppc_vpa *area_of(struct kvm_vcpu *vcpu, enum kvm_ext_area a)
{
	switch (a) {
	case KVM_EXT_VPA:
		return &vcpu->arch.vpa;
	case KVM_EXT_DTL:
		return &vcpu->arch.dtl;
	default:
		return &vcpu->arch.slb_shadow;
	}
}

static struct kvm_ext_vcpu *ext_vcpu(struct kvm_ext_vm *vm, struct kvm_vcpu *vcpu)
{
	return xa_load(&vm->vcpus, (unsigned long)vcpu);
}

int kvm_ext_vcpu_create(struct kvm_ext_vm *vm, struct kvm_vcpu *vcpu)
{
	struct kvm_ext_vcpu *ext = kzalloc(sizeof(*ext), GFP_KERNEL_ACCOUNT);
	int err;

	if (!ext)
		return -ENOMEM;
	err = xa_insert(&vm->vcpus, (unsigned long)vcpu, ext, GFP_KERNEL_ACCOUNT);
	if (err)
		kfree(ext);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vcpu_create);

/*
 * Pin the page of an area for as long as the guest lives. Memory that cannot
 * be pinned for long (files of some filesystems) is pinned as stock does.
 */
static struct page *pin_page(struct kvm *kvm, unsigned long gpa, bool long_term,
			     unsigned long *hvap)
{
	struct kvm_memory_slot *slot;
	struct page *page = NULL;
	unsigned long hva;
	int idx, nr = 0;

	idx = srcu_read_lock(&kvm->srcu);
	slot = gfn_to_memslot(kvm, gpa >> PAGE_SHIFT);
	if (slot && !(slot->flags & KVM_MEMSLOT_INVALID)) {
		hva = gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT);
		*hvap = hva;
		if (long_term)
			nr = pin_user_pages_fast(hva, 1, FOLL_WRITE | FOLL_LONGTERM, &page);
		if (nr < 1)
			nr = pin_user_pages_fast(hva, 1, FOLL_WRITE, &page);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return nr == 1 ? page : NULL;
}

static unsigned long room_at(unsigned long gpa)
{
	return PAGE_SIZE - offset_in_page(gpa);
}

static bool test_clear_flag(struct kvmppc_vpa *area)
{
	bool dirty = area->pinned_addr && READ_ONCE(area->dirty);

	if (dirty)
		WRITE_ONCE(area->dirty, false);
	smp_mb();	/* flag before whatever the caller reads of the area */
	return dirty;
}

/* Has the host written since the last look? Looks, and remembers. */
static bool test_clear_written(struct kvm_vcpu *vcpu, enum kvm_ext_area a,
			       struct kvm_ext_area_state *state)
{
	struct kvmppc_vpa *area = area_of(vcpu, a);
	bool written = false;

	if (!area->pinned_addr)
		return false;

	if (a == KVM_EXT_VPA) {
		struct lppaca *vpa = area->pinned_addr;
		u64 dispatch, index;
		u32 yields;

		written = test_clear_flag(area);
		yields = be32_to_cpu(READ_ONCE(vpa->yield_count));
		dispatch = be64_to_cpu(READ_ONCE(vpa->enqueue_dispatch_tb));
		index = be64_to_cpu(READ_ONCE(vpa->dtl_idx));
		written |= yields != state->seen.yields ||
			   dispatch != state->seen.dispatch ||
			   index != state->seen.dtl_index;
		state->seen.yields = yields;
		state->seen.dispatch = dispatch;
		state->seen.dtl_index = index;
	} else if (a == KVM_EXT_DTL) {
		u64 index = READ_ONCE(vcpu->arch.dtl_index);

		smp_rmb();	/* pairs with the writer's, entry before index */
		written = index != state->seen.dtl_index;
		state->seen.dtl_index = index;
	}
	return written;
}

/* Keep the dirty state of a page that is about to be unpinned. */
static void mark_dirty(struct kvm *kvm, unsigned long gpa)
{
	struct kvm_memory_slot *slot;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = gfn_to_memslot(kvm, gfn);
	if (slot && slot->dirty_bitmap)
		set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
	srcu_read_unlock(&kvm->srcu, idx);
}

/*
 * What the guest sees at the start of an area (PAPR, H_REGISTER_VPA). The yield
 * count is odd while a vCPU is not in the guest.
 */
static void start(struct kvm_vcpu *vcpu, enum kvm_ext_area a,
		  struct kvm_ext_area_state *state)
{
	bool restored = state->update == KVM_EXT_AREA_RESTORED;
	struct lppaca *vpa = vcpu->arch.vpa.pinned_addr;

	switch (a) {
	case KVM_EXT_VPA:
		if (!vpa)
			break;
		vpa->__old_status |= LPPACA_OLD_SHARED_PROC;
		vpa->yield_count = restored ? vpa->yield_count | cpu_to_be32(1) :
					      cpu_to_be32(1);
		vcpu->arch.vpa.dirty = true;
		break;
	case KVM_EXT_DTL:
		vcpu->arch.dtl_index = restored && vpa ?
				       be64_to_cpu(READ_ONCE(vpa->dtl_idx)) : 0;
		state->seen.dtl_index = vcpu->arch.dtl_index;
		break;
	default:
		break;
	}
}

/* Where entry number @index goes: the log is a ring that began with number 0. */
static struct dtl_entry *dtl_entry_at(const struct kvmppc_vpa *dtl, u64 index)
{
	struct dtl_entry *first = dtl->pinned_addr;

	return first ? first + index % (dtl->len / sizeof(*first)) : NULL;
}

/*
 * An area is to be at @gpa, or no more: notifiers look for it where it is noted. They
 * do so under mmu_lock, and whoever pins its page looks at the invalidate sequence
 * under that lock as well, after this.
 */
static void note_page(struct kvm_ext_vm *vm, unsigned long gpa, long change)
{
	struct xarray *pages = &vm->area_pages;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	void *entry;
	long nr;

	if (!gpa)
		return;
	xa_lock(pages);
	entry = xa_load(pages, gfn);
	nr = (entry ? xa_to_value(entry) : 0) + change;
	if (nr <= 0)	/* less: there was no memory to note it */
		__xa_erase(pages, gfn);
	else if (xa_err(__xa_store(pages, gfn, xa_mk_value(nr), GFP_ATOMIC | __GFP_NOWARN)))
		WRITE_ONCE(vm->areas_anywhere, true);
	xa_unlock(pages);
}

static bool are_near(struct kvm_ext_vm *vm, gfn_t gfn, gfn_t end)
{
	unsigned long index = gfn;

	return READ_ONCE(vm->areas_anywhere) ||
	       xa_find(&vm->area_pages, &index, end - 1, XA_PRESENT);
}

/*
 * Put @page (or nothing) under an area in place of what is there. Called with
 * vpa_update_lock held; returns the page to be unpinned when it is not.
 */
static struct page *install(struct kvm_vcpu *vcpu, enum kvm_ext_area a,
			    struct kvm_ext_area_state *state,
			    struct page *page, unsigned long gpa)
{
	struct kvmppc_vpa *area = area_of(vcpu, a);
	struct page *old = state->page;
	bool same = page && page == old && gpa == area->gpa &&
		    state->update == KVM_EXT_AREA_KEEP;

	if (same)
		return page;	/* pinned a second time just to see that */

	if (test_clear_written(vcpu, a, state))
		mark_dirty(vcpu->kvm, area->gpa);

	state->page = page;
	area->gpa = gpa;
	area->pinned_addr = page ? page_address(page) + offset_in_page(gpa) : NULL;
	area->pinned_end = page ? area->pinned_addr + area->len : NULL;
	area->dirty = false;

	/* What stands there now was not written by this area's host. */
	test_clear_written(vcpu, a, state);

	if (state->update != KVM_EXT_AREA_KEEP)
		start(vcpu, a, state);
	if (a == KVM_EXT_DTL)
		vcpu->arch.dtl_ptr = dtl_entry_at(area, vcpu->arch.dtl_index);

	/* What could not be done yet is still to be done. */
	if (page || !gpa)
		state->update = KVM_EXT_AREA_KEEP;
	return old;
}

/* Any area's page may have been written by the host at any dispatch. */
static void unpin(struct page *page, bool written)
{
	if (page)
		unpin_user_page_range_dirty_lock(page, 1, written);
}

/*
 * What pin_page() finds may be on its way out already: its invalidation has
 * begun, and was told to us, before we looked, but the page is still mapped.
 * KVM's sequence count tells, as it does for page faults. A vCPU that has a signal
 * does not wait: it leaves KVM_RUN before it enters the guest.
 */
static void update_area(struct kvm_vcpu *vcpu, enum kvm_ext_area a,
			struct kvm_ext_area_state *state)
{
	struct kvmppc_vpa *area = area_of(vcpu, a);
	struct kvm *kvm = vcpu->kvm;
	unsigned long gpa, len, seq, hva;
	struct page *page, *old;
	bool written;

	while (READ_ONCE(area->update_pending)) {
		spin_lock(&vcpu->arch.vpa_update_lock);
		area->update_pending = 0;
		gpa = area->next_gpa;
		len = area->len;
		spin_unlock(&vcpu->arch.vpa_update_lock);

		seq = READ_ONCE(kvm->mmu_invalidate_seq);
		smp_rmb();	/* count before page tables */
		hva = 0;
		page = gpa && len <= room_at(gpa) ? pin_page(kvm, gpa, true, &hva) : NULL;

		spin_lock(&kvm->mmu_lock);
		spin_lock(&vcpu->arch.vpa_update_lock);
		if (gpa && kvm_ext_invalidate_retry(kvm, seq, hva, gpa >> PAGE_SHIFT))
			area->update_pending = 1;
		written = false;
		if (area->update_pending) {
			/* asked for again meanwhile, or the memory has moved */
			old = page;
		} else {
			state->failed = gpa && !page;
			old = install(vcpu, a, state, page, gpa);
			written = old != page;
		}
		spin_unlock(&vcpu->arch.vpa_update_lock);
		spin_unlock(&kvm->mmu_lock);

		unpin(old, written);
		if (area->update_pending && signal_pending(current))
			return;
		cond_resched();
	}

	if (state->failed)
		pr_warn_ratelimited("pid %d vCPU %d: no memory that can be pinned for an area at %#lx\n",
				    kvm->userspace_pid, vcpu->vcpu_id,
				    area->next_gpa);
}

void kvm_ext_update_areas(struct kvm_vcpu *vcpu)
{
	struct kvm_ext_vcpu *ext = ext_vcpu(kvm_ext_vm_find(vcpu->kvm), vcpu);
	enum kvm_ext_area a;

	for (a = 0; a < KVM_EXT_NR_AREAS; a++)
		if (area_of(vcpu, a)->update_pending)
			update_area(vcpu, a, &ext->area[a]);
}

void kvm_ext_vcpu_free(struct kvm_ext_vm *vm, struct kvm_vcpu *vcpu)
{
	struct kvm_ext_vcpu *ext = xa_erase(&vm->vcpus, (unsigned long)vcpu);
	enum kvm_ext_area a;
	struct page *old;

	if (!ext)
		return;
	for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
		spin_lock(&vcpu->arch.vpa_update_lock);
		old = install(vcpu, a, &ext->area[a], NULL, 0);
		note_page(vm, area_of(vcpu, a)->next_gpa, -1);
		area_of(vcpu, a)->next_gpa = 0;
		spin_unlock(&vcpu->arch.vpa_update_lock);
		unpin(old, true);
	}
	kfree(ext);
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_vcpu_free);

static bool registered(const struct kvmppc_vpa *area,
		       const struct kvm_ext_area_state *state)
{
	return area->next_gpa && !state->failed;
}

/* Note a request; the caller holds vpa_update_lock. */
static void request(struct kvm_ext_vm *vm, struct kvmppc_vpa *area,
		    struct kvm_ext_area_state *state, enum kvm_ext_area_update update,
		    unsigned long gpa, unsigned long len)
{
	note_page(vm, gpa, 1);
	note_page(vm, area->next_gpa, -1);
	area->next_gpa = gpa;
	area->len = len;
	area->update_pending = 1;
	state->update = update;
	state->failed = false;
}

long kvm_ext_area_request(struct kvm_ext_vm *vm, struct kvm_vcpu *target,
			  unsigned long func, unsigned long gpa,
			  unsigned long len, unsigned long room)
{
	struct kvm_ext_vcpu *ext = ext_vcpu(vm, target);
	struct kvm_ext_area_state *state = ext->area;
	enum kvm_ext_area a;
	long rc = H_SUCCESS;

	switch (func) {
	case REG_VPA: case DEREG_VPA:
		a = KVM_EXT_VPA;
		break;
	case REG_DTL: case DEREG_DTL:
		a = KVM_EXT_DTL;
		break;
	case REG_SLB: case DEREG_SLB:
		a = KVM_EXT_SLB;
		break;
	default:
		return H_PARAMETER;
	}

	if (func >= DEREG_VPA) {
		gpa = 0;
		len = 0;
	} else if (len < MIN_LENGTH || len > room ||
		   (func == REG_VPA && len < sizeof(struct lppaca)) ||
		   (func == REG_DTL && len < sizeof(struct dtl_entry))) {
		return H_PARAMETER;
	}
	if (func == REG_DTL)
		len = rounddown(len, sizeof(struct dtl_entry));

	spin_lock(&target->arch.vpa_update_lock);
	switch (func) {
	case REG_DTL: case REG_SLB:
		if (!registered(&target->arch.vpa, &state[KVM_EXT_VPA]))
			rc = H_RESOURCE;
		break;
	case DEREG_VPA:
		if (registered(&target->arch.dtl, &state[KVM_EXT_DTL]) ||
		    registered(&target->arch.slb_shadow, &state[KVM_EXT_SLB]))
			rc = H_RESOURCE;
		break;
	}
	if (rc == H_SUCCESS)
		request(vm, area_of(target, a), &state[a], KVM_EXT_AREA_NEW, gpa, len);
	spin_unlock(&target->arch.vpa_update_lock);
	return rc;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_area_request);

/* The length stands in the area itself, big endian, at offset 4. */
static long read_length(struct kvm *kvm, unsigned long func, unsigned long gpa,
			unsigned long *len)
{
	unsigned long hva;
	struct page *page;
	const void *p;

	if (!gpa || !IS_ALIGNED(gpa, L1_CACHE_BYTES))
		return H_PARAMETER;

	/* Memory that cannot be written is refused here already. */
	page = pin_page(kvm, gpa, false, &hva);
	if (!page)
		return H_PARAMETER;
	p = page_address(page) + offset_in_page(gpa) + 4;
	*len = func == REG_VPA ? be16_to_cpup(p) : be32_to_cpup(p);
	unpin_user_page(page);
	return H_SUCCESS;
}

static long h_register_vpa(struct kvm_vcpu *vcpu, unsigned long flags,
			   unsigned long id, unsigned long gpa)
{
	unsigned long func = flags >> FUNC_SHIFT & FUNC_MASK, len = 0;
	struct kvm_vcpu *target = kvm_get_vcpu_by_id(vcpu->kvm, id);
	long rc;

	if (id > INT_MAX || !target)
		return H_PARAMETER;

	if (func >= REG_VPA && func <= REG_SLB) {
		rc = read_length(vcpu->kvm, func, gpa, &len);
		if (rc)
			return rc;
	}
	return kvm_ext_area_request(kvm_ext_vm_find(vcpu->kvm), target, func,
				    gpa, len, room_at(gpa));
}

int kvm_ext_h_register_vpa(struct kvm_vcpu *vcpu)
{
	if (!test_bit(H_REGISTER_VPA / 4, vcpu->kvm->arch.enabled_hcalls))
		return RESUME_HOST;

	kvmppc_set_gpr(vcpu, 3, h_register_vpa(vcpu, kvmppc_get_gpr(vcpu, 4),
					       kvmppc_get_gpr(vcpu, 5),
					       kvmppc_get_gpr(vcpu, 6)));
	vcpu->arch.hcall_needed = 0;
	return RESUME_GUEST;
}

int kvm_ext_set_area_reg(struct kvm_ext_vm *vm, struct kvm_vcpu *vcpu, u64 id,
			 const union kvmppc_one_reg *val)
{
	struct kvm_ext_vcpu *ext = ext_vcpu(vm, vcpu);
	unsigned long gpa, len;
	struct kvmppc_vpa *area;
	enum kvm_ext_area a;
	int err = 0;

	switch (id) {
	case KVM_REG_PPC_VPA_ADDR:
		a = KVM_EXT_VPA;
		gpa = val->dval;
		len = sizeof(struct lppaca);
		break;
	case KVM_REG_PPC_VPA_DTL:
		a = KVM_EXT_DTL;
		gpa = val->vpaval.addr;
		len = val->vpaval.length;
		if (gpa && len < sizeof(struct dtl_entry))
			return -EINVAL;
		len = rounddown(len, sizeof(struct dtl_entry));
		break;
	default:
		a = KVM_EXT_SLB;
		gpa = val->vpaval.addr;
		len = val->vpaval.length;
		break;
	}
	if (!IS_ALIGNED(gpa, L1_CACHE_BYTES))
		return -EINVAL;
	if (!gpa)
		len = 0;

	area = area_of(vcpu, a);
	spin_lock(&vcpu->arch.vpa_update_lock);
	if (a == KVM_EXT_VPA ? !gpa && (vcpu->arch.slb_shadow.next_gpa ||
					vcpu->arch.dtl.next_gpa) :
			       gpa && !vcpu->arch.vpa.next_gpa)
		err = -EINVAL;
	else if (gpa != area->next_gpa || len != area->len)
		request(vm, area, &ext->area[a], KVM_EXT_AREA_RESTORED, gpa, len);
	else if (ext->area[a].failed)
		area->update_pending = 1;
	spin_unlock(&vcpu->arch.vpa_update_lock);

	if (!err && !gpa)
		update_area(vcpu, a, &ext->area[a]);
	return err;
}
EXPORT_SYMBOL_FOR_KUNIT(kvm_ext_set_area_reg);

void kvm_ext_areas_invalidate(struct kvm_ext_vm *vm, gfn_t gfn, gfn_t end)
{
	struct kvm_vcpu *vcpu;
	enum kvm_ext_area a;
	unsigned long i;

	if (!are_near(vm, gfn, end))
		return;
	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		bool hit = false;

		for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
			struct kvmppc_vpa *area = area_of(vcpu, a);
			unsigned long next = READ_ONCE(area->next_gpa);

			if (!next || next >> PAGE_SHIFT < gfn ||
			    next >> PAGE_SHIFT >= end)
				continue;
			spin_lock(&vcpu->arch.vpa_update_lock);
			area->update_pending = 1;
			spin_unlock(&vcpu->arch.vpa_update_lock);
			hit = true;
		}
		if (hit)
			kvm_ext_stock.fast_vcpu_kick(vcpu);
	}
}

void kvm_ext_areas_collect(struct kvm_ext_vm *vm,
			   const struct kvm_memory_slot *slot,
			   unsigned long *map)
{
	struct kvm_vcpu *vcpu;
	enum kvm_ext_area a;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		struct kvm_ext_vcpu *ext = ext_vcpu(vm, vcpu);

		for (a = 0; a < KVM_EXT_NR_AREAS; a++) {
			unsigned long index;

			spin_lock(&vcpu->arch.vpa_update_lock);
			index = (area_of(vcpu, a)->gpa >> PAGE_SHIFT) - slot->base_gfn;
			if (index < slot->npages &&
			    (ext ? test_clear_written(vcpu, a, &ext->area[a]) :
				   test_clear_flag(area_of(vcpu, a))))
				set_bit_le(index, map);
			spin_unlock(&vcpu->arch.vpa_update_lock);
		}
	}
}
