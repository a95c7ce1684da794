/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Symbols that the KUnit module needs are exported only where that module is built.
 */
#ifndef KHX_KUNIT_H
#define KHX_KUNIT_H

#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_KVM_HV_EXT_KUNIT_TEST)
#define EXPORT_SYMBOL_FOR_KUNIT(sym) EXPORT_SYMBOL_GPL(sym)
#else
#define EXPORT_SYMBOL_FOR_KUNIT(sym) static_assert(true, #sym)
#endif

#endif /* KHX_KUNIT_H */
