/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - from a job to a signed PKCS#10 request
 *
 * What is signed was built by csr.c from checked fields, so the purpose of the key is kept by
 * construction: purpose_check() would refuse it.
 */
#include "token/request.h"

#include <openssl/crypto.h>

#include "token/csr.h"
#include "token/sign.h"

/* What csr_build()'s callback needs. */
struct signer {
    struct worker *worker;
    struct key *key;
    enum ks_algorithm algorithm;
    struct sign_result result;
};

static ks_err decide(struct worker *worker, const struct job *job, const char *label,
                     struct signer *signer, const struct config_class **class, struct fault *why);
static ks_err build(struct signer *signer, const struct job *job, const struct config_class *class,
                    struct answer *answer, struct fault *why);

ks_err
request_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct audit_deed deed = {.event = "refused", .label = label, .why = why};
    struct signer signer = {.worker = worker};
    const struct config_class *class = NULL;

    keyname_label(job->name, job->version, label);
    deed.outcome = decide(worker, job, label, &signer, &class, why);
    if (deed.outcome == KS_ERR_BUSY)
        return KS_ERR_BUSY;
    deed.algorithm = signer.algorithm;
    if (!deed.outcome) {
        deed.event = "csr";
        deed.outcome = build(&signer, job, class, answer, why);
        deed.digest = signer.result.digest_len > 0 ? signer.result.digest : NULL;
        deed.digest_len = signer.result.digest_len;
    }
    audit_deed(worker->audit, job, &deed);
    return deed.outcome;
}

static ks_err
decide(struct worker *worker, const struct job *job, const char *label, struct signer *signer,
       const struct config_class **class, struct fault *why)
{
    ks_err err;

    err = worker_admit(worker, job, class, why);
    if (!err)
        err = csr_check(&job->csr, *class, why);
    if (!err)
        err = worker_find_key(worker, label, job->public_key_sha256, &signer->key, why);
    if (!err)
        err = sign_algorithm(signer->key, job->csr.algorithm, &signer->algorithm, why);
    return err;
}

static ks_err
sign_body(void *context, const uint8_t *data, size_t len, uint8_t out[static KS_SIGNATURE_MAX_LEN],
          size_t *out_len, struct fault *why)
{
    struct signer *signer = context;
    ks_err err;

    err = sign_bytes(signer->worker, signer->key, signer->algorithm, KS_HASH_NONE, data, len,
                     &signer->result, why);
    if (err)
        return err;
    memcpy(out, signer->result.signature, signer->result.signature_len);
    *out_len = signer->result.signature_len;
    return KS_OK;
}

static ks_err
build(struct signer *signer, const struct job *job, const struct config_class *class,
      struct answer *answer, struct fault *why)
{
    uint8_t *der = NULL;
    size_t der_len = 0;
    ks_err err;

    err = csr_build(&job->csr, class, &signer->key->spki, signer->algorithm, sign_body, signer,
                    &der, &der_len, why);
    if (err)
        return err;
    answer->algorithm = signer->algorithm;
    if (der_len <= JOB_MAX_CSR) {
        buf_append(&answer->data, der, der_len);
        err = answer->data.failed ? KS_ERR_INTERNAL : KS_OK;
    } else {
        fault_set(why, "the request has %zu bytes, the limit is %d", der_len, JOB_MAX_CSR);
        err = KS_ERR_TOO_LARGE;
    }
    OPENSSL_free(der);
    return err;
}
