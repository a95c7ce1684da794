/* SPDX-License-Identifier: GPL-2.0 */
/*
 * How the module takes hold of kvm-hv.
 *
 * kvm.ko exports a pointer to kvm-hv's table of operations. Members of that
 * table are replaced in place: a replaced pointer would make every VM that
 * exists already fail is_kvmppc_hv_enabled(), which compares pointers. So
 * each of our members is called for stock VMs as well, finds that they are
 * not ours, and hands over to the saved original.
 */
#ifndef KHX_ATTACH_H
#define KHX_ATTACH_H

#include <linux/types.h>

/**
 * khx_attach() - take hold of kvm-hv
 *
 * All or nothing: redirects are placed and members of the operations table
 * replaced, or an error is returned, its reason logged, and nothing changed.
 *
 * Context: module load, may sleep.
 * Return: 0; -ENODEV if kvm-hv is not loaded; -EBUSY if another module has
 * replaced a member or holds a function; errors of khx_redirect_register().
 */
int khx_attach(void);

/**
 * khx_detach() - give kvm-hv back exactly as it was
 *
 * After return no CPU runs text of this module on behalf of kvm-hv.
 *
 * Context: module unload, when no VM of ours is left; may sleep.
 */
void khx_detach(void);

/* Entry stubs of the redirects (redirect_stub.S), and what they call. */
void khx_stub_self_test(void);
void khx_stub_free_radix(void);
void khx_stub_update_vpa(void);
void khx_stub_instantiate_page(void);
void khx_stub_create_pte(void);
void khx_stub_flush_memslot(void);
void khx_stub_check_manual(void);
void khx_stub_enable_manual(void);
void khx_stub_h_enter(void);
void khx_stub_hpt_page_fault(void);
void khx_stub_setup_mmu(void);
void khx_stub_free_hpt(void);
void khx_stub_htab_read(void);
void khx_stub_htab_write(void);
void khx_stub_resize_prepare(void);
void khx_stub_resize_commit(void);
void khx_stub_vcpu_run(void);
void khx_stub_get_nested(void);
void khx_stub_remove_nest_rmap(void);
void khx_stub_update_nest_rmap_rc(void);
void khx_stub_find_nested_pte(void);
void khx_stub_unmap_pte(void);
void khx_stub_free_shadow_table(void);
void khx_stub_release_all_nested(void);
void khx_stub_nested_tlbie_all(void);
void khx_stub_rpt_invalidate(void);

bool khx_self_test(void);
bool khx_self_test_redirected(void);

#endif /* KHX_ATTACH_H */
