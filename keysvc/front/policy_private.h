/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy_private - what is asked of the rules, and what a rule lacks for it
 *
 * One function looks at a rule and says everything it lacks; finding (policy.c), explaining and
 * refusing (policy_words.c) are three readings of that, so what is explained is what was decided.
 */
#pragma once

#include "front/policy.h"

/* What a rule lacks; 0: it allows. */
enum lack {
    LACK_USER = 1 << 0,
    LACK_GROUP = 1 << 1,
    LACK_UNIT = 1 << 2,
    LACK_PROOF = 1 << 3, /* the unit matches or is asked for, but nothing proves it */
    LACK_KEYS = 1 << 4,
    LACK_OPERATION = 1 << 5,
};
#define LACK_WHERE (LACK_UNIT | LACK_PROOF)
#define LACK_WHO (LACK_USER | LACK_GROUP | LACK_WHERE)

/* What is wanted, looked up once for all rules. */
struct question {
    const struct config *config;
    const struct peer *peer;
    const char *key;                  /* NULL: about the service */
    const struct config_class *class; /* of the key; NULL: none */
    enum config_operation asked;
    enum config_operation listed; /* what a rule must list to allow it */
    bool keys_count;              /* a rule's keys must match */
    bool hopeless;                /* no rule can allow it */
};

/*
 * A key of the service or in no class is shown to administrators, wherever their rule's keys point,
 * and used by nobody. Administering concerns the service, not a key.
 */
struct question policy_question(const struct config *config, const struct peer *peer,
                                const char *key, enum config_operation operation);

/* enum lack */
unsigned int policy_lacks(const struct question *question, const struct config_rule *rule);
