// SPDX-License-Identifier: GPL-2.0
/*
 * Attach to kvm-hv, and detach from it: replace members of its operations table,
 * place the hooks, and free the module's text only when no CPU runs it.
 *
 * Unloading. Each tracked VM holds a reference on the module, so rmmod fails while
 * one lives. But the replaced members serve stock VMs too, and op_destroy_vm()
 * itself drops the last reference. khx_detach() therefore restores the members;
 * waits, by synchronize_rcu_tasks(), until every task that had fetched a member of
 * the module has entered its SRCU section or left it; waits for these sections, by
 * synchronize_srcu(); and for the few instructions after them, by a second
 * synchronize_rcu_tasks(). Hooks run only inside operations on tracked VMs.
 */
#define pr_fmt(fmt) KBUILD_MODNAME ": " fmt

#include <linux/module.h>
#include <linux/slab.h>
#include <linux/srcu.h>
#include <linux/uaccess.h>

#include "areas.h"
#include "attach.h"
#include "compat.h"
#include "dirty_log.h"
#include "hooks.h"
#include "hpt_life.h"
#include "kunit.h"
#include "mmu.h"
#include "nested_mmu.h"
#include "params.h"
#include "pin.h"
#include "radix_resize.h"
#include "stats.h"
#include "trace.h"
#include "vm.h"

static struct kvmppc_ops *ops;

DEFINE_STATIC_SRCU(attach_srcu);

/* HPT guests can run on this host, and the module serves part of what they do. */
static bool hpt_guests;

/* A VM is about to have an HPT. */
static int attach_hpt_hooks(void)
{
	return hpt_guests ? khx_hooks_place(KHX_HOOK_SET_FOR_HPT) : 0;
}

/*
 * A VM while one of the module's members serves it; vm is NULL for a stock VM. The
 * cleanup attribute releases it at the end of its scope, which sparse does not see:
 * hence the annotations in both functions.
 */
struct vm_ref {
	struct khx_vm *vm;
	int idx;
};

static struct vm_ref vm_ref_get(const struct kvm *kvm)
{
	int idx = srcu_read_lock(&attach_srcu);

	__release(&attach_srcu);
	return (struct vm_ref){ .vm = khx_vm_find(kvm), .idx = idx };
}

static void vm_ref_put(struct vm_ref *ref)
{
	__acquire(&attach_srcu);
	srcu_read_unlock(&attach_srcu, ref->idx);
}

static int op_init_vm(struct kvm *kvm)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	struct khx_vm *vm;
	int err;

	err = khx_stock_ops.init_vm(kvm);
	if (err)
		return err;

	/* On a host with the hash MMU; elsewhere a VM begins as a radix guest. */
	if (!kvm_is_radix(kvm) && attach_hpt_hooks()) {
		pr_warn_once("VMs stay on kvm-hv: functions that HPT guests need are held, see above\n");
		return 0;
	}

	/* Fails only while the module is unloaded: the VM stays on kvm-hv. */
	if (!try_module_get(THIS_MODULE))
		return 0;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	err = vm ? khx_vm_init(vm, kvm) : -ENOMEM;
	if (err)
		goto free;
	if (vm->pins.on && khx_hooks_place(KHX_HOOK_SET_FOR_PINS)) {
		err = -EBUSY;
		khx_vm_release(vm);
		goto free;
	}
	khx_vm_publish(vm);
	return 0;

free:
	kfree(vm);
	khx_stock_ops.destroy_vm(kvm);
	module_put(THIS_MODULE);
	return err;
}

static void op_destroy_vm(struct kvm *kvm)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	struct khx_vm *vm = ref.vm;

	if (vm) {
		khx_pins_stop(vm);
		if (hpt_guests)
			khx_hpt_life_drop_prepared(vm);
	}
	khx_stock_ops.destroy_vm(kvm);

	if (vm) {
		khx_vm_unpublish(vm);
		khx_vm_release(vm);
		kfree_rcu(vm, rcu);
		module_put(THIS_MODULE);
	}
}

/* KVM has created its directory of the VM in debugfs. */
static int op_create_vm_debugfs(struct kvm *kvm)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	int err = khx_stock_ops.create_vm_debugfs(kvm);

	if (ref.vm)
		khx_stats_show(ref.vm);
	return err;
}

static int op_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(vcpu->kvm);
	int err;

	if (ref.vm) {
		err = khx_vcpu_create(ref.vm, vcpu);
		if (err)
			return err;
	}
	err = khx_stock_ops.vcpu_create(vcpu);
	if (err && ref.vm)
		khx_vcpu_free(ref.vm, vcpu);
	return err;
}

static void op_vcpu_free(struct kvm_vcpu *vcpu)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(vcpu->kvm);

	if (ref.vm) {
		/* leaves nothing pinned for kvm-hv to unpin */
		khx_areas_vcpu_free(ref.vm, vcpu);
		khx_vcpu_free(ref.vm, vcpu);
	}
	khx_stock_ops.vcpu_free(vcpu);
}

static int op_set_one_reg(struct kvm_vcpu *vcpu, u64 id,
			  union kvmppc_one_reg *val)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(vcpu->kvm);

	if (ref.vm && (id == KVM_REG_PPC_VPA_ADDR || id == KVM_REG_PPC_VPA_SLB ||
		       id == KVM_REG_PPC_VPA_DTL))
		return khx_areas_set_reg(ref.vm, vcpu, id, val);
	return khx_stock_ops.set_one_reg(vcpu, id, val);
}

static bool op_unmap_gfn_range(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	bool flush = false;

	if (ref.vm && khx_param.notifiers)
		khx_mmu_unmap_gfn_range(ref.vm, range);
	else
		flush = khx_stock_ops.unmap_gfn_range(kvm, range);
	if (ref.vm && khx_param.areas)
		khx_areas_invalidate(ref.vm, range->start, range->end);
	return flush;
}

static bool op_age_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	return ref.vm ? khx_mmu_age_gfn(ref.vm, range) :
			 khx_stock_ops.age_gfn(kvm, range);
}

static bool op_test_age_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	return ref.vm ? khx_mmu_test_age_gfn(ref.vm, range) :
			 khx_stock_ops.test_age_gfn(kvm, range);
}

#ifdef KHX_HAS_SET_SPTE_GFN
/* A host PTE is about to name another page; later kernels unmap. */
static bool op_set_spte_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	if (!ref.vm)
		return khx_stock_ops.set_spte_gfn(kvm, range);
	khx_mmu_unmap_gfn_range(ref.vm, range);
	return false;
}
#endif

/* Before a memslot is moved or deleted; it is marked invalid already. */
static void op_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	if (ref.vm && khx_param.notifiers)
		khx_mmu_flush_memslot(ref.vm, slot);
	else
		khx_stock_ops.flush_memslot(kvm, slot);
	if (ref.vm && kvm->arch.nested_enable)
		khx_nested_drop_memslot(ref.vm, slot);
	if (ref.vm && khx_param.areas)
		khx_areas_invalidate(ref.vm, slot->base_gfn,
				     slot->base_gfn + slot->npages);
}

/* Count it if the memslot's log was switched on or off. */
static void attach_count_switch(struct khx_vm *vm, const struct kvm_memory_slot *old,
				const struct kvm_memory_slot *new, u64 begin)
{
	bool was = old && old->flags & KVM_MEM_LOG_DIRTY_PAGES;
	bool on = new && new->flags & KVM_MEM_LOG_DIRTY_PAGES;

	if (was == on)
		return;
	vm->stats.log.switched_on += on;
	vm->stats.log.switched_off += was;
	if (trace_khx_log_switch_enabled())
		trace_khx_log_switch(vm->kvm, on ? new : old, on, khx_ns_since(begin));
}

/*
 * A memslot has changed: areas may have memory now that had none. kvm-hv itself
 * calls kvmppc_radix_flush_memslot() for a memslot whose logging was switched.
 */
static void op_commit_memory_region(struct kvm *kvm,
				    struct kvm_memory_slot *old,
				    const struct kvm_memory_slot *new,
				    enum kvm_mr_change change)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	u64 begin = mftb();

	khx_stock_ops.commit_memory_region(kvm, old, new, change);
	if (ref.vm)
		attach_count_switch(ref.vm, old, new, begin);
	if (ref.vm && khx_param.areas &&
	    (change == KVM_MR_CREATE || change == KVM_MR_MOVE))
		khx_areas_invalidate(ref.vm, new->base_gfn,
				     new->base_gfn + new->npages);

	/* the caller frees the old memslot after this */
	if (ref.vm && !kvm_is_radix(kvm) && change != KVM_MR_CREATE)
		khx_hpt_life_await_hypercalls(kvm);
}

static int op_get_dirty_log(struct kvm *kvm, struct kvm_dirty_log *log)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	return ref.vm ? khx_dirty_log_get(ref.vm, log) :
			 khx_stock_ops.get_dirty_log(kvm, log);
}

/* The guest gets a new HPT, or an empty one. */
static KHX_VM_IOCTL_RET op_allocate_htab(struct khx_vm *vm, unsigned long arg)
{
	KHX_VM_IOCTL_RET ret;
	u32 order;

	if (get_user(order, (u32 __user *)arg))
		return -EFAULT;
	/* kvm-hv first clears an HPT of this order; 0 is the order of no HPT */
	if (order < PPC_MIN_HPT_ORDER || order > PPC_MAX_HPT_ORDER)
		return -EINVAL;
	ret = khx_hpt_life_lock(vm);
	if (ret)
		return ret;
	ret = khx_hpt_life_stop(vm);
	if (!ret) {
		/* not by the ioctl, which would read the order again */
		ret = khx_stock_alloc_reset_hpt(vm->kvm, order);
		khx_hpt_life_start(vm, false);
	}
	khx_hpt_life_unlock(vm);
	return ret;
}

/* KVM_CLEAR_DIRTY_LOG, which kvm-hv does not have, and a new HPT. */
static KHX_VM_IOCTL_RET op_arch_vm_ioctl(struct file *filp, unsigned int ioctl,
					 unsigned long arg)
{
	struct kvm *kvm = filp->private_data;
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);

	if (ref.vm && khx_param.dirty_log && ioctl == KVM_CLEAR_DIRTY_LOG)
		return khx_dirty_log_clear(ref.vm, (const void __user *)arg);
	if (ref.vm && hpt_guests && ioctl == KVM_PPC_ALLOCATE_HTAB)
		return attach_hpt_hooks() ?: op_allocate_htab(ref.vm, arg);
	return khx_stock_ops.arch_vm_ioctl(filp, ioctl, arg);
}

static int attach_leave_hpt(struct khx_vm *vm, struct kvm_ppc_mmuv3_cfg *cfg)
{
	int err = khx_hpt_life_stop(vm);

	if (err)
		return err;
	khx_hpt_life_drop_prepared(vm);
	err = khx_stock_ops.configure_mmu(vm->kvm, cfg);
	khx_hpt_life_start(vm, err == -EINVAL || err == -ENODEV);
	return err;
}

/* An HPT guest becomes a radix guest; the other way is khx_hook_free_radix(). */
static int op_configure_mmu(struct kvm *kvm, struct kvm_ppc_mmuv3_cfg *cfg)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	int err;

	if (ref.vm && !(cfg->flags & KVM_PPC_MMUV3_RADIX)) {
		err = attach_hpt_hooks();
		if (err)
			return err;
	}
	if (!ref.vm || !hpt_guests || !(cfg->flags & KVM_PPC_MMUV3_RADIX))
		return khx_stock_ops.configure_mmu(kvm, cfg);

	err = khx_hpt_life_lock(ref.vm);
	if (err)
		return err;
	/* now KVM_PPC_ALLOCATE_HTAB cannot make it an HPT guest */
	err = kvm_is_radix(kvm) ? khx_stock_ops.configure_mmu(kvm, cfg) :
				  attach_leave_hpt(ref.vm, cfg);
	khx_hpt_life_unlock(ref.vm);
	return err;
}

/* The guest may have nested guests from now on. NULL asks if any guest may. */
static int op_enable_nested(struct kvm *kvm)
{
	struct vm_ref ref __cleanup(vm_ref_put) = vm_ref_get(kvm);
	int err = ref.vm ? khx_nested_allow(&ref.vm->nested) : 0;

	return err ?: khx_stock_ops.enable_nested(kvm);
}

/*
 * Members that are set replace kvm-hv's, if the facet is on. init_vm is replaced
 * last and restored first: no VM is tracked before, so the others are in place when
 * the first tracked VM needs them.
 */
static const struct {
	const bool *facet;	/* NULL: always */
	struct kvmppc_ops ops;
} replacements[] = {
	{
		.ops.destroy_vm = op_destroy_vm,
		.ops.vcpu_create = op_vcpu_create,
		.ops.vcpu_free = op_vcpu_free,
		.ops.create_vm_debugfs = op_create_vm_debugfs,
	},
	{
		.facet = &khx_param.areas,
		.ops.set_one_reg = op_set_one_reg,
		.ops.unmap_gfn_range = op_unmap_gfn_range,
		.ops.flush_memslot = op_flush_memslot,
		.ops.commit_memory_region = op_commit_memory_region,
	},
	{
		.facet = &khx_param.notifiers,
		.ops = {
			.commit_memory_region = op_commit_memory_region,
			.flush_memslot = op_flush_memslot,
			.unmap_gfn_range = op_unmap_gfn_range,
			.age_gfn = op_age_gfn,
			.test_age_gfn = op_test_age_gfn,
#ifdef KHX_HAS_SET_SPTE_GFN
			.set_spte_gfn = op_set_spte_gfn,
#endif
		},
	},
	{
		.facet = &khx_param.dirty_log,
		.ops.get_dirty_log = op_get_dirty_log,
		.ops.arch_vm_ioctl = op_arch_vm_ioctl,
	},
	{
		.facet = &hpt_guests,
		.ops.arch_vm_ioctl = op_arch_vm_ioctl,
		.ops.configure_mmu = op_configure_mmu,
	},
	{
		.facet = &khx_param.nested,
		.ops.enable_nested = op_enable_nested,
		.ops.flush_memslot = op_flush_memslot,
	},
	{ .ops.init_vm = op_init_vm },
};

/*
 * struct kvmppc_ops as an array of pointers: all members but the first, owner,
 * are pointers to functions.
 */
#define NR_MEMBERS	(sizeof(struct kvmppc_ops) / sizeof(void *))

static void *ops_member(const struct kvmppc_ops *table, unsigned int m)
{
	return ((void **)table)[m];
}

static void *ops_replacement(unsigned int r, unsigned int m)
{
	if (replacements[r].facet && !*replacements[r].facet)
		return NULL;
	return ops_member(&replacements[r].ops, m);
}

/*
 * A function that is hooked only to see that redirection works at all on this
 * kernel: ftrace may have been killed by an earlier fault, and then it registers
 * everything and calls nothing. hooks.c, where no function can be traced, calls
 * it. The compiler may not know what it returns.
 */
static bool self_test_result;

noinline bool khx_self_test(void)
{
	return READ_ONCE(self_test_result);
}

/* Take a reference on kvm-hv and find its table; both or neither. */
static int attach_get_kvm_hv(void)
{
	int err = -ENODEV;

	/* kvm-hv clears the pointer a grace period before its text is freed */
	rcu_read_lock();
	ops = READ_ONCE(kvmppc_hv_ops);
	if (ops && try_module_get(ops->owner))
		err = 0;
	rcu_read_unlock();

	if (err)
		pr_err("kvm-hv is not loaded, or this machine cannot run HV guests: try 'modprobe kvm-hv' first\n");
	return err;
}

static int attach_check_ops(void)
{
	unsigned int r, m;

	if (!ops->owner)	/* built in: nothing to compare with */
		return 0;

	for (r = 0; r < ARRAY_SIZE(replacements); r++) {
		for (m = 0; m < NR_MEMBERS; m++) {
			void *fn = ops_member(ops, m);

			if (ops_replacement(r, m) &&
			    !within_module((unsigned long)fn, ops->owner)) {
				pr_err("cannot replace an operation of kvm-hv: another module has already replaced it with %ps\n",
				       fn);
				return -EBUSY;
			}
		}
	}
	return 0;
}

/* Put the module's members, or the saved ones, into kvm-hv's table. */
static void attach_set_ops(unsigned int r, bool to_ours)
{
	unsigned int m;

	for (m = 0; m < NR_MEMBERS; m++) {
		void *fn = ops_replacement(r, m);

		if (!fn)
			continue;
		if (!to_ours)
			fn = ops_member(&khx_stock_ops, m);
		/* khx_stock_ops, and what was replaced before, come first */
		smp_store_release(&((void **)ops)[m], fn);
	}
}

int khx_attach(void)
{
	unsigned int i;
	int err;

	err = attach_get_kvm_hv();
	if (err)
		return err;

	err = attach_check_ops();
	if (err)
		goto put;

	khx_stock_ops = *ops;
	hpt_guests = (khx_param.dirty_log || khx_param.notifiers) && khx_hpt_guests_possible();

	err = khx_hooks_init();
	if (err)
		goto put;

	for (i = 0; i < ARRAY_SIZE(replacements); i++)
		attach_set_ops(i, true);
	return 0;

put:
	module_put(ops->owner);
	return err;
}

void khx_detach(void)
{
	unsigned int i = ARRAY_SIZE(replacements);

	while (i--)
		attach_set_ops(i, false);

	synchronize_rcu_tasks();
	synchronize_srcu(&attach_srcu);
	khx_hooks_remove();
	synchronize_rcu_tasks();

	module_put(ops->owner);
}
