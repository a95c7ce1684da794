/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-vCPU areas that the guest shares with the host: virtual processor
 * area (VPA), SLB shadow buffer and dispatch trace log (DTL), PAPR
 * H_REGISTER_VPA.
 *
 * The host writes the VPA and the DTL through its own mapping while the vCPU is
 * dispatched; that code is stock's and uses the fields of struct kvmppc_vpa,
 * vcpu->arch.dtl_ptr and .dtl_index, which keep their stock meaning. What is
 * ours is who sets them: registration, pinning, dirty state, unpinning.
 *
 * Life of an area: a request (by hypercall, which is stock's, or ONE_REG) notes the
 * address and sets update_pending; the vCPU's own thread applies it before its next
 * entry into the guest. So pinned_addr changes only where the writer cannot run.
 *
 * Lock order: kvm->mmu_lock, then vcpu->arch.vpa_update_lock (spinlocks).
 * Pages are pinned and unpinned without either, both may sleep.
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
 * @KHX_AREA_KEEP:	look again where the memory is; the area goes on
 * @KHX_AREA_NEW:	the guest registers the area: it starts anew
 * @KHX_AREA_RESTORED: userspace does, which restores a guest that had the
 *		area: it goes on as its memory says, so that counts which the
 *		guest watches never go back
 */
enum khx_area_update {
	KHX_AREA_KEEP, KHX_AREA_NEW, KHX_AREA_RESTORED,
};

/**
 * struct khx_area_state - what we know of an area beside struct kvmppc_vpa
 * @page:	page pinned for it, or NULL
 * @noted:	guest real address where notifiers look for it; 0: nowhere
 * @update:	what the pending update means
 * @failed:	the memory could not be pinned; tried again when the memslots or
 *		the mappings change
 * @restored:	guest real address that userspace has asked for last
 * @restored_len: and the length
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
 * @asked:	areas with a request that kvm-hv has noted, as bits
 * @look:	areas whose memory has changed or gone, as bits
 * @hidden:	areas of which what follows is to be restored, as bits
 * @vpa_addr:	vpa.pinned_addr, hidden from kvm-hv between its first call and the last
 * @dtl_ptr:	what kvm-hv changes after its call for the DTL
 * @dtl_index:	the same
 */
struct khx_vcpu_areas {
	struct khx_area_state area[KHX_NR_AREAS];
	unsigned long asked;
	unsigned long look;
	unsigned long hidden;
	void *vpa_addr;
	struct dtl_entry *dtl_ptr;
	unsigned long dtl_index;
};

/**
 * struct khx_vm_areas - where the areas of a VM's vCPUs are
 * @pages:	number of areas by gfn, for those that are registered or requested
 * @anywhere:	no memory was left to note a gfn in @pages
 */
struct khx_vm_areas {
	struct xarray pages;
	bool anywhere;
};

/**
 * khx_areas_init() - prepare the areas of a VM
 * @areas:	zeroed
 */
void khx_areas_init(struct khx_vm_areas *areas);

/**
 * khx_areas_destroy() - free what @areas has allocated
 * @areas:	those of a VM without vCPUs
 */
void khx_areas_destroy(struct khx_vm_areas *areas);

/**
 * khx_areas_vcpu_free() - unpin all areas of a vCPU, and keep their dirty state
 * @vm:		a VM of ours
 * @vcpu:	a vCPU that will not run again
 *
 * Context: may sleep.
 */
void khx_areas_vcpu_free(struct khx_vm *vm, struct kvm_vcpu *vcpu);

/**
 * khx_areas_set_reg() - KVM_SET_ONE_REG of an area
 * @vm:		a VM of ours
 * @vcpu:	the vCPU; its mutex is held, so it does not run
 * @id:		KVM_REG_PPC_VPA_ADDR, _VPA_SLB or _VPA_DTL
 * @val:	address, and length for the latter two; address 0 unregisters
 *
 * A registration takes effect before the vCPU next enters the guest: its
 * memory may not have arrived yet. Then the yield count of the VPA and the
 * index of the log go on from what that memory says. Unregistering takes
 * effect at once.
 *
 * Return: 0; -EINVAL for a misaligned address, a DTL too short for an entry, or
 * if the order rules are broken.
 */
int khx_areas_set_reg(struct khx_vm *vm, struct kvm_vcpu *vcpu, u64 id,
		      const union kvmppc_one_reg *val);

/**
 * khx_areas_invalidate() - memory under areas has changed or gone
 * @vm:		a VM of ours
 * @gfn:	first guest page
 * @end:	first guest page not concerned
 *
 * Areas there are looked at again before their vCPU next enters the guest; a
 * vCPU that is in the guest is made to leave it. Until then the host may write
 * the old page, which stays pinned.
 *
 * Context: any, also under kvm->mmu_lock.
 */
void khx_areas_invalidate(struct khx_vm *vm, gfn_t gfn, gfn_t end);

/**
 * khx_areas_collect() - add pages that the host has written to a dirty log
 * @vm:		a VM of ours
 * @slot:	the slot whose log is collected
 * @map:	bitmap of its pages, little endian; bits are added
 *
 * With areas=0 the flags that stock keeps are all there is to go by.
 *
 * Context: kvm->slots_lock held; takes each vCPU's vpa_update_lock.
 */
void khx_areas_collect(struct khx_vm *vm,
		       const struct kvm_memory_slot *slot,
		       unsigned long *map);

#endif /* KHX_AREAS_H */
