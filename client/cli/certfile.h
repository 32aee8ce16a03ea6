/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certfile - a file of certificates: a chain in PEM, or one in DER
 */
#pragma once

#include "base/buf.h"
#include "base/err.h"
#include "base/fault.h"
#include "client/lib/keysvc.h"

/* All that KS_CHAIN_MAX certificates can take as PEM, and texts between them. */
#define CERTFILE_MAX ((size_t)KS_CHAIN_MAX * KS_CERTIFICATE_MAX_LEN * 2)

/* Starts as {0}. */
struct certfile {
    struct ks_blob certificates[KS_CHAIN_MAX];
    size_t n_certificates;
};

/* For ks_auto. */
void certfile_deinit(struct certfile *file);

/*
 * The certificates in `data`, in their order, each signed by the next one: the own first. BAD_REQUEST:
 * there is none, something that is none or cannot be read, or another order; TOO_LARGE: more than
 * KS_CHAIN_MAX or one of more than KS_CERTIFICATE_MAX_LEN bytes. `path` is for messages.
 */
ks_err certfile_parse(const char *path, const struct buf *data, struct certfile *out,
                      struct fault *why) KS_MUST_CHECK;
