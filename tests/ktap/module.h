/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Inserting and removing the module, from a program
 */
#ifndef TESTS_KTAP_MODULE_H
#define TESTS_KTAP_MODULE_H

#include <stdbool.h>

#define MODULE_NAME	"kvm_hv_ext"

/* 0 or -errno. The file is that of the module's directory, KTAP_MODULE's. */
int module_insert_file(const char *file, const char *parameters);
int module_insert(const char *parameters);
int module_remove_name(const char *name);
int module_remove(void);

bool module_loaded(void);

/* Is there such a file in the directory of the module? */
bool module_built(const char *file);

#endif
