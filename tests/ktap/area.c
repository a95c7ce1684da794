// SPDX-License-Identifier: GPL-2.0
/*
 * Access to per-vCPU areas (VPA, DTL, SLB shadow) as guest, VMM and host
 */
#include "area.h"

#include <endian.h>
#include <string.h>

static const __u64 reg_id[] = {
	[VPA] = KVM_REG_PPC_VPA_ADDR,
	[DTL] = KVM_REG_PPC_VPA_DTL,
	[SLB] = KVM_REG_PPC_VPA_SLB,
};

long h_register_vpa(struct vcpu *vcpu, unsigned int func, __u64 target,
		    __u64 gpa)
{
	return vcpu_hcall(vcpu, H_REGISTER_VPA,
			  (__u64)func << H_REGISTER_VPA_SHIFT, target, gpa);
}

int area_set(struct vcpu *vcpu, enum area area, __u64 gpa, __u64 length)
{
	struct area_reg reg = { gpa, length };

	return vcpu_set_one_reg(vcpu, reg_id[area], &reg);
}

struct area_reg area_get(struct vcpu *vcpu, enum area area)
{
	struct area_reg reg = { 0 };
	int ret = vcpu_get_one_reg(vcpu, reg_id[area], &reg);

	if (ret)
		die("KVM_GET_ONE_REG %llx: %s", reg_id[area], strerror(-ret));
	return reg;
}

void area_unset_all(struct vcpu *vcpu)
{
	if (area_set(vcpu, DTL, 0, 0) || area_set(vcpu, SLB, 0, 0) ||
	    area_set(vcpu, VPA, 0, 0))
		die("areas of vCPU %d cannot be unregistered", vcpu->id);
}

void area_put_length(void *mem, enum area area, __u32 length)
{
	if (area == VPA)
		*(__be16 *)(mem + AREA_LENGTH_AT) = htobe16(length);
	else
		*(__be32 *)(mem + AREA_LENGTH_AT) = htobe32(length);
}

bool area_has_length(const void *mem, enum area area, __u32 length)
{
	const void *at = mem + AREA_LENGTH_AT;

	return area == VPA ? *(const __be16 *)at == htobe16(length) :
			     *(const __be32 *)at == htobe32(length);
}

void vcpu_dispatch(struct vcpu *vcpu)
{
	int reason;

	vcpu->area->count = 0;
	reason = vcpu_run(vcpu, GUEST_LOAD);
	if (reason)
		die("vCPU %d: unexpected exit reason %d", vcpu->id, reason);
}

/* KVM_RUN may return without having entered: wait for the guest to respond. */
void vcpu_reenter(struct vcpu *vcpu)
{
	vm_kick(vcpu->vm);
	vcpu->area->count = 0;
	area_serve(vcpu->area);
}

__u32 vpa_yield_count(const void *vpa)
{
	return be32toh(__atomic_load_n((const __be32 *)(vpa + VPA_YIELD_COUNT),
				       __ATOMIC_ACQUIRE));
}

__u64 vpa_dtl_index(const void *vpa)
{
	return be64toh(__atomic_load_n((const __be64 *)(vpa + VPA_DTL_INDEX),
				       __ATOMIC_ACQUIRE));
}

/* Count the entries written to a DTL whose memory was zeroed before. */
unsigned int dtl_count_entries(const void *dtl, size_t length)
{
	const __u8 *entry = dtl, *end = entry + length;
	unsigned int count = 0;

	for (; entry + DTL_ENTRY <= end; entry += DTL_ENTRY)
		count += entry[DTL_REASON_AT] == DTL_REASON;
	return count;
}
