/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fleet_json - one agent to JSON and back: the file's format
 */
#include "client/agent/console/fleet.h"
#include "client/agent/certificate/certfile.h"
#include "client/agent/certificate/ossl.h"

static void
set(json_t *object, const char *name, const char *text)
{
    if (text && *text)
        (void)json_object_set_new(object, name, json_string(text));
}

static json_t *
trust_json(const struct trust *trust)
{
    json_t *json = json_pack("{s:s}", "kind", trust_kind_name(trust->kind));
    ks_auto(freep) char *pem = NULL, *expected = NULL;
    char sha256[PEERCERT_HEX_LEN];

    if (!json)
        return NULL;
    if (trust->kind == TRUST_PINNED) {
        peercert_hex(sk_X509_value(trust->certificates, 0), sha256);
        set(json, "sha256", sha256);
    }
    pem = trust->certificates ? peercert_pem(trust->certificates) : NULL;
    set(json, "pem", pem);
    set(json, "server_name", trust->server_name);
    set(json, "told_sha256", trust->told);
    expected = trust->expected ? peercert_pem(trust->expected) : NULL;
    set(json, "expected", expected);
    return json;
}

json_t *
peer_json(const struct peer *peer)
{
    json_t *json = json_pack(
        "{s:s, s:s, s:i, s:o?}", "name", peer->name, "host", peer->host, "port", (int)peer->port,
        "trust", peer->trust.unread ? json_incref(peer->trust.unread) : trust_json(&peer->trust));

    if (!json)
        return NULL;
    set(json, "token", peer->token);
    set(json, "certificate_file", peer->certificate_file);
    set(json, "key_file", peer->key_file);
    set(json, "status", peer->status);
    if (peer->seen_s)
        (void)json_object_set_new(json, "seen", json_integer(peer->seen_s));
    return json;
}

/* --- back --- */

/* A text that may be missing; false: it is no text, or no memory. */
static bool
get(const json_t *object, const char *name, char **out)
{
    const json_t *value = json_object_get(object, name);

    if (!value)
        return true;
    if (!json_is_string(value))
        return false;
    *out = strdup(json_string_value(value));
    return *out;
}

static bool
get_fixed(const json_t *object, const char *name, char *out, size_t cap)
{
    const json_t *value = json_object_get(object, name);

    return !value || (json_is_string(value) && text_copy(out, cap, json_string_value(value)));
}

static bool
get_certificates(const json_t *object, const char *name, STACK_OF(X509) * *out)
{
    const json_t *value = json_object_get(object, name);
    struct fault why = FAULT_INIT;

    if (!value)
        return true;
    return json_is_string(value) &&
           certfile_parse("agents.json", json_string_value(value), json_string_length(value),
                          PEERCERT_MAX_LIST, out, &why) == KS_OK;
}

static ks_err
trust_from_json(struct trust *trust, const json_t *json)
{
    const char *kind = json_string_value(json_object_get(json, "kind"));
    ks_auto(ossl_stack_freep) STACK_OF(X509) *certificates = NULL, *expected = NULL;
    char told[PEERCERT_HEX_LEN] = "";
    uint8_t sha256[PEERCERT_SHA256_LEN];
    ks_err err = KS_OK;

    if (!kind || !get_certificates(json, "pem", &certificates) ||
        !get_certificates(json, "expected", &expected) ||
        !get_fixed(json, "told_sha256", told, sizeof(told)) ||
        (told[0] && !peercert_parse_fingerprint(told, sha256)) ||
        !get_fixed(json, "server_name", trust->server_name, sizeof(trust->server_name)))
        return KS_ERR_BAD_REQUEST;
    if (strcmp(kind, trust_kind_name(TRUST_PINNED)) == 0 && certificates)
        err = trust_pin(trust, sk_X509_value(certificates, 0));
    else if (strcmp(kind, trust_kind_name(TRUST_CA)) == 0 && certificates)
        err = trust_by_ca(trust, certificates, trust->server_name);
    else if (strcmp(kind, trust_kind_name(TRUST_NONE)) != 0)
        return KS_ERR_BAD_REQUEST;
    for (int i = 0; !err && i < sk_X509_num(expected); i++)
        err = trust_expect(trust, sk_X509_value(expected, i));
    if (!err && told[0])
        trust_expect_told(trust, sha256);
    return err;
}

ks_err
peer_from_json(struct peer *peer, const json_t *json)
{
    json_int_t port = json_integer_value(json_object_get(json, "port"));
    json_int_t seen = json_integer_value(json_object_get(json, "seen"));
    ks_err err;

    if (!get_fixed(json, "name", peer->name, sizeof(peer->name)) || !peer_name_valid(peer->name) ||
        !get_fixed(json, "host", peer->host, sizeof(peer->host)) || !peer->host[0] || port < 1 ||
        port > UINT16_MAX || !get_fixed(json, "status", peer->status, sizeof(peer->status)))
        return KS_ERR_BAD_REQUEST;
    peer->port = (uint16_t)port;
    peer->seen_s = seen;
    if (!get(json, "token", &peer->token) ||
        !get(json, "certificate_file", &peer->certificate_file) ||
        !get(json, "key_file", &peer->key_file))
        return KS_ERR_BAD_REQUEST;
    err = trust_from_json(&peer->trust, json_object_get(json, "trust"));
    if (err == KS_ERR_BAD_REQUEST) {
        /* Of one agent; it keeps nobody from the others. */
        trust_deinit(&peer->trust);
        peer->trust.unread = json_incref(json_object_get(json, "trust"));
        err = peer->trust.unread ? KS_OK : err;
    }
    return err;
}

void
peer_deinit(struct peer *peer)
{
    trust_deinit(&peer->trust);
    if (peer->token)
        explicit_bzero(peer->token, strlen(peer->token));
    free(peer->token);
    free(peer->certificate_file);
    free(peer->key_file);
    memset(peer, 0, sizeof(*peer));
}
