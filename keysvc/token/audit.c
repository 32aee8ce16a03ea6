/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - the events of a token process
 */
#include "token/audit.h"

#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include <openssl/evp.h>

#include "base/clock.h"
#include "base/log.h"
#include "ipc/channel.h"

#define SYNC_INTERVAL_MS 1000 /* audit-sync = 1s */
#define SCAN_CHUNK (64 * 1024)

struct audit {
    struct chain *chain;
    char name[CONFIG_TITLE_MAX + 12];
    uint64_t sync_due_ms;        /* 0: nothing to sync */
    uint64_t last_checkpoint_ms; /* 0: none yet, the start is signed at once */
    bool wants_checkpoint;
    uint64_t synced_seq; /* the last record that is on the disk */
    uint64_t n_syncs, n_failures;
    bool failing;           /* the last flush failed, and that was logged */
    struct chain_past past; /* of the file that audit_close() closed */
    int control_fd;         /* -1: nobody's */
};

static const char *const operation_names[JOB_OPERATION_COUNT] = {
    [JOB_SIGN] = "sign",
    [JOB_CSR] = "csr",
    [JOB_GENERATE] = "generate",
    [JOB_ROTATE] = "rotate",
    [JOB_RESCAN] = "rescan",
    [JOB_CHECKPOINT] = "checkpoint",
    [JOB_SELF_SIGN] = "self-sign",
    [JOB_IMPORT] = "import",
    [JOB_DESTROY] = "destroy",
    [JOB_CERTIFICATE_PUT] = "certificate-put",
    [JOB_CERTIFICATE_GET] = "certificate-get",
    [JOB_CERTIFICATE_DELETE] = "certificate-delete",
    [JOB_TOKEN_INFO] = "token-info",
    [JOB_LOOK] = "look",
};

static void count(struct audit *audit, ks_err err);
static void say(struct audit *audit, ks_err err, const struct fault *why);
static uint64_t last_seq(const struct audit *audit);
static void add_caller(struct chain *chain, const struct job_caller *caller);
static void see_line(const char *line, audit_see_fn see, void *context);

ks_err
audit_open(int fd, int before, const char *name, struct audit **out, struct fault *why)
{
    ks_auto(audit_freep) struct audit *audit = calloc(1, sizeof(*audit));
    ks_err err;

    if (!audit || !text_copy(audit->name, sizeof(audit->name), name)) {
        fault_set(why, "no memory");
        close(fd);
        closep(&before);
        return KS_ERR_INTERNAL;
    }
    err = before < 0 ? chain_open(fd, audit->name, &audit->chain, why)
                     : chain_open_after(fd, before, audit->name, &audit->chain, why);
    if (err)
        return err;
    audit->synced_seq = last_seq(audit);
    audit->control_fd = -1;
    *out = ks_steal(&audit);
    return KS_OK;
}

struct audit *
audit_free(struct audit *audit)
{
    if (!audit)
        return NULL;
    chain_free(audit->chain);
    free(audit);
    return NULL;
}

void
audit_freep(struct audit **audit)
{
    *audit = audit_free(*audit);
}

ks_err
audit_check_next(struct audit *audit, int fd, struct fault *why)
{
    struct fault ignored = FAULT_INIT; /* it is logged */
    struct chain_past past;
    ks_err err;

    (void)!audit_flush(audit, true, &ignored);
    chain_past(audit->chain, &past);
    err = chain_check_next(fd, audit->name, &past, why);
    if (err)
        chain_block(audit->chain, "the file under its name is another one");
    return err;
}

void
audit_close(struct audit *audit)
{
    struct fault ignored = FAULT_INIT; /* it is logged */

    (void)!audit_flush(audit, true, &ignored);
    chain_past(audit->chain, &audit->past);
    audit->chain = chain_free(audit->chain);
}

void
audit_gone(struct audit *audit)
{
    chain_block(audit->chain, "it is no longer found under its name");
}

ks_err
audit_reopen(struct audit *audit, int fd, struct fault *why)
{
    return chain_open_next(fd, audit->name, &audit->past, &audit->chain, why);
}

void
audit_belongs(struct audit *audit, int control_fd)
{
    audit->control_fd = control_fd;
}

void
audit_start(struct audit *audit, const struct config *config, uint32_t worker_index)
{
    chain_begin(audit->chain, "start");
    chain_hex(audit->chain, "config", config->hash, sizeof(config->hash));
    chain_number(audit->chain, "generation", config->generation);
    chain_number(audit->chain, "worker", worker_index);
    chain_number(audit->chain, "pid", (uint64_t)getpid());
    chain_end(audit->chain);
}

void
audit_config(struct audit *audit, const struct config *config)
{
    chain_begin(audit->chain, "config");
    chain_hex(audit->chain, "config", config->hash, sizeof(config->hash));
    chain_number(audit->chain, "generation", config->generation);
    chain_end(audit->chain);
}

void
audit_purpose(struct audit *audit, const char *label, enum ks_purpose purpose)
{
    chain_begin(audit->chain, "purpose");
    chain_text(audit->chain, "key", label);
    chain_text(audit->chain, "purpose", ks_purpose_name(purpose));
    chain_end(audit->chain);
}

void
audit_login(struct audit *audit, ks_err outcome, const struct fault *why)
{
    chain_begin(audit->chain, "login");
    chain_text(audit->chain, "outcome", err_info(outcome)->name);
    if (outcome)
        chain_text(audit->chain, "reason", why->text);
    chain_end(audit->chain);
}

void
audit_stop(struct audit *audit)
{
    chain_begin(audit->chain, "stop");
    chain_number(audit->chain, "pid", (uint64_t)getpid());
    chain_end(audit->chain);
}

void
audit_deed(struct audit *audit, const struct job *job, const struct audit_deed *deed)
{
    struct chain *chain = audit->chain;

    chain_begin(chain, deed->event);
    chain_number(chain, "request", job->id);
    chain_text(chain, "operation", operation_names[job->operation]);
    if (deed->label)
        chain_text(chain, "key", deed->label);
    if (deed->type != KS_KEY_TYPE_ANY)
        chain_text(chain, "type", ks_key_type_name(deed->type));
    if (deed->algorithm != KS_ALGORITHM_DEFAULT)
        chain_text(chain, "algorithm", ks_algorithm_name(deed->algorithm));
    if (deed->digest)
        chain_hex(chain, "digest", deed->digest, deed->digest_len);
    if (deed->public_key_sha256)
        chain_hex(chain, "fingerprint", deed->public_key_sha256, KS_SHA256_LEN);
    if (deed->certificate_sha256)
        chain_hex(chain, "certificate", deed->certificate_sha256, KS_SHA256_LEN);
    if (strcmp(deed->event, "intent") != 0)
        chain_text(chain, "outcome", err_info(deed->outcome)->name);
    if (deed->outcome && deed->why)
        chain_text(chain, "reason", deed->why->text);
    add_caller(chain, &job->caller);
    chain_end(chain);
}

static void
add_caller(struct chain *chain, const struct job_caller *caller)
{
    chain_number(chain, "uid", caller->uid);
    chain_number(chain, "gid", caller->gid);
    chain_number(chain, "pid", caller->pid > 0 ? (uint64_t)caller->pid : 0);
    if (caller->unit[0])
        chain_text(chain, "unit", caller->unit);
    if (caller->rule[0])
        chain_text(chain, "rule", caller->rule);
}

void
audit_checkpoint(struct audit *audit, const struct control_checkpoint *checkpoint)
{
    uint8_t sha256[KS_SHA256_LEN] = {0};

    (void)EVP_Digest(checkpoint->public_key, checkpoint->public_key_len, sha256, NULL, EVP_sha256(),
                     NULL);
    chain_begin(audit->chain, "checkpoint");
    chain_text(audit->chain, "text", checkpoint->text);
    chain_hex(audit->chain, "signature", checkpoint->signature, checkpoint->signature_len);
    chain_hex(audit->chain, "key", sha256, sizeof(sha256));
    chain_end(audit->chain);
}

void
audit_checkpoint_text(const struct audit *audit, char out[static CHAIN_CHECKPOINT_MAX])
{
    chain_checkpoint_text(audit->chain, out);
}

ks_err
audit_flush(struct audit *audit, bool sync, struct fault *why)
{
    bool has_records = chain_pending(audit->chain) > 0;
    ks_err err;

    if (!has_records && !(sync && chain_dirty(audit->chain)))
        return KS_OK;
    if (audit->control_fd >= 0 && channel_is_closed(audit->control_fd)) {
        fault_set(why, "audit file %s: keysvcd is gone", audit->name);
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    err = chain_flush(audit->chain, sync, why);
    count(audit, err);
    say(audit, err, why);
    if (has_records && !err)
        audit->wants_checkpoint = true;
    if (!chain_dirty(audit->chain))
        audit->sync_due_ms = 0;
    else if (audit->sync_due_ms == 0)
        audit->sync_due_ms = clock_mono_ms() + SYNC_INTERVAL_MS;
    return err;
}

static void
count(struct audit *audit, ks_err err)
{
    if (err) {
        audit->n_failures++;
    } else if (!chain_dirty(audit->chain)) {
        audit->n_syncs++;
        audit->synced_seq = last_seq(audit);
    }
}

/* Once each way: a full disk under load fails thousands of flushes a second. */
static void
say(struct audit *audit, ks_err err, const struct fault *why)
{
    if (err && !audit->failing)
        log_error("event=audit-unwritable chain=%s error=\"%s\" hint=\"%s\" "
                  "consequence=\"signatures and changes are refused, reads go on\"",
                  audit->name, LOG_TEXT(why->text), LOG_TEXT(why->hint));
    else if (!err && audit->failing)
        log_warning("event=audit-writable chain=%s", audit->name);
    audit->failing = err != KS_OK;
}

static uint64_t
last_seq(const struct audit *audit)
{
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    chain_head(audit->chain, &seq, hash);
    return seq;
}

struct job_stats
audit_stats(const struct audit *audit)
{
    uint64_t seq = last_seq(audit);

    return (struct job_stats){
        .n_records = seq,
        .n_unsynced = seq - audit->synced_seq,
        .n_syncs = audit->n_syncs,
        .n_failures = audit->n_failures,
    };
}

static uint64_t
checkpoint_due_ms(const struct audit *audit, const struct config *config)
{
    if (!audit->wants_checkpoint || config->audit_checkpoint_s == 0)
        return UINT64_MAX;
    if (audit->last_checkpoint_ms == 0)
        return 0;
    return audit->last_checkpoint_ms + (uint64_t)config->audit_checkpoint_s * 1000;
}

int
audit_timeout_ms(const struct audit *audit, const struct config *config)
{
    uint64_t due_ms = checkpoint_due_ms(audit, config);
    uint64_t now_ms = clock_mono_ms();

    if (audit->sync_due_ms > 0 && audit->sync_due_ms < due_ms)
        due_ms = audit->sync_due_ms;
    if (due_ms == UINT64_MAX)
        return -1;
    if (due_ms <= now_ms)
        return 0;
    return due_ms - now_ms > INT32_MAX ? INT32_MAX : (int)(due_ms - now_ms);
}

bool
audit_tick(struct audit *audit, const struct config *config)
{
    uint64_t now_ms = clock_mono_ms();
    struct fault why = FAULT_INIT;

    if (audit->sync_due_ms > 0 && audit->sync_due_ms <= now_ms) {
        audit->sync_due_ms = now_ms + SYNC_INTERVAL_MS;
        (void)!audit_flush(audit, true, &why); /* a failure is logged */
    }
    return checkpoint_due_ms(audit, config) <= now_ms;
}

void
audit_checkpoint_done(struct audit *audit)
{
    audit->wants_checkpoint = false;
    audit->last_checkpoint_ms = clock_mono_ms();
}

void
audit_scan_purposes(int fd, audit_see_fn see, void *context)
{
    ks_auto(buf_deinit) struct buf text = BUF_INIT;
    struct stat status;
    off_t at;

    if (fstat(fd, &status) < 0)
        return;
    at = status.st_size > AUDIT_SCAN_MAX ? status.st_size - AUDIT_SCAN_MAX : 0;
    for (;;) {
        uint8_t *room = buf_reserve(&text, SCAN_CHUNK);
        ssize_t len = room ? pread(fd, room, SCAN_CHUNK, at) : -1;
        char *newline, *line;

        if (len <= 0)
            return;
        at += len;
        text.len += (size_t)len;
        line = (char *)text.data;
        while ((newline = memchr(line, '\n', text.len - (size_t)(line - (char *)text.data)))) {
            *newline = '\0';
            see_line(line, see, context);
            line = newline + 1;
        }
        buf_consume(&text, (size_t)(line - (char *)text.data));
        if (text.len > CHAIN_RECORD_MAX)
            text.len = 0; /* no record is so long */
    }
}

/* Key names and purposes hold nothing that JSON escapes. */
static void
see_line(const char *line, audit_see_fn see, void *context)
{
    char label[KEYNAME_LABEL_MAX + 1], purpose_name[32];
    const char *event = strstr(line, "\"event\":\"purpose\",");
    enum ks_purpose purpose;

    if (!event ||
        sscanf(event, "\"event\":\"purpose\",\"key\":\"%110[^\"]\",\"purpose\":\"%31[^\"]\"", label,
               purpose_name) != 2)
        return;
    purpose = ks_purpose_from_name(purpose_name);
    if (purpose != KS_PURPOSE_COUNT)
        see(context, label, purpose);
}
