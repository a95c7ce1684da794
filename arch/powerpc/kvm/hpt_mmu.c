// SPDX-License-Identifier: GPL-2.0
/*
 * Operations on the HPTEs of HPT guests: harvest C bits, age R bits, make HPTEs
 * absent. Each is a pass over pages of a memslot. The rmap array of the memslot
 * has one chain of valid HPTEs per page. A pass walks these chains, locks the
 * HPTEs that it wants, invalidates the translations of all of them together,
 * and then settles each HPTE.
 *
 * Hypercalls change the same HPTEs and chains concurrently, on POWER8 in real
 * mode, so passes use their data structures and follow their rules
 * (asm/kvm_book3s_64.h):
 *
 * - Lock order: kvm->mmu_lock, HPTE (HPTE_V_HVLOCK), chain (in the rmap word).
 *   With a chain locked, a pass may only try to lock an HPTE: its holder may
 *   wait for the chain. With HPTEs locked, a pass must not wait for another
 *   one.
 * - The chain of a gfn has the HPTEs whose page begins there, including those
 *   that are larger than PAGE_SIZE.
 * - An HPTE is added to a chain only if no invalidation is in progress, and
 *   none has begun since its page was looked up (mmu_invalidate_retry() with
 *   the chain locked).
 *
 * A pass flushes what it has cleared while the HPTE is locked. Unless the pass
 * clears only R, the HPTE is absent instead of valid from before that flush
 * until its R and C have been read: hardware no longer sets them, and other
 * CPUs do not mistake the HPTE for a removed one.
 */
#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/mm.h>
#include <linux/sched.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>

#include "compat.h"
#include "dirty_log.h"
#include "flush_debug.h"
#include "hpt_flush.h"
#include "hpt_mmu.h"
#include "kunit.h"
#include "mmu.h"
#include "pin.h"
#include "stats.h"
#include "vm.h"

#define HPT_RMAP_CHANGED	(HPTE_R_C << KVMPPC_RMAP_RC_SHIFT)

/*
 * Limits for one hold of mmu_lock, which a vCPU may wait for in a hypercall:
 * rmap words read; HPTEs locked if one tlbie covers all of them; HPTEs locked
 * if each needs its own tlbie.
 */
#define HPT_CHUNK		2048
#define HPT_LOCKED_AT_ONCE	512
#define HPT_LOCKED_ONE_BY_ONE 64

struct hpt_pass;

/**
 * struct hpt_action - what a pass does
 * @wanted:	does the pass apply to an HPTE with this second doubleword?
 * @settle:	called after the flush: completes the operation on an HPTE and
 *		unlocks it
 * @rmap_clear:	bits to clear in the rmap word
 * @unlink:	remove HPTEs from their chain
 * @stays_valid: clear only R; HPTEs stay valid
 * @in_place:	bits are only read: HPTEs need not be locked where hardware has
 *		written all of them back
 */
struct hpt_action {
	bool (*wanted)(const struct hpt_pass *p, unsigned long r);
	void (*settle)(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev);
	unsigned long rmap_clear;
	bool unlink;
	bool stays_valid;
	bool in_place;
};

/**
 * struct hpt_pass - a pass over pages of a memslot
 * @vm:		VM of the memslot
 * @slot:	the memslot
 * @action:	what the pass does
 * @map:	bitmap in which the pass sets the bits of dirty pages
 * @cleaned:	bitmap of pages to clean, valid from @start on and below @end; NULL: all
 * @start:	first gfn to clean
 * @end:	gfn after the last one to clean
 * @spare_pinned:	skip HPTEs that map pinned pages
 * @seen:	bits of @action->rmap_clear that were set in rmap words; and
 *		KVMPPC_RMAP_REFERENCED if R was set in an HPTE
 * @pages:	pages of the HPTEs that were settled, and had what the pass wants
 * @requests:	invalidations issued
 */
struct hpt_pass {
	struct khx_vm *vm;
	const struct kvm_memory_slot *slot;
	const struct hpt_action *action;
	unsigned long *map;
	const unsigned long *cleaned;
	gfn_t start;
	gfn_t end;
	bool spare_pinned;
	unsigned long seen;
	unsigned long pages;
	unsigned long requests;
};

int khx_hpt_init(struct khx_vm_hpt *hpt)
{
	if (khx_hpt_guests_possible()) {
		hpt->locked = kvzalloc(sizeof(*hpt->locked), GFP_KERNEL_ACCOUNT);
		if (!hpt->locked)
			return -ENOMEM;
	}
	hpt->backend = khx_hpt_flush_default();
	khx_hpt_life_init(&hpt->life);
	return 0;
}

void khx_hpt_destroy(struct khx_vm_hpt *hpt)
{
	kvfree(hpt->locked);
}

static __be64 *hpt_hpte(const struct kvm *kvm, unsigned long index)
{
	return (__be64 *)(kvm->arch.hpt.virt + (index << 4));
}

static unsigned long hpt_hpte_dword(const __be64 *hptep, unsigned int i)
{
	return be64_to_cpu(READ_ONCE(hptep[i]));
}

static unsigned long *hpt_rmap(const struct hpt_pass *p, gfn_t gfn)
{
	return &p->slot->arch.rmap[gfn - p->slot->base_gfn];
}

static unsigned long hpt_hpte_size(const __be64 *hptep, const struct revmap_entry *rev)
{
	return kvmppc_actual_pgsz(hpt_hpte_dword(hptep, 0), rev->guest_rpte);
}

/* First gfn that an HPTE maps; and the end of the range, exclusive. */
static gfn_t hpt_first_gfn(const __be64 *hptep, const struct revmap_entry *rev)
{
	return hpte_rpn(rev->guest_rpte, hpt_hpte_size(hptep, rev));
}

static gfn_t hpt_end_gfn(const __be64 *hptep, const struct revmap_entry *rev)
{
	return hpt_first_gfn(hptep, rev) + DIV_ROUND_UP(hpt_hpte_size(hptep, rev), PAGE_SIZE);
}

/* The guest reads R and C from rev->guest_rpte (H_READ, H_REMOVE). */
static void hpt_keep_rc(struct kvm *kvm, struct revmap_entry *rev, unsigned long rc)
{
	if (!(rc & ~rev->guest_rpte))
		return;
	rev->guest_rpte |= rc;
	note_hpte_modification(kvm, rev);
}

struct khx_hpte khx_hpte_read(const struct kvm_hpt_info *hpt, unsigned long index)
{
	__be64 *hptep = (__be64 *)(hpt->virt + (index << 4));
	struct khx_hpte hpte;

	preempt_disable();
	while (!try_lock_hpte(hptep, HPTE_V_HVLOCK)) {
		/* the holder of the lock may be preempted */
		preempt_enable();
		cpu_relax();
		preempt_disable();
	}
	hpte.v = hpt_hpte_dword(hptep, 0) & ~HPTE_V_HVLOCK;
	hpte.r = hpt_hpte_dword(hptep, 1);
	hpte.guest_r = hpt->rev[index].guest_rpte;
	unlock_hpte(hptep, hpte.v);
	preempt_enable();

	if (cpu_has_feature(CPU_FTR_ARCH_300)) {
		hpte.v = hpte_new_to_old_v(hpte.v, hpte.r);
		hpte.r = hpte_new_to_old_r(hpte.r);
	}
	return hpte;
}

static void hpt_count_requests(struct hpt_pass *p, unsigned long nr)
{
	lockdep_assert_held(&p->vm->kvm->mmu_lock);

	p->requests += nr;
	p->vm->stats.mmu.hpt_requests += nr;
}

/* Invalidate translations of the locked HPTEs only, or all of the LPID. */
static void hpt_pass_invalidate(struct hpt_pass *p, bool all)
{
	const struct khx_hpt_flush_backend *backend = p->vm->hpt.backend;
	struct khx_hptes *hptes = p->vm->hpt.locked;
	struct kvm *kvm = p->vm->kvm;
	unsigned long index;
	unsigned int i;

	for (i = 0; i < hptes->nr; i++) {
		index = hptes->index[i];
		if (p->action->stays_valid && !all)
			backend->clear_ref(kvm, hpt_hpte(kvm, index), index);
		else if (!all)
			backend->hpte(kvm, hpt_hpte(kvm, index), index);
		else if (p->action->stays_valid)
			/* write only the byte with R, as hardware does */
			((u8 *)hpt_hpte(kvm, index))[14] &= ~(HPTE_R_R >> 8);
		if (!all)
			khx_flush_debug_paid(&p->vm->debug, kvm->arch.lpid,
					     index << PAGE_SHIFT,
					     (index + 1) << PAGE_SHIFT);
	}
	hpt_count_requests(p, all ? 1 : hptes->nr);
	if (all) {
		backend->lpid(kvm);
		khx_flush_debug_paid(&p->vm->debug, kvm->arch.lpid, 0, -1UL);
	}
}

/* Flush, settle and unlock all locked HPTEs. */
static void hpt_pass_finish(struct hpt_pass *p)
{
	const struct khx_hpt_flush_backend *backend = p->vm->hpt.backend;
	struct khx_hptes *hptes = p->vm->hpt.locked;
	struct kvm *kvm = p->vm->kvm;
	unsigned int i;

	lockdep_assert_held(&kvm->mmu_lock);

	if (!hptes->nr)
		return;
	hpt_pass_invalidate(p, backend->lpid && hptes->nr > backend->ceiling);
	khx_flush_debug_settled(&p->vm->debug);
	for (i = 0; i < hptes->nr; i++)
		p->action->settle(p, hpt_hpte(kvm, hptes->index[i]),
				  &kvm->arch.hpt.rev[hptes->index[i]]);
	hptes->nr = 0;
}

static void hpt_unlink(struct revmap_entry *rev, unsigned long *rmapp,
		       unsigned long index)
{
	unsigned long next = rev[index].forw, previous = rev[index].back;

	if (next == index) {
		*rmapp &= ~(KVMPPC_RMAP_PRESENT | KVMPPC_RMAP_INDEX);
		return;
	}
	rev[previous].forw = next;
	rev[next].back = previous;
	rev[index].forw = index;
	rev[index].back = index;
	if ((*rmapp & KVMPPC_RMAP_INDEX) == index)
		*rmapp = (*rmapp & ~KVMPPC_RMAP_INDEX) | next;
}

static bool hpt_is_pinned(const struct hpt_pass *p, const __be64 *hptep,
			  const struct revmap_entry *rev)
{
	unsigned long size = max(hpt_hpte_size(hptep, rev), PAGE_SIZE);
	unsigned long r = hpt_hpte_dword(hptep, 1);

	if (cpu_has_feature(CPU_FTR_ARCH_300))
		r = hpte_new_to_old_r(r);
	return khx_pin_covers(p->vm, hpt_first_gfn(hptep, rev), hpt_end_gfn(hptep, rev),
			      hpte_rpn(r, size));
}

/*
 * Called with the HPTE and its chain locked. Returns false if the pass does not
 * want the HPTE after all. An HPTE that does not map the page of the chain is
 * unlinked but not settled, which would mark pages of another memslot.
 */
static bool hpt_pass_take(struct hpt_pass *p, unsigned long index, gfn_t gfn)
{
	unsigned long *rmapp = hpt_rmap(p, gfn);
	struct khx_hptes *hptes = p->vm->hpt.locked;
	struct kvm *kvm = p->vm->kvm;
	struct revmap_entry *rev = kvm->arch.hpt.rev;
	__be64 *hptep = hpt_hpte(kvm, index);
	unsigned long v = hpt_hpte_dword(hptep, 0);

	if (p->spare_pinned && hpt_is_pinned(p, hptep, &rev[index]))
		return false;
	if (p->action->unlink)
		hpt_unlink(rev, rmapp, index);
	if (!(v & HPTE_V_VALID) || hpt_first_gfn(hptep, &rev[index]) != gfn ||
	    !p->action->wanted(p, hpt_hpte_dword(hptep, 1)))
		return false;

	if (!p->action->stays_valid) {
		v = (v & ~HPTE_V_VALID) | HPTE_V_ABSENT;
		WRITE_ONCE(hptep[0], cpu_to_be64(v));
	}
	khx_flush_debug_owe(&p->vm->debug, kvm->arch.lpid, index << PAGE_SHIFT,
			    PAGE_SHIFT);
	hptes->index[hptes->nr++] = index;
	return true;
}

/* Does an HPTE in the chain of @gfn map @reach or a later page? */
static bool hpt_hpte_reaches(const __be64 *hptep, const struct revmap_entry *rev, gfn_t gfn,
			     gfn_t reach)
{
	return gfn == reach || hpt_end_gfn(hptep, rev) > reach;
}

/* try_lock_hpte() may also fail on an interrupt, with the HPTE not locked. */
static bool hpt_try_lock(__be64 *hptep)
{
	while (!try_lock_hpte(hptep, HPTE_V_HVLOCK))
		if (hpt_hpte_dword(hptep, 0) & HPTE_V_HVLOCK)
			return false;
	return true;
}

/*
 * Lock the HPTEs in the chain of @gfn that reach @reach. Returns false, with no
 * HPTE locked, if the caller must walk the chain again: there was no room for
 * another HPTE, or another CPU held the lock of one.
 */
static bool hpt_gather_chain_once(struct hpt_pass *p, gfn_t gfn, gfn_t reach)
{
	unsigned long *rmapp = hpt_rmap(p, gfn), index, last, next;
	struct kvm *kvm = p->vm->kvm;
	struct revmap_entry *rev = kvm->arch.hpt.rev;
	__be64 *hptep;

	lock_rmap(rmapp);
	/* R and C in the rmap word are those of @gfn, not of later pages */
	if (gfn == reach) {
		p->seen |= *rmapp & p->action->rmap_clear;
		*rmapp &= ~p->action->rmap_clear;
	}
	if (!(*rmapp & KVMPPC_RMAP_PRESENT)) {
		unlock_rmap(rmapp);
		return true;
	}

	index = *rmapp & KVMPPC_RMAP_INDEX;
	last = rev[index].back;
	for (;; index = next) {
		hptep = hpt_hpte(kvm, index);
		next = rev[index].forw;
		if (p->vm->hpt.locked->nr == KHX_HPTES) {
			/* settling an unlinked HPTE takes the chain lock */
			if (p->action->unlink)
				goto again;
			hpt_pass_finish(p);
		}
		if (p->action->wanted(p, hpt_hpte_dword(hptep, 1)) &&
		    hpt_hpte_reaches(hptep, &rev[index], gfn, reach)) {
			if (!hpt_try_lock(hptep))
				goto again;
			if (!hpt_pass_take(p, index, gfn))
				__unlock_hpte(hptep, hpt_hpte_dword(hptep, 0));
		}
		if (index == last)
			break;
	}
	unlock_rmap(rmapp);
	return true;

again:
	unlock_rmap(rmapp);
	hpt_pass_finish(p);
	while (hpt_hpte_dword(hptep, 0) & HPTE_V_HVLOCK)
		cpu_relax();
	return false;
}

static void hpt_gather_chain(struct hpt_pass *p, gfn_t gfn, gfn_t reach)
{
	while (!hpt_gather_chain_once(p, gfn, reach))
		;
}

/*
 * Page sizes of HPTEs that may be larger than PAGE_SIZE: 64 KiB, 16 MiB, 16
 * GiB. hpt_large_begin() returns the gfn at which an HPTE of one of these sizes
 * begins if it maps @gfn; or @gfn if none can begin before it in the memslot.
 */
#define HPT_NR_LARGE	3

static gfn_t hpt_large_begin(const struct hpt_pass *p, gfn_t gfn, unsigned int i)
{
	static const unsigned int shift[HPT_NR_LARGE] = { 16, 24, 34 };
	gfn_t begin = gfn;

	if (shift[i] > PAGE_SHIFT)
		begin &= ~((1UL << (shift[i] - PAGE_SHIFT)) - 1);
	return begin < p->slot->base_gfn ? gfn : begin;
}

/* Run a pass on all HPTEs that map a page of a range. */
static void hpt_gather_range(struct hpt_pass *p, gfn_t start, gfn_t end)
{
	unsigned int i;
	gfn_t gfn;

	for (i = 0; i < HPT_NR_LARGE; i++) {
		gfn = hpt_large_begin(p, start, i);
		if (gfn < start)
			hpt_gather_chain(p, gfn, start);
	}
	for (gfn = start; gfn < end; gfn++)
		hpt_gather_chain(p, gfn, gfn);
	hpt_pass_finish(p);
}

static bool hpt_wanted_all(const struct hpt_pass *p, unsigned long r)
{
	return true;
}

/*
 * Leave the HPTE absent: the guest's next access faults, and the host maps the
 * page again if it may. Clear the key, as key 31 would mark emulated MMIO.
 */
static void hpt_settle_absent(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	unsigned long r = hpt_hpte_dword(hptep, 1), rc = r & (HPTE_R_R | HPTE_R_C);
	gfn_t gfn = hpt_first_gfn(hptep, rev);
	unsigned long *rmapp = hpt_rmap(p, gfn);

	hptep[1] = cpu_to_be64(r & ~(HPTE_R_KEY_HI | HPTE_R_KEY_LO));

	lock_rmap(rmapp);
	*rmapp |= rc << KVMPPC_RMAP_RC_SHIFT;
	if (rc & HPTE_R_C)
		khx_dirty_log_accumulate(p->slot, gfn, hpt_end_gfn(hptep, rev));
	unlock_rmap(rmapp);

	hpt_keep_rc(p->vm->kvm, rev, rc);
	p->pages += hpt_end_gfn(hptep, rev) - gfn;
	unlock_hpte(hptep, hpt_hpte_dword(hptep, 0));
}

static const struct hpt_action hpt_make_absent = {
	.wanted = hpt_wanted_all,
	.settle = hpt_settle_absent,
	.unlink = true,
};

unsigned long khx_hpt_unmap(struct khx_vm *vm, const struct kvm_memory_slot *slot,
			    gfn_t start, gfn_t end, unsigned int how)
{
	struct hpt_pass p = {
		.vm = vm,
		.slot = slot,
		.action = &hpt_make_absent,
		.spare_pinned = how & KHX_UNMAP_KEEP_PINNED,
	};
	struct kvm *kvm = vm->kvm;
	gfn_t chunk;

	while (start < end && !kvm_is_radix(kvm)) {
		/* KHX_HPTES: one invalidation covers as many HPTEs */
		chunk = how & KHX_UNMAP_MAY_SLEEP ? min(start + KHX_HPTES, end) : end;
		hpt_gather_range(&p, start, chunk);
		start = chunk;
		/* something is left only if it may sleep */
		if (start < end)
			khx_mmu_lock_yield(kvm);
	}
	return p.pages;
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_unmap);

void khx_hpt_flush_slot(struct khx_vm *vm,
			const struct kvm_memory_slot *slot)
{
	struct hpt_pass p = { .vm = vm, .slot = slot, .action = &hpt_make_absent };
	gfn_t gfn = slot->base_gfn, end = gfn + slot->npages, chunk;
	struct kvm *kvm = vm->kvm;

	while (gfn < end) {
		chunk = min(gfn + HPT_CHUNK, end);
		spin_lock(&kvm->mmu_lock);
		/* hypercalls that have looked up the old slot retry */
		kvm->mmu_invalidate_seq++;
		/* kvm-hv sets arch.radix before it frees the HPT */
		if (!kvm_is_radix(kvm))
			hpt_gather_range(&p, gfn, chunk);
		spin_unlock(&kvm->mmu_lock);
		gfn = chunk;
		cond_resched();
	}
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_flush_slot);

static bool hpt_wanted_referenced(const struct hpt_pass *p, unsigned long r)
{
	return r & HPTE_R_R;
}

static void hpt_settle_aged(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	hpt_keep_rc(p->vm->kvm, rev, HPTE_R_R);
	p->seen |= KVMPPC_RMAP_REFERENCED;
	p->pages += max(hpt_hpte_size(hptep, rev) >> PAGE_SHIFT, 1UL);
	unlock_hpte(hptep, hpt_hpte_dword(hptep, 0));
}

static const struct hpt_action hpt_clear_referenced = {
	.wanted = hpt_wanted_referenced,
	.settle = hpt_settle_aged,
	.rmap_clear = KVMPPC_RMAP_REFERENCED,
	.stays_valid = true,
};

bool khx_hpt_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		 gfn_t start, gfn_t end)
{
	struct hpt_pass p = { .vm = vm, .slot = slot, .action = &hpt_clear_referenced };

	hpt_gather_range(&p, start, end);
	vm->stats.mmu.aged += p.pages;
	return p.seen;
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_age);

static bool hpt_chain_referenced(const struct hpt_pass *p, gfn_t gfn, gfn_t reach)
{
	unsigned long *rmapp = hpt_rmap(p, gfn), head, index;
	const struct kvm *kvm = p->vm->kvm;
	struct revmap_entry *rev = kvm->arch.hpt.rev;
	bool seen;

	lock_rmap(rmapp);
	seen = gfn == reach && *rmapp & KVMPPC_RMAP_REFERENCED;
	if (!seen && *rmapp & KVMPPC_RMAP_PRESENT) {
		head = *rmapp & KVMPPC_RMAP_INDEX;
		index = head;
		do {
			seen = hpt_hpte_dword(hpt_hpte(kvm, index), 1) & HPTE_R_R &&
			       hpt_hpte_reaches(hpt_hpte(kvm, index), &rev[index], gfn, reach);
			index = rev[index].forw;
		} while (!seen && index != head);
	}
	unlock_rmap(rmapp);
	return seen;
}

bool khx_hpt_test_age(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		      gfn_t start, gfn_t end)
{
	struct hpt_pass p = { .vm = vm, .slot = slot };
	bool seen = false;
	unsigned int i;
	gfn_t gfn;

	lockdep_assert_held(&vm->kvm->mmu_lock);

	for (i = 0; i < HPT_NR_LARGE && !seen; i++) {
		gfn = hpt_large_begin(&p, start, i);
		seen = gfn < start && hpt_chain_referenced(&p, gfn, start);
	}
	for (gfn = start; gfn < end && !seen; gfn++)
		seen = hpt_chain_referenced(&p, gfn, gfn);
	return seen;
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_test_age);

/*
 * The POWER8 backend cannot invalidate the whole LPID, which would make
 * hardware write back the C bits that it still caches. So there a page may be
 * dirty if its HPTE is writable, even without C. Such HPTEs are wanted only
 * while no vCPU runs: only the last harvest must be exact, and userspace stops
 * vCPUs for that one.
 */
static bool hpt_wanted_dirty(const struct hpt_pass *p, unsigned long r)
{
	return r & HPTE_R_C ||
	       (!p->vm->hpt.backend->lpid && hpte_is_writable(r) &&
		!atomic_read(&p->vm->kvm->arch.vcpus_running));
}

static void hpt_make_valid(__be64 *hptep)
{
	unlock_hpte(hptep, (hpt_hpte_dword(hptep, 0) & ~HPTE_V_ABSENT) | HPTE_V_VALID);
}

static bool hpt_test_clear_dirty(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	unsigned long r = hpt_hpte_dword(hptep, 1);

	if (!(r & HPTE_R_C))
		return false;
	hptep[1] = cpu_to_be64(r & ~HPTE_R_C);
	hpt_keep_rc(p->vm->kvm, rev, HPTE_R_C);
	return true;
}

static void hpt_report(struct hpt_pass *p, const __be64 *hptep, const struct revmap_entry *rev)
{
	gfn_t end = min(hpt_end_gfn(hptep, rev), p->slot->base_gfn + p->slot->npages);
	gfn_t gfn = hpt_first_gfn(hptep, rev);

	bitmap_set(p->map, gfn - p->slot->base_gfn, end - gfn);
	p->pages += end - gfn;
}

static void hpt_settle_harvested(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	if (hpt_test_clear_dirty(p, hptep, rev))
		hpt_report(p, hptep, rev);
	hpt_make_valid(hptep);
}

/*
 * Clear C in the rmap word as well: it has been added to dirty_bitmap already,
 * and H_ENTER would let the next HPTE start with C set.
 */
static const struct hpt_action hpt_collect_dirty = {
	.wanted = hpt_wanted_dirty,
	.settle = hpt_settle_harvested,
	.rmap_clear = HPT_RMAP_CHANGED,
};

static void hpt_settle_peeked(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	if (hpt_hpte_dword(hptep, 1) & HPTE_R_C)
		hpt_report(p, hptep, rev);
	hpt_make_valid(hptep);
}

/*
 * C stays set. Without @lpid of the backend hardware writes C back only if each
 * HPTE is invalidated; with it, hpt_peek_chain() reads C without locking HPTEs.
 */
static const struct hpt_action hpt_peek_dirty = {
	.wanted = hpt_wanted_dirty,
	.settle = hpt_settle_peeked,
	.in_place = true,
};

/*
 * Report the C bits of a chain, all of which hpt_write_back_c() has made
 * hardware write back. A racing update may cause a page to be reported twice,
 * never to be missed.
 */
static void hpt_peek_chain(struct hpt_pass *p, gfn_t gfn)
{
	unsigned long *rmapp = hpt_rmap(p, gfn), head, index;
	const struct kvm *kvm = p->vm->kvm;
	struct revmap_entry *rev = kvm->arch.hpt.rev;

	lock_rmap(rmapp);
	if (*rmapp & KVMPPC_RMAP_PRESENT) {
		head = *rmapp & KVMPPC_RMAP_INDEX;
		index = head;
		do {
			if (hpt_hpte_dword(hpt_hpte(kvm, index), 1) & HPTE_R_C)
				hpt_report(p, hpt_hpte(kvm, index), &rev[index]);
			index = rev[index].forw;
		} while (index != head);
	}
	unlock_rmap(rmapp);
}

static bool hpt_is_to_clean(const struct hpt_pass *p, gfn_t gfn)
{
	return gfn >= p->start && gfn < p->end &&
	       (!p->cleaned || test_bit_le(gfn - p->slot->base_gfn, p->cleaned));
}

/* Accumulate the pages of a larger HPTE that the caller does not clean. */
static void hpt_settle_cleaned(struct hpt_pass *p, __be64 *hptep, struct revmap_entry *rev)
{
	const struct kvm_memory_slot *slot = p->slot;
	gfn_t gfn = hpt_first_gfn(hptep, rev), end = hpt_end_gfn(hptep, rev);

	end = min(end, slot->base_gfn + slot->npages);
	if (hpt_test_clear_dirty(p, hptep, rev)) {
		p->pages += end - gfn;
		for (; slot->dirty_bitmap && gfn < end; gfn++)
			if (!hpt_is_to_clean(p, gfn))
				set_bit_le(gfn - slot->base_gfn, slot->dirty_bitmap);
	}
	hpt_make_valid(hptep);
}

static const struct hpt_action hpt_clean_dirty = {
	.wanted = hpt_wanted_dirty,
	.settle = hpt_settle_cleaned,
	.rmap_clear = HPT_RMAP_CHANGED,
};

/* HPTEs to lock in one hold of mmu_lock. The last chain may exceed it. */
static unsigned int hpt_most_locked(const struct hpt_pass *p)
{
	return p->vm->hpt.backend->lpid ? HPT_LOCKED_AT_ONCE : HPT_LOCKED_ONE_BY_ONE;
}

/* Holds mmu_lock once. Returns the gfn to continue from. */
static gfn_t hpt_collect_chunk(struct hpt_pass *p, gfn_t gfn, gfn_t end)
{
	struct kvm *kvm = p->vm->kvm;
	unsigned int most = hpt_most_locked(p);
	u64 locked;

	spin_lock(&kvm->mmu_lock);
	locked = mftb();
	for (end = min(gfn + HPT_CHUNK, end); gfn < end && p->vm->hpt.locked->nr < most; gfn++) {
		/* HPTEs linked from now on are for the next collection */
		if (!(READ_ONCE(*hpt_rmap(p, gfn)) & (KVMPPC_RMAP_PRESENT | HPT_RMAP_CHANGED)))
			continue;
		if (p->action->in_place && p->vm->hpt.backend->lpid)
			hpt_peek_chain(p, gfn);
		else
			hpt_gather_chain(p, gfn, gfn);
	}
	hpt_pass_finish(p);
	spin_unlock(&kvm->mmu_lock);
	khx_hist_add(&p->vm->stats.log.hold_ns, khx_ns_since(locked));
	return gfn;
}

/*
 * Hardware may cache a C bit until its translation is invalidated (Power ISA
 * v3.0B book III, 5.7.12).
 */
static void hpt_write_back_c(struct hpt_pass *p)
{
	if (!p->vm->hpt.backend->lpid)
		return;
	p->vm->hpt.backend->lpid(p->vm->kvm);
	spin_lock(&p->vm->kvm->mmu_lock);
	hpt_count_requests(p, 1);
	spin_unlock(&p->vm->kvm->mmu_lock);
}

static void hpt_report_work(const struct hpt_pass *p)
{
	p->vm->stats.log.cleaned = p->action->in_place ? 0 : p->pages;
	p->vm->stats.log.requests = p->requests;
}

static void hpt_collect(struct hpt_pass *p)
{
	gfn_t gfn = p->slot->base_gfn, end = gfn + p->slot->npages;

	lockdep_assert_held(&p->vm->kvm->arch.mmu_setup_lock);
	lockdep_assert_held(&p->vm->kvm->slots_lock);

	hpt_write_back_c(p);
	while (gfn < end) {
		gfn = hpt_collect_chunk(p, gfn, end);
		cond_resched();
	}
	hpt_report_work(p);
}

bool khx_hpt_harvest(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     unsigned long *map)
{
	struct hpt_pass p = {
		.vm = vm,
		.slot = slot,
		.action = &hpt_collect_dirty,
		.map = map,
	};

	hpt_collect(&p);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_harvest);

void khx_hpt_peek(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		  unsigned long *map)
{
	struct hpt_pass p = {
		.vm = vm,
		.slot = slot,
		.action = &hpt_peek_dirty,
		.map = map,
	};

	hpt_collect(&p);
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_peek);

/* Returns the next gfn to clean from @gfn on, or the gfn to search on from. */
static gfn_t hpt_next_to_clean(const struct hpt_pass *p, gfn_t gfn, gfn_t end)
{
	gfn_t base = p->slot->base_gfn;

	if (!p->cleaned || gfn >= end)
		return gfn;
	end = min(end, gfn + HPT_CHUNK);
	return base + find_next_bit_le(p->cleaned, end - base, gfn - base);
}

/* Holds mmu_lock once. Returns the gfn to continue from. */
static gfn_t hpt_clean_chunk(struct hpt_pass *p, gfn_t gfn, gfn_t end)
{
	unsigned int most = hpt_most_locked(p), budget = HPT_CHUNK, i;
	struct kvm *kvm = p->vm->kvm;
	gfn_t begin;
	u64 locked;

	spin_lock(&kvm->mmu_lock);
	locked = mftb();
	for (; gfn < end && budget && p->vm->hpt.locked->nr < most; budget--) {
		if (!hpt_is_to_clean(p, gfn)) {
			gfn = hpt_next_to_clean(p, gfn, end);
			continue;
		}
		for (i = 0; i < HPT_NR_LARGE; i++) {
			begin = hpt_large_begin(p, gfn, i);
			if (begin < gfn)
				hpt_gather_chain(p, begin, gfn);
		}
		hpt_gather_chain(p, gfn, gfn);
		gfn++;
	}
	hpt_pass_finish(p);
	spin_unlock(&kvm->mmu_lock);
	khx_hist_add(&p->vm->stats.log.hold_ns, khx_ns_since(locked));
	return gfn;
}

bool khx_hpt_clean(struct khx_vm *vm, const struct kvm_memory_slot *slot,
		   const unsigned long *pages, unsigned long start,
		   unsigned long end)
{
	struct hpt_pass p = {
		.vm = vm,
		.slot = slot,
		.action = &hpt_clean_dirty,
		.cleaned = pages,
		.start = slot->base_gfn + start,
		.end = slot->base_gfn + end,
	};
	gfn_t gfn = p.start;

	lockdep_assert_held(&vm->kvm->arch.mmu_setup_lock);
	lockdep_assert_held(&vm->kvm->slots_lock);

	for (; gfn < p.end && !hpt_is_to_clean(&p, gfn); cond_resched())
		gfn = hpt_next_to_clean(&p, gfn, p.end);
	if (gfn < p.end)
		hpt_write_back_c(&p);
	while (gfn < p.end) {
		gfn = hpt_clean_chunk(&p, gfn, p.end);
		cond_resched();
	}
	hpt_report_work(&p);
	return true;
}
EXPORT_SYMBOL_IF_KUNIT(khx_hpt_clean);

const struct khx_mmu khx_hpt_mmu = {
	.unmap = khx_hpt_unmap,
	.age = khx_hpt_age,
	.test_age = khx_hpt_test_age,
	.harvest = khx_hpt_harvest,
	.peek = khx_hpt_peek,
	.clean = khx_hpt_clean,
	.flush_slot = khx_hpt_flush_slot,
	/* unlink all HPTEs: no chain may lead into an HPT that is freed */
	.save_dirty = khx_hpt_flush_slot,
};
