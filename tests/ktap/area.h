/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The per-vCPU areas (VPA, DTL, SLB shadow) as guests, programs and the host
 * see them
 *
 * PAPR: H_REGISTER_VPA, and the layouts of the virtual processor area and of
 * the dispatch trace log. All fields are big endian.
 */
#ifndef TESTS_KTAP_AREA_H
#define TESTS_KTAP_AREA_H

#include "vm.h"

enum area { VPA, DTL, SLB, NR_AREAS };

/* Sub-functions of H_REGISTER_VPA; 0 and 4 are none. */
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
#define VPA_DISPATCH_TB		0x158
#define VPA_DTL_INDEX		0x218
#define DTL_ENTRY		48
#define DTL_REASON_AT		0
#define DTL_REASON		7

/**
 * struct area_reg - an area as ONE_REG gives and takes it
 * @addr: guest real address, 0 when there is none
 * @length: length in bytes; no part of the register of a VPA, where it is 0
 */
struct area_reg {
	__u64 addr;
	__u64 length;
};

/* As a guest: the vCPU asks for an area of vCPU number target. */
long h_register_vpa(struct vcpu *vcpu, unsigned int func, __u64 target,
		    __u64 gpa);

/* As a program: 0 or -errno. */
int area_set(struct vcpu *vcpu, enum area area, __u64 gpa, __u64 length);
struct area_reg area_get(struct vcpu *vcpu, enum area area);
void area_unset_all(struct vcpu *vcpu);

/* What the guest writes at the start of an area before it registers it. */
void area_put_length(void *mem, enum area area, __u32 length);

/* The vCPU enters the guest, which does nothing, and leaves it. */
void vcpu_dispatch(struct vcpu *vcpu);

/* A vCPU that runs GUEST_SERVE leaves the guest and enters it again. */
void vcpu_reenter(struct vcpu *vcpu);

/* What the host has written. */
__u32 vpa_yield_count(const void *vpa);
__u64 vpa_dtl_index(const void *vpa);
unsigned int dtl_count_entries(const void *dtl, size_t length);

#endif
