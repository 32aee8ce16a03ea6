/* SPDX-License-Identifier: Apache-2.0 */
/*
 * steps - the parts that the verbs' steps are made of
 */
#include "client/agent/console/steps.h"

#include <stdarg.h>
#include <stdio.h>

#define STATUS_TRUSTED "trusted"
#define STATUS_UNTRUSTED "untrusted"
#define STATUS_UNREACHABLE "unreachable"

void
step_ask_status(const struct peer *peer, const struct trust *trust, struct exchange_request *next)
{
    next->trust = trust;
    if (!peer->token && !peer->certificate_file)
        return;
    next->method = "GET";
    next->path = "status";
}

void
step_look(struct exchange_request *next)
{
    next->trust = NULL;
    next->method = NULL;
}

void
step_note_status(struct job *job, struct exchange *answered)
{
    const struct handshake *handshake = &answered->handshake;
    char address[PEER_ADDRESS_LEN];
    const char *status = STATUS_UNREACHABLE;

    if (handshake->judged)
        status = handshake->verdict.trusted ? STATUS_TRUSTED : STATUS_UNTRUSTED;
    peer_saw(job->peer, status);
    peer_address(job->peer, address, sizeof(address));
    outcome_field(&job->outcome, "address", json_string(address));
    outcome_field(&job->outcome, "status", json_string(status));
    outcome_field(&job->outcome, "trust", json_string(trust_kind_name(job->peer->trust.kind)));
    if (handshake->leaf)
        outcome_field(&job->outcome, "certificate", peercert_json(handshake->leaf));
    if (answered->answer)
        outcome_field(&job->outcome, "agent", json_incref(answered->answer));
}

void
step_take_note(struct job *job, const json_t *answer)
{
    json_t *note = json_object_get(answer, "note");

    if (json_is_string(note))
        outcome_field(&job->outcome, "note", json_incref(note));
}

void
step_done(struct job *job, const char *format, ...)
{
    const char *note = json_string_value(json_object_get(job->outcome.fields, "note"));
    char text[sizeof(job->outcome.message)];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof(text), format, args);
    va_end(args);
    outcome_done(&job->outcome, "%s%s%s", text, note ? "; " : "", note ? note : "");
}

ks_err
step_trust_new(struct peer *peer, X509 *leaf, STACK_OF(X509) * chain,
               const STACK_OF(X509) * authorities)
{
    char why[TRUST_WHY_LEN];

    peer->changed = true;
    if (peer->trust.kind == TRUST_CA && authorities &&
        trust_issued_by(authorities, leaf, chain, peer->trust.server_name, time(NULL), why,
                        sizeof(why)))
        return trust_by_ca(&peer->trust, authorities, peer->trust.server_name);
    return trust_pin(&peer->trust, leaf);
}
