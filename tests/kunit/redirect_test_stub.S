/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry stubs of the redirect suite.
 */
#include "redirect_entry.S"

KVM_EXT_REDIRECT_STUB test_stub_replacement, test_replacement
KVM_EXT_REDIRECT_STUB test_stub_wrapper, test_wrapper
KVM_EXT_REDIRECT_STUB test_stub_nine, test_nine
