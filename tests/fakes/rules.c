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

static bool parse_line(char *line, struct rule *rule);
static bool parse_when(const char *when, struct rule *rule);
static bool parse_action(const char *action, struct rule *rule);
static bool parse_rv(const char *name, unsigned long *rv);
static bool parse_number(const char *text, unsigned long *number);

static const struct {
    const char *name;
    CK_RV rv;
} answers[] = {
    {"CKR_OK", CKR_OK},
    {"CKR_HOST_MEMORY", CKR_HOST_MEMORY},
    {"CKR_SLOT_ID_INVALID", CKR_SLOT_ID_INVALID},
    {"CKR_GENERAL_ERROR", CKR_GENERAL_ERROR},
    {"CKR_FUNCTION_FAILED", CKR_FUNCTION_FAILED},
    {"CKR_ATTRIBUTE_TYPE_INVALID", CKR_ATTRIBUTE_TYPE_INVALID},
    {"CKR_ATTRIBUTE_VALUE_INVALID", CKR_ATTRIBUTE_VALUE_INVALID},
    {"CKR_DATA_LEN_RANGE", CKR_DATA_LEN_RANGE},
    {"CKR_DEVICE_ERROR", CKR_DEVICE_ERROR},
    {"CKR_DEVICE_MEMORY", CKR_DEVICE_MEMORY},
    {"CKR_DEVICE_REMOVED", CKR_DEVICE_REMOVED},
    {"CKR_FUNCTION_NOT_SUPPORTED", CKR_FUNCTION_NOT_SUPPORTED},
    {"CKR_KEY_HANDLE_INVALID", CKR_KEY_HANDLE_INVALID},
    {"CKR_KEY_FUNCTION_NOT_PERMITTED", CKR_KEY_FUNCTION_NOT_PERMITTED},
    {"CKR_MECHANISM_INVALID", CKR_MECHANISM_INVALID},
    {"CKR_OBJECT_HANDLE_INVALID", CKR_OBJECT_HANDLE_INVALID},
    {"CKR_OPERATION_ACTIVE", CKR_OPERATION_ACTIVE},
    {"CKR_OPERATION_NOT_INITIALIZED", CKR_OPERATION_NOT_INITIALIZED},
    {"CKR_PIN_INCORRECT", CKR_PIN_INCORRECT},
    {"CKR_PIN_EXPIRED", CKR_PIN_EXPIRED},
    {"CKR_PIN_LOCKED", CKR_PIN_LOCKED},
    {"CKR_SESSION_CLOSED", CKR_SESSION_CLOSED},
    {"CKR_SESSION_COUNT", CKR_SESSION_COUNT},
    {"CKR_SESSION_HANDLE_INVALID", CKR_SESSION_HANDLE_INVALID},
    {"CKR_TEMPLATE_INCONSISTENT", CKR_TEMPLATE_INCONSISTENT},
    {"CKR_TOKEN_NOT_PRESENT", CKR_TOKEN_NOT_PRESENT},
    {"CKR_TOKEN_NOT_RECOGNIZED", CKR_TOKEN_NOT_RECOGNIZED},
    {"CKR_TOKEN_WRITE_PROTECTED", CKR_TOKEN_WRITE_PROTECTED},
    {"CKR_USER_ALREADY_LOGGED_IN", CKR_USER_ALREADY_LOGGED_IN},
    {"CKR_USER_NOT_LOGGED_IN", CKR_USER_NOT_LOGGED_IN},
    {"CKR_USER_PIN_NOT_INITIALIZED", CKR_USER_PIN_NOT_INITIALIZED},
    {"CKR_CRYPTOKI_NOT_INITIALIZED", CKR_CRYPTOKI_NOT_INITIALIZED},
};

unsigned
rules_parse(const char *text, struct rules *out)
{
    char line[256];
    unsigned number = 0;

    memset(out, 0, sizeof(*out));
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
        if (out->n == RULES_MAX || !parse_line(line, &out->list[out->n]))
            return number;
        out->n++;
    }
    return 0;
}

const struct rule *
rules_find(const struct rules *rules, int function, uint64_t count)
{
    for (unsigned i = 0; i < rules->n; i++) {
        const struct rule *rule = &rules->list[i];

        if (rule->function == function && count >= rule->first && count <= rule->last &&
            count % rule->every == 0)
            return rule;
    }
    return NULL;
}

static bool
parse_line(char *line, struct rule *rule)
{
    char *when = strchr(line, ':');
    char *action = when ? strchr(when + 1, ':') : NULL;

    if (!action)
        return false;
    *when++ = '\0';
    *action++ = '\0';
    rule->function = calls_function(line + strspn(line, " \t"));
    return rule->function != FUNCTION_COUNT && parse_when(when, rule) && parse_action(action, rule);
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
    rule->first = strtoull(when, &end, 10);
    if (end == when || rule->first == 0)
        return false;
    if (strcmp(end, "+") == 0)
        return true;
    rule->last = rule->first;
    return *end == '\0';
}

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
    rule->action = strcmp(word, "hang") == 0    ? RULE_HANG
                   : strcmp(word, "slow") == 0  ? RULE_SLOW
                   : strcmp(word, "abort") == 0 ? RULE_ABORT
                   : strcmp(word, "wrong") == 0 ? RULE_WRONG
                   : strcmp(word, "flags") == 0 ? RULE_FLAGS
                                                : RULE_ANSWER;
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
