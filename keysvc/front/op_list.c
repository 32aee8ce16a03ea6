/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_list - the keys a caller may `get`, a page at a time, in order of name and version
 */
#include "front/connection.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/policy.h"

/* Whole names are shown or hidden: their rule is looked for once. */
static bool
shown(const struct call *call, const struct request_list *wanted, const char *name)
{
    if (wanted->glob[0] && !glob_match(wanted->glob, name))
        return false;
    return policy_find(call->front->config, connection_peer(call->connection), name,
                       OPERATION_GET) != NULL;
}

/* Appends the versions of one name that come after the last page; true: the page is full and there
 * are more. */
static bool
append_versions(const struct call *call, const struct request_list *wanted, const char *name,
                struct reply_key *keys, size_t *n_keys)
{
    const struct directory_entry *entries;
    size_t n = directory_versions(call->front->directory, name, &entries);
    bool same = strcmp(name, wanted->after_name) == 0;

    for (size_t i = 0; i < n; i++) {
        if (same && entries[i].version <= wanted->after_version)
            continue;
        if (*n_keys == wanted->limit)
            return true;
        keys[(*n_keys)++] = op_reply_key(call->front, &entries[i]);
    }
    return false;
}

ks_err
op_list(struct call *call, const struct request *request, struct fault *why)
{
    const struct request_list *wanted = &request->list;
    struct directory *directory = call->front->directory;
    ks_auto(freep) struct reply_key *keys = calloc(wanted->limit, sizeof(*keys));
    struct reply answer = {0};
    size_t n_keys = 0, position = directory_position(directory, wanted->after_name);
    bool more = false;
    const char *name;

    if (!keys) {
        fault_set(why, "no memory for a list");
        return KS_ERR_INTERNAL;
    }
    while (!more && (name = directory_name_at(directory, position))) {
        if (shown(call, wanted, name))
            more = append_versions(call, wanted, name, keys, &n_keys);
        position++;
    }
    answer.list = (struct reply_list){keys, n_keys, more};
    call_answer(call, &answer);
    return KS_OK;
}
