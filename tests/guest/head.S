/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Vectors, entry and hypercalls of the guest
 */
#include "guest.h"

#define SPRN_DSISR	18
#define SPRN_DAR	19
#define SPRN_SRR0	26
#define SPRN_SRR1	27

	.abiversion 2
	.section .head, "ax"

	/* No interrupt is expected: report its vector, end the vCPU. */
	.macro vector addr
	. = \addr
	li	4, \addr
	b	report_fault
	.endm

	vector	0x100
	vector	0x200
	vector	0x300
	vector	0x380
	vector	0x400
	vector	0x480
	vector	0x500
	vector	0x600
	vector	0x700
	vector	0x800
	vector	0x900
	vector	0xc00
	vector	0xd00
	vector	0xf00
	vector	0xf20
	vector	0xf40
	vector	0xf60
	vector	0xf80

	. = 0x1000
report_fault:
	li	3, 0
	ori	3, 3, GUEST_EXIT_FAULT
	mfspr	5, SPRN_SRR0
	mfspr	6, SPRN_SRR1
	mfspr	7, SPRN_DAR
	mfspr	8, SPRN_DSISR
	sc	1
	b	report_fault

	/* r3: address of this vCPU's area; the stack starts at its end */
	. = GUEST_ENTRY
	.globl	_start
_start:
	lis	2, .TOC.@ha
	addi	2, 2, .TOC.@l
	addis	1, 3, GUEST_AREA_SIZE@ha
	addi	1, 1, -256
	li	0, 0
	std	0, 0(1)
	bl	guest_main
	b	.

	.text

	/* void hcall(__u64 regs[10]): r3..r12 from and to memory */
	.globl	hcall
	.type	hcall, @function
hcall:
	mflr	0
	std	0, 16(1)
	std	3, -8(1)
	ld	4, 8(3)
	ld	5, 16(3)
	ld	6, 24(3)
	ld	7, 32(3)
	ld	8, 40(3)
	ld	9, 48(3)
	ld	10, 56(3)
	ld	11, 64(3)
	ld	12, 72(3)
	ld	3, 0(3)
	sc	1
	ld	0, -8(1)
	mtctr	0
	mr	0, 4
	mfctr	4
	std	3, 0(4)
	std	0, 8(4)
	std	5, 16(4)
	std	6, 24(4)
	std	7, 32(4)
	std	8, 40(4)
	std	9, 48(4)
	std	10, 56(4)
	std	11, 64(4)
	std	12, 72(4)
	ld	0, 16(1)
	mtlr	0
	blr
	.size	hcall, . - hcall

	.section .note.GNU-stack, "", @progbits
