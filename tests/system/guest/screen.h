/* SPDX-License-Identifier: GPL-2.0 */
/* The frame buffer of the guest */
#ifndef TESTS_SYSTEM_GUEST_SCREEN_H
#define TESTS_SYSTEM_GUEST_SCREEN_H

#include <stdbool.h>
#include <stdint.h>

/* Find and map the frame buffer; false if there is none. */
bool screen_open(void);

/* Check what the last pass drew, and draw what this one does; false if wrong. */
bool screen_draw(uint64_t pass);

#endif
