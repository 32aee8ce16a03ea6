/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_parts - the kinds of sections of keysvcd.conf, each read in its own file
 *
 * For config.c only. Mistakes are recorded with the file; INTERNAL means no memory and ends the
 * reading. The sections of one kind are read in the order in which they stand.
 */
#pragma once

#include "ipc/config.h"
#include "conf/conffile.h"
#include "supervisor/profile.h"

struct config_reading {
    struct conffile *file;
    struct profiles *profiles;
    bool as_root;
};

extern cfg_opt_t config_token_schema[];
extern cfg_opt_t config_group_schema[];
extern cfg_opt_t config_class_schema[];
extern cfg_opt_t config_rule_schema[];
extern cfg_opt_t config_key_schema[];

/* token NAME { ... } */
ks_err config_token_read(const struct config_reading *reading, cfg_t *section,
                         struct config_token *token) KS_MUST_CHECK;

/* group NAME { ... }; those before it and all tokens are in `config`. */
ks_err config_group_read(const struct config_reading *reading, const struct config *config,
                         cfg_t *section, struct config_group *group) KS_MUST_CHECK;

/* keys "GLOB" { ... } */
ks_err config_class_read(const struct config_reading *reading, const struct config *config,
                         cfg_t *section, struct config_class *class) KS_MUST_CHECK;
/* Records each pair of classes that could claim one key with the same right. `sections` are those
 * of config->classes. */
void config_class_check_ties(const struct config_reading *reading, const struct config *config,
                             cfg_t *root);

/* allow NAME { ... } */
ks_err config_rule_read(const struct config_reading *reading, cfg_t *section,
                        struct config_rule *rule) KS_MUST_CHECK;

/* key NAME { ... } */
void config_key_read(const struct config_reading *reading, cfg_t *section, struct config_key *key);

/*
 * An account by name or number, for a process of ours: user and primary group. A number without an
 * account stands for user and group. False: there is none, which is recorded at `line`.
 */
bool config_account(const struct config_reading *reading, unsigned int line, const char *name,
                    uint32_t *uid, uint32_t *gid);

/* A user's or group's id by name or number; false if there is none. */
bool config_uid(const char *name, uint32_t *uid);
bool config_gid(const char *name, uint32_t *gid);
