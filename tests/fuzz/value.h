/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The kinds of arguments of calls, and numbers that are likely to matter
 */
#ifndef TESTS_FUZZ_VALUE_H
#define TESTS_FUZZ_VALUE_H

#include <linux/types.h>

enum value {
	V_NONE,
	/* ioctls */
	V_SLOT, V_GPA, V_SIZE, V_HVA, V_SLOT_FLAGS, V_BUFFER, V_FIRST, V_COUNT,
	V_CAP, V_CAP_ARG, V_FLAGS, V_ORDER, V_MMU, V_PROCESS_TABLE, V_VCPU, V_REG,
	V_AREA, V_LENGTH, V_HTAB, V_INDEX, V_VALID, V_HPTE_V, V_HPTE_R,
	/* the host's memory */
	V_MEMORY, V_PAGES, V_ADVICE, V_PROT,
	/* hypercalls */
	V_WORD, V_VPA_FUNC, V_H_FLAGS, V_TRANSLATION, V_LPID, V_TLBIE, V_RB,
	V_RPT_TARGET, V_RPT_TYPE, V_RPT_SIZE, V_RPT_START, V_RPT_END, V_L1_POINTER,
	/* L1's tables, and its nested guest */
	V_LEVEL, V_ENTRY, V_PATE, V_DOUBLEWORD, V_L2_GPA, V_ACCESS, V_HV_WORD, V_REGS_WORD,
	NR_VALUES,
};

__u64 value_make(enum value kind, __u64 *random);

/* Return a number similar to @old, or another one. */
__u64 value_change(enum value kind, __u64 old, __u64 *random);

#endif
