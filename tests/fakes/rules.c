/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - which call misbehaves, and how
 */
#include "tests/fakes/rules.h"

#include <p11-kit/pkcs11.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/calls.h"

static bool parse_line(char *line, struct rules *rules);
static bool parse_device(const char *what, const char *value, struct rules_device *device);
static bool parse_rule(char *line, struct rule *rule);
static bool is_drawn(const struct rule *rule, uint64_t seed, int function, uint64_t count);
static bool parse_when(const char *when, struct rule *rule);
static bool parse_action(const char *action, struct rule *rule);
static bool parse_rv(const char *name, unsigned long *rv);
static bool parse_number(const char *text, unsigned long *number);

static const struct {
    const char *name;
    CK_RV rv;
} answers[] = {
#define CKR(name) {#name, name},
#include "tests/fakes/ckr-names.h"
#undef CKR
};

unsigned
rules_parse(const char *text, struct rules *out)
{
    char line[256];
    unsigned number = 0;

    memset(out, 0, sizeof(*out));
    out->seed = 1;
    while (*text) {
        size_t len = strcspn(text, "\n");
        size_t kept = len < sizeof(line) ? len : sizeof(line) - 1;

        memcpy(line, text, kept);
        line[kept] = '\0';
        text += len + (text[len] == '\n');
        number++;
        line[strcspn(line, "#")] = '\0';
        if (line[strspn(line, " \t")] == '\0')
            continue;
        if (!parse_line(line, out))
            return number;
    }
    return 0;
}

const struct rule *
rules_find(const struct rules *rules, int function, uint64_t count)
{
    for (unsigned i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->list[i];

        if ((rule->function == function || rule->function == FUNCTION_COUNT) &&
            count >= rule->first && count <= rule->last && count % rule->every == 0 &&
            is_drawn(rule, rules->seed, function, count))
            return rule;
    }
    return NULL;
}

/* splitmix64: nothing is remembered, so a process that crashed changes nothing for the next one. */
static bool
is_drawn(const struct rule *rule, uint64_t seed, int function, uint64_t count)
{
    uint64_t x = seed * 0x9e3779b97f4a7c15 + (uint64_t)function * 0xd1342543de82ef95 + count;

    if (rule->one_in == 0)
        return true;
    x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9;
    x = (x ^ (x >> 27)) * 0x94d049bb133111eb;
    return (x ^ (x >> 31)) % rule->one_in == 0;
}

/* A rule, or a line about the device. */
static bool
parse_line(char *line, struct rules *rules)
{
    char what[16] = {0}, value[RULES_PATH_MAX] = {0}, rest;

    /* No function's name begins like that. */
    if (sscanf(line, " %15[a-z]:%511[^\n]%c", what, value, &rest) == 2)
        return parse_device(what, value, &rules->device);
    if (rules->n == RULES_MAX || !parse_rule(line, &rules->list[rules->n]))
        return false;
    rules->n++;
    return true;
}

static bool
parse_device(const char *what, const char *value, struct rules_device *device)
{
    char word[16] = {0}, folder[RULES_PATH_MAX] = {0};
    int n_words = sscanf(value, "%15s %511[^\n]", word, folder);

    folder[strcspn(folder, " \t")] = '\0';
    if (strcmp(what, "token") == 0 && strcmp(word, "removed") == 0 && n_words == 1)
        device->is_removed = true;
    else if (strcmp(what, "token") == 0 && strcmp(word, "other") == 0 && n_words == 2)
        memcpy(device->other, folder, sizeof(folder));
    else if (strcmp(what, "sessions") == 0 && n_words == 1)
        return parse_number(word, &device->max_sessions) && device->max_sessions > 0;
    else if (strcmp(what, "pin") == 0 && n_words == 1)
        return parse_number(word, &device->max_tries) && device->max_tries > 0;
    else
        return false;
    return true;
}

static bool
parse_rule(char *line, struct rule *rule)
{
    char *when = strchr(line, ':');
    char *action = when ? strchr(when + 1, ':') : NULL;

    if (!action)
        return false;
    *when++ = '\0';
    *action++ = '\0';
    line += strspn(line, " \t");
    rule->function = calls_function(line);
    if (rule->function == FUNCTION_COUNT && strcmp(line, "*") != 0)
        return false;
    return parse_when(when, rule) && parse_action(action, rule);
}

static bool
parse_when(const char *when, struct rule *rule)
{
    char *end = NULL;

    rule->first = 1;
    rule->last = UINT64_MAX;
    rule->every = 1;
    if (strcmp(when, "*") == 0)
        return true;
    if (*when == '%')
        return parse_number(when + 1, &rule->every) && rule->every > 0;
    if (*when == '~')
        return parse_number(when + 1, &rule->one_in) && rule->one_in > 0;
    rule->first = strtoull(when, &end, 10);
    if (end == when || rule->first == 0)
        return false;
    if (strcmp(end, "+") == 0)
        return true;
    rule->last = rule->first;
    return *end == '\0';
}

static const struct {
    const char *word;
    enum rule_action action;
} actions[] = {
    {"hang", RULE_HANG}, {"slow", RULE_SLOW},   {"abort", RULE_ABORT}, {"segv", RULE_SEGV},
    {"lie", RULE_LIE},   {"wrong", RULE_WRONG}, {"flags", RULE_FLAGS},
};

static bool
parse_action(const char *action, struct rule *rule)
{
    char word[64] = {0}, value[32] = {0};

    action += strspn(action, " ");
    rule->after = strncmp(action, "after ", strlen("after ")) == 0;
    if (rule->after)
        action += strlen("after ");
    if (sscanf(action, "%63s %31s", word, value) < 1)
        return false;
    rule->action = RULE_ANSWER;
    for (size_t i = 0; i < sizeof(actions) / sizeof(actions[0]); i++) {
        if (strcmp(actions[i].word, word) == 0)
            rule->action = actions[i].action;
    }
    switch (rule->action) {
    case RULE_ANSWER:
        return parse_rv(word, &rule->value) && value[0] == '\0';
    case RULE_SLOW:
    case RULE_FLAGS:
        return parse_number(value, &rule->value);
    default:
        return value[0] == '\0';
    }
}

static bool
parse_rv(const char *name, unsigned long *rv)
{
    for (size_t i = 0; i < sizeof(answers) / sizeof(answers[0]); i++) {
        if (strcmp(answers[i].name, name) == 0) {
            *rv = answers[i].rv;
            return true;
        }
    }
    return strncmp(name, "0x", 2) == 0 && parse_number(name, rv);
}

static bool
parse_number(const char *text, unsigned long *number)
{
    char *end = NULL;

    *number = strtoul(text, &end, 0);
    return end != text && *end == '\0';
}
