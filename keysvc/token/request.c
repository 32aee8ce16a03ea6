/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - from a job to a signed PKCS#10 request
 *
 * What is signed was built by csr.c (or selfcert.c) from checked fields, so the purpose of the key
 * is kept by construction: purpose_check() would refuse it.
 */
#include "token/request.h"

#include <openssl/crypto.h>

#include "token/sign.h"

/* What the callback of a build needs. */
struct signer {
    struct worker *worker;
    struct key *key;
    enum ks_algorithm algorithm;
    struct sign_result result;
};

static ks_err check(const struct job *job, const struct config_class *class, struct fault *why);
static ks_err build(const struct job *job, const struct config_class *class,
                    const struct spki *spki, enum ks_algorithm algorithm, csr_sign_fn sign,
                    void *context, struct buf *out, struct fault *why);
static ks_err decide(struct signer *signer, const struct job *job, const struct request_kind *kind,
                     const char *label, const struct config_class **class, struct fault *why);
static ks_err sign_body(void *context, const uint8_t *data, size_t len,
                        uint8_t out[static KS_SIGNATURE_MAX_LEN], size_t *out_len,
                        struct fault *why);

ks_err
request_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    static const struct request_kind csr = {"csr", check, build};

    return request_carry_out(worker, job, &csr, answer, why);
}

static ks_err
check(const struct job *job, const struct config_class *class, struct fault *why)
{
    return csr_check(&job->csr, class, why);
}

static ks_err
build(const struct job *job, const struct config_class *class, const struct spki *spki,
      enum ks_algorithm algorithm, csr_sign_fn sign, void *context, struct buf *out,
      struct fault *why)
{
    uint8_t *der = NULL;
    size_t der_len = 0;
    ks_err err;

    err = csr_build(&job->csr, class, spki, algorithm, sign, context, &der, &der_len, why);
    if (err)
        return err;
    buf_append(out, der, der_len);
    OPENSSL_free(der);
    return out->failed ? KS_ERR_INTERNAL : KS_OK;
}

ks_err
request_carry_out(struct worker *worker, const struct job *job, const struct request_kind *kind,
                  struct answer *answer, struct fault *why)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct audit_deed deed = {.event = "refused", .label = label, .why = why};
    struct signer signer = {.worker = worker};
    const struct config_class *class = NULL;

    keyname_label(job->name, job->version, label);
    deed.outcome = decide(&signer, job, kind, label, &class, why);
    if (deed.outcome == KS_ERR_BUSY)
        return KS_ERR_BUSY;
    deed.algorithm = signer.algorithm;
    if (!deed.outcome) {
        deed.event = kind->event;
        deed.outcome = kind->build(job, class, &signer.key->spki, signer.algorithm, sign_body,
                                   &signer, &answer->data, why);
        deed.digest = signer.result.digest_len > 0 ? signer.result.digest : NULL;
        deed.digest_len = signer.result.digest_len;
        answer->algorithm = signer.algorithm;
    }
    audit_deed(worker->audit, job, &deed);
    return deed.outcome;
}

static ks_err
decide(struct signer *signer, const struct job *job, const struct request_kind *kind,
       const char *label, const struct config_class **class, struct fault *why)
{
    struct worker *worker = signer->worker;
    ks_err err;

    err = worker_admit(worker, job, class, why);
    if (!err)
        err = kind->check(job, *class, why);
    if (!err)
        err = worker_find_key(worker, label, job->public_key_sha256, &signer->key, why);
    if (!err)
        err = sign_algorithm(worker, signer->key, job->csr.algorithm, &signer->algorithm, why);
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
