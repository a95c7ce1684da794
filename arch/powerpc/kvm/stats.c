// SPDX-License-Identifier: GPL-2.0
/*
 * Counters of a VM, and the files in which debugfs shows them. The files hold a
 * reference on the module while they are open, and debugfs waits for readers
 * before it removes them.
 */
#include <linux/debugfs.h>
#include <linux/kvm_host.h>
#include <linux/seq_file.h>
#include <linux/slab.h>
#include <linux/timekeeping.h>

#include "areas.h"
#include "compat.h"
#include "kunit.h"
#include "params.h"
#include "stats.h"
#include "vm.h"

#define CREATE_TRACE_POINTS
#include "trace.h"

void khx_stats_init(struct khx_stats *stats)
{
	xa_init_flags(&stats->log.slots, XA_FLAGS_ACCOUNT);
	stats->since = ktime_get_real_seconds();
}

void khx_stats_destroy(struct khx_stats *stats)
{
	struct khx_slot_stats *slot;
	unsigned long id;

	xa_for_each(&stats->log.slots, id, slot)
		kfree(slot);
	xa_destroy(&stats->log.slots);
}

/* NULL without memory: the memslot is not counted then. */
static struct khx_slot_stats *stats_of_slot(struct khx_log_stats *log, int id)
{
	struct khx_slot_stats *slot = xa_load(&log->slots, id);

	if (slot)
		return slot;
	slot = kzalloc(sizeof(*slot), GFP_KERNEL_ACCOUNT);
	if (slot && xa_insert(&log->slots, id, slot, GFP_KERNEL_ACCOUNT)) {
		kfree(slot);
		slot = NULL;
	}
	return slot;
}

static void stats_add(struct khx_slot_stats *to, const struct khx_log_stats *log, bool clear)
{
	to->collections += !clear;
	to->clears += clear;
	to->cleaned += log->cleaned;
	to->requests += log->requests;
}

void khx_stats_collected(struct khx_vm *vm, const struct kvm_memory_slot *slot, bool clear,
			 u64 ns)
{
	struct khx_log_stats *log = &vm->stats.log;
	struct khx_slot_stats *of_slot = stats_of_slot(log, slot->id);

	lockdep_assert_held(&vm->kvm->slots_lock);

	stats_add(&log->total, log, clear);
	if (of_slot)
		stats_add(of_slot, log, clear);
	khx_hist_add(&log->ns, ns);
	khx_hist_add(&log->batch, log->requests);
}

void khx_stats_failed(struct khx_vm *vm, struct kvm_vcpu *vcpu, u64 gpa, u64 hva, bool write,
		      int err)
{
	struct khx_vcpu *ext = khx_vcpu_find(vm, vcpu);

	if (ext)
		ext->fault_failed++;
	trace_khx_fault_failed(vcpu, gpa, hva, write, err);
}

/* Writers hold locks that readers do not take. */
#define stats_read(_counter)	data_race(_counter)

static void stats_line(struct seq_file *m, const char *name, u64 value)
{
	seq_printf(m, "%s %llu\n", name, (unsigned long long)value);
}

/* TLB invalidations that were ever issued for the VM and its nested guests. */
static u64 stats_requests(const struct khx_vm *vm)
{
	u64 sum = atomic_long_read(&vm->flusher.lpid_requests);
	unsigned int i;

	sum += stats_read(vm->radix.flush.issued) + stats_read(vm->radix.notifier_flush.issued);
	for (i = 0; i < KHX_NESTED_FLUSHES; i++)
		sum += stats_read(vm->nested.flush[i].issued);
	return sum + stats_read(vm->stats.mmu.hpt_requests);
}

/* Sums over the vCPUs. */
struct vcpu_sums {
	u64 vcpus, areas, fault_hpt, fault_failed;
};

static void stats_sum_vcpus(struct khx_vm *vm, struct vcpu_sums *sums)
{
	struct kvm_vcpu *vcpu;
	unsigned long i;
	enum khx_area a;

	kvm_for_each_vcpu(i, vcpu, vm->kvm) {
		const struct khx_vcpu *ext = khx_vcpu_find(vm, vcpu);

		sums->vcpus++;
		if (!ext)
			continue;
		sums->fault_hpt += stats_read(ext->fault_hpt);
		sums->fault_failed += stats_read(ext->fault_failed);
		for (a = 0; a < KHX_NR_AREAS; a++)
			sums->areas += !!stats_read(ext->areas.area[a].page);
	}
}

static int counters_show(struct seq_file *m, void *unused)
{
	struct khx_vm *vm = m->private;
	const struct khx_mmu_stats *mmu = &vm->stats.mmu;
	const struct khx_log_stats *log = &vm->stats.log;
	struct vcpu_sums sums = { };

	stats_sum_vcpus(vm, &sums);
	stats_line(m, "log_collections", stats_read(log->total.collections));
	stats_line(m, "log_clears", stats_read(log->total.clears));
	stats_line(m, "log_cleaned", stats_read(log->total.cleaned));
	stats_line(m, "log_requests", stats_read(log->total.requests));
	stats_line(m, "log_switched_on", stats_read(log->switched_on));
	stats_line(m, "log_switched_off", stats_read(log->switched_off));
	stats_line(m, "requests", stats_requests(vm));
	stats_line(m, "requests_refused", atomic_read(&vm->flusher.refusals));
	stats_line(m, "fault_map", stats_read(mmu->fault_map));
	stats_line(m, "fault_gain", stats_read(mmu->fault_gain));
	stats_line(m, "fault_hpt", sums.fault_hpt);
	stats_line(m, "fault_failed", sums.fault_failed);
	stats_line(m, "unmap_calls", stats_read(mmu->unmap_calls));
	stats_line(m, "unmapped", stats_read(mmu->unmapped));
	stats_line(m, "age_calls", stats_read(mmu->age_calls));
	stats_line(m, "aged", stats_read(mmu->aged));
	stats_line(m, "splits", stats_read(mmu->splits));
	stats_line(m, "joins", stats_read(mmu->joins));
	stats_line(m, "nested_inserted", stats_read(mmu->nested_inserted));
	stats_line(m, "nested_evicted", stats_read(mmu->nested_evicted));
	stats_line(m, "nested_set_rc", stats_read(mmu->nested_set_rc));
	stats_line(m, "nested_entries", stats_read(vm->nested.rmap.entries));
	stats_line(m, "nested_tables", stats_read(vm->nested.rmap.tables));
	stats_line(m, "areas", sums.areas);
	stats_line(m, "area_updates", stats_read(mmu->area_updates));
	stats_line(m, "area_failed", stats_read(mmu->area_failed));
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(counters);

static void hist_show(struct seq_file *m, const char *name, const struct khx_hist *h)
{
	unsigned int i;

	for (i = 0; i < KHX_HIST_BUCKETS; i++) {
		unsigned long count = stats_read(h->bucket[i]);

		if (count)
			seq_printf(m, "%s %llu %lu\n", name, i ? 1ULL << (i - 1) : 0ULL, count);
	}
}

static int histograms_show(struct seq_file *m, void *unused)
{
	const struct khx_vm *vm = m->private;

	hist_show(m, "log_ns", &vm->stats.log.ns);
	hist_show(m, "log_hold_ns", &vm->stats.log.hold_ns);
	hist_show(m, "log_requests", &vm->stats.log.batch);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(histograms);

static int slots_show(struct seq_file *m, void *unused)
{
	static const struct khx_slot_stats none;
	struct khx_vm *vm = m->private;
	const struct khx_slot_stats *stats;
	struct kvm_memory_slot *slot;
	struct kvm_memslots *slots;
	int bkt, idx;

	seq_puts(m, "slot gfn npages logged collections clears cleaned requests\n");
	idx = srcu_read_lock(&vm->kvm->srcu);
	/* look the set up once: the macro would at each step, and it may change */
	slots = kvm_memslots(vm->kvm);
	kvm_for_each_memslot(slot, bkt, slots) {
		stats = xa_load(&vm->stats.log.slots, slot->id) ?: &none;
		seq_printf(m, "%d %llx %lu %d %lu %lu %lu %lu\n", slot->id, slot->base_gfn,
			   slot->npages, !!(slot->flags & KVM_MEM_LOG_DIRTY_PAGES),
			   stats_read(stats->collections), stats_read(stats->clears),
			   stats_read(stats->cleaned), stats_read(stats->requests));
	}
	srcu_read_unlock(&vm->kvm->srcu, idx);
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(slots);

static const char *vm_mmu_name(const struct kvm *kvm)
{
	if (kvm->arch.secure_guest)
		return "secure";
	return kvm->arch.radix ? "radix" : "hpt";
}

static int vm_show(struct seq_file *m, void *unused)
{
	struct khx_vm *vm = m->private;
	const struct kvm *kvm = vm->kvm;
	struct vcpu_sums sums = { };

	stats_sum_vcpus(vm, &sums);
	seq_printf(m, "pid %d\n", kvm->userspace_pid);
	stats_line(m, "lpid", kvm->arch.lpid);
	stats_line(m, "since", vm->stats.since);
	seq_printf(m, "mmu %s\n", vm_mmu_name(kvm));
	stats_line(m, "vcpus", sums.vcpus);
	stats_line(m, "page_size", PAGE_SIZE);
	stats_line(m, "areas", khx_param.areas);
	stats_line(m, "dirty_log", khx_param.dirty_log);
	stats_line(m, "notifiers", khx_param.notifiers);
	stats_line(m, "nested", khx_param.nested);
	stats_line(m, "paging", !vm->pins.on);
	stats_line(m, "nested_allowed", kvm->arch.nested_enable);
	stats_line(m, "manual_protect", kvm->manual_dirty_log_protect);
	seq_printf(m, "invalidates_by %s\n",
		   kvm->arch.radix ? vm->flusher.backend->name : "tlbie");
	return 0;
}
DEFINE_SHOW_ATTRIBUTE(vm);

void khx_stats_show(struct khx_vm *vm)
{
	struct dentry *dir = debugfs_create_dir("hv_ext", vm->kvm->debugfs_dentry);

	debugfs_create_file("vm", 0444, dir, vm, &vm_fops);
	debugfs_create_file("counters", 0444, dir, vm, &counters_fops);
	debugfs_create_file("histograms", 0444, dir, vm, &histograms_fops);
	debugfs_create_file("slots", 0444, dir, vm, &slots_fops);
}
