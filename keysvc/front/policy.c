/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - rules against a peer, a key and an operation
 */
#include "front/policy.h"

#include <stdio.h>

#include "front/policy_private.h"

#define EXPANDED_MAX 512 /* bytes of a rule's glob with its {words} filled in; longer: no match */

const struct config_rule *
policy_find(const struct config *config, const struct peer *peer, const char *key,
            enum config_operation operation)
{
    struct question question = policy_question(config, peer, key, operation);

    for (size_t i = 0; !question.hopeless && i < config->n_rules; i++) {
        if (policy_lacks(&question, &config->rules[i]) == 0)
            return &config->rules[i];
    }
    return NULL;
}

bool
policy_any_key(const struct config *config, const struct peer *peer,
               enum config_operation operation)
{
    const struct question any_key = {.config = config, .peer = peer, .listed = operation};

    for (size_t i = 0; i < config->n_rules; i++) {
        if (policy_lacks(&any_key, &config->rules[i]) == 0)
            return true;
    }
    return false;
}

bool
policy_sees_keys(const struct config *config, const struct peer *peer)
{
    return policy_any_key(config, peer, OPERATION_GET) ||
           policy_find(config, peer, NULL, OPERATION_ADMINISTER) != NULL;
}

struct question
policy_question(const struct config *config, const struct peer *peer, const char *key,
                enum config_operation operation)
{
    struct question question = {.config = config, .peer = peer, .asked = operation};

    if (operation == OPERATION_ADMINISTER) {
        question.listed = OPERATION_ADMINISTER;
        return question;
    }
    question.key = key;
    if (key)
        question.class = config_class_of(config, key);
    if (key && !question.class && operation == OPERATION_GET) {
        question.listed = OPERATION_ADMINISTER;
        return question;
    }
    question.listed = operation;
    question.keys_count = key != NULL;
    question.hopeless = question.class == NULL;
    return question;
}

static bool
has_id(const uint32_t *ids, size_t n_ids, uint32_t id)
{
    for (size_t i = 0; i < n_ids; i++) {
        if (ids[i] == id)
            return true;
    }
    return false;
}

static bool
has_group(const struct config_rule *rule, const struct peer *peer)
{
    if (has_id(rule->gids, rule->n_gids, peer->gid))
        return true;
    for (size_t i = 0; i < peer->n_gids; i++) {
        if (has_id(rule->gids, rule->n_gids, peer->gids[i]))
            return true;
    }
    return false;
}

/* May this rule go by the peer's unit? Without a pidfd the process that is looked up may not be the
 * one that connected, so the unit only narrows what a user or group has opened. */
static bool
unit_counts(const struct config_rule *rule, const struct peer *peer)
{
    return peer->unit_proven || rule->n_uids > 0 || rule->n_gids > 0;
}

/* The value of "{user}", "{uid}" or "{unit}"; empty: it has none that could stand in a key's name.
 */
static size_t
word_value(const char *word, const struct config_rule *rule, const struct peer *peer,
           const char **value, char uid[static 11])
{
    *value = "";
    if (strncmp(word, "{user}", 6) == 0) {
        *value = peer->user;
    } else if (strncmp(word, "{uid}", 5) == 0) {
        snprintf(uid, 11, "%u", peer->uid);
        *value = uid;
    } else if (strncmp(word, "{unit}", 6) == 0) {
        if (unit_counts(rule, peer))
            *value = peer->unit;
    } else {
        return 0;
    }
    /* One whole component: a value with a slash or a star would open other people's keys. */
    if (strchr(*value, '/') || !keyname_valid(*value))
        *value = "";
    return strcspn(word, "}") + 1;
}

/* False: a word has no value, or the result is too long; then the glob matches nothing. */
static bool
expand(const char *glob, const struct config_rule *rule, const struct peer *peer,
       char out[static EXPANDED_MAX])
{
    size_t len = 0;

    while (*glob != '\0') {
        size_t literal_len = strcspn(glob, "{"), word_len = 0;
        const char *value = "";
        char uid[11];

        if (len + literal_len >= EXPANDED_MAX)
            return false;
        memcpy(out + len, glob, literal_len);
        len += literal_len;
        glob += literal_len;
        if (*glob == '\0')
            break;
        word_len = word_value(glob, rule, peer, &value, uid);
        if (value[0] == '\0' || !text_copy(out + len, EXPANDED_MAX - len, value))
            return false;
        len += strlen(value);
        glob += word_len;
    }
    out[len] = '\0';
    return true;
}

static bool
keys_match(const struct config_rule *rule, const struct peer *peer, const char *key)
{
    char expanded[EXPANDED_MAX];

    for (size_t i = 0; i < rule->keys.n_items; i++) {
        const char *glob = rule->keys.items[i];

        if (strchr(glob, '{')) {
            if (!expand(glob, rule, peer, expanded))
                continue;
            glob = expanded;
        }
        if (glob_match(glob, key))
            return true;
    }
    return false;
}

unsigned int
policy_lacks(const struct question *question, const struct config_rule *rule)
{
    const struct peer *peer = question->peer;
    unsigned int lack = 0;

    if (rule->n_uids > 0 && !has_id(rule->uids, rule->n_uids, peer->uid))
        lack |= LACK_USER;
    if (rule->n_gids > 0 && !has_group(rule, peer))
        lack |= LACK_GROUP;
    if (rule->units.n_items > 0) {
        if (peer->unit[0] == '\0' || !strv_contains(&rule->units, peer->unit))
            lack |= LACK_UNIT;
        else if (!unit_counts(rule, peer))
            lack |= LACK_PROOF;
    }
    if ((rule->operations & (uint32_t)question->listed) == 0)
        lack |= LACK_OPERATION;
    if (question->keys_count && !keys_match(rule, peer, question->key))
        lack |= LACK_KEYS;
    return lack;
}
