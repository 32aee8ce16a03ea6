/* SPDX-License-Identifier: Apache-2.0 */
/*
 * policy - does a rule allow this peer this operation on this key?
 *
 * Values of one option are alternatives, different options must all match, nothing denies and
 * nothing is allowed by default, to root neither. Pure: no I/O, no state.
 */
#pragma once

#include "base/buf.h"
#include "front/peer.h"
#include "ipc/config.h"

/*
 * The first rule that allows it, or NULL. `key` is a key's name, or NULL for operations on the
 * service or a token (administer), where a rule's keys do not count.
 */
const struct config_rule *policy_find(const struct config *config, const struct peer *peer,
                                      const char *key, enum config_operation operation);

/* False: whatever key it is, policy_find() would not let this peer do it. */
bool policy_any_key(const struct config *config, const struct peer *peer,
                    enum config_operation operation);

/* False: whatever key it is, policy_find() would not let this peer `get` it. */
bool policy_sees_keys(const struct config *config, const struct peer *peer);

struct policy_answer {
    const struct config_rule *rule;   /* which allows it; NULL: denied */
    const struct config_class *class; /* of the key; NULL: none */
    char missing[512];                /* denied: an `allow` section that would allow exactly this;
                                         empty: there is none, or only the caller's unit is wrong */
    struct strv reasons; /* a line for each rule: "rule nginx: does not list operation csr" */
};

/* As policy_find, with reasons. policy_answer_deinit frees them. INTERNAL: no memory. */
ks_err policy_explain(const struct config *config, const struct peer *peer, const char *key,
                      enum config_operation operation, struct policy_answer *out) KS_MUST_CHECK;
void policy_answer_deinit(struct policy_answer *answer);

/*
 * Fills `why` for a refusal: who asked, for what, that no rule allows it, the rule that comes
 * nearest and what it lacks; the hint is the `allow` section that is missing, or, where a rule lacks
 * nothing but the caller's unit, that unit.
 */
void policy_refusal(const struct config *config, const struct peer *peer, const char *key,
                    enum config_operation operation, struct fault *why);
