/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode - a client's bytes become a request, or a sentence that says what is wrong with them
 *
 * With encode.c the only place that knows the generated protobuf types. Checks everything once:
 * lengths, names, enums, counts, texts.
 */
#pragma once

#include "front/request.h"
#include "proto/wire/arena.h"

/*
 * Unpacks into `arena`, which is started anew. BAD_REQUEST, TOO_LARGE: `why` says what is wrong;
 * out->id is the request's own, to be answered under, or 0 when the frame is not a Request at all:
 * then the connection is of no more use.
 */
ks_err decode_request(struct arena *arena, const uint8_t *frame, size_t len, struct request *out,
                      struct fault *why) KS_MUST_CHECK;
