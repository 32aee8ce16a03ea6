/* SPDX-License-Identifier: Apache-2.0 */
/*
 * audit - records of the front in its chain (base/chain.h)
 */
#include "front/audit.h"

#include "base/clock.h"
#include "base/log.h"
#include "build-config.h"

#define CHAIN_NAME "front"

/* Bytes gathered after which they are written before the turn is over. A chain keeps some MiB at
 * most, and what does not fit fails everybody's jobs of the turn. */
#define FLUSH_MARK (1024 * 1024)

struct audit {
    struct chain *chain;
    bool sync_always;
    bool lost;                /* records gathered in this turn could not be written */
    bool failing;             /* the last flush failed and was logged */
    uint64_t checkpoint_seq;  /* the head after the last checkpoint's own record */
    bool checkpoint_gathered; /* it is not flushed yet */
    uint64_t synced_seq;      /* the last record that is on the disk */
    uint64_t n_syncs, n_failures;
    uint64_t unsynced_since_ms; /* 0: all is on the disk */
};

static void put_optional(struct chain *chain, const char *key, const char *text);
static void put_request(struct chain *chain, const struct audit_request *request);
static void end_record(struct audit *audit);
static bool write_out(struct audit *audit);
static uint64_t last_seq(const struct audit *audit);
static void count(struct audit *audit, ks_err err);
static void say_failing(struct audit *audit, const struct fault *why);

ks_err
audit_new(int fd, int before, bool sync_always, struct audit **out, struct fault *why)
{
    struct audit *audit = calloc(1, sizeof(*audit));
    ks_err err;

    if (!audit) {
        close(fd);
        closep(&before);
        fault_set(why, "no memory for the audit");
        return KS_ERR_INTERNAL;
    }
    err = before < 0 ? chain_open(fd, CHAIN_NAME, &audit->chain, why)
                     : chain_open_after(fd, before, CHAIN_NAME, &audit->chain, why);
    if (err) {
        free(audit);
        return err;
    }
    audit->sync_always = sync_always;
    audit->synced_seq = last_seq(audit);
    *out = audit;
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

ks_err
audit_rotate(struct audit *audit, int fd, struct fault *why)
{
    struct chain_past past;
    struct chain *chain;
    ks_err err;

    audit_sync(audit);
    chain_past(audit->chain, &past);
    err = chain_open_next(fd, CHAIN_NAME, &past, &chain, why);
    if (err) {
        chain_block(audit->chain, "the file under its name is another one");
        return err;
    }
    chain_free(audit->chain);
    audit->chain = chain;
    return KS_OK;
}

void
audit_gone(struct audit *audit)
{
    chain_block(audit->chain, "it is no longer found under its name");
}

void
audit_configure(struct audit *audit, bool sync_always)
{
    audit->sync_always = sync_always;
}

void
audit_config(struct audit *audit, const char *event, const struct config *config)
{
    chain_begin(audit->chain, event);
    chain_text(audit->chain, "version", KEYSVC_VERSION);
    chain_number(audit->chain, "generation", config->generation);
    chain_hex(audit->chain, "config", config->hash, sizeof(config->hash));
    end_record(audit);
}

void
audit_request(struct audit *audit, const struct audit_request *request)
{
    chain_begin(audit->chain, "request");
    put_request(audit->chain, request);
    end_record(audit);
}

void
audit_refused(struct audit *audit, const struct audit_request *request)
{
    chain_begin(audit->chain, "refused");
    put_request(audit->chain, request);
    end_record(audit);
}

static void
put_request(struct chain *chain, const struct audit_request *request)
{
    const struct peer *peer = request->peer;

    if (request->request_id)
        chain_number(chain, "request", request->request_id);
    chain_number(chain, "uid", peer->uid);
    chain_number(chain, "gid", peer->gid);
    chain_number(chain, "pid", peer->pid > 0 ? (uint64_t)peer->pid : 0);
    put_optional(chain, "unit", peer->unit);
    put_optional(chain, "rule", request->rule);
    put_optional(chain, "operation", request->operation);
    put_optional(chain, "key", request->subject);
    put_optional(chain, "outcome", request->outcome);
    put_optional(chain, "reason", request->reason);
}

static void
put_optional(struct chain *chain, const char *key, const char *text)
{
    if (text[0])
        chain_text(chain, key, text);
}

void
audit_swallowed(struct audit *audit, const char *event, const struct peer *caller,
                uint32_t n_swallowed)
{
    chain_begin(audit->chain, event);
    chain_number(audit->chain, "uid", caller->uid);
    put_optional(audit->chain, "unit", caller->unit);
    chain_number(audit->chain, "more", n_swallowed);
    end_record(audit);
}

void
audit_checkpoint(struct audit *audit, const char *text, const uint8_t *signature,
                 size_t signature_len, const uint8_t public_key_sha256[static KS_SHA256_LEN])
{
    chain_begin(audit->chain, "checkpoint");
    chain_text(audit->chain, "text", text);
    chain_hex(audit->chain, "signature", signature, signature_len);
    chain_hex(audit->chain, "key", public_key_sha256, KS_SHA256_LEN);
    audit->checkpoint_gathered = true;
    end_record(audit);
}

/* What is lost here fails what depends on it at the turn's end. */
static void
end_record(struct audit *audit)
{
    chain_end(audit->chain);
    if (chain_pending(audit->chain) >= FLUSH_MARK && !write_out(audit))
        audit->lost = true;
}

bool
audit_flush(struct audit *audit)
{
    bool written = write_out(audit) && !audit->lost;

    audit->lost = false;
    return written;
}

static bool
write_out(struct audit *audit)
{
    struct fault why = FAULT_INIT;
    uint8_t hash[KS_SHA256_LEN];
    bool checkpoint = audit->checkpoint_gathered;
    ks_err err;

    audit->checkpoint_gathered = false;
    if (chain_pending(audit->chain) == 0)
        return true;
    err = chain_flush(audit->chain, audit->sync_always, &why);
    count(audit, err);
    if (err) {
        say_failing(audit, &why);
        return false;
    }
    if (audit->failing)
        log_warning("event=audit-writable");
    audit->failing = false;
    if (checkpoint)
        chain_head(audit->chain, &audit->checkpoint_seq, hash);
    return true;
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
    if (audit->synced_seq == last_seq(audit))
        audit->unsynced_since_ms = 0;
    else if (audit->unsynced_since_ms == 0)
        audit->unsynced_since_ms = clock_mono_ms();
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
audit_stats(const struct audit *audit, uint64_t *unsynced_since_ms)
{
    uint64_t seq = last_seq(audit);

    *unsynced_since_ms = audit->unsynced_since_ms;
    return (struct job_stats){
        .n_records = seq,
        .n_unsynced = seq - audit->synced_seq,
        .n_syncs = audit->n_syncs,
        .n_failures = audit->n_failures,
    };
}

static void
say_failing(struct audit *audit, const struct fault *why)
{
    if (!audit->failing)
        log_error("event=audit-unwritable reason=\"%s\" consequence=\"jobs and changes are "
                  "refused, reads go on\"",
                  why->text);
    audit->failing = true;
}

/* Writes too, so that what is lost is not taken for written by the audit_flush() that follows. */
void
audit_sync(struct audit *audit)
{
    struct fault why = FAULT_INIT;
    ks_err err;

    if (!write_out(audit))
        audit->lost = true;
    if (!chain_dirty(audit->chain))
        return;
    err = chain_flush(audit->chain, true, &why);
    count(audit, err);
    if (err)
        say_failing(audit, &why);
}

bool
audit_checkpoint_due(struct audit *audit, char text[static CHAIN_CHECKPOINT_MAX])
{
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    chain_head(audit->chain, &seq, hash);
    if (seq <= audit->checkpoint_seq)
        return false;
    /* Signs what is on disk: after a power cut the chain must not end before its checkpoint. */
    audit_sync(audit);
    if (chain_dirty(audit->chain))
        return false;
    chain_checkpoint_text(audit->chain, text);
    return true;
}
