/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The guest's flat image as data of the host program
 */
	.section .rodata
	.globl	guest_image
	.globl	guest_image_end
	.balign	8
guest_image:
	.incbin	"guest.bin"
guest_image_end:

	.section .note.GNU-stack, "", @progbits
