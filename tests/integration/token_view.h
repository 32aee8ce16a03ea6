/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - the rig's token as another program sees it, and what such a program can leave there
 *
 * Each call opens SoftHSM in the test's own process, does one thing and closes it. Labels are the
 * token's: "web/shop@1". A call that fails ends the test.
 *
 * SoftHSM's files bear no login while another process reads them. Where the rig's process goes on by
 * itself after an answer (it lists the token after OUTCOME_UNKNOWN), wait: rig_read_directory().
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "token_rig.h"

/* Before any other, and before the rig is given another module. */
void view_of(const struct rig *rig);

size_t view_count(CK_OBJECT_CLASS class, const char *label);
/* Removes `n` of them, or all for 0. */
void view_destroy(CK_OBJECT_CLASS class, const char *label, size_t n);
/* An EC P-256 pair with this label, and `id` as CKA_ID of both halves. */
void view_generate(const char *label, const char *id);
/* CKO_CERTIFICATE with any bytes as its value. */
void view_certificate(const char *label, const void *value, size_t len);
