/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pbe - what a password has encrypted in foreign key files, with a bound on the work it may cost
 *
 * A key file says itself how often its password is to be hashed; a hostile one says two billion
 * times. Each derivation is paid for from one budget before it runs. Makers also disagree about what
 * bytes a password with an umlaut is, so it is tried in up to PBE_MAX_FORMS forms.
 *
 * Between pbe_open() and pbe_close() OpenSSL's default context of this thread is a private one with
 * the legacy provider (RC2 and RC4 of old makers): no call to the module and no object that lives
 * longer in between.
 */
#pragma once

#include <openssl/pkcs12.h>

#include "token/keyfile.h"

/*
 * Rounds of hashing for one file, for its MAC, its certificates and its key together, weighed by what
 * the hash costs. Makers use 1 to 600,000 each; 10 million take one to two seconds.
 */
#define PBE_BUDGET 10000000u
#define PBE_MAX_FORMS 3
#define PBE_MAX_PASSWORD 1023 /* bytes */

struct pbe_form {
    const char *text; /* NULL: no password at all, which PKCS#12 tells from an empty one */
    int len;
};

struct pbe {
    uint64_t budget; /* rounds that are left */
    bool has_password;
    bool has_legacy;
    struct keyfile memory; /* of the forms */
    struct pbe_form forms[PBE_MAX_FORMS];
    size_t n_forms;
    OSSL_LIB_CTX *ctx, *before;
    OSSL_PROVIDER *base, *legacy;
};

#define PBE_INIT                                                                                   \
    {                                                                                              \
        .memory = KEYFILE_INIT                                                                     \
    }

/* `password` may be NULL, one newline at its end is cut. Then pbe_close, also after a failure. */
ks_err pbe_open(struct pbe *pbe, const struct keyfile *password, uint64_t budget,
                struct fault *why) KS_MUST_CHECK;
void pbe_close(struct pbe *pbe);

/* BAD_REQUEST: the password is wrong, or none of these. A file without a MAC is fine. */
ks_err pbe_check_mac(struct pbe *pbe, PKCS12 *file, struct fault *why) KS_MUST_CHECK;

/*
 * Decrypts one DER or BER SEQUENCE. BAD_REQUEST: too expensive, an unknown algorithm, or the password
 * is wrong.
 */
ks_err pbe_decrypt(struct pbe *pbe, const X509_ALGOR *algorithm, const ASN1_OCTET_STRING *data,
                   struct keyfile *out, struct fault *why) KS_MUST_CHECK;
