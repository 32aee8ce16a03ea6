/* SPDX-License-Identifier: Apache-2.0 */
/*
 * get - the key that a command is about, looked up before the operation itself
 *
 * Both need a rule. Who is told of the first only writes it, comes again and is refused again.
 */
#include "client/cli/get.h"

#include <stdio.h>

/* Is the operation denied, too? What cannot be asked is not claimed. */
static bool
is_denied(struct ks_client *client, const char *name, const char *operation)
{
    char bare[KS_NAME_MAX + 1];
    const struct ks_explain_request question = {.key = bare, .operation = operation};
    struct ks_explanation *answer;
    struct ks_error ignored;
    bool denied;

    snprintf(bare, sizeof(bare), "%.*s", (int)strcspn(name, "@"), name);
    if (ks_explain(client, &question, &answer, &ignored))
        return false;
    denied = !answer->allowed;
    ks_explanation_free(answer);
    return denied;
}

ks_err
get_for(struct ks_client *client, const char *name, const char *operation, struct ks_key *key,
        struct ks_error *error)
{
    ks_err err = ks_get(client, name, key, error);
    size_t len;

    if (err != KS_ERR_DENIED || !is_denied(client, name, operation))
        return err;
    len = strlen(error->hint);
    snprintf(error->hint + len, sizeof(error->hint) - len,
             "%s%s is denied as well: make it operations = {get, %s}", len > 0 ? "; " : "",
             operation, operation);
    return err;
}
