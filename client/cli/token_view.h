/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_view - how a token is shown, the same in every command
 */
#pragma once

#include "client/cli/output.h"
#include "client/cli/table.h"

#define TOKEN_VIEW_COLUMNS 6

void token_view_heading(struct table *table);
/* How many keys there are is told to administrators only: "-" for others. */
void token_view_row(struct table *table, const struct ks_token *token, bool administrator);

/* A new reference; NULL: no memory. */
json_t *token_view_json(const struct ks_token *token);
json_t *token_view_json_all(const struct ks_status *status);

/* Asks for the status; NULL: reported; return cli->code. ks_status_free. */
struct ks_status *token_view_status(struct cli *cli);

/* For ks_auto. */
void token_view_status_freep(struct ks_status **status);
