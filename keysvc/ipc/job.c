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
    pack_optional(out, csr->challenge_password);
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
    csr->challenge_password = unpack_borrowed(in, storage, JOB_SUBJECT_MAX);
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

static void
import_pack(struct buf *out, const struct job_import *import)
{
    pack_u32(out, import->format);
    pack_bool(out, import->has_password);
    pack_bool(out, import->certificates);
    pack_optional(out, import->select);
}

static void
import_unpack(struct unpacker *in, struct buf *storage, struct job_import *import)
{
    import->format = unpack_enum(in, JOB_IMPORT_FORMAT_COUNT);
    import->has_password = unpack_bool(in);
    import->certificates = unpack_bool(in);
    import->select = unpack_borrowed(in, storage, JOB_MAX_SELECT);
    if (import->format == 0)
        in->bad = true;
}

void
job_chain_pack(struct buf *out, const struct job_chain *chain)
{
    pack_u32(out, (uint32_t)chain->n_items);
    for (size_t i = 0; i < chain->n_items; i++)
        pack_blob(out, chain->items[i].data, chain->items[i].len);
}

/* Of at least `min` certificates. */
static void
chain_unpack(struct unpacker *in, size_t min, struct job_chain *chain)
{
    uint32_t n = unpack_u32(in);

    chain->n_items = 0;
    if (n < min || n > JOB_MAX_CHAIN)
        in->bad = true;
    for (uint32_t i = 0; !in->bad && i < n; i++) {
        struct job_blob *item = &chain->items[chain->n_items++];

        item->data = unpack_blob(in, JOB_MAX_CERTIFICATE, &item->len);
        if (item->len == 0)
            in->bad = true;
    }
}

ks_err
job_chain_unpack(const void *data, size_t len, struct job_chain *out)
{
    struct unpacker in = unpack_start(data, len);

    chain_unpack(&in, 1, out);
    return unpack_done(&in) ? KS_OK : KS_ERR_BAD_REQUEST;
}

void
job_imported_pack(struct buf *out, const struct job_imported *imported)
{
    pack_text(out, imported->alias);
    job_chain_pack(out, &imported->chain);
}

ks_err
job_imported_unpack(const void *data, size_t len, struct job_imported *out)
{
    struct unpacker in = unpack_start(data, len);

    unpack_text(&in, out->alias, sizeof(out->alias));
    chain_unpack(&in, 0, &out->chain);
    return unpack_done(&in) ? KS_OK : KS_ERR_BAD_REQUEST;
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
    case JOB_SELF_SIGN:
        pack_u32(out, job->days);
        csr_pack(out, &job->csr);
        break;
    case JOB_CHECKPOINT:
        pack_text(out, job->checkpoint);
        break;
    case JOB_IMPORT:
        import_pack(out, &job->import);
        break;
    case JOB_CERTIFICATE_PUT:
        job_chain_pack(out, &job->chain);
        break;
    case JOB_GENERATE:
    case JOB_ROTATE:
    case JOB_RESCAN:
    case JOB_DESTROY:
    case JOB_CERTIFICATE_GET:
    case JOB_CERTIFICATE_DELETE:
    case JOB_TOKEN_INFO:
    case JOB_LOOK:
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
    case JOB_SELF_SIGN:
        job->days = unpack_u32(in);
        in->bad = in->bad || job->days == 0 || job->days > JOB_MAX_DAYS;
        csr_unpack(in, storage, &job->csr);
        break;
    case JOB_CHECKPOINT:
        job->checkpoint = unpack_borrowed(in, storage, CHAIN_CHECKPOINT_MAX);
        break;
    case JOB_IMPORT:
        import_unpack(in, storage, &job->import);
        break;
    case JOB_CERTIFICATE_PUT:
        chain_unpack(in, 1, &job->chain);
        break;
    case JOB_GENERATE:
    case JOB_ROTATE:
    case JOB_RESCAN:
    case JOB_DESTROY:
    case JOB_CERTIFICATE_GET:
    case JOB_CERTIFICATE_DELETE:
    case JOB_TOKEN_INFO:
    case JOB_LOOK:
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
    pack_text(out, reply->why.refused_name);
    pack_blob(out, reply->data, reply->data_len);
    pack_u32(out, reply->algorithm);
    pack_u32(out, reply->execution_us);
    pack_u32(out, reply->n_unsynced);
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
    unpack_text(&in, out->why.refused_name, sizeof(out->why.refused_name));
    out->data = unpack_blob(&in, CHANNEL_MAX_BODY, &out->data_len);
    out->algorithm = unpack_enum(&in, KS_ALGORITHM_COUNT);
    out->execution_us = unpack_u32(&in);
    out->n_unsynced = unpack_u32(&in);
    key_unpack(&in, &out->key);
    if (!unpack_done(&in) || (out->key.name[0] && !keyname_valid(out->key.name)))
        return KS_ERR_BAD_REQUEST;
    return KS_OK;
}

void
job_stats_pack(struct buf *out, const struct job_stats *stats)
{
    pack_u64(out, stats->n_records);
    pack_u64(out, stats->n_unsynced);
    pack_u64(out, stats->n_syncs);
    pack_u64(out, stats->n_failures);
}

ks_err
job_stats_unpack(const void *data, size_t len, struct job_stats *out)
{
    struct unpacker in = unpack_start(data, len);

    out->n_records = unpack_u64(&in);
    out->n_unsynced = unpack_u64(&in);
    out->n_syncs = unpack_u64(&in);
    out->n_failures = unpack_u64(&in);
    if (!unpack_done(&in) || out->n_unsynced > out->n_records)
        return KS_ERR_BAD_REQUEST;
    return KS_OK;
}

void
job_token_info_deinit(struct job_token_info *info)
{
    free(info->mechanisms);
    info->mechanisms = NULL;
    info->n_mechanisms = 0;
}

void
job_token_info_pack(struct buf *out, const struct job_token_info *info)
{
    pack_text(out, info->label);
    pack_text(out, info->manufacturer);
    pack_text(out, info->model);
    pack_text(out, info->serial);
    pack_text(out, info->hardware_version);
    pack_text(out, info->firmware_version);
    pack_u64(out, info->flags);
    pack_u64(out, info->sessions);
    pack_u64(out, info->max_sessions);
    pack_u64(out, info->rw_sessions);
    pack_u64(out, info->max_rw_sessions);
    pack_u64(out, info->min_pin_len);
    pack_u64(out, info->max_pin_len);
    pack_u64(out, info->free_public_memory);
    pack_u64(out, info->total_public_memory);
    pack_u64(out, info->free_private_memory);
    pack_u64(out, info->total_private_memory);
    pack_u32(out, (uint32_t)info->n_mechanisms);
    for (size_t i = 0; i < info->n_mechanisms; i++) {
        pack_text(out, info->mechanisms[i].name);
        pack_u64(out, info->mechanisms[i].type);
        pack_u64(out, info->mechanisms[i].min_size);
        pack_u64(out, info->mechanisms[i].max_size);
        pack_u64(out, info->mechanisms[i].flags);
    }
}

static void
mechanisms_unpack(struct unpacker *in, struct job_token_info *out)
{
    uint32_t n = unpack_u32(in);

    if (in->bad || n > JOB_MAX_MECHANISMS) {
        in->bad = true;
        return;
    }
    out->mechanisms = calloc(n ? n : 1, sizeof(*out->mechanisms));
    if (!out->mechanisms) {
        in->bad = true;
        return;
    }
    out->n_mechanisms = n;
    for (uint32_t i = 0; i < n; i++) {
        unpack_text(in, out->mechanisms[i].name, sizeof(out->mechanisms[i].name));
        out->mechanisms[i].type = unpack_u64(in);
        out->mechanisms[i].min_size = unpack_u64(in);
        out->mechanisms[i].max_size = unpack_u64(in);
        out->mechanisms[i].flags = unpack_u64(in);
    }
}

ks_err
job_token_info_unpack(const void *data, size_t len, struct job_token_info *out)
{
    struct unpacker in = unpack_start(data, len);

    memset(out, 0, sizeof(*out));
    unpack_text(&in, out->label, sizeof(out->label));
    unpack_text(&in, out->manufacturer, sizeof(out->manufacturer));
    unpack_text(&in, out->model, sizeof(out->model));
    unpack_text(&in, out->serial, sizeof(out->serial));
    unpack_text(&in, out->hardware_version, sizeof(out->hardware_version));
    unpack_text(&in, out->firmware_version, sizeof(out->firmware_version));
    out->flags = unpack_u64(&in);
    out->sessions = unpack_u64(&in);
    out->max_sessions = unpack_u64(&in);
    out->rw_sessions = unpack_u64(&in);
    out->max_rw_sessions = unpack_u64(&in);
    out->min_pin_len = unpack_u64(&in);
    out->max_pin_len = unpack_u64(&in);
    out->free_public_memory = unpack_u64(&in);
    out->total_public_memory = unpack_u64(&in);
    out->free_private_memory = unpack_u64(&in);
    out->total_private_memory = unpack_u64(&in);
    mechanisms_unpack(&in, out);
    if (unpack_done(&in))
        return KS_OK;
    job_token_info_deinit(out);
    return KS_ERR_BAD_REQUEST;
}
