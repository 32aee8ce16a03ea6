/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_open - beginning a chain, and going on with it after a restart or in another file
 */
#include <stdio.h>
#include <sys/stat.h>

#include "base/chain.h"
#include "base/chain_end.h"
#include "base/chain_private.h"
#include "base/log.h"

#define PENDING_MAX (8 * 1024 * 1024) /* bytes gathered: thousands of records in one flush */

static ks_err open_file(int fd, const char *name, const struct chain_past *past, struct chain **out,
                        struct fault *why);
static ks_err read_end(struct chain *chain, const struct chain_past *past, struct fault *why);

static bool
name_valid(const char *name)
{
    size_t len = strlen(name);

    return len > 0 && len <= CHAIN_NAME_MAX &&
           strspn(name, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789._-") == len;
}

ks_err
chain_open(int fd, const char *name, struct chain **out, struct fault *why)
{
    static const struct chain_past none;

    return open_file(fd, name, &none, out, why);
}

ks_err
chain_open_next(int fd, const char *name, const struct chain_past *past, struct chain **out,
                struct fault *why)
{
    ks_err err = chain_check_next(fd, name, past, why);

    if (err) {
        close(fd);
        return err;
    }
    return open_file(fd, name, past, out, why);
}

/* What a crash left at the end of `before` is closed there, as chain_open() does in a file that stayed
 * where it was. */
ks_err
chain_open_after(int fd, int before, const char *name, struct chain **out, struct fault *why)
{
    ks_auto(chain_freep) struct chain *old = NULL;
    struct fault bad = FAULT_INIT;
    struct chain_past past;
    struct stat status;
    bool is_removed = fstat(before, &status) == 0 && status.st_nlink == 0;

    if (chain_open(before, name, &old, &bad) != KS_OK) {
        log_warning("event=audit-not-continued chain=%s text=\"%s\"", name, LOG_TEXT(bad.text));
        return chain_open(fd, name, out, why);
    }
    (void)!chain_flush(old, true, &bad); /* the next file says what could not be closed here */
    chain_past(old, &past);
    past.lost = past.lost || is_removed;
    return chain_open_next(fd, name, &past, out, why);
}

static ks_err
open_file(int fd, const char *name, const struct chain_past *past, struct chain **out,
          struct fault *why)
{
    ks_auto(chain_freep) struct chain *chain = calloc(1, sizeof(*chain));
    ks_err err;

    if (!chain) {
        close(fd);
        fault_set(why, "audit file %s: no memory", name);
        return KS_ERR_INTERNAL;
    }
    chain->fd = fd;
    chain->second = UINT64_MAX;
    chain->pending = (struct buf){.max = PENDING_MAX};
    chain->tail = (struct buf){.max = CHAIN_TORN_MAX};
    if (!name_valid(name) || !text_copy(chain->name, sizeof(chain->name), name)) {
        fault_set(why, "audit file: no chain can have this name");
        return KS_ERR_BAD_REQUEST;
    }
    err = digest_new(&chain->digest);
    if (err) {
        fault_set(why, "audit file %s: no SHA-256", name);
        return err;
    }
    err = read_end(chain, past, why);
    if (err)
        return err;
    chain->failed = past->failed;
    chain->withdrawn = past->n_withdrawn;
    chain_restart(chain);
    *out = ks_steal(&chain);
    return KS_OK;
}

static ks_err
read_end(struct chain *chain, const struct chain_past *past, struct fault *why)
{
    struct chain_end end;
    struct stat status;
    ks_err err;

    chain->file_seq = past->seq;
    chain->continues = past->seq > 0;
    chain->lost = past->lost && chain->continues;
    memcpy(chain->file_hash, past->hash, KS_SHA256_LEN);
    err = chain_end_read(chain->fd, chain->name, chain->digest, &end, &chain->tail, why);
    if (err)
        return err;
    if (fstat(chain->fd, &status) < 0)
        return KS_ERR_INTERNAL;
    chain->named = status.st_nlink > 0;
    chain->size = (uint64_t)status.st_size;
    if (!end.found)
        return KS_OK;
    chain->file_seq = end.seq;
    memcpy(chain->file_hash, end.hash, KS_SHA256_LEN);
    chain->needs_newline = end.needs_newline;
    chain->continues = chain->lost = false;
    return KS_OK;
}

void
chain_past(const struct chain *chain, struct chain_past *out)
{
    const char *how;

    memset(out, 0, sizeof(*out));
    chain_head(chain, &out->seq, out->hash);
    out->lost = chain_lost(chain, &how);
    out->failed = chain->failed;
    out->n_withdrawn = chain->withdrawn;
}

ks_err
chain_check_next(int fd, const char *name, const struct chain_past *past, struct fault *why)
{
    ks_auto(digest_freep) struct digest *digest = NULL;
    ks_auto(buf_deinit) struct buf tail = {.max = CHAIN_TORN_MAX};
    struct chain_end end;
    ks_err err = digest_new(&digest);

    if (err) {
        fault_set(why, "audit file %s: no SHA-256", name);
        return err;
    }
    err = chain_end_read(fd, name, digest, &end, &tail, why);
    if (err || !end.found)
        return err;
    if (end.seq == past->seq && memcmp(end.hash, past->hash, KS_SHA256_LEN) == 0)
        return KS_OK;
    fault_set(
        why,
        "audit file %s: another file stands in its place: it ends in record %llu, the chain in "
        "record %llu",
        name, (unsigned long long)end.seq, (unsigned long long)past->seq);
    fault_hint(why, "keep it as evidence and move it away: the chain goes on in a new file");
    return KS_ERR_BAD_REQUEST;
}
