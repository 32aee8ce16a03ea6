/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store - keysvc:NAME and keysvc:NAME@VERSION, where programs take a URI in place of a file
 *
 * A bare name is the newest version at the time of loading, and stays that version: rotating
 * changes nothing for a running program. keysvcd is asked, unlike with a reference.
 */
#include <openssl/core_names.h>
#include <openssl/core_object.h>
#include <openssl/params.h>
#include <openssl/store.h>

#include "base/keyname.h"
#include "client/provider/fail.h"
#include "client/provider/key.h"

#define SCHEME "keysvc:"

struct store {
    struct provider *provider;
    char name[KEYNAME_LABEL_MAX + 1];
    int expected; /* OSSL_STORE_INFO_...; 0: anything */
    bool done;
};

static OSSL_FUNC_store_open_fn store_open;
static OSSL_FUNC_store_settable_ctx_params_fn store_settable;
static OSSL_FUNC_store_set_ctx_params_fn store_set;
static OSSL_FUNC_store_load_fn store_load;
static OSSL_FUNC_store_eof_fn store_eof;
static OSSL_FUNC_store_close_fn store_close;

static void *
store_open(void *context, const char *uri)
{
    struct provider *provider = context;
    struct store *store;

    if (strncmp(uri, SCHEME, strlen(SCHEME)) != 0)
        return NULL;
    uri += strlen(SCHEME);
    store = calloc(1, sizeof(*store));
    if (!store || !text_copy(store->name, sizeof(store->name), uri)) {
        free(store);
        fail(provider, KS_ERR_BAD_REQUEST, SCHEME "%.150s: not the name of a key", uri);
        return NULL;
    }
    store->provider = provider;
    return store;
}

static const OSSL_PARAM *
store_settable(void *context)
{
    static const OSSL_PARAM PARAMS[] = {OSSL_PARAM_int(OSSL_STORE_PARAM_EXPECT, NULL),
                                        OSSL_PARAM_END};

    (void)context;
    return PARAMS;
}

static int
store_set(void *context, const OSSL_PARAM params[])
{
    struct store *store = context;
    const OSSL_PARAM *expected = OSSL_PARAM_locate_const(params, OSSL_STORE_PARAM_EXPECT);

    return !expected || OSSL_PARAM_get_int(expected, &store->expected);
}

static int
store_load(void *context, OSSL_CALLBACK *object, void *object_arg, OSSL_PASSPHRASE_CALLBACK *ask,
           void *ask_arg)
{
    struct store *store = context;
    struct ks_error error;
    struct ks_key info;
    struct key *key;

    (void)ask, (void)ask_arg;
    store->done = true;
    if (store->expected != 0 && store->expected != OSSL_STORE_INFO_PKEY)
        return 0;
    if (store->provider->options.trouble[0] != '\0')
        return fail(store->provider, FAIL_OPTION, SCHEME "%s: %s", store->name,
                    store->provider->options.trouble);
    if (ks_get(store->provider->client, store->name, &info, &error))
        return fail_error(store->provider, store->name, &error);
    key = key_new_private(store->provider, &info);
    return key ? key_hand_over(key, object, object_arg) : 0;
}

static int
store_eof(void *context)
{
    const struct store *store = context;

    return store->done;
}

static int
store_close(void *context)
{
    free(context);
    return 1;
}

/* clang-format off */
static const OSSL_DISPATCH STORE[] = {
    DISPATCH(OSSL_FUNC_STORE_OPEN, store_open),
    DISPATCH(OSSL_FUNC_STORE_SETTABLE_CTX_PARAMS, store_settable),
    DISPATCH(OSSL_FUNC_STORE_SET_CTX_PARAMS, store_set),
    DISPATCH(OSSL_FUNC_STORE_LOAD, store_load),
    DISPATCH(OSSL_FUNC_STORE_EOF, store_eof),
    DISPATCH(OSSL_FUNC_STORE_CLOSE, store_close),
    DISPATCH_END,
};

const OSSL_ALGORITHM PROVIDER_STORES[] = {
    {"keysvc", PROVIDER_PROPERTIES, STORE, "keys of keysvcd by their names"},
    {NULL, NULL, NULL, NULL},
};
/* clang-format on */
