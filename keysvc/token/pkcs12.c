/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pkcs12 - PFX, its authenticated safes, their bags
 *
 * OpenSSL reads the outer structure, since old makers write BER; each decryption goes through pbe.c,
 * which bounds its price.
 */
#include "token/pkcs12.h"

#include <stdio.h>

#include <openssl/err.h>

#include "token/friendlyname.h"

#define NAME_SHOWN 40 /* bytes of a name in a message */

/* STACK_OF(PKCS12_SAFEBAG) is this struct. */
typedef struct stack_st_PKCS12_SAFEBAG bag_stack;

struct reader {
    struct pbe *pbe;
    PKCS12 *file;
    STACK_OF(PKCS7) * safes;
    bag_stack *bags[PKCS12_MAX_SAFES]; /* hold what `keys` points to */
    size_t n_bags;
    PKCS12_SAFEBAG *keys[PKCS12_MAX_BAGS];
    size_t n_keys, n_seen;
    struct stack_st_X509 *certificates;
};

static ks_err open_file(struct reader *reader, const struct keyfile *file, struct fault *why);
static ks_err open_safes(struct reader *reader, struct fault *why);
static ks_err open_safe(struct reader *reader, PKCS7 *safe, bag_stack **out, struct fault *why);
static ks_err sort_bags(struct reader *reader, const bag_stack *bags, struct fault *why);
static ks_err choose(const struct reader *reader, const char *select, PKCS12_SAFEBAG **out,
                     struct fault *why);
static ks_err read_key(struct reader *reader, PKCS12_SAFEBAG *bag, struct private_key *out,
                       struct fault *why);

static void
reader_deinit(struct reader *reader)
{
    for (size_t i = 0; i < reader->n_bags; i++)
        sk_PKCS12_SAFEBAG_pop_free(reader->bags[i], PKCS12_SAFEBAG_free);
    sk_PKCS7_pop_free(reader->safes, PKCS7_free);
    sk_X509_pop_free(reader->certificates, X509_free);
    PKCS12_free(reader->file);
    ERR_clear_error();
}

ks_err
pkcs12_read(const struct keyfile *file, struct pbe *pbe, const char *select, struct keybundle *out,
            struct fault *why)
{
    ks_auto(reader_deinit) struct reader reader = {.pbe = pbe};
    PKCS12_SAFEBAG *bag = NULL;
    ks_err err;

    reader.certificates = sk_X509_new_null();
    if (!reader.certificates)
        return KS_ERR_INTERNAL;
    err = open_file(&reader, file, why);
    if (!err)
        err = open_safes(&reader, why);
    if (!err)
        err = choose(&reader, select, &bag, why);
    if (!err)
        err = read_key(&reader, bag, &out->key, why);
    if (!err)
        friendlyname_show(bag, out->alias, sizeof(out->alias));
    if (!err)
        err = keybundle_order(out, reader.certificates, friendlyname_id(bag), why);
    return err;
}

static ks_err
malformed(struct fault *why)
{
    fault_set(why, "the file is no well-formed PKCS#12 file: it is damaged, or cut off");
    fault_hint(why, "`openssl pkcs12 -in FILE -noout` tries it; `openssl pkcs12 -export` makes one "
                    "of PEM files");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
open_file(struct reader *reader, const struct keyfile *file, struct fault *why)
{
    const uint8_t *at = file->data;
    ks_err err;

    reader->file = d2i_PKCS12(NULL, &at, (long)file->len);
    if (!reader->file || at != file->data + file->len)
        return malformed(why);
    err = pbe_check_mac(reader->pbe, reader->file, why);
    if (err)
        return err;
    reader->safes = PKCS12_unpack_authsafes(reader->file);
    if (!reader->safes)
        return malformed(why);
    if (sk_PKCS7_num(reader->safes) > PKCS12_MAX_SAFES) {
        fault_set(why, "the file has %d safes, at most %d are read", sk_PKCS7_num(reader->safes),
                  PKCS12_MAX_SAFES);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
open_safes(struct reader *reader, struct fault *why)
{
    ks_err err = KS_OK;

    for (int i = 0; !err && i < sk_PKCS7_num(reader->safes); i++) {
        bag_stack *bags = NULL;

        err = open_safe(reader, sk_PKCS7_value(reader->safes, i), &bags, why);
        if (err)
            break;
        reader->bags[reader->n_bags++] = bags;
        err = sort_bags(reader, bags, why);
    }
    return err;
}

static bag_stack *
parse_bags(const uint8_t *data, size_t len)
{
    const unsigned char *at = data;
    bag_stack *bags =
        (bag_stack *)ASN1_item_d2i(NULL, &at, (long)len, ASN1_ITEM_rptr(PKCS12_SAFEBAGS));

    if (bags && at == data + len)
        return bags;
    sk_PKCS12_SAFEBAG_pop_free(bags, PKCS12_SAFEBAG_free);
    return NULL;
}

static ks_err
open_safe(struct reader *reader, PKCS7 *safe, bag_stack **out, struct fault *why)
{
    ks_auto(keyfile_deinit) struct keyfile plain = KEYFILE_INIT;
    PKCS7_ENC_CONTENT *content;
    ks_err err;

    if (PKCS7_type_is_data(safe)) {
        if (safe->d.data)
            *out = parse_bags(ASN1_STRING_get0_data(safe->d.data),
                              (size_t)ASN1_STRING_length(safe->d.data));
        return *out ? KS_OK : malformed(why);
    }
    if (!PKCS7_type_is_encrypted(safe)) {
        fault_set(why,
                  "a part of the file is encrypted for a certificate's key, not by a password");
        return KS_ERR_BAD_REQUEST;
    }
    content = safe->d.encrypted ? safe->d.encrypted->enc_data : NULL;
    if (!content || !content->algorithm || !content->enc_data)
        return malformed(why);
    err = pbe_decrypt(reader->pbe, content->algorithm, content->enc_data, &plain, why);
    if (err)
        return err;
    *out = parse_bags(plain.data, plain.len);
    return *out ? KS_OK : malformed(why);
}

static ks_err
add_certificate(struct reader *reader, const PKCS12_SAFEBAG *bag, struct fault *why)
{
    const ASN1_OCTET_STRING *key_id = friendlyname_id(bag);
    X509 *certificate;

    if (PKCS12_SAFEBAG_get_bag_nid(bag) != NID_x509Certificate)
        return KS_OK;
    certificate = PKCS12_SAFEBAG_get1_cert(bag);
    if (!certificate)
        return malformed(why);
    if ((key_id && X509_keyid_set1(certificate, ASN1_STRING_get0_data(key_id),
                                   ASN1_STRING_length(key_id)) != 1) ||
        sk_X509_push(reader->certificates, certificate) == 0) {
        X509_free(certificate);
        return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

static ks_err
sort_bags(struct reader *reader, const bag_stack *bags, struct fault *why)
{
    ks_err err = KS_OK;

    for (int i = 0; !err && i < sk_PKCS12_SAFEBAG_num(bags); i++) {
        PKCS12_SAFEBAG *bag = sk_PKCS12_SAFEBAG_value(bags, i);

        if (++reader->n_seen > PKCS12_MAX_BAGS) {
            fault_set(why, "the file holds more than %d keys and certificates", PKCS12_MAX_BAGS);
            return KS_ERR_BAD_REQUEST;
        }
        switch (PKCS12_SAFEBAG_get_nid(bag)) {
        case NID_keyBag:
        case NID_pkcs8ShroudedKeyBag:
            reader->keys[reader->n_keys++] = bag;
            break;
        case NID_certBag:
            err = add_certificate(reader, bag, why);
            break;
        case NID_safeContentsBag:
            fault_set(why, "the file has safes within safes, which no common maker writes");
            return KS_ERR_BAD_REQUEST;
        default: /* CRLs and secrets are none of our business */
            break;
        }
    }
    return err;
}

static void
list_keys(const struct reader *reader, char *out, size_t cap)
{
    size_t len = 0;

    out[0] = '\0';
    for (size_t i = 0; i < reader->n_keys; i++) {
        char name[NAME_SHOWN + 1];

        friendlyname_show(reader->keys[i], name, sizeof(name));
        if (name[0] == '\0')
            text_copy(name, sizeof(name), "(without a name)");
        if (len + strlen(name) + sizeof(", , ...") > cap) {
            snprintf(out + len, cap - len, ", ...");
            return;
        }
        len += (size_t)snprintf(out + len, cap - len, "%s%s", i > 0 ? ", " : "", name);
    }
}

/* How many there are; *out: the last of them. */
static size_t
find_keys(const struct reader *reader, const char *select, bool any_case, PKCS12_SAFEBAG **out)
{
    size_t n = 0;

    for (size_t i = 0; i < reader->n_keys; i++) {
        if (select[0] && !friendlyname_is(reader->keys[i], select, any_case))
            continue;
        *out = reader->keys[i];
        n++;
    }
    return n;
}

static ks_err
choose(const struct reader *reader, const char *select, PKCS12_SAFEBAG **out, struct fault *why)
{
    size_t n = find_keys(reader, select, false, out);
    char names[256];

    if (n == 0)
        n = find_keys(reader, select, true, out);
    if (n == 1)
        return KS_OK;
    if (reader->n_keys == 0) {
        fault_set(why, "the file holds no private key");
        return KS_ERR_BAD_REQUEST;
    }
    list_keys(reader, names, sizeof(names));
    if (n == 0)
        fault_set(why, "the file holds no private key of that name or ID; it holds: %s", names);
    else
        fault_set(why, "the file holds %zu private keys%s: %s", n,
                  select[0] ? " of that name or ID, among" : "", names);
    fault_hint(why, "select one by its friendlyName, or by its localKeyID in hex");
    return KS_ERR_BAD_REQUEST;
}

/* A key that is not encrypted within the safe. */
static ks_err
read_bare_key(const PKCS12_SAFEBAG *bag, struct private_key *out, struct fault *why)
{
    uint8_t *der = NULL;
    int len = i2d_PKCS8_PRIV_KEY_INFO(PKCS12_SAFEBAG_get0_p8inf(bag), &der);
    ks_err err;

    if (len <= 0)
        return malformed(why);
    err = private_key_from_pkcs8(der, (size_t)len, out, why);
    OPENSSL_clear_free(der, (size_t)len);
    return err;
}

static ks_err
read_key(struct reader *reader, PKCS12_SAFEBAG *bag, struct private_key *out, struct fault *why)
{
    ks_auto(keyfile_deinit) struct keyfile plain = KEYFILE_INIT;
    const ASN1_OCTET_STRING *data = NULL;
    const X509_ALGOR *algorithm = NULL;
    const X509_SIG *shrouded;
    ks_err err;

    if (PKCS12_SAFEBAG_get_nid(bag) == NID_keyBag)
        return read_bare_key(bag, out, why);
    shrouded = PKCS12_SAFEBAG_get0_pkcs8(bag);
    if (!shrouded)
        return malformed(why);
    X509_SIG_get0(shrouded, &algorithm, &data);
    err = pbe_decrypt(reader->pbe, algorithm, data, &plain, why);
    return err ? err : private_key_from_pkcs8(plain.data, plain.len, out, why);
}
