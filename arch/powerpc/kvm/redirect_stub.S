/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Entry stubs of the functions redirected by attach.c, one line each.
 */
#include "redirect_entry.S"

KVM_EXT_REDIRECT_STUB kvm_ext_stub_self_test, kvm_ext_self_test_redirected
KVM_EXT_REDIRECT_STUB kvm_ext_stub_free_radix, kvm_ext_free_radix
KVM_EXT_REDIRECT_STUB kvm_ext_stub_h_register_vpa, kvm_ext_h_register_vpa
KVM_EXT_REDIRECT_STUB kvm_ext_stub_update_areas, kvm_ext_update_areas
KVM_EXT_REDIRECT_STUB kvm_ext_stub_instantiate_page, kvm_ext_instantiate_page
KVM_EXT_REDIRECT_STUB kvm_ext_stub_flush_memslot, kvm_ext_flush_radix_memslot
KVM_EXT_REDIRECT_STUB kvm_ext_stub_h_enter, kvm_ext_h_enter
KVM_EXT_REDIRECT_STUB kvm_ext_stub_hpt_page_fault, kvm_ext_hpt_page_fault
