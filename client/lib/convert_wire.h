/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_wire - what the convert files share: the generated types and the few words about them
 *
 * Included by the convert files and by nothing else. A packer borrows what it needs from the
 * request, hangs its operation's message into `message`, which has its id, deadline and kind
 * already, and ends in convert_frame() while all of it still stands on its stack.
 */
#pragma once

#include "client/lib/convert.h"
#include "proto/keysvc.pb-c.h"
#include "proto/wire/arena.h"

typedef Keysvc__V1__Request pb_request;
typedef Keysvc__V1__Response pb_response;

struct response {
    struct arena *arena; /* owns the message */
    const pb_response *message;
};

typedef ks_err (*convert_packer)(const struct request *request, pb_request *message,
                                 struct buf *out, struct ks_error *error);

/* --- requests --- */

/* protobuf-c wants `char *` and `uint8_t *` where it only reads. NULL becomes "". */
char *convert_text(const char *text);
ProtobufCBinaryData convert_bytes(const void *data, size_t len);

/* Appends the message behind its length. */
ks_err convert_frame(const struct request *request, const pb_request *message, struct buf *out,
                     struct ks_error *error) KS_MUST_CHECK;

/* Service: convert_service.c */
ks_err convert_pack_hello(const struct request *request, pb_request *message, struct buf *out,
                          struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_status(const struct request *request, pb_request *message, struct buf *out,
                           struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_explain(const struct request *request, pb_request *message, struct buf *out,
                            struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_reload(const struct request *request, pb_request *message, struct buf *out,
                           struct ks_error *error) KS_MUST_CHECK;

/* Tokens: convert_token.c */
ks_err convert_pack_retry_login(const struct request *request, pb_request *message, struct buf *out,
                                struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_rescan(const struct request *request, pb_request *message, struct buf *out,
                           struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_token_info(const struct request *request, pb_request *message, struct buf *out,
                               struct ks_error *error) KS_MUST_CHECK;

/* Metrics: convert_metrics.c */
ks_err convert_pack_metrics(const struct request *request, pb_request *message, struct buf *out,
                            struct ks_error *error) KS_MUST_CHECK;

/* Keys: convert_key.c */
ks_err convert_pack_list(const struct request *request, pb_request *message, struct buf *out,
                         struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_get(const struct request *request, pb_request *message, struct buf *out,
                        struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_generate(const struct request *request, pb_request *message, struct buf *out,
                             struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_rotate(const struct request *request, pb_request *message, struct buf *out,
                           struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_sign(const struct request *request, pb_request *message, struct buf *out,
                         struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_import(const struct request *request, pb_request *message, struct buf *out,
                           struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_destroy(const struct request *request, pb_request *message, struct buf *out,
                            struct ks_error *error) KS_MUST_CHECK;

/* Certificates and requests for them: convert_certificate.c */
ks_err convert_pack_csr(const struct request *request, pb_request *message, struct buf *out,
                        struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_self_sign(const struct request *request, pb_request *message, struct buf *out,
                              struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_certificate_put(const struct request *request, pb_request *message,
                                    struct buf *out, struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_certificate_get(const struct request *request, pb_request *message,
                                    struct buf *out, struct ks_error *error) KS_MUST_CHECK;
ks_err convert_pack_certificate_delete(const struct request *request, pb_request *message,
                                       struct buf *out, struct ks_error *error) KS_MUST_CHECK;

/* --- answers --- */

/* For people: nothing in it moves a terminal's cursor, but line breaks if `keeps_lines`. */
void convert_tame(char *text, bool keeps_lines);

/* For people, on one line: cut to what fits. */
void convert_copy_text(char *out, size_t cap, const char *text);

/* INTERNAL: "keysvcd answered with ...". */
ks_err convert_unexpected(struct ks_error *error, const char *format, ...) KS_PRINTF(2, 3);
