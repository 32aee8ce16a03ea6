/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_words - why a rule does not allow it, and the sections that would
 */
#include <stdarg.h>
#include <stdio.h>

#include "base/fault.h"
#include "front/policy_private.h"

static struct question refused_question(const struct question *question);
static void describe(const struct question *question, const struct config_rule *rule,
                     unsigned int lack, char *out, size_t cap);
static void missing_sections(const struct question *question, char *out, size_t cap);

ks_err
policy_explain(const struct config *config, const struct peer *peer, const char *key,
               enum config_operation operation, struct policy_answer *out)
{
    struct question question = policy_question(config, peer, key, operation);

    *out = (struct policy_answer){.class = question.class, .reasons = STRV_INIT};
    for (size_t i = 0; i < config->n_rules; i++) {
        const struct config_rule *rule = &config->rules[i];
        unsigned int lack = policy_lacks(&question, rule);
        char reason[768];

        if (lack == 0 && !question.hopeless && !out->rule)
            out->rule = rule;
        describe(&question, rule, lack, reason, sizeof(reason));
        if (strv_add(&out->reasons, reason) != KS_OK) {
            policy_answer_deinit(out);
            return KS_ERR_INTERNAL;
        }
    }
    if (!out->rule) {
        question = refused_question(&question);
        missing_sections(&question, out->missing, sizeof(out->missing));
    }
    return KS_OK;
}

void
policy_answer_deinit(struct policy_answer *answer)
{
    strv_deinit(&answer->reasons);
}

/*
 * As whoever was refused should see it: who asks for a key that no class covers is not short of the
 * right to administer, which would show it too, but of the class, and of a rule for that key alone.
 */
static struct question
refused_question(const struct question *question)
{
    struct question refused = *question;

    if (refused.key && !refused.class && !keyname_reserved(refused.key)) {
        refused.listed = refused.asked;
        refused.keys_count = true;
        refused.hopeless = true;
    }
    return refused;
}

/* Appends to a text that is cut where it is full. */
static void KS_PRINTF(3, 4) append(char *out, size_t cap, const char *format, ...)
{
    size_t len = strlen(out);
    va_list args;

    va_start(args, format);
    vsnprintf(out + len, cap - len, format, args);
    va_end(args);
}

/* "user www-data (uid 33)", "uid 1000" */
static void
append_user(const struct peer *peer, char *out, size_t cap)
{
    if (peer->user[0] != '\0')
        append(out, cap, "user %s (uid %u)", peer->user, peer->uid);
    else
        append(out, cap, "uid %u", peer->uid);
}

static void
append_unit(const struct question *question, const struct config_rule *rule, char *out, size_t cap)
{
    const char *unit = question->peer->unit;

    append(out, cap, "is for unit");
    for (size_t i = 0; i < rule->units.n_items && i < 3; i++)
        append(out, cap, "%s %s", i > 0 ? "," : "", rule->units.items[i]);
    append(out, cap, "%s and not for %s", rule->units.n_items > 3 ? ", ..." : "",
           unit[0] != '\0' ? unit : "a caller without a unit");
}

/* What the rule lacks, as phrases with semicolons between them. */
static void
append_lacks(const struct question *question, const struct config_rule *rule, unsigned int lack,
             char *out, size_t cap)
{
    size_t start = strlen(out);

#define NEXT (strlen(out) > start ? "; " : "")
    if (lack & LACK_USER) {
        append(out, cap, "%sis not for ", NEXT);
        append_user(question->peer, out, cap);
    }
    if (lack & LACK_GROUP)
        append(out, cap, "%sis for no group of the caller", NEXT);
    if (lack & LACK_UNIT) {
        append(out, cap, "%s", NEXT);
        append_unit(question, rule, out, cap);
    }
    if (lack & LACK_PROOF)
        append(out, cap, "%snames a unit, which nothing proves here, and neither user nor group",
               NEXT);
    if (lack & LACK_KEYS)
        append(out, cap, "%shas no keys that match %s", NEXT, question->key);
    if (lack & LACK_OPERATION)
        append(out, cap, "%sdoes not list operation %s", NEXT,
               config_operation_name((uint32_t)question->listed));
#undef NEXT
}

static void
describe(const struct question *question, const struct config_rule *rule, unsigned int lack,
         char *out, size_t cap)
{
    snprintf(out, cap, "rule %s: ", rule->name);
    if (lack != 0)
        append_lacks(question, rule, lack, out, cap);
    else
        append(out, cap, question->hopeless ? "matches, but no rule can allow this" : "allows it");
}

/* A title that is not taken yet. */
static void
append_title(const struct question *question, char *out, size_t cap)
{
    const struct config *config = question->config;
    const struct peer *peer = question->peer;
    const char *operation = config_operation_name((uint32_t)question->asked);
    char title[CONFIG_TITLE_MAX + 1];
    bool taken = true;

    for (unsigned int n = 1; taken; n++) {
        char user[PEER_USER_MAX + 1];
        size_t len;

        if (peer->user[0] != '\0')
            text_copy(user, sizeof(user), peer->user);
        else
            snprintf(user, sizeof(user), "uid-%u", peer->uid);
        len = (size_t)snprintf(title, sizeof(title), "%s-%s", user, operation);
        if (n > 1)
            snprintf(title + len, sizeof(title) - len, "-%u", n);
        taken = false;
        for (size_t i = 0; i < config->n_rules; i++)
            taken = taken || strcmp(config->rules[i].name, title) == 0;
    }
    append(out, cap, "%s", title);
}

/* A service's own unit says who is meant more exactly than its user alone; a session's or a user
 * manager's does not outlive the login. */
static bool
unit_is_telling(const struct peer *peer)
{
    size_t len = strlen(peer->unit);

    return peer->unit_proven && len > 8 && strcmp(peer->unit + len - 8, ".service") == 0 &&
           strncmp(peer->unit, "user@", 5) != 0;
}

/* An `allow` section for exactly this caller, key and operation. */
static void
append_allow(const struct question *question, bool with_unit, char *out, size_t cap)
{
    const struct peer *peer = question->peer;
    enum config_operation operation = question->listed;

    append(out, cap, "allow ");
    append_title(question, out, cap);
    if (peer->user[0] != '\0')
        append(out, cap, " { user = {%s}", peer->user);
    else
        append(out, cap, " { user = {%u}", peer->uid);
    if (with_unit)
        append(out, cap, "  unit = {\"%s\"}", peer->unit);
    if (question->key && operation != OPERATION_ADMINISTER)
        append(out, cap, "  keys = {\"%s\"}", question->key);
    append(out, cap, "  operations = {%s} }", config_operation_name((uint32_t)operation));
}

/* Would a rule allow it, if only the key had a class? */
static bool
only_class_is_missing(const struct question *question)
{
    for (size_t i = 0; question->hopeless && i < question->config->n_rules; i++) {
        if (policy_lacks(question, &question->config->rules[i]) == 0)
            return true;
    }
    return false;
}

/* A rule that would allow it to the same caller in another unit, or in this one if it were proven. */
static const struct config_rule *
rule_of_unit(const struct question *question, unsigned int *lack)
{
    for (size_t i = 0; !question->hopeless && i < question->config->n_rules; i++) {
        const struct config_rule *rule = &question->config->rules[i];

        *lack = policy_lacks(question, rule);
        if (*lack != 0 && (*lack & ~LACK_WHERE) == 0)
            return rule;
    }
    return NULL;
}

/*
 * The sections that would allow it, ready for keysvcd.conf; empty when nothing can: the service's
 * own keys. A section that does not fit is left out rather than cut: half of one is none. Where a
 * rule asks for a unit, one without would undo what the rule is there for, so there is none either.
 */
static void
missing_sections(const struct question *question, char *out, size_t cap)
{
    const struct config *config = question->config;
    char allow[sizeof(((struct policy_answer *)0)->missing)] = "";
    bool telling = unit_is_telling(question->peer);
    unsigned int lack;
    bool by_unit = rule_of_unit(question, &lack) != NULL;

    out[0] = '\0';
    if (question->hopeless && (!question->key || keyname_reserved(question->key)))
        return;
    if (question->hopeless)
        append(out, cap, "keys \"%s\" { token = %s }", question->key,
               config->n_tokens > 0 ? config->tokens[0].name : "TOKEN");
    if (only_class_is_missing(question) || (by_unit && !telling))
        return;
    append_allow(question, telling, allow, sizeof(allow));
    if (strlen(out) + strlen(allow) + 2 > cap && !by_unit) {
        allow[0] = '\0';
        append_allow(question, false, allow, sizeof(allow));
    }
    if (strlen(out) + strlen(allow) + 2 <= cap)
        append(out, cap, "%s%s", out[0] != '\0' ? "  " : "", allow);
}

/*
 * The rule that lacks least; among equals one that is for this caller, then the first. One that lacks
 * nothing but the unit is nearer than all: it was made for this, and the program started another way.
 */
static const struct config_rule *
nearest_rule(const struct question *question, unsigned int *nearest_lack)
{
    const struct config_rule *nearest = NULL;
    int nearest_distance = 0;

    for (size_t i = 0; i < question->config->n_rules; i++) {
        unsigned int lack = policy_lacks(question, &question->config->rules[i]);
        int distance = 2 * __builtin_popcount(lack) + ((lack & LACK_WHO) ? 1 : 0);

        if ((lack & ~LACK_WHERE) == 0)
            distance = 0;
        if (!nearest || distance < nearest_distance) {
            nearest = &question->config->rules[i];
            nearest_distance = distance;
            *nearest_lack = lack;
        }
    }
    return nearest;
}

static void
append_reason(const struct question *question, char *out, size_t cap)
{
    const struct config_rule *nearest;
    unsigned int lack = 0;

    if (question->hopeless && question->key && keyname_reserved(question->key)) {
        append(out, cap, "names under keysvc/ are the service's own");
        return;
    }
    if (question->hopeless) {
        append(out, cap, "the key is in no class (no `keys` section matches its name)");
        return;
    }
    nearest = nearest_rule(question, &lack);
    if (!nearest) {
        append(out, cap, "there are no rules");
        return;
    }
    append(out, cap, "no rule allows it; the nearest, %s, ", nearest->name);
    append_lacks(question, nearest, lack, out, cap);
}

/* What to do where no section is to be added. */
static void
hint_otherwise(const struct question *question, struct fault *why)
{
    unsigned int lack;
    const struct config_rule *rule = rule_of_unit(question, &lack);

    if (!rule)
        fault_hint(why, "see keysvc policy explain");
    else if (lack & LACK_UNIT)
        fault_hint(why, "start the program as unit %s (systemctl), or correct `unit` in rule %s",
                   rule->units.items[0], rule->name);
    else
        fault_hint(why, "name the program's user in rule %s, beside its unit", rule->name);
}

void
policy_refusal(const struct config *config, const struct peer *peer, const char *key,
               enum config_operation operation, struct fault *why)
{
    struct question question = policy_question(config, peer, key, operation);
    char text[sizeof(why->text)] = "", missing[sizeof(why->hint) - 32];
    size_t cap = sizeof(text);

    question = refused_question(&question);
    append_user(peer, text, cap);
    if (peer->unit[0] != '\0')
        append(text, cap, " in %.64s", peer->unit);
    append(text, cap, " may not %s", config_operation_name((uint32_t)operation));
    if (question.key)
        append(text, cap, " %s", question.key);
    append(text, cap, ": ");
    append_reason(&question, text, cap);
    fault_set(why, "%s", text);

    missing_sections(&question, missing, sizeof(missing));
    if (missing[0] != '\0')
        fault_hint(why, "add to keysvcd.conf: %s", missing);
    else
        hint_otherwise(&question, why);
}
