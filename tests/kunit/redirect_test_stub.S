/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry stubs of the redirect suite.
 */
#include "redirect_entry.S"

KHX_REDIRECT_STUB test_stub_replacement, test_replacement
KHX_REDIRECT_STUB test_stub_wrapper, test_wrapper
KHX_REDIRECT_STUB test_stub_nine, test_nine
