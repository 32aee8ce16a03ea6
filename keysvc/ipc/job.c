/* SPDX-License-Identifier: Apache-2.0 */
/*
 * job - packing and unpacking jobs, directory entries and replies
 *
 * Texts that the fields borrow are copied, NUL-terminated, into the caller's `storage`, whose
 * memory is reserved before the first pointer into it is made: it must not move afterwards.
 */
#include "ipc/job.h"

#include "ipc/channel.h"

static const char *unpack_borrowed(struct unpacker *in, struct buf *storage, size_t max);

void
job_deinit(struct job *job)
{
    free(job->csr.alternatives);
    job->csr.alternatives = NULL;
    job->csr.n_alternatives = 0;
}

static void
caller_pack(struct buf *out, const struct job_caller *caller)
{
    pack_u32(out, caller->uid);
    pack_u32(out, caller->gid);
    pack_u32(out, (uint32_t)caller->pid);
    pack_text(out, caller->unit);
    pack_text(out, caller->rule);
}

static void
caller_unpack(struct unpacker *in, struct job_caller *caller)
{
    caller->uid = unpack_u32(in);
    caller->gid = unpack_u32(in);
    caller->pid = (int32_t)unpack_u32(in);
    unpack_text(in, caller->unit, sizeof(caller->unit));
    unpack_text(in, caller->rule, sizeof(caller->rule));
}

static void
sign_pack(struct buf *out, const struct job_sign *sign)
{
    pack_u32(out, sign->algorithm);
    pack_u32(out, sign->prehashed);
    pack_blob(out, sign->data, sign->data_len);
}

static void
sign_unpack(struct unpacker *in, struct job_sign *sign)
{
    sign->algorithm = unpack_enum(in, KS_ALGORITHM_COUNT);
    sign->prehashed = unpack_enum(in, KS_HASH_COUNT);
    sign->data = unpack_blob(in, JOB_MAX_MESSAGE, &sign->data_len);
}

static void
pack_optional(struct buf *out, const char *text)
{
    pack_text(out, text ? text : "");
}

static void
csr_pack(struct buf *out, const struct job_csr *csr)
{
    pack_u32(out, csr->algorithm);
    pack_optional(out, csr->common_name);
    pack_optional(out, csr->organization);
    pack_optional(out, csr->organization_unit);
    pack_optional(out, csr->country);
    pack_optional(out, csr->state);
    pack_optional(out, csr->locality);
    pack_optional(out, csr->email);
    pack_u32(out, (uint32_t)csr->n_alternatives);
    for (size_t i = 0; i < csr->n_alternatives; i++) {
        pack_u8(out, (uint8_t)csr->alternatives[i].kind);
        pack_text(out, csr->alternatives[i].value);
    }
}

static void
csr_unpack(struct unpacker *in, struct buf *storage, struct job_csr *csr)
{
    uint32_t n;

    csr->algorithm = unpack_enum(in, KS_ALGORITHM_COUNT);
    csr->common_name = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->organization = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->organization_unit = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->country = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->state = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->locality = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    csr->email = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
    n = unpack_u32(in);
    if (in->bad || n > JOB_MAX_ALTERNATIVES) {
        in->bad = true;
        return;
    }
    csr->alternatives = calloc(n ? n : 1, sizeof(*csr->alternatives));
    if (!csr->alternatives) {
        in->bad = true;
        return;
    }
    csr->n_alternatives = n;
    for (uint32_t i = 0; i < n; i++) {
        uint8_t kind = unpack_u8(in);

        if (kind < CERTNAME_DNS || kind > CERTNAME_URI)
            in->bad = true;
        csr->alternatives[i].kind = (enum certname_kind)kind;
        csr->alternatives[i].value = unpack_borrowed(in, storage, CERTNAME_MAX_LEN);
    }
}

/* Never NULL: what is wrong is an empty text and a bad reader. */
static const char *
unpack_borrowed(struct unpacker *in, struct buf *storage, size_t max)
{
    uint16_t len = unpack_u16(in);
    char *text;

    if (in->bad || len > max || (size_t)(in->end - in->at) < len ||
        storage->cap - storage->len < (size_t)len + 1 || memchr(in->at, '\0', len)) {
        in->bad = true;
        return "";
    }
    text = (char *)storage->data + storage->len;
    unpack_raw(in, text, len);
    text[len] = '\0';
    storage->len += (size_t)len + 1;
    return text;
}

void
job_pack(struct buf *out, const struct job *job)
{
    pack_u64(out, job->id);
    pack_u64(out, job->generation);
    pack_u32(out, job->operation);
    caller_pack(out, &job->caller);
    pack_text(out, job->name);
    pack_u32(out, job->version);
    pack_raw(out, job->public_key_sha256, sizeof(job->public_key_sha256));
    pack_u32(out, job->type);
    switch (job->operation) {
    case JOB_SIGN:
        sign_pack(out, &job->sign);
        break;
    case JOB_CSR:
        csr_pack(out, &job->csr);
        break;
    case JOB_CHECKPOINT:
        pack_text(out, job->checkpoint);
        break;
    case JOB_GENERATE:
    case JOB_ROTATE:
    case JOB_RESCAN:
    case JOB_OPERATION_COUNT:
        break;
    }
}

static void
operation_unpack(struct unpacker *in, struct buf *storage, struct job *job)
{
    switch (job->operation) {
    case JOB_SIGN:
        sign_unpack(in, &job->sign);
        break;
    case JOB_CSR:
        csr_unpack(in, storage, &job->csr);
        break;
    case JOB_CHECKPOINT:
        job->checkpoint = unpack_borrowed(in, storage, CHAIN_CHECKPOINT_MAX);
        break;
    case JOB_GENERATE:
    case JOB_ROTATE:
    case JOB_RESCAN:
        break;
    default:
        in->bad = true;
    }
}

ks_err
job_unpack(const void *data, size_t len, struct buf *storage, struct job *out)
{
    struct unpacker in = unpack_start(data, len);

    *out = (struct job)JOB_INIT;
    storage->len = 0;
    /* Each text of n bytes had a length of 2 in front and gets a NUL behind: all fit into twice the
     * message. */
    if (len > CHANNEL_MAX_BODY || !buf_reserve(storage, len + 1))
        return KS_ERR_BAD_REQUEST;
    out->id = unpack_u64(&in);
    out->generation = unpack_u64(&in);
    out->operation = unpack_enum(&in, JOB_OPERATION_COUNT);
    caller_unpack(&in, &out->caller);
    unpack_text(&in, out->name, sizeof(out->name));
    out->version = unpack_u32(&in);
    unpack_raw(&in, out->public_key_sha256, sizeof(out->public_key_sha256));
    out->type = unpack_enum(&in, KS_KEY_TYPE_COUNT);
    if (!in.bad)
        operation_unpack(&in, storage, out);
    if (!unpack_done(&in) || (out->name[0] && !keyname_valid(out->name))) {
        job_deinit(out);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

void
job_key_pack(struct buf *out, const struct job_key *key)
{
    pack_text(out, key->name);
    pack_u32(out, key->version);
    pack_u32(out, key->state);
    pack_u32(out, key->type);
    pack_blob(out, key->public_key, key->public_key_len);
}

static void
key_unpack(struct unpacker *in, struct job_key *out)
{
    const uint8_t *public_key;

    memset(out, 0, sizeof(*out));
    unpack_text(in, out->name, sizeof(out->name));
    out->version = unpack_u32(in);
    out->state = unpack_enum(in, JOB_KEY_STATE_COUNT);
    out->type = unpack_enum(in, KS_KEY_TYPE_COUNT);
    public_key = unpack_blob(in, sizeof(out->public_key), &out->public_key_len);
    if (public_key)
        memcpy(out->public_key, public_key, out->public_key_len);
}

ks_err
job_key_unpack(const void *data, size_t len, struct job_key *out)
{
    struct unpacker in = unpack_start(data, len);

    key_unpack(&in, out);
    if (!unpack_done(&in) || !keyname_valid(out->name) || out->version == 0 ||
        out->version > KEYNAME_VERSION_MAX)
        return KS_ERR_BAD_REQUEST;
    return KS_OK;
}

void
job_reply_pack(struct buf *out, const struct job_reply *reply)
{
    pack_u64(out, reply->id);
    pack_u32(out, reply->err);
    pack_text(out, reply->why.text);
    pack_text(out, reply->why.hint);
    pack_blob(out, reply->data, reply->data_len);
    pack_u32(out, reply->algorithm);
    job_key_pack(out, &reply->key);
}

ks_err
job_reply_unpack(const void *data, size_t len, struct job_reply *out)
{
    struct unpacker in = unpack_start(data, len);

    memset(out, 0, sizeof(*out));
    out->id = unpack_u64(&in);
    out->err = unpack_enum(&in, KS_ERR_COUNT);
    unpack_text(&in, out->why.text, sizeof(out->why.text));
    unpack_text(&in, out->why.hint, sizeof(out->why.hint));
    out->data = unpack_blob(&in, JOB_MAX_CSR, &out->data_len);
    out->algorithm = unpack_enum(&in, KS_ALGORITHM_COUNT);
    key_unpack(&in, &out->key);
    if (!unpack_done(&in) || (out->key.name[0] && !keyname_valid(out->key.name)))
        return KS_ERR_BAD_REQUEST;
    return KS_OK;
}
