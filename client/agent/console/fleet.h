/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet - the agents that the console knows: address, what is trusted of each, how to log in to it
 *
 * One file, DIR/agents.json, mode 0600 (it holds tokens of the API), replaced whole by rename(2).
 * Two consoles may run at a time: fleet_save() takes the folder's lock, reads the file again and
 * changes only the agents that this one changed.
 *
 *   fleet_open() -> fleet_find(), fleet_add() -> peer->changed = true -> fleet_save() -> fleet_free()
 */
#pragma once

#include "client/agent/console/trust.h"

#define PEER_NAME_MAX 64u
#define PEER_TOKEN_MAX 512u
#define FLEET_FILE_MAX (64u * 1024u * 1024u) /* bytes: 5 KiB for each of ten thousand agents */

struct peer {
    char name[PEER_NAME_MAX + 1];
    char host[TRUST_NAME_MAX + 1]; /* an IPv6 address without brackets */
    uint16_t port;
    struct trust trust;
    char *token; /* of the API; NULL: none; wiped when freed */
    char *
        certificate_file; /* the console's own certificate, with its key or reference; NULL: none */
    char *key_file;
    char status[32]; /* what was last seen: "trusted", "untrusted", "unreachable"; empty: nothing */
    json_int_t seen_s; /* when, since 1970 */
    bool changed;      /* to be saved */
    bool added;        /* it was not in the file */
    bool removed;      /* to be removed from it */
};

struct fleet;

/* Makes the folder (0700) if it is missing. USAGE: folder or file cannot be used, or are open to
 * others. */
ks_err fleet_open(const char *dir, struct fleet **out, struct fault *why) KS_MUST_CHECK;

/* Takes NULL, returns NULL. */
struct fleet *fleet_free(struct fleet *fleet);

/* In the order of their names. Pointers stay valid until the fleet is freed. */
size_t fleet_n(const struct fleet *fleet);
struct peer *fleet_at(const struct fleet *fleet, size_t index);
/* NULL: there is none of that name. */
struct peer *fleet_find(const struct fleet *fleet, const char *name);

/* A new one, in the list but not saved. NULL: no memory. */
struct peer *fleet_add(struct fleet *fleet, const char *name);

/* Durable when it returns. INTERNAL: it could not be written, the old file stands. EXISTS: another
 * console added one of that name meanwhile. */
ks_err fleet_save(struct fleet *fleet, struct fault *why) KS_MUST_CHECK;

/* Letters, digits, . _ - ; it begins with a letter or a digit: it becomes a file's name. */
bool peer_name_valid(const char *name);

/* "host:port", "[::1]:9999"; without a port 9999. */
bool peer_parse_address(struct peer *peer, const char *text);
/* host:port, as it is written in a URL. */
void peer_address(const struct peer *peer, char *out, size_t cap);
#define PEER_ADDRESS_LEN (TRUST_NAME_MAX + sizeof("[]:65535"))

void peer_saw(struct peer *peer, const char *status);

/* --- fleet_json.c: one agent as it stands in the file --- */

json_t *peer_json(const struct peer *peer);
/* BAD_REQUEST: it is not what peer_json() makes; of its trust alone, nothing is trusted and what stands there
 * is kept. `peer` must be zeroed; peer_deinit() it in any case. */
ks_err peer_from_json(struct peer *peer, const json_t *json) KS_MUST_CHECK;
void peer_deinit(struct peer *peer);

/* --- confdir.c: small files of the console's folder --- */

/* The folder, made if it is missing; a mode that lets others in is refused. */
ks_err confdir_make(const char *dir, struct fault *why) KS_MUST_CHECK;
/* The whole file as JSON; *out NULL: there is none. */
ks_err confdir_read(const char *dir, const char *name, json_t **out,
                    struct fault *why) KS_MUST_CHECK;
/* Mode 0600, whole or not at all, durable. */
ks_err confdir_write(const char *dir, const char *name, const json_t *json,
                     struct fault *why) KS_MUST_CHECK;
/* Held until the descriptor is closed. */
ks_err confdir_lock(const char *dir, int *out, struct fault *why) KS_MUST_CHECK;
