/* SPDX-License-Identifier: GPL-2.0 */
/*
 * EXPORT_SYMBOL_IF_KUNIT() that exports only if the module's own KUnit module
 * is built. The kernel's version exports wherever CONFIG_KUNIT is set, so a
 * module built for a distribution kernel with CONFIG_KUNIT=m would export its
 * internals.
 */
#ifndef KHX_KUNIT_H
#define KHX_KUNIT_H

#include <linux/build_bug.h>
#include <linux/export.h>
#include <linux/kconfig.h>

#if IS_ENABLED(CONFIG_KVM_HV_EXT_KUNIT_TEST)
#include <kunit/visibility.h>
#else
#define EXPORT_SYMBOL_IF_KUNIT(symbol) static_assert(true, #symbol)
#endif

#endif /* KHX_KUNIT_H */
