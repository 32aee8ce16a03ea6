/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - which call misbehaves, and how
 *
 * One rule a line, FUNCTION:WHEN:ACTION; `#` begins a comment; the first rule that fits counts.
 *
 *   WHEN     3    the third call, counted over all processes since the file "calls" was made
 *            3+   the third and every later one
 *            %50  every fiftieth
 *            *    every one
 *   ACTION   CKR_DEVICE_REMOVED, 0x32   is answered instead of calling the real module
 *            after CKR_DEVICE_ERROR     the real module is called, then this is answered
 *            hang                       never returns
 *            slow 20                    waits for 20 ms first
 *            abort, after abort         the process ends as a crash ends it
 *            wrong                      C_Sign: one bit of the signature is another
 *            flags 0x10000              C_GetTokenInfo: these flags are added
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX 32

enum rule_action {
    RULE_NONE = 0,
    RULE_ANSWER,
    RULE_HANG,
    RULE_SLOW,
    RULE_ABORT,
    RULE_WRONG,
    RULE_FLAGS,
};

struct rule {
    int function; /* enum function */
    uint64_t first, last, every;
    enum rule_action action;
    bool after;
    unsigned long value; /* CK_RV, milliseconds or flags */
};

struct rules {
    struct rule list[RULES_MAX];
    unsigned n;
};

/* Reads the text of a rules file; 0, or the number of the first line that is no rule. */
unsigned rules_parse(const char *text, struct rules *out);

/* The rule for call number `count` of a function, or NULL. */
const struct rule *rules_find(const struct rules *rules, int function, uint64_t count);
