/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rules - which call misbehaves, and how; and what is wrong with the device as a whole
 *
 * One rule a line, FUNCTION:WHEN:ACTION; `#` begins a comment; the first rule that fits counts.
 *
 *   FUNCTION C_Sign; * is any
 *   WHEN     3      the third call, counted over all processes since the file "calls" was made
 *            3+     the third and every later one
 *            %50    every fiftieth
 *            ~1000  one in a thousand, at random: which ones depends on the seed and the count alone,
 *                   so a run with the same seed breaks the same calls
 *            *      every one
 *   ACTION   CKR_DEVICE_REMOVED, 0x32   is answered instead of calling the real module; any CKR_*
 *            after CKR_DEVICE_ERROR     the real module is called, then this is answered
 *            hang                       never returns
 *            slow 20                    waits for 20 ms first
 *            abort, after abort         the process ends as a crash ends it, by SIGABRT
 *            segv, after segv           likewise, by a memory fault
 *            wrong                      C_Sign: one bit of the signature is another
 *            lie                        C_GetAttributeValue: the public key is another valid one
 *            flags 0x10000              C_GetTokenInfo: these flags are added
 *
 * The device as a whole, at most one line of each (device.h says more):
 *
 *   token:removed       as if it had been pulled out; it is back when the line is gone, and whoever
 *                       was in it has lost session and login
 *   token:other FOLDER  as if another one had been put in: the SoftHSM of FOLDER/softhsm2.conf
 *                       answers as long as the line stands
 *   sessions:N          no more than N sessions over all processes: CKR_SESSION_COUNT
 *   pin:N               locks its user PIN after N wrong ones, over all processes
 *
 * The seed is the number in $PKCS11_BREAK_SEED, else in the file "seed", else 1.
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#define RULES_MAX 128
#define RULES_PATH_MAX 512 /* bytes of token:other's folder */

enum rule_action {
    RULE_NONE = 0,
    RULE_ANSWER,
    RULE_HANG,
    RULE_SLOW,
    RULE_ABORT,
    RULE_SEGV,
    RULE_WRONG,
    RULE_LIE,
    RULE_FLAGS,
};

struct rule {
    int function; /* enum function; FUNCTION_COUNT: any */
    uint64_t first, last, every;
    uint64_t one_in; /* 0: not at random */
    enum rule_action action;
    bool after;
    unsigned long value; /* CK_RV, milliseconds or flags */
};

struct rules_device {
    bool is_removed;
    char other[RULES_PATH_MAX]; /* "": none */
    unsigned long max_sessions; /* 0: as many as the real module allows */
    unsigned long max_tries;    /* of the PIN; 0: it never locks */
};

struct rules {
    struct rule list[RULES_MAX];
    unsigned n;
    struct rules_device device;
    uint64_t seed;
};

/* Reads the text of a rules file; 0, or the number of the first line that is no rule. */
unsigned rules_parse(const char *text, struct rules *out);

/* The rule for call number `count` of a function, or NULL. */
const struct rule *rules_find(const struct rules *rules, int function, uint64_t count);
