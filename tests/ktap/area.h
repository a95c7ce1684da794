/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-vCPU areas (VPA, DTL, SLB shadow) as seen by guests, userspace and
 * the host
 *
 * PAPR: H_REGISTER_VPA, and the layouts of the virtual processor area and of
 * the dispatch trace log. All fields are big endian.
 */
#ifndef TESTS_KTAP_AREA_H
#define TESTS_KTAP_AREA_H

#include "vm.h"

enum area { VPA, DTL, SLB, NR_AREAS };

/* Subfunctions of H_REGISTER_VPA; 0 and 4 are undefined. */
enum area_func {
	REG_VPA = 1, REG_DTL, REG_SLB,
	DEREG_VPA = 5, DEREG_DTL, DEREG_SLB,
};

#define H_SUCCESS		0l
#define H_PARAMETER		-4l
#define H_RESOURCE		-16l

#define AREA_ALIGN		128
#define AREA_LENGTH_AT		4	/* VPA: 16 bits, the others: 32 bits */
#define AREA_MIN_LENGTH		8
#define VPA_LENGTH		640
#define VPA_STATUS		9
#define VPA_STATUS_SHARED	2
#define VPA_YIELD_COUNT		0x100
#define VPA_DISPERSIONS		0x104	/* written by a hypervisor below */
#define VPA_DISPATCH_TB		0x158
#define VPA_DTL_INDEX		0x218
#define DTL_ENTRY		48
#define DTL_REASON_AT		0
#define DTL_REASON		7

/**
 * struct area_reg - an area in ONE_REG
 * @addr: guest real address, 0 if the area is not registered
 * @length: length in bytes; 0 for a VPA, whose register has no length
 */
struct area_reg {
	__u64 addr;
	__u64 length;
};

/* Called as the guest: the vCPU registers an area of vCPU number @target. */
long h_register_vpa(struct vcpu *vcpu, unsigned int func, __u64 target,
		    __u64 gpa);

/* Called as userspace: return 0 or -errno. */
int area_set(struct vcpu *vcpu, enum area area, __u64 gpa, __u64 length);
struct area_reg area_get(struct vcpu *vcpu, enum area area);
void area_unset_all(struct vcpu *vcpu);

/* Write the length at the start of an area, before the guest registers it. */
void area_put_length(void *mem, enum area area, __u32 length);
bool area_has_length(const void *mem, enum area area, __u32 length);

/* Make the vCPU enter the guest, which does nothing, and leave it. */
void vcpu_dispatch(struct vcpu *vcpu);

/* Make a vCPU that runs GUEST_SERVE leave the guest and enter it again. */
void vcpu_reenter(struct vcpu *vcpu);

/* Read what the host has written. */
__u32 vpa_yield_count(const void *vpa);
__u64 vpa_dtl_index(const void *vpa);
unsigned int dtl_count_entries(const void *dtl, size_t length);

#endif
