/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_chain - libcrypto builds and verifies the chain, and goes on after each mistake it finds
 *
 * Trust anchors are the certificates of the CA's file and no others; one of these may be an
 * intermediate CA. What libcrypto finds wrong is sorted into the checks it belongs to, so that a
 * certificate that is expired and from another CA is told both.
 */
#include "client/agent/certificate/check_parts.h"

#include <stdio.h>

#include <openssl/err.h>
#include <openssl/x509_vfy.h>

#include "client/agent/certificate/chain.h"

/* Where a mistake belongs; all others are the issuer's. */
enum place { PLACE_ISSUER, PLACE_VALIDITY, PLACE_USAGE, PLACE_NAMES, PLACE_STRENGTH };

static const struct {
    int error;
    enum place place;
} PLACE[] = {
    {X509_V_ERR_CERT_NOT_YET_VALID, PLACE_VALIDITY},
    {X509_V_ERR_CERT_HAS_EXPIRED, PLACE_VALIDITY},
    {X509_V_ERR_ERROR_IN_CERT_NOT_BEFORE_FIELD, PLACE_VALIDITY},
    {X509_V_ERR_ERROR_IN_CERT_NOT_AFTER_FIELD, PLACE_VALIDITY},
    {X509_V_ERR_INVALID_PURPOSE, PLACE_USAGE},
    {X509_V_ERR_PERMITTED_VIOLATION, PLACE_NAMES},
    {X509_V_ERR_EXCLUDED_VIOLATION, PLACE_NAMES},
    {X509_V_ERR_SUBTREE_MINMAX, PLACE_NAMES},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_TYPE, PLACE_NAMES},
    {X509_V_ERR_UNSUPPORTED_CONSTRAINT_SYNTAX, PLACE_NAMES},
    {X509_V_ERR_UNSUPPORTED_NAME_SYNTAX, PLACE_NAMES},
    {X509_V_ERR_EE_KEY_TOO_SMALL, PLACE_STRENGTH},
    {X509_V_ERR_CA_KEY_TOO_SMALL, PLACE_STRENGTH},
    {X509_V_ERR_CA_MD_TOO_WEAK, PLACE_STRENGTH},
};

/* What the callback works on. */
struct judge {
    struct check_chain *out;
    STACK_OF(X509) * cas;
};

static int take_error(int ok, X509_STORE_CTX *context);
static void tell_issuer(const struct judge *judge, X509_STORE_CTX *context, X509 *at);
static ks_err verify(X509_STORE_CTX *context, X509_STORE *store, X509 *leaf,
                     STACK_OF(X509) * others, struct judge *judge, int64_t now_s);

void
check_chain_deinit(struct check_chain *chain)
{
    ossl_stack_freep(&chain->chain);
}

void
check_subject(const X509 *certificate, char out[static CHECK_SUBJECT_LEN])
{
    chain_name_text(X509_get_subject_name(certificate), out, CHECK_SUBJECT_LEN);
}

ks_err
check_chain_build(X509 *leaf, STACK_OF(X509) * others, STACK_OF(X509) * cas, int64_t now_s,
                  struct check_chain *out)
{
    struct judge judge = {.out = out, .cas = cas};
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    X509_STORE *store = X509_STORE_new();
    ks_err err = context && store ? KS_OK : KS_ERR_INTERNAL;

    for (int i = 0; !err && i < sk_X509_num(cas); i++) {
        if (!X509_STORE_add_cert(store, sk_X509_value(cas, i)))
            err = KS_ERR_INTERNAL;
    }
    if (!err)
        err = verify(context, store, leaf, others, &judge, now_s);
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return err;
}

static ks_err
verify(X509_STORE_CTX *context, X509_STORE *store, X509 *leaf, STACK_OF(X509) * others,
       struct judge *judge, int64_t now_s)
{
    X509_VERIFY_PARAM *parameters;

    if (!X509_STORE_CTX_init(context, store, leaf, others))
        return KS_ERR_INTERNAL;
    parameters = X509_STORE_CTX_get0_param(context);
    X509_VERIFY_PARAM_set_time(parameters, (time_t)now_s);
    X509_VERIFY_PARAM_set_depth(parameters, (int)KS_CHAIN_MAX - 2);
    X509_VERIFY_PARAM_set_auth_level(parameters, CHECK_STRENGTH_LEVEL);
    if (!X509_VERIFY_PARAM_set_flags(parameters, X509_V_FLAG_PARTIAL_CHAIN) ||
        !X509_VERIFY_PARAM_set_purpose(parameters, X509_PURPOSE_SSL_SERVER))
        return KS_ERR_INTERNAL;
    X509_STORE_CTX_set_verify_cb(context, take_error);
    X509_STORE_CTX_set_app_data(context, judge);
    if (X509_verify_cert(context) <= 0 && judge->out->issuer[0] == '\0')
        snprintf(judge->out->issuer, sizeof(judge->out->issuer), "cannot be verified: %s",
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    judge->out->chain = X509_STORE_CTX_get1_chain(context);
    if (!judge->out->chain)
        return KS_ERR_INTERNAL;
    /* The CA's file holds the certificate itself: nobody has issued it, by what is known here. */
    if (judge->out->issuer[0] == '\0' && sk_X509_num(judge->out->chain) < 2)
        snprintf(judge->out->issuer, sizeof(judge->out->issuer), "%s",
                 X509_self_signed(leaf, 0) == 1
                     ? "it is signed with its own key: no CA has issued it"
                     : "the CA's file holds this certificate itself, and not its issuer");
    return KS_OK;
}

static void
set(char *out, size_t cap, const char *subject, const char *text)
{
    if (out[0] == '\0')
        snprintf(out, cap, "%s: %s", subject, text);
}

/* Returns 1: the verification goes on, whatever was found. */
static int
take_error(int ok, X509_STORE_CTX *context)
{
    const struct judge *judge = X509_STORE_CTX_get_app_data(context);
    struct check_chain *out = judge->out;
    int error = X509_STORE_CTX_get_error(context);
    X509 *at = X509_STORE_CTX_get_current_cert(context);
    const char *text = X509_verify_cert_error_string(error);
    char subject[CHECK_SUBJECT_LEN] = "the chain";
    enum place place = PLACE_ISSUER;

    if (ok)
        return 1;
    for (size_t i = 0; i < ARRAY_LEN(PLACE); i++) {
        if (PLACE[i].error == error)
            place = PLACE[i].place;
    }
    /* What is no CA at all is not told to be one of another purpose, too. */
    if (place == PLACE_USAGE && X509_STORE_CTX_get_error_depth(context) > 0 && at &&
        X509_check_ca(at) == 0)
        place = PLACE_ISSUER;
    if (at)
        check_subject(at, subject);
    switch (place) {
    case PLACE_ISSUER:
        tell_issuer(judge, context, at);
        break;
    case PLACE_VALIDITY:
        set(out->validity, sizeof(out->validity), subject, text);
        break;
    case PLACE_USAGE:
        set(out->usage, sizeof(out->usage), subject, text);
        break;
    case PLACE_NAMES:
        set(out->names, sizeof(out->names), subject, text);
        break;
    case PLACE_STRENGTH:
        set(out->strength, sizeof(out->strength), subject, text);
        break;
    }
    return 1;
}

/* Has the CA's file another certificate of that name? */
static bool
has_namesake(STACK_OF(X509) * cas, const X509_NAME *name)
{
    for (int i = 0; i < sk_X509_num(cas); i++) {
        if (X509_NAME_cmp(X509_get_subject_name(sk_X509_value(cas, i)), name) == 0)
            return true;
    }
    return false;
}

static void
tell_issuer(const struct judge *judge, X509_STORE_CTX *context, X509 *at)
{
    char *out = judge->out->issuer;
    size_t cap = sizeof(judge->out->issuer);
    int error = X509_STORE_CTX_get_error(context);
    char subject[CHECK_SUBJECT_LEN] = "?", issuer[CHECK_SUBJECT_LEN] = "?";

    if (out[0] != '\0')
        return;
    if (at) {
        check_subject(at, subject);
        chain_name_text(X509_get_issuer_name(at), issuer, sizeof(issuer));
    }
    switch (error) {
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT:
    case X509_V_ERR_UNABLE_TO_GET_ISSUER_CERT_LOCALLY:
        if (at && has_namesake(judge->cas, X509_get_issuer_name(at)))
            snprintf(out, cap,
                     "%s was issued by another CA of the name %s than the one in the CA's file",
                     subject, issuer);
        else
            snprintf(out, cap, "%s was issued by %s, which is in neither file", subject, issuer);
        break;
    case X509_V_ERR_SELF_SIGNED_CERT_IN_CHAIN:
        snprintf(out, cap, "the chain ends at %s, which is not in the CA's file", subject);
        break;
    case X509_V_ERR_DEPTH_ZERO_SELF_SIGNED_CERT:
        snprintf(out, cap, "it is signed with its own key: no CA has issued it");
        break;
    case X509_V_ERR_CERT_SIGNATURE_FAILURE:
        snprintf(out, cap, "the signature of %s is not by the key of %s", subject, issuer);
        break;
    case X509_V_ERR_INVALID_CA:
        snprintf(out, cap, "%s is no CA and stands in the chain as one", subject);
        break;
    default:
        set(out, cap, subject, X509_verify_cert_error_string(error));
    }
}
