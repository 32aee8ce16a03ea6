/* SPDX-License-Identifier: Apache-2.0 */
/*
 * call - one request and its answer, with whatever retries are safe
 */
#pragma once

#include "client/lib/convert.h"

/*
 * KS_OK: *out is an answer to that operation (response_check has passed). Everything that can be
 * wrong between here and keysvcd, and every error it answers with, is in the result and `error`.
 */
ks_err call_run(struct ks_client *client, const struct request *request, struct response **out,
                struct ks_error *error) KS_MUST_CHECK;

/* One call whose answer is that it was done. */
ks_err call_for_done(struct ks_client *client, const struct request *request,
                     struct ks_error *error) KS_MUST_CHECK;
