/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry stub of a redirected function (for inclusion).
 *
 * ftrace_regs_caller() jumps to the stub in place of the stock function: all
 * registers are those of the original call, LR is its return address, and CTR
 * holds the address of the stub. Two things are not as in an ordinary call:
 * r12 does not hold the entry address unless livepatch's trampoline made the
 * jump, and r2 is the TOC pointer of the caller's module, which the caller
 * expects back because it made a local call. So the stub derives this
 * module's TOC pointer from CTR and gives r2 back afterwards (ELFv2 ABI 2.2.1
 * and 2.3.2.1).
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
	mfctr	r12
	mflr	r0
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
