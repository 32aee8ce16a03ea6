/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/attribute.h"

#include <criterion/criterion.h>
#include <openssl/sha.h>
#include <openssl/x509.h>
#include <string.h>

#include "module_rig.h"

static struct rig *rig;
static CK_SESSION_HANDLE session;

static void
start(void)
{
    rig = rig_start();
    session = rig_session();
}

static void
stop(void)
{
    rig_stop(rig);
}

TestSuite(attribute, .init = start, .fini = stop);

static CK_RV
get(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, void *out, CK_ULONG *len)
{
    CK_ATTRIBUTE wanted = {type, out, *len};
    CK_RV rv = p11->C_GetAttributeValue(session, object, &wanted, 1);

    *len = wanted.ulValueLen;
    return rv;
}

static bool
flag(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_BBOOL value = 2;
    CK_ULONG len = sizeof(value);

    cr_assert_eq(get(object, type, &value, &len), CKR_OK, "attribute %#lx", type);
    cr_assert_eq(len, sizeof(value));
    return value == CK_TRUE;
}

static CK_ULONG
number(CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type)
{
    CK_ULONG value = 0, len = sizeof(value);

    cr_assert_eq(get(object, type, &value, &len), CKR_OK, "attribute %#lx", type);
    cr_assert_eq(len, sizeof(value));
    return value;
}

Test(attribute, a_private_key_never_leaves_and_only_signs)
{
    static const CK_ATTRIBUTE_TYPE SECRET[] = {CKA_VALUE,      CKA_PRIVATE_EXPONENT, CKA_PRIME_1,
                                               CKA_PRIME_2,    CKA_EXPONENT_1,       CKA_EXPONENT_2,
                                               CKA_COEFFICIENT};
    static const CK_ATTRIBUTE_TYPE NOT[] = {CKA_EXTRACTABLE,
                                            CKA_DECRYPT,
                                            CKA_UNWRAP,
                                            CKA_DERIVE,
                                            CKA_SIGN_RECOVER,
                                            CKA_MODIFIABLE,
                                            CKA_ALWAYS_AUTHENTICATE,
                                            CKA_PRIVATE};
    static const CK_ATTRIBUTE_TYPE IS[] = {CKA_SENSITIVE, CKA_ALWAYS_SENSITIVE,
                                           CKA_NEVER_EXTRACTABLE, CKA_SIGN, CKA_TOKEN};
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "sign/rsa");

    for (size_t i = 0; i < ARRAY_LEN(SECRET); i++) {
        unsigned char secret[512];
        CK_ULONG len = sizeof(secret);

        cr_assert_eq(get(key, SECRET[i], secret, &len), CKR_ATTRIBUTE_SENSITIVE);
        cr_assert_eq(len, CK_UNAVAILABLE_INFORMATION);
    }
    for (size_t i = 0; i < ARRAY_LEN(NOT); i++)
        cr_assert_not(flag(key, NOT[i]), "%#lx", NOT[i]);
    for (size_t i = 0; i < ARRAY_LEN(IS); i++)
        cr_assert(flag(key, IS[i]), "%#lx", IS[i]);
}

/* Taken together they are the public key again. */
Test(attribute, the_values_of_an_ec_key_are_its_public_key)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PUBLIC_KEY, "web/shop@2");
    const struct rig_key *real = &rig->keys[3];
    unsigned char point[200], params[64], id[20], wanted_id[20];
    CK_ULONG point_len = sizeof(point), params_len = sizeof(params), id_len = sizeof(id);

    cr_assert_eq(number(key, CKA_KEY_TYPE), CKK_EC);
    cr_assert_eq(get(key, CKA_EC_POINT, point, &point_len), CKR_OK);
    cr_assert_eq(point_len, 67, "an OCTET STRING with 65 bytes");
    cr_assert_eq(point[0], 0x04);
    cr_assert_eq(point[1], 65);
    cr_assert_arr_eq(point + 2, real->der + real->der_len - 65, 65);
    cr_assert_eq(get(key, CKA_EC_PARAMS, params, &params_len), CKR_OK);
    cr_assert_eq(params_len, 10);
    cr_assert_arr_eq(params, "\x06\x08\x2a\x86\x48\xce\x3d\x03\x01\x07", 10);
    cr_assert_eq(get(key, CKA_ID, id, &id_len), CKR_OK);
    SHA1(real->der + real->der_len - 65, 65, wanted_id);
    cr_assert_arr_eq(id, wanted_id, 20);
    point_len = 0;
    cr_assert_eq(get(key, CKA_MODULUS, NULL, &point_len), CKR_ATTRIBUTE_TYPE_INVALID);
}

Test(attribute, the_values_of_an_rsa_key_are_its_public_key)
{
    CK_OBJECT_HANDLE keys[] = {rig_find(session, CKO_PUBLIC_KEY, "sign/rsa"),
                               rig_find(session, CKO_PRIVATE_KEY, "sign/rsa")};
    BIGNUM *modulus = NULL, *read;

    cr_assert(EVP_PKEY_get_bn_param(rig->keys[1].key, "n", &modulus));
    for (size_t i = 0; i < 2; i++) {
        unsigned char bytes[256], exponent[8];
        CK_ULONG len = sizeof(bytes), exponent_len = sizeof(exponent);

        cr_assert_eq(get(keys[i], CKA_MODULUS, bytes, &len), CKR_OK);
        cr_assert_eq(len, 256, "without a leading zero");
        read = BN_bin2bn(bytes, (int)len, NULL);
        cr_assert_eq(BN_cmp(read, modulus), 0);
        BN_free(read);
        cr_assert_eq(get(keys[i], CKA_PUBLIC_EXPONENT, exponent, &exponent_len), CKR_OK);
        cr_assert_eq(exponent_len, 3);
        cr_assert_arr_eq(exponent, "\x01\x00\x01", 3);
        cr_assert_eq(get(keys[i], CKA_EC_POINT, NULL, &len), CKR_ATTRIBUTE_TYPE_INVALID);
    }
    cr_assert_eq(number(keys[0], CKA_MODULUS_BITS), 2048);
    BN_free(modulus);
}

Test(attribute, ed25519_is_an_edwards_key_with_its_own_oid)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PUBLIC_KEY, "sign/ed");
    unsigned char bytes[64];
    CK_ULONG len = sizeof(bytes);

    cr_assert_eq(number(key, CKA_KEY_TYPE), CKK_EC_EDWARDS);
    cr_assert_eq(get(key, CKA_EC_POINT, bytes, &len), CKR_OK);
    cr_assert_eq(len, 34);
    cr_assert_arr_eq(bytes, "\x04\x20", 2);
    cr_assert_arr_eq(bytes + 2, rig->keys[0].der + rig->keys[0].der_len - 32, 32);
    len = sizeof(bytes);
    cr_assert_eq(get(key, CKA_EC_PARAMS, bytes, &len), CKR_OK);
    cr_assert_eq(len, 5);
    cr_assert_arr_eq(bytes, "\x06\x03\x2b\x65\x70", 5);
}

Test(attribute, allowed_mechanisms_go_by_type_and_purpose)
{
    CK_MECHANISM_TYPE list[32];
    CK_ULONG len = sizeof(list);

    cr_assert_eq(
        get(rig_find(session, CKO_PRIVATE_KEY, "web/shop@1"), CKA_ALLOWED_MECHANISMS, list, &len),
        CKR_OK);
    cr_assert_eq(len, 3 * sizeof(list[0]), "a key for TLS has no raw one");
    len = sizeof(list);
    cr_assert_eq(
        get(rig_find(session, CKO_PRIVATE_KEY, "web/shop@2"), CKA_ALLOWED_MECHANISMS, list, &len),
        CKR_OK);
    cr_assert_eq(len, 4 * sizeof(list[0]));
    cr_assert_eq(list[0], CKM_ECDSA);
}

Test(attribute, a_certificate_shows_its_fields)
{
    CK_OBJECT_HANDLE object = rig_find(session, CKO_CERTIFICATE, "web/shop@1");
    unsigned char der[2048], field[256];
    const unsigned char *at = der;
    CK_ULONG len = sizeof(der);
    CK_DATE date;
    X509 *x509;

    cr_assert_eq(get(object, CKA_VALUE, der, &len), CKR_OK);
    x509 = d2i_X509(NULL, &at, (long)len);
    cr_assert(x509 && at == der + len);
    len = sizeof(field);
    cr_assert_eq(get(object, CKA_SERIAL_NUMBER, field, &len), CKR_OK);
    cr_assert_eq(len, 4);
    cr_assert_arr_eq(field, "\x02\x02\x12\x67", 4, "4711 as an INTEGER");
    len = sizeof(field);
    cr_assert_eq(get(object, CKA_ISSUER, field, &len), CKR_OK);
    cr_assert(memmem(field, len, "issuer", 6));
    len = sizeof(field);
    cr_assert_eq(get(object, CKA_SUBJECT, field, &len), CKR_OK);
    cr_assert(memmem(field, len, "web/shop", 8));
    len = sizeof(date);
    cr_assert_eq(get(object, CKA_START_DATE, &date, &len), CKR_OK);
    cr_assert_eq(len, sizeof(date));
    cr_assert_eq(date.year[0], '2');
    cr_assert_eq(number(object, CKA_CERTIFICATE_TYPE), CKC_X_509);
    cr_assert_eq(number(object, CKA_CERTIFICATE_CATEGORY), 1);
    cr_assert_not(flag(object, CKA_TRUSTED));
    cr_assert_eq(
        number(rig_find(session, CKO_CERTIFICATE, "sign/rsa@1 issuer 1"), CKA_CERTIFICATE_CATEGORY),
        2);
    X509_free(x509);
}

Test(attribute, what_is_not_there_does_not_keep_the_rest_back)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop");
    CK_ULONG class = 0;
    char label[64], short_label[3];
    CK_ATTRIBUTE wanted[] = {
        {CKA_WRAP_TEMPLATE, label, sizeof(label)}, {CKA_CLASS, &class, sizeof(class)},
        {CKA_VALUE, label, sizeof(label)},         {CKA_LABEL, short_label, sizeof(short_label)},
        {CKA_LABEL, label, sizeof(label)},         {CKA_LABEL, NULL, 77}};

    cr_assert_eq(p11->C_GetAttributeValue(session, key, wanted, ARRAY_LEN(wanted)),
                 CKR_ATTRIBUTE_TYPE_INVALID);
    cr_assert_eq(wanted[0].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    cr_assert_eq(class, CKO_PRIVATE_KEY);
    cr_assert_eq(wanted[2].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    cr_assert_eq(wanted[3].ulValueLen, CK_UNAVAILABLE_INFORMATION);
    cr_assert_eq(wanted[4].ulValueLen, 10);
    cr_assert_arr_eq(label, "web/shop@2", 10);
    cr_assert_eq(wanted[5].ulValueLen, 10);
    cr_assert_eq(p11->C_GetAttributeValue(session, key, wanted + 3, 1), CKR_BUFFER_TOO_SMALL,
                 "a length that was left so is no room");
}

Test(attribute, too_little_room_is_said)
{
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop");
    char label[10];
    CK_ULONG len = 9;

    cr_assert_eq(get(key, CKA_LABEL, label, &len), CKR_BUFFER_TOO_SMALL);
    cr_assert_eq(len, CK_UNAVAILABLE_INFORMATION);
    len = 10;
    cr_assert_eq(get(key, CKA_LABEL, label, &len), CKR_OK);
}

Test(attribute, handles_and_templates_are_checked)
{
    CK_ATTRIBUTE label = {CKA_LABEL, NULL, 0};
    CK_OBJECT_HANDLE key = rig_find(session, CKO_PRIVATE_KEY, "web/shop");
    CK_ULONG size;

    cr_assert_eq(p11->C_GetAttributeValue(session, key, NULL, 1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_GetAttributeValue(session, key, &label, (CK_ULONG)-1), CKR_ARGUMENTS_BAD);
    cr_assert_eq(p11->C_GetAttributeValue(session, 0, &label, 1), CKR_OBJECT_HANDLE_INVALID);
    cr_assert_eq(p11->C_GetAttributeValue(session, (CK_ULONG)-1, &label, 1),
                 CKR_OBJECT_HANDLE_INVALID);
    /* The key's further certificates, of which there are none. */
    for (CK_ULONG which = 2; which < 32; which++) {
        CK_RV rv = p11->C_GetAttributeValue(session, (key & ~31UL) | which, &label, 1);

        cr_assert_eq(rv, which == 2 ? CKR_OK : CKR_OBJECT_HANDLE_INVALID, "%lu", which);
    }
    cr_assert_eq(p11->C_GetObjectSize(session, key, &size), CKR_OK);
    cr_assert_eq(p11->C_GetObjectSize(session, 0, &size), CKR_OBJECT_HANDLE_INVALID);
}
