/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbe - passwords, their forms and their price
 */
#include "token/pbe.h"

#include <openssl/err.h>
#include <openssl/objects.h>
#include <openssl/provider.h>

#include "token/ossl.h"

/* How many hashes of the price one round takes, at most: a key longer than the hash needs two. */
#define ROUNDS_MAC 1u
#define ROUNDS_PBKDF2 2u
#define ROUNDS_PKCS12 3u /* the key and the IV */

static ks_err make_forms(struct pbe *pbe, const struct keyfile *password, struct fault *why);
static ks_err pay(struct pbe *pbe, uint64_t price, struct fault *why);
static ks_err algorithm_price(const X509_ALGOR *algorithm, uint64_t *price, struct fault *why);
static ks_err decrypt_as(const struct pbe *pbe, const struct pbe_form *form,
                         const X509_ALGOR *algorithm, const ASN1_OCTET_STRING *data,
                         struct keyfile *out, struct fault *why);

ks_err
pbe_open(struct pbe *pbe, const struct keyfile *password, uint64_t budget, struct fault *why)
{
    *pbe = (struct pbe){.budget = budget, .has_password = password, .memory = KEYFILE_INIT};
    pbe->ctx = OSSL_LIB_CTX_new();
    if (pbe->ctx)
        pbe->base = OSSL_PROVIDER_load(pbe->ctx, "default");
    if (!pbe->base) {
        fault_set(why, "OpenSSL's default provider cannot be loaded");
        return KS_ERR_INTERNAL;
    }
    /* A machine without it still reads what is newer than 2020. */
    pbe->legacy = OSSL_PROVIDER_load(pbe->ctx, "legacy");
    pbe->has_legacy = pbe->legacy != NULL;
    ERR_clear_error();
    pbe->before = OSSL_LIB_CTX_set0_default(pbe->ctx);
    return make_forms(pbe, password, why);
}

void
pbe_close(struct pbe *pbe)
{
    if (pbe->before)
        OSSL_LIB_CTX_set0_default(pbe->before);
    if (pbe->legacy)
        OSSL_PROVIDER_unload(pbe->legacy);
    if (pbe->base)
        OSSL_PROVIDER_unload(pbe->base);
    OSSL_LIB_CTX_free(pbe->ctx);
    keyfile_deinit(&pbe->memory);
    ERR_clear_error();
    *pbe = (struct pbe)PBE_INIT;
}

static void
add_form(struct pbe *pbe, const char *text, size_t len)
{
    pbe->forms[pbe->n_forms++] = (struct pbe_form){text, (int)len};
}

/* UTF-8 that is read as Latin-1 and written as UTF-8 once more: OpenSSL before 1.1 widened bytes. */
static void
add_widened(struct pbe *pbe, const uint8_t *text, size_t len)
{
    uint8_t *out = pbe->memory.data + pbe->memory.len;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] >= 0x80)
            out[n++] = (uint8_t)(0xc0 | text[i] >> 6);
        out[n++] = text[i] >= 0x80 ? (uint8_t)(0x80 | (text[i] & 0x3f)) : text[i];
    }
    pbe->memory.len += n;
    add_form(pbe, (const char *)out, n);
}

/* Latin-1 for makers that derive keys from it; nothing if the text is none. */
static void
add_narrowed(struct pbe *pbe, const uint8_t *text, size_t len)
{
    uint8_t *out = pbe->memory.data + pbe->memory.len;
    size_t n = 0;

    for (size_t i = 0; i < len; i++) {
        if (text[i] < 0x80) {
            out[n++] = text[i];
        } else if ((text[i] & 0xfe) == 0xc2 && i + 1 < len && (text[i + 1] & 0xc0) == 0x80) {
            out[n++] = (uint8_t)(text[i] << 6 | (text[i + 1] & 0x3f));
            i++;
        } else {
            return;
        }
    }
    pbe->memory.len += n;
    add_form(pbe, (const char *)out, n);
}

static ks_err
make_forms(struct pbe *pbe, const struct keyfile *password, struct fault *why)
{
    size_t len = password ? password->len : 0;
    bool is_ascii = true;
    ks_err err;

    if (len > 0 && password->data[len - 1] == '\n')
        len--;
    if (len > PBE_MAX_PASSWORD) {
        fault_set(why, "the password has %zu bytes, at most %d are taken", len, PBE_MAX_PASSWORD);
        return KS_ERR_BAD_REQUEST;
    }
    if (len == 0) {
        add_form(pbe, "", 0);
        add_form(pbe, NULL, 0);
        return KS_OK;
    }
    add_form(pbe, (const char *)password->data, len);
    for (size_t i = 0; i < len; i++)
        is_ascii = is_ascii && password->data[i] < 0x80;
    if (is_ascii)
        return KS_OK;
    err = keyfile_new(len * PBE_MAX_FORMS, &pbe->memory, why);
    if (err)
        return err;
    add_widened(pbe, password->data, len);
    add_narrowed(pbe, password->data, len);
    return KS_OK;
}

static ks_err
wrong_password(const struct pbe *pbe, struct fault *why)
{
    if (pbe->has_password) {
        fault_set(why, "the password does not open the file: it is wrong, or the file is damaged");
        fault_hint(why, "`openssl pkcs12 -in FILE -noout` or `openssl pkcs8 -in FILE -noout` tries "
                        "a password");
    } else {
        fault_set(why, "the file is encrypted and no password was given");
        fault_hint(why, "give the password that the file was made with");
    }
    return KS_ERR_BAD_REQUEST;
}

static ks_err
pay(struct pbe *pbe, uint64_t price, struct fault *why)
{
    if (price <= pbe->budget) {
        pbe->budget -= price;
        return KS_OK;
    }
    fault_set(why,
              "to open the file its password would have to be hashed too often: more than %u "
              "rounds in all",
              PBE_BUDGET);
    fault_hint(why, "write the file anew with fewer iterations");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
unknown_algorithm(const ASN1_OBJECT *object, struct fault *why)
{
    char name[64] = "";

    OBJ_obj2txt(name, sizeof(name), object, 0);
    fault_set(why,
              "the file is encrypted or protected with \"%s\", which is not known here, or its "
              "parameters make no sense",
              name);
    fault_hint(why, "write the file anew, as with `openssl pkcs12 -export`");
    return KS_ERR_BAD_REQUEST;
}

/* A positive count; the price of what does not fit in 32 bits is more than anybody has. */
static bool
count_of(const ASN1_INTEGER *number, uint64_t *out)
{
    return number && ASN1_INTEGER_get_uint64(out, number) == 1 && *out > 0;
}

/*
 * What one hash costs, SHA-256's being 1 (measured: SHA-512 2.7). 0: none that makers use; some that
 * OpenSSL knows cost nine times as much, and each would have to be measured.
 */
static uint64_t
hash_price(int digest)
{
    switch (digest) {
    case NID_md5:
    case NID_sha1:
    case NID_sha224:
    case NID_sha256:
    case NID_hmacWithSHA1:
    case NID_hmacWithSHA224:
    case NID_hmacWithSHA256:
        return 1;
    case NID_sha384:
    case NID_sha512:
    case NID_hmacWithSHA384:
    case NID_hmacWithSHA512:
        return 3;
    default:
        return 0;
    }
}

static uint64_t
times(uint64_t a, uint64_t b)
{
    return a > UINT32_MAX || b > UINT32_MAX ? UINT64_MAX : a * b;
}

ks_err
pbe_check_mac(struct pbe *pbe, PKCS12 *file, struct fault *why)
{
    const ASN1_INTEGER *number = NULL;
    const X509_ALGOR *algorithm = NULL;
    const ASN1_OBJECT *object = NULL;
    uint64_t rounds = 1, per_round;
    ks_err err;

    if (PKCS12_mac_present(file) != 1)
        return KS_OK;
    PKCS12_get0_mac(NULL, &algorithm, NULL, &number, file);
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    per_round = hash_price(OBJ_obj2nid(object));
    if (per_round == 0 || (number && !count_of(number, &rounds)))
        return unknown_algorithm(object, why);
    for (size_t i = 0; i < pbe->n_forms; i++) {
        struct pbe_form form = pbe->forms[i];

        err = pay(pbe, times(times(rounds, ROUNDS_MAC), per_round), why);
        if (err)
            return err;
        if (PKCS12_verify_mac(file, form.text, form.len) != 1)
            continue;
        /* It is likely the one that everything else is encrypted with. */
        pbe->forms[i] = pbe->forms[0];
        pbe->forms[0] = form;
        return KS_OK;
    }
    return wrong_password(pbe, why);
}

ks_err
pbe_decrypt(struct pbe *pbe, const X509_ALGOR *algorithm, const ASN1_OCTET_STRING *data,
            struct keyfile *out, struct fault *why)
{
    const ASN1_OBJECT *object = NULL;
    uint64_t price = 0;
    ks_err err = algorithm_price(algorithm, &price, why);

    for (size_t i = 0; !err && i < pbe->n_forms; i++) {
        err = pay(pbe, price, why);
        if (!err)
            err = decrypt_as(pbe, &pbe->forms[i], algorithm, data, out, why);
        if (err || out->len > 0)
            return err;
    }
    if (err)
        return err;
    X509_ALGOR_get0(&object, NULL, NULL, algorithm);
    if (!pbe->has_legacy && OBJ_obj2nid(object) != NID_pbes2 &&
        OBJ_obj2nid(object) != NID_pbe_WithSHA1And3_Key_TripleDES_CBC) {
        (void)unknown_algorithm(object, why);
        fault_hint(why, "install OpenSSL's legacy provider (legacy.so), or write the file anew");
        return KS_ERR_BAD_REQUEST;
    }
    return wrong_password(pbe, why);
}

static ks_err
pbkdf2_price(const ASN1_TYPE *parameter, uint64_t *price)
{
    PBKDF2PARAM *params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), parameter);
    uint64_t rounds = 0, per_round = 0;
    bool good = params && count_of(params->iter, &rounds);

    if (good) /* its default is HMAC-SHA-1 */
        per_round =
            hash_price(params->prf ? OBJ_obj2nid(params->prf->algorithm) : NID_hmacWithSHA1);
    PBKDF2PARAM_free(params);
    *price = times(times(rounds, ROUNDS_PBKDF2), per_round);
    return good && per_round > 0 ? KS_OK : KS_ERR_BAD_REQUEST;
}

/* One mixing of a block costs what a round does; OpenSSL's own bound on memory is 32 MiB. */
static ks_err
scrypt_price(const ASN1_TYPE *parameter, uint64_t *price)
{
    SCRYPT_PARAMS *params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), parameter);
    uint64_t n = 0, r = 0, p = 0;
    bool good = params && count_of(params->costParameter, &n) && count_of(params->blockSize, &r) &&
                count_of(params->parallelizationParameter, &p);

    SCRYPT_PARAMS_free(params);
    *price = times(times(n, r), p);
    return good ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
pbes2_price(const ASN1_TYPE *parameter, uint64_t *price)
{
    PBE2PARAM *params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), parameter);
    ks_err err = KS_ERR_BAD_REQUEST;

    if (params && OBJ_obj2nid(params->keyfunc->algorithm) == NID_id_pbkdf2)
        err = pbkdf2_price(params->keyfunc->parameter, price);
    if (params && OBJ_obj2nid(params->keyfunc->algorithm) == NID_id_scrypt)
        err = scrypt_price(params->keyfunc->parameter, price);
    PBE2PARAM_free(params);
    return err;
}

static ks_err
pbes1_price(const ASN1_TYPE *parameter, uint64_t *price)
{
    PBEPARAM *params = ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBEPARAM), parameter);
    uint64_t rounds = 0;
    bool good = params && count_of(params->iter, &rounds);

    PBEPARAM_free(params);
    *price = times(rounds, ROUNDS_PKCS12);
    return good ? KS_OK : KS_ERR_BAD_REQUEST;
}

static ks_err
algorithm_price(const X509_ALGOR *algorithm, uint64_t *price, struct fault *why)
{
    int nid = OBJ_obj2nid(algorithm->algorithm);
    ks_err err = KS_ERR_BAD_REQUEST;

    if (nid == NID_pbes2)
        err = pbes2_price(algorithm->parameter, price);
    else if (nid != NID_undef && EVP_PBE_find(EVP_PBE_TYPE_OUTER, nid, NULL, NULL, NULL) == 1)
        err = pbes1_price(algorithm->parameter, price);
    return err ? unknown_algorithm(algorithm->algorithm, why) : KS_OK;
}

/* Garbage that happens to be padded well is not a SEQUENCE over its whole length, or of unknown one. */
static bool
is_sequence(const uint8_t *data, size_t len)
{
    const uint8_t *at = data;
    int tag, class, flags;
    long contents;

    if (len == 0)
        return false;
    flags = ASN1_get_object(&at, &contents, &tag, &class, (long)len);
    if ((flags & 0x80) != 0 || (flags & V_ASN1_CONSTRUCTED) == 0 || tag != V_ASN1_SEQUENCE ||
        class != V_ASN1_UNIVERSAL)
        return false;
    return (flags & 1) != 0 || at + contents == data + len;
}

/* OK with out->len 0: not with this form. */
static ks_err
decrypt_as(const struct pbe *pbe, const struct pbe_form *form, const X509_ALGOR *algorithm,
           const ASN1_OCTET_STRING *data, struct keyfile *out, struct fault *why)
{
    unsigned char *plain = NULL;
    int len = 0;
    ks_err err = KS_OK;

    if (!PKCS12_pbe_crypt_ex(algorithm, form->text, form->len, ASN1_STRING_get0_data(data),
                             ASN1_STRING_length(data), &plain, &len, 0, pbe->ctx, NULL)) {
        ERR_clear_error();
        return KS_OK;
    }
    if (len > 0 && is_sequence(plain, (size_t)len))
        err = keyfile_new((size_t)len, out, why);
    if (!err && out->data) {
        memcpy(out->data, plain, (size_t)len);
        out->len = (size_t)len;
    }
    OPENSSL_clear_free(plain, (size_t)len);
    return err;
}
