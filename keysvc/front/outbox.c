/* SPDX-License-Identifier: Apache-2.0 */
/*
 * outbox - answers in, bytes out
 */
#include "front/outbox.h"

#include <errno.h>
#include <sys/socket.h>

#include "base/clock.h"
#include "front/encode.h"
#include "front/quota.h"

static void tidy(struct outbox *outbox);

void
outbox_close(struct outbox *outbox, struct quota_account *account)
{
    buf_deinit(&outbox->bytes);
    if (outbox->charge)
        quota_put(account, outbox->charge);
    *outbox = (struct outbox)OUTBOX_INIT;
}

ks_err
outbox_put(struct outbox *outbox, const struct reply *reply)
{
    ks_err err = encode_reply(&outbox->bytes, reply);

    if (err && !reply->err) {
        struct fault why = FAULT_INIT;
        struct reply failed = {.id = reply->id, .err = err, .why = &why};

        fault_set(&why, "the answer does not fit in a frame");
        err = encode_reply(&outbox->bytes, &failed);
    }
    return err;
}

size_t
outbox_unread(const struct outbox *outbox)
{
    return outbox->bytes.len - outbox->used;
}

ks_err
outbox_write(struct outbox *outbox, int fd)
{
    while (outbox_unread(outbox) > 0) {
        ssize_t len =
            send(fd, outbox->bytes.data + outbox->used, outbox_unread(outbox), MSG_NOSIGNAL);

        if (len < 0 && errno == EINTR)
            continue;
        if (len < 0 && errno == EAGAIN)
            break;
        if (len < 0)
            return KS_ERR_NO_SERVICE;
        outbox->used += (size_t)len;
    }
    tidy(outbox);
    return KS_OK;
}

/* The clock begins again only when everything that was unread at its last beginning is read. */
static void
tidy(struct outbox *outbox)
{
    if (outbox_unread(outbox) == 0) {
        buf_deinit(&outbox->bytes);
        outbox->used = outbox->mark = 0;
        outbox->since_ms = 0;
        return;
    }
    if (outbox->since_ms == 0 || outbox->used >= outbox->mark) {
        outbox->since_ms = clock_mono_ms();
        outbox->mark = outbox->bytes.len;
    }
    if (outbox->used > outbox_unread(outbox)) {
        buf_consume(&outbox->bytes, outbox->used);
        outbox->mark -= outbox->used;
        outbox->used = 0;
    }
}

ks_err
outbox_charge(struct outbox *outbox, struct quota_account *account,
              const struct config_limits *limits, struct fault *why)
{
    size_t len = outbox_unread(outbox);
    ks_err err;

    if (outbox->charge && (len <= OUTBOX_FREE || len > outbox->charge)) {
        quota_put(account, outbox->charge);
        outbox->charge = 0;
    }
    if (len <= OUTBOX_FREE || outbox->charge)
        return KS_OK;
    err = quota_take(account, limits, len, why);
    if (!err)
        outbox->charge = len;
    return err;
}
