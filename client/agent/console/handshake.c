/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake - the callback that OpenSSL gets in place of its own verification
 */
#include "client/agent/console/handshake.h"

#include <openssl/err.h>
#include <openssl/provider.h>
#include <openssl/ssl.h>
#include <stdio.h>

#include "client/agent/certificate/certfile.h"
#include "client/provider/builtin.h"

/* A reference of its own. What is believed is kept in a file, which must be read again. */
static STACK_OF(X509) * readable(STACK_OF(X509) * chain)
{
    STACK_OF(X509) *copy = chain ? X509_chain_up_ref(chain) : NULL;

    for (int i = sk_X509_num(copy); i-- > 0;) {
        if (!certfile_takes(sk_X509_value(copy, i)))
            X509_free(sk_X509_delete(copy, i));
    }
    return copy;
}

static int
judge(X509_STORE_CTX *context, void *state)
{
    struct handshake *handshake = state;
    X509 *leaf = X509_STORE_CTX_get0_cert(context);
    STACK_OF(X509) *chain = X509_STORE_CTX_get0_untrusted(context);

    handshake->judged = true;
    X509_free(handshake->leaf);
    handshake->leaf = leaf && X509_up_ref(leaf) == 1 ? leaf : NULL;
    sk_X509_pop_free(handshake->chain, X509_free);
    handshake->chain = readable(chain);
    if (!handshake->leaf)
        return 0;
    handshake->unreadable = !certfile_takes(leaf);
    if (handshake->unreadable) {
        X509_STORE_CTX_set_error(context, X509_V_ERR_INVALID_EXTENSION);
        return 0;
    }
    if (handshake->trust)
        trust_judge(handshake->trust, leaf, handshake->chain, time(NULL), &handshake->verdict);
    if (!handshake->trust || handshake->verdict.trusted) {
        X509_STORE_CTX_set_error(context, X509_V_OK);
        return 1;
    }
    X509_STORE_CTX_set_error(context, X509_V_ERR_CERT_REJECTED);
    return 0;
}

/* Once: the key may be a reference, and then the provider that is linked in signs, through keysvcd.
 * The default one must be named as soon as there is another. */
static OSSL_PROVIDER *standard, *keysvc;

static bool
load_provider(void)
{
    if (!keysvc && OSSL_PROVIDER_add_builtin(NULL, BUILTIN_PROVIDER_NAME, builtin_provider_init)) {
        standard = OSSL_PROVIDER_load(NULL, "default");
        keysvc = standard ? OSSL_PROVIDER_load(NULL, BUILTIN_PROVIDER_NAME) : NULL;
    }
    return keysvc;
}

void
handshake_end(void)
{
    OSSL_PROVIDER_unload(keysvc);
    OSSL_PROVIDER_unload(standard);
    keysvc = standard = NULL;
}

static bool
use_own(SSL_CTX *context, struct handshake *handshake)
{
    const char *reason;

    ERR_clear_error();
    if (load_provider() &&
        SSL_CTX_use_certificate_chain_file(context, handshake->certificate_file) == 1 &&
        SSL_CTX_use_PrivateKey_file(context, handshake->key_file, SSL_FILETYPE_PEM) == 1 &&
        SSL_CTX_check_private_key(context) == 1)
        return true;
    reason = ERR_reason_error_string(ERR_peek_last_error());
    snprintf(handshake->own_failed, sizeof(handshake->own_failed),
             "the console's own certificate (%.80s) and key (%.80s) cannot be used: %s",
             handshake->certificate_file, handshake->key_file, reason ? reason : "unknown");
    ERR_clear_error();
    return false;
}

CURLcode
handshake_set_up(CURL *curl, void *context, void *state)
{
    struct handshake *handshake = state;

    (void)curl;
    SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION);
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    SSL_CTX_set_cert_verify_callback(context, judge, handshake);
    if (handshake->certificate_file && !use_own(context, handshake))
        return CURLE_SSL_CERTPROBLEM;
    return CURLE_OK;
}

void
handshake_deinit(struct handshake *handshake)
{
    X509_free(handshake->leaf);
    sk_X509_pop_free(handshake->chain, X509_free);
    memset(handshake, 0, sizeof(*handshake));
}
