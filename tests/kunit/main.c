// SPDX-License-Identifier: GPL-2.0
/*
 * The module that holds the KUnit suites; each suite is a file of its own.
 */
#include <linux/module.h>

#include "compat.h"

MODULE_DESCRIPTION("KUnit tests of kvm-hv-ext");
MODULE_LICENSE("GPL");
/* MODULE_IMPORT_NS() takes an identifier before 6.13 and a string since. */
MODULE_INFO(import_ns, "EXPORTED_FOR_KUNIT_TESTING");
