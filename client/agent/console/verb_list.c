/* SPDX-License-Identifier: Apache-2.0 */
/*
 * verb_list - console list and console remove: the list itself; no agent is asked
 */
#include <stdio.h>

#include "base/clock.h"
#include "client/agent/console/work.h"

#define US_PER_S 1000000u
#define TRUST_TEXT_LEN 160

static void
show_trust(const struct peer *peer, char *out, size_t cap)
{
    char sha256[PEERCERT_HEX_LEN], subject[96];

    snprintf(out, cap, "none");
    if (peer->trust.kind == TRUST_PINNED) {
        peercert_hex(sk_X509_value(peer->trust.certificates, 0), sha256);
        snprintf(out, cap, "pinned %.16s...", sha256);
    } else if (peer->trust.kind == TRUST_CA) {
        peercert_subject(sk_X509_value(peer->trust.certificates, 0), subject, sizeof(subject));
        snprintf(out, cap, "ca %s", subject);
    }
}

static const char *
log_in(const struct peer *peer)
{
    if (peer->certificate_file)
        return peer->token ? "token, certificate" : "certificate";
    return peer->token ? "token" : "nothing";
}

static void
print_list(const struct work *work)
{
    struct columns columns = {.n_columns = 6};
    static const char *const HEADING[] = {"AGENT", "ADDRESS", "TRUST", "LOGIN", "STATUS", "SEEN"};

    for (size_t i = 0; i < ARRAY_LEN(HEADING); i++)
        columns_add(&columns, "%s", HEADING[i]);
    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct peer *peer = work->jobs[i].peer;
        char address[PEER_ADDRESS_LEN], trust[TRUST_TEXT_LEN], seen[CLOCK_TEXT_LEN];

        peer_address(peer, address, sizeof(address));
        show_trust(peer, trust, sizeof(trust));
        clock_text((uint64_t)peer->seen_s * US_PER_S, seen);
        columns_add(&columns, "%s", peer->name);
        columns_add(&columns, "%s", address);
        columns_add(&columns, "%s", trust);
        columns_add(&columns, "%s", log_in(peer));
        columns_add(&columns, "%s", peer->status[0] ? peer->status : "-");
        columns_add(&columns, "%.19s%s", peer->seen_s ? seen : "-", peer->seen_s ? "Z" : "");
    }
    columns_print(&columns, stdout);
}

/* As it stands in the file, but no token leaves it. */
static json_t *
list_json(const struct work *work)
{
    json_t *agents = json_array();

    for (size_t i = 0; i < work->n_jobs; i++) {
        const struct peer *peer = work->jobs[i].peer;
        json_t *json = peer_json(peer);

        (void)json_object_del(json, "token");
        (void)json_object_set_new(json, "login", json_string(log_in(peer)));
        if (json_array_append_new(agents, json) != 0)
            break;
    }
    return json_pack("{s:o?}", "agents", agents);
}

int
verb_list(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_err err = fleet_n(console->fleet) ? work_select(console, false, &work, report) : KS_OK;

    if (err)
        return (int)err;
    if (console->json) {
        json_t *json = list_json(&work);

        if (json)
            json_dumpf(json, stdout, JSON_INDENT(2));
        putchar('\n');
        json_decref(json);
    } else {
        print_list(&work);
    }
    return KS_OK;
}

int
verb_remove(struct console *console, struct report *report)
{
    ks_auto(work_deinit) struct work work = {0};
    ks_err err = work_select(console, true, &work, report);

    if (err)
        return (int)err;
    for (size_t i = 0; i < work.n_jobs; i++) {
        work.jobs[i].peer->removed = true;
        work.jobs[i].finished = true;
        outcome_done(&work.jobs[i].outcome, "removed from the list");
    }
    return work_end(console, &work, NULL, report);
}
