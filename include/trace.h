/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints. kvm-hv-ext(4) describes their fields, which keep their names and
 * their meaning.
 *
 * Each event names the VM by the process that created it and by its LPID; the
 * file hv_ext/vm in KVM's debugfs directory of the VM has both. Addresses are
 * guest real addresses; gfns are in pages of the host.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_hv_ext

#if !defined(KHX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KHX_TRACE_H

#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/tracepoint.h>

#include "areas.h"
#include "vm.h"

#ifndef KHX_TRACE_NAMES
#define KHX_TRACE_NAMES

/* Kinds of page faults that the module serves. */
enum khx_fault_kind {
	KHX_FAULT_MAP,	/* a leaf was installed */
	KHX_FAULT_GAIN,	/* a leaf existed, and gained W, R or C */
	KHX_FAULT_HPT,	/* of an HPT guest */
	KHX_NR_FAULT_KINDS,
};

#endif /* KHX_TRACE_NAMES */

TRACE_DEFINE_ENUM(KHX_FAULT_MAP);
TRACE_DEFINE_ENUM(KHX_FAULT_GAIN);
TRACE_DEFINE_ENUM(KHX_FAULT_HPT);
TRACE_DEFINE_ENUM(KHX_VPA);
TRACE_DEFINE_ENUM(KHX_DTL);
TRACE_DEFINE_ENUM(KHX_SLB);
TRACE_DEFINE_ENUM(KHX_AREA_KEEP);
TRACE_DEFINE_ENUM(KHX_AREA_NEW);
TRACE_DEFINE_ENUM(KHX_AREA_RESTORED);

#define khx_show_fault(kind)	__print_symbolic(kind,	\
	{ KHX_FAULT_MAP, "map" }, { KHX_FAULT_GAIN, "gain" }, { KHX_FAULT_HPT, "hpt" })
#define khx_show_area(area)	__print_symbolic(area,	\
	{ KHX_VPA, "vpa" }, { KHX_DTL, "dtl" }, { KHX_SLB, "slb" })
#define khx_show_update(update)	__print_symbolic(update,	\
	{ KHX_AREA_KEEP, "continued" }, { KHX_AREA_NEW, "new" },	\
	{ KHX_AREA_RESTORED, "restored" })

DECLARE_EVENT_CLASS(khx_log,
		    TP_PROTO(const struct kvm *kvm, const struct kvm_memory_slot *slot,
			     unsigned long first, unsigned long npages),
		    TP_ARGS(kvm, slot, first, npages),
		    TP_STRUCT__entry(__field(pid_t, pid)
				     __field(u64, lpid)
				     __field(int, slot)
				     __field(u64, first)
				     __field(u64, npages)),
		    TP_fast_assign(__entry->pid = kvm->userspace_pid;
				   __entry->lpid = kvm->arch.lpid;
				   __entry->slot = slot->id;
				   __entry->first = first;
				   __entry->npages = npages;),
		    TP_printk("pid=%d lpid=%llu slot=%d first=%llu npages=%llu",
			      __entry->pid, __entry->lpid, __entry->slot, __entry->first,
			      __entry->npages)
);

/* KVM_GET_DIRTY_LOG begins, with its locks taken. */
DEFINE_EVENT(khx_log, khx_dirty_log_get_begin,
	     TP_PROTO(const struct kvm *kvm, const struct kvm_memory_slot *slot,
		      unsigned long first, unsigned long npages),
	     TP_ARGS(kvm, slot, first, npages)
);

/* KVM_CLEAR_DIRTY_LOG begins, with its locks taken. */
DEFINE_EVENT(khx_log, khx_dirty_log_clear_begin,
	     TP_PROTO(const struct kvm *kvm, const struct kvm_memory_slot *slot,
		      unsigned long first, unsigned long npages),
	     TP_ARGS(kvm, slot, first, npages)
);

/* KVM_GET_DIRTY_LOG has ended. */
TRACE_EVENT(khx_dirty_log_get,
	    TP_PROTO(const struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const unsigned long *map, u64 ns, int err),
	    TP_ARGS(vm, slot, map, ns, err),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, slot)
			     __field(u64, npages)
			     __field(u64, dirty)
			     __field(u64, cleaned)
			     __field(u64, requests)
			     __field(u64, ns)
			     __field(int, err)),
	    TP_fast_assign(__entry->pid = vm->kvm->userspace_pid;
			   __entry->lpid = vm->kvm->arch.lpid;
			   __entry->slot = slot->id;
			   __entry->npages = slot->npages;
			   __entry->dirty = bitmap_weight(map, slot->npages);
			   __entry->cleaned = vm->stats.log.cleaned;
			   __entry->requests = vm->stats.log.requests;
			   __entry->ns = ns;
			   __entry->err = err;),
	    TP_printk("pid=%d lpid=%llu slot=%d npages=%llu dirty=%llu cleaned=%llu requests=%llu ns=%llu err=%d",
		      __entry->pid, __entry->lpid, __entry->slot, __entry->npages,
		      __entry->dirty, __entry->cleaned, __entry->requests, __entry->ns,
		      __entry->err)
);

/* KVM_CLEAR_DIRTY_LOG has ended. */
TRACE_EVENT(khx_dirty_log_clear,
	    TP_PROTO(const struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const struct kvm_clear_dirty_log *log,
		     const unsigned long *named, u64 ns),
	    TP_ARGS(vm, slot, log, named, ns),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, slot)
			     __field(u64, first)
			     __field(u64, npages)
			     __field(u64, named)
			     __field(u64, cleaned)
			     __field(u64, requests)
			     __field(u64, ns)),
	    TP_fast_assign(__entry->pid = vm->kvm->userspace_pid;
			   __entry->lpid = vm->kvm->arch.lpid;
			   __entry->slot = slot->id;
			   __entry->first = log->first_page;
			   __entry->npages = log->num_pages;
			   __entry->named = bitmap_weight(named + log->first_page / BITS_PER_LONG,
							  log->num_pages);
			   __entry->cleaned = vm->stats.log.cleaned;
			   __entry->requests = vm->stats.log.requests;
			   __entry->ns = ns;),
	    TP_printk("pid=%d lpid=%llu slot=%d first=%llu npages=%llu named=%llu cleaned=%llu requests=%llu ns=%llu",
		      __entry->pid, __entry->lpid, __entry->slot, __entry->first,
		      __entry->npages, __entry->named, __entry->cleaned,
		      __entry->requests, __entry->ns)
);

/* The log of a memslot was switched on or off. */
TRACE_EVENT(khx_log_switch,
	    TP_PROTO(const struct kvm *kvm, const struct kvm_memory_slot *slot, bool on, u64 ns),
	    TP_ARGS(kvm, slot, on, ns),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, slot)
			     __field(u64, gfn)
			     __field(u64, npages)
			     __field(bool, on)
			     __field(u64, ns)),
	    TP_fast_assign(__entry->pid = kvm->userspace_pid;
			   __entry->lpid = kvm->arch.lpid;
			   __entry->slot = slot->id;
			   __entry->gfn = slot->base_gfn;
			   __entry->npages = slot->npages;
			   __entry->on = on;
			   __entry->ns = ns;),
	    TP_printk("pid=%d lpid=%llu slot=%d gfn=%llx npages=%llu on=%d ns=%llu",
		      __entry->pid, __entry->lpid, __entry->slot, __entry->gfn,
		      __entry->npages, __entry->on, __entry->ns)
);

DECLARE_EVENT_CLASS(khx_resize,
		    TP_PROTO(const struct kvm *kvm, u64 gfn, unsigned int shift),
		    TP_ARGS(kvm, gfn, shift),
		    TP_STRUCT__entry(__field(pid_t, pid)
				     __field(u64, lpid)
				     __field(u64, gfn)
				     __field(unsigned int, shift)),
		    TP_fast_assign(__entry->pid = kvm->userspace_pid;
				   __entry->lpid = kvm->arch.lpid;
				   __entry->gfn = gfn;
				   __entry->shift = shift;),
		    TP_printk("pid=%d lpid=%llu gfn=%llx shift=%u",
			      __entry->pid, __entry->lpid, __entry->gfn, __entry->shift)
);

/* A large leaf was replaced by smaller ones, for a log. */
DEFINE_EVENT(khx_resize, khx_split,
	     TP_PROTO(const struct kvm *kvm, u64 gfn, unsigned int shift),
	     TP_ARGS(kvm, gfn, shift)
);

/* Smaller leaves were replaced by a large one, after a log. */
DEFINE_EVENT(khx_resize, khx_join,
	     TP_PROTO(const struct kvm *kvm, u64 gfn, unsigned int shift),
	     TP_ARGS(kvm, gfn, shift)
);

DECLARE_EVENT_CLASS(khx_range,
		    TP_PROTO(const struct kvm *kvm, const struct kvm_gfn_range *range, u64 pages,
			     u64 ns),
		    TP_ARGS(kvm, range, pages, ns),
		    TP_STRUCT__entry(__field(pid_t, pid)
				     __field(u64, lpid)
				     __field(int, slot)
				     __field(u64, gfn)
				     __field(u64, npages)
				     __field(u64, pages)
				     __field(u64, ns)),
		    TP_fast_assign(__entry->pid = kvm->userspace_pid;
				   __entry->lpid = kvm->arch.lpid;
				   __entry->slot = range->slot->id;
				   __entry->gfn = range->start;
				   __entry->npages = range->end - range->start;
				   __entry->pages = pages;
				   __entry->ns = ns;),
		    TP_printk("pid=%d lpid=%llu slot=%d gfn=%llx npages=%llu pages=%llu ns=%llu",
			      __entry->pid, __entry->lpid, __entry->slot, __entry->gfn,
			      __entry->npages, __entry->pages, __entry->ns)
);

/* The host takes memory: @pages of the range were mapped. */
DEFINE_EVENT(khx_range, khx_unmap,
	     TP_PROTO(const struct kvm *kvm, const struct kvm_gfn_range *range, u64 pages, u64 ns),
	     TP_ARGS(kvm, range, pages, ns)
);

/* The host asks for R and clears it: @pages of the range had it. */
DEFINE_EVENT(khx_range, khx_age,
	     TP_PROTO(const struct kvm *kvm, const struct kvm_gfn_range *range, u64 pages, u64 ns),
	     TP_ARGS(kvm, range, pages, ns)
);

/* A page fault was served. @nested: an L2 ran, and the leaf is L1's own. */
TRACE_EVENT(khx_fault,
	    TP_PROTO(const struct kvm_vcpu *vcpu, enum khx_fault_kind kind, u64 gpa,
		     unsigned int shift, bool write),
	    TP_ARGS(vcpu, kind, gpa, shift, write),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, vcpu)
			     __field(int, kind)
			     __field(u64, gpa)
			     __field(unsigned int, shift)
			     __field(bool, write)
			     __field(bool, nested)),
	    TP_fast_assign(__entry->pid = vcpu->kvm->userspace_pid;
			   __entry->lpid = vcpu->kvm->arch.lpid;
			   __entry->vcpu = vcpu->vcpu_id;
			   __entry->kind = kind;
			   __entry->gpa = gpa;
			   __entry->shift = shift;
			   __entry->write = write;
			   __entry->nested = !!vcpu->arch.nested;),
	    TP_printk("pid=%d lpid=%llu vcpu=%d kind=%s gpa=%llx shift=%u write=%d nested=%d",
		      __entry->pid, __entry->lpid, __entry->vcpu,
		      khx_show_fault(__entry->kind), __entry->gpa, __entry->shift,
		      __entry->write, __entry->nested)
);

/* A page fault cannot be served: KVM_RUN fails with err, EFAULT as a rule. */
TRACE_EVENT(khx_fault_failed,
	    TP_PROTO(const struct kvm_vcpu *vcpu, u64 gpa, u64 hva, bool write, int err),
	    TP_ARGS(vcpu, gpa, hva, write, err),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, vcpu)
			     __field(u64, gpa)
			     __field(u64, hva)
			     __field(bool, write)
			     __field(bool, nested)
			     __field(int, err)),
	    TP_fast_assign(__entry->pid = vcpu->kvm->userspace_pid;
			   __entry->lpid = vcpu->kvm->arch.lpid;
			   __entry->vcpu = vcpu->vcpu_id;
			   __entry->gpa = gpa;
			   __entry->hva = hva;
			   __entry->write = write;
			   __entry->nested = !!vcpu->arch.nested;
			   __entry->err = err;),
	    TP_printk("pid=%d lpid=%llu vcpu=%d gpa=%llx hva=%llx write=%d nested=%d err=%d",
		      __entry->pid, __entry->lpid, __entry->vcpu, __entry->gpa,
		      __entry->hva, __entry->write, __entry->nested, __entry->err)
);

DECLARE_EVENT_CLASS(khx_shadow,
		    TP_PROTO(const struct kvm *kvm, u64 l2_lpid, u64 l2_gpa, u64 gfn,
			     unsigned int shift),
		    TP_ARGS(kvm, l2_lpid, l2_gpa, gfn, shift),
		    TP_STRUCT__entry(__field(pid_t, pid)
				     __field(u64, lpid)
				     __field(u64, l2_lpid)
				     __field(u64, l2_gpa)
				     __field(u64, gfn)
				     __field(unsigned int, shift)),
		    TP_fast_assign(__entry->pid = kvm->userspace_pid;
				   __entry->lpid = kvm->arch.lpid;
				   __entry->l2_lpid = l2_lpid;
				   __entry->l2_gpa = l2_gpa;
				   __entry->gfn = gfn;
				   __entry->shift = shift;),
		    TP_printk("pid=%d lpid=%llu l2_lpid=%llu l2_gpa=%llx gfn=%llx shift=%u",
			      __entry->pid, __entry->lpid, __entry->l2_lpid, __entry->l2_gpa,
			      __entry->gfn, __entry->shift)
);

/* A shadow PTE was installed, and entered in the reverse map. */
DEFINE_EVENT(khx_shadow, khx_nested_insert,
	     TP_PROTO(const struct kvm *kvm, u64 l2_lpid, u64 l2_gpa, u64 gfn, unsigned int shift),
	     TP_ARGS(kvm, l2_lpid, l2_gpa, gfn, shift)
);

/* A shadow PTE was zapped: its page has too many. */
DEFINE_EVENT(khx_shadow, khx_nested_evict,
	     TP_PROTO(const struct kvm *kvm, u64 l2_lpid, u64 l2_gpa, u64 gfn, unsigned int shift),
	     TP_ARGS(kvm, l2_lpid, l2_gpa, gfn, shift)
);

/* A shadow table was emptied: L1 ended or invalidated the L2, or uses too many. */
TRACE_EVENT(khx_nested_free,
	    TP_PROTO(const struct kvm *kvm, u64 l2_lpid, u64 tables),
	    TP_ARGS(kvm, l2_lpid, tables),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(u64, l2_lpid)
			     __field(u64, tables)),
	    TP_fast_assign(__entry->pid = kvm->userspace_pid;
			   __entry->lpid = kvm->arch.lpid;
			   __entry->l2_lpid = l2_lpid;
			   __entry->tables = tables;),
	    TP_printk("pid=%d lpid=%llu l2_lpid=%llu tables=%llu",
		      __entry->pid, __entry->lpid, __entry->l2_lpid, __entry->tables)
);

/*
 * R, or R and C, are about to be set in a shadow PTE after a fault of an L2.
 * @found: they may be; else the shadow PTE is zapped.
 */
TRACE_EVENT(khx_nested_set_rc,
	    TP_PROTO(const struct kvm *kvm, u64 l2_lpid, u64 l2_gpa, bool write, bool found),
	    TP_ARGS(kvm, l2_lpid, l2_gpa, write, found),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(u64, l2_lpid)
			     __field(u64, l2_gpa)
			     __field(bool, write)
			     __field(bool, found)),
	    TP_fast_assign(__entry->pid = kvm->userspace_pid;
			   __entry->lpid = kvm->arch.lpid;
			   __entry->l2_lpid = l2_lpid;
			   __entry->l2_gpa = l2_gpa;
			   __entry->write = write;
			   __entry->found = found;),
	    TP_printk("pid=%d lpid=%llu l2_lpid=%llu l2_gpa=%llx write=%d found=%d",
		      __entry->pid, __entry->lpid, __entry->l2_lpid, __entry->l2_gpa,
		      __entry->write, __entry->found)
);

/* An area was put in place: at gpa 0, it was unregistered. */
TRACE_EVENT(khx_area_update,
	    TP_PROTO(const struct kvm_vcpu *vcpu, enum khx_area area, u64 gpa, u64 len,
		     enum khx_area_update update, bool pinned),
	    TP_ARGS(vcpu, area, gpa, len, update, pinned),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, vcpu)
			     __field(int, area)
			     __field(u64, gpa)
			     __field(u64, len)
			     __field(int, update)
			     __field(bool, pinned)),
	    TP_fast_assign(__entry->pid = vcpu->kvm->userspace_pid;
			   __entry->lpid = vcpu->kvm->arch.lpid;
			   __entry->vcpu = vcpu->vcpu_id;
			   __entry->area = area;
			   __entry->gpa = gpa;
			   __entry->len = len;
			   __entry->update = update;
			   __entry->pinned = pinned;),
	    TP_printk("pid=%d lpid=%llu vcpu=%d area=%s gpa=%llx len=%llu update=%s pinned=%d",
		      __entry->pid, __entry->lpid, __entry->vcpu,
		      khx_show_area(__entry->area), __entry->gpa, __entry->len,
		      khx_show_update(__entry->update), __entry->pinned)
);

/* An area leaves a page that the host has written: the page is accumulated. */
TRACE_EVENT(khx_area_handover,
	    TP_PROTO(const struct kvm_vcpu *vcpu, enum khx_area area, u64 gpa),
	    TP_ARGS(vcpu, area, gpa),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(int, vcpu)
			     __field(int, area)
			     __field(u64, gpa)),
	    TP_fast_assign(__entry->pid = vcpu->kvm->userspace_pid;
			   __entry->lpid = vcpu->kvm->arch.lpid;
			   __entry->vcpu = vcpu->vcpu_id;
			   __entry->area = area;
			   __entry->gpa = gpa;),
	    TP_printk("pid=%d lpid=%llu vcpu=%d area=%s gpa=%llx",
		      __entry->pid, __entry->lpid, __entry->vcpu,
		      khx_show_area(__entry->area), __entry->gpa)
);

/*
 * The hypervisor has refused an invalidation. @whole: of a whole LPID, so that
 * all CPUs leave their guests instead. @lpid may be that of an L2.
 */
TRACE_EVENT(khx_flush_refused,
	    TP_PROTO(pid_t pid, u64 lpid, bool whole, long rc),
	    TP_ARGS(pid, lpid, whole, rc),
	    TP_STRUCT__entry(__field(pid_t, pid)
			     __field(u64, lpid)
			     __field(bool, whole)
			     __field(s64, rc)),
	    TP_fast_assign(__entry->pid = pid;
			   __entry->lpid = lpid;
			   __entry->whole = whole;
			   __entry->rc = rc;),
	    TP_printk("pid=%d lpid=%llu whole=%d rc=%lld",
		      __entry->pid, __entry->lpid, __entry->whole, __entry->rc)
);

#endif /* KHX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
