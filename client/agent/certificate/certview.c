/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certview - one certificate's facts
 */
#include "client/agent/certificate/certview.h"

#include "base/hex.h"
#include "client/agent/certificate/altname.h"
#include "client/agent/certificate/chain.h"
#include "client/agent/certificate/ossl.h"

static int add_names(json_t *object, const X509 *certificate);

json_t *
certview_text(const char *text)
{
    json_t *json = json_string(text);

    return json ? json : json_string("(not UTF-8)");
}

static void
serial_text(const X509 *certificate, char *out, size_t cap)
{
    const ASN1_INTEGER *serial = X509_get0_serialNumber(certificate);

    out[0] = '\0';
    if (serial->length > 0 && (size_t)serial->length * 2 < cap)
        hex_text(out, serial->data, (size_t)serial->length);
}

int
certview_add(json_t *object, const struct ks_chain *chain)
{
    ks_auto(ossl_x509_freep) X509 *leaf = chain_leaf(chain);
    char subject[CHAIN_SUBJECT_MAX], issuer[CHAIN_SUBJECT_MAX], serial[128];
    char from[CHAIN_TIME_MAX], to[CHAIN_TIME_MAX], sha256[2 * KS_SHA256_LEN + 1];

    if (!leaf)
        return -1;
    chain_name_text(X509_get_subject_name(leaf), subject, sizeof(subject));
    chain_name_text(X509_get_issuer_name(leaf), issuer, sizeof(issuer));
    chain_time_text(X509_get0_notBefore(leaf), from);
    chain_time_text(X509_get0_notAfter(leaf), to);
    chain_sha256(chain, sha256);
    serial_text(leaf, serial, sizeof(serial));
    return json_object_set_new(object, "subject", certview_text(subject)) ||
           json_object_set_new(object, "issuer", certview_text(issuer)) ||
           json_object_set_new(object, "serial", json_string(serial)) ||
           json_object_set_new(object, "not_before", json_string(from)) ||
           json_object_set_new(object, "not_after", json_string(to)) ||
           json_object_set_new(object, "sha256", json_string(sha256)) || add_names(object, leaf);
}

/* "DNS:host.example", "IP:10.0.0.1"; the first thousand, if there are more. */
static int
add_names(json_t *object, const X509 *certificate)
{
    ks_auto(ossl_names_freep) GENERAL_NAMES *names =
        X509_get_ext_d2i(certificate, NID_subject_alt_name, NULL, NULL);
    ks_auto(altname_deinit) struct altname_list list = {0};
    ks_err err = altname_read(&list, names);
    json_t *array = json_array();

    if (!array || (err && err != KS_ERR_TOO_LARGE)) {
        json_decref(array);
        return -1;
    }
    if (err)
        json_object_set_new(object, "names_cut", json_true());
    for (size_t i = 0; i < list.n_names; i++)
        json_array_append_new(array, json_sprintf("%s:%s", altname_kind_word(list.names[i].kind),
                                                  list.names[i].value));
    return json_object_set_new(object, "names", array);
}
