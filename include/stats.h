/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Counters of a VM, and the files in which debugfs shows them: directory hv_ext in
 * KVM's directory of the VM.
 *
 * Each counter is protected by a lock that its writer holds for another reason.
 * Readers take none: a counter may be behind, and two may not fit together.
 */
#ifndef KHX_STATS_H
#define KHX_STATS_H

#include <linux/bitops.h>
#include <linux/kvm_host.h>
#include <linux/minmax.h>
#include <linux/types.h>
#include <linux/xarray.h>
#include <asm/reg.h>
#include <asm/time.h>

struct khx_vm;

/* Nanoseconds since a value of mftb(). */
static inline u64 khx_ns_since(u64 begin)
{
	return tb_to_ns(mftb() - begin);
}

#define KHX_HIST_BUCKETS	40

/**
 * struct khx_hist - a histogram
 * @bucket:	0: number of zeroes; n: of values from 2^(n-1) to 2^n - 1; the last:
 *		of all that are larger
 */
struct khx_hist {
	unsigned long bucket[KHX_HIST_BUCKETS];
};

static inline void khx_hist_add(struct khx_hist *h, u64 value)
{
	h->bucket[min(fls64(value), KHX_HIST_BUCKETS - 1)]++;
}

/**
 * struct khx_slot_stats - what was done to the dirty log of one memslot
 * @collections:	KVM_GET_DIRTY_LOG
 * @clears:		KVM_CLEAR_DIRTY_LOG
 * @cleaned:		pages whose C bit was cleared
 * @requests:		TLB invalidations for that
 *
 * A memslot that is deleted and created again, with the same id, continues.
 */
struct khx_slot_stats {
	unsigned long collections;
	unsigned long clears;
	unsigned long cleaned;
	unsigned long requests;
};

/**
 * struct khx_log_stats - counters of the dirty log; kvm->slots_lock
 * @cleaned:	pages, by the last harvest, peek or clean
 * @requests:	TLB invalidations by it, also of shadow LPIDs
 * @switched_on:	number of times that a log was switched on
 * @switched_off:	the same, off
 * @total:	of all memslots
 * @slots:	struct khx_slot_stats by memslot id
 * @ns:		how long collections and clears took
 * @hold_ns:	how long they held kvm->mmu_lock each time
 * @batch:	TLB invalidations of each of them
 */
struct khx_log_stats {
	unsigned long cleaned;
	unsigned long requests;
	unsigned long switched_on;
	unsigned long switched_off;
	struct khx_slot_stats total;
	struct xarray slots;
	struct khx_hist ns;
	struct khx_hist hold_ns;
	struct khx_hist batch;
};

/**
 * struct khx_mmu_stats - counters of page tables; kvm->mmu_lock
 * @fault_map:		faults that installed a leaf
 * @fault_gain:		faults that added W, R or C to a leaf
 * @unmapped:		pages that the host has taken while they were mapped
 * @unmap_calls:	ranges that it has taken
 * @aged:		pages whose R bit the host has cleared
 * @age_calls:		ranges for which it has asked
 * @splits:		large leaves that were split
 * @joins:		large leaves that smaller ones were joined to
 * @nested_inserted:	shadow PTEs installed
 * @nested_evicted:	of these, zapped because their page had too many
 * @nested_set_rc:	faults of nested guests for R or C alone
 * @area_updates:	areas put in place or removed
 * @area_failed:	of these, the page could not be pinned
 * @hpt_requests:	TLB invalidations of HPTEs
 */
struct khx_mmu_stats {
	unsigned long fault_map;
	unsigned long fault_gain;
	unsigned long unmapped;
	unsigned long unmap_calls;
	unsigned long aged;
	unsigned long age_calls;
	unsigned long splits;
	unsigned long joins;
	unsigned long nested_inserted;
	unsigned long nested_evicted;
	unsigned long nested_set_rc;
	unsigned long area_updates;
	unsigned long area_failed;
	unsigned long hpt_requests;
};

/**
 * struct khx_stats - counters of a VM
 * @log:	of its dirty log
 * @mmu:	of its page tables
 * @since:	when it was created: seconds since 1970
 */
struct khx_stats {
	struct khx_log_stats log;
	struct khx_mmu_stats mmu;
	time64_t since;
};

/**
 * khx_stats_init() - prepare the counters of a VM
 * @stats:	zeroed
 */
void khx_stats_init(struct khx_stats *stats);

/**
 * khx_stats_destroy() - free what @stats has allocated
 * @stats:	of a VM whose files debugfs has removed
 */
void khx_stats_destroy(struct khx_stats *stats);

/**
 * khx_stats_collected() - count a collection, or a clear
 * @vm:		a tracked VM
 * @slot:	the memslot
 * @clear:	it was a clear
 * @ns:		how long it took
 *
 * Context: kvm->slots_lock held, under which the operation set @cleaned and
 * @requests of struct khx_log_stats; may sleep.
 */
void khx_stats_collected(struct khx_vm *vm, const struct kvm_memory_slot *slot, bool clear,
			 u64 ns);

/**
 * khx_stats_failed() - count a page fault that cannot be served
 * @vm:		a tracked VM
 * @vcpu:	the vCPU that faulted
 * @gpa:	guest real address
 * @hva:	host virtual address; 0: in no memslot
 * @write:	the access is a store
 * @err:	the error that KVM_RUN returns, unless a nested guest runs
 *
 * Context: vCPU thread.
 */
void khx_stats_failed(struct khx_vm *vm, struct kvm_vcpu *vcpu, u64 gpa, u64 hva, bool write,
		      int err);

/**
 * khx_stats_show() - create the files of a VM
 * @vm:		a tracked VM; KVM has created its own directory, and will remove it
 *		with what is in it before the VM is destroyed
 *
 * Context: may sleep.
 */
void khx_stats_show(struct khx_vm *vm);

#endif /* KHX_STATS_H */
