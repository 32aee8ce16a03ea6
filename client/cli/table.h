/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - rows of text in columns as wide as they need, for people
 *
 * Starts as TABLE_INIT(columns); the first row added is the heading.
 */
#pragma once

#include "base/strv.h"

#define TABLE_MAX_COLUMNS 12

struct table {
    size_t n_columns;
    struct strv cells;
    bool failed; /* no memory for a row */
};

#define TABLE_INIT(columns)                                                                        \
    {                                                                                              \
        .n_columns = (columns)                                                                     \
    }

/* For ks_auto. */
void table_deinit(struct table *table);

/* One cell after the other; a row is full after n_columns. Control characters become spaces. */
void table_add(struct table *table, const char *format, ...) KS_PRINTF(2, 3);

/* What cells are made into, for texts of other people's that stand elsewhere. */
void table_tame(char *text);

/* The text, "" for no rows at all; free(). NULL: no memory. */
char *table_text(const struct table *table);
