// SPDX-License-Identifier: GPL-2.0
/*
 * Registration of per-vCPU areas: H_REGISTER_VPA by guests, ONE_REG by VMMs
 *
 * The tests compare every call with a model of PAPR and of KVM's documentation,
 * and every result with that of stock.
 */
#include "ktap.h"

#include <endian.h>
#include <sys/ioctl.h>

#include "area.h"
#include "logged_vm.h"
#include "record.h"

#define NR_VCPUS	2
#define NR_PAGES	16

/* Pages of areas registered before a call, and by the call itself. */
#define STATE_PAGE	8
#define TRY_PAGE	2
#define READ_ONLY_PAGE	12
#define NO_ACCESS_PAGE	13

#define DTL_LENGTH	(10 * DTL_ENTRY)
#define SLB_LENGTH	256

#define ORDERINGS	3000
#define RUNNING_CALLS	300
#define TIMEOUT		120

/* The model of an area; failed: its memory was unusable when it was applied. */
struct model_area {
	__u64 addr;
	__u64 length;
	bool pending;
	bool failed;
};

FIXTURE(areas) {
	struct logged_vm *l;
	struct vm *vm;
	struct vcpu *vcpu;
	struct model_area model[NR_VCPUS][NR_AREAS];
	struct record record;
};

FIXTURE_VARIANT(areas) {
	enum vm_mmu mmu;
	const char *name;
};

FIXTURE_VARIANT_ADD(areas, radix) { VM_MMU_RADIX, "radix" };
FIXTURE_VARIANT_ADD(areas, hpt) { VM_MMU_HPT, "hpt" };

static void *hva(const struct _test_data_areas *self, __u64 gpa)
{
	return self->l->memory + (gpa - VM_DATA_GPA);
}

static __u64 gpa_of(const struct _test_data_areas *self, size_t page)
{
	return logged_vm_gpa(self->l, page);
}

FIXTURE_SETUP(areas)
{
	struct vm_config config = { .nr_vcpus = NR_VCPUS, .mmu = variant->mmu };

	SKIP_IF(return, logged_vm_create(&self->l, &config, NR_PAGES, BACKING_SMALL));
	self->vm = self->l->vm;
	self->vcpu = &self->vm->vcpu[0];

	ASSERT_EQ(0, mprotect(hva(self, gpa_of(self, READ_ONLY_PAGE)),
			      self->l->page, PROT_READ));
	ASSERT_EQ(0, mprotect(hva(self, gpa_of(self, NO_ACCESS_PAGE)),
			      self->l->page, PROT_NONE));

	record_open(&self->record, self->vm->ours, "areas.%s.%s",
		    _metadata->name, variant->name);
}

FIXTURE_TEARDOWN(areas)
{
	record_close(&self->record);
	logged_vm_destroy(self->l);
}

static __u64 room_at(const struct _test_data_areas *self, __u64 gpa)
{
	return self->l->page - gpa % self->l->page;
}

static bool writable(const struct _test_data_areas *self, __u64 gpa)
{
	__u64 page = (gpa - VM_DATA_GPA) / self->l->page;

	return gpa >= VM_DATA_GPA && page < NR_PAGES &&
	       page != READ_ONLY_PAGE && page != NO_ACCESS_PAGE;
}

static bool registered(const struct model_area *a)
{
	return a->addr && !a->failed;
}

static void model_request(struct model_area *a, __u64 addr, __u64 length)
{
	*a = (struct model_area){ addr, addr ? length : 0, true, false };
}

/* KVM applies pending requests before the vCPU enters the guest. */
static void model_dispatch(struct _test_data_areas *self, unsigned int vcpu)
{
	struct model_area *a;

	for (a = self->model[vcpu]; a < self->model[vcpu] + NR_AREAS; a++)
		if (a->pending) {
			a->pending = false;
			a->failed = a->addr && (!writable(self, a->addr) ||
						a->length > room_at(self, a->addr));
		}
}

static long model_hcall(struct _test_data_areas *self, unsigned int func,
			__u64 target, __u64 gpa, __u32 length)
{
	static const __u64 min_length[] = {
		[REG_VPA] = VPA_LENGTH,
		[REG_DTL] = DTL_ENTRY,
		[REG_SLB] = AREA_MIN_LENGTH,
	};
	struct model_area *a;

	if (target >= NR_VCPUS)
		return H_PARAMETER;
	a = self->model[target];
	if (func == REG_VPA)
		length &= 0xffff;
	if (func >= REG_VPA && func <= REG_SLB &&
	    (!gpa || gpa % AREA_ALIGN || !writable(self, gpa) ||
	     length > room_at(self, gpa) || length < min_length[func]))
		return H_PARAMETER;

	switch (func) {
	case REG_VPA:
		model_request(&a[VPA], gpa, length);
		return H_SUCCESS;
	case REG_DTL:
		if (!registered(&a[VPA]))
			return H_RESOURCE;
		model_request(&a[DTL], gpa, length - length % DTL_ENTRY);
		return H_SUCCESS;
	case REG_SLB:
		if (!registered(&a[VPA]))
			return H_RESOURCE;
		model_request(&a[SLB], gpa, length);
		return H_SUCCESS;
	case DEREG_VPA:
		if (registered(&a[DTL]) || registered(&a[SLB]))
			return H_RESOURCE;
		model_request(&a[VPA], 0, 0);
		return H_SUCCESS;
	case DEREG_DTL:
		model_request(&a[DTL], 0, 0);
		return H_SUCCESS;
	case DEREG_SLB:
		model_request(&a[SLB], 0, 0);
		return H_SUCCESS;
	default:
		return H_PARAMETER;
	}
}

static int model_set(struct _test_data_areas *self, unsigned int vcpu,
		     enum area area, __u64 gpa, __u64 length)
{
	struct model_area *a = self->model[vcpu];

	if (gpa % AREA_ALIGN)
		return -EINVAL;
	if (area == VPA) {
		if (!gpa && (a[DTL].addr || a[SLB].addr))
			return -EINVAL;
		length = VPA_LENGTH;
	} else if (gpa && !a[VPA].addr) {
		return -EINVAL;
	}
	if (area == DTL) {
		if (gpa && length < DTL_ENTRY)
			return -EINVAL;
		length -= length % DTL_ENTRY;
	}
	if (!gpa)
		length = 0;
	if (a[area].addr != gpa || a[area].length != length)
		model_request(&a[area], gpa, length);
	return 0;
}

/* ONE_REG returns the most recent request, whether applied or not. */
static void check_regs(struct _test_data_areas *self, unsigned int vcpu)
{
	const struct model_area *want;
	struct area_reg reg;
	enum area area;

	for (area = 0; area < NR_AREAS; area++) {
		want = &self->model[vcpu][area];
		reg = area_get(&self->vcpu[vcpu], area);
		record(&self->record, "vCPU %u, area %d: %llx %llx", vcpu, area,
		       reg.addr, reg.length);
		if (reg.addr != want->addr ||
		    (area != VPA && reg.length != want->length))
			die("result %lu: vCPU %u, area %d: %llx %llx, expected %llx %llx",
			    self->record.lines, vcpu, area, reg.addr, reg.length,
			    want->addr, want->length);
	}
}

static void dispatch(struct _test_data_areas *self, unsigned int vcpu)
{
	vcpu_dispatch(&self->vcpu[vcpu]);
	model_dispatch(self, vcpu);
}

/*
 * vCPU 0 makes the hypercall, with the length in the area as PAPR requires. A DTL at the
 * same address may have wrapped around and overwritten the length, on a slow host with
 * pages of 4K: then repeat the call.
 */
static void call(struct _test_data_areas *self, unsigned int func, __u64 target,
		 __u64 gpa, __u32 length)
{
	bool has_length = func >= REG_VPA && func <= REG_SLB && writable(self, gpa);
	long rc, want;

	do {
		if (has_length)
			area_put_length(hva(self, gpa), func - REG_VPA, length);
		model_dispatch(self, 0);
		want = model_hcall(self, func, target, gpa, length);
		rc = h_register_vpa(&self->vcpu[0], func, target, gpa);
		model_dispatch(self, 0);
	} while (rc != want && has_length &&
		 !area_has_length(hva(self, gpa), func - REG_VPA, length));
	record(&self->record, "function %u, target %llx, %llx %x: %ld", func,
	       target, gpa, length, rc);
	if (rc != want)
		die("result %lu: function %u, target %llx, %llx %x: %ld, expected %ld",
		    self->record.lines, func, target, gpa, length, rc, want);
}

static void set(struct _test_data_areas *self, unsigned int vcpu, enum area area,
		__u64 gpa, __u64 length)
{
	int ret = area_set(&self->vcpu[vcpu], area, gpa, length);
	int want = model_set(self, vcpu, area, gpa, length);

	record(&self->record, "vCPU %u, area %d to %llx %llx: %d", vcpu, area,
	       gpa, length, ret);
	if (ret != want)
		die("result %lu: register of area %d, vCPU %u, to %llx %llx: %d, expected %d",
		    self->record.lines, area, vcpu, gpa, length, ret, want);
}

#define HAS(area)	(1u << (area))

/* Every set of areas that the ordering rules allow. */
static const unsigned int states[] = {
	0, HAS(VPA), HAS(VPA) | HAS(DTL), HAS(VPA) | HAS(SLB),
	HAS(VPA) | HAS(DTL) | HAS(SLB),
};

static void set_state(struct _test_data_areas *self, unsigned int vcpu,
		      unsigned int state, bool apply)
{
	set(self, vcpu, DTL, 0, 0);
	set(self, vcpu, SLB, 0, 0);
	set(self, vcpu, VPA, 0, 0);
	if (state & HAS(VPA))
		set(self, vcpu, VPA, gpa_of(self, STATE_PAGE), 0);
	if (state & HAS(DTL))
		set(self, vcpu, DTL, gpa_of(self, STATE_PAGE + 1), DTL_LENGTH);
	if (state & HAS(SLB))
		set(self, vcpu, SLB, gpa_of(self, STATE_PAGE + 2), SLB_LENGTH);
	if (apply)
		dispatch(self, vcpu);
}

#define NR_ADDRESSES	16
#define NR_GOOD		5	/* the first 5 addresses are valid */
#define NR_LENGTHS	20
#define NR_LENGTHS_32	17	/* the first 17 lengths fit into 32 bits */

static __u64 pick_address(const struct _test_data_areas *self, unsigned int n)
{
	__u64 page = gpa_of(self, TRY_PAGE), next = page + self->l->page;
	const __u64 addresses[NR_ADDRESSES] = {
		/* good */
		page, page + AREA_ALIGN, next - VPA_LENGTH,
		next - VPA_LENGTH + AREA_ALIGN, next - AREA_ALIGN,
		/* bad */
		0, AREA_ALIGN / 2, page + 1, page + AREA_ALIGN / 2,
		page + AREA_ALIGN - 1, gpa_of(self, READ_ONLY_PAGE),
		gpa_of(self, NO_ACCESS_PAGE), gpa_of(self, NR_PAGES),
		VM_DATA_GPA - AREA_ALIGN, 1ull << 40, -(__u64)AREA_ALIGN,
	};

	return addresses[n];
}

static __u64 pick_length(const struct _test_data_areas *self, unsigned int n,
			 __u64 gpa)
{
	__u64 room = room_at(self, gpa);
	const __u64 lengths[NR_LENGTHS] = {
		VPA_LENGTH, 0, 1, AREA_MIN_LENGTH - 1, AREA_MIN_LENGTH,
		DTL_ENTRY - 1, DTL_ENTRY, DTL_ENTRY + 1, 2 * DTL_ENTRY - 1,
		VPA_LENGTH - 1, VPA_LENGTH + 1, room - 1, room, room + 1,
		0xffff, 0x10000, 0xffffffff, 1ull << 32, 1ull << 63, -1ull,
	};

	return lengths[n];
}

/* All combinations of sub-function, address and length, each on a new state. */
static void hcalls_on_state(struct _test_data_areas *self, unsigned int target,
			    unsigned int state, bool apply)
{
	unsigned int func, a, n, lengths;
	__u64 gpa;

	for (func = 0; func < H_REGISTER_VPA_FUNCS; func++)
		for (a = 0; a < NR_ADDRESSES; a++) {
			gpa = pick_address(self, a);
			/* kvm-hv reads no length for other calls. */
			lengths = a < NR_GOOD && func >= REG_VPA &&
				  func <= REG_SLB ? NR_LENGTHS_32 : 1;
			for (n = 0; n < lengths; n++) {
				set_state(self, target, state, apply);
				call(self, func, target, gpa,
				     pick_length(self, n, gpa));
				check_regs(self, target);
			}
		}
}

TEST_F_TIMEOUT(areas, hcall_on_itself, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		hcalls_on_state(self, 0, states[i], false);
}

TEST_F_TIMEOUT(areas, hcall_on_another_pending, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		hcalls_on_state(self, 1, states[i], false);
}

TEST_F_TIMEOUT(areas, hcall_on_another_applied, TIMEOUT)
{
	hcalls_on_state(self, 1, 0, true);
	hcalls_on_state(self, 1, HAS(VPA) | HAS(DTL), true);
}

TEST_F(areas, hcall_no_such_vcpu)
{
	static const __u64 targets[] = {
		NR_VCPUS, 7, 0x7fff, 0x7fffffff, 0x80000000, 0xffffffff, -1ull,
	};
	unsigned int func, i;

	for (func = 0; func < H_REGISTER_VPA_FUNCS; func++)
		for (i = 0; i < ARRAY_SIZE(targets); i++)
			call(self, func, targets[i], gpa_of(self, TRY_PAGE),
			     VPA_LENGTH);
	check_regs(self, 0);
	check_regs(self, 1);
}

/* A 64-bit vCPU number whose lower 32 bits are the number of a vCPU. */
TEST_F(areas, hcall_vcpu_number_of_64_bits)
{
	__u64 gpa = gpa_of(self, TRY_PAGE);
	long rc;

	area_put_length(hva(self, gpa), VPA, VPA_LENGTH);
	rc = h_register_vpa(&self->vcpu[0], REG_VPA, 1ull << 32 | 1, gpa);
	if (rc == H_SUCCESS)
		XFAIL(return, "kvm-hv ignores the upper 32 bits of a vCPU number");
	EXPECT_EQ(H_PARAMETER, rc);
	EXPECT_EQ(0, area_get(&self->vcpu[1], VPA).addr);
}

/* kvm-hv ignores all flags but the three bits of the sub-function. */
TEST_F(areas, hcall_other_flags)
{
	static const __u64 others[] = {
		1, 1ull << 44, 1ull << 48, 1ull << 63,
		~(7ull << H_REGISTER_VPA_SHIFT),
	};
	__u64 gpa = gpa_of(self, TRY_PAGE);
	unsigned int func, i;
	long rc, want;

	for (i = 0; i < ARRAY_SIZE(others); i++)
		for (func = 0; func < H_REGISTER_VPA_FUNCS; func++) {
			set_state(self, 1, HAS(VPA), false);
			area_put_length(hva(self, gpa), func - REG_VPA,
					VPA_LENGTH);
			rc = vcpu_hcall(&self->vcpu[0], H_REGISTER_VPA,
					others[i] |
					(__u64)func << H_REGISTER_VPA_SHIFT,
					1, gpa);
			want = model_hcall(self, func, 1, gpa, VPA_LENGTH);
			EXPECT_EQ(want, rc);
			check_regs(self, 1);
		}
}

/* A VMM may handle the hypercall itself; KVM then changes no area. */
TEST_F(areas, hcall_disabled)
{
	struct kvm_enable_cap disable = {
		.cap = KVM_CAP_PPC_ENABLE_HCALL,
		.args = { H_REGISTER_VPA, 0 },
	};
	struct guest_area *area = self->vcpu[0].area;
	struct kvm_run *run = self->vcpu[0].run;
	__u64 gpa = gpa_of(self, TRY_PAGE);

	ASSERT_EQ(0, ioctl(self->vm->fd, KVM_ENABLE_CAP, &disable));
	area_put_length(hva(self, gpa), VPA, VPA_LENGTH);
	area->op = GUEST_HCALL;
	area->regs[0] = H_REGISTER_VPA;
	area->regs[1] = (__u64)REG_VPA << H_REGISTER_VPA_SHIFT;
	area->regs[2] = 1;
	area->regs[3] = gpa;
	ASSERT_EQ(0, ioctl(self->vcpu[0].fd, KVM_RUN, 0));
	ASSERT_EQ(KVM_EXIT_PAPR_HCALL, run->exit_reason);
	EXPECT_EQ(H_REGISTER_VPA, run->papr_hcall.nr);
	EXPECT_EQ((__u64)REG_VPA << H_REGISTER_VPA_SHIFT, run->papr_hcall.args[0]);
	EXPECT_EQ(1, run->papr_hcall.args[1]);
	EXPECT_EQ(gpa, run->papr_hcall.args[2]);
	check_regs(self, 1);
	run->papr_hcall.ret = 0x1234;
	ASSERT_EQ(0, ioctl(self->vcpu[0].fd, KVM_RUN, 0));
	EXPECT_EQ(0x1234, area->regs[0]);
}

/* Areas of one vCPU or of two vCPUs may share memory. */
TEST_F(areas, hcall_same_memory)
{
	__u64 gpa = gpa_of(self, TRY_PAGE);
	/* So large that a DTL seldom wraps around and overwrites the length. */
	__u32 length = self->l->page - AREA_ALIGN;

	call(self, REG_VPA, 0, gpa, length);
	call(self, REG_VPA, 0, gpa, length);
	/* The first entry overwrites the length: have it written before the next call. */
	call(self, REG_DTL, 0, gpa, length);
	dispatch(self, 0);
	call(self, REG_DTL, 0, gpa, length);
	dispatch(self, 0);
	call(self, REG_SLB, 0, gpa, length);
	call(self, REG_VPA, 1, gpa, length);
	call(self, REG_DTL, 1, gpa, length);
	check_regs(self, 0);
	check_regs(self, 1);
	dispatch(self, 1);
	call(self, DEREG_VPA, 0, 0, 0);
	call(self, DEREG_DTL, 0, 0, 0);
	call(self, DEREG_VPA, 0, 0, 0);
	call(self, DEREG_SLB, 0, 0, 0);
	call(self, DEREG_VPA, 0, 0, 0);
	check_regs(self, 0);
	check_regs(self, 1);
}

/* The target vCPU runs in the guest. */
TEST_F_TIMEOUT(areas, hcall_on_running, TIMEOUT)
{
	unsigned long calls = scaled(RUNNING_CALLS), i;
	__u64 random = 1, gpa;

	vcpu_start(&self->vcpu[1], GUEST_SERVE);
	for (i = 0; i < calls; i++) {
		gpa = pick_address(self, random_below(&random, NR_ADDRESSES));
		call(self, random_below(&random, H_REGISTER_VPA_FUNCS), 1, gpa,
		     pick_length(self, random_below(&random, NR_LENGTHS_32), gpa));
	}
	vcpu_stop(&self->vcpu[1]);
	check_regs(self, 1);
}

static void sets_on_state(struct _test_data_areas *self, unsigned int state,
			  bool apply)
{
	unsigned int a, n;
	enum area area;
	__u64 gpa, length;

	for (area = 0; area < NR_AREAS; area++)
		for (a = 0; a < NR_ADDRESSES; a++)
			for (n = 0; n < (area == VPA ? 1 : NR_LENGTHS); n++) {
				gpa = pick_address(self, a);
				length = pick_length(self, n, gpa);
				set_state(self, 0, state, apply);
				set(self, 0, area, gpa, length);
				check_regs(self, 0);
				if (n)
					continue;
				/* Repeat it after it was applied or failed. */
				dispatch(self, 0);
				check_regs(self, 0);
				set(self, 0, area, gpa, length);
				check_regs(self, 0);
			}
}

TEST_F_TIMEOUT(areas, one_reg_pending, TIMEOUT)
{
	unsigned int i;

	for (i = 0; i < ARRAY_SIZE(states); i++)
		sets_on_state(self, states[i], false);
}

TEST_F_TIMEOUT(areas, one_reg_applied, TIMEOUT)
{
	sets_on_state(self, HAS(VPA), true);
	sets_on_state(self, HAS(VPA) | HAS(DTL) | HAS(SLB), true);
}

/* Wrong sizes in the register's ID, and pointers to no memory. */
TEST_F(areas, one_reg_wrongly_called)
{
	static const __u64 ids[] = {
		KVM_REG_PPC_VPA_ADDR, KVM_REG_PPC_VPA_SLB, KVM_REG_PPC_VPA_DTL,
	};
	struct vcpu *vcpu = &self->vcpu[0];
	struct area_reg reg = { 0 };
	unsigned int i;
	__u64 size, id;

	for (i = 0; i < ARRAY_SIZE(ids); i++) {
		for (size = 0; size < 16; size++) {
			id = (ids[i] & ~KVM_REG_SIZE_MASK) |
			     size << KVM_REG_SIZE_SHIFT;
			if (id == ids[i])
				continue;
			record(&self->record, "%llx: get %d set %d", id,
			       vcpu_get_one_reg(vcpu, id, &reg),
			       vcpu_set_one_reg(vcpu, id, &reg));
			EXPECT_EQ(-EINVAL, vcpu_get_one_reg(vcpu, id, &reg));
			EXPECT_EQ(-EINVAL, vcpu_set_one_reg(vcpu, id, &reg));
		}
		EXPECT_EQ(-EFAULT, vcpu_get_one_reg(vcpu, ids[i], NULL));
		EXPECT_EQ(-EFAULT, vcpu_set_one_reg(vcpu, ids[i], NULL));
	}
	check_regs(self, 0);
}

/* The host may overwrite what the guest stores in the page of a DTL. */
static bool has_log(const struct _test_data_areas *self, __u64 gpa)
{
	unsigned int vcpu;

	for (vcpu = 0; vcpu < NR_VCPUS; vcpu++)
		if (self->model[vcpu][DTL].addr / self->l->page ==
		    gpa / self->l->page)
			return true;
	return false;
}

/* Random sequences of hypercalls, ONE_REG calls and dispatches. */
TEST_F_TIMEOUT(areas, orderings, TIMEOUT)
{
	unsigned long steps = scaled(ORDERINGS), step;
	__u64 random = 1, gpa, length;
	unsigned int vcpu, n;

	for (step = 0; step < steps; step++) {
		vcpu = random_below(&random, NR_VCPUS);
		/* Mostly valid ones, or hardly any call would succeed. */
		do {
			n = random_below(&random, NR_ADDRESSES);
			gpa = random_below(&random, 4) ?
				gpa_of(self, n % STATE_PAGE) :
				pick_address(self, n);
		} while (gpa && has_log(self, gpa));
		n = random_below(&random, NR_LENGTHS_32);
		length = pick_length(self, random_below(&random, 3) ? 0 : n, gpa);
		switch (random_below(&random, 8)) {
		case 0 ... 3:
			call(self, random_below(&random, H_REGISTER_VPA_FUNCS), vcpu,
			     gpa, length);
			break;
		case 4:
			set(self, vcpu, random_below(&random, NR_AREAS), 0, 0);
			break;
		case 5 ... 6:
			set(self, vcpu, random_below(&random, NR_AREAS), gpa,
			    length);
			break;
		default:
			dispatch(self, vcpu);
			break;
		}
		check_regs(self, vcpu);
	}
}

/* Expect a page to be unchanged outside of the @bytes at @written. */
static void expect_untouched(struct __test_metadata *_metadata,
			     const struct _test_data_areas *self, const void *now,
			     const void *before, const void *written,
			     size_t bytes)
{
	const __u8 *a = now, *b = before;
	const __u8 *from = written, *to = from + bytes;
	size_t i;

	for (i = 0; i < self->l->page; i++)
		if (a + i < from || a + i >= to)
			ASSERT_EQ(b[i], a[i])
				TH_LOG("byte %zu of the page has changed", i);
}

#define OLD_COUNT	1000001		/* more than any test dispatches */

static void set_yield_count(void *vpa, __u32 count)
{
	*(__be32 *)(vpa + VPA_YIELD_COUNT) = htobe32(count);
}

/* KVM sets yield count 1 and the shared processor flag, then counts on. */
static void check_initialised(struct __test_metadata *_metadata,
			      struct _test_data_areas *self, unsigned int vcpu,
			      __u64 gpa)
{
	__u8 *vpa = hva(self, gpa);
	__u32 count = vpa_yield_count(vpa);

	EXPECT_LT(1, count);
	EXPECT_GT(OLD_COUNT, count);
	EXPECT_EQ(1, count % 2);
	EXPECT_EQ(0x10 | VPA_STATUS_SHARED, vpa[VPA_STATUS]);

	vcpu_dispatch(&self->vcpu[vcpu]);
	EXPECT_LT(count, vpa_yield_count(vpa));
	EXPECT_EQ(1, vpa_yield_count(vpa) % 2);
}

/* Values that check_vpa_fields() expects where the host must not write. */
static void fill_vpa(void *vpa, size_t page)
{
	memset(vpa, 0x10, page);
	area_put_length(vpa, VPA, VPA_LENGTH);
	set_yield_count(vpa, OLD_COUNT);
}

static void check_vpa_fields(struct __test_metadata *_metadata,
			     struct _test_data_areas *self, __u64 gpa)
{
	__u8 *vpa = hva(self, gpa), *want = malloc(self->l->page);

	fill_vpa(want, self->l->page);
	want[VPA_STATUS] = vpa[VPA_STATUS];
	memcpy(want + VPA_YIELD_COUNT, vpa + VPA_YIELD_COUNT, sizeof(__be32));
	memcpy(want + VPA_DISPATCH_TB, vpa + VPA_DISPATCH_TB, sizeof(__be64));
	if (host_is_lpar())
		memcpy(want + VPA_DISPERSIONS, vpa + VPA_DISPERSIONS, sizeof(__be32));
	expect_untouched(_metadata, self, vpa, want, NULL, 0);
	free(want);
}

TEST_F(areas, vpa_initialised_by_hcall)
{
	__u64 gpa = gpa_of(self, TRY_PAGE);
	void *vpa = hva(self, gpa);

	fill_vpa(vpa, self->l->page);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(&self->vcpu[0], REG_VPA, 0, gpa));
	check_initialised(_metadata, self, 0, gpa);
	check_vpa_fields(_metadata, self, gpa);

	/* Registering the VPA again initialises it again. */
	set_yield_count(vpa, OLD_COUNT);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(&self->vcpu[0], REG_VPA, 0, gpa));
	check_initialised(_metadata, self, 0, gpa);

	/* KVM initialises the VPA of another vCPU when that vCPU runs. */
	ASSERT_EQ(H_SUCCESS, h_register_vpa(&self->vcpu[0], DEREG_VPA, 0, 0));
	fill_vpa(vpa, self->l->page);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(&self->vcpu[0], REG_VPA, 1, gpa));
	EXPECT_EQ(OLD_COUNT, vpa_yield_count(vpa));
	vcpu_dispatch(&self->vcpu[1]);
	check_initialised(_metadata, self, 1, gpa);
	check_vpa_fields(_metadata, self, gpa);
}

/*
 * The VMM restores a VPA, as at the end of a migration: its yield count
 * continues. KVM makes the count odd, as it is outside the guest.
 */
TEST_F(areas, vpa_goes_on_by_one_reg)
{
	__u64 gpa = gpa_of(self, TRY_PAGE);
	__u8 *vpa = hva(self, gpa);
	__u32 count;

	fill_vpa(vpa, self->l->page);
	set_yield_count(vpa, OLD_COUNT - 1);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa, 0));
	EXPECT_EQ(OLD_COUNT - 1, vpa_yield_count(vpa));
	vcpu_dispatch(self->vcpu);
	count = vpa_yield_count(vpa);
	EXPECT_OURS(self->vm, count > OLD_COUNT,
		    "stock restarts the yield count of a restored guest");
	EXPECT_EQ(1, count % 2);
	EXPECT_EQ(0x10 | VPA_STATUS_SHARED, vpa[VPA_STATUS]);
	check_vpa_fields(_metadata, self, gpa);

	/* Setting the same value again is not a new registration. */
	set_yield_count(vpa, OLD_COUNT);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa, 0));
	vcpu_dispatch(self->vcpu);
	EXPECT_LT(OLD_COUNT, vpa_yield_count(vpa));

	/*
	 * With yield count 0 the memory holds no VPA yet: KVM initialises it.
	 */
	ASSERT_EQ(0, area_set(self->vcpu, VPA, 0, 0));
	fill_vpa(vpa, self->l->page);
	set_yield_count(vpa, 0);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa, 0));
	vcpu_dispatch(self->vcpu);
	check_initialised(_metadata, self, 0, gpa);
	check_vpa_fields(_metadata, self, gpa);
}

/* The host writes nothing after all areas are unregistered, either way. */
static void check_unregistered(struct __test_metadata *_metadata,
			       struct _test_data_areas *self, bool hcall)
{
	size_t size = 3 * self->l->page;
	__u64 gpa = gpa_of(self, TRY_PAGE);
	char *memory = hva(self, gpa), *before = malloc(size);

	set(self, 0, VPA, gpa, 0);
	set(self, 0, DTL, gpa + self->l->page, DTL_LENGTH);
	set(self, 0, SLB, gpa + 2 * self->l->page, SLB_LENGTH);
	vcpu_dispatch(self->vcpu);
	EXPECT_LT(1, vpa_yield_count(memory));
	EXPECT_LT(0, dtl_count_entries(memory + self->l->page, DTL_LENGTH));
	if (hcall) {
		ASSERT_EQ(0, h_register_vpa(self->vcpu, DEREG_DTL, 0, 0));
		ASSERT_EQ(0, h_register_vpa(self->vcpu, DEREG_SLB, 0, 0));
		ASSERT_EQ(0, h_register_vpa(self->vcpu, DEREG_VPA, 0, 0));
	} else {
		area_unset_all(self->vcpu);
	}
	memcpy(before, memory, size);
	vcpu_dispatch(self->vcpu);
	vcpu_dispatch(self->vcpu);
	EXPECT_EQ(0, memcmp(before, memory, size));
	free(before);
}

TEST_F(areas, nothing_written_after_hcall)
{
	check_unregistered(_metadata, self, true);
}

TEST_F(areas, nothing_written_after_one_reg)
{
	check_unregistered(_metadata, self, false);
}

/* The index counts the entries, and all of them are inside the given bytes. */
static void check_dtl(struct __test_metadata *_metadata,
		      struct _test_data_areas *self, unsigned int entries,
		      bool hcall)
{
	__u64 vpa_gpa = gpa_of(self, TRY_PAGE);
	__u64 dtl_gpa = gpa_of(self, TRY_PAGE + 1) + 3 * AREA_ALIGN;
	/* KVM leaves an incomplete last entry unused. */
	size_t length = entries * DTL_ENTRY + DTL_ENTRY - 1;
	void *vpa = hva(self, vpa_gpa), *dtl = hva(self, dtl_gpa);
	void *page = hva(self, gpa_of(self, TRY_PAGE + 1));
	char *before = malloc(self->l->page);
	unsigned int i;
	__u64 index;

	memset(page, 0, self->l->page);
	if (hcall)
		area_put_length(dtl, DTL, length);
	memcpy(before, page, self->l->page);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, vpa_gpa, 0));
	ASSERT_EQ(0, hcall ? h_register_vpa(self->vcpu, REG_DTL, 0, dtl_gpa) :
			     area_set(self->vcpu, DTL, dtl_gpa, length));
	for (i = 0; i < 2 * entries + 1; i++) {
		vcpu_dispatch(self->vcpu);
		index = vpa_dtl_index(vpa);
		EXPECT_LE(i + 1, index);
		EXPECT_EQ(index < entries ? index : entries,
			  dtl_count_entries(dtl, length));
		expect_untouched(_metadata, self, page, before, dtl,
				 entries * DTL_ENTRY);
	}
	free(before);
}

TEST_F(areas, dtl_of_1_entry)
{
	check_dtl(_metadata, self, 1, false);
}

TEST_F(areas, dtl_of_7_entries)
{
	check_dtl(_metadata, self, 7, false);
}

TEST_F(areas, dtl_by_hcall)
{
	check_dtl(_metadata, self, 7, true);
}

/* A DTL registered again starts with its first entry and index 0. */
TEST_F(areas, dtl_restarted)
{
	__u64 gpa = gpa_of(self, TRY_PAGE + 1), index;

	check_dtl(_metadata, self, 7, true);
	ASSERT_EQ(0, area_set(self->vcpu, DTL, 0, 0));
	check_dtl(_metadata, self, 7, true);
	/* Also at another address, and KVM writes no more to the old one. */
	ASSERT_EQ(0, area_set(self->vcpu, DTL, 0, 0));
	memset(hva(self, gpa), 0, self->l->page);
	area_put_length(hva(self, gpa), DTL, DTL_LENGTH);
	ASSERT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_DTL, 0, gpa));
	index = vpa_dtl_index(hva(self, gpa_of(self, TRY_PAGE)));
	EXPECT_EQ(index < DTL_LENGTH / DTL_ENTRY ? index : DTL_LENGTH / DTL_ENTRY,
		  dtl_count_entries(hva(self, gpa), DTL_LENGTH));
}

/* The VMM restores a DTL: the index of its entries continues. */
TEST_F(areas, dtl_goes_on_by_one_reg)
{
	const unsigned int entries = 7, number = 5;
	const __u64 old = 1000 * entries + number;
	void *vpa = hva(self, gpa_of(self, TRY_PAGE));
	void *dtl = hva(self, gpa_of(self, TRY_PAGE + 1));
	__u64 index;

	memset(vpa, 0, 2 * self->l->page);
	*(__be64 *)(vpa + VPA_DTL_INDEX) = htobe64(old);
	ASSERT_EQ(0, area_set(self->vcpu, VPA, gpa_of(self, TRY_PAGE), 0));
	ASSERT_EQ(0, area_set(self->vcpu, DTL, gpa_of(self, TRY_PAGE + 1),
			      entries * DTL_ENTRY));
	vcpu_dispatch(self->vcpu);
	index = vpa_dtl_index(vpa);
	EXPECT_OURS(self->vm, index > old &&
		    dtl_count_entries(dtl + number * DTL_ENTRY, DTL_ENTRY) == 1,
		    "stock numbers the entries of a restored guest from 0");
	if (index > old)
		EXPECT_EQ(index - old < entries ? index - old : entries,
			  dtl_count_entries(dtl, entries * DTL_ENTRY));
}

/* KVM applies requests although the vCPU never completes its command. */
TEST_F(areas, applied_while_running)
{
	__u64 vpa_gpa = gpa_of(self, TRY_PAGE);
	__u64 dtl_gpa = gpa_of(self, TRY_PAGE + 1);
	void *vpa = hva(self, vpa_gpa), *dtl = hva(self, dtl_gpa);
	unsigned int entries;
	__u32 count;

	area_put_length(vpa, VPA, VPA_LENGTH);
	area_put_length(dtl, DTL, self->l->page);
	vcpu_start(&self->vcpu[1], GUEST_SERVE);
	EXPECT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_VPA, 1, vpa_gpa));
	vcpu_reenter(&self->vcpu[1]);
	EXPECT_LT(1, vpa_yield_count(vpa));

	EXPECT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, REG_DTL, 1, dtl_gpa));
	vcpu_reenter(&self->vcpu[1]);
	EXPECT_LT(0, dtl_count_entries(dtl, self->l->page));
	EXPECT_EQ(H_RESOURCE, h_register_vpa(self->vcpu, DEREG_VPA, 1, 0));

	EXPECT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_DTL, 1, 0));
	vcpu_reenter(&self->vcpu[1]);
	entries = dtl_count_entries(dtl, self->l->page);
	count = vpa_yield_count(vpa);
	vcpu_reenter(&self->vcpu[1]);
	EXPECT_EQ(entries, dtl_count_entries(dtl, self->l->page));
	EXPECT_LT(count, vpa_yield_count(vpa));

	EXPECT_EQ(H_SUCCESS, h_register_vpa(self->vcpu, DEREG_VPA, 1, 0));
	vcpu_reenter(&self->vcpu[1]);
	count = vpa_yield_count(vpa);
	vcpu_reenter(&self->vcpu[1]);
	EXPECT_EQ(count, vpa_yield_count(vpa));
	vcpu_stop(&self->vcpu[1]);
}

TEST_HARNESS_MAIN
