/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pending - the identity's own key from its current set, requests from the store
 */
#include "client/agent/identity/pending.h"

#include "base/keyname.h"
#include "base/log.h"
#include "client/agent/store/store_identity.h"

_Static_assert(PENDING_LABEL_LEN == KEYNAME_LABEL_MAX + 1, "a key's label fits");

static ks_err add_request(struct agent *agent, const struct csr_row *row, struct pending *out,
                          struct fault *why);

void
pending_deinit(struct pending *pending)
{
    for (size_t i = 0; i < PENDING_MAX; i++) {
        X509_REQ_free(pending->keys[i].request);
        OPENSSL_free(pending->public_keys[i]);
    }
    memset(pending, 0, sizeof(*pending));
}

ks_err
pending_own_key(struct agent *agent, const char *identity, const struct identity_set *current,
                struct ks_key *out, struct report *report)
{
    struct fault why = FAULT_INIT;
    struct identity_row row;
    struct ks_error error;
    ks_err err = store_identity_get(agent->store, identity, &row, &why);

    if (err)
        return report_fault(report, err, &why);
    *out = current->key;
    if (strcmp(current->key.name, row.key) == 0)
        return KS_OK;
    err = ks_get(agent->client, row.key, out, &error);
    return err ? report_error(report, &error) : KS_OK;
}

ks_err
pending_read(struct agent *agent, const char *identity, const struct identity_set *current,
             struct pending *out, struct report *report)
{
    ks_auto(freep) struct csr_row *rows = calloc(STORE_CSR_MAX, sizeof(*rows));
    struct fault why = FAULT_INIT;
    size_t n = 0;
    ks_err err;

    if (!rows)
        return report_fail(report, KS_ERR_INTERNAL, "%s: no memory", identity);
    err = pending_own_key(agent, identity, current, &out->own, report);
    if (err)
        return err;
    keyname_label(out->own.name, out->own.version, out->labels[0]);
    out->keys[0] = (struct check_key){.label = out->labels[0],
                                      .public_key = out->own.public_key,
                                      .public_key_len = out->own.public_key_len};
    out->n_keys = 1;
    err = store_csr_list(agent->store, identity, rows, &n, &why);
    for (size_t i = 0; !err && i < n; i++)
        err = add_request(agent, &rows[i], out, &why);
    return err ? report_fault(report, err, &why) : KS_OK;
}

static ks_err
add_request(struct agent *agent, const struct csr_row *row, struct pending *out, struct fault *why)
{
    ks_auto(freep) uint8_t *der = NULL;
    struct check_key *key = &out->keys[out->n_keys];
    const uint8_t *next;
    size_t len;
    int key_len;
    ks_err err = store_csr_der(agent->store, row->id, &der, &len, why);

    /* Settled by somebody else since it was listed. */
    if (err == KS_ERR_NOT_FOUND)
        return KS_OK;
    if (err)
        return err;
    next = der;
    key->request = d2i_X509_REQ(NULL, &next, (long)len);
    key_len = key->request ? i2d_X509_PUBKEY(X509_REQ_get_X509_PUBKEY(key->request),
                                             &out->public_keys[out->n_keys])
                           : -1;
    /* One that was damaged is no reason to refuse what another one, or none, was for. */
    if (key_len <= 0) {
        log_warning("event=request-unreadable key=%s@%u", row->key_name, row->key_version);
        X509_REQ_free(key->request);
        key->request = NULL;
        return KS_OK;
    }
    keyname_label(row->key_name, row->key_version, out->labels[out->n_keys]);
    key->label = out->labels[out->n_keys];
    key->public_key = out->public_keys[out->n_keys];
    key->public_key_len = (size_t)key_len;
    out->n_keys++;
    return KS_OK;
}
