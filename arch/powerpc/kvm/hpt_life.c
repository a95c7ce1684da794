// SPDX-License-Identifier: GPL-2.0
/*
 * Lifetime of HPTs.
 */
#include <linux/delay.h>
#include <linux/fs.h>
#include <linux/kvm_host.h>
#include <linux/rcupdate.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>
#include <asm/kvm_book3s.h>
#include <asm/kvm_book3s_64.h>
#include <asm/kvm_ppc.h>

#include "compat.h"
#include "dirty_log.h"
#include "hooks.h"
#include "hpt_life.h"
#include "hpt_mmu.h"
#include "mmu.h"
#include "vm.h"

#define HPT_LIFE_POLL_MS	10
/* Number of expedited grace periods to try before one of all tasks. */
#define HPT_LIFE_ROUNDS		6

atomic_t khx_hpts_closed;

void khx_hpt_life_init(struct khx_hpt_life *life)
{
	init_rwsem(&life->readers);
	mutex_init(&life->begin);
	atomic_set(&life->closed, 0);
}

static void hpt_life_set_ready(struct kvm *kvm, bool ready)
{
	lockdep_assert_held(&kvm->arch.mmu_setup_lock);

	kvm->arch.mmu_ready = ready;
}

/*
 * Clear mmu_ready: vCPUs test it before they enter the guest, and then wait in
 * khx_hook_setup_mmu(). kvm-hv excludes vCPUs in the same way, but for a
 * shorter time.
 */
static bool hpt_life_keep_vcpus_out(struct kvm *kvm)
{
	bool out = true;

	mutex_lock(&kvm->arch.mmu_setup_lock);
	if (kvm->arch.mmu_ready) {
		hpt_life_set_ready(kvm, false);
		/* pairs with the barrier after vcpus_running is incremented */
		smp_mb();
		out = !atomic_read(&kvm->arch.vcpus_running);
		hpt_life_set_ready(kvm, !out);
	}
	mutex_unlock(&kvm->arch.mmu_setup_lock);
	return out;
}

int khx_hpt_life_lock(struct khx_vm *vm)
{
	return down_write_killable(&vm->hpt.life.readers);
}

void khx_hpt_life_unlock(struct khx_vm *vm)
{
	up_write(&vm->hpt.life.readers);
}

int khx_hpt_life_stop(struct khx_vm *vm)
{
	struct khx_hpt_life *life = &vm->hpt.life;

	lockdep_assert_held_write(&life->readers);

	mutex_lock(&life->begin);
	life->was_ready = READ_ONCE(vm->kvm->arch.mmu_ready);
	if (!hpt_life_keep_vcpus_out(vm->kvm)) {
		khx_hpt_life_start(vm, false);
		return -EBUSY;
	}
	if (!kvm_is_radix(vm->kvm))
		khx_dirty_log_save(vm, &khx_hpt_mmu);
	return 0;
}

void khx_hpt_life_start(struct khx_vm *vm, bool untouched)
{
	struct kvm *kvm = vm->kvm;

	if (untouched && vm->hpt.life.was_ready) {
		mutex_lock(&kvm->arch.mmu_setup_lock);
		hpt_life_set_ready(kvm, true);
		mutex_unlock(&kvm->arch.mmu_setup_lock);
	}
	mutex_unlock(&vm->hpt.life.begin);
}

/*
 * Is no vCPU preempted, and was none since the call before? switches is the number
 * of their involuntary context switches.
 */
static bool hpt_life_none_preempted(struct kvm *kvm, unsigned long *switches)
{
	unsigned long before = *switches;
	struct kvm_vcpu *vcpu;
	bool none = true;
	unsigned long i;

	*switches = 0;
	kvm_for_each_vcpu(i, vcpu, kvm) {
		if (READ_ONCE(vcpu->preempted))
			none = false;
		*switches += khx_vcpu_switches(vcpu);
	}
	return none && *switches == before;
}

void khx_hpt_life_await_hypercalls(struct kvm *kvm)
{
	unsigned long switches = 0;
	int round, calm = 0;

	if (!IS_ENABLED(CONFIG_PREEMPTION)) {
		synchronize_rcu_expedited();
		return;
	}
	/*
	 * A grace period does not wait for a vCPU that was preempted in a hypercall.
	 * Two periods without a preemption are needed: of a preemption that is under
	 * way when the first begins, nothing may be seen before its end.
	 */
	hpt_life_none_preempted(kvm, &switches);
	for (round = 0; round < HPT_LIFE_ROUNDS; round++) {
		synchronize_rcu_expedited();
		calm = hpt_life_none_preempted(kvm, &switches) ? calm + 1 : 0;
		if (calm == 2)
			return;
	}
	synchronize_rcu_tasks();
}

/* Returns more than 0 while kvm-hv's worker allocates an HPT of this order. */
static long hpt_life_prepare(struct kvm *kvm, u32 order)
{
	struct kvm_ppc_resize_hpt resize = { .shift = order };

	return khx_stock_resize_hpt_prepare(kvm, &resize);
}

/* Wait until kvm-hv has no worker that it could lose track of. */
static int hpt_life_await_prepared(struct khx_vm *vm, bool killable)
{
	u32 *preparing = &vm->hpt.life.preparing;

	while (*preparing && hpt_life_prepare(vm->kvm, *preparing) > 0) {
		if (killable && fatal_signal_pending(current))
			return -EINTR;
		msleep(HPT_LIFE_POLL_MS);
	}
	*preparing = 0;
	return 0;
}

void khx_hpt_life_drop_prepared(struct khx_vm *vm)
{
	if (!vm->hpt.life.any_prepared)
		return;
	hpt_life_await_prepared(vm, false);
	hpt_life_prepare(vm->kvm, 0);
	/* the worker may still be in its last mutex_unlock() */
	synchronize_rcu_tasks();
	vm->hpt.life.any_prepared = false;
}

/**
 * khx_hook_resize_hpt_prepare() - KVM_PPC_RESIZE_HPT_PREPARE of tracked VMs
 * @kvm:	a tracked VM
 * @resize:	as for the ioctl
 *
 * If kvm-hv is allocating an HPT of another order, waits until it has finished.
 *
 * Context: may sleep.
 * Return: as stock; -EINTR on a fatal signal.
 */
KHX_RESIZE_HPT_RET khx_hook_resize_hpt_prepare(struct kvm *kvm,
					       struct kvm_ppc_resize_hpt *resize)
{
	struct khx_hpt_life *life = &khx_vm_find(kvm)->hpt.life;
	long ret = 0;

	if (down_write_killable(&life->readers))
		return -EINTR;
	if (resize->shift != life->preparing)
		ret = hpt_life_await_prepared(khx_vm_find(kvm), true);
	if (!ret) {
		ret = khx_stock_resize_hpt_prepare(kvm, resize);
		/* on -EINVAL kvm-hv has not looked at a pending resize */
		if (ret != -EINVAL)
			life->preparing = ret > 0 ? resize->shift : 0;
		life->any_prepared |= ret > 0;
	}
	up_write(&life->readers);
	return ret;
}

/*
 * Test whether an HPTE is in the group that its address hashes to, as far as
 * the HPTE tells: for a base page smaller than 8 MiB it lacks the low bits of
 * the page number, and kvm-hv's rehash ORs (segment ^ group) into that number.
 * So only a bit that is set in the page number and clear in (segment ^ group)
 * is wrong.
 */
static bool hpt_life_hpte_in_place(const struct khx_hpte *hpte, unsigned long index,
				   unsigned long mask)
{
	unsigned long group = index / HPTES_PER_GROUP, avpn, segment, page, wrong;
	int shift = kvmppc_hpte_base_page_shift(hpte->v, hpte->r);
	bool large_segment = hpte->v & HPTE_V_1TB_SEG;
	int offset_bits = large_segment ? SID_SHIFT_1T - 23 : SID_SHIFT - 23;

	if (hpte->v & HPTE_V_SECONDARY)
		group = ~group;
	/* virtual address without its low 23 bits */
	avpn = HPTE_V_AVPN_VAL(hpte->v);
	if (shift > 23)
		avpn &= -1ul << (shift - 23);
	segment = avpn >> offset_bits;
	if (large_segment)
		segment ^= segment << 25;
	page = (avpn & ((1ul << offset_bits) - 1)) << 23 >> shift;
	wrong = page ^ segment ^ group;
	if (shift < 23)
		wrong &= page;
	return !(wrong & mask);
}

/*
 * kvm-hv moves only bolted HPTEs to the new HPT. The guest enters the others
 * again when it faults on them.
 */
static bool hpt_life_bolted_in_place(struct kvm_hpt_info *hpt)
{
	unsigned long index, nr = kvmppc_hpt_npte(hpt);
	struct khx_hpte hpte;

	for (index = 0; index < nr; index++) {
		if (!(index % KHX_HPTES))
			cond_resched();
		/* never used, and not locked */
		if (!READ_ONCE(*(__be64 *)(hpt->virt + (index << 4))))
			continue;
		hpte = khx_hpte_read(hpt, index);
		if (hpte.v & HPTE_V_BOLTED && hpte.v & (HPTE_V_VALID | HPTE_V_ABSENT) &&
		    !hpt_life_hpte_in_place(&hpte, index, kvmppc_hpt_mask(hpt)))
			return false;
	}
	return true;
}

static int hpt_life_close(struct khx_vm *vm)
{
	struct kvm *kvm = vm->kvm;
	bool early;

	mutex_lock(&kvm->arch.mmu_setup_lock);
	early = !kvm->arch.mmu_ready;
	mutex_unlock(&kvm->arch.mmu_setup_lock);
	if (early)
		return -EIO;
	atomic_inc(&vm->hpt.life.closed);
	atomic_inc(&khx_hpts_closed);
	synchronize_srcu_expedited(&kvm->srcu);
	return 0;
}

static void hpt_life_open(struct khx_vm *vm)
{
	atomic_dec(&khx_hpts_closed);
	atomic_dec(&vm->hpt.life.closed);
}

/*
 * HPTEs that are in place do not collide in an HPT that is not smaller: the
 * index of each in the new HPT determines its index in the old one. No HPTE is
 * entered between this check and kvm-hv's rehash.
 */
static bool hpt_life_bolted_collide(struct kvm *kvm, const struct kvm_ppc_resize_hpt *resize)
{
	return kvm->arch.resize_hpt && resize->shift >= kvm->arch.hpt.order &&
	       !hpt_life_bolted_in_place(&kvm->arch.hpt);
}

/**
 * khx_hook_resize_hpt_commit() - KVM_PPC_RESIZE_HPT_COMMIT of tracked VMs
 * @kvm:	a tracked VM
 * @resize:	as for the ioctl
 *
 * Waits until kvm-hv's worker has finished. Excludes H_ENTER and page faults
 * while kvm-hv replaces the HPT: none is in progress, and none begins. On
 * POWER8 the host serves hypercalls in real mode, where kvm-hv's own exclusion
 * works.
 *
 * Context: may sleep.
 * Return: as stock; -EIO if no vCPU has run since the VM was created or got its
 * HPT (stock returns the same, with a WARN); -ENOSPC if the new HPT is not
 * smaller and a bolted HPTE is not in the group that its address hashes to: two
 * of these may collide, at which kvm-hv's rehash has a BUG_ON(), so the module
 * discards the prepared HPT; -EINTR on a fatal signal.
 */
KHX_RESIZE_HPT_RET khx_hook_resize_hpt_commit(struct kvm *kvm,
					      struct kvm_ppc_resize_hpt *resize)
{
	struct khx_vm *vm = khx_vm_find(kvm);
	long ret;

	if (down_write_killable(&vm->hpt.life.readers))
		return -EINTR;
	if (kvm_is_radix(kvm)) {
		ret = khx_stock_resize_hpt_commit(kvm, resize);
		goto out;
	}
	ret = hpt_life_await_prepared(vm, true) ?: hpt_life_close(vm);
	if (ret)
		goto out;
	if (hpt_life_bolted_collide(kvm, resize)) {
		hpt_life_prepare(kvm, 0);
		ret = -ENOSPC;
	} else {
		ret = khx_stock_resize_hpt_commit(kvm, resize);
	}
	hpt_life_open(vm);
out:
	up_write(&vm->hpt.life.readers);
	return ret;
}

bool khx_hpt_life_closed(struct kvm *kvm)
{
	const struct khx_vm *vm = khx_vm_find(kvm);
	const struct kvm_vcpu *vcpu;

	if (!atomic_read(&vm->hpt.life.closed))
		return false;
	vcpu = khx_running_vcpu();
	return vcpu && vcpu->kvm == kvm && vcpu->arch.hcall_needed;
}

/**
 * khx_hook_setup_mmu() - kvmhv_setup_mmu() of tracked VMs
 * @vcpu:	a vCPU that is about to run, while the MMU is not ready
 *
 * Context: vCPU thread, may sleep.
 * Return: as stock; -EINTR on a fatal signal.
 */
int khx_hook_setup_mmu(struct kvm_vcpu *vcpu)
{
	struct khx_vm *vm = khx_vm_find(vcpu->kvm);
	int err;

	if (mutex_lock_killable(&vm->hpt.life.begin))
		return -EINTR;
	err = khx_stock_setup_mmu(vcpu);
	mutex_unlock(&vm->hpt.life.begin);
	return err;
}

/**
 * khx_hook_free_hpt() - kvmppc_free_hpt() of tracked VMs
 * @info:	the HPT in use by a tracked VM; or an HPT that is in no struct
 *		kvm, while any HPT is replaced with vCPUs running
 *
 * Unlinks the HPTEs of an HPT in use. khx_hpt_life_stop() has done so before:
 * only a write to KVM_PPC_GET_HTAB_FD that bypasses khx_hook_htab_write() can
 * have entered others since.
 *
 * A hypercall or a page fault without kvm->srcu may still use an HPT that was
 * replaced while vCPUs ran. None of these sleeps, so synchronize_rcu_tasks()
 * waits for them.
 *
 * Context: kvm->arch.mmu_setup_lock held, or at the end of the VM. No vCPU runs
 * while an HPT in use is freed.
 */
void khx_hook_free_hpt(struct kvm_hpt_info *info)
{
	struct kvm *kvm = container_of(info, struct kvm, arch.hpt);
	struct khx_vm *vm = khx_vm_find(kvm);

	if (!vm)
		synchronize_rcu_tasks();
	else if (!kvm_is_radix(kvm))
		khx_dirty_log_save(vm, &khx_hpt_mmu);
	/* Without an HPT, kvm-hv would free one of order 0 from CMA. */
	if (!info->virt)
		info->cma = 0;
	khx_stock_free_hpt(info);
}

/*
 * Has the VM an HPT? One may come meanwhile, with the first KVM_RUN, but one that
 * is there stays. kvm-hv takes a missing HPT for one of order 0, and shifts by a
 * negative number to compute its size.
 */
static bool hpt_life_has_hpt(const struct khx_vm *vm)
{
	bool has;

	lockdep_assert_held_read(&vm->hpt.life.readers);

	mutex_lock(&vm->kvm->arch.mmu_setup_lock);
	has = vm->kvm->arch.hpt.virt;
	mutex_unlock(&vm->kvm->arch.mmu_setup_lock);
	return has;
}

/* Return what kvm-hv returns for a write to an HPT that has place for no HPTE. */
static ssize_t hpt_life_refuse_write(const struct khx_vm *vm, const char __user *buf,
				     size_t count)
{
	struct kvm_get_htab_header header;

	if (kvm_is_radix(vm->kvm))
		return -EINVAL;
	if (count < sizeof(header))
		return 0;
	if (copy_from_user(&header, buf, sizeof(header)))
		return -EFAULT;
	return header.n_valid * sizeof(struct hash_pte) > count ? 0 : -EINVAL;
}

/**
 * khx_hook_htab_read() - read() of KVM_PPC_GET_HTAB_FD
 * @file:	such a file of a tracked VM
 * @buf:	as for read()
 * @count:	as for read()
 * @ppos:	as for read()
 *
 * Without an HPT there is nothing to read. The first read that finds one then
 * begins with all of its HPTEs, as for a radix guest that becomes an HPT guest;
 * stock counts what found no HPT as the first pass.
 *
 * Return: as stock; -EINTR on a fatal signal.
 */
ssize_t khx_hook_htab_read(struct file *file, char __user *buf, size_t count, loff_t *ppos)
{
	struct khx_vm *vm = khx_vm_find(khx_htab_kvm(file->private_data));
	ssize_t ret = 0;

	if (down_read_killable(&vm->hpt.life.readers))
		return -EINTR;
	if (hpt_life_has_hpt(vm))
		ret = khx_stock_htab_read(file, buf, count, ppos);
	up_read(&vm->hpt.life.readers);
	return ret;
}

/**
 * khx_hook_htab_write() - write() of KVM_PPC_GET_HTAB_FD
 * @file:	such a file of a tracked VM
 * @buf:	as for write()
 * @count:	as for write()
 * @ppos:	as for write()
 *
 * Return: as stock; -EINTR on a fatal signal.
 */
ssize_t khx_hook_htab_write(struct file *file, const char __user *buf, size_t count,
			    loff_t *ppos)
{
	struct khx_vm *vm = khx_vm_find(khx_htab_kvm(file->private_data));
	ssize_t ret;

	if (down_read_killable(&vm->hpt.life.readers))
		return -EINTR;
	if (hpt_life_has_hpt(vm))
		ret = khx_stock_htab_write(file, buf, count, ppos);
	else
		ret = hpt_life_refuse_write(vm, buf, count);
	up_read(&vm->hpt.life.readers);
	return ret;
}
