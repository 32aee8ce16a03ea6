/* SPDX-License-Identifier: Apache-2.0 */
#include "client/pkcs11/mechanism.h"

#include <criterion/criterion.h>

static const uint8_t HEAD256[] = {0x30, 0x31, 0x30, 0x0d, 0x06, 0x09, 0x60, 0x86, 0x48, 0x01,
                                  0x65, 0x03, 0x04, 0x02, 0x01, 0x05, 0x00, 0x04, 0x20};

static CK_RV
read_type(CK_MECHANISM_TYPE type, void *parameter, CK_ULONG len, enum ks_key_type key,
          struct signing *out)
{
    const CK_MECHANISM given = {type, parameter, len};

    return mechanism_read(&given, key, out);
}

/* The DigestInfo of a hash, with the digest 0, 1, 2, ... */
static size_t
make_info(enum ks_hash hash, uint8_t out[MECHANISM_RAW_MAX])
{
    size_t len = ks_hash_len(hash);

    memcpy(out, HEAD256, sizeof(HEAD256));
    out[1] = (uint8_t)(0x11 + len);
    out[14] = (uint8_t)hash;
    out[18] = (uint8_t)len;
    for (size_t i = 0; i < len; i++)
        out[sizeof(HEAD256) + i] = (uint8_t)i;
    return sizeof(HEAD256) + len;
}

Test(mechanism, a_digest_info_names_its_hash)
{
    uint8_t info[MECHANISM_RAW_MAX];
    const uint8_t *digest;
    struct signing signing;
    enum ks_hash hash;

    cr_assert_eq(read_type(CKM_RSA_PKCS, NULL, 0, KS_KEY_TYPE_RSA_2048, &signing), CKR_OK);
    for (unsigned int i = KS_HASH_SHA256; i < KS_HASH_COUNT; i++) {
        size_t len = make_info((enum ks_hash)i, info);

        cr_assert_eq(mechanism_raw(&signing, info, len, &hash, &digest), CKR_OK);
        cr_assert_eq(hash, i);
        cr_assert_eq(digest, info + sizeof(HEAD256));
        cr_assert_eq(mechanism_algorithm(&signing, hash), KS_ALGORITHM_RSA_PKCS1_SHA256 + i - 1);
    }
}

Test(mechanism, every_cut_and_every_flip_of_a_digest_infos_head_is_refused)
{
    uint8_t info[MECHANISM_RAW_MAX + 1] = {0};
    const uint8_t *digest;
    struct signing signing;
    enum ks_hash hash;

    cr_assert_eq(read_type(CKM_RSA_PKCS, NULL, 0, KS_KEY_TYPE_RSA_2048, &signing), CKR_OK);
    for (unsigned int i = KS_HASH_SHA256; i < KS_HASH_COUNT; i++) {
        size_t len = make_info((enum ks_hash)i, info);

        for (size_t cut = 0; cut < len; cut++)
            cr_assert_neq(mechanism_raw(&signing, info, cut, &hash, &digest), CKR_OK, "%zu", cut);
        cr_assert_neq(mechanism_raw(&signing, info, len + 1, &hash, &digest), CKR_OK);
        for (size_t bit = 0; bit < sizeof(HEAD256) * 8; bit++) {
            info[bit / 8] ^= (uint8_t)(1 << bit % 8);
            cr_assert_eq(mechanism_raw(&signing, info, len, &hash, &digest), CKR_DATA_INVALID,
                         "bit %zu", bit);
            info[bit / 8] ^= (uint8_t)(1 << bit % 8);
        }
    }
}

Test(mechanism, other_hashes_and_bare_digests_are_no_digest_info)
{
    static const uint8_t SHA1[35] = {0x30, 0x21, 0x30, 0x09, 0x06, 0x05, 0x2b, 0x0e,
                                     0x03, 0x02, 0x1a, 0x05, 0x00, 0x04, 0x14};
    static const uint8_t LONG[100] = {0x30};
    const uint8_t *digest;
    struct signing signing;
    enum ks_hash hash;

    cr_assert_eq(read_type(CKM_RSA_PKCS, NULL, 0, KS_KEY_TYPE_RSA_2048, &signing), CKR_OK);
    cr_assert_eq(mechanism_raw(&signing, SHA1, sizeof(SHA1), &hash, &digest), CKR_DATA_INVALID);
    cr_assert_eq(mechanism_raw(&signing, SHA1, 32, &hash, &digest), CKR_DATA_INVALID);
    cr_assert_eq(mechanism_raw(&signing, LONG, sizeof(LONG), &hash, &digest), CKR_DATA_LEN_RANGE);
}

Test(mechanism, the_length_names_the_hash_of_an_ecdsa_digest)
{
    static const uint8_t DATA[MECHANISM_RAW_MAX];
    const uint8_t *digest;
    struct signing signing;
    enum ks_hash hash;

    cr_assert_eq(read_type(CKM_ECDSA, NULL, 0, KS_KEY_TYPE_EC_P256, &signing), CKR_OK);
    for (size_t len = 0; len <= sizeof(DATA); len++) {
        CK_RV rv = mechanism_raw(&signing, DATA, len, &hash, &digest);

        cr_assert_eq(rv == CKR_OK, len == 32 || len == 48 || len == 64, "%zu", len);
        cr_assert(rv == CKR_OK || rv == CKR_DATA_LEN_RANGE);
        if (rv == CKR_OK)
            cr_assert_eq(ks_hash_len(hash), len);
    }
    cr_assert_eq(mechanism_algorithm(&signing, KS_HASH_SHA512), KS_ALGORITHM_ECDSA_SHA512);
}

Test(mechanism, pss_takes_one_hash_for_all_and_a_salt_of_its_length)
{
    static const CK_MECHANISM_TYPE HASH[] = {CKM_SHA256, CKM_SHA384, CKM_SHA512, CKM_SHA_1};
    static const CK_ULONG MGF[] = {CKG_MGF1_SHA256, CKG_MGF1_SHA384, CKG_MGF1_SHA512,
                                   CKG_MGF1_SHA1};
    static const CK_ULONG SALT[] = {32, 48, 64, 20};
    struct signing signing;

    for (size_t i = 0; i < 4; i++) {
        for (size_t j = 0; j < 4; j++) {
            for (size_t k = 0; k < 4; k++) {
                CK_RSA_PKCS_PSS_PARAMS pss = {HASH[i], MGF[j], SALT[k]};
                CK_RV rv =
                    read_type(CKM_RSA_PKCS_PSS, &pss, sizeof(pss), KS_KEY_TYPE_RSA_3072, &signing);

                cr_assert_eq(rv, i == j && j == k && i < 3 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
                rv = read_type(CKM_SHA384_RSA_PKCS_PSS, &pss, sizeof(pss), KS_KEY_TYPE_RSA_3072,
                               &signing);
                cr_assert_eq(rv, i == 1 && j == 1 && k == 1 ? CKR_OK : CKR_MECHANISM_PARAM_INVALID);
            }
        }
    }
}

Test(mechanism, a_pss_digest_has_the_length_of_its_hash)
{
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA384, CKG_MGF1_SHA384, 48};
    static const uint8_t DATA[64];
    const uint8_t *digest;
    struct signing signing;
    enum ks_hash hash;

    cr_assert_eq(read_type(CKM_RSA_PKCS_PSS, &pss, sizeof(pss), KS_KEY_TYPE_RSA_2048, &signing),
                 CKR_OK);
    cr_assert_eq(mechanism_raw(&signing, DATA, 48, &hash, &digest), CKR_OK);
    cr_assert_eq(hash, KS_HASH_SHA384);
    cr_assert_eq(mechanism_algorithm(&signing, hash), KS_ALGORITHM_RSA_PSS_SHA384);
    cr_assert_eq(mechanism_raw(&signing, DATA, 32, &hash, &digest), CKR_DATA_LEN_RANGE);
    cr_assert_eq(mechanism_raw(&signing, DATA, 64, &hash, &digest), CKR_DATA_LEN_RANGE);
}

Test(mechanism, parameters_have_their_exact_size_and_are_there)
{
    CK_RSA_PKCS_PSS_PARAMS pss = {CKM_SHA256, CKG_MGF1_SHA256, 32};
    struct signing signing;

    for (CK_ULONG len = 0; len < sizeof(pss); len++)
        cr_assert_eq(read_type(CKM_SHA256_RSA_PKCS_PSS, &pss, len, KS_KEY_TYPE_RSA_2048, &signing),
                     CKR_MECHANISM_PARAM_INVALID);
    cr_assert_eq(read_type(CKM_RSA_PKCS_PSS, NULL, sizeof(pss), KS_KEY_TYPE_RSA_2048, &signing),
                 CKR_MECHANISM_PARAM_INVALID);
    cr_assert_eq(read_type(CKM_ECDSA, &pss, sizeof(pss), KS_KEY_TYPE_EC_P256, &signing),
                 CKR_MECHANISM_PARAM_INVALID);
    cr_assert_eq(read_type(CKM_ECDSA, &pss, 0, KS_KEY_TYPE_EC_P256, &signing), CKR_OK);
}

Test(mechanism, ed25519_takes_no_context_and_no_digest)
{
    struct {
        CK_BBOOL prehashed;
        CK_ULONG context_len;
        CK_BYTE *context;
    } parameter = {CK_FALSE, 0, NULL};
    struct signing signing;

    cr_assert_eq(read_type(CKM_EDDSA, NULL, 0, KS_KEY_TYPE_ED25519, &signing), CKR_OK);
    cr_assert_eq(mechanism_algorithm(&signing, KS_HASH_NONE), KS_ALGORITHM_ED25519);
    cr_assert_eq(read_type(CKM_EDDSA, &parameter, sizeof(parameter), KS_KEY_TYPE_ED25519, &signing),
                 CKR_OK);
    cr_assert_eq(read_type(CKM_EDDSA, &parameter, 1, KS_KEY_TYPE_ED25519, &signing),
                 CKR_MECHANISM_PARAM_INVALID);
    parameter.prehashed = CK_TRUE;
    cr_assert_eq(read_type(CKM_EDDSA, &parameter, sizeof(parameter), KS_KEY_TYPE_ED25519, &signing),
                 CKR_MECHANISM_PARAM_INVALID);
    parameter.prehashed = CK_FALSE;
    parameter.context_len = 1;
    cr_assert_eq(read_type(CKM_EDDSA, &parameter, sizeof(parameter), KS_KEY_TYPE_ED25519, &signing),
                 CKR_MECHANISM_PARAM_INVALID);
}

/* The table over itself: each mechanism fits the keys of one family and says so. */
Test(mechanism, each_one_fits_exactly_the_keys_its_algorithm_fits)
{
    CK_RSA_PKCS_PSS_PARAMS pss[] = {{CKM_SHA256, CKG_MGF1_SHA256, 32},
                                    {CKM_SHA384, CKG_MGF1_SHA384, 48},
                                    {CKM_SHA512, CKG_MGF1_SHA512, 64}};

    for (size_t i = 0; i < mechanism_count(); i++) {
        const struct mechanism *mechanism = mechanism_at(i);
        enum ks_hash hash = mechanism->hash != KS_HASH_NONE ? mechanism->hash : KS_HASH_SHA256;
        bool has_parameter = mechanism->scheme == SCHEME_PSS;

        cr_assert_eq(mechanism_find(mechanism->type), mechanism);
        for (unsigned int type = 0; type < KS_KEY_TYPE_COUNT; type++) {
            struct signing signing;
            CK_RV rv =
                read_type(mechanism->type, has_parameter ? &pss[hash - 1] : NULL,
                          has_parameter ? sizeof(pss[0]) : 0, (enum ks_key_type)type, &signing);

            if (mechanism->scheme == SCHEME_DIGEST) {
                cr_assert_eq(rv, CKR_MECHANISM_INVALID);
                continue;
            }
            cr_assert_eq(rv == CKR_OK,
                         mechanism_allowed(mechanism, (enum ks_key_type)type, KS_PURPOSE_SIGN));
            cr_assert(rv == CKR_OK || rv == CKR_KEY_TYPE_INCONSISTENT);
            if (rv == CKR_OK)
                cr_assert_neq(
                    ks_algorithm_for((enum ks_key_type)type, mechanism_algorithm(&signing, hash)),
                    KS_ALGORITHM_COUNT);
        }
    }
    cr_assert_null(mechanism_find(CKM_RSA_X_509));
    cr_assert_null(mechanism_find(CKM_SHA1_RSA_PKCS));
}

Test(mechanism, keys_for_tls_have_no_raw_mechanisms_and_others_none)
{
    const struct mechanism *raw = mechanism_find(CKM_ECDSA);
    const struct mechanism *whole = mechanism_find(CKM_ECDSA_SHA256);

    cr_assert(mechanism_allowed(raw, KS_KEY_TYPE_EC_P256, KS_PURPOSE_SIGN));
    cr_assert_not(mechanism_allowed(raw, KS_KEY_TYPE_EC_P256, KS_PURPOSE_TLS_SERVER));
    cr_assert(mechanism_allowed(whole, KS_KEY_TYPE_EC_P256, KS_PURPOSE_TLS));
    cr_assert_not(mechanism_allowed(whole, KS_KEY_TYPE_EC_P256, KS_PURPOSE_NONE));
    cr_assert_not(mechanism_allowed(whole, KS_KEY_TYPE_EC_P256, KS_PURPOSE_AUDIT));
}

Test(mechanism, none_is_said_to_encrypt)
{
    for (size_t i = 0; i < mechanism_count(); i++) {
        CK_MECHANISM_INFO info;

        mechanism_info(mechanism_at(i), &info);
        cr_assert_eq(info.flags & (CKF_ENCRYPT | CKF_DECRYPT | CKF_WRAP | CKF_UNWRAP | CKF_DERIVE |
                                   CKF_GENERATE_KEY_PAIR),
                     0);
        cr_assert_neq(info.flags & (CKF_SIGN | CKF_DIGEST), 0);
    }
}
