/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - a library context with the provider, and an SSL_CTX for each set
 */
#include "client/agent/serve/tls.h"

#include <openssl/conf.h>
#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/log.h"
#include "client/agent/serve/clients.h"
#include "client/provider/builtin.h"

/* What keysvcd signs with a key for TLS; a key exchange by RSA would want it to decrypt. */
#define TLS_1_2_CIPHERS "ECDHE+AESGCM:ECDHE+CHACHA20"
#define TLS_GROUPS "X25519:P-256:P-384:P-521"
#define SESSION_CONTEXT "keysvc-agent"

struct tls {
    struct agent *agent;
    OSSL_LIB_CTX *libctx;
    SSL_CTX *context;
    int64_t loaded;              /* its set */
    int64_t failed;              /* the last one that could not be loaded */
    struct clients_seen clients; /* what it judges clients by */
};

static bool load_providers(OSSL_LIB_CTX *libctx, const char *socket);
static CONF *write_conf(OSSL_LIB_CTX *libctx, const char *socket);
static void refresh(struct tls *tls);
static ks_err load_set(struct tls *tls, struct report *report);
static ks_err build(struct tls *tls, const struct identity_set *set, SSL_CTX **out,
                    struct report *report);
static bool take_chain(struct tls *tls, SSL_CTX *context, const struct ks_chain *chain);
static X509 *read_certificate(struct tls *tls, const struct ks_blob *der);
static bool take_key(struct tls *tls, SSL_CTX *context, const struct ks_key *key);
static ks_err fail_openssl(struct report *report, const char *what);

static void
context_freep(SSL_CTX **context)
{
    SSL_CTX_free(*context);
}

static void
identity_set_deinitp(struct identity_set *set)
{
    identity_set_deinit(set);
}

ks_err
tls_new(struct agent *agent, struct tls **out, struct report *report)
{
    struct tls *tls = calloc(1, sizeof(*tls));
    ks_err err;

    if (!tls)
        return report_fail(report, KS_ERR_INTERNAL, "no memory");
    tls->agent = agent;
    tls->libctx = OSSL_LIB_CTX_new();
    if (!tls->libctx || !load_providers(tls->libctx, ks_client_socket(agent->client)))
        err = fail_openssl(report, "cannot set up OpenSSL");
    else
        err = load_set(tls, report);
    if (err) {
        tls_free(tls);
        return err;
    }
    *out = tls;
    return KS_OK;
}

struct tls *
tls_free(struct tls *tls)
{
    if (!tls)
        return NULL;
    SSL_CTX_free(tls->context);
    OSSL_LIB_CTX_free(tls->libctx);
    free(tls);
    return NULL;
}

/* By way of a configuration, the only one in which OpenSSL 3.0 gives a provider its options. */
static bool
load_providers(OSSL_LIB_CTX *libctx, const char *socket)
{
    CONF *conf = write_conf(libctx, socket);
    bool loaded;

    loaded = conf &&
             OSSL_PROVIDER_add_builtin(libctx, BUILTIN_PROVIDER_NAME, builtin_provider_init) &&
             CONF_modules_load(conf, NULL, 0) > 0 &&
             OSSL_PROVIDER_available(libctx, BUILTIN_PROVIDER_NAME);
    NCONF_free(conf);
    return loaded;
}

/* The default provider first: it does all but sign with our keys. */
static CONF *
write_conf(OSSL_LIB_CTX *libctx, const char *socket)
{
    BIO *text = BIO_new(BIO_s_mem());
    CONF *conf = NCONF_new_ex(libctx, NULL);
    bool done = false;
    long line;

    if (text && conf) {
        BIO_puts(text, "openssl_conf = all\n[all]\nproviders = both\n"
                       "[both]\ndefault = one\n" BUILTIN_PROVIDER_NAME " = other\n"
                       "[one]\nactivate = 1\n"
                       "[other]\nactivate = 1\ntimeout = " TLS_SIGN_TIMEOUT "\nsocket = ");
        for (; *socket != '\0'; socket++)
            BIO_printf(text, strchr("\\\"'`$#;", *socket) ? "\\%c" : "%c", *socket);
        BIO_puts(text, "\n");
        done = NCONF_load_bio(conf, text, &line) > 0;
    }
    BIO_free(text);
    if (done)
        return conf;
    NCONF_free(conf);
    return NULL;
}

SSL_CTX *
tls_context(struct tls *tls)
{
    refresh(tls);
    SSL_CTX_up_ref(tls->context);
    return tls->context;
}

const char *
tls_client_lapsed(struct tls *tls, const SSL *ssl)
{
    refresh(tls);
    return clients_lapsed(tls->context, tls->libctx, ssl);
}

/* Who may not come in any more is kept out also while the set cannot be loaded. */
static void
refresh(struct tls *tls)
{
    struct clients_seen clients = clients_look(tls->agent->config);
    int64_t number = identity_current_number(tls->agent, IDENTITY_OF_LISTENER);
    struct report report = REPORT_INIT;

    if (memcmp(&clients, &tls->clients, sizeof(clients)) != 0) {
        tls->clients = clients;
        clients_renew(tls->agent->config, tls->libctx, tls->context);
    }
    /* 0: the store cannot be asked just now. */
    if (number != 0 && number != tls->loaded && load_set(tls, &report) && number != tls->failed) {
        tls->failed = number;
        log_error("event=certificate-not-loaded set=%lld serving=%lld why=\"%s\"",
                  (long long)number, (long long)tls->loaded, LOG_TEXT(report.message));
    }
}

/* The current set becomes the context; the one before stays if that fails. */
static ks_err
load_set(struct tls *tls, struct report *report)
{
    ks_auto(identity_set_deinitp) struct identity_set set = {0};
    struct clients_seen clients = clients_look(tls->agent->config); /* before they are read */
    SSL_CTX *context = NULL;
    ks_err err;

    err = identity_current(tls->agent, IDENTITY_OF_LISTENER, &set, report);
    if (!err)
        err = build(tls, &set, &context, report);
    if (err)
        return err;
    SSL_CTX_free(tls->context);
    tls->context = context;
    tls->loaded = set.number;
    tls->clients = clients;
    return KS_OK;
}

static ks_err
build(struct tls *tls, const struct identity_set *set, SSL_CTX **out, struct report *report)
{
    ks_auto(context_freep) SSL_CTX *context =
        SSL_CTX_new_ex(tls->libctx, NULL, TLS_server_method());
    ks_err err = KS_OK;

    ERR_clear_error();
    if (!context || !SSL_CTX_set_min_proto_version(context, TLS1_2_VERSION) ||
        !SSL_CTX_set_cipher_list(context, TLS_1_2_CIPHERS) ||
        !SSL_CTX_set1_groups_list(context, TLS_GROUPS) ||
        !SSL_CTX_set_session_id_context(context, (const unsigned char *)SESSION_CONTEXT,
                                        sizeof(SESSION_CONTEXT) - 1))
        return fail_openssl(report, "cannot set up TLS");
    SSL_CTX_set_session_cache_mode(context, SSL_SESS_CACHE_OFF);
    SSL_CTX_set_num_tickets(context, 0);
    SSL_CTX_set_options(context, SSL_OP_NO_TICKET);
    if (!take_chain(tls, context, set->chain))
        return fail_openssl(report, "cannot serve with the certificate");
    if (!take_key(tls, context, &set->key))
        return fail_openssl(report, "cannot serve with the key's reference");
    if (tls->context) /* who serves goes on */
        clients_renew(tls->agent->config, tls->libctx, context);
    else
        err = clients_take(tls->agent->config, tls->libctx, context, report);
    if (!err)
        *out = ks_steal(&context);
    return err;
}

static bool
take_chain(struct tls *tls, SSL_CTX *context, const struct ks_chain *chain)
{
    for (size_t i = 0; chain && i < chain->n_certificates; i++) {
        X509 *certificate = read_certificate(tls, &chain->certificates[i]);
        bool taken;

        if (!certificate)
            return false;
        taken = i == 0 ? SSL_CTX_use_certificate(context, certificate)
                       : SSL_CTX_add1_chain_cert(context, certificate);
        X509_free(certificate);
        if (!taken)
            return false;
    }
    return chain && chain->n_certificates > 0;
}

static X509 *
read_certificate(struct tls *tls, const struct ks_blob *der)
{
    X509 *certificate = X509_new_ex(tls->libctx, NULL);
    const unsigned char *at = der->data;

    /* On failure it frees what it was given. */
    return certificate ? d2i_X509(&certificate, &at, (long)der->len) : NULL;
}

/* As a program reads the file it was given for a private key. */
static bool
take_key(struct tls *tls, SSL_CTX *context, const struct ks_key *key)
{
    ks_auto(freep) char *pem = NULL;
    EVP_PKEY *reference;
    bool taken;
    BIO *in;

    if (ks_reference_encode(key, &pem, NULL))
        return false;
    in = BIO_new_mem_buf(pem, -1);
    reference = in ? PEM_read_bio_PrivateKey_ex(in, NULL, NULL, NULL, tls->libctx, NULL) : NULL;
    BIO_free(in);
    if (!reference)
        return false;
    taken = SSL_CTX_use_PrivateKey(context, reference) == 1;
    EVP_PKEY_free(reference);
    return taken;
}

/* With OpenSSL's own words, and none of them left behind. */
static ks_err
fail_openssl(struct report *report, const char *what)
{
    const char *reason = ERR_reason_error_string(ERR_peek_last_error());
    ks_err err = report_fail(report, KS_ERR_INTERNAL, "%s: %s", what,
                             reason ? reason : "OpenSSL does not say why");

    ERR_clear_error();
    return err;
}
