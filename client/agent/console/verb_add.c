/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_add - console add: an agent's address, what is trusted of it, how to log in to it
 *
 * By a CA, by a fingerprint that the administrator has from elsewhere, or at first use: then the
 * fingerprint is shown and asked about. Only after that the token is sent, over a new connection.
 */
#include <errno.h>
#include <stdio.h>

#include "client/agent/console/steps.h"

enum { STAGE_BEGIN, STAGE_LOOKED, STAGE_ASKED };

struct addition {
    struct console *console;
    STACK_OF(X509) * authorities; /* NULL: by the certificate itself */
    bool by_fingerprint;
    uint8_t sha256[PEERCERT_SHA256_LEN];
};

static bool
is_agreed(const struct addition *addition, const struct peer *peer, X509 *leaf)
{
    char fingerprint[PEERCERT_FINGERPRINT_LEN], subject[256], question[768];

    if (addition->console->options.yes)
        return true;
    peercert_fingerprint(leaf, fingerprint);
    peercert_subject(leaf, subject, sizeof(subject));
    snprintf(question, sizeof(question),
             "%s shows the certificate of %s\nwith the SHA-256 fingerprint %s\n"
             "Compare it with `keysvc-agent certificate-status` on its host. Trust it?",
             peer->name, subject, fingerprint);
    return console_ask(question);
}

/* Which certificate it showed decides; it has proved to have its key. */
static ks_err
take_shown(const struct addition *addition, struct job *job, X509 *leaf)
{
    uint8_t shown[PEERCERT_SHA256_LEN];
    char fingerprint[PEERCERT_FINGERPRINT_LEN];

    peercert_sha256(leaf, shown);
    peercert_fingerprint(leaf, fingerprint);
    if (addition->by_fingerprint && memcmp(shown, addition->sha256, sizeof(shown)) != 0)
        return outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                            "it shows a certificate with the fingerprint %s", fingerprint);
    if (!addition->by_fingerprint && !is_agreed(addition, job->peer, leaf)) {
        outcome_fail(&job->outcome, KS_ERR_UNTRUSTED,
                     "its certificate, with the fingerprint %s, was not trusted", fingerprint);
        outcome_hint(&job->outcome, "give --fingerprint, --ca-file or --yes");
        return KS_ERR_UNTRUSTED;
    }
    if (trust_pin(&job->peer->trust, leaf))
        return outcome_fail(&job->outcome, KS_ERR_INTERNAL, "no memory for what is trusted");
    return KS_OK;
}

static bool
step(struct job *job, struct exchange *answered, struct exchange_request *next)
{
    struct addition *addition = job->data;
    char address[PEER_ADDRESS_LEN];

    switch (job->stage++) {
    case STAGE_BEGIN:
        if (!addition->authorities) {
            step_look(next);
            return true;
        }
        job->stage = STAGE_ASKED;
        step_ask_status(job->peer, &job->peer->trust, next);
        return true;
    case STAGE_LOOKED:
        if (answered->outcome.code)
            return job_failed(job, answered);
        if (take_shown(addition, job, answered->handshake.leaf))
            return false;
        step_ask_status(job->peer, &job->peer->trust, next);
        return true;
    default:
        step_note_status(job, answered);
        if (answered->outcome.code)
            return job_failed(job, answered);
        peer_address(job->peer, address, sizeof(address));
        outcome_done(&job->outcome, "%s at %s, %s", job->peer->status, address,
                     addition->authorities ? "by its CA" : "by its certificate");
        return false;
    }
}

/* --- what was said on the command line --- */

static ks_err
take_file(const char *option, const char *path, char **out, struct report *report)
{
    *out = realpath(path, NULL);
    return *out ? KS_OK
                : report_fail(report, KS_ERR_USAGE, "--%s %s: %s", option, path, strerror(errno));
}

static ks_err
take_credentials(const struct console_options *options, struct peer *peer, struct report *report)
{
    ks_err err;

    if (!options->certificate_file != !options->key_file)
        return report_fail(report, KS_ERR_USAGE, "--certificate and --key go together");
    if (!options->certificate_file || options->token_file) {
        err = console_read_token(options->token_file, &peer->token, report);
        if (err || !options->certificate_file)
            return err;
    }
    err = take_file("certificate", options->certificate_file, &peer->certificate_file, report);
    return err ? err : take_file("key", options->key_file, &peer->key_file, report);
}

static ks_err
take_trust(struct addition *addition, struct peer *peer, struct report *report)
{
    const struct console_options *options = &addition->console->options;
    const char *name = options->server_name ? options->server_name : peer->host;
    struct fault why = FAULT_INIT;
    ks_err err;

    if (options->ca_file && (options->fingerprint || options->yes))
        return report_fail(report, KS_ERR_USAGE,
                           "--ca-file goes with neither --fingerprint nor "
                           "--yes");
    if (!text_copy(peer->trust.server_name, sizeof(peer->trust.server_name), name))
        return report_fail(report, KS_ERR_USAGE, "--server-name: too long");
    addition->by_fingerprint = options->fingerprint;
    if (options->fingerprint && !peercert_parse_fingerprint(options->fingerprint, addition->sha256))
        return report_fail(report, KS_ERR_USAGE, "--fingerprint: not the 64 digits of a SHA-256");
    if (!options->ca_file)
        return KS_OK;
    err = peercert_load(options->ca_file, &addition->authorities, &why);
    if (!err)
        err = trust_by_ca(&peer->trust, addition->authorities, name);
    return err ? report_fault(report, err, &why) : KS_OK;
}

static ks_err
make_peer(struct addition *addition, struct peer **out, struct report *report)
{
    struct console *console = addition->console;
    struct peer *peer;
    ks_err err;

    if (!peer_name_valid(console->words[0]))
        return report_fail(report, KS_ERR_USAGE, "%s: a name has letters, digits, . _ -",
                           console->words[0]);
    if (fleet_find(console->fleet, console->words[0])) {
        report_fail(report, KS_ERR_EXISTS, "%s: there is an agent of that name already",
                    console->words[0]);
        report_hint(report, "keysvc-agent console remove %s", console->words[0]);
        return KS_ERR_EXISTS;
    }
    peer = fleet_add(console->fleet, console->words[0]);
    if (!peer)
        return report_fail(report, KS_ERR_INTERNAL, "no memory for the agent");
    if (!peer_parse_address(peer, console->words[1]))
        return report_fail(report, KS_ERR_USAGE, "%s: not an address, host:port",
                           console->words[1]);
    err = take_trust(addition, peer, report);
    if (!err)
        err = take_credentials(&console->options, peer, report);
    *out = peer;
    return err;
}

int
verb_add(struct console *console, struct report *report)
{
    struct addition addition = {.console = console};
    struct job job = {.data = &addition};
    struct work work = {.jobs = &job, .n_jobs = 1};
    int code = (int)make_peer(&addition, &job.peer, report);

    if (!code) {
        work_run(console, &work, step);
        /* What failed is not in the list: nothing is half added. */
        job.peer->added = !job.outcome.code;
        job.peer->changed = job.peer->added;
        code = work_end(console, &work, NULL, report);
        outcome_deinit(&job.outcome);
    }
    sk_X509_pop_free(addition.authorities, X509_free);
    return code;
}
