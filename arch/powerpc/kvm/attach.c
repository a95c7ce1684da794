// SPDX-License-Identifier: GPL-2.0
/*
 * Taking hold of kvm-hv and giving it back: members of its operations table,
 * the table of redirects, and the life of this module's text.
 *
 * Unloading. rmmod is refused while a VM of ours lives (each holds a module
 * reference). But operations of stock VMs pass through our members too, and
 * the last module_put() is done by our own destroy_vm. So before the text may
 * go: members are restored; whoever had fetched one of ours before that has
 * reached its SRCU section or left it after one synchronize_rcu_tasks(); the
 * sections are waited for by synchronize_srcu(); and the few instructions
 * behind a section by a second synchronize_rcu_tasks(). The redirects'
 * replacements run only inside operations of VMs of ours.
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
#include "hpt_fault.h"
#include "hpt_life.h"
#include "kunit.h"
#include "mmu.h"
#include "nested_mmu.h"
#include "notifiers.h"
#include "params.h"
#include "pin.h"
#include "radix_fault.h"
#include "radix_resize.h"
#include "redirect.h"
#include "stock.h"
#include "vm.h"
#include "wanted.h"

static struct kvmppc_ops *ops;

DEFINE_STATIC_SRCU(attach_srcu);

/* There can be HPT guests on this host, and something of theirs is ours. */
static bool hpt_guests;

static int place_hpt_redirects(void);
static int place_pin_redirects(void);

/*
 * A VM while it is in one of our members; vm is NULL for those of stock. It is let
 * go at the end of its scope, which sparse does not see: to it both functions have
 * to be balanced.
 */
struct held {
	struct kvm_ext_vm *vm;
	int idx;
};

static struct held hold(const struct kvm *kvm)
{
	int idx = srcu_read_lock(&attach_srcu);

	__release(&attach_srcu);
	return (struct held){ .vm = kvm_ext_vm_find(kvm), .idx = idx };
}

static void let_go(struct held *held)
{
	__acquire(&attach_srcu);
	srcu_read_unlock(&attach_srcu, held->idx);
}

static int ext_init_vm(struct kvm *kvm)
{
	struct held held __cleanup(let_go) = hold(kvm);
	struct kvm_ext_vm *vm;
	int err;

	err = kvm_ext_stock.init_vm(kvm);
	if (err)
		return err;

	/* On a host with the hash MMU; elsewhere a VM begins as a radix guest. */
	if (!kvm_is_radix(kvm) && place_hpt_redirects()) {
		pr_warn_once("virtual machines stay on kvm-hv alone: functions that HPT guests need are held, see above\n");
		return 0;
	}

	if (!READ_ONCE(kvm_ext_paging) && place_pin_redirects()) {
		kvm_ext_stock.destroy_vm(kvm);
		return -EBUSY;
	}

	/* Refused only when we are being unloaded: the VM stays on stock. */
	if (!try_module_get(THIS_MODULE))
		return 0;

	vm = kzalloc(sizeof(*vm), GFP_KERNEL_ACCOUNT);
	if (!vm || kvm_ext_vm_init(vm, kvm)) {
		kfree(vm);
		kvm_ext_stock.destroy_vm(kvm);
		module_put(THIS_MODULE);
		return -ENOMEM;
	}
	kvm_ext_vm_publish(vm);
	return 0;
}

static void ext_destroy_vm(struct kvm *kvm)
{
	struct held held __cleanup(let_go) = hold(kvm);
	struct kvm_ext_vm *vm = held.vm;

	if (vm) {
		kvm_ext_pins_stop(vm);
		if (hpt_guests)
			kvm_ext_hpt_drop_prepared(vm);
	}
	kvm_ext_stock.destroy_vm(kvm);

	if (vm) {
		kvm_ext_vm_unpublish(vm);
		kvm_ext_vm_release(vm);
		kfree_rcu(vm, rcu);
		module_put(THIS_MODULE);
	}
}

static int ext_vcpu_create(struct kvm_vcpu *vcpu)
{
	struct held held __cleanup(let_go) = hold(vcpu->kvm);
	int err;

	if (held.vm) {
		err = kvm_ext_vcpu_create(held.vm, vcpu);
		if (err)
			return err;
	}
	err = kvm_ext_stock.vcpu_create(vcpu);
	if (err && held.vm)
		kvm_ext_vcpu_free(held.vm, vcpu);
	return err;
}

static void ext_vcpu_free(struct kvm_vcpu *vcpu)
{
	struct held held __cleanup(let_go) = hold(vcpu->kvm);

	/* Leaves nothing pinned for stock to unpin. */
	if (held.vm)
		kvm_ext_vcpu_free(held.vm, vcpu);
	kvm_ext_stock.vcpu_free(vcpu);
}

static int ext_set_one_reg(struct kvm_vcpu *vcpu, u64 id,
			   union kvmppc_one_reg *val)
{
	struct held held __cleanup(let_go) = hold(vcpu->kvm);

	if (held.vm && (id == KVM_REG_PPC_VPA_ADDR || id == KVM_REG_PPC_VPA_SLB ||
			id == KVM_REG_PPC_VPA_DTL))
		return kvm_ext_set_area_reg(held.vm, vcpu, id, val);
	return kvm_ext_stock.set_one_reg(vcpu, id, val);
}

static bool ext_unmap_gfn_range(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct held held __cleanup(let_go) = hold(kvm);
	bool flush;

	if (held.vm && kvm_ext_notifiers)
		flush = kvm_ext_unmap_gfn_range(held.vm, range);
	else
		flush = kvm_ext_stock.unmap_gfn_range(kvm, range);
	if (held.vm && kvm_ext_areas)
		kvm_ext_areas_invalidate(held.vm, range->start, range->end);
	return flush;
}

static bool ext_age_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct held held __cleanup(let_go) = hold(kvm);

	return held.vm ? kvm_ext_age_gfn(held.vm, range) :
			 kvm_ext_stock.age_gfn(kvm, range);
}

static bool ext_test_age_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct held held __cleanup(let_go) = hold(kvm);

	return held.vm ? kvm_ext_test_age_gfn(held.vm, range) :
			 kvm_ext_stock.test_age_gfn(kvm, range);
}

#if KVM_EXT_HAS_SET_SPTE_GFN
/* The guest gets the new page by its next fault. */
static bool ext_set_spte_gfn(struct kvm *kvm, struct kvm_gfn_range *range)
{
	struct held held __cleanup(let_go) = hold(kvm);

	return held.vm ? kvm_ext_unmap_gfn_range(held.vm, range) :
			 kvm_ext_stock.set_spte_gfn(kvm, range);
}
#endif

/* Before a memslot is moved or deleted; it is marked invalid already. */
static void ext_flush_memslot(struct kvm *kvm, struct kvm_memory_slot *slot)
{
	struct held held __cleanup(let_go) = hold(kvm);

	if (held.vm && kvm_ext_notifiers)
		kvm_ext_flush_memslot(held.vm, slot);
	else
		kvm_ext_stock.flush_memslot(kvm, slot);
	if (held.vm && kvm->arch.nested_enable)
		kvm_ext_rmap_slot_gone(held.vm, slot);
	if (held.vm && kvm_ext_areas)
		kvm_ext_areas_invalidate(held.vm, slot->base_gfn,
					 slot->base_gfn + slot->npages);
}

/*
 * After any change of a memslot: areas may have memory now that had none. Stock
 * flushes a memslot whose logging was switched.
 */
static void ext_commit_memory_region(struct kvm *kvm,
				     struct kvm_memory_slot *old,
				     const struct kvm_memory_slot *new,
				     enum kvm_mr_change change)
{
	struct held held __cleanup(let_go) = hold(kvm);

	kvm_ext_stock.commit_memory_region(kvm, old, new, change);
	if (held.vm && kvm_ext_areas &&
	    (change == KVM_MR_CREATE || change == KVM_MR_MOVE))
		kvm_ext_areas_invalidate(held.vm, new->base_gfn,
					 new->base_gfn + new->npages);

	/* What the memslot has is freed after this, and hypercalls may still use it. */
	if (KVM_EXT_HPT_HCALLS_WITHOUT_SRCU && held.vm && !kvm_is_radix(kvm) &&
	    change != KVM_MR_CREATE)
		synchronize_rcu_tasks();
}

static int ext_get_dirty_log(struct kvm *kvm, struct kvm_dirty_log *log)
{
	struct held held __cleanup(let_go) = hold(kvm);

	return held.vm ? kvm_ext_get_dirty_log(held.vm, log) :
			 kvm_ext_stock.get_dirty_log(kvm, log);
}

static int clear_dirty_log(struct kvm_ext_vm *vm, void __user *arg)
{
	struct kvm_clear_dirty_log log;

	if (copy_from_user(&log, arg, sizeof(log)))
		return -EFAULT;
	return kvm_ext_clear_dirty_log(vm, &log);
}

/* long or int */
#define VM_IOCTL_RET	typeof(kvm_ext_stock.arch_vm_ioctl(NULL, 0, 0))

/* The guest gets a new HPT, or an empty one. */
static VM_IOCTL_RET allocate_htab(struct kvm_ext_vm *vm, struct file *filp,
				  unsigned long arg)
{
	VM_IOCTL_RET ret;
	u32 order;

	if (get_user(order, (u32 __user *)arg))
		return -EFAULT;
	/* kvm-hv clears an HPT of this order first, and order 0 is that of none */
	if (order < PPC_MIN_HPT_ORDER || order > PPC_MAX_HPT_ORDER)
		return -EINVAL;
	ret = kvm_ext_hpt_stop(vm);
	if (ret)
		return ret;
	ret = kvm_ext_stock.arch_vm_ioctl(filp, KVM_PPC_ALLOCATE_HTAB, arg);
	kvm_ext_hpt_start(vm, false);
	return ret;
}

/* And KVM_CLEAR_DIRTY_LOG, which stock does not know. */
static VM_IOCTL_RET ext_arch_vm_ioctl(struct file *filp, unsigned int ioctl,
				      unsigned long arg)
{
	struct kvm *kvm = filp->private_data;
	struct held held __cleanup(let_go) = hold(kvm);

	if (held.vm && kvm_ext_dirty_log && ioctl == KVM_CLEAR_DIRTY_LOG)
		return clear_dirty_log(held.vm, (void __user *)arg);
	if (held.vm && hpt_guests && ioctl == KVM_PPC_ALLOCATE_HTAB)
		return place_hpt_redirects() ?: allocate_htab(held.vm, filp, arg);
	return kvm_ext_stock.arch_vm_ioctl(filp, ioctl, arg);
}

/* An HPT guest becomes a radix guest; the other way is kvm_ext_free_radix(). */
static int ext_configure_mmu(struct kvm *kvm, struct kvm_ppc_mmuv3_cfg *cfg)
{
	struct held held __cleanup(let_go) = hold(kvm);
	int err;

	if (held.vm && !(cfg->flags & KVM_PPC_MMUV3_RADIX)) {
		err = place_hpt_redirects();
		if (err)
			return err;
	}
	if (!held.vm || !hpt_guests || !(cfg->flags & KVM_PPC_MMUV3_RADIX) ||
	    kvm_is_radix(kvm))
		return kvm_ext_stock.configure_mmu(kvm, cfg);

	err = kvm_ext_hpt_stop(held.vm);
	if (err)
		return err;
	kvm_ext_hpt_drop_prepared(held.vm);
	err = kvm_ext_stock.configure_mmu(kvm, cfg);
	kvm_ext_hpt_start(held.vm, err == -EINVAL || err == -ENODEV);
	return err;
}

/* The guest may have nested guests from now on. NULL asks if any guest may. */
static int ext_enable_nested(struct kvm *kvm)
{
	struct held held __cleanup(let_go) = hold(kvm);
	pgd_t *root;

	if (held.vm && !READ_ONCE(held.vm->spare_root)) {
		root = kvzalloc(KVM_EXT_ROOT_SIZE, GFP_KERNEL_ACCOUNT);
		if (!root)
			return -ENOMEM;
		if (cmpxchg(&held.vm->spare_root, NULL, root))
			kvfree(root);
	}
	return kvm_ext_stock.enable_nested(kvm);
}

/*
 * What is replaced: the members that are set, if the facet is on. init_vm is
 * last: before it is ours no VM is, so the others are in place when the first
 * VM of ours needs them; and it is the first to be restored.
 */
static const struct {
	const bool *facet;	/* NULL: always */
	struct kvmppc_ops ops;
} replacements[] = {
	{ .ops.destroy_vm = ext_destroy_vm },
	{
		.facet = &kvm_ext_areas,
		.ops.vcpu_create = ext_vcpu_create,
		.ops.vcpu_free = ext_vcpu_free,
		.ops.set_one_reg = ext_set_one_reg,
		.ops.unmap_gfn_range = ext_unmap_gfn_range,
		.ops.flush_memslot = ext_flush_memslot,
		.ops.commit_memory_region = ext_commit_memory_region,
	},
	{
		.facet = &kvm_ext_notifiers,
		.ops = {
			.commit_memory_region = ext_commit_memory_region,
			.flush_memslot = ext_flush_memslot,
			.unmap_gfn_range = ext_unmap_gfn_range,
			.age_gfn = ext_age_gfn,
			.test_age_gfn = ext_test_age_gfn,
#if KVM_EXT_HAS_SET_SPTE_GFN
			.set_spte_gfn = ext_set_spte_gfn,
#endif
		},
	},
	{
		.facet = &kvm_ext_dirty_log,
		.ops.get_dirty_log = ext_get_dirty_log,
		.ops.arch_vm_ioctl = ext_arch_vm_ioctl,
	},
	{
		.facet = &hpt_guests,
		.ops.arch_vm_ioctl = ext_arch_vm_ioctl,
		.ops.configure_mmu = ext_configure_mmu,
	},
	{
		.facet = &kvm_ext_nested,
		.ops.enable_nested = ext_enable_nested,
		.ops.flush_memslot = ext_flush_memslot,
	},
	{ .ops.init_vm = ext_init_vm },
};

/*
 * struct kvmppc_ops as an array of pointers: all members but the first, owner,
 * are pointers to functions.
 */
#define NR_MEMBERS	(sizeof(struct kvmppc_ops) / sizeof(void *))

static void *member(const struct kvmppc_ops *table, unsigned int m)
{
	return ((void **)table)[m];
}

static void *our_member(unsigned int r, unsigned int m)
{
	if (replacements[r].facet && !*replacements[r].facet)
		return NULL;
	return member(&replacements[r].ops, m);
}

/*
 * A function that is redirected only to see that redirection works at all on
 * this kernel: ftrace may have been killed by an earlier fault, and then it
 * registers everything and calls nothing. And that callers are recognized.
 */
static bool self_test_result;

noinline bool kvm_ext_self_test(void)
{
	return READ_ONCE(self_test_result);
}

bool kvm_ext_self_test_redirected(void)
{
	return true;
}

static bool notrace self_test_wanted(const struct pt_regs *regs)
{
	return kvm_ext_called_by_us(regs);
}

static struct kvm_ext_redirect redirected[] = {
	[KVM_EXT_SELF_TEST] = {
		.name = "kvm_ext_self_test",
		.stub = kvm_ext_stub_self_test,
		.wanted = self_test_wanted,
	},
	[KVM_EXT_FREE_RADIX] = {
		.name = "kvmppc_free_radix",
		.stub = kvm_ext_stub_free_radix,
		.wanted = kvm_ext_redirect_kvm,
	},
	[KVM_EXT_UPDATE_VPA] = {
		.name = "kvmppc_update_vpa",
		.stub = kvm_ext_stub_update_vpa,
		.wanted = kvm_ext_redirect_vcpu,
		.facet = &kvm_ext_areas,
	},
	[KVM_EXT_INSTANTIATE_PAGE] = {
		.name = "kvmppc_book3s_instantiate_page",
		.stub = kvm_ext_stub_instantiate_page,
		.wanted = kvm_ext_redirect_vcpu,
	},
	[KVM_EXT_CREATE_PTE] = {
		.name = "kvmppc_create_pte",
		.stub = kvm_ext_stub_create_pte,
		.wanted = kvm_ext_redirect_kvm,
	},
	/* when the log of a memslot is switched */
	[KVM_EXT_FLUSH_MEMSLOT] = {
		.name = "kvmppc_radix_flush_memslot",
		.stub = kvm_ext_stub_flush_memslot,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_notifiers,
	},
	[KVM_EXT_CHECK_EXTENSION] = {
		.name = "kvm_vm_ioctl_check_extension",
		.stub = kvm_ext_stub_check_manual,
		.wanted = kvm_ext_redirect_check_manual,
		.facet = &kvm_ext_dirty_log,
	},
	[KVM_EXT_ENABLE_CAP] = {
		.name = "kvm_vm_ioctl_enable_cap",
		.stub = kvm_ext_stub_enable_manual,
		.wanted = kvm_ext_redirect_enable_manual,
		.facet = &kvm_ext_dirty_log,
	},
	[KVM_EXT_GET_NESTED] = {
		.name = "kvmhv_get_nested",
		.stub = kvm_ext_stub_get_nested,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_nested,
	},
	/* only called, where the reverse map is kvm-hv's */
	[KVM_EXT_INSERT_RMAP] = {
		.name = "kvmhv_insert_nest_rmap",
	},
	[KVM_EXT_REMOVE_RMAP] = {
		.name = "kvmhv_remove_nest_rmap_range",
		.stub = kvm_ext_stub_remove_nest_rmap,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_nested,
	},
	[KVM_EXT_UPDATE_RMAP_RC] = {
		.name = "kvmhv_update_nest_rmap_rc_list",
		.stub = kvm_ext_stub_update_nest_rmap_rc,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_nested,
	},
	/* kvmppc_hv_handle_set_rc() itself is called for each R and C of any radix guest */
	[KVM_EXT_FIND_NESTED_PTE] = {
		.name = "find_kvm_nested_guest_pte",
		.caller = "kvmppc_hv_handle_set_rc",
		.stub = kvm_ext_stub_find_nested_pte,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_nested,
	},
	[KVM_EXT_UNMAP_PTE] = {
		.name = "kvmppc_unmap_pte",
		.stub = kvm_ext_stub_unmap_pte,
		.wanted = kvm_ext_redirect_unmap_pte,
	},
	[KVM_EXT_FREE_PGTABLE] = {
		.name = "kvmppc_free_pgtable_radix",
		.stub = kvm_ext_stub_free_shadow_table,
		.wanted = kvm_ext_redirect_shadow_table,
	},
	[KVM_EXT_RELEASE_NESTED] = {
		.name = "kvmhv_release_all_nested",
		.stub = kvm_ext_stub_release_all_nested,
		.wanted = kvm_ext_redirect_kvm,
		.facet = &kvm_ext_nested,
	},
	[KVM_EXT_NESTED_TLBIE] = {
		.name = "kvmhv_do_nested_tlbie",
		.stub = kvm_ext_stub_nested_tlbie_all,
		.wanted = kvm_ext_redirect_tlbie_all,
		.facet = &kvm_ext_nested,
	},
	[KVM_EXT_RPT_INVALIDATE] = {
		.name = "do_h_rpt_invalidate_pat",
		.stub = kvm_ext_stub_rpt_invalidate,
		.wanted = kvm_ext_redirect_rpt_to_the_end,
		.facet = &kvm_ext_nested,
	},

	/*
	 * What only HPT guests need. On bare metal radix guests call some of these at
	 * each page fault, so they are placed when the first HPT guest of ours appears.
	 */
	[KVM_EXT_H_ENTER] = {
		.name = "kvmppc_do_h_enter",
		.stub = kvm_ext_stub_h_enter,
		.wanted = kvm_ext_redirect_kvm,
	},
	[KVM_EXT_HPT_FAULT] = {
		.name = "kvmppc_book3s_hv_page_fault",
		.stub = kvm_ext_stub_hpt_page_fault,
		.wanted = kvm_ext_redirect_hpt_vcpu,
		.facet = &kvm_ext_notifiers,
	},
	[KVM_EXT_SETUP_MMU] = {
		.name = "kvmhv_setup_mmu",
		.stub = kvm_ext_stub_setup_mmu,
		.wanted = kvm_ext_redirect_vcpu,
	},
	[KVM_EXT_FREE_HPT] = {
		.name = "kvmppc_free_hpt",
		.stub = kvm_ext_stub_free_hpt,
		.wanted = kvm_ext_redirect_hpt,
	},
	[KVM_EXT_HTAB_READ] = {
		.name = "kvm_htab_read",
		.stub = kvm_ext_stub_htab_read,
		.wanted = kvm_ext_redirect_htab_file,
	},
	[KVM_EXT_HTAB_WRITE] = {
		.name = "kvm_htab_write",
		.stub = kvm_ext_stub_htab_write,
		.wanted = kvm_ext_redirect_htab_file,
	},
	[KVM_EXT_RESIZE_PREPARE] = {
		.name = "kvm_vm_ioctl_resize_hpt_prepare",
		.stub = kvm_ext_stub_resize_prepare,
		.wanted = kvm_ext_redirect_kvm,
	},
	[KVM_EXT_RESIZE_COMMIT] = {
		.name = "kvm_vm_ioctl_resize_hpt_commit",
		.stub = kvm_ext_stub_resize_commit,
		.wanted = kvm_ext_redirect_kvm,
	},

	/* What only VMs with paging=0 need: placed with the first of them. */
	[KVM_EXT_VCPU_RUN] = {
		.name = "kvmppc_vcpu_run_hv",
		.stub = kvm_ext_stub_vcpu_run,
		.wanted = kvm_ext_redirect_pinned_vcpu,
	},
};

static struct kvm_ext_redirects redirects = {
	.row = redirected,
	.nr = KVM_EXT_FIRST_HPT,
};

/**
 * struct late - redirects that not every host needs
 * @t:		the table; it stays until the module goes
 * @placed:	it is there; late_lock
 */
struct late {
	struct kvm_ext_redirects t;
	bool placed;
};

static DEFINE_MUTEX(late_lock);

static struct late hpt_redirects = {
	.t.row = &redirected[KVM_EXT_FIRST_HPT],
	.t.nr = KVM_EXT_FIRST_PIN - KVM_EXT_FIRST_HPT,
};

static struct late pin_redirects = {
	.t.row = &redirected[KVM_EXT_FIRST_PIN],
	.t.nr = ARRAY_SIZE(redirected) - KVM_EXT_FIRST_PIN,
};

static int place(struct late *late)
{
	int err = 0;

	mutex_lock(&late_lock);
	if (!late->placed) {
		err = kvm_ext_redirect_register(&late->t);
		late->placed = !err;
	}
	mutex_unlock(&late_lock);
	return err;
}

/* A VM of ours is about to have an HPT. */
static int place_hpt_redirects(void)
{
	return hpt_guests ? place(&hpt_redirects) : 0;
}

/* A VM's pages are to be pinned. */
static int place_pin_redirects(void)
{
	return place(&pin_redirects);
}

static void take_back(struct late *late)
{
	if (late->placed)
		kvm_ext_redirect_unregister(&late->t);
	late->placed = false;
}

/* Take a reference on kvm-hv and find its table; both or neither. */
static int get_stock(void)
{
	int err = -ENODEV;

	/* kvm-hv clears the pointer, and after a grace period its text goes. */
	rcu_read_lock();
	ops = READ_ONCE(kvmppc_hv_ops);
	if (ops && try_module_get(ops->owner))
		err = 0;
	rcu_read_unlock();

	if (err)
		pr_err("kvm-hv is not loaded, or this machine cannot run HV guests: try 'modprobe kvm-hv' first\n");
	return err;
}

static int check_members(void)
{
	unsigned int r, m;

	if (!ops->owner)	/* built in: nothing to compare with */
		return 0;

	for (r = 0; r < ARRAY_SIZE(replacements); r++) {
		for (m = 0; m < NR_MEMBERS; m++) {
			void *fn = member(ops, m);

			if (our_member(r, m) &&
			    !within_module((unsigned long)fn, ops->owner)) {
				pr_err("cannot replace an operation of kvm-hv: another module has done so already, with %ps\n",
				       fn);
				return -EBUSY;
			}
		}
	}
	return 0;
}

/* Put our members, or the saved ones of stock, into kvm-hv's table. */
static void set_members(unsigned int r, bool to_ours)
{
	unsigned int m;

	for (m = 0; m < NR_MEMBERS; m++) {
		void *fn = our_member(r, m);

		if (!fn)
			continue;
		if (!to_ours)
			fn = member(&kvm_ext_stock, m);
		/* kvm_ext_stock, and what was replaced before, come first */
		smp_store_release(&((void **)ops)[m], fn);
	}
}

int kvm_ext_attach(void)
{
	unsigned int i;
	int err;

	err = get_stock();
	if (err)
		return err;

	err = check_members();
	if (err)
		goto put;

	kvm_ext_stock_init(ops, redirected);
	hpt_guests = (kvm_ext_dirty_log || kvm_ext_notifiers) && kvm_ext_has_hpt_guests();

	err = kvm_ext_redirect_register(&redirects);
	if (err)
		goto put;

	if (!kvm_ext_self_test()) {
		pr_err("a redirected function was not redirected: has ftrace been disabled by a fault? see earlier messages\n");
		err = -EIO;
		goto unregister;
	}

	for (i = 0; i < ARRAY_SIZE(replacements); i++)
		set_members(i, true);
	return 0;

unregister:
	kvm_ext_redirect_unregister(&redirects);
put:
	module_put(ops->owner);
	return err;
}

void kvm_ext_detach(void)
{
	unsigned int i = ARRAY_SIZE(replacements);

	while (i--)
		set_members(i, false);

	synchronize_rcu_tasks();
	synchronize_srcu(&attach_srcu);
	take_back(&pin_redirects);
	take_back(&hpt_redirects);
	kvm_ext_redirect_unregister(&redirects);
	synchronize_rcu_tasks();

	module_put(ops->owner);
}
