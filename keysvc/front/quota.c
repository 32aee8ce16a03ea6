/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota - accounts in a hash table, the idle ones also in a queue, the longest idle first
 *
 * What an attacker can make us keep is bounded: live accounts by the connections, idle ones by
 * MAX_IDLE and a minute, buckets by the rules.
 */
#include "front/quota.h"

#include <assert.h>
#include <sys/queue.h>

#include "base/clock.h"

#define N_CHAINS 1024 /* of the hash table */
#define KEEP_IDLE_MS (60 * 1000)
#define MAX_IDLE 4096            /* accounts without a connection */
#define OPEN_BUCKET "(open)"     /* no rule is called so */
#define FAILED_BUCKET "(failed)" /* nor so */
#define MILLI 1000 /* an operation costs MILLI of a bucket; rate a second is rate a millisecond */

struct bucket {
    SLIST_ENTRY(bucket) next;
    char rule[CONFIG_TITLE_MAX + 1];
    uint64_t level; /* thousandths of an operation */
    uint64_t filled_ms;
};

struct quota_account {
    LIST_ENTRY(quota_account) chain;
    TAILQ_ENTRY(quota_account) idle;   /* while n_connections is 0 */
    LIST_ENTRY(quota_account) refused; /* while n_refused is not 0 */
    uint32_t n_refused;
    SLIST_HEAD(, bucket) buckets;
    uint32_t uid;
    char unit[JOB_UNIT_MAX + 1];
    uint32_t n_connections;
    uint32_t n_requests;
    size_t n_bytes;
    size_t n_files;
    uint64_t idle_since_ms;
    uint64_t id;
    uint64_t round; /* the last one in which it was served */
    uint64_t turn;  /* of the loop, to which these belong: */
    uint32_t turn_used, turn_woken;
};

struct quota {
    LIST_HEAD(, quota_account) chains[N_CHAINS];
    TAILQ_HEAD(, quota_account) idle;
    LIST_HEAD(, quota_account) refused;
    uint32_t n_idle;
    uint32_t n_connections;
    size_t n_files; /* of all, and what is lent */
    uint64_t last_id;
};

static void drop_idle(struct quota *quota);
static void account_drop(struct quota_account *account);
static void forgive(struct quota_account *account);

ks_err
quota_new(struct quota **out)
{
    struct quota *quota = calloc(1, sizeof(*quota));

    if (!quota)
        return KS_ERR_INTERNAL;
    TAILQ_INIT(&quota->idle);
    LIST_INIT(&quota->refused);
    *out = quota;
    return KS_OK;
}

struct quota *
quota_free(struct quota *quota)
{
    if (!quota)
        return NULL;
    for (size_t i = 0; i < N_CHAINS; i++)
        while (!LIST_EMPTY(&quota->chains[i]))
            account_drop(LIST_FIRST(&quota->chains[i]));
    free(quota);
    return NULL;
}

/* FNV-1a; a caller does not choose enough of its uid and unit to make chains long. */
static size_t
chain_of(uint32_t uid, const char *unit)
{
    uint32_t hash = 0x811c9dc5u;

    for (size_t i = 0; i < sizeof(uid); i++)
        hash = (hash ^ (uid >> (8 * i) & 0xff)) * 0x01000193u;
    for (; *unit; unit++)
        hash = (hash ^ (uint8_t)*unit) * 0x01000193u;
    return hash % N_CHAINS;
}

/* The unit that tells callers of one uid apart: none where the user makes it himself. */
static const char *
unit_of(const struct peer *peer)
{
    bool is_own = strncmp(peer->unit, "session-", 8) == 0 || strncmp(peer->unit, "user@", 5) == 0;

    return is_own ? "" : peer->unit;
}

static struct quota_account *
account_find(struct quota *quota, const struct peer *peer)
{
    const char *unit = unit_of(peer);
    struct quota_account *account;

    LIST_FOREACH(account, &quota->chains[chain_of(peer->uid, unit)], chain)
    {
        if (account->uid == peer->uid && strcmp(account->unit, unit) == 0)
            return account;
    }
    return NULL;
}

static struct quota_account *
account_add(struct quota *quota, const struct peer *peer)
{
    struct quota_account *account = calloc(1, sizeof(*account));

    if (!account)
        return NULL;
    account->id = ++quota->last_id;
    account->uid = peer->uid;
    text_copy(account->unit, sizeof(account->unit), unit_of(peer));
    SLIST_INIT(&account->buckets);
    LIST_INSERT_HEAD(&quota->chains[chain_of(account->uid, account->unit)], account, chain);
    return account;
}

static void
account_drop(struct quota_account *account)
{
    while (!SLIST_EMPTY(&account->buckets)) {
        struct bucket *bucket = SLIST_FIRST(&account->buckets);

        SLIST_REMOVE_HEAD(&account->buckets, next);
        free(bucket);
    }
    forgive(account);
    LIST_REMOVE(account, chain);
    free(account);
}

static void
drop_idle(struct quota *quota)
{
    uint64_t now_ms = clock_mono_ms();
    struct quota_account *account;

    for (uint32_t n = quota->n_idle; n > 0; n--) {
        account = TAILQ_FIRST(&quota->idle);
        if (quota->n_idle <= MAX_IDLE && now_ms - account->idle_since_ms < KEEP_IDLE_MS)
            return;
        TAILQ_REMOVE(&quota->idle, account, idle);
        if (account->n_requests > 0) {
            /* Its connection is gone, a token still works for it; the put comes later. */
            account->idle_since_ms = now_ms;
            TAILQ_INSERT_TAIL(&quota->idle, account, idle);
            continue;
        }
        quota->n_idle--;
        account_drop(account);
    }
}

/* The text that says whom a limit met. */
static void
refuse(struct fault *why, const struct quota_account *account, const char *what, uint64_t limit)
{
    fault_set(why, "uid %u%s%.100s: %s, the limit is %llu", account->uid,
              account->unit[0] ? " in " : "", account->unit, what, (unsigned long long)limit);
}

static ks_err
connections_left(const struct quota *quota, const struct config_limits *limits, bool administrator,
                 struct fault *why)
{
    uint32_t max = limits->max_connections;

    if (!administrator)
        max = max > limits->reserved ? max - limits->reserved : 0;
    if (quota->n_connections < max)
        return KS_OK;
    fault_set(why, "too many connections of all callers, the limit is %u%s", max,
              administrator ? "" : " and some for administrators");
    return KS_ERR_BUSY;
}

ks_err
quota_connect(struct quota *quota, const struct config_limits *limits, const struct peer *peer,
              bool administrator, struct quota_account **out, struct fault *why)
{
    struct quota_account *account;
    ks_err err;

    drop_idle(quota);
    err = connections_left(quota, limits, administrator, why);
    if (err)
        return err;
    account = account_find(quota, peer);
    if (account && account->n_connections >= limits->max_connections_per_caller) {
        refuse(why, account, "too many connections", limits->max_connections_per_caller);
        return KS_ERR_BUSY;
    }
    if (account && account->n_connections == 0) {
        TAILQ_REMOVE(&quota->idle, account, idle);
        quota->n_idle--;
    }
    if (!account)
        account = account_add(quota, peer);
    if (!account) {
        fault_set(why, "no memory for a caller's account");
        return KS_ERR_INTERNAL;
    }
    account->n_connections++;
    quota->n_connections++;
    *out = account;
    return KS_OK;
}

void
quota_disconnect(struct quota *quota, struct quota_account *account)
{
    assert(account->n_connections > 0 && quota->n_connections > 0);
    quota->n_connections--;
    account->n_connections--;
    if (account->n_connections > 0)
        return;
    if (SLIST_EMPTY(&account->buckets) && account->n_requests == 0) {
        account_drop(account);
        return;
    }
    account->idle_since_ms = clock_mono_ms();
    TAILQ_INSERT_TAIL(&quota->idle, account, idle);
    quota->n_idle++;
    drop_idle(quota);
}

uint32_t
quota_n_connections(const struct quota *quota)
{
    return quota->n_connections;
}

ks_err
quota_take(struct quota_account *account, const struct config_limits *limits, size_t bytes,
           struct fault *why)
{
    if (bytes > limits->max_bytes_per_caller) {
        refuse(why, account, "a request too large for any of this caller",
               limits->max_bytes_per_caller);
        return KS_ERR_TOO_LARGE;
    }
    if (account->n_requests >= limits->max_requests_per_caller) {
        refuse(why, account, "too many open requests", limits->max_requests_per_caller);
        return KS_ERR_BUSY;
    }
    /* A reload may have lowered the limit below what is held. */
    if (account->n_bytes > limits->max_bytes_per_caller - bytes) {
        refuse(why, account, "too many bytes in open requests", limits->max_bytes_per_caller);
        return KS_ERR_BUSY;
    }
    account->n_requests++;
    account->n_bytes += bytes;
    return KS_OK;
}

void
quota_put(struct quota_account *account, size_t bytes)
{
    assert(account->n_requests > 0 && account->n_bytes >= bytes);
    account->n_requests--;
    account->n_bytes -= bytes;
}

ks_err
quota_files_take(struct quota *quota, struct quota_account *account, bool administrator,
                 size_t n_files, struct fault *why)
{
    size_t max = administrator ? QUOTA_FILES : QUOTA_FILES - QUOTA_FILES_RESERVED;

    if (account->n_files + n_files > QUOTA_FILES_PER_CALLER) {
        refuse(why, account, "too many descriptors in open requests", QUOTA_FILES_PER_CALLER);
        return KS_ERR_BUSY;
    }
    if (quota->n_files + n_files > max) {
        fault_set(why, "too many descriptors in open requests of all callers, the limit is %zu",
                  max);
        return KS_ERR_BUSY;
    }
    account->n_files += n_files;
    quota->n_files += n_files;
    return KS_OK;
}

void
quota_files_put(struct quota *quota, struct quota_account *account, size_t n_files)
{
    assert(account->n_files >= n_files && quota->n_files >= n_files);
    account->n_files -= n_files;
    quota->n_files -= n_files;
}

void
quota_files_lend(struct quota *quota, size_t n_files)
{
    quota->n_files += n_files;
}

void
quota_files_return(struct quota *quota, size_t n_files)
{
    assert(quota->n_files >= n_files);
    quota->n_files -= n_files;
}

bool
quota_served(struct quota_account *account, uint64_t round)
{
    bool served = account->round == round;

    account->round = round;
    return served;
}

static void
turn_begin(struct quota_account *account, uint64_t turn)
{
    if (account->turn == turn)
        return;
    account->turn = turn;
    account->turn_used = account->turn_woken = 0;
}

bool
quota_turn_left(struct quota_account *account, uint64_t turn)
{
    turn_begin(account, turn);
    return account->n_refused < QUOTA_REFUSED && account->turn_used < QUOTA_TURN;
}

void
quota_turn_use(struct quota_account *account, uint64_t turn, size_t bytes)
{
    turn_begin(account, turn);
    account->turn_used += (uint32_t)(1 + bytes / QUOTA_TURN_BYTES);
}

bool
quota_turn_wake(struct quota_account *account, uint64_t turn)
{
    turn_begin(account, turn);
    if (account->n_refused >= QUOTA_REFUSED)
        return false;
    if (account->turn_woken == QUOTA_TURN / 2) /* a read and a request at least */
        return false;
    account->turn_woken++;
    return true;
}

void
quota_refused(struct quota *quota, struct quota_account *account)
{
    if (account->n_refused++ == 0)
        LIST_INSERT_HEAD(&quota->refused, account, refused);
}

static void
forgive(struct quota_account *account)
{
    if (account->n_refused > 0)
        LIST_REMOVE(account, refused);
    account->n_refused = 0;
}

void
quota_forgive(struct quota *quota)
{
    while (!LIST_EMPTY(&quota->refused))
        forgive(LIST_FIRST(&quota->refused));
}

uint64_t
quota_id(const struct quota_account *account)
{
    return account->id;
}

static struct bucket *
bucket_of(struct quota_account *account, const char *name, uint32_t rate_per_s, uint64_t now_ms)
{
    struct bucket *bucket;

    SLIST_FOREACH(bucket, &account->buckets, next)
    {
        if (strcmp(bucket->rule, name) == 0)
            return bucket;
    }
    bucket = calloc(1, sizeof(*bucket));
    if (!bucket)
        return NULL;
    text_copy(bucket->rule, sizeof(bucket->rule), name);
    bucket->level = (uint64_t)rate_per_s * MILLI;
    bucket->filled_ms = now_ms;
    SLIST_INSERT_HEAD(&account->buckets, bucket, next);
    return bucket;
}

/* The bucket with what has flowed in until now; NULL: no memory. */
static struct bucket *
bucket_filled(struct quota_account *account, const char *name, uint32_t rate_per_s, uint64_t now_ms)
{
    uint64_t full = (uint64_t)rate_per_s * MILLI, elapsed_ms;
    struct bucket *bucket = bucket_of(account, name, rate_per_s, now_ms);

    if (!bucket)
        return NULL;
    elapsed_ms = now_ms > bucket->filled_ms ? now_ms - bucket->filled_ms : 0;
    bucket->filled_ms += elapsed_ms;
    /* After a second it is full whatever it was; so the product cannot overflow. */
    bucket->level = elapsed_ms >= MILLI ? full : bucket->level + elapsed_ms * rate_per_s;
    if (bucket->level > full)
        bucket->level = full;
    return bucket;
}

static ks_err
no_memory(struct fault *why)
{
    fault_set(why, "no memory for a caller's rate");
    return KS_ERR_INTERNAL;
}

ks_err
quota_rate(struct quota *quota, struct quota_account *account, const struct config_rule *rule,
           uint64_t now_ms, struct fault *why)
{
    struct bucket *bucket;

    (void)quota;
    if (rule->rate_per_s == 0)
        return KS_OK;
    bucket = bucket_filled(account, rule->name, rule->rate_per_s, now_ms);
    if (!bucket)
        return no_memory(why);
    if (bucket->level < MILLI) {
        fault_set(why, "rule %s allows uid %u%s%.100s %u operations a second", rule->name,
                  account->uid, account->unit[0] ? " in " : "", account->unit, rule->rate_per_s);
        return KS_ERR_BUSY;
    }
    bucket->level -= MILLI;
    return KS_OK;
}

ks_err
quota_open_rate(struct quota_account *account, uint64_t now_ms, struct fault *why)
{
    struct bucket *bucket = bucket_filled(account, OPEN_BUCKET, QUOTA_OPEN_PER_SECOND, now_ms);

    if (!bucket)
        return no_memory(why);
    if (bucket->level < MILLI) {
        refuse(why, account, "too many status, list and explain a second", QUOTA_OPEN_PER_SECOND);
        return KS_ERR_BUSY;
    }
    bucket->level -= MILLI;
    return KS_OK;
}

void
quota_job_failed(struct quota_account *account, uint64_t now_ms)
{
    struct bucket *bucket = bucket_filled(account, FAILED_BUCKET, QUOTA_FAILED_PER_SECOND, now_ms);

    if (bucket)
        bucket->level -= bucket->level < MILLI ? bucket->level : MILLI;
}

ks_err
quota_may_fail(struct quota_account *account, uint64_t now_ms, struct fault *why)
{
    const struct bucket *bucket =
        bucket_filled(account, FAILED_BUCKET, QUOTA_FAILED_PER_SECOND, now_ms);

    if (!bucket)
        return no_memory(why);
    if (bucket->level >= MILLI)
        return KS_OK;
    refuse(why, account, "too many jobs failed within a second", QUOTA_FAILED_PER_SECOND);
    return KS_ERR_BUSY;
}
