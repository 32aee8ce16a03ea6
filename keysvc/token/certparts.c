/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certparts - subject, extensions, algorithm identifiers and signatures in OpenSSL's form
 */
#include "token/certparts.h"

#include <arpa/inet.h>

#define KEY_USAGE_DIGITAL_SIGNATURE 0 /* number of the bit */

static bool add_basic_constraints(struct stack_st_X509_EXTENSION **list);
static bool add_key_usage(struct stack_st_X509_EXTENSION **list);
static bool add_extended_key_usage(struct stack_st_X509_EXTENSION **list,
                                   const struct config_class *class, struct fault *why);
static bool push_usage(EXTENDED_KEY_USAGE *list, const char *name);
static bool add_alternatives(struct stack_st_X509_EXTENSION **list, const struct job_csr *job,
                             bool critical);
static GENERAL_NAME *general_name(const struct job_alternative *alternative);
static ASN1_STRING *address_octets(const char *text);
static bool set_pss_algorithm(X509_ALGOR *out, enum ks_hash hash);

X509_NAME *
certparts_subject(const struct job_csr *job)
{
    const struct {
        int nid, type;
        const char *text;
    } attributes[] = {
        {NID_countryName, V_ASN1_PRINTABLESTRING, job->country},
        {NID_stateOrProvinceName, V_ASN1_UTF8STRING, job->state},
        {NID_localityName, V_ASN1_UTF8STRING, job->locality},
        {NID_organizationName, V_ASN1_UTF8STRING, job->organization},
        {NID_organizationalUnitName, V_ASN1_UTF8STRING, job->organization_unit},
        {NID_commonName, V_ASN1_UTF8STRING, job->common_name},
        {NID_pkcs9_emailAddress, V_ASN1_IA5STRING, job->email},
    };
    ks_auto(ossl_name_freep) X509_NAME *name = X509_NAME_new();

    if (!name)
        return NULL;
    for (size_t i = 0; i < ARRAY_LEN(attributes); i++) {
        const char *text = attributes[i].text;

        if (*text &&
            X509_NAME_add_entry_by_NID(name, attributes[i].nid, attributes[i].type,
                                       (const uint8_t *)text, (int)strlen(text), -1, 0) != 1)
            return NULL;
    }
    return ks_steal(&name);
}

struct stack_st_X509_EXTENSION *
certparts_extensions(const struct job_csr *job, const struct config_class *class, bool nameless,
                     struct fault *why)
{
    ks_auto(ossl_extensions_freep) STACK_OF(X509_EXTENSION) *list = NULL;

    /* RFC 5280, 4.2.1.6: without a subject the alternative names are the only identity. */
    if (!add_basic_constraints(&list) || !add_key_usage(&list) ||
        !add_extended_key_usage(&list, class, why) || !add_alternatives(&list, job, nameless))
        return NULL;
    return ks_steal(&list);
}

bool
certparts_add(struct stack_st_X509_EXTENSION **list, int nid, void *value, bool critical)
{
    return X509V3_add1_i2d(list, nid, value, critical, X509V3_ADD_DEFAULT) == 1;
}

static bool
add_basic_constraints(struct stack_st_X509_EXTENSION **list)
{
    ks_auto(ossl_constraints_freep) BASIC_CONSTRAINTS *constraints = BASIC_CONSTRAINTS_new();

    /* A new one is CA:FALSE without a path length. */
    return constraints && certparts_add(list, NID_basic_constraints, constraints, true);
}

static bool
add_key_usage(struct stack_st_X509_EXTENSION **list)
{
    ks_auto(ossl_string_freep) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    return bits && ASN1_BIT_STRING_set_bit(bits, KEY_USAGE_DIGITAL_SIGNATURE, 1) == 1 &&
           certparts_add(list, NID_key_usage, bits, true);
}

static bool
add_extended_key_usage(struct stack_st_X509_EXTENSION **list, const struct config_class *class,
                       struct fault *why)
{
    ks_auto(ossl_usage_freep) EXTENDED_KEY_USAGE *usages = EXTENDED_KEY_USAGE_new();
    enum ks_purpose purpose = class->purpose;

    if (!usages)
        return false;
    if ((purpose == KS_PURPOSE_TLS_SERVER || purpose == KS_PURPOSE_TLS) &&
        !push_usage(usages, SN_server_auth))
        return false;
    if ((purpose == KS_PURPOSE_TLS_CLIENT || purpose == KS_PURPOSE_TLS) &&
        !push_usage(usages, SN_client_auth))
        return false;
    for (size_t i = 0; purpose == KS_PURPOSE_SIGN && i < class->usage.n_items; i++) {
        if (push_usage(usages, class->usage.items[i]))
            continue;
        fault_set(why, "keys \"%s\": the usage %s is not known", class->glob,
                  class->usage.items[i]);
        return false;
    }
    if (sk_ASN1_OBJECT_num(usages) == 0)
        return true;
    return certparts_add(list, NID_ext_key_usage, usages, false);
}

static bool
push_usage(EXTENDED_KEY_USAGE *list, const char *name)
{
    ASN1_OBJECT *object = OBJ_txt2obj(name, 0);

    if (!object)
        return false;
    if (sk_ASN1_OBJECT_push(list, object) > 0)
        return true;
    ASN1_OBJECT_free(object);
    return false;
}

static bool
add_alternatives(struct stack_st_X509_EXTENSION **list, const struct job_csr *job, bool critical)
{
    ks_auto(ossl_general_names_freep) GENERAL_NAMES *names = GENERAL_NAMES_new();

    if (!names)
        return false;
    for (size_t i = 0; i < job->n_alternatives; i++) {
        ks_auto(ossl_general_name_freep) GENERAL_NAME *name = general_name(&job->alternatives[i]);

        if (!name || sk_GENERAL_NAME_push(names, name) <= 0)
            return false;
        name = NULL; /* taken */
    }
    return job->n_alternatives == 0 || certparts_add(list, NID_subject_alt_name, names, critical);
}

static GENERAL_NAME *
general_name(const struct job_alternative *alternative)
{
    static const int types[] = {
        [CERTNAME_DNS] = GEN_DNS,
        [CERTNAME_IP] = GEN_IPADD,
        [CERTNAME_EMAIL] = GEN_EMAIL,
        [CERTNAME_URI] = GEN_URI,
    };
    bool address = alternative->kind == CERTNAME_IP;
    ks_auto(ossl_general_name_freep) GENERAL_NAME *name = GENERAL_NAME_new();
    ks_auto(ossl_string_freep) ASN1_STRING *value =
        address ? address_octets(alternative->value) : ASN1_IA5STRING_new();

    if (!name || !value || (!address && ASN1_STRING_set(value, alternative->value, -1) != 1))
        return NULL;
    GENERAL_NAME_set0_value(name, types[alternative->kind], ks_steal(&value));
    return ks_steal(&name);
}

static ASN1_STRING *
address_octets(const char *text)
{
    ks_auto(ossl_string_freep) ASN1_OCTET_STRING *octets = ASN1_OCTET_STRING_new();
    struct in6_addr v6;
    struct in_addr v4;
    int ok = 0;

    if (!octets)
        return NULL;
    if (inet_pton(AF_INET, text, &v4) == 1)
        ok = ASN1_OCTET_STRING_set(octets, (const uint8_t *)&v4, sizeof(v4));
    else if (inet_pton(AF_INET6, text, &v6) == 1)
        ok = ASN1_OCTET_STRING_set(octets, (const uint8_t *)&v6, sizeof(v6));
    return ok == 1 ? ks_steal(&octets) : NULL;
}

X509_ALGOR *
certparts_algorithm(enum ks_algorithm algorithm)
{
    static const struct {
        int nid, parameter; /* RFC 5758, RFC 4055, RFC 8410: NULL for RSA, absent for the others */
    } identifiers[KS_ALGORITHM_COUNT] = {
        [KS_ALGORITHM_ECDSA_SHA256] = {NID_ecdsa_with_SHA256, V_ASN1_UNDEF},
        [KS_ALGORITHM_ECDSA_SHA384] = {NID_ecdsa_with_SHA384, V_ASN1_UNDEF},
        [KS_ALGORITHM_ECDSA_SHA512] = {NID_ecdsa_with_SHA512, V_ASN1_UNDEF},
        [KS_ALGORITHM_RSA_PKCS1_SHA256] = {NID_sha256WithRSAEncryption, V_ASN1_NULL},
        [KS_ALGORITHM_RSA_PKCS1_SHA384] = {NID_sha384WithRSAEncryption, V_ASN1_NULL},
        [KS_ALGORITHM_RSA_PKCS1_SHA512] = {NID_sha512WithRSAEncryption, V_ASN1_NULL},
        [KS_ALGORITHM_RSA_PSS_SHA256] = {NID_rsassaPss, V_ASN1_SEQUENCE},
        [KS_ALGORITHM_RSA_PSS_SHA384] = {NID_rsassaPss, V_ASN1_SEQUENCE},
        [KS_ALGORITHM_RSA_PSS_SHA512] = {NID_rsassaPss, V_ASN1_SEQUENCE},
        [KS_ALGORITHM_ED25519] = {NID_ED25519, V_ASN1_UNDEF},
    };
    ks_auto(ossl_algor_freep) X509_ALGOR *identifier = X509_ALGOR_new();

    if (!identifier)
        return NULL;
    if (identifiers[algorithm].parameter == V_ASN1_SEQUENCE) {
        if (!set_pss_algorithm(identifier, ks_algorithm_hash(algorithm)))
            return NULL;
    } else if (X509_ALGOR_set0(identifier, OBJ_nid2obj(identifiers[algorithm].nid),
                               identifiers[algorithm].parameter, NULL) != 1) {
        return NULL;
    }
    return ks_steal(&identifier);
}

/* RSASSA-PSS-params: the hash, MGF1 with the same hash, a salt of the hash's length (RFC 4055). */
static bool
set_pss_algorithm(X509_ALGOR *out, enum ks_hash hash)
{
    ks_auto(ossl_pss_freep) RSA_PSS_PARAMS *params = RSA_PSS_PARAMS_new();
    ks_auto(ossl_algor_freep) X509_ALGOR *hash_algorithm = X509_ALGOR_new();
    ks_auto(ossl_string_freep) ASN1_STRING *packed = NULL;
    ASN1_OBJECT *digest = OBJ_nid2obj(EVP_MD_get_type(ossl_md(hash))); /* static */

    if (!params || !hash_algorithm)
        return false;
    params->hashAlgorithm = X509_ALGOR_new();
    params->maskGenAlgorithm = X509_ALGOR_new();
    params->saltLength = ASN1_INTEGER_new();
    if (!params->hashAlgorithm || !params->maskGenAlgorithm || !params->saltLength ||
        ASN1_INTEGER_set(params->saltLength, (long)ks_hash_len(hash)) != 1)
        return false;

    /* NULL parameters, as RFC 4055, 2.1 writes them; X509_ALGOR_set_md() would leave them out. */
    if (X509_ALGOR_set0(params->hashAlgorithm, digest, V_ASN1_NULL, NULL) != 1 ||
        X509_ALGOR_set0(hash_algorithm, digest, V_ASN1_NULL, NULL) != 1 ||
        !ASN1_item_pack(hash_algorithm, ASN1_ITEM_rptr(X509_ALGOR), &packed) ||
        X509_ALGOR_set0(params->maskGenAlgorithm, OBJ_nid2obj(NID_mgf1), V_ASN1_SEQUENCE, packed) !=
            1)
        return false;
    packed = NULL; /* taken */

    if (!ASN1_item_pack(params, ASN1_ITEM_rptr(RSA_PSS_PARAMS), &packed) ||
        X509_ALGOR_set0(out, OBJ_nid2obj(NID_rsassaPss), V_ASN1_SEQUENCE, packed) != 1)
        return false;
    packed = NULL; /* taken */
    return true;
}

ASN1_BIT_STRING *
certparts_signature(const uint8_t *signature, size_t len)
{
    ks_auto(ossl_string_freep) ASN1_BIT_STRING *bits = ASN1_BIT_STRING_new();

    if (!bits || ASN1_BIT_STRING_set(bits, (uint8_t *)(uintptr_t)signature, (int)len) != 1)
        return NULL;
    /* All eight bits of the last byte count; without this OpenSSL cuts trailing zero bits. */
    bits->flags &= ~(ASN1_STRING_FLAG_BITS_LEFT | 0x07);
    bits->flags |= ASN1_STRING_FLAG_BITS_LEFT;
    return ks_steal(&bits);
}
