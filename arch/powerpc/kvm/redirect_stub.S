/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry stubs of the hooks.
 */
#include "hooks.h"
#include "redirect_entry.S"

#define STUB(_name, ...)	KHX_REDIRECT_STUB khx_stub_##_name, khx_hook_##_name ;
#define NO_STUB(...)

KHX_HOOKS(STUB, STUB, NO_STUB)
