/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The entry stub of a redirected function (for inclusion).
 *
 * ftrace_regs_caller() enters the stub instead of the stock function. Argument
 * registers, nonvolatile registers, r1 and r2 are those of the original call.
 *
 * r2 is the TOC pointer of the caller's module, which the caller expects to
 * keep, because it has made a local call. Therefore the stub derives this
 * module's TOC pointer from its own address, and restores r2 afterwards (ELFv2
 * ABI 2.2.1 and 2.3.2.1).
 *
 * The registers that hold the stub's address and the return address depend on
 * how functions call ftrace. They are CTR and LR if functions call it directly,
 * or with LIVEPATCH, whose handler jumps to the stub. They are LR and r0 if
 * functions call it out of line: ftrace_regs_caller() then returns to the stub.
 *
 * Out of line, a BPF trampoline may run between ftrace and the stub. To get
 * control when the function returns (fexit), it calls the second instruction of
 * the function, with that address in CTR and the return address in LR. It takes
 * the address from the branch at LR + 4, where an out-of-line stub of ftrace
 * has one. Therefore the entry stub has a branch there as well, to an entry for
 * such calls.
 *
 * A ninth argument is in the caller's frame, at the offset at which the stub's
 * own frame must have it. If the function has none, the stub copies an
 * unrelated doubleword, which the replacement never reads.
 */
#include <asm/ppc_asm.h>

/* Header of 32 bytes, and parameter save area of nine doublewords; aligned. */
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
