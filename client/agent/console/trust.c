/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust - the decision, over the certificate that an agent shows
 */
#include "client/agent/console/trust.h"

#include <openssl/err.h>
#include <openssl/x509_vfy.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/hex.h"
#include "client/agent/certificate/chain.h"

bool
trust_valid_now(const X509 *leaf, time_t now, char *why, size_t cap)
{
    char limit[CHAIN_TIME_MAX];

    if (X509_cmp_time(X509_get0_notBefore(leaf), &now) >= 0) {
        chain_time_text(X509_get0_notBefore(leaf), limit);
        snprintf(why, cap, "its certificate is not valid before %s", limit);
        return false;
    }
    if (X509_cmp_time(X509_get0_notAfter(leaf), &now) <= 0) {
        chain_time_text(X509_get0_notAfter(leaf), limit);
        snprintf(why, cap, "its certificate expired at %s", limit);
        return false;
    }
    return true;
}

static bool
names_server(X509 *leaf, const char *name)
{
    int by_address = X509_check_ip_asc(leaf, name, 0);

    /* -2: it is no address. An address is not looked for among the host names. */
    if (by_address != -2)
        return by_address == 1;
    return X509_check_host(leaf, name, 0, X509_CHECK_FLAG_NO_PARTIAL_WILDCARDS, NULL) == 1;
}

/* Builds the chain to one of the anchors; each is believed, be it a root or not. */
static bool
verify_chain(const STACK_OF(X509) * anchors, X509 *leaf, STACK_OF(X509) * chain, time_t now,
             char *why, size_t cap)
{
    X509_STORE *store = X509_STORE_new();
    X509_STORE_CTX *context = X509_STORE_CTX_new();
    bool verified = store && context;

    for (int i = 0; verified && i < sk_X509_num(anchors); i++)
        verified = X509_STORE_add_cert(store, sk_X509_value(anchors, i)) == 1;
    verified = verified && X509_STORE_CTX_init(context, store, leaf, chain) == 1 &&
               X509_STORE_CTX_set_default(context, "ssl_server") == 1;
    if (verified) {
        X509_STORE_CTX_set_flags(context, X509_V_FLAG_PARTIAL_CHAIN);
        X509_STORE_CTX_set_time(context, 0, now);
        verified = X509_verify_cert(context) == 1;
        snprintf(why, cap, "its certificate does not verify: %s",
                 X509_verify_cert_error_string(X509_STORE_CTX_get_error(context)));
    } else {
        snprintf(why, cap, "its certificate could not be verified");
    }
    X509_STORE_CTX_free(context);
    X509_STORE_free(store);
    ERR_clear_error();
    return verified;
}

bool
trust_issued_by(const STACK_OF(X509) * anchors, X509 *leaf, STACK_OF(X509) * chain,
                const char *server_name, time_t now, char *why, size_t cap)
{
    if (!trust_valid_now(leaf, now, why, cap) || !verify_chain(anchors, leaf, chain, now, why, cap))
        return false;
    if (server_name && !names_server(leaf, server_name)) {
        snprintf(why, cap, "its certificate does not name %s", server_name);
        return false;
    }
    return true;
}

static bool
is_pinned(const struct trust *trust, X509 *leaf, time_t now, char *why, size_t cap)
{
    char shown[PEERCERT_HEX_LEN], pinned[PEERCERT_HEX_LEN];
    X509 *pin = sk_X509_value(trust->certificates, 0);

    if (!peercert_same(leaf, pin)) {
        peercert_hex(leaf, shown);
        peercert_hex(pin, pinned);
        snprintf(why, cap, "its certificate changed: it shows sha256 %s, trusted is %s", shown,
                 pinned);
        return false;
    }
    return trust_valid_now(leaf, now, why, cap);
}

static bool
is_expected(const struct trust *trust, X509 *leaf)
{
    char shown[PEERCERT_HEX_LEN];

    peercert_hex(leaf, shown);
    return trust_expects(trust, leaf) || strcmp(trust->told, shown) == 0;
}

void
trust_judge(const struct trust *trust, X509 *leaf, STACK_OF(X509) * chain, time_t now,
            struct trust_verdict *out)
{
    char late[sizeof(out->why)];

    memset(out, 0, sizeof(*out));
    if (trust->kind == TRUST_PINNED && sk_X509_num(trust->certificates) == 1)
        out->trusted = is_pinned(trust, leaf, now, out->why, sizeof(out->why));
    else if (trust->kind == TRUST_CA)
        out->trusted = trust_issued_by(trust->certificates, leaf, chain, trust->server_name, now,
                                       out->why, sizeof(out->why));
    else
        snprintf(out->why, sizeof(out->why), "%s",
                 trust->unread ? TRUST_UNREAD : "nothing is trusted of it yet");
    if (out->trusted || trust->unread || !is_expected(trust, leaf))
        return;
    out->expected = out->trusted = trust_valid_now(leaf, now, late, sizeof(late));
}

/* --- what is trusted --- */

void
trust_deinit(struct trust *trust)
{
    sk_X509_pop_free(trust->certificates, X509_free);
    sk_X509_pop_free(trust->expected, X509_free);
    json_decref(trust->unread);
    memset(trust, 0, sizeof(*trust));
}

static ks_err
replace(struct trust *trust, enum trust_kind kind, const STACK_OF(X509) * certificates)
{
    STACK_OF(X509) *list = X509_chain_up_ref((STACK_OF(X509) *)(uintptr_t)certificates);

    if (!list)
        return KS_ERR_INTERNAL;
    sk_X509_pop_free(trust->certificates, X509_free);
    trust->certificates = list;
    trust->kind = kind;
    json_decref(trust->unread);
    trust->unread = NULL;
    trust->told[0] = '\0';
    trust_expect_nothing(trust);
    return KS_OK;
}

ks_err
trust_pin(struct trust *trust, X509 *certificate)
{
    STACK_OF(X509) *list = sk_X509_new_null();
    ks_err err = KS_ERR_INTERNAL;

    if (list && sk_X509_push(list, certificate))
        err = replace(trust, TRUST_PINNED, list);
    sk_X509_free(list);
    return err;
}

ks_err
trust_by_ca(struct trust *trust, const STACK_OF(X509) * certificates, const char *server_name)
{
    if (sk_X509_num(certificates) <= 0)
        return KS_ERR_INTERNAL;
    if (server_name != trust->server_name &&
        !text_copy(trust->server_name, sizeof(trust->server_name), server_name))
        return KS_ERR_TOO_LARGE;
    return replace(trust, TRUST_CA, certificates);
}

ks_err
trust_expect(struct trust *trust, X509 *certificate)
{
    if (trust_expects(trust, certificate))
        return KS_OK;
    if (!trust->expected)
        trust->expected = sk_X509_new_null();
    if (X509_add_cert(trust->expected, certificate, X509_ADD_FLAG_UP_REF) != 1)
        return KS_ERR_INTERNAL;
    if (sk_X509_num(trust->expected) > (int)TRUST_EXPECTED_MAX)
        X509_free(sk_X509_shift(trust->expected));
    return KS_OK;
}

bool
trust_expects(const struct trust *trust, X509 *certificate)
{
    for (int i = 0; i < sk_X509_num(trust->expected); i++) {
        if (peercert_same_key(certificate, sk_X509_value(trust->expected, i)))
            return true;
    }
    return false;
}

void
trust_unexpect(struct trust *trust, const X509 *certificate)
{
    for (int i = sk_X509_num(trust->expected); i-- > 0;) {
        if (peercert_same(certificate, sk_X509_value(trust->expected, i)))
            X509_free(sk_X509_delete(trust->expected, i));
    }
    if (sk_X509_num(trust->expected) == 0)
        trust_expect_nothing(trust);
}

void
trust_expect_told(struct trust *trust, const uint8_t sha256[static PEERCERT_SHA256_LEN])
{
    hex_text(trust->told, sha256, PEERCERT_SHA256_LEN);
}

void
trust_expect_nothing(struct trust *trust)
{
    sk_X509_pop_free(trust->expected, X509_free);
    trust->expected = NULL;
}

const char *
trust_kind_name(enum trust_kind kind)
{
    switch (kind) {
    case TRUST_PINNED:
        return "pinned";
    case TRUST_CA:
        return "ca";
    case TRUST_NONE:
        break;
    }
    return "none";
}
