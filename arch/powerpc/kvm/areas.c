// SPDX-License-Identifier: GPL-2.0
/*
 * The per-vCPU areas: registration, pinning, dirty tracking.
 *
 * Detecting writes. kvm-hv writes the areas in the vCPU's thread without a
 * lock: it stores to the area and sets vpa.dirty, in no particular order, and
 * never sets dtl.dirty. So the flag alone is not sufficient: a collection may
 * see it, and clear it, before the data is visible. A collection therefore
 * clears the flag, then a memory barrier, then compares what the host writes at
 * each dispatch (yield count, dispatch time, index of the log) with the values
 * of the last collection. A store that becomes visible after the comparison
 * makes the next one differ; a store visible before it is visible to a caller
 * that copies the page afterwards. For the log the index is sufficient: kvm-hv
 * increments it behind a write barrier after each entry.
 *
 * The host never writes the SLB shadow.
 *
 * Hooking kvm-hv. Before a vCPU enters the guest, kvm-hv applies requests one
 * area at a time by kvmppc_update_vpa(), which it calls only for areas with a
 * request, SLB shadow last. After the calls for the VPA and the DTL kvm-hv
 * initialises the VPA and restarts the log, which would be wrong for an area
 * that only continues. So the hook only notes these requests, sets
 * update_pending of the SLB shadow, and does all the work in the call for the
 * SLB shadow. An invalidation uses the same flag to have areas pinned again.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched/signal.h>
#include <asm/dtl.h>
#include <asm/kvm_book3s.h>
#include <asm/lppaca.h>

#include "areas.h"
#include "compat.h"
#include "dirty_log.h"
#include "hooks.h"
#include "kunit.h"
#include "params.h"
#include "trace.h"
#include "vm.h"

static struct kvmppc_vpa *area_of(struct kvm_vcpu *vcpu, enum khx_area a)
{
	switch (a) {
	case KHX_VPA:
		return &vcpu->arch.vpa;
	case KHX_DTL:
		return &vcpu->arch.dtl;
	default:
		return &vcpu->arch.slb_shadow;
	}
}

/* NULL where kvm-hv has them. */
static struct khx_vcpu_areas *areas_vcpu(struct khx_vm *vm, struct kvm_vcpu *vcpu)
{
	struct khx_vcpu *ext = khx_vcpu_find(vm, vcpu);

	return ext && khx_param.areas ? &ext->areas : NULL;
}

void khx_areas_init(struct khx_vm_areas *areas)
{
	xa_init_flags(&areas->pages, XA_FLAGS_ACCOUNT);
	xa_init_flags(&areas->told, XA_FLAGS_ACCOUNT);
}

/* The page that a value of khx_vm_areas.told keeps. */
static struct page *area_told_page(const void *told)
{
	return pfn_to_page(xa_to_value(told) >> PAGE_SHIFT);
}

void khx_areas_destroy(struct khx_vm_areas *areas)
{
	unsigned long vcpu;
	void *told;

	xa_for_each(&areas->told, vcpu, told)
		put_page(area_told_page(told));
	xa_destroy(&areas->told);
	xa_destroy(&areas->pages);
}

/*
 * Pin the page of an area for the life of the guest. Memory that does not
 * support long-term pins (files of some filesystems) is pinned as stock does.
 */
static struct page *area_pin_page(struct kvm *kvm, unsigned long gpa, unsigned long *hvap)
{
	struct kvm_memory_slot *slot;
	struct page *page = NULL;
	unsigned long hva;
	int idx, nr = 0;

	idx = srcu_read_lock(&kvm->srcu);
	slot = khx_memslot(kvm, gpa >> PAGE_SHIFT);
	if (slot && !(slot->flags & KVM_MEMSLOT_INVALID)) {
		hva = __gfn_to_hva_memslot(slot, gpa >> PAGE_SHIFT);
		*hvap = hva;
		nr = pin_user_pages_fast(hva, 1, FOLL_WRITE | FOLL_LONGTERM, &page);
		if (nr < 1)
			nr = pin_user_pages_fast(hva, 1, FOLL_WRITE, &page);
	}
	srcu_read_unlock(&kvm->srcu, idx);
	return nr == 1 ? page : NULL;
}

static unsigned long area_room_at(unsigned long gpa)
{
	return PAGE_SIZE - offset_in_page(gpa);
}

static bool area_test_clear_flag(struct kvmppc_vpa *area)
{
	bool dirty = area->pinned_addr && READ_ONCE(area->dirty);

	if (dirty)
		WRITE_ONCE(area->dirty, false);
	smp_mb();	/* clear the flag before the caller reads the area */
	return dirty;
}

/* Has the host written since the last call? Updates @state->seen. */
static bool area_test_clear_written(struct kvm_vcpu *vcpu, enum khx_area a,
				    struct khx_area_state *state)
{
	struct kvmppc_vpa *area = area_of(vcpu, a);
	bool written = false;

	lockdep_assert_held(&vcpu->arch.vpa_update_lock);

	if (!area->pinned_addr)
		return false;

	if (a == KHX_VPA) {
		struct lppaca *vpa = area->pinned_addr;
		u64 dispatch, index;
		u32 yields;

		written = area_test_clear_flag(area);
		yields = be32_to_cpu(READ_ONCE(vpa->yield_count));
		dispatch = be64_to_cpu(READ_ONCE(vpa->enqueue_dispatch_tb));
		index = be64_to_cpu(READ_ONCE(vpa->dtl_idx));
		written |= yields != state->seen.yields ||
			   dispatch != state->seen.dispatch ||
			   index != state->seen.dtl_index;
		state->seen.yields = yields;
		state->seen.dispatch = dispatch;
		state->seen.dtl_index = index;
	} else if (a == KHX_DTL) {
		u64 index = READ_ONCE(vcpu->arch.dtl_index);

		smp_rmb();	/* pairs with kvm-hv's: entry, then index */
		written = index != state->seen.dtl_index;
		state->seen.dtl_index = index;
	}
	return written;
}

/* Accumulate the dirty state of a page before it is unpinned. */
static void area_mark_dirty(struct kvm *kvm, unsigned long gpa)
{
	struct kvm_memory_slot *slot;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	int idx;

	idx = srcu_read_lock(&kvm->srcu);
	slot = khx_memslot(kvm, gfn);
	if (slot)
		khx_dirty_log_accumulate(slot, gfn, gfn + 1);
	srcu_read_unlock(&kvm->srcu, idx);
}

/*
 * Initialise what the guest sees of a new area (PAPR, H_REGISTER_VPA). The
 * yield count is odd while the vCPU is not in the guest.
 */
static void area_begin(struct kvm_vcpu *vcpu, enum khx_area a,
		       struct khx_area_state *state)
{
	bool restored = state->update == KHX_AREA_RESTORED;
	struct lppaca *vpa = vcpu->arch.vpa.pinned_addr;

	switch (a) {
	case KHX_VPA:
		if (!vpa)
			break;
		vpa->__old_status |= LPPACA_OLD_SHARED_PROC;
		vpa->yield_count = restored ? vpa->yield_count | cpu_to_be32(1) :
					      cpu_to_be32(1);
		vcpu->arch.vpa.dirty = true;
		break;
	case KHX_DTL:
		vcpu->arch.dtl_index = restored && vpa ?
				       be64_to_cpu(READ_ONCE(vpa->dtl_idx)) : 0;
		state->seen.dtl_index = vcpu->arch.dtl_index;
		break;
	default:
		break;
	}
}

/* Return the address of log entry @index in the ring, which starts at 0. */
static struct dtl_entry *area_dtl_entry(const struct kvmppc_vpa *dtl, u64 index)
{
	struct dtl_entry *first = dtl->pinned_addr;

	return first ? first + index % (dtl->len / sizeof(*first)) : NULL;
}

/*
 * Note or forget (@change is 1 or -1) an area at @gpa, for notifiers. A
 * notifier looks for it under mmu_lock; area_update() notes it first and then
 * checks the invalidate sequence under mmu_lock, so one of them sees the other.
 */
static void areas_note_page(struct khx_vm *vm, unsigned long gpa, long change)
{
	struct xarray *pages = &vm->areas.pages;
	gfn_t gfn = gpa >> PAGE_SHIFT;
	void *entry;
	long nr;

	if (!gpa)
		return;
	xa_lock(pages);
	entry = xa_load(pages, gfn);
	nr = (entry ? xa_to_value(entry) : 0) + change;
	if (nr <= 0)	/* < 0: noting it failed without memory */
		__xa_erase(pages, gfn);
	else if (xa_err(__xa_store(pages, gfn, xa_mk_value(nr), GFP_ATOMIC | __GFP_NOWARN)))
		WRITE_ONCE(vm->areas.anywhere, true);
	xa_unlock(pages);
}

static bool areas_overlap(struct khx_vm *vm, gfn_t gfn, gfn_t end)
{
	unsigned long index = gfn;

	return READ_ONCE(vm->areas.anywhere) ||
	       xa_find(&vm->areas.pages, &index, end - 1, XA_PRESENT);
}

/*
 * Replace the page of an area by @page, which may be NULL. Return the page that
 * the caller must unpin after it has dropped vpa_update_lock.
 */
static struct page *area_install(struct kvm_vcpu *vcpu, enum khx_area a,
				 struct khx_area_state *state,
				 struct page *page, unsigned long gpa)
{
	struct kvmppc_vpa *area = area_of(vcpu, a);
	struct page *old = state->page;
	bool same = page && page == old && gpa == area->gpa &&
		    state->update == KHX_AREA_KEEP;

	lockdep_assert_held(&vcpu->arch.vpa_update_lock);

	if (same)
		return page;	/* the caller drops the second pin */

	if (area_test_clear_written(vcpu, a, state)) {
		area_mark_dirty(vcpu->kvm, area->gpa);
		trace_khx_area_handover(vcpu, a, area->gpa);
	}

	state->page = page;
	area->gpa = gpa;
	area->pinned_addr = page ? page_address(page) + offset_in_page(gpa) : NULL;
	area->pinned_end = page ? area->pinned_addr + area->len : NULL;
	area->dirty = false;

	/* The host has not written what the memory contains now: skip it. */
	area_test_clear_written(vcpu, a, state);

	if (state->update != KHX_AREA_KEEP)
		area_begin(vcpu, a, state);
	if (a == KHX_DTL)
		vcpu->arch.dtl_ptr = area_dtl_entry(area, vcpu->arch.dtl_index);

	/* If the page could not be pinned, a retry must still do the update. */
	if (page || !gpa) {
		state->update = KHX_AREA_KEEP;
		state->restored = 0;
	}
	return old;
}

/* Unpin a page. @written: an area used it, so the host may have written it. */
static void area_unpin(struct page *page, bool written)
{
	if (page)
		unpin_user_page_range_dirty_lock(page, 1, written);
}

#define AREA_NOWHERE	(~0UL)

/*
 * Tell the hypervisor where the VPA is, or AREA_NOWHERE. The vCPU does not run, and
 * nobody else uses its buffer for the hypervisor: this is its thread, or holds its
 * mutex, or frees it.
 */
static void area_tell(struct khx_vm *vm, struct kvm_vcpu *vcpu, unsigned long at)
{
	struct xarray *told = &vm->areas.told;
	unsigned long key = (unsigned long)vcpu;
	void *old = xa_load(told, key), *new;
	int err = 0;

	might_sleep();
	if (at == AREA_NOWHERE) {
		if (!old)
			return;
		new = NULL;
	} else {
		new = xa_mk_value(at);
		if (!old)
			err = xa_reserve(told, key, GFP_KERNEL_ACCOUNT);
	}
	err = err ?: khx_set_nested_vpa(vcpu, at);
	if (err) {
		pr_warn_ratelimited("pid %d vCPU %d: cannot make the hypervisor %s the VPA (%d)%s\n",
				    vcpu->kvm->userspace_pid, vcpu->vcpu_id,
				    new ? "register" : "forget", err,
				    old ? ": its last page stays allocated" : "");
		if (!old)
			xa_release(told, key);
		return;
	}
	if (new) {
		get_page(area_told_page(new));
		/* cannot fail: the entry exists */
		xa_store(told, key, new, GFP_KERNEL_ACCOUNT);
		/* the hypervisor may have initialised it */
		WRITE_ONCE(vcpu->arch.vpa.dirty, true);
	} else {
		xa_erase(told, key);
	}
	if (old)
		put_page(area_told_page(old));
}

/*
 * The VPA will be at @gpa in @page: the hypervisor must forget the page of now
 * before it is unpinned.
 */
static void area_tell_before(struct khx_vm *vm, struct kvm_vcpu *vcpu,
			     struct khx_vcpu_areas *ext, const struct page *page,
			     unsigned long gpa)
{
	const struct khx_area_state *state = &ext->area[KHX_VPA];

	if (!khx_nested_v2() ||
	    (page == state->page && gpa == vcpu->arch.vpa.gpa &&
	     state->update == KHX_AREA_KEEP))
		return;
	area_tell(vm, vcpu, AREA_NOWHERE);
	ext->untold = true;
}

static void area_tell_after(struct khx_vm *vm, struct kvm_vcpu *vcpu,
			    struct khx_vcpu_areas *ext)
{
	if (!ext->untold)
		return;
	ext->untold = false;
	if (vcpu->arch.vpa.pinned_addr)
		area_tell(vm, vcpu, __pa(vcpu->arch.vpa.pinned_addr));
}

/*
 * Classify a request. Userspace restores areas by ONE_REG; if the guest has
 * registered another area since, that one is new.
 */
static enum khx_area_update area_update_kind(const struct kvmppc_vpa *area,
					     const struct khx_area_state *state)
{
	return state->restored && state->restored == area->next_gpa &&
	       state->restored_len == area->len ? KHX_AREA_RESTORED : KHX_AREA_NEW;
}

/*
 * Pin the memory of an area, or unpin it. Drops and retakes vpa_update_lock. If the
 * update must be repeated, the area is in @ext->asked or @ext->look afterwards.
 *
 * area_pin_page() may find a page that is being unmapped: the notifier has
 * called khx_areas_invalidate() before the area was noted, but the page is
 * still mapped. KVM's invalidate sequence detects this, as for page faults.
 *
 * While the lock is dropped, update_pending of a requested area is set: that is how
 * H_REGISTER_VPA of another vCPU knows that the area is registered. Another request
 * meanwhile differs in address or length; one that does not changes nothing.
 */
static void area_update(struct kvm_vcpu *vcpu, struct khx_vcpu_areas *ext, enum khx_area a)
	__must_hold(&vcpu->arch.vpa_update_lock)
{
	struct khx_vm *vm = khx_vm_find(vcpu->kvm);
	struct khx_area_state *state = &ext->area[a];
	struct kvmppc_vpa *area = area_of(vcpu, a);
	struct kvm *kvm = vcpu->kvm;
	bool asked = ext->asked & BIT(a), again;
	unsigned long gpa, len, seq, hva = 0;
	struct page *page, *old;

	if (asked) {
		state->update = area_update_kind(area, state);
		area->update_pending = 1;
	}
	ext->asked &= ~BIT(a);
	ext->look &= ~BIT(a);
	gpa = area->next_gpa;
	len = area->len;
	if (gpa != state->noted) {
		areas_note_page(vm, gpa, 1);
		areas_note_page(vm, state->noted, -1);
		state->noted = gpa;
	}
	spin_unlock(&vcpu->arch.vpa_update_lock);

	seq = READ_ONCE(kvm->mmu_invalidate_seq);
	smp_rmb();	/* read the sequence before the page tables */
	page = gpa && len <= area_room_at(gpa) ? area_pin_page(kvm, gpa, &hva) : NULL;
	if (a == KHX_VPA)
		area_tell_before(vm, vcpu, ext, page, gpa);

	spin_lock(&kvm->mmu_lock);
	spin_lock(&vcpu->arch.vpa_update_lock);
	if (gpa && khx_invalidate_retry(kvm, seq, hva, gpa >> PAGE_SHIFT))
		ext->look |= BIT(a);
	if (area->next_gpa != gpa || area->len != len || (!asked && area->update_pending))
		ext->asked |= BIT(a);
	again = (ext->asked | ext->look) & BIT(a);
	if (again) {
		old = page;
	} else {
		area->update_pending = 0;
		state->failed = gpa && !page;
		vm->stats.mmu.area_updates++;
		vm->stats.mmu.area_failed += state->failed;
		trace_khx_area_update(vcpu, a, gpa, len, state->update, page);
		old = area_install(vcpu, a, state, page, gpa);
	}
	spin_unlock(&vcpu->arch.vpa_update_lock);
	spin_unlock(&kvm->mmu_lock);

	if (a == KHX_VPA && !again)
		area_tell_after(vm, vcpu, ext);
	area_unpin(old, old != page);
	cond_resched();
	spin_lock(&vcpu->arch.vpa_update_lock);
}

/*
 * Apply all pending updates, of the VPA first, which the log continues from.
 * vpa_update_lock is held. While one area is pinned, another may be invalidated or
 * requested again; and what signals that, update_pending of the SLB shadow, is cleared
 * by an update of the SLB shadow. So repeat until nothing is left. With a signal
 * pending the vCPU leaves KVM_RUN before it enters the guest, and no area is tried
 * twice: kvm-hv must then call the hook again.
 */
static void areas_update(struct kvm_vcpu *vcpu, struct khx_vcpu_areas *ext)
{
	unsigned long left, tried = 0;
	enum khx_area a;

	while ((left = ext->asked | ext->look)) {
		a = __ffs(left);
		if (tried & BIT(a) && signal_pending(current)) {
			vcpu->arch.slb_shadow.update_pending = 1;
			return;
		}
		area_update(vcpu, ext, a);
		tried |= BIT(a);
	}
	for (a = 0; a < KHX_NR_AREAS; a++)
		/* No page can be faulted in for a task that was killed. */
		if (ext->area[a].failed && !fatal_signal_pending(current))
			pr_warn_ratelimited("pid %d vCPU %d: cannot pin the page of a VPA, SLB shadow or DTL at gpa %#lx\n",
					    vcpu->kvm->userspace_pid, vcpu->vcpu_id,
					    area_of(vcpu, a)->next_gpa);
}

/**
 * khx_hook_update_vpa() - kvmppc_update_vpa() of tracked VMs
 * @vcpu:	a vCPU that is about to enter the guest, in its own thread
 * @vpap:	the area with a request: VPA, DTL, SLB shadow, in this order
 * @old_vpap:	where to return the area that kvm-hv must unpin, if
 *		khx_update_vpa_has_old(); else undefined
 *
 * Context: vcpu->arch.vpa_update_lock held, dropped meanwhile; may sleep.
 */
void khx_hook_update_vpa(struct kvm_vcpu *vcpu, struct kvmppc_vpa *vpap,
			 struct kvmppc_vpa *old_vpap)
{
	struct khx_vcpu_areas *ext = areas_vcpu(khx_vm_find(vcpu->kvm), vcpu);

	lockdep_assert_held(&vcpu->arch.vpa_update_lock);

	/*
	 * What kvm-hv must unpin: nothing. Its caller initialises this, but a
	 * compiler that sees the stock function write it first drops that store.
	 */
	if (khx_update_vpa_has_old())
		old_vpap->pinned_addr = NULL;

	if (vpap == &vcpu->arch.vpa) {
		ext->asked |= BIT(KHX_VPA);
		ext->hidden |= BIT(KHX_VPA);
		ext->vpa_addr = vpap->pinned_addr;
		vpap->pinned_addr = NULL;
		vcpu->arch.slb_shadow.update_pending = 1;
		return;
	}
	if (vpap == &vcpu->arch.dtl) {
		ext->asked |= BIT(KHX_DTL);
		ext->hidden |= BIT(KHX_DTL);
		ext->dtl_ptr = vcpu->arch.dtl_ptr;
		ext->dtl_index = vcpu->arch.dtl_index;
		vcpu->arch.slb_shadow.update_pending = 1;
		return;
	}

	/* last call: restore what was hidden or kvm-hv has overwritten */
	if (ext->hidden & BIT(KHX_VPA))
		vcpu->arch.vpa.pinned_addr = ext->vpa_addr;
	if (ext->hidden & BIT(KHX_DTL)) {
		vcpu->arch.dtl_ptr = ext->dtl_ptr;
		vcpu->arch.dtl_index = ext->dtl_index;
	}
	ext->hidden = 0;
	vpap->update_pending = 0;	/* perhaps only a signal, see areas_update() */
	if (vpap->next_gpa != ext->area[KHX_SLB].noted || ext->area[KHX_SLB].failed ||
	    (vpap->next_gpa && vpap->pinned_end != vpap->pinned_addr + vpap->len))
		ext->asked |= BIT(KHX_SLB);
	areas_update(vcpu, ext);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hook_update_vpa);

void khx_areas_vcpu_free(struct khx_vm *vm, struct kvm_vcpu *vcpu)
{
	struct khx_vcpu_areas *ext = areas_vcpu(vm, vcpu);
	enum khx_area a;
	struct page *old;

	if (!ext)
		return;
	area_tell_before(vm, vcpu, ext, NULL, 0);
	for (a = 0; a < KHX_NR_AREAS; a++) {
		spin_lock(&vcpu->arch.vpa_update_lock);
		old = area_install(vcpu, a, &ext->area[a], NULL, 0);
		spin_unlock(&vcpu->arch.vpa_update_lock);
		areas_note_page(vm, ext->area[a].noted, -1);
		area_unpin(old, true);
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_areas_vcpu_free);

int khx_areas_set_reg(struct khx_vm *vm, struct kvm_vcpu *vcpu, u64 id,
		      const union kvmppc_one_reg *val)
{
	struct khx_vcpu_areas *ext = areas_vcpu(vm, vcpu);
	struct khx_area_state *state;
	unsigned long gpa, len;
	struct kvmppc_vpa *area;
	enum khx_area a;
	int err = 0;

	switch (id) {
	case KVM_REG_PPC_VPA_ADDR:
		a = KHX_VPA;
		gpa = val->dval;
		len = sizeof(struct lppaca);
		break;
	case KVM_REG_PPC_VPA_DTL:
		a = KHX_DTL;
		gpa = val->vpaval.addr;
		len = val->vpaval.length;
		if (gpa && len < sizeof(struct dtl_entry))
			return -EINVAL;
		len = rounddown(len, sizeof(struct dtl_entry));
		break;
	default:
		a = KHX_SLB;
		gpa = val->vpaval.addr;
		len = val->vpaval.length;
		break;
	}
	if (!IS_ALIGNED(gpa, L1_CACHE_BYTES))
		return -EINVAL;
	if (!gpa)
		len = 0;

	area = area_of(vcpu, a);
	state = &ext->area[a];
	spin_lock(&vcpu->arch.vpa_update_lock);
	if (a == KHX_VPA ? !gpa && (vcpu->arch.slb_shadow.next_gpa ||
				    vcpu->arch.dtl.next_gpa) :
			       gpa && !vcpu->arch.vpa.next_gpa) {
		err = -EINVAL;
	} else if (gpa != area->next_gpa || len != area->len || state->failed) {
		area->next_gpa = gpa;
		area->len = len;
		state->restored = gpa;
		state->restored_len = len;
		state->failed = false;
		area->update_pending = !!gpa;
		if (!gpa) {
			ext->asked |= BIT(a);
			areas_update(vcpu, ext);
		}
	}
	spin_unlock(&vcpu->arch.vpa_update_lock);
	return err;
}
EXPORT_SYMBOL_IF_KUNIT(khx_areas_set_reg);

/* Make the vCPU look at its areas in the range before it enters the guest. */
static bool areas_look_again(struct kvm_vcpu *vcpu, struct khx_vcpu_areas *ext, gfn_t gfn,
			     gfn_t end)
{
	bool hit = false;
	enum khx_area a;

	lockdep_assert_held(&vcpu->arch.vpa_update_lock);

	for (a = 0; a < KHX_NR_AREAS; a++) {
		gfn_t at = ext->area[a].noted >> PAGE_SHIFT;

		if (!ext->area[a].noted || at < gfn || at >= end)
			continue;
		ext->look |= BIT(a);
		hit = true;
	}
	if (hit)
		vcpu->arch.slb_shadow.update_pending = 1;
	return hit;
}

void khx_areas_invalidate(struct khx_vm *vm, gfn_t gfn, gfn_t end)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;

	if (!areas_overlap(vm, gfn, end))
		return;
	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		struct khx_vcpu_areas *ext = areas_vcpu(vm, vcpu);
		bool hit;

		if (!ext)
			continue;
		spin_lock(&vcpu->arch.vpa_update_lock);
		hit = areas_look_again(vcpu, ext, gfn, end);
		spin_unlock(&vcpu->arch.vpa_update_lock);
		if (hit)
			khx_stock_ops.fast_vcpu_kick(vcpu);
	}
}

void khx_areas_collect(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map)
{
	struct kvm_vcpu *vcpu;
	enum khx_area a;
	unsigned long i;

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		struct khx_vcpu_areas *ext = areas_vcpu(vm, vcpu);

		for (a = 0; a < KHX_NR_AREAS; a++) {
			unsigned long index;

			spin_lock(&vcpu->arch.vpa_update_lock);
			index = (area_of(vcpu, a)->gpa >> PAGE_SHIFT) - slot->base_gfn;
			if (index < slot->npages &&
			    (ext ? area_test_clear_written(vcpu, a, &ext->area[a]) :
				   area_test_clear_flag(area_of(vcpu, a))))
				set_bit_le(index, map);
			spin_unlock(&vcpu->arch.vpa_update_lock);
		}
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_areas_collect);
