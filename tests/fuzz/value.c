// SPDX-License-Identifier: GPL-2.0
/*
 * The kinds of arguments of calls, and numbers that are likely to matter
 */
#include "value.h"

#include <linux/const.h>
#include <stddef.h>
#include <sys/mman.h>

#include "../ktap/options.h"
#include "subject.h"

#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE	25
#endif

#define P		FUZZ_PAGE
#define BIT(n)		_BITULL(n)
#define KERNEL		0xc000000000000000ull
#define REG_SIZE	0x00f0000000000000ull

#define AREA0(member)	(GUEST_AREA(0) + offsetof(struct guest_area, member))

/*
 * On some kernels kvm-hv reports a hypercall with 4K pages, and a range of
 * H_RPT_INVALIDATE that ends less than a page below 2^64 keeps it busy for ever
 * (docs/entry-points.md). Neither is among the numbers.
 */
#define PTE_VALID	BIT(63)
#define PTE_LEAF	BIT(62)
#define PATE_52_BITS	(BIT(62) | 0xa0)
#define PATE_SIZE	(BIT(62) | BIT(61) | 0xe0)
#define PTE_RWX_RC	(NESTED_READ | NESTED_WRITE | NESTED_EXEC | NESTED_R | NESTED_C)

static __u64 any(__u64 *random)
{
	return random_u64(random) >> random_below(random, 64);
}

/* A page of guest memory that has a memslot at first. */
static __u64 a_page(__u64 *random)
{
	return (random_below(random, 2) ? GPA_1 : GPA_2) + random_below(random, 16) * P;
}

static __u64 hpte_v(__u64 *random)
{
	return vrma_hpte(a_page(random)).v;
}

static __u64 hpte_r(__u64 *random)
{
	__u64 other = random_below(random, 2) ? BIT(random_below(random, 9)) : 0;

	return vrma_hpte(a_page(random)).r | other;
}

static __u64 hpte_index(__u64 *random)
{
	unsigned int order = random_below(random, 2) ? 24 : 18;

	return vrma_group(a_page(random), order) * 8 + random_below(random, 8);
}

/* A specifier of H_BULK_REMOVE: a request for an index. */
static __u64 translation(__u64 *random)
{
	return BIT(62) | random_below(random, 4) << 56 | hpte_index(random);
}

static __u64 tlbie(__u64 *random)
{
	return random_below(random, 4) << 18 | random_below(random, 8) / 7 << 17 |
	       !!random_below(random, 8) << 16;
}

static __u64 tlbie_rb(__u64 *random)
{
	__u64 page = (random_below(random, 4) ? 0 : BIT(52)) | a_page(random);

	switch (random_below(random, 4)) {
	case 0:
		return NESTED_RB_LPID;
	case 1:
		return NESTED_RB_ALL;
	case 2:
		return NESTED_RB_LARGE(page);
	default:
		return NESTED_RB_PAGE(page);
	}
}

static __u64 table_entry(__u64 *random)
{
	switch (random_below(random, 8)) {
	case 0:
		return PTE_VALID | any(random);
	case 1:
		return PTE_VALID | PTE_LEAF | (any(random) & ~PTE_VALID);
	case 2:
		return PTE_VALID | NESTED_TABLES_GPA | random_below(random, 256) << 12 |
		       random_below(random, 14);
	default:
		return PTE_VALID | PTE_LEAF | a_page(random) |
		       (random_below(random, 4) ? PTE_RWX_RC : any(random) & PTE_RWX_RC);
	}
}

/* The first doubleword of a guest's entry in the partition table. */
static __u64 pate(__u64 *random)
{
	__u64 root = NESTED_TABLES_GPA + random_below(random, 4) * P;
	__u64 size = random_below(random, 2) ? PATE_52_BITS : any(random) & PATE_SIZE;

	return BIT(63) | size | root | (random_below(random, 2) ? 13 : random_below(random, 32));
}

struct list {
	const __u64 *number;
	unsigned int nr;
};

#define NUMBERS(...) {							\
	.number = (const __u64[]){ __VA_ARGS__ },			\
	.nr = sizeof((const __u64[]){ __VA_ARGS__ }) / sizeof(__u64),	\
}

/*
 * usual: numbers that calls succeed with. special: the limits of each, and what
 * is out of bounds. pages: so many pages from a usual number on. make: makes
 * other usual numbers. exact: only these, no similar ones.
 */
struct numbers {
	struct list usual;
	struct list special;
	unsigned int pages;
	__u64 (*make)(__u64 *random);
	bool exact;
};

static const struct numbers numbers[NR_VALUES] = {
	[V_SLOT] = {
		NUMBERS(SLOT_1, SLOT_1, SLOT_2, 3),
		NUMBERS(VM_SYS_SLOT, NESTED_TABLES_SLOT, 0x7ffe, 0x7fff, 0x8000, 0xffff,
			0x10000 | SLOT_1, 0x80000000, 0xffffffff),
	},
	[V_GPA] = {
		NUMBERS(GPA_1, GPA_1, GPA_2, GPA_3),
		NUMBERS(0, GUEST_AREA(1), GPA_1 - P, NESTED_TABLES_GPA, BIT(47), BIT(51),
			BIT(52) - P, BIT(52), BIT(52) | GPA_1, BIT(60), BIT(63), -P, -2 * P, -8,
			-1),
		.pages = 34,
	},
	[V_SIZE] = {
		NUMBERS(P, 2 * P, 8 * P, SIZE_1, SIZE_1 + P, SHARED_SIZE, 0),
		NUMBERS(1, P - 1, P + 1, BIT(30), BIT(35), BIT(48), (P << 31) - P, P << 31,
			BIT(52), BIT(63), -P, -1),
		.exact = true,
	},
	[V_HVA] = {
		NUMBERS(HVA_1, PRIVATE, SHARED),
		NUMBERS(0, P, HVA_1 + 1, PRIVATE + PRIVATE_SIZE - P, BIT(47), BIT(62), KERNEL,
			-P, -1),
		.pages = 32, .exact = true,
	},
	[V_SLOT_FLAGS] = { NUMBERS(1, 1, 0, 2, 3), NUMBERS(4, 0x80000000, 0xffffffff) },
	[V_BUFFER] = {
		NUMBERS(BUFFER, BUFFER),
		NUMBERS(0, 1, BUFFER + 4, BUFFER + BUFFER_SIZE - 1, BUFFER + BUFFER_SIZE - 8,
			BUFFER + BUFFER_SIZE, READ_ONLY, HVA_1, BIT(62), KERNEL, -8, -1),
		.exact = true,
	},
	[V_FIRST] = {
		NUMBERS(0, 0, 64),
		NUMBERS(1, 16, 32, 63, 65, 128, 0x7fffffc0, 0xffffffc0, BIT(32), BIT(58),
			BIT(63), -64),
	},
	[V_COUNT] = {
		NUMBERS(16, 16, 32, 64, 0),
		NUMBERS(1, 15, 17, 33, 128, 0x7fffffff, 0x80000000, 0xffffffc0, 0xffffffff),
	},
	[V_CAP] = {
		NUMBERS(KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2,
			KVM_CAP_PPC_NESTED_HV, KVM_CAP_PPC_ENABLE_HCALL),
		NUMBERS(BIT(32) | KVM_CAP_MANUAL_DIRTY_LOG_PROTECT2, 0x80000000, 0xffffffff, -1),
		.exact = true,
	},
	[V_CAP_ARG] = { NUMBERS(0, 1, 3, 0x448), NUMBERS(2, 4, BIT(32), BIT(32) | 1, BIT(63), -1) },
	[V_FLAGS] = { NUMBERS(0, 0, 0, 0), NUMBERS(1, 2, 4, BIT(31), BIT(32), BIT(63), -1) },
	[V_ORDER] = {
		NUMBERS(18, 18, 19, 20, 24, 0),
		NUMBERS(1, 17, 26, 46, 47, 63, 64, 0x7fffffff, 0x80000000, 0xffffffff),
		.exact = true,
	},
	[V_MMU] = { NUMBERS(0, 3, 3), NUMBERS(1, 2, 4, BIT(32), BIT(63), -1) },
	[V_PROCESS_TABLE] = {
		NUMBERS(0, BIT(63)),
		NUMBERS(12, 24, BIT(63) | 24, BIT(63) | 25, BIT(52), BIT(60), BIT(63) | BIT(60),
			-8, -1),
	},
	[V_VCPU] = {
		NUMBERS(0, 0, 1),
		NUMBERS(2, 7, 2047, 2048, 0x7fff, 0xffff, BIT(31), BIT(32), -1),
	},
	[V_REG] = {
		NUMBERS(KVM_REG_PPC_VPA_ADDR, KVM_REG_PPC_VPA_DTL, KVM_REG_PPC_VPA_SLB),
		NUMBERS(KVM_REG_PPC_PTCR, KVM_REG_PPC_VPA_ADDR ^ (3ull << 52),
			KVM_REG_PPC_VPA_DTL & ~REG_SIZE, KVM_REG_PPC_VPA_SLB | REG_SIZE),
		.exact = true,
	},
	[V_AREA] = {
		NUMBERS(GPA_1, GPA_1, GPA_2, 0),
		NUMBERS(GPA_1 + P - 640, GPA_2 + P - 128, GPA_1 + 1, GPA_3, BIT(52),
			BIT(52) | GPA_1, BIT(63), -P, -128),
		.pages = 4,
	},
	[V_LENGTH] = {
		NUMBERS(0, 48, 640, 0x1000, 104),
		NUMBERS(8, 47, 49, 639, P - 1, P, P + 1, BIT(31), BIT(32), BIT(63), -1),
	},
	[V_HTAB] = { NUMBERS(0, 1, 2, 3), NUMBERS(4, BIT(32), BIT(63), -1) },
	[V_INDEX] = {
		NUMBERS(0, 8),
		NUMBERS(1, 7, BIT(14) - 8, BIT(14), BIT(20) - 8, BIT(20) - 1, BIT(20), BIT(32),
			BIT(63), -1),
		.make = hpte_index,
	},
	[V_VALID] = { NUMBERS(0, 1, 1), NUMBERS(2, 8, 16, 0x7fff, 0xffff) },
	[V_HPTE_V] = {
		NUMBERS(0, 1),
		NUMBERS(4, 5, 0x10, 0x40, BIT(40), BIT(61), BIT(62), BIT(63), -8, -1),
		.make = hpte_v,
	},
	[V_HPTE_R] = {
		NUMBERS(GPA_1, GPA_2),
		NUMBERS(0, 0x1000, 0x8000, 0x190, BIT(51), BIT(52) | GPA_1, BIT(60), BIT(63), -1),
		.make = hpte_r,
	},
	[V_MEMORY] = {
		NUMBERS(HVA_1, HVA_1, SHARED),
		NUMBERS(PRIVATE),
		.pages = 16,
		.exact = true,
	},
	[V_PAGES] = { NUMBERS(1, 1, 2, 16, 32), NUMBERS(3, 31), .exact = true },
	[V_ADVICE] = {
		NUMBERS(MADV_DONTNEED, MADV_PAGEOUT, MADV_COLD, MADV_FREE, MADV_REMOVE),
		NUMBERS(MADV_HUGEPAGE, MADV_NOHUGEPAGE, MADV_COLLAPSE, MADV_WILLNEED),
		.exact = true,
	},
	[V_PROT] = {
		NUMBERS(PROT_READ, PROT_READ | PROT_WRITE),
		NUMBERS(PROT_NONE),
		.exact = true,
	},
	[V_WORD] = { NUMBERS(0, 1, 640ull << 16, 640ull << 32), NUMBERS(-1, BIT(63)), .make = any },
	[V_VPA_FUNC] = {
		NUMBERS(BIT(45), 2ull << 45, 3ull << 45, 5ull << 45, 6ull << 45, 7ull << 45),
		NUMBERS(0, 4ull << 45, BIT(45) | 1, BIT(48) | BIT(45), BIT(63) | BIT(45), -1),
	},
	[V_H_FLAGS] = {
		NUMBERS(0, 0, H_EXACT),
		NUMBERS(1, 2, 7, BIT(32), BIT(33), BIT(40), BIT(41), BIT(44), BIT(63), -1),
	},
	[V_TRANSLATION] = { NUMBERS(3ull << 62), NUMBERS(0, -1), .make = translation },
	[V_LPID] = {
		NUMBERS(FUZZ_LPID, FUZZ_LPID, FUZZ_LPID + 1),
		NUMBERS(0, 1, 255, 256, 4095, 4096, 0x7fffffff, 0x80000000, 0xffffffff,
			BIT(32) | FUZZ_LPID, BIT(63) | FUZZ_LPID, -1),
	},
	[V_TLBIE] = { NUMBERS(BIT(16)), NUMBERS(0, BIT(17), -1), .make = tlbie },
	[V_RB] = {
		NUMBERS(NESTED_RB_PAGE(GPA_1), NESTED_RB_LPID),
		NUMBERS(NESTED_RB_PAGE(BIT(63)), NESTED_RB_LARGE(BIT(52)), 7 << 5, 2 << 5, -1),
		.make = tlbie_rb, .exact = true,
	},
	[V_RPT_TARGET] = { NUMBERS(0, 1), NUMBERS(2, 4, 7, -1) },
	[V_RPT_TYPE] = { NUMBERS(1, 2, 4, 3, 0x10, 0x1f), NUMBERS(0, 8, BIT(63), -1) },
	[V_RPT_SIZE] = { NUMBERS(2, 4, 8, 14), NUMBERS(0, BIT(62)), .exact = true },
	[V_RPT_START] = {
		NUMBERS(0, GPA_1),
		NUMBERS(GPA_1 + 1, BIT(52) | GPA_1, BIT(63), -1),
		.pages = 4, .exact = true,
	},
	[V_RPT_END] = {
		NUMBERS(GPA_1 + P, GPA_1 + SIZE_1, -1),
		NUMBERS(0, GPA_1 + 2, (BIT(52) | GPA_1) + P),
		.exact = true,
	},
	[V_L1_POINTER] = {
		NUMBERS(AREA0(nested.hv), AREA0(nested.regs), AREA0(list), GPA_1),
		NUMBERS(0, 8, GPA_1 + 1, GPA_1 + P - 8, GPA_3, NESTED_TABLES_GPA, BIT(52),
			BIT(63), -P, -8),
	},
	[V_LEVEL] = { NUMBERS(0, 1, 2, 3, 3, 3), NUMBERS(2), .exact = true },
	[V_ENTRY] = { NUMBERS(0), NUMBERS(BIT(63), 3 * BIT(62), -1), .make = table_entry },
	[V_PATE] = { NUMBERS(0), NUMBERS(BIT(63), -1), .make = pate },
	[V_DOUBLEWORD] = { NUMBERS(0, 0, 1), NUMBERS(0), .exact = true },
	[V_L2_GPA] = {
		NUMBERS(GPA_1, GPA_1, GPA_2, BIT(52) | GPA_1),
		NUMBERS(0, GUEST_AREA(1), GPA_1 + SIZE_1, BIT(40), BIT(51), BIT(52) - P,
			BIT(53), BIT(63)),
		.pages = 16,
	},
	[V_ACCESS] = { NUMBERS(6, 6, 4, 7), NUMBERS(0, 1, 2) },
	/* not the timebase: an emulated host does not survive another one */
	[V_HV_WORD] = {
		NUMBERS(0, 1, 2, 3, 4, 5, 6, 8, 9, 10, 12, 13, 14, 15),
		NUMBERS(16, 17, 18, 19, 20, 21, 22, 23, 24, 25, 26),
		.exact = true,
	},
	[V_REGS_WORD] = { NUMBERS(3, 32, 33, 34, 35, 36), NUMBERS(0, 1, 31, 37, 38, 39, 40, 43) },
};

static __u64 any_of(const struct list *list, __u64 *random)
{
	return list->number[random_below(random, list->nr)];
}

__u64 value_make(enum value kind, __u64 *random)
{
	const struct numbers *n = &numbers[kind];
	__u64 usual;

	if (!random_below(random, 4))
		return any_of(&n->special, random);
	if (n->make && random_below(random, 4))
		return n->make(random);
	usual = any_of(&n->usual, random);
	return n->pages ? usual + random_below(random, n->pages) * P : usual;
}

__u64 value_change(enum value kind, __u64 old, __u64 *random)
{
	if (numbers[kind].exact || random_below(random, 2))
		return value_make(kind, random);
	switch (random_below(random, 4)) {
	case 0:
		return old + P;
	case 1:
		return old - P;
	case 2:
		return old + 1 - 2 * random_below(random, 2);
	default:
		return old ^ BIT(random_below(random, 64));
	}
}
