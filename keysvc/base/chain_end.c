/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_end - the last whole record, searched for from the file's end
 */
#include "base/chain_end.h"

#include <errno.h>
#include <sys/stat.h>

#include "base/chain.h"
#include "base/record.h"

#define FIRST_WINDOW (2 * CHAIN_RECORD_MAX) /* bytes: enough for a file that is in order */

enum found { FOUND, FOUND_NONE, FOUND_NOT_YET, FOUND_BAD };

static enum found find_last(struct digest *digest, const char *data, size_t len, bool all,
                            struct chain_end *out, struct buf *tail);
static ks_err read_window(int fd, const char *name, uint64_t offset, size_t len, struct buf *out,
                          struct fault *why);

ks_err
chain_end_read(int fd, const char *name, struct digest *digest, struct chain_end *out,
               struct buf *tail, struct fault *why)
{
    static const size_t windows[] = {FIRST_WINDOW, CHAIN_TORN_MAX + CHAIN_RECORD_MAX};
    struct stat status;
    uint64_t size;

    memset(out, 0, sizeof(*out));
    if (fstat(fd, &status) < 0 || !S_ISREG(status.st_mode)) {
        fault_set(why, "audit file %s: not a regular file", name);
        return KS_ERR_AUDIT_UNWRITABLE;
    }
    size = (uint64_t)status.st_size;
    if (size == 0)
        return KS_OK;
    for (size_t i = 0; i < ARRAY_LEN(windows); i++) {
        ks_auto(buf_deinit) struct buf data = BUF_INIT;
        size_t len = size < windows[i] ? (size_t)size : windows[i];
        ks_err err = read_window(fd, name, size - len, len, &data, why);
        enum found found;

        if (err)
            return err;
        found = find_last(digest, (const char *)data.data, len, len == size, out, tail);
        if (found == FOUND || found == FOUND_NONE)
            return KS_OK;
        if (found == FOUND_BAD)
            break;
    }
    fault_set(why, "audit file %s: its end is no record of this chain", name);
    fault_hint(why, "run keysvc audit verify, keep the file as evidence and move it away");
    return KS_ERR_BAD_REQUEST;
}

static ks_err
read_window(int fd, const char *name, uint64_t offset, size_t len, struct buf *out,
            struct fault *why)
{
    while (out->len < len) {
        uint8_t *room = buf_reserve(out, len - out->len);
        ssize_t n;

        if (!room) {
            fault_set(why, "audit file %s: no memory", name);
            return KS_ERR_INTERNAL;
        }
        n = pread(fd, room, len - out->len, (off_t)(offset + out->len));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0) {
            fault_set(why, "audit file %s: cannot be read: %s", name,
                      n < 0 ? strerror(errno) : "it became shorter");
            return KS_ERR_AUDIT_UNWRITABLE;
        }
        out->len += (size_t)n;
    }
    return KS_OK;
}

/*
 * `data` is the file's end, `all`: the whole file. A crash while a torn line was being closed can
 * leave several torn lines; they are closed together.
 */
static enum found
find_last(struct digest *digest, const char *data, size_t len, bool all, struct chain_end *out,
          struct buf *tail)
{
    size_t end = len; /* of the line looked at */

    for (;;) {
        const char *newline = memrchr(data, '\n', end);
        size_t start = newline ? (size_t)(newline - data) + 1 : 0;
        size_t stopped_at;
        struct record record;

        if (!newline && !all)
            return FOUND_NOT_YET;
        if (record_scan(data + start, end - start, &record, &stopped_at) == RECORD_WHOLE &&
            record_hash_right(&record, data + start, digest)) {
            out->found = true;
            out->seq = record.seq;
            memcpy(out->hash, record.hash, KS_SHA256_LEN);
            out->needs_newline = end == len;
            if (end < len)
                buf_append(tail, data + end + 1, len - end - 1);
            return tail->failed ? FOUND_BAD : FOUND;
        }
        if (!record_torn(data + start, end - start))
            return FOUND_BAD;
        if (start == 0)
            break;
        end = start - 1;
    }
    buf_append(tail, data, len);
    return tail->failed ? FOUND_BAD : FOUND_NONE;
}
