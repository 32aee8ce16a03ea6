/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile - the facts about a kind of token, read from hsm-profiles/NAME.conf
 *
 * Each file is read once, however many tokens name it. hsm-profiles/README.md explains the options.
 */
#pragma once

#include <openssl/evp.h>

#include "ipc/config.h"
#include "conf/conffile.h"

struct profiles;

/* `dir` is where names are looked for; `hash` takes the bytes of each file as it is read. Both and
 * `mistakes` must outlive the profiles. */
ks_err profiles_new(const char *dir, EVP_MD_CTX *hash, bool as_root,
                    struct conffile_mistakes *mistakes, struct profiles **out) KS_MUST_CHECK;
struct profiles *profiles_free(struct profiles *profiles);
void profiles_freep(struct profiles **profiles);

/*
 * The profile that a token's option `profile` names, copied: a name, or a path with a slash. What
 * is wrong with it is recorded. BAD_REQUEST: there is no such profile or it is wrong; INTERNAL: no
 * memory.
 */
ks_err profiles_find(struct profiles *profiles, const struct conffile_value *name,
                     struct config_profile *out) KS_MUST_CHECK;

/* Frees the lists of one that is in no configuration yet. */
void profile_deinit(struct config_profile *profile);
