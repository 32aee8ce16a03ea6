/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_policy_random - random rules and requests: the front decides as a reference evaluator does
 *
 * The reference was written from the design's section on the configuration alone, as plainly as can
 * be: it tries all ways a star can go, and knows nothing of how policy.c asks. A failure prints its
 * seed; KEYSVC_TEST_SEED=N runs the same cases again.
 */
#include <criterion/criterion.h>

#include <inttypes.h>
#include <stdio.h>
#include <sys/random.h>

#include "front/policy.h"

#define N_CONFIGS 4000
#define N_REQUESTS 50 /* of each */
#define MAX_CLASSES 4
#define MAX_RULES 5

/* --- the reference --- */

static bool
matches(const char *glob, const char *name)
{
    bool crosses = glob[0] == '*' && glob[1] == '*';

    if (glob[0] != '*')
        return glob[0] == name[0] && (glob[0] == '\0' || matches(glob + 1, name + 1));
    for (;; name++) {
        if (matches(glob + 1 + crosses, name))
            return true;
        if (name[0] == '\0' || (name[0] == '/' && !crosses))
            return false;
    }
}

/* Of the classes that match, the one with the most before its first star; equal ones were refused when the
 * file was read. Names under keysvc/ are in none. */
static const struct config_class *
class_of(const struct config *config, const char *key)
{
    const struct config_class *best = NULL;

    for (size_t i = 0; i < config->n_classes && strncmp(key, "keysvc/", 7) != 0; i++) {
        const struct config_class *one = &config->classes[i];

        if (matches(one->glob, key) &&
            (!best || strcspn(one->glob, "*") > strcspn(best->glob, "*")))
            best = one;
    }
    return best;
}

/* Puts the caller's words into a glob; false: one of them cannot stand in a name. */
static bool
fill_in(const char *glob, const char *user, const char *uid, const char *unit, char *out)
{
    for (*out = '\0'; *glob != '\0';) {
        const char *word = strncmp(glob, "{user}", 6) == 0   ? user
                           : strncmp(glob, "{uid}", 5) == 0  ? uid
                           : strncmp(glob, "{unit}", 6) == 0 ? unit
                                                             : NULL;

        if (!word) {
            strncat(out, glob++, 1);
            continue;
        }
        if (word[0] == '\0' || strcmp(word, ".") == 0 || strcmp(word, "..") == 0 ||
            strpbrk(word, "/*@ {"))
            return false;
        strcat(out, word);
        glob = strchr(glob, '}') + 1;
    }
    return true;
}

static bool
rule_allows(const struct config_rule *rule, const struct peer *peer, const char *key,
            uint32_t operation)
{
    bool user = rule->n_uids == 0, group = rule->n_gids == 0, unit = rule->units.n_items == 0;
    bool trusted = peer->unit_proven || !user || !group, named = !key;
    char uid[16], glob[512];

    snprintf(uid, sizeof(uid), "%u", peer->uid);
    for (size_t i = 0; i < rule->n_uids; i++)
        user = user || rule->uids[i] == peer->uid;
    for (size_t i = 0; i < rule->n_gids; i++) {
        group = group || rule->gids[i] == peer->gid;
        for (size_t j = 0; j < peer->n_gids; j++)
            group = group || rule->gids[i] == peer->gids[j];
    }
    for (size_t i = 0; i < rule->units.n_items; i++)
        unit = unit || (trusted && strcmp(rule->units.items[i], peer->unit) == 0);
    for (size_t i = 0; key && i < rule->keys.n_items; i++)
        named = named ||
                (fill_in(rule->keys.items[i], peer->user, uid, trusted ? peer->unit : "", glob) &&
                 matches(glob, key));
    return user && group && unit && named && (rule->operations & operation) != 0;
}

/* The first rule that allows it. A key in no class is seen by administrators and used by nobody. */
static const struct config_rule *
reference(const struct config *config, const struct peer *peer, const char *key, uint32_t operation)
{
    if (operation == OPERATION_ADMINISTER)
        key = NULL;
    else if (!key)
        return NULL;
    else if (!class_of(config, key)) {
        if (operation != OPERATION_GET)
            return NULL;
        operation = OPERATION_ADMINISTER;
        key = NULL;
    }
    for (size_t i = 0; i < config->n_rules; i++)
        if (rule_allows(&config->rules[i], peer, key, operation))
            return &config->rules[i];
    return NULL;
}

/* --- chance --- */

static uint64_t state; /* splitmix64 */

static uint32_t
below(uint32_t n)
{
    uint64_t z = (state += 0x9e3779b97f4a7c15u);

    z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u;
    z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
    return (uint32_t)((z ^ (z >> 31)) % n);
}

#define ONE_OF(words) ((words)[below(ARRAY_LEN(words))])

static const char *const NAMES[] = {"a", "b", "ab", "a.b", "aa", "1", "keysvc", "a.service"};
static const char *const USERS[] = {"a", "b", "ab", "", ".", "..", "a/b", "*", "**"};
static const char *const UNITS[] = {"", "a.service", "b.service", "a@1.service", "a"};

/* A name, or with stars and words a glob, that the configuration's reader would take. */
static void
random_path(bool stars, bool words, char out[static GLOB_MAX_LEN + 1])
{
    static const char *const STARS[] = {"*", "**", "a*", "*b", "**b", "a**", "*a*", "a*b"};
    static const char *const WORDS[] = {"{user}", "{uid}", "{unit}", "a{user}", "{user}*"};
    struct fault why = FAULT_INIT;
    char plain[GLOB_MAX_LEN + 1];

    do {
        size_t len = 0;

        for (uint32_t n = 1 + below(3); n > 0; n--) {
            const char *part = ONE_OF(NAMES);

            if (stars && below(3) == 0)
                part = ONE_OF(STARS);
            else if (words && below(4) == 0)
                part = ONE_OF(WORDS);
            len += (size_t)sprintf(out + len, "%s%s", len > 0 ? "/" : "", part);
        }
        /* The reader checks a rule's glob with its words taken for text. */
        text_copy(plain, sizeof(plain), out);
        for (char *c = plain; *c != '\0'; c++)
            *c = *c == '{' || *c == '}' ? 'x' : *c;
    } while (glob_check(plain, &why) != KS_OK);
}

static bool
ties(const struct config *config, const char *glob)
{
    size_t len = strcspn(glob, "*");

    for (size_t i = 0; i < config->n_classes; i++) {
        const char *other = config->classes[i].glob;

        if (strcspn(other, "*") == len && strncmp(glob, other, len) == 0 &&
            glob_overlap(glob, other))
            return true;
    }
    return false;
}

static void
random_classes(struct config *config)
{
    for (uint32_t n = below(MAX_CLASSES + 1); n > 0; n--) {
        char glob[GLOB_MAX_LEN + 1];

        random_path(true, false, glob);
        if (ties(config, glob) || strncmp(glob, "keysvc/", 7) == 0)
            continue; /* the file would be refused */
        text_copy(config->classes[config->n_classes++].glob, sizeof(glob), glob);
    }
}

static size_t
random_ids(uint32_t **out, uint32_t first)
{
    size_t n = below(2) == 0 ? 0 : 1 + below(2);

    *out = calloc(n + 1, sizeof(**out));
    for (size_t i = 0; i < n; i++)
        (*out)[i] = first + below(3);
    return n;
}

static void
random_rules(struct config *config)
{
    for (uint32_t n = below(MAX_RULES + 1); n > 0; n--) {
        struct config_rule *rule = &config->rules[config->n_rules++];
        char glob[GLOB_MAX_LEN + 1];

        memset(rule, 0, sizeof(*rule));
        snprintf(rule->name, sizeof(rule->name), "rule-%zu", config->n_rules);
        rule->n_uids = random_ids(&rule->uids, 0);
        rule->n_gids = random_ids(&rule->gids, 10);
        for (uint32_t i = below(3) == 0 ? 1 + below(2) : 0; i > 0; i--)
            cr_assert_eq(strv_add(&rule->units, UNITS[1 + below(ARRAY_LEN(UNITS) - 1)]), KS_OK);
        for (uint32_t i = below(3); i > 0; i--) {
            random_path(true, true, glob);
            cr_assert_eq(strv_add(&rule->keys, glob), KS_OK);
        }
        rule->operations = below(4) == 0 ? OPERATION_ALL : below(OPERATION_ALL + 1);
        if (below(3) == 0)
            rule->operations |= OPERATION_ADMINISTER;
    }
}

static void
clear(struct config *config)
{
    for (size_t i = 0; i < config->n_rules; i++) {
        free(config->rules[i].uids);
        free(config->rules[i].gids);
        strv_deinit(&config->rules[i].units);
        strv_deinit(&config->rules[i].keys);
    }
    config->n_rules = config->n_classes = 0;
}

static struct peer
random_peer(uint32_t gids[static 3])
{
    struct peer peer = {.uid = below(3), .gid = 10 + below(3), .unit_proven = below(2) == 0};

    text_copy(peer.user, sizeof(peer.user), ONE_OF(USERS));
    text_copy(peer.unit, sizeof(peer.unit), ONE_OF(UNITS));
    peer.unit_proven = peer.unit_proven && peer.unit[0] != '\0';
    peer.gids = gids;
    for (peer.n_gids = 0; peer.n_gids < below(4); peer.n_gids++)
        gids[peer.n_gids] = 10 + below(4);
    return peer;
}

/* --- the comparison --- */

static void
say(const struct config *config, const struct peer *peer, const char *key, uint32_t operation)
{
    for (size_t i = 0; i < config->n_classes; i++)
        cr_log_error("keys \"%s\"", config->classes[i].glob);
    for (size_t i = 0; i < config->n_rules; i++) {
        const struct config_rule *rule = &config->rules[i];

        cr_log_error("%s: %zu users %u.., %zu groups %u.., operations %#x", rule->name,
                     rule->n_uids, rule->n_uids ? rule->uids[0] : 0, rule->n_gids,
                     rule->n_gids ? rule->gids[0] : 0, rule->operations);
        for (size_t j = 0; j < rule->units.n_items; j++)
            cr_log_error("    unit %s", rule->units.items[j]);
        for (size_t j = 0; j < rule->keys.n_items; j++)
            cr_log_error("    keys %s", rule->keys.items[j]);
    }
    cr_log_error("uid %u gid %u user \"%s\" unit \"%s\" proven %d: %s of %s", peer->uid, peer->gid,
                 peer->user, peer->unit, peer->unit_proven, config_operation_name(operation),
                 key ? key : "the service");
}

static bool
same(const struct config *config, const struct peer *peer, const char *key,
     enum config_operation operation)
{
    const struct config_rule *wanted = reference(config, peer, key, operation);
    struct policy_answer answer;
    bool explained = true;

    if (policy_find(config, peer, key, operation) != wanted ||
        (key && config_class_of(config, key) != class_of(config, key)))
        return false;
    /* Short cuts may be too hopeful, never too strict. */
    if (wanted && key && class_of(config, key) && !policy_any_key(config, peer, operation))
        return false;
    if (wanted && operation == OPERATION_GET && !policy_sees_keys(config, peer))
        return false;
    if (below(16) == 0) {
        cr_assert_eq(policy_explain(config, peer, key, operation, &answer), KS_OK);
        explained = answer.rule == wanted && (wanted == NULL || answer.missing[0] == '\0');
        policy_answer_deinit(&answer);
    }
    return explained;
}

static uint64_t
seed(void)
{
    const char *given = getenv("KEYSVC_TEST_SEED");
    uint64_t chance;

    if (given)
        return strtoull(given, NULL, 10);
    cr_assert_eq(getrandom(&chance, sizeof(chance), 0), sizeof(chance));
    return chance;
}

Test(policy_random, the_front_decides_as_the_reference_does)
{
    static struct config_class classes[MAX_CLASSES];
    static struct config_rule rules[MAX_RULES];
    struct config config = {.classes = classes, .rules = rules};
    uint64_t start = state = seed();
    unsigned int n_allowed = 0;

    for (unsigned int i = 0; i < N_CONFIGS; i++) {
        random_classes(&config);
        random_rules(&config);
        for (unsigned int j = 0; j < N_REQUESTS; j++) {
            enum config_operation operation = (enum config_operation)(1u << below(10));
            char name[GLOB_MAX_LEN + 1];
            uint32_t gids[3];
            struct peer peer = random_peer(gids);
            const char *key = below(16) == 0 ? NULL : name;

            random_path(false, false, name);
            if (!same(&config, &peer, key, operation)) {
                say(&config, &peer, key, operation);
                cr_assert_fail("another decision; again with KEYSVC_TEST_SEED=%" PRIu64, start);
            }
            n_allowed += reference(&config, &peer, key, operation) != NULL;
        }
        clear(&config);
    }
    /* Where nearly all are refused, or allowed, nothing was compared. */
    cr_assert_gt(n_allowed, N_CONFIGS * N_REQUESTS / 50, "seed %" PRIu64, start);
    cr_assert_lt(n_allowed, N_CONFIGS * N_REQUESTS / 2, "seed %" PRIu64, start);
}
