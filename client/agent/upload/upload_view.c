/* SPDX-License-Identifier: Apache-2.0 */
/*
 * upload_view - an upload as the REST interface describes it
 */
#include <openssl/err.h>
#include <stdio.h>

#include "client/agent/certificate/chain.h"
#include "client/agent/certificate/ossl.h"
#include "client/agent/upload/upload.h"

/* "Subject:CN=shop.example;Valid from:2026-01-02T03:04:05Z;Valid to:..;Serial number:0A" */
static json_t *
certificate_text(const struct ks_blob *der)
{
    const unsigned char *at = der->data;
    ks_auto(ossl_x509_freep) X509 *certificate = d2i_X509(NULL, &at, (long)der->len);
    char subject[CHAIN_SUBJECT_MAX], from[CHAIN_TIME_MAX], to[CHAIN_TIME_MAX];
    char *serial = NULL;
    BIGNUM *number;
    json_t *text;

    if (!certificate) {
        ERR_clear_error();
        return json_string("");
    }
    chain_name_text(X509_get_subject_name(certificate), subject, sizeof(subject));
    chain_time_text(X509_get0_notBefore(certificate), from);
    chain_time_text(X509_get0_notAfter(certificate), to);
    number = ASN1_INTEGER_to_BN(X509_get0_serialNumber(certificate), NULL);
    if (number)
        serial = BN_bn2hex(number);
    BN_free(number);
    text = json_sprintf("Subject:%s;Valid from:%s;Valid to:%s;Serial number:%s", subject, from, to,
                        serial ? serial : "");
    if (!text) /* a subject that is no UTF-8 */
        text = json_sprintf("Subject:?;Valid from:%s;Valid to:%s;Serial number:%s", from, to,
                            serial ? serial : "");
    OPENSSL_free(serial);
    return text;
}

json_t *
upload_view(const struct upload *upload, bool active)
{
    json_t *texts = json_array();

    for (size_t i = 0; i < upload->chain->n_certificates; i++)
        json_array_append_new(texts, certificate_text(&upload->chain->certificates[i]));
    return json_pack("{s:s, s:b, s:s, s:o}", "name", upload->name, "active", active, "alias",
                     upload->alias, "desc", texts);
}
