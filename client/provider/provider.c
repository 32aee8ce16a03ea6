/* SPDX-License-Identifier: Apache-2.0 */
/*
 * provider - keysvc.so: keys on this host's tokens, for every program that uses OpenSSL 3
 *
 * OpenSSL reads a reference through reference_decoder.c, or a URI through store.c, into a key
 * (key.c, keymgmt.c), and signs with it through signature.c.
 */
#include "client/provider/provider.h"

#include <stdio.h>
#include <stdlib.h>

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>

#include "build-config.h"
#include "client/provider/fail.h"

static OSSL_FUNC_provider_teardown_fn provider_free;
static OSSL_FUNC_provider_gettable_params_fn provider_gettable;
static OSSL_FUNC_provider_get_params_fn provider_get_params;
static OSSL_FUNC_provider_query_operation_fn provider_query;

/* libcrypto finds it by its name. */
KS_API OSSL_provider_init_fn OSSL_provider_init;

/* clang-format off */
static const OSSL_DISPATCH FUNCTIONS[] = {
    DISPATCH(OSSL_FUNC_PROVIDER_TEARDOWN, provider_free),
    DISPATCH(OSSL_FUNC_PROVIDER_GETTABLE_PARAMS, provider_gettable),
    DISPATCH(OSSL_FUNC_PROVIDER_GET_PARAMS, provider_get_params),
    DISPATCH(OSSL_FUNC_PROVIDER_QUERY_OPERATION, provider_query),
    DISPATCH(OSSL_FUNC_PROVIDER_GET_REASON_STRINGS, fail_reasons),
    DISPATCH_END,
};
/* clang-format on */

/* The functions that libcrypto lends us; NULL: an older one without those we need. */
static OSSL_FUNC_core_get_params_fn *
take_functions(struct provider *provider, const OSSL_DISPATCH *in)
{
    OSSL_FUNC_core_get_params_fn *get_params = NULL;

    for (; in->function_id != 0; in++) {
        switch (in->function_id) {
        case OSSL_FUNC_CORE_GET_PARAMS:
            get_params = OSSL_FUNC_core_get_params(in);
            break;
        case OSSL_FUNC_CORE_NEW_ERROR:
            provider->new_error = OSSL_FUNC_core_new_error(in);
            break;
        case OSSL_FUNC_CORE_SET_ERROR_DEBUG:
            provider->set_error_debug = OSSL_FUNC_core_set_error_debug(in);
            break;
        case OSSL_FUNC_CORE_VSET_ERROR:
            provider->vset_error = OSSL_FUNC_core_vset_error(in);
            break;
        default:
            break;
        }
    }
    return provider->new_error && provider->set_error_debug && provider->vset_error ? get_params
                                                                                    : NULL;
}

/* Which it has from the provider's section of openssl.cnf. */
static bool
take_options(struct provider *provider, OSSL_FUNC_core_get_params_fn *get_params)
{
    char *socket = NULL, *timeout = NULL, *errors = NULL;
    OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_ptr("socket", &socket, 0),
        OSSL_PARAM_construct_utf8_ptr("timeout", &timeout, 0),
        OSSL_PARAM_construct_utf8_ptr("errors", &errors, 0),
        OSSL_PARAM_construct_end(),
    };

    if (!get_params(provider->core, params))
        return false;
    options_parse(socket, timeout, errors, &provider->options);
    return true;
}

static bool
fetch_hashes(struct provider *provider)
{
    for (enum ks_hash hash = KS_HASH_SHA256; hash < KS_HASH_COUNT; hash++) {
        provider->hashes[hash] = EVP_MD_fetch(provider->libctx, ks_hash_name(hash), NULL);
        if (!provider->hashes[hash])
            return false;
    }
    return true;
}

static void
make_client(struct provider *provider)
{
    struct options *options = &provider->options;
    struct ks_error error;

    if (options->trouble[0] != '\0')
        return;
    if (ks_client_new(options->socket, &provider->client, &error))
        snprintf(options->trouble, sizeof(options->trouble), "%.200s", error.message);
    else if (ks_client_socket(provider->client)[0] != '/')
        snprintf(options->trouble, sizeof(options->trouble),
                 "$KEYSVC_SOCKET, \"%.150s\", is no absolute path",
                 ks_client_socket(provider->client));
    else
        ks_client_set_timeout(provider->client, options->timeout_ms);
}

int
OSSL_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                   const OSSL_DISPATCH **out, void **context)
{
    struct provider *provider = calloc(1, sizeof(*provider));
    OSSL_FUNC_core_get_params_fn *get_params;

    if (!provider)
        return 0;
    provider->core = handle;
    fail_begin(provider);
    get_params = take_functions(provider, in);
    provider->libctx = get_params ? OSSL_LIB_CTX_new_from_dispatch(handle, in) : NULL;
    if (!provider->libctx || !take_options(provider, get_params) || !fetch_hashes(provider)) {
        provider_free(provider);
        return 0;
    }
    make_client(provider);
    *out = FUNCTIONS;
    *context = provider;
    return 1;
}

static void
provider_free(void *context)
{
    struct provider *provider = context;

    ks_client_free(provider->client);
    for (enum ks_hash hash = KS_HASH_SHA256; hash < KS_HASH_COUNT; hash++)
        EVP_MD_free(provider->hashes[hash]);
    OSSL_LIB_CTX_free(provider->libctx);
    free(provider);
}

static const OSSL_PARAM *
provider_gettable(void *context)
{
    static const OSSL_PARAM PARAMS[] = {
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_NAME, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_VERSION, NULL, 0),
        OSSL_PARAM_utf8_ptr(OSSL_PROV_PARAM_BUILDINFO, NULL, 0),
        OSSL_PARAM_int(OSSL_PROV_PARAM_STATUS, NULL),
        OSSL_PARAM_END,
    };

    (void)context;
    return PARAMS;
}

/* `openssl list -providers -verbose` shows these. */
static int
provider_get_params(void *context, OSSL_PARAM params[])
{
    const struct provider *provider = context;
    OSSL_PARAM *name = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_NAME);
    OSSL_PARAM *version = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_VERSION);
    OSSL_PARAM *build = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_BUILDINFO);
    OSSL_PARAM *status = OSSL_PARAM_locate(params, OSSL_PROV_PARAM_STATUS);

    return (!name || OSSL_PARAM_set_utf8_ptr(name, "keysvc")) &&
           (!version || OSSL_PARAM_set_utf8_ptr(version, KEYSVC_VERSION)) &&
           (!build || OSSL_PARAM_set_utf8_ptr(build, KEYSVC_VERSION)) &&
           (!status || OSSL_PARAM_set_int(status, provider->options.trouble[0] == '\0'));
}

static const OSSL_ALGORITHM *
provider_query(void *context, int operation, int *no_cache)
{
    (void)context;
    *no_cache = 0;
    switch (operation) {
    case OSSL_OP_KEYMGMT:
        return PROVIDER_KEYMGMT;
    case OSSL_OP_SIGNATURE:
        return PROVIDER_SIGNATURES;
    case OSSL_OP_DECODER:
        return PROVIDER_DECODERS;
    case OSSL_OP_STORE:
        return PROVIDER_STORES;
    default:
        return NULL;
    }
}
