/* SPDX-License-Identifier: Apache-2.0 */
/*
 * peercert - certificates of agents, as the console compares and shows them
 *
 * They come from agents, which may lie: every text made here is bounded and holds no control
 * character. Nothing is believed; trust.h decides.
 */
#pragma once

#include <jansson.h>
#include <openssl/x509.h>
#include <time.h>

#include "base/err.h"
#include "base/fault.h"

#define PEERCERT_SHA256_LEN 32u
#define PEERCERT_HEX_LEN (2u * PEERCERT_SHA256_LEN + 1u)         /* with its NUL */
#define PEERCERT_FINGERPRINT_LEN (3u * PEERCERT_SHA256_LEN + 1u) /* "AB:CD:..." */
#define PEERCERT_FILE_MAX (1024u * 1024u) /* bytes, as the agents' own limit */
#define PEERCERT_MAX_LIST 32u             /* certificates in one file; a chain has three */

/* A file of certificates (certificate/certfile.h). USAGE: it cannot be read; TOO_LARGE; BAD_REQUEST. */
ks_err peercert_load(const char *path, STACK_OF(X509) * *out, struct fault *why) KS_MUST_CHECK;

/* All of them, PEM; free(). NULL: no memory. */
char *peercert_pem(const STACK_OF(X509) * list);

/* SHA-256 of the whole certificate. */
void peercert_sha256(const X509 *certificate, uint8_t out[static PEERCERT_SHA256_LEN]);
void peercert_hex(const X509 *certificate, char out[static PEERCERT_HEX_LEN]);
/* As `openssl x509 -fingerprint -sha256` prints it. */
void peercert_fingerprint(const X509 *certificate, char out[static PEERCERT_FINGERPRINT_LEN]);
/* A fingerprint as people have it, with or without colons and "SHA256:", in any case. */
bool peercert_parse_fingerprint(const char *text, uint8_t out[static PEERCERT_SHA256_LEN]);

bool peercert_same(const X509 *one, const X509 *other);
/* Are they of one key? */
bool peercert_same_key(const X509 *one, const X509 *other);
/* Its issuer is its subject and its own key verifies it. */
bool peercert_self_signed(X509 *certificate);

/* "CN=shop.example,O=Shop"; cut if it does not fit. */
void peercert_name(const X509_NAME *name, char *out, size_t cap);
void peercert_subject(const X509 *certificate, char *out, size_t cap);
/* {"subject", "issuer", "not_before", "not_after", "self_signed", "sha256"}; NULL: no memory. */
json_t *peercert_json(X509 *certificate);
