/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - how a token is shown, the same in every command
 */
#pragma once

#include "client/cli/output.h"
#include "client/cli/table.h"

/* Tokens and, where there are any, groups of them, as tables; free(). How many keys there are is
 * told to administrators only: "-" for others. NULL: no memory. */
char *token_view_text(const struct ks_status *status);

/* A new reference; NULL: no memory. */
json_t *token_view_json(const struct ks_token *token);
json_t *token_view_json_all(const struct ks_status *status);
json_t *token_view_json_groups(const struct ks_status *status);

/* Asks for the status; NULL: reported; return cli->code. ks_status_free. */
struct ks_status *token_view_status(struct cli *cli);

/* For ks_auto. */
void token_view_status_freep(struct ks_status **status);
