/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Tracepoints of the dirty log ioctls.
 */
#undef TRACE_SYSTEM
#define TRACE_SYSTEM kvm_hv_ext

#if !defined(KHX_TRACE_H) || defined(TRACE_HEADER_MULTI_READ)
#define KHX_TRACE_H

#include <linux/bitmap.h>
#include <linux/kvm_host.h>
#include <linux/tracepoint.h>

#include "vm.h"

TRACE_EVENT(khx_dirty_log_get,
	    TP_PROTO(const struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const unsigned long *map, int err),
	    TP_ARGS(vm, slot, map, err),

	    TP_STRUCT__entry(__field(pid_t, vm)
			     __field(int, slot)
			     __field(unsigned long, npages)
			     __field(unsigned long, dirty)
			     __field(unsigned long, cleaned)
			     __field(unsigned long, requests)
			     __field(int, err)),

	    TP_fast_assign(__entry->vm = vm->kvm->userspace_pid;
			   __entry->slot = slot->id;
			   __entry->npages = slot->npages;
			   __entry->dirty = bitmap_weight(map, slot->npages);
			   __entry->cleaned = vm->radix.flush.pages;
			   __entry->requests = vm->radix.flush.requests;
			   __entry->err = err;),

	    TP_printk("vm=%d slot=%d npages=%lu dirty=%lu cleaned=%lu requests=%lu err=%d",
		      __entry->vm, __entry->slot, __entry->npages, __entry->dirty,
		      __entry->cleaned, __entry->requests, __entry->err)
);

TRACE_EVENT(khx_dirty_log_clear,
	    TP_PROTO(const struct khx_vm *vm, const struct kvm_memory_slot *slot,
		     const struct kvm_clear_dirty_log *log,
		     const unsigned long *named),
	    TP_ARGS(vm, slot, log, named),
	    TP_STRUCT__entry(__field(pid_t, vm)
			     __field(int, slot)
			     __field(unsigned long, first)
			     __field(unsigned long, npages)
			     __field(unsigned long, named)
			     __field(unsigned long, cleaned)
			     __field(unsigned long, requests)),
	    TP_fast_assign(__entry->vm = vm->kvm->userspace_pid;
			   __entry->slot = slot->id;
			   __entry->first = log->first_page;
			   __entry->npages = log->num_pages;
			   __entry->named = bitmap_weight(named + log->first_page / BITS_PER_LONG,
							  log->num_pages);
			   __entry->cleaned = vm->radix.flush.pages;
			   __entry->requests = vm->radix.flush.requests;),
	    TP_printk("vm=%d slot=%d first=%lu npages=%lu named=%lu cleaned=%lu requests=%lu",
		      __entry->vm, __entry->slot, __entry->first, __entry->npages,
		      __entry->named, __entry->cleaned, __entry->requests)
);

#endif /* KHX_TRACE_H */

#undef TRACE_INCLUDE_PATH
#define TRACE_INCLUDE_PATH .
#undef TRACE_INCLUDE_FILE
#define TRACE_INCLUDE_FILE trace
#include <trace/define_trace.h>
