/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certview - certificates as text and JSON, by libcrypto
 */
#include "client/cli/certview.h"

#include <stdio.h>
#include <time.h>

#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509.h>

#include "client/cli/pem.h"

#define TIME_TEXT 32 /* "2026-01-31T12:00:00Z" */

void
certview_chain_freep(struct ks_chain **chain)
{
    *chain = ks_chain_free(*chain);
}

/* As RFC 2253 writes it; what cannot stand in one line is escaped. free(); NULL: no memory. */
static char *
name_text(const X509_NAME *name, unsigned long flags)
{
    BIO *out = BIO_new(BIO_s_mem());
    char *text = NULL, *data;
    long len;

    if (out && X509_NAME_print_ex(out, name, 0, flags) >= 0) {
        len = BIO_get_mem_data(out, &data);
        text = strndup(len > 0 ? data : "", (size_t)len);
    }
    BIO_free(out);
    return text;
}

/* UTF-8 if it is, else with every byte above ASCII escaped: JSON carries nothing else. */
static json_t *
name_json(const X509_NAME *name)
{
    ks_auto(freep) char *text = name_text(name, XN_FLAG_RFC2253 & ~ASN1_STRFLGS_ESC_MSB);
    ks_auto(freep) char *ascii = name_text(name, XN_FLAG_RFC2253);
    json_t *value = text ? json_string(text) : NULL;

    return value || !ascii ? value : json_string(ascii);
}

static void
time_text(const ASN1_TIME *time, char out[static TIME_TEXT])
{
    struct tm parts;

    if (!ASN1_TIME_to_tm(time, &parts) ||
        strftime(out, TIME_TEXT, "%Y-%m-%dT%H:%M:%SZ", &parts) == 0)
        out[0] = '\0';
}

static json_t *
facts_of(const X509 *certificate)
{
    char not_before[TIME_TEXT], not_after[TIME_TEXT];

    time_text(X509_get0_notBefore(certificate), not_before);
    time_text(X509_get0_notAfter(certificate), not_after);
    return json_pack("{s:o*, s:o*, s:s, s:s}", "subject",
                     name_json(X509_get_subject_name(certificate)), "issuer",
                     name_json(X509_get_issuer_name(certificate)), "not_before", not_before,
                     "not_after", not_after);
}

json_t *
certview_json(const struct ks_blob *blob)
{
    const uint8_t *end = blob->data;
    X509 *certificate = d2i_X509(NULL, &end, (long)blob->len);
    ks_auto(freep) char *pem = pem_text(PEM_STRING_X509, blob->data, blob->len);
    char sha256[2 * EVP_MAX_MD_SIZE + 1];
    uint8_t digest[EVP_MAX_MD_SIZE];
    unsigned int digest_len = 0;
    json_t *object;

    object = certificate ? facts_of(certificate) : json_object();
    X509_free(certificate);
    ERR_clear_error();
    if (!EVP_Digest(blob->data, blob->len, digest, &digest_len, EVP_sha256(), NULL))
        digest_len = 0;
    output_hex(digest, digest_len, sha256);
    if (object && pem && json_object_set_new(object, "sha256", json_string(sha256)) == 0 &&
        json_object_set_new(object, "pem", json_string(pem)) == 0)
        return object;
    json_decref(object);
    return NULL;
}

static json_t *
list_of(const struct ks_chain *chain, size_t n_shown)
{
    json_t *list = json_array();

    for (size_t i = 0; list && i < n_shown; i++) {
        if (json_array_append_new(list, certview_json(&chain->certificates[i])) == 0)
            continue;
        json_decref(list);
        return NULL;
    }
    return list;
}

static int
show_pem(struct cli *cli, const struct ks_chain *chain)
{
    ks_auto(freep) char *text = NULL;
    size_t len;
    FILE *out = open_memstream(&text, &len);
    bool whole = out != NULL;

    for (size_t i = 0; whole && i < chain->n_certificates; i++) {
        ks_auto(freep) char *pem =
            pem_text(PEM_STRING_X509, chain->certificates[i].data, chain->certificates[i].len);

        whole = pem && fputs(pem, out) >= 0;
    }
    if ((out && fclose(out) != 0) || !whole)
        return output_fail(cli, KS_ERR_INTERNAL, "no memory for the result");
    return output_text(cli, text);
}

int
certview_result(struct cli *cli, const struct ks_key *key, const struct ks_chain *chain,
                bool as_der)
{
    if (chain->n_certificates == 0)
        return output_fail(cli, KS_ERR_NO_KEY, "no certificate came for %s@%u", key->name,
                           key->version);
    if (cli->json)
        return output_json(cli, json_pack("{s:s, s:I, s:o}", "name", key->name, "version",
                                          (json_int_t)key->version, "certificates",
                                          list_of(chain, as_der ? 1 : chain->n_certificates)));
    if (as_der)
        return output_bytes(cli, chain->certificates[0].data, chain->certificates[0].len);
    return show_pem(cli, chain);
}
