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

#endif /* KHX_ATTACH_H */
