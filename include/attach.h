/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Attaching to kvm-hv.
 *
 * kvm.ko exports a pointer to kvm-hv's table of operations. The module replaces
 * members of that table in place: replacing the pointer would make every existing
 * VM fail is_kvmppc_hv_enabled(), which compares it. So the module's members are
 * called for stock VMs as well, and call the saved original for them.
 */
#ifndef KHX_ATTACH_H
#define KHX_ATTACH_H

#include <linux/types.h>

/**
 * khx_attach() - attach to kvm-hv
 *
 * All or nothing: it places hooks and replaces members of the operations table,
 * or logs the reason, returns an error, and changes nothing.
 *
 * Context: module load, may sleep.
 * Return: 0; -ENODEV if kvm-hv is not loaded; -EBUSY if another module has
 * replaced a member or holds a function; errors of khx_hooks_init().
 */
int khx_attach(void);

/**
 * khx_detach() - restore kvm-hv exactly as it was
 *
 * After return no CPU runs text of this module on behalf of kvm-hv.
 *
 * Context: module unload, without tracked VMs; may sleep.
 */
void khx_detach(void);

#endif /* KHX_ATTACH_H */
