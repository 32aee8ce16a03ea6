/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purpose - the table of purposes and the checks that are not TLS's
 *
 * Called by the handler of a signature before anything is asked of the token. Trusts nothing about
 * the bytes: they come from a client through the front.
 */
#include "token/purpose.h"

#include "base/chain.h"
#include "token/purpose_tls.h"

struct request {
    enum ks_purpose purpose;
    bool tls13_only;
    enum ks_algorithm algorithm;
    enum ks_hash prehashed;
    const uint8_t *data;
    size_t len;
};

static ks_err check_none(const struct request *request, struct fault *why);
static ks_err check_tls(const struct request *request, struct fault *why);
static ks_err check_sign(const struct request *request, struct fault *why);
static ks_err check_audit(const struct request *request, struct fault *why);
static const char *tls_refusal(const struct request *request);

/* clang-format off */
static const struct {
    ks_err (*check)(const struct request *request, struct fault *why);
    bool server, client; /* the sides of a TLS handshake it signs for */
} PURPOSE[KS_PURPOSE_COUNT] = {
    [KS_PURPOSE_NONE]       = {check_none, false, false},
    [KS_PURPOSE_TLS_SERVER] = {check_tls, true, false},
    [KS_PURPOSE_TLS_CLIENT] = {check_tls, false, true},
    [KS_PURPOSE_TLS]        = {check_tls, true, true},
    [KS_PURPOSE_SIGN]       = {check_sign, false, false},
    [KS_PURPOSE_AUDIT]      = {check_audit, false, false},
};
/* clang-format on */

ks_err
purpose_check(enum ks_purpose purpose, bool tls13_only, enum ks_algorithm algorithm,
              enum ks_hash prehashed, const uint8_t *data, size_t data_len, struct fault *why)
{
    const struct request request = {purpose, tls13_only, algorithm, prehashed, data, data_len};

    if ((unsigned int)purpose >= KS_PURPOSE_COUNT) {
        fault_set(why, "the key has a purpose that this version does not know");
        return KS_ERR_PURPOSE;
    }
    if (algorithm == KS_ALGORITHM_DEFAULT || (unsigned int)algorithm >= KS_ALGORITHM_COUNT) {
        fault_set(why, "no such signature algorithm");
        return KS_ERR_BAD_REQUEST;
    }
    if ((unsigned int)prehashed >= KS_HASH_COUNT) {
        fault_set(why, "no such hash");
        return KS_ERR_BAD_REQUEST;
    }
    return PURPOSE[purpose].check(&request, why);
}

static ks_err
check_none(const struct request *request, struct fault *why)
{
    (void)request;
    fault_set(why, "no `keys` section covers this key, so it signs nothing");
    fault_hint(why, "add a `keys` section with a purpose for its name to keysvcd.conf");
    return KS_ERR_PURPOSE;
}

static ks_err
check_tls(const struct request *request, struct fault *why)
{
    const char *name = ks_purpose_name(request->purpose);
    const char *refusal;

    if (request->prehashed != KS_HASH_NONE) {
        fault_set(why, "purpose %s signs whole TLS handshake messages, never a digest", name);
        fault_hint(why, "send the message itself, or use a key of purpose sign");
        return KS_ERR_PURPOSE;
    }
    refusal = tls_refusal(request);
    if (!refusal)
        return KS_OK;
    fault_set(why, "purpose %s%s: %s", name, request->tls13_only ? " with tls = 1.3" : "", refusal);
    fault_hint(why, "what is no TLS handshake needs a key of purpose sign");
    return KS_ERR_PURPOSE;
}

/* NULL: may be signed. Else why not, by the form that the message resembles most. */
static const char *
tls_refusal(const struct request *request)
{
    const uint8_t *data = request->data;
    bool server = PURPOSE[request->purpose].server, client = PURPOSE[request->purpose].client;
    const char *as_server, *as_client;

    if (purpose_tls_resembles_der(data, request->len))
        return "the message is an ASN.1 structure, such as the body of a certificate request";
    if (purpose_tls_resembles_13(data, request->len))
        return purpose_tls_13(server, client, request->algorithm, data, request->len);
    if (request->tls13_only)
        return "the message is no TLS 1.3 CertificateVerify";

    as_server = purpose_tls_12_server(data, request->len);
    if (server && !as_server)
        return NULL;
    as_client = purpose_tls_12_client(data, request->len);
    if (client && !as_client)
        return NULL;
    if (server && client)
        return purpose_tls_resembles_12_client(data, request->len) ? as_client : as_server;
    return server ? as_server : as_client;
}

/* Any message; a digest only by the algorithm's own hash, or we would sign what nobody hashed so.
 */
static ks_err
check_sign(const struct request *request, struct fault *why)
{
    enum ks_hash hash = ks_algorithm_hash(request->algorithm);

    if (request->prehashed == KS_HASH_NONE)
        return KS_OK;
    if (hash == KS_HASH_NONE) {
        fault_set(why, "%s signs messages, not digests", ks_algorithm_name(request->algorithm));
        return KS_ERR_BAD_REQUEST;
    }
    if (request->prehashed != hash) {
        fault_set(why, "%s takes a digest by %s, not by %s", ks_algorithm_name(request->algorithm),
                  ks_hash_name(hash), ks_hash_name(request->prehashed));
        return KS_ERR_BAD_REQUEST;
    }
    if (request->len != ks_hash_len(hash)) {
        fault_set(why, "a digest by %s has %zu bytes, not %zu", ks_hash_name(hash),
                  ks_hash_len(hash), request->len);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

static ks_err
check_audit(const struct request *request, struct fault *why)
{
    const size_t prefix_len = sizeof(CHAIN_CHECKPOINT_PREFIX) - 1;

    fault_set(why, "purpose audit signs the audit's own checkpoints and nothing else");
    if (request->prehashed != KS_HASH_NONE || request->len <= prefix_len ||
        request->len > CHAIN_CHECKPOINT_MAX)
        return KS_ERR_PURPOSE;
    if (memcmp(request->data, CHAIN_CHECKPOINT_PREFIX, prefix_len) != 0)
        return KS_ERR_PURPOSE;
    for (size_t i = 0; i < request->len; i++) {
        if (request->data[i] < ' ' || request->data[i] > '~')
            return KS_ERR_PURPOSE;
    }
    why->text[0] = '\0';
    return KS_OK;
}
