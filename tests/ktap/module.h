/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Load and unload the module from a test program
 */
#ifndef TESTS_KTAP_MODULE_H
#define TESTS_KTAP_MODULE_H

#include <stdbool.h>

#define MODULE_NAME	"kvm_hv_ext"

/* Return 0 or -errno. @file is in the directory of the module (KTAP_MODULE). */
int module_insert_file(const char *file, const char *parameters);
int module_insert(const char *parameters);
int module_remove_name(const char *name);
int module_remove(void);

bool module_loaded(void);

/* Return the first letter of a module parameter; Y or N for a bool. */
char module_parameter(const char *name);

/* A live patch of a hooked function; it may not be built. */
#define LIVEPATCH_FILE	"kvm-hv-ext-livepatch.ko"
void module_remove_livepatch(void);

/* Is there such a file in the directory of the module? */
bool module_built(const char *file);

#endif
