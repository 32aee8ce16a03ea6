/* SPDX-License-Identifier: Apache-2.0 */
/*
 * encode - an answer becomes one frame
 */
#pragma once

#include "base/buf.h"
#include "front/reply.h"

/* Appends header and message to `out`. TOO_LARGE: it does not fit in a frame; INTERNAL: no memory.
 * On failure `out` is as it was. */
ks_err encode_reply(struct buf *out, const struct reply *reply) KS_MUST_CHECK;
