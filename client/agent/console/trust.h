/* SPDX-License-Identifier: Apache-2.0 */
/*
 * trust - which certificate an agent must show before anything is sent to it
 *
 * Pinned: exactly that certificate, while it is valid. By a CA: any certificate that the CA issued
 * to the agent's name for a server. Judged in the middle of the TLS handshake (handshake.c), so an
 * impostor never sees a token of the API.
 *
 * `expected` is for changes under way, whose answers may be lost: of each a certificate with the key that the
 * agent has then. Whoever ends a handshake with such a key is no stranger, whatever else stands in the
 * certificate. `told` is the sha256 of a certificate that the agent itself said it has from now on. Both
 * are as good as pinned until the next thing is known.
 */
#pragma once

#include "client/agent/console/peercert.h"

#define TRUST_NAME_MAX 255u
#define TRUST_WHY_LEN 384u
#define TRUST_EXPECTED_MAX 4u /* keys; of more that were lost one after the other the oldest goes */
#define TRUST_UNREAD "what agents.json says of its certificate cannot be read"

enum trust_kind {
    TRUST_NONE = 0, /* nothing is trusted */
    TRUST_PINNED = 1,
    TRUST_CA = 2,
};

struct trust {
    enum trust_kind kind;
    STACK_OF(X509) * certificates; /* PINNED: one; CA: each of them is believed */
    STACK_OF(X509) * expected;     /* NULL: nothing is under way */
    char told[PEERCERT_HEX_LEN];   /* empty: nothing was told */
    json_t *unread; /* as it stands in the file, if that cannot be read: nothing is trusted */
    char server_name[TRUST_NAME_MAX + 1]; /* CA: what the certificate must name; host or address */
};

struct trust_verdict {
    bool trusted;
    bool expected;           /* only as the expected one, or the one that was told */
    char why[TRUST_WHY_LEN]; /* if not trusted */
};

/* Frees what it holds; all zeros afterwards. */
void trust_deinit(struct trust *trust);

/* Each takes references of its own. INTERNAL: no memory. */
ks_err trust_pin(struct trust *trust, X509 *certificate) KS_MUST_CHECK;
ks_err trust_by_ca(struct trust *trust, const STACK_OF(X509) * certificates,
                   const char *server_name) KS_MUST_CHECK;
/* Besides what is expected already. */
ks_err trust_expect(struct trust *trust, X509 *certificate) KS_MUST_CHECK;
/* Its key is, be it as another certificate. */
bool trust_expects(const struct trust *trust, X509 *certificate);
/* Exactly this one no more. */
void trust_unexpect(struct trust *trust, const X509 *certificate);
void trust_expect_nothing(struct trust *trust);
void trust_expect_told(struct trust *trust, const uint8_t sha256[static PEERCERT_SHA256_LEN]);

/* `chain`: what came with it, may be NULL. */
void trust_judge(const struct trust *trust, X509 *leaf, STACK_OF(X509) * chain, time_t now,
                 struct trust_verdict *out);

/* Has its time begun, and not ended? */
bool trust_valid_now(const X509 *leaf, time_t now, char *why, size_t cap);

/* Did one of `anchors` issue it, with what came along, for a server of that name (NULL: any)? */
bool trust_issued_by(const STACK_OF(X509) * anchors, X509 *leaf, STACK_OF(X509) * chain,
                     const char *server_name, time_t now, char *why, size_t cap);

/* "pinned", "ca", "none". */
const char *trust_kind_name(enum trust_kind kind);
