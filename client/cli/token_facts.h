/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token_facts - what a token says of itself, in words: PINs, sessions, memory, mechanisms
 */
#pragma once

#include "client/cli/output.h"
#include "client/cli/table.h"

/* How near a PIN is to being locked, from the token's flags. */
enum token_pin {
    TOKEN_PIN_OK,
    TOKEN_PIN_LOW,       /* a wrong one was given since the last right one */
    TOKEN_PIN_FINAL_TRY, /* one more wrong one locks it */
    TOKEN_PIN_LOCKED,
    TOKEN_PIN_NOT_INITIALISED, /* of the user only */
    TOKEN_PIN_COUNT,
};
enum token_pin token_facts_user_pin(uint64_t flags);
enum token_pin token_facts_so_pin(uint64_t flags);
const char *token_facts_pin_name(enum token_pin pin); /* "final try" */

/* "3 of 1024", "3, no limit", "unknown", into `out`. */
void token_facts_amount(uint64_t used, uint64_t max, char *out, size_t cap);

/* Rows of two cells. */
void token_facts_rows(struct table *table, const struct ks_token_info *info);

/* A heading and a row for each mechanism: name, sizes, what it does. */
#define TOKEN_FACTS_MECHANISM_COLUMNS 4
void token_facts_mechanisms(struct table *table, const struct ks_token_info *info);

/* An object; numbers that the token does not say are null. NULL: no memory. */
json_t *token_facts_json(const struct ks_token_info *info);

/* For ks_auto. */
void token_facts_freep(struct ks_token_info **info);
