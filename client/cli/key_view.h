/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_view - how a key is shown, the same in every command
 */
#pragma once

#include "client/cli/output.h"
#include "client/cli/table.h"

#define KEY_VIEW_COLUMNS 6

/* The heading of a list of keys, and one key's row. */
void key_view_heading(struct table *table);
void key_view_row(struct table *table, const struct ks_key *key);

/* The key as an object, with versions and public key where they are known; NULL: no memory. */
json_t *key_view_json(const struct ks_key *key);

/* One key as the result of a command; returns the exit code. */
int key_view_result(struct cli *cli, const struct ks_key *key);

/* The same with what the file of an import gave. */
int key_view_imported(struct cli *cli, const struct ks_imported *imported);
