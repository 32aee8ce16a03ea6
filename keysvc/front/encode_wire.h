/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode_wire - what the encode files share: the generated types and the frame around them
 *
 * Included by encode.c and encode_*.c and by nothing else.
 */
#pragma once

#include "base/buf.h"
#include "front/reply.h"
#include "proto/keysvc.pb-c.h"

/* Appends the response behind its length. TOO_LARGE: it fits in no frame; INTERNAL: no memory. */
ks_err encode_frame(struct buf *out, const Keysvc__V1__Response *response) KS_MUST_CHECK;

/* encode_metrics.c */
ks_err encode_metrics(struct buf *out, Keysvc__V1__Response *response,
                      const struct reply_metrics *metrics) KS_MUST_CHECK;
