/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key - looking at keys, making and removing them: get, list, generate, rotate, destroy
 */
#include "client/lib/key.h"

#include <assert.h>

#include "base/keyname.h"
#include "client/lib/call.h"
#include "client/lib/error.h"

static_assert(KS_NAME_MAX == KEYNAME_MAX, "the public header's limit is the service's");

struct ks_list {
    struct ks_client *client;
    char *glob;
    struct ks_key *page;
    size_t n_page;
    size_t at; /* next of the page */
    bool more; /* behind the page */
};

static ks_err next_page(struct ks_list *list, struct ks_error *error);

ks_err
key_call(struct ks_client *client, const struct request *request, const char *name,
         uint32_t version, struct ks_key *out, struct ks_error *error)
{
    ks_auto(response_freep) struct response *response = NULL;
    struct ks_key unwanted;
    ks_err err;

    err = call_run(client, request, &response, error);
    if (err)
        return err;
    return response_key(response, name, version, out ? out : &unwanted, error);
}

ks_err
key_check_name(const char *name, struct ks_error *error)
{
    if (name && keyname_valid(name))
        return KS_OK;
    return error_set(error, KS_ERR_BAD_REQUEST, "\"%.120s\" is not the name of a key",
                     name ? name : "");
}

ks_err
key_check(const struct ks_key *key, struct ks_error *error)
{
    ks_err err = key_check_name(key->name, error);

    if (err)
        return err;
    if (key->version == 0 || key->version > KEYNAME_VERSION_MAX)
        return error_set(error, KS_ERR_BAD_REQUEST, "%s: %u is not a version of a key", key->name,
                         key->version);
    return KS_OK;
}

ks_err
ks_get(struct ks_client *client, const char *name, struct ks_key *out, struct ks_error *error)
{
    struct request request = {.operation = OPERATION_GET};
    char bare[KEYNAME_MAX + 1];

    error_clear(error);
    if (!name || !keyname_split(name, strlen(name), true, bare, &request.get.version))
        return error_set(error, KS_ERR_BAD_REQUEST, "\"%.120s\" is not NAME or NAME@VERSION",
                         name ? name : "");
    request.get.name = bare;
    return key_call(client, &request, bare, request.get.version, out, error);
}

ks_err
ks_generate(struct ks_client *client, const char *name, enum ks_key_type type, struct ks_key *out,
            struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_GENERATE,
                                    .generate = {.name = name, .type = type}};
    ks_err err;

    error_clear(error);
    err = key_check_name(name, error);
    if (err)
        return err;
    if ((unsigned int)type >= KS_KEY_TYPE_COUNT)
        return error_set(error, KS_ERR_USAGE, "no such key type");
    return key_call(client, &request, name, 1, out, error);
}

ks_err
ks_rotate(struct ks_client *client, const char *name, uint32_t from_version, struct ks_key *out,
          struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_ROTATE,
                                    .rotate = {.name = name, .from_version = from_version}};
    ks_err err;

    error_clear(error);
    err = key_check_name(name, error);
    if (err)
        return err;
    if (from_version == 0 || from_version >= KEYNAME_VERSION_MAX)
        return error_set(error, KS_ERR_BAD_REQUEST, "%s: %u is not a version to rotate from", name,
                         from_version);
    return key_call(client, &request, name, from_version + 1, out, error);
}

ks_err
ks_destroy(struct ks_client *client, const struct ks_key *key, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_DESTROY, .key = key};
    ks_err err;

    error_clear(error);
    err = key_check(key, error);
    if (err)
        return err;
    return call_for_done(client, &request, error);
}

/* --- list --- */

ks_err
ks_list_new(struct ks_client *client, const char *glob, struct ks_list **out,
            struct ks_error *error)
{
    struct ks_list *list = calloc(1, sizeof(*list));

    error_clear(error);
    if (list)
        list->glob = strdup(glob ? glob : "");
    if (!list || !list->glob) {
        free(list);
        return error_set(error, KS_ERR_INTERNAL, "no memory for a list");
    }
    list->client = client;
    list->more = true;
    *out = list;
    return KS_OK;
}

struct ks_list *
ks_list_free(struct ks_list *list)
{
    if (!list)
        return NULL;
    free(list->page);
    free(list->glob);
    free(list);
    return NULL;
}

ks_err
ks_list_next(struct ks_list *list, const struct ks_key **key, struct ks_error *error)
{
    ks_err err;

    error_clear(error);
    *key = NULL;
    if (list->at == list->n_page && list->more) {
        err = next_page(list, error);
        if (err)
            return err;
    }
    if (list->at < list->n_page)
        *key = &list->page[list->at++];
    return KS_OK;
}

/* Is `a` behind `b` in the order of lists? A service that goes in circles would never end. */
static bool
key_behind(const struct ks_key *a, const char *name, uint32_t version)
{
    int order = strcmp(a->name, name);

    return order > 0 || (order == 0 && a->version > version);
}

/* Each token has a keysvc/audit of its own. */
static bool
key_follows(const struct ks_key *a, const struct ks_key *b)
{
    return key_behind(a, b->name, b->version) ||
           (strcmp(a->name, b->name) == 0 && a->version == b->version &&
            strcmp(a->token, b->token) != 0);
}

static ks_err
next_page(struct ks_list *list, struct ks_error *error)
{
    const struct ks_key *last = list->n_page > 0 ? &list->page[list->n_page - 1] : NULL;
    const struct request request = {.operation = OPERATION_LIST,
                                    .list = {.glob = list->glob,
                                             .after_name = last ? last->name : "",
                                             .after_version = last ? last->version : 0}};
    ks_auto(response_freep) struct response *response = NULL;
    ks_auto(freep) struct ks_key *page = NULL;
    size_t n_page;
    bool more;
    ks_err err;

    err = call_run(list->client, &request, &response, error);
    if (err)
        return err;
    err = response_list(response, &page, &n_page, &more, error);
    if (err)
        return err;
    for (size_t i = 0; i < n_page; i++) {
        if (i == 0 ? !key_behind(&page[0], request.list.after_name, request.list.after_version)
                   : !key_follows(&page[i], &page[i - 1]))
            return error_set(error, KS_ERR_INTERNAL, "keysvcd repeats itself in a list of keys");
    }
    free(list->page);
    list->page = ks_steal(&page);
    list->n_page = n_page;
    list->at = 0;
    list->more = more;
    return KS_OK;
}
