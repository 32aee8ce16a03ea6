/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - the keys that are not yet everywhere, and the front's own jobs about them
 */
#include "front/look.h"

#include "base/clock.h"
#include "base/log.h"
#include "front/directory.h"
#include "front/dispatch.h"
#include "front/front.h"
#include "front/route.h"

#define MAX_TRIES 7    /* after 0, 1, 3, 7, 15, 31 and 63 seconds */
#define MAX_WANTED 256 /* more keys do not change in a minute, or a rescan is due anyway */
#define DEADLINE_MS 60000

/* However much news one token has, the others go on working: a token is asked as often in a second as
 * this leaves time for, and a second's worth of that at once. */
#define LOOK_COST_MS 30
#define RESCAN_COST_MS 10000 /* the module begins anew, which takes seconds */
#define BURST_MS 1000

/* A key that `token` is to show as `source` does. */
struct wanted {
    char name[KEYNAME_MAX + 1];
    uint32_t version;
    char source[CONFIG_TITLE_MAX + 1], token[CONFIG_TITLE_MAX + 1];
    unsigned int n_tries;
    uint64_t next_ms;
};

struct look {
    struct front *front;
    struct wanted list[MAX_WANTED];
    size_t n_list;
    /* For what each token was asked, in the order of that configuration. */
    uint64_t paid_until_ms[CONFIG_MAX_TOKENS];
    uint64_t generation;
    struct log_limit limit;
};

static bool agrees(const struct front *front, const struct wanted *wanted);
static struct wanted *take_place(struct look *look, const struct wanted *wanted);
static void attend(struct look *look, struct wanted *wanted, uint64_t now_ms);
static bool may_ask(struct look *look, const struct config_token *token, uint64_t now_ms);
static void ask(struct front *front, const struct config_token *token, const struct wanted *wanted);
static void finish(struct call *call, const struct job_reply *reply);

static const struct operation LOOK = {
    .name = "look",
    .first_worker = true,
    .finish = finish,
};

ks_err
look_new(struct front *front, struct look **out)
{
    *out = calloc(1, sizeof(**out));
    if (!*out)
        return KS_ERR_INTERNAL;
    (*out)->front = front;
    return KS_OK;
}

struct look *
look_free(struct look *look)
{
    free(look);
    return NULL;
}

void
look_news(struct look *look, const char *token, const struct job_key *key)
{
    const struct config *config = look->front->config;
    const struct config_group *group = config_group_of(config, token);
    struct wanted wanted = {.version = key->version};

    if (!group || keyname_reserved(key->name))
        return;
    text_copy(wanted.name, sizeof(wanted.name), key->name);
    text_copy(wanted.source, sizeof(wanted.source), token);
    for (size_t i = 0; i < group->tokens.n_items; i++) {
        struct wanted *kept;

        text_copy(wanted.token, sizeof(wanted.token), group->tokens.items[i]);
        if (agrees(look->front, &wanted))
            continue;
        kept = take_place(look, &wanted);
        if (!kept) /* another token's may have its place already */
            continue;
        *kept = wanted;
        attend(look, kept, clock_mono_ms());
    }
}

/* What is not configured any more, or not known, is nothing to wait for. */
static bool
agrees(const struct front *front, const struct wanted *wanted)
{
    const struct directory *directory = front->directory;
    const struct directory_entry *source =
        directory_find(directory, wanted->name, wanted->version, wanted->source);
    const struct directory_entry *entry =
        directory_find(directory, wanted->name, wanted->version, wanted->token);

    if (strcmp(wanted->source, wanted->token) == 0 || !directory_knows(directory, wanted->token))
        return true;
    if (!source || !entry)
        return !source && !entry;
    return memcmp(source->public_key_sha256, entry->public_key_sha256, KS_SHA256_LEN) == 0;
}

/* The place of what is wanted of a token that is not there: it tells all of its keys when it is back. */
static struct wanted *
take_from_absent(struct look *look)
{
    for (size_t i = 0; i < look->n_list; i++) {
        if (!route_first_ready(look->front->route, look->list[i].token))
            return &look->list[i];
    }
    return NULL;
}

/* That of the same key on the same token, or a new one. */
static struct wanted *
take_place(struct look *look, const struct wanted *wanted)
{
    for (size_t i = 0; i < look->n_list; i++) {
        struct wanted *other = &look->list[i];

        if (other->version == wanted->version && strcmp(other->name, wanted->name) == 0 &&
            strcmp(other->token, wanted->token) == 0)
            return other;
    }
    if (look->n_list == MAX_WANTED) {
        struct wanted *place = take_from_absent(look);

        if (!place && log_allowed(&look->limit, 1))
            log_warning(
                "event=not-looked-for token=%s key=%s@%u text=\"too many keys have changed: "
                "keysvc token rescan %s\"",
                wanted->token, wanted->name, wanted->version, wanted->token);
        return place;
    }
    return &look->list[look->n_list++];
}

void
look_tick(struct look *look)
{
    uint64_t now_ms = look->n_list > 0 ? clock_mono_ms() : 0;

    for (size_t i = look->n_list; i > 0; i--)
        attend(look, &look->list[i - 1], now_ms);
}

/* It may be taken off the list: the last one has its place then. */
static void
attend(struct look *look, struct wanted *wanted, uint64_t now_ms)
{
    const struct config_token *token = config_token_find(look->front->config, wanted->token);
    bool done = !token || agrees(look->front, wanted);

    /* One that is not there may be listing its keys, and have passed the place of this one. */
    if (!done &&
        (wanted->next_ms > now_ms || !route_first_ready(look->front->route, wanted->token)))
        return;
    if (!done && wanted->n_tries == MAX_TRIES)
        log_warning("event=key-differs token=%s key=%s@%u text=\"token %s does not show it as "
                    "token %s of its group does\"",
                    wanted->token, wanted->name, wanted->version, wanted->token, wanted->source);
    if (done || wanted->n_tries == MAX_TRIES) {
        *wanted = look->list[--look->n_list];
        return;
    }
    if (!may_ask(look, token, now_ms))
        return;
    wanted->next_ms = now_ms + (1000ull << wanted->n_tries++);
    ask(look->front, token, wanted);
}

/* And it is asked. */
static bool
may_ask(struct look *look, const struct config_token *token, uint64_t now_ms)
{
    const struct config *config = look->front->config;
    uint64_t *paid_until_ms = &look->paid_until_ms[token - config->tokens];

    if (look->generation != config->generation)
        memset(look->paid_until_ms, 0, sizeof(look->paid_until_ms));
    look->generation = config->generation;
    if (*paid_until_ms < now_ms)
        *paid_until_ms = now_ms;
    if (*paid_until_ms >= now_ms + BURST_MS)
        return false;
    *paid_until_ms += token->profile.rescan_reinitializes ? RESCAN_COST_MS : LOOK_COST_MS;
    return true;
}

/* A module that lists its objects only when it is initialised has to do all of that. */
static void
ask(struct front *front, const struct config_token *token, const struct wanted *wanted)
{
    struct fault why = FAULT_INIT;
    struct job job = JOB_INIT;
    struct call *call = call_new(front, NULL, &LOOK, 0, 0);
    ks_err err;

    if (!call)
        return;
    job.id = call->request_id;
    job.generation = front->config->generation;
    job.operation = token->profile.rescan_reinitializes ? JOB_RESCAN : JOB_LOOK;
    text_copy(job.name, sizeof(job.name), wanted->name);
    job.version = wanted->version;
    call_start_deadline(call, DEADLINE_MS);
    err = route_submit(front->route, call, wanted->token, ROUTE_ANY, &job, &why);
    if (err)
        call_fail(call, err, &why);
}

/* What there is to say the directory has heard before the answer. */
static void
finish(struct call *call, const struct job_reply *reply)
{
    struct reply nobody = {0};

    (void)reply;
    call_answer(call, &nobody);
}
