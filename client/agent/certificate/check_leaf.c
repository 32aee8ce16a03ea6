/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check_leaf - what the certificate says of itself: key, dates, usage, CA or not, strength
 */
#include "client/agent/certificate/check_parts.h"

#include <stdio.h>
#include <time.h>

#include <openssl/err.h>

#include "base/hex.h"
#include "client/agent/certificate/chain.h"

static void list_usage(X509 *leaf, char *out, size_t cap);

/* --- key --- */

bool
check_key_fits(X509 *leaf, const struct check_key *key)
{
    const uint8_t *next = key->public_key;
    EVP_PKEY *wanted = d2i_PUBKEY(NULL, &next, (long)key->public_key_len);
    bool fits = wanted && EVP_PKEY_eq(wanted, X509_get0_pubkey(leaf)) == 1;

    EVP_PKEY_free(wanted);
    ERR_clear_error();
    return fits;
}

static void
key_digest(X509 *leaf, char out[static 2 * KS_SHA256_LEN + 1])
{
    ks_auto(ossl_memory_freep) uint8_t *der = NULL;
    int len = i2d_X509_PUBKEY(X509_get_X509_PUBKEY(leaf), &der);
    uint8_t digest[EVP_MAX_MD_SIZE];

    out[0] = '\0';
    if (len > 0 && EVP_Digest(der, (size_t)len, digest, NULL, EVP_sha256(), NULL))
        hex_text(out, digest, KS_SHA256_LEN);
}

/* Several requests may have been made with one key. */
static bool
label_before(const struct check_wanted *wanted, size_t end)
{
    for (size_t i = 0; i < end; i++) {
        if (strcmp(wanted->keys[i].label, wanted->keys[end].label) == 0)
            return true;
    }
    return false;
}

void
check_key(X509 *leaf, const struct check_wanted *wanted, struct report *report)
{
    struct report_check *check = report_add(report, "key", false);
    char digest[2 * KS_SHA256_LEN + 1];
    size_t len = 0;

    for (size_t i = 0; i < wanted->n_keys; i++) {
        const char *label = wanted->keys[i].label;

        if (check_key_fits(leaf, &wanted->keys[i]) && !check->passed) {
            check->passed = true;
            snprintf(check->found, sizeof(check->found), "the key of %s", label);
        }
        if (label_before(wanted, i) || len >= sizeof(check->expected))
            continue;
        len += (size_t)snprintf(check->expected + len, sizeof(check->expected) - len, "%s%s",
                                i > 0 ? " or " : "the public key of ", label);
    }
    if (check->passed)
        return;
    key_digest(leaf, digest);
    snprintf(check->found, sizeof(check->found), "another public key, of SHA-256 %s", digest);
    for (size_t i = 0; i < wanted->n_others; i++) {
        if (check_key_fits(leaf, &wanted->others[i]))
            snprintf(check->found, sizeof(check->found), "the key of %s", wanted->others[i].label);
    }
}

/* --- dates --- */

void
check_validity(const X509 *leaf, const struct check_chain *chain, int64_t now_s,
               struct report *report)
{
    struct report_check *check = report_add(report, "validity", false);
    char from[CHAIN_TIME_MAX], to[CHAIN_TIME_MAX], now[CHAIN_TIME_MAX] = "?";
    time_t at = (time_t)now_s;
    struct tm parts;
    int begun = ASN1_TIME_cmp_time_t(X509_get0_notBefore(leaf), at);
    int ended = ASN1_TIME_cmp_time_t(X509_get0_notAfter(leaf), at);

    if (gmtime_r(&at, &parts))
        strftime(now, sizeof(now), "%Y-%m-%dT%H:%M:%SZ", &parts);
    chain_time_text(X509_get0_notBefore(leaf), from);
    chain_time_text(X509_get0_notAfter(leaf), to);
    snprintf(check->expected, sizeof(check->expected), "valid now, %s", now);
    if (begun == -2 || ended == -2)
        snprintf(check->found, sizeof(check->found), "dates that are none");
    else if (begun > 0)
        snprintf(check->found, sizeof(check->found), "not yet valid: from %s to %s", from, to);
    else if (ended <= 0)
        snprintf(check->found, sizeof(check->found), "expired: it was valid from %s to %s", from,
                 to);
    else if (chain->validity[0] != '\0')
        snprintf(check->found, sizeof(check->found), "of its chain %s", chain->validity);
    else
        check->passed = true;
    if (check->passed)
        snprintf(check->found, sizeof(check->found), "valid from %s to %s", from, to);
}

/* --- usage --- */

void
check_usage(X509 *leaf, const struct check_chain *chain, struct report *report)
{
    struct report_check *check = report_add(report, "usage", false);
    uint32_t flags = X509_get_extension_flags(leaf);
    char list[200];

    list_usage(leaf, list, sizeof(list));
    snprintf(check->expected, sizeof(check->expected),
             "Server Authentication in the extended key usage");
    if (!(flags & EXFLAG_XKUSAGE))
        snprintf(check->found, sizeof(check->found), "no extended key usage");
    else if (!(X509_get_extended_key_usage(leaf) & XKU_SSL_SERVER))
        snprintf(check->found, sizeof(check->found), "only %s", list);
    else if ((flags & EXFLAG_KUSAGE) && !(X509_get_key_usage(leaf) & KU_DIGITAL_SIGNATURE))
        snprintf(check->found, sizeof(check->found),
                 "%s, but a key usage without digital signatures", list);
    else if (chain->usage[0] != '\0')
        snprintf(check->found, sizeof(check->found), "%s, but of its chain %s", list, chain->usage);
    else
        check->passed = true;
    if (check->passed)
        snprintf(check->found, sizeof(check->found), "%s", list);
}

static void
list_usage(X509 *leaf, char *out, size_t cap)
{
    EXTENDED_KEY_USAGE *usages = X509_get_ext_d2i(leaf, NID_ext_key_usage, NULL, NULL);
    size_t len = 0;

    out[0] = '\0';
    for (int i = 0; i < sk_ASN1_OBJECT_num(usages) && len < cap; i++) {
        const ASN1_OBJECT *usage = sk_ASN1_OBJECT_value(usages, i);
        char text[80];

        if (OBJ_obj2txt(text, sizeof(text), usage, 0) <= 0)
            continue;
        len += (size_t)snprintf(out + len, cap - len, "%s%s", len > 0 ? ", " : "", text);
    }
    sk_ASN1_OBJECT_pop_free(usages, ASN1_OBJECT_free);
}

/* --- CA or not --- */

void
check_leaf(X509 *leaf, struct report *report)
{
    bool ca = X509_get_extension_flags(leaf) & EXFLAG_CA;
    bool signs = (X509_get_extension_flags(leaf) & EXFLAG_KUSAGE) &&
                 (X509_get_key_usage(leaf) & KU_KEY_CERT_SIGN);
    struct report_check *check = report_add(report, "leaf", !ca && !signs);

    snprintf(check->expected, sizeof(check->expected), "a certificate that is no CA");
    snprintf(check->found, sizeof(check->found), "%s",
             ca      ? "CA:TRUE: whoever has its key could issue certificates"
             : signs ? "a key usage that allows to sign certificates"
                     : "no CA");
}

/* --- strength --- */

void
check_strength(X509 *leaf, const struct check_chain *chain, struct report *report)
{
    struct report_check *check = report_add(report, "strength", false);
    EVP_PKEY *key = X509_get0_pubkey(leaf);
    int key_bits = EVP_PKEY_get_security_bits(key), signature_bits = -1;
    const char *algorithm = OBJ_nid2sn(X509_get_signature_nid(leaf));

    if (!X509_get_signature_info(leaf, NULL, NULL, &signature_bits, NULL))
        signature_bits = -1;
    snprintf(check->expected, sizeof(check->expected),
             "keys and signatures of at least %d bits of security", CHECK_STRENGTH_BITS);
    if (key_bits < CHECK_STRENGTH_BITS)
        snprintf(check->found, sizeof(check->found), "a public key of %d bits",
                 EVP_PKEY_get_bits(key));
    else if (signature_bits < CHECK_STRENGTH_BITS)
        snprintf(check->found, sizeof(check->found), "signed with %s",
                 algorithm ? algorithm : "an algorithm that is not known");
    else if (chain->strength[0] != '\0')
        snprintf(check->found, sizeof(check->found), "of its chain %s", chain->strength);
    else
        check->passed = true;
    if (check->passed)
        snprintf(check->found, sizeof(check->found),
                 "a key with %d bits of security, signed with %s", key_bits,
                 algorithm ? algorithm : "?");
}
