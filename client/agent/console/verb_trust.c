/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_trust - console trust: what the agents show now becomes what is trusted
 *
 * A self-signed certificate is pinned; of an issued one its CA is trusted from now on, found in
 * --ca-file or among what the agent shows. First all are looked at, then one question is asked about
 * all of them, then the list changes.
 */
#include <openssl/x509v3.h>
#include <stdio.h>

#include "client/agent/console/steps.h"
#include "client/agent/certificate/ossl.h"

struct candidate {
    X509 *leaf;
    STACK_OF(X509) * chain;
};

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    struct candidate *candidate = job->data;

    if (job->stage++ == 0) {
        step_look(next);
        return true;
    }
    if (answered->outcome.code) {
        step_note_status(job, answered);
        return job_failed(job, answered);
    }
    candidate->leaf = answered->handshake.leaf;
    candidate->chain = answered->handshake.chain;
    answered->handshake.leaf = NULL;
    answered->handshake.chain = NULL;
    outcome_field(&job->outcome, "certificate", peercert_json(candidate->leaf));
    outcome_done(&job->outcome, "looked at");
    return false;
}

/* --- the question --- */

static bool
is_agreed(const struct console *console, const struct work *work)
{
    struct columns columns = {.n_columns = 3};
    bool any = false;

    if (console->options.yes)
        return true;
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct candidate *candidate = work->jobs[i].data;
        char fingerprint[PEERCERT_FINGERPRINT_LEN], subject[256];

        if (!candidate->leaf)
            continue;
        any = true;
        peercert_fingerprint(candidate->leaf, fingerprint);
        peercert_subject(candidate->leaf, subject, sizeof(subject));
        columns_add(&columns, "%s", work->jobs[i].peer->name);
        columns_add(&columns, "%s", fingerprint);
        columns_add(&columns, "%s", subject);
    }
    columns_print(&columns, stderr);
    return any && console_ask("Trust these certificates?");
}

static bool
has_fingerprint(const struct console *console, X509 *leaf)
{
    uint8_t wanted[PEERCERT_SHA256_LEN], shown[PEERCERT_SHA256_LEN];

    peercert_sha256(leaf, shown);
    return peercert_parse_fingerprint(console->options.fingerprint, wanted) &&
           memcmp(wanted, shown, sizeof(shown)) == 0;
}

/* --- the change --- */

/* The certificate that issued `leaf`; NULL: it is not in the list. */
static X509 *
find_issuer(STACK_OF(X509) * list, X509 *leaf)
{
    for (int i = 0; i < sk_X509_num(list); i++) {
        X509 *one = sk_X509_value(list, i);

        if (X509_check_issued(one, leaf) == X509_V_OK && !peercert_same(one, leaf) &&
            X509_verify(leaf, X509_get0_pubkey(one)) == 1)
            return one;
    }
    return NULL;
}

static ks_err
trust_issuer(struct job *job, const struct candidate *candidate, STACK_OF(X509) * authorities)
{
    struct trust *trust = &job->peer->trust;
    char why[TRUST_WHY_LEN];
    X509 *issuer = find_issuer(candidate->chain, candidate->leaf);
    STACK_OF(X509) *anchors = sk_X509_new_null();
    ks_err err = KS_OK;

    if (!trust->server_name[0])
        snprintf(trust->server_name, sizeof(trust->server_name), "%s", job->peer->host);
    if (!anchors || (!authorities && issuer && !sk_X509_push(anchors, issuer))) {
        err = outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
    } else if (!authorities && !issuer) {
        err = outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                           "it does not show the CA that issued its certificate");
        outcome_hint(&job->outcome, "give --ca-file, or --pin for exactly this certificate");
    } else if (!trust_issued_by(authorities ? authorities : anchors, candidate->leaf,
                                candidate->chain, trust->server_name, time(NULL), why,
                                sizeof(why))) {
        err = outcome_fail(&job->outcome, KS_ERR_UNTRUSTED, "%s", why);
        outcome_hint(&job->outcome, "add it with the right --server-name, or trust it with --pin");
    } else if (trust_by_ca(trust, authorities ? authorities : anchors, trust->server_name)) {
        err = outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
    }
    sk_X509_free(anchors);
    return err;
}

static void
change(const struct console *console, struct job *job, STACK_OF(X509) * authorities)
{
    const struct candidate *candidate = job->data;
    char fingerprint[PEERCERT_FINGERPRINT_LEN];
    char why[TRUST_WHY_LEN];
    bool pins = console->options.pin || peercert_self_signed(candidate->leaf);

    peercert_fingerprint(candidate->leaf, fingerprint);
    if (console->options.fingerprint && !has_fingerprint(console, candidate->leaf)) {
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                     "it shows a certificate with the fingerprint %s", fingerprint);
        return;
    }
    if (!trust_valid_now(candidate->leaf, time(NULL), why, sizeof(why))) {
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED, "%s", why);
        return;
    }
    if (!pins && trust_issuer(job, candidate, authorities))
        return;
    if (pins && trust_pin(&job->peer->trust, candidate->leaf)) {
        outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
        return;
    }
    peer_saw(job->peer, "trusted");
    outcome_field(&job->outcome, "trust", json_string(trust_kind_name(job->peer->trust.kind)));
    outcome_done(&job->outcome, "%s", pins ? fingerprint : "the CA of its certificate");
}

static int
change_all(struct console *console, struct work *work, STACK_OF(X509) * authorities,
           struct report *report)
{
    bool agreed = console->options.fingerprint || is_agreed(console, work);

    for (size_t i = 0; i < work->n_jobs; i++) {
        struct job *job = &work->jobs[i];

        if (!((struct candidate *)job->data)->leaf)
            continue;
        if (agreed) {
            change(console, job, authorities);
            continue;
        }
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED, "it was not agreed to");
        outcome_hint(&job->outcome, "say yes on a terminal, or give --fingerprint or --yes");
    }
    return work_end(console, work, NULL, report);
}

int
verb_trust(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_auto(ossl_stack_freep) STACK_OF(X509) *authorities = NULL;
    struct candidate *candidates;
    uint8_t wanted[PEERCERT_SHA256_LEN];
    struct fault why = FAULT_INIT;
    int code = (int)work_select(console, true, &work, report);

    if (!code && console->options.fingerprint && work.n_jobs != 1)
        code = (int)report_fail(report, KS_ERR_USAGE, "--fingerprint is for one agent");
    if (!code && console->options.fingerprint &&
        !peercert_parse_fingerprint(console->options.fingerprint, wanted))
        code =
            (int)report_fail(report, KS_ERR_USAGE, "--fingerprint: not the 64 digits of a SHA-256");
    if (!code && console->options.ca_file) {
        code = (int)peercert_load(console->options.ca_file, &authorities, &why);
        if (code)
            report_fault(report, (ks_err)code, &why);
    }
    candidates = calloc(work.n_jobs + 1, sizeof(*candidates));
    if (code || !candidates) {
        free(candidates);
        return code ? code : (int)report_fail(report, KS_ERR_INTERNAL, "no memory");
    }
    for (size_t i = 0; i < work.n_jobs; i++)
        work.jobs[i].data = &candidates[i];
    work_run(console, &work, step);
    code = change_all(console, &work, authorities, report);
    for (size_t i = 0; i < work.n_jobs; i++) {
        X509_free(candidates[i].leaf);
        sk_X509_pop_free(candidates[i].chain, X509_free);
    }
    free(candidates);
    return code;
}
