/* SPDX-License-Identifier: Apache-2.0 */
/*
 * api_token - tokens of the REST interface: made, shown once, checked, revoked
 *
 *     ksa_3f2a90c1d4e7_yFh0...   "ksa", 12 hex digits that name it, 43 characters of base64url: 32 random bytes
 *
 * Of the secret the store has a SHA-256 alone. A slow, salted hash protects what people choose; nobody
 * guesses 256 random bits, at any speed, and a slow one would let strangers keep the agent busy. For
 * the same reason nobody is locked out after wrong tokens: the right one works meanwhile.
 */
#pragma once

#include "client/agent/agent.h"

#define API_TOKEN_ID_LEN 12u
#define API_TOKEN_NAME_MAX 64u
#define API_TOKEN_SECRET_LEN 43u /* base64url of 32 bytes */
#define API_TOKEN_TEXT_LEN (4u + API_TOKEN_ID_LEN + 1u + API_TOKEN_SECRET_LEN)
#define API_TOKEN_USED_EVERY_US (60ll * 1000 * 1000) /* so often its last use is written down */

/* What somebody may do through the REST interface; a set of bits. */
enum scope {
    SCOPE_READ = 1 << 0,         /* "certificate reading": lists, states, certificates */
    SCOPE_CERTIFICATES = 1 << 1, /* "certificate management": all of it */
};

/* 0: no such scope. */
unsigned int scope_from_name(const char *name);
/* NULL for what is not exactly one. */
const char *scope_name(unsigned int scope);

struct api_token {
    char id[API_TOKEN_ID_LEN + 1];
    char name[API_TOKEN_NAME_MAX + 1];
    uint8_t hash[KS_SHA256_LEN];
    unsigned int scopes;
    int64_t made_us;
    int64_t expires_us; /* 0: never; as the next two */
    int64_t revoked_us;
    int64_t used_us;
};

/* Writes the token, which nobody can show again, to `text`. */
ks_err api_token_create(struct agent *agent, const char *name, unsigned int scopes,
                        int64_t expires_us, char text[static API_TOKEN_TEXT_LEN + 1],
                        struct report *report) KS_MUST_CHECK;
/* The ID in the text of a token; false: it is none. */
bool api_token_id(const char *text, char id[static API_TOKEN_ID_LEN + 1]);

/* NOT_FOUND; one that is revoked already stays so. */
ks_err api_token_revoke(struct agent *agent, const char *id, struct report *report) KS_MUST_CHECK;
/* *out: free(). In the order in which they were made. */
ks_err api_token_list(struct agent *agent, struct api_token **out, size_t *n,
                      struct report *report) KS_MUST_CHECK;
/* DENIED: it is none, or holds no longer; the message is the same for all of these. */
ks_err api_token_check(struct agent *agent, const char *text, struct api_token *out,
                       struct report *report) KS_MUST_CHECK;
