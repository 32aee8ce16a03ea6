/* SPDX-License-Identifier: Apache-2.0 */
/*
 * check - may this certificate serve: every question is asked, also when an earlier one had a bad answer
 *
 * Works on files' bytes and parsed values and asks nobody: neither the service nor the store. The
 * questions, by the names they have in the report:
 *
 *     certificate-file  one DER, or PEM: the certificate, and intermediates in any order
 *     ca-file           the CAs that are trusted for this; no other is
 *     issuer            a chain of good signatures from the certificate to a CA of that file
 *     key               its public key is one of those that are wanted
 *     validity          the certificate and all of its chain are valid now
 *     usage             TLS server: Server Authentication in the extended key usage, digital signatures
 *     leaf              it is no CA itself
 *     names             the alternative names that its request had; without a request one at least
 *                       that the certificate before it had
 *     strength          112 bits at least, in keys and signatures
 */
#pragma once

#include "client/agent/certificate/ossl.h"
#include "client/agent/report.h"

#define CHECK_MAX_CERTIFICATES KS_CHAIN_MAX /* in the certificate's file */
#define CHECK_MAX_CAS 1024u                 /* a system's whole bundle */

/* A key that the certificate may be for. */
struct check_key {
    const char *label;         /* "agents/web/agent@2"; borrowed, as all of it */
    const uint8_t *public_key; /* DER SubjectPublicKeyInfo */
    size_t public_key_len;
    X509_REQ *request; /* what was asked for with it; NULL: nothing is known */
};

struct check_wanted {
    const struct check_key *keys; /* one for each request, the preferred first */
    size_t n_keys;
    bool any_key; /* nobody here knows the keys: `key` is not asked, and n_keys is 0 */
    const struct check_key *others; /* if `key` fails it is told which of these it is */
    size_t n_others;
    /* The certificate that served until now, whose names count if there is no request; may be NULL. */
    X509 *before;
    int64_t now_s; /* since 1970 */
};

struct check_files {
    const void *certificate;
    size_t certificate_len;
    const void *ca;
    size_t ca_len;
};

/* Starts as {0}. */
struct check_result {
    STACK_OF(X509) * chain; /* to serve: the certificate, its intermediates, and not the root */
    size_t key;             /* whose it is, in wanted->keys */
};

/* For ks_auto. */
void check_result_deinit(struct check_result *result);

/*
 * Adds each check to the report. CERTIFICATE_REFUSED: one at least failed, the message names all
 * that did; `out` is not set then. INTERNAL: no memory.
 */
ks_err check_files(const struct check_files *files, const struct check_wanted *wanted,
                   struct check_result *out, struct report *report) KS_MUST_CHECK;
