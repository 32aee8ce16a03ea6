/* SPDX-License-Identifier: Apache-2.0 */
/*
 * sign - from a job to a verified signature
 */
#include "token/sign.h"

#include "token/ckr.h"
#include "token/mechanism.h"
#include "token/purpose.h"

static ks_err decide(struct worker *worker, const struct job *job, const char *label,
                     struct key **key, enum ks_algorithm *algorithm, struct fault *why);
static ks_err sign_once(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
                        struct signature_input *input, struct sign_result *out, struct fault *why);
static ks_err call_token(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
                         const struct signature_input *input, uint8_t *raw, size_t *raw_len,
                         struct fault *why);

ks_err
sign_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct audit_deed deed = {.event = "refused", .label = label, .why = why};
    struct sign_result result = {.signature_len = 0};
    enum ks_algorithm algorithm = KS_ALGORITHM_DEFAULT;
    struct key *key = NULL;

    keyname_label(job->name, job->version, label);
    deed.outcome = decide(worker, job, label, &key, &algorithm, why);
    if (deed.outcome == KS_ERR_BUSY)
        return KS_ERR_BUSY;
    deed.algorithm = algorithm;
    if (!deed.outcome) {
        deed.event = "sign";
        deed.outcome = sign_bytes(worker, key, algorithm, job->sign.prehashed, job->sign.data,
                                  job->sign.data_len, &result, why);
        deed.digest = result.digest_len > 0 ? result.digest : NULL;
        deed.digest_len = result.digest_len;
    }
    audit_deed(worker->audit, job, &deed);
    if (deed.outcome)
        return deed.outcome;
    answer->algorithm = algorithm;
    buf_append(&answer->data, result.signature, result.signature_len);
    return answer->data.failed ? KS_ERR_INTERNAL : KS_OK;
}

static ks_err
decide(struct worker *worker, const struct job *job, const char *label, struct key **key,
       enum ks_algorithm *algorithm, struct fault *why)
{
    const struct config_class *class = NULL;
    ks_err err;

    err = worker_admit(worker, job, &class, why);
    if (!err)
        err = worker_find_key(worker, label, job->public_key_sha256, key, why);
    if (!err)
        err = sign_algorithm(worker, *key, job->sign.algorithm, algorithm, why);
    if (err)
        return err;
    return purpose_check(class->purpose, class->tls13_only, *algorithm, job->sign.prehashed,
                         job->sign.data, job->sign.data_len, why);
}

ks_err
sign_algorithm(const struct worker *worker, const struct key *key, enum ks_algorithm wanted,
               enum ks_algorithm *out, struct fault *why)
{
    enum ks_algorithm algorithm = ks_algorithm_for(key->spki.type, wanted);

    if (key->spki.type == KS_KEY_TYPE_ANY || algorithm == KS_ALGORITHM_COUNT) {
        fault_set(why, "the key %s (%s) does not sign with %s", key->label,
                  ks_key_type_name(key->spki.type), ks_algorithm_name(wanted));
        return KS_ERR_UNSUPPORTED;
    }
    *out = algorithm;
    return worker_can(worker, CONFIG_LACKS_ALGORITHM(algorithm), why);
}

ks_err
sign_bytes(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
           enum ks_hash prehashed, const uint8_t *data, size_t len, struct sign_result *out,
           struct fault *why)
{
    struct signature_input input;
    uint8_t meant[KS_SHA256_LEN];
    bool again = false;
    ks_err err;

    memcpy(meant, key->spki_sha256, sizeof(meant));
    err = signature_prepare(algorithm, prehashed, data, len, &input, why);
    if (err)
        return err;
    memcpy(out->digest, input.digest, input.digest_len);
    out->digest_len = input.digest_len;
    signature_cut(key->spki.type, &input);
    err = sign_once(worker, key, algorithm, &input, out, why);
    if (!err)
        return KS_OK;
    if (ckr_action(why->rv) == CKR_ACTION_FIND)
        keys_forget(key);
    err = worker_recover(worker, err, &again, why);
    if (!again)
        return err;
    err = worker_find_key(worker, key->label, meant, &key, why);
    if (err)
        return err;
    return sign_once(worker, key, algorithm, &input, out, why);
}

static bool
is_rsa(enum ks_algorithm algorithm)
{
    return algorithm >= KS_ALGORITHM_RSA_PKCS1_SHA256 && algorithm <= KS_ALGORITHM_RSA_PSS_SHA512;
}

static ks_err
sign_once(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
          struct signature_input *input, struct sign_result *out, struct fault *why)
{
    uint8_t raw[KS_SIGNATURE_MAX_LEN];
    size_t raw_len = sizeof(raw);
    EVP_PKEY *pkey = NULL;
    ks_err err;

    err = call_token(worker, key, algorithm, input, raw, &raw_len, why);
    if (!err)
        err = signature_finish(algorithm, key->spki.type, raw, raw_len, out->signature,
                               &out->signature_len, why);
    if (err || (key->proved && !is_rsa(algorithm) && !worker->token->profile.verify_all))
        return err;
    err = keys_pkey(key, &pkey, why);
    if (!err)
        err = signature_verify(algorithm, pkey, input, out->signature, out->signature_len, why);
    if (!err)
        key->proved = true;
    return err;
}

/* PKCS#11's names of an algorithm's hash, for PSS. */
static CK_RSA_PKCS_PSS_PARAMS
pss_params(enum ks_algorithm algorithm)
{
    switch (ks_algorithm_hash(algorithm)) {
    case KS_HASH_SHA384:
        return (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA384, CKG_MGF1_SHA384, ks_hash_len(KS_HASH_SHA384)};
    case KS_HASH_SHA512:
        return (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA512, CKG_MGF1_SHA512, ks_hash_len(KS_HASH_SHA512)};
    default:
        return (CK_RSA_PKCS_PSS_PARAMS){CKM_SHA256, CKG_MGF1_SHA256, ks_hash_len(KS_HASH_SHA256)};
    }
}

static CK_MECHANISM_TYPE
mechanism_type(enum ks_algorithm algorithm)
{
    switch (algorithm) {
    case KS_ALGORITHM_RSA_PKCS1_SHA256:
    case KS_ALGORITHM_RSA_PKCS1_SHA384:
    case KS_ALGORITHM_RSA_PKCS1_SHA512:
        return CKM_RSA_PKCS;
    case KS_ALGORITHM_RSA_PSS_SHA256:
    case KS_ALGORITHM_RSA_PSS_SHA384:
    case KS_ALGORITHM_RSA_PSS_SHA512:
        return CKM_RSA_PKCS_PSS;
    case KS_ALGORITHM_ED25519:
        return CKM_EDDSA;
    default:
        return CKM_ECDSA;
    }
}

static ks_err
call_token(struct worker *worker, struct key *key, enum ks_algorithm algorithm,
           const struct signature_input *input, uint8_t *raw, size_t *raw_len, struct fault *why)
{
    CK_RSA_PKCS_PSS_PARAMS pss = pss_params(algorithm);
    CK_MECHANISM mechanism = {mechanism_type(algorithm), NULL, 0};
    CK_SESSION_HANDLE session = slot_session(worker->slot);
    CK_ULONG signature_len = *raw_len;
    ks_err err = worker_may_begin(worker, why);
    CK_RV rv;

    if (err)
        return err;
    if (mechanism.mechanism == CKM_RSA_PKCS_PSS) {
        mechanism.pParameter = &pss;
        mechanism.ulParameterLen = sizeof(pss);
    }
    rv = p11_sign_init(&worker->p11, session, &mechanism, key->handle);
    if (rv != CKR_OK)
        return mechanism_fault(worker->token->name, mechanism.mechanism, "C_SignInit", rv, why);
    rv = p11_sign(&worker->p11, session, input->data, input->len, raw, &signature_len);
    if (rv != CKR_OK)
        return mechanism_fault(worker->token->name, mechanism.mechanism, "C_Sign", rv, why);
    if (signature_len > *raw_len) {
        fault_set(why, "C_Sign: a signature of %lu bytes", signature_len);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    *raw_len = signature_len;
    return KS_OK;
}
