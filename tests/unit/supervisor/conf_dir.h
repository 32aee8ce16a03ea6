/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_dir - a folder with a configuration and its profiles
 */
#pragma once

#include "supervisor/config.h"

#define CONF_DIR_PROFILE                                                                           \
    "module = /usr/lib/nowhere.so\nworkers = 3\nenvironment = {\"A=1\", \"B=2\"}\n"

extern char conf_dir[];
extern char conf_dir_path[64]; /* keysvcd.conf in it */

/* keysvcd.conf, plain.conf and other.conf are removed at the end. */
void conf_dir_write(const char *name, const void *text, size_t len);

/* For test suites; plain.conf is PROFILE. */
void conf_dir_setup(void);

void conf_dir_teardown(void);

ks_err conf_dir_load_bytes(const void *text, size_t len, struct config **config, struct fault *why);

/* As keysvcd.conf. */
ks_err conf_dir_load(const char *text, struct config **config, struct fault *why);

struct config *conf_dir_load_good(const char *text);
