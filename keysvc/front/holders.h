/* SPDX-License-Identifier: Apache-2.0 */
/*
 * holders - on which tokens of its class a key is
 *
 * A class stands on a token, or on a group of tokens that show the same keys: then one name and
 * version is one key, wherever it is seen. Two tokens of a group that show different keys under one
 * label have no key of that name: nothing says which of the two is meant, unless the caller names its
 * public key. One token that lies keeps nobody from the others' keys.
 */
#pragma once

#include "front/directory.h"
#include "ipc/config.h"

struct holders {
    const struct directory_entry *key; /* as the first of them shows it; NULL: none does */
    uint64_t members; /* of the group, by index (config_member), that can use it; a token's: 1 */
    uint64_t shown;   /* that show it or another of its name */
    const struct directory_entry *doubled; /* a token has two private keys of this label; or NULL */
    const struct directory_entry *rival;   /* another key than `key`, on another token; or NULL */
};

/* `place`: a class's token or group. Version 0: the newest on any of them. */
void holders_find(const struct config *config, const struct directory *directory, const char *place,
                  const char *name, uint32_t version, struct holders *out);

/* The version whose public key the caller names: on those that show it, and once. What else stands
 * under its label, and where, is no concern of his. */
void holders_find_meant(const struct config *config, const struct directory *directory,
                        const char *place, const char *name, uint32_t version,
                        const uint8_t sha256[static KS_SHA256_LEN], struct holders *out);

/* The first token of the place whose keys are not known yet; NULL: all are. */
const char *holders_unknown(const struct config *config, const struct directory *directory,
                            const char *place);
