/* SPDX-License-Identifier: Apache-2.0 */
/*
 * status - what serves now, what waits, and what was
 *
 * state: valid, expired, not-yet-valid, or key-missing (the token does not show the certificate's key).
 * key_state: present, missing, changed, or unknown (keysvcd could not be asked; key_error says why).
 * trust, whom a client has to trust to be sure of this host:
 *     trusted      the CA whose certificate was given when this one was applied
 *     self-signed  this very certificate: pin it
 *     unverified   it was uploaded, and nobody has said by which CA
 *     untrusted    nobody: it does not hold now
 */
#include "base/hex.h"
#include "base/keyname.h"
#include "client/agent/certificate/certview.h"
#include "client/agent/certificate/chain.h"
#include "client/agent/identity/configured.h"
#include "client/agent/identity/operations.h"
#include "client/agent/store/store_csr.h"
#include "client/agent/store/store_history.h"

#define HISTORY_SHOWN 20u
#define TIME_MAX 32

static int add_key(json_t *status, struct agent *agent, const struct ks_key *key);
static int add_state(json_t *status, const struct identity_set *set);
static void add_trouble(json_t *status, struct agent *agent);
static ks_err add_pending(json_t *status, struct agent *agent, const char *identity,
                          struct fault *why);
static ks_err add_history(json_t *status, struct agent *agent, const char *identity,
                          struct fault *why);

const char *
set_kind_name(enum set_kind kind)
{
    static const char *const NAME[] = {
        [SET_SELF_SIGNED] = "self-signed", [SET_ISSUED] = "issued", [SET_UPLOADED] = "uploaded"};

    return (size_t)kind < ARRAY_LEN(NAME) && NAME[kind] ? NAME[kind] : "unknown";
}

ks_err
certificate_status(struct agent *agent, const char *identity, json_t **out, struct report *report)
{
    ks_auto(identity_set_deinit) struct identity_set set = {0};
    struct fault why = FAULT_INIT;
    json_t *status;
    ks_err err = identity_current(agent, identity, &set, report);

    if (err)
        return err;
    status = json_pack("{s:s, s:I, s:s, s:b}", "identity", identity, "set", (json_int_t)set.number,
                       "kind", set_kind_name(set.kind), "self_signed", set.kind == SET_SELF_SIGNED);
    if (!status || certview_add(status, set.chain) || add_key(status, agent, &set.key) ||
        add_state(status, &set)) {
        json_decref(status);
        return report_fail(report, KS_ERR_INTERNAL, "%s: no memory, or a certificate of no sense",
                           identity);
    }
    if (set.kind == SET_UPLOADED)
        json_object_set_new(status, "upload", json_string(set.upload));
    if (strcmp(identity, IDENTITY_OF_LISTENER) == 0)
        add_trouble(status, agent);
    err = add_pending(status, agent, identity, &why);
    if (!err)
        err = add_history(status, agent, identity, &why);
    if (err) {
        json_decref(status);
        return report_fault(report, err, &why);
    }
    *out = status;
    return KS_OK;
}

/* --- key and state --- */

static int
add_key(json_t *status, struct agent *agent, const struct ks_key *key)
{
    struct report report = REPORT_INIT;
    char label[KEYNAME_LABEL_MAX + 1], sha256[2 * KS_SHA256_LEN + 1];
    ks_err err = identity_key_check(agent, key, &report);
    const char *state = err == KS_OK                ? "present"
                        : err == KS_ERR_NO_KEY      ? "missing"
                        : err == KS_ERR_KEY_CHANGED ? "changed"
                                                    : "unknown";

    keyname_label(key->name, key->version, label);
    hex_text(sha256, key->public_key_sha256, KS_SHA256_LEN);
    if (json_object_set_new(status, "key", json_string(label)) ||
        json_object_set_new(status, "key_type", json_string(ks_key_type_name(key->type))) ||
        json_object_set_new(status, "key_sha256", json_string(sha256)) ||
        json_object_set_new(status, "key_state", json_string(state)))
        return -1;
    return err ? json_object_set_new(status, "key_error", certview_text(report.message)) : 0;
}

static int
add_state(json_t *status, const struct identity_set *set)
{
    const char *key_state = json_string_value(json_object_get(status, "key_state"));
    X509 *leaf = chain_leaf(set->chain);
    const char *state = "valid", *trust;

    if (!leaf || X509_cmp_current_time(X509_get0_notAfter(leaf)) <= 0)
        state = "expired";
    else if (X509_cmp_current_time(X509_get0_notBefore(leaf)) > 0)
        state = "not-yet-valid";
    else if (strcmp(key_state, "missing") == 0 || strcmp(key_state, "changed") == 0)
        state = "key-missing";
    X509_free(leaf);
    if (strcmp(state, "valid") != 0)
        trust = "untrusted";
    else if (set->kind == SET_SELF_SIGNED)
        trust = "self-signed";
    else
        trust = set->kind == SET_ISSUED ? "trusted" : "unverified";
    return json_object_set_new(status, "state", json_string(state)) ||
           json_object_set_new(status, "trust", json_string(trust));
}

/* certificate_file: only if it was not taken as agent.conf says. */
static void
add_trouble(json_t *status, struct agent *agent)
{
    json_t *trouble = configured_trouble(agent);

    if (trouble)
        json_object_set_new(status, "certificate_file", trouble);
}

/* --- what waits, and what was --- */

static void
time_text(int64_t us, char out[static TIME_MAX])
{
    time_t seconds = us / 1000000;
    struct tm tm;

    out[0] = '\0';
    if (gmtime_r(&seconds, &tm))
        strftime(out, TIME_MAX, "%Y-%m-%dT%H:%M:%SZ", &tm);
}

static ks_err
add_pending(json_t *status, struct agent *agent, const char *identity, struct fault *why)
{
    ks_auto(freep) struct csr_row *rows = calloc(STORE_CSR_MAX, sizeof(*rows));
    json_t *list = json_array();
    size_t n = 0;
    ks_err err =
        rows && list ? store_csr_list(agent->store, identity, rows, &n, why) : KS_ERR_INTERNAL;

    for (size_t i = 0; !err && i < n; i++) {
        char at[TIME_MAX], label[KEYNAME_LABEL_MAX + 1];

        time_text(rows[i].made_us, at);
        keyname_label(rows[i].key_name, rows[i].key_version, label);
        json_array_append_new(list, json_pack("{s:s, s:s, s:o, s:o}", "made", at, "key", label,
                                              "subject", certview_text(rows[i].subject), "who",
                                              certview_text(rows[i].who)));
    }
    return json_object_set_new(status, "pending_csrs", list) && !err ? KS_ERR_INTERNAL : err;
}

static ks_err
add_history(json_t *status, struct agent *agent, const char *identity, struct fault *why)
{
    ks_auto(freep) struct history_row *rows = NULL;
    json_t *list = json_array();
    size_t n = 0;
    ks_err err = store_history_list(agent->store, identity, HISTORY_SHOWN, &rows, &n, why);

    for (size_t i = 0; !err && i < n; i++) {
        char at[TIME_MAX], label[KEYNAME_LABEL_MAX + 1];

        time_text(rows[i].at_us, at);
        keyname_label(rows[i].key_name, rows[i].key_version, label);
        json_array_append_new(list,
                              json_pack("{s:s, s:o, s:s, s:I, s:s, s:s, s:o, s:s}", "at", at, "who",
                                        certview_text(rows[i].who), "action", rows[i].action, "set",
                                        (json_int_t)rows[i].number, "kind",
                                        set_kind_name(rows[i].kind), "key", label, "subject",
                                        certview_text(rows[i].subject), "sha256", rows[i].sha256));
    }
    return json_object_set_new(status, "history", list) && !err ? KS_ERR_INTERNAL : err;
}
