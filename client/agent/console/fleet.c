/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet - the list of agents, read and merged back
 */
#include "client/agent/console/fleet.h"

#include <ctype.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>

#define FLEET_NAME "agents.json"
#define DEFAULT_PORT 9999

struct fleet {
    char dir[PATH_MAX];
    struct peer **peers; /* sorted by name */
    size_t n_peers;
};

static int
by_name(const void *one, const void *other)
{
    return strcmp((*(struct peer *const *)one)->name, (*(struct peer *const *)other)->name);
}

static struct peer *
append(struct fleet *fleet)
{
    struct peer **grown = reallocarray(fleet->peers, fleet->n_peers + 1, sizeof(struct peer *));

    if (!grown)
        return NULL;
    fleet->peers = grown;
    grown[fleet->n_peers] = calloc(1, sizeof(struct peer));
    return grown[fleet->n_peers] ? grown[fleet->n_peers++] : NULL;
}

static ks_err
bad_file(const struct fleet *fleet, struct fault *why)
{
    fault_set(why, "%s/" FLEET_NAME ": not a list of agents that this console understands",
              fleet->dir);
    return KS_ERR_USAGE;
}

static ks_err
bad_peer(const struct fleet *fleet, size_t index, const json_t *json, struct fault *why)
{
    const char *name = json_string_value(json_object_get(json, "name"));

    fault_set(why, "%s/" FLEET_NAME ": agent %zu (%.64s) is none that this console understands",
              fleet->dir, index + 1, name ? name : "no name");
    return KS_ERR_USAGE;
}

static ks_err
load(struct fleet *fleet, struct fault *why)
{
    json_t *json, *one;
    size_t index;
    ks_err err = confdir_read(fleet->dir, FLEET_NAME, &json, why);

    if (err || !json)
        return err;
    if (!json_is_array(json_object_get(json, "agents")))
        err = bad_file(fleet, why);
    json_array_foreach(json_object_get(json, "agents"), index, one)
    {
        struct peer *peer = err ? NULL : append(fleet);

        if (!peer)
            break;
        err = peer_from_json(peer, one);
        if (err)
            err = bad_peer(fleet, index, one, why);
    }
    json_decref(json);
    if (fleet->n_peers > 0) /* of none the array is NULL */
        qsort(fleet->peers, fleet->n_peers, sizeof(struct peer *), by_name);
    return err;
}

static void
fleet_freep(struct fleet **fleet)
{
    *fleet = fleet_free(*fleet);
}

ks_err
fleet_open(const char *dir, struct fleet **out, struct fault *why)
{
    ks_auto(fleet_freep) struct fleet *fleet = calloc(1, sizeof(*fleet));
    ks_err err;

    *out = NULL;
    if (!fleet || !text_copy(fleet->dir, sizeof(fleet->dir), dir)) {
        fault_set(why, "no memory for the list of agents");
        return KS_ERR_INTERNAL;
    }
    err = confdir_make(dir, why);
    if (!err)
        err = load(fleet, why);
    if (!err)
        *out = ks_steal(&fleet);
    return err;
}

struct fleet *
fleet_free(struct fleet *fleet)
{
    if (!fleet)
        return NULL;
    for (size_t i = 0; i < fleet->n_peers; i++) {
        peer_deinit(fleet->peers[i]);
        free(fleet->peers[i]);
    }
    free(fleet->peers);
    free(fleet);
    return NULL;
}

size_t
fleet_n(const struct fleet *fleet)
{
    return fleet->n_peers;
}

struct peer *
fleet_at(const struct fleet *fleet, size_t index)
{
    return fleet->peers[index];
}

struct peer *
fleet_find(const struct fleet *fleet, const char *name)
{
    for (size_t i = 0; i < fleet->n_peers; i++) {
        if (strcmp(fleet->peers[i]->name, name) == 0)
            return fleet->peers[i];
    }
    return NULL;
}

struct peer *
fleet_add(struct fleet *fleet, const char *name)
{
    struct peer *peer = append(fleet);

    if (!peer || !text_copy(peer->name, sizeof(peer->name), name))
        return NULL;
    peer->changed = true;
    peer->added = true;
    qsort(fleet->peers, fleet->n_peers, sizeof(struct peer *), by_name);
    return peer;
}

/* --- saving --- */

/* Puts what this console changed into what stands in the file now. */
static ks_err
merge(struct fleet *now, const struct fleet *ours, json_t *agents, struct fault *why)
{
    size_t i;

    for (i = 0; i < ours->n_peers; i++) {
        if (ours->peers[i]->added && fleet_find(now, ours->peers[i]->name)) {
            fault_set(why, "%s: there is an agent of that name already", ours->peers[i]->name);
            return KS_ERR_EXISTS;
        }
    }
    for (i = 0; i < now->n_peers; i++) {
        const struct peer *peer = fleet_find(ours, now->peers[i]->name);

        if (!peer || (!peer->changed && !peer->removed))
            peer = now->peers[i];
        if (!peer->removed && json_array_append_new(agents, peer_json(peer)) != 0)
            return KS_ERR_INTERNAL;
    }
    for (i = 0; i < ours->n_peers; i++) {
        if (ours->peers[i]->added && json_array_append_new(agents, peer_json(ours->peers[i])) != 0)
            return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static ks_err
write_merged(struct fleet *fleet, struct fault *why)
{
    ks_auto(fleet_freep) struct fleet *now = NULL;
    json_t *agents = json_array();
    json_t *json = json_pack("{s:o?}", "agents", agents);
    ks_err err = fleet_open(fleet->dir, &now, why);

    if (!err && !json)
        err = KS_ERR_INTERNAL;
    if (!err)
        err = merge(now, fleet, agents, why);
    if (!err)
        err = confdir_write(fleet->dir, FLEET_NAME, json, why);
    json_decref(json);
    return err;
}

ks_err
fleet_save(struct fleet *fleet, struct fault *why)
{
    ks_auto(closep) int lock = -1;
    ks_err err = confdir_lock(fleet->dir, &lock, why);

    if (!err)
        err = write_merged(fleet, why);
    if (err)
        return err;
    for (size_t i = 0; i < fleet->n_peers; i++) {
        fleet->peers[i]->changed = false;
        fleet->peers[i]->added = false;
    }
    return KS_OK;
}

/* --- names and addresses --- */

bool
peer_name_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= PEER_NAME_MAX && isascii(name[0]) && isalnum((unsigned char)name[0]) &&
           strspn(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-") == len;
}

static bool
parse_port(const char *text, uint16_t *out)
{
    char *end;
    unsigned long port;

    if (!isdigit((unsigned char)text[0]))
        return false;
    errno = 0;
    port = strtoul(text, &end, 10);
    if (errno != 0 || *end || port == 0 || port > UINT16_MAX)
        return false;
    *out = (uint16_t)port;
    return true;
}

/* Letters, digits, - . for names; : too for IPv6. Anything else would change the URL. */
static bool
copy_host(struct peer *peer, const char *host, size_t len, bool bracketed)
{
    if (len == 0 || len > TRUST_NAME_MAX || host[0] == '-')
        return false;
    for (size_t i = 0; i < len; i++) {
        bool good = bracketed ? isxdigit((unsigned char)host[i]) || host[i] == ':' || host[i] == '.'
                              : (isascii(host[i]) && isalnum((unsigned char)host[i])) ||
                                    host[i] == '-' || host[i] == '.' || host[i] == '_';

        if (!good)
            return false;
    }
    memcpy(peer->host, host, len);
    peer->host[len] = '\0';
    return true;
}

bool
peer_parse_address(struct peer *peer, const char *text)
{
    const char *end;

    peer->port = DEFAULT_PORT;
    if (text[0] == '[') {
        end = strchr(text, ']');
        if (!end || (end[1] && end[1] != ':') || (end[1] && !parse_port(end + 2, &peer->port)))
            return false;
        return copy_host(peer, text + 1, (size_t)(end - text) - 1, true);
    }
    end = strchr(text, ':');
    if (end && !parse_port(end + 1, &peer->port))
        return false;
    return copy_host(peer, text, end ? (size_t)(end - text) : strlen(text), false);
}

void
peer_address(const struct peer *peer, char *out, size_t cap)
{
    bool brackets = strchr(peer->host, ':');

    snprintf(out, cap, "%s%s%s:%u", brackets ? "[" : "", peer->host, brackets ? "]" : "",
             (unsigned int)peer->port);
}

void
peer_saw(struct peer *peer, const char *status)
{
    snprintf(peer->status, sizeof(peer->status), "%s", status);
    peer->seen_s = (json_int_t)time(NULL);
    peer->changed = true;
}
