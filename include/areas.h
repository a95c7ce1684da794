/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-vCPU areas that the guest shares with the host: virtual processor
 * area (VPA), SLB shadow buffer and dispatch trace log (DTL), PAPR
 * H_REGISTER_VPA.
 *
 * kvm-hv writes the VPA and the DTL through its own mapping while it dispatches
 * the vCPU. It uses the fields of struct kvmppc_vpa, vcpu->arch.dtl_ptr and
 * .dtl_index, which keep their stock meaning. The module takes over what sets
 * them: registration, pinning, dirty tracking, unpinning.
 *
 * Life of an area: a request (stock's hypercall, or ONE_REG) stores the address
 * and sets update_pending; the vCPU's own thread applies it before it next
 * enters the guest. So pinned_addr changes only where kvm-hv cannot write
 * through it.
 *
 * Nested API v2 (a host that is a PowerVM partition): the hypervisor below writes
 * to the VPA as well, whenever it dispatches the vCPU. The module tells it where
 * the VPA is: that there is none before the page goes, and the new address before
 * the vCPU next enters the guest. A hypervisor that refuses either may still write
 * to the page that it was told last, so a reference keeps that page allocated.
 *
 * Lock order: kvm->mmu_lock, then vcpu->arch.vpa_update_lock (spinlocks). Pages
 * are pinned and unpinned with neither held: both may sleep.
 */
#ifndef KHX_AREAS_H
#define KHX_AREAS_H

#include <linux/kvm_host.h>
#include <linux/xarray.h>
#include <asm/kvm_ppc.h>

struct khx_vm;

enum khx_area { KHX_VPA, KHX_DTL, KHX_SLB, KHX_NR_AREAS };

/**
 * enum khx_area_update - what a pending update means
 * @KHX_AREA_KEEP: the memory may have changed: pin it again, keep the area's
 *		state
 * @KHX_AREA_NEW: the guest registers the area: initialise it
 * @KHX_AREA_RESTORED: userspace registers the area of a guest that had it
 *		before: continue the counters from the area's memory, so that
 *		the guest never sees them go back
 */
enum khx_area_update {
	KHX_AREA_KEEP, KHX_AREA_NEW, KHX_AREA_RESTORED,
};

/**
 * struct khx_area_state - state of an area in addition to struct kvmppc_vpa
 * @page:	page pinned for the area, or NULL
 * @noted:	guest real address that notifiers compare with; 0: none
 * @update:	what the pending update means
 * @failed:	the memory could not be pinned; retried when the memslots or
 *		mappings change, or by another request
 * @restored:	guest real address of the last registration by userspace
 * @restored_len: its length
 * @seen:	what the host had written at the last collection
 */
struct khx_area_state {
	struct page *page;
	unsigned long noted;
	enum khx_area_update update;
	bool failed;
	unsigned long restored;
	unsigned long restored_len;
	struct {
		u64 dispatch;
		u64 dtl_index;
		u32 yields;
	} seen;
};

/**
 * struct khx_vcpu_areas - areas of a vCPU; vcpu->arch.vpa_update_lock
 * @area:	indexed by enum khx_area
 * @asked:	areas with a request from kvm-hv, as bits
 * @look:	areas whose memory was changed or unmapped, as bits
 * @untold:	the hypervisor must be told where the VPA is
 * @hidden:	areas whose fields below must be restored, as bits
 * @vpa_addr:	vpa.pinned_addr, hidden from kvm-hv between its first and last
 *		call
 * @dtl_ptr:	vcpu->arch.dtl_ptr, which kvm-hv overwrites after the call for
 *		the DTL
 * @dtl_index:	the same for vcpu->arch.dtl_index
 */
struct khx_vcpu_areas {
	struct khx_area_state area[KHX_NR_AREAS];
	unsigned long asked;
	unsigned long look;
	bool untold;
	unsigned long hidden;
	void *vpa_addr;
	struct dtl_entry *dtl_ptr;
	unsigned long dtl_index;
};

/**
 * struct khx_vm_areas - where the areas of a VM's vCPUs are
 * @pages:	number of areas by gfn, for those that are registered or requested
 * @anywhere:	no memory was left to note a gfn in @pages
 * @told:	real address of the VPA that the hypervisor may write to, by vCPU;
 *		holds a reference on the page
 */
struct khx_vm_areas {
	struct xarray pages;
	bool anywhere;
	struct xarray told;
};

/**
 * khx_areas_init() - prepare the areas of a VM
 * @areas:	zeroed
 */
void khx_areas_init(struct khx_vm_areas *areas);

/**
 * khx_areas_destroy() - free what @areas has allocated
 * @areas:	those of a VM without vCPUs, which the hypervisor has forgotten
 */
void khx_areas_destroy(struct khx_vm_areas *areas);

/**
 * khx_areas_vcpu_free() - unpin all areas of a vCPU, and keep their dirty state
 * @vm:		a tracked VM
 * @vcpu:	a vCPU that will not run again
 *
 * Accumulates the dirty state of the areas.
 *
 * Context: may sleep.
 */
void khx_areas_vcpu_free(struct khx_vm *vm, struct kvm_vcpu *vcpu);

/**
 * khx_areas_set_reg() - KVM_SET_ONE_REG of an area
 * @vm:		a tracked VM
 * @vcpu:	the vCPU; its mutex is held, so it does not run
 * @id:		KVM_REG_PPC_VPA_ADDR, _VPA_SLB or _VPA_DTL
 * @val:	address, and length for the latter two; address 0 unregisters
 *
 * A registration takes effect before the vCPU next enters the guest, because a
 * migration may not have written the memory yet. The yield count of the VPA and
 * the index of the log then continue from that memory. Unregistering takes
 * effect at once.
 *
 * Return: 0; -EINVAL for a misaligned address, for a DTL shorter than one
 * entry, or if a DTL or SLB shadow would be registered without a VPA.
 */
int khx_areas_set_reg(struct khx_vm *vm, struct kvm_vcpu *vcpu, u64 id,
		      const union kvmppc_one_reg *val);

/**
 * khx_areas_invalidate() - handle a change or unmap of memory under areas
 * @vm:		a tracked VM
 * @gfn:	first guest page
 * @end:	end of the range, exclusive
 *
 * The vCPU pins its areas in the range again before it next enters the guest; a
 * vCPU that is in the guest is kicked. Until then the host may write the old
 * page, which stays pinned.
 *
 * Context: any, also under kvm->mmu_lock.
 */
void khx_areas_invalidate(struct khx_vm *vm, gfn_t gfn, gfn_t end);

/**
 * khx_areas_collect() - add pages that the host has written to a dirty log
 * @vm:		a tracked VM
 * @slot:	the memslot whose log is collected
 * @map:	bitmap of its pages, little endian; bits are only added
 *
 * With areas=0 only stock's dirty flags are used.
 *
 * Context: kvm->slots_lock held; takes each vCPU's vpa_update_lock.
 */
void khx_areas_collect(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map);

#endif /* KHX_AREAS_H */
