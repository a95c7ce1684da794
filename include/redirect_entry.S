/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry stub of a redirected function (for inclusion).
 *
 * ftrace_regs_caller() goes to the stub in place of the stock function: all registers
 * are those of the original call, but for three things.
 *
 * r2 is the TOC pointer of the caller's module, which the caller expects back because it
 * made a local call. So the stub derives this module's TOC pointer from its own address,
 * and gives r2 back afterwards (ELFv2 ABI 2.2.1 and 2.3.2.1).
 *
 * Where the stub's address and the return address are depends on how functions call
 * ftrace: CTR and LR where they do so themselves, and with LIVEPATCH, whose trampoline
 * makes the jump. Where they do so out of line, ftrace_regs_caller() returns to the stub:
 * LR and r0.
 *
 * Out of line, a BPF trampoline may be between ftrace and the stub. If it has to come
 * back when the function has returned (fexit), it calls what it takes for the function's
 * second instruction, with its address in CTR and the return address in LR. It finds that
 * where an out-of-line stub of ftrace would have a branch there: in the second instruction
 * after LR. So the stub has a branch in that place, to an entry for such calls.
 *
 * Where there is a ninth argument it is at the same place in the caller's frame as it
 * has to be in the stub's; where there is none, that place is somebody's memory, and
 * the copy of it is never looked at.
 */
#include <asm/ppc_asm.h>

/* Frame header of 32 bytes and a parameter save area of nine doublewords, aligned. */
#define REDIRECT_FRAME	112
#define REDIRECT_NINTH	96
#define REDIRECT_TOC	24
#define REDIRECT_LR	16

.macro KHX_REDIRECT_STUB stub, target
	.pushsection ".text", "ax"
	.balign	4
	.globl	\stub
	.type	\stub, @function
\stub:
#if defined(CONFIG_PPC_FTRACE_OUT_OF_LINE) && !defined(CONFIG_LIVEPATCH_64)
	b	1f
	b	0f		/* read by BPF trampolines, not executed */
0:	mfctr	r12
	addi	r12, r12, \stub - 0b
	mflr	r0
	b	2f
1:	mflr	r12
2:
#else
	mfctr	r12
	mflr	r0
#endif
	std	r0, REDIRECT_LR(r1)
	stdu	r1, -REDIRECT_FRAME(r1)
	std	r2, REDIRECT_TOC(r1)
	ld	r0, REDIRECT_FRAME + REDIRECT_NINTH(r1)
	std	r0, REDIRECT_NINTH(r1)
	addis	r2, r12, (.TOC. - \stub)@ha
	addi	r2, r2, (.TOC. - \stub)@l
	bl	\target
	nop
	ld	r2, REDIRECT_TOC(r1)
	addi	r1, r1, REDIRECT_FRAME
	ld	r0, REDIRECT_LR(r1)
	mtlr	r0
	blr
	.size	\stub, . - \stub
	.popsection
.endm
