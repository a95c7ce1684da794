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

/* The first letter of a parameter of the module that is loaded: Y or N of a bool. */
char module_parameter(const char *name);

/* A live patch of a function that the module redirects; the patch may not be there. */
#define LIVEPATCH_FILE	"kvm-hv-ext-livepatch.ko"
void module_remove_livepatch(void);

/* Is there such a file in the directory of the module? */
bool module_built(const char *file);

#endif
