/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clientca - two files become a store of libcrypto, which judges as it does in a handshake
 */
#include "client/agent/certificate/clientca.h"

#include <openssl/err.h>
#include <openssl/pem.h>

#include "base/file.h"
#include "client/agent/certificate/chain.h"
#include "client/agent/certificate/ossl.h"

static bool read_lists(X509_STORE *store, const char *crl_file, struct fault *lists);
static bool add_lists(X509_STORE *store, const struct buf *text);
static void judge_lists(X509_STORE *store, OSSL_LIB_CTX *libctx, const char *crl_file,
                        struct fault *lists);
static const char *list_trouble(X509_STORE *store, X509 *ca);

ks_err
clientca_load(const char *ca_file, const char *crl_file, OSSL_LIB_CTX *libctx, X509_STORE **out,
              struct fault *lists, struct fault *why)
{
    X509_STORE *store = X509_STORE_new();

    if (!store || !X509_STORE_load_file_ex(store, ca_file, libctx, NULL)) {
        X509_STORE_free(store);
        ERR_clear_error();
        fault_set(why, "client-ca-file %s: no certificates can be read", ca_file);
        return KS_ERR_USAGE;
    }
    *out = store;
    if (crl_file[0] == '\0')
        return KS_OK;
    X509_STORE_set_flags(store, X509_V_FLAG_CRL_CHECK | X509_V_FLAG_CRL_CHECK_ALL);
    if (read_lists(store, crl_file, lists))
        judge_lists(store, libctx, crl_file, lists);
    ERR_clear_error();
    return KS_OK;
}

static bool
read_lists(X509_STORE *store, const char *crl_file, struct fault *lists)
{
    ks_auto(buf_deinit) struct buf text = {.max = CLIENTCA_LISTS_MAX_LEN};
    struct fault why = FAULT_INIT;
    ks_err err = file_read(crl_file, &text, &why);

    if (err == KS_ERR_TOO_LARGE)
        fault_set(lists, "client-crl-file %s: it has more than %u bytes", crl_file,
                  CLIENTCA_LISTS_MAX_LEN);
    else if (err || !add_lists(store, &text))
        fault_set(lists, "client-crl-file %s: no revocation lists can be read", crl_file);
    return lists->text[0] == '\0';
}

/* All or none: what stands before the end of a file that is cut may be an older list. */
static bool
add_lists(X509_STORE *store, const struct buf *text)
{
    char no_password[] = ""; /* else it asks at the terminal */
    BIO *in = BIO_new_mem_buf(text->data, (int)text->len);
    STACK_OF(X509_INFO) *found = in ? PEM_X509_INFO_read_bio(in, NULL, NULL, no_password) : NULL;
    bool added = false;

    for (int i = 0; i < sk_X509_INFO_num(found); i++) {
        X509_CRL *list = sk_X509_INFO_value(found, i)->crl;

        /* A handshake wants whole lists; with a delta beside them OpenSSL 3.0.19 refuses nobody. */
        if (!list || X509_CRL_get_ext_by_NID(list, NID_delta_crl, -1) >= 0)
            continue;
        added = X509_STORE_add_crl(store, list) == 1 || added;
    }
    sk_X509_INFO_pop_free(found, X509_INFO_free);
    BIO_free(in);
    return added;
}

/* Each CA by its own list, and by those of who issued it. */
static void
judge_lists(X509_STORE *store, OSSL_LIB_CTX *libctx, const char *crl_file, struct fault *lists)
{
    ks_auto(ossl_stack_freep) STACK_OF(X509) *cas = X509_STORE_get1_all_certs(store);
    char subject[CHAIN_SUBJECT_MAX];

    for (int i = 0; i < sk_X509_num(cas); i++) {
        X509 *ca = sk_X509_value(cas, i);
        const char *trouble = list_trouble(store, ca);

        if (!trouble)
            trouble = clientca_refuses(store, libctx, ca, NULL, NULL);
        if (!trouble)
            continue;
        chain_name_text(X509_get_subject_name(ca), subject, sizeof(subject));
        fault_set(lists, "client-crl-file %s: of %s: %s", crl_file, subject, trouble);
        return;
    }
}

/* Why there is no list by this CA that holds now, in the words of a handshake; NULL: there is. */
static const char *
list_trouble(X509_STORE *store, X509 *ca)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    STACK_OF(X509_CRL) *lists = NULL;
    int trouble = X509_V_ERR_UNABLE_TO_GET_CRL;

    if (context && X509_STORE_CTX_init(context, store, NULL, NULL))
        lists = X509_STORE_CTX_get1_crls(context, X509_get_subject_name(ca));
    for (int i = 0; i < sk_X509_CRL_num(lists) && trouble != X509_V_OK; i++) {
        X509_CRL *list = sk_X509_CRL_value(lists, i);
        const ASN1_TIME *until = X509_CRL_get0_nextUpdate(list);

        if (X509_CRL_verify(list, X509_get0_pubkey(ca)) != 1)
            trouble = X509_V_ERR_CRL_SIGNATURE_FAILURE;
        else if (X509_cmp_current_time(X509_CRL_get0_lastUpdate(list)) >= 0)
            trouble = X509_V_ERR_CRL_NOT_YET_VALID;
        else
            trouble =
                until && X509_cmp_current_time(until) <= 0 ? X509_V_ERR_CRL_HAS_EXPIRED : X509_V_OK;
    }
    sk_X509_CRL_pop_free(lists, X509_CRL_free);
    X509_STORE_CTX_free(context);
    return trouble == X509_V_OK ? NULL : X509_verify_cert_error_string(trouble);
}

const char *
clientca_refuses(X509_STORE *store, OSSL_LIB_CTX *libctx, X509 *certificate, STACK_OF(X509) * chain,
                 const char *purpose)
{
    X509_STORE_CTX *context = X509_STORE_CTX_new_ex(libctx, NULL);
    const char *refused = "it cannot be verified: no memory";

    if (context && X509_STORE_CTX_init(context, store, certificate, chain) &&
        (!purpose || X509_STORE_CTX_set_default(context, purpose)))
        refused = X509_verify_cert(context) == 1
                      ? NULL
                      : X509_verify_cert_error_string(X509_STORE_CTX_get_error(context));
    X509_STORE_CTX_free(context);
    ERR_clear_error();
    return refused;
}
