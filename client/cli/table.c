/* SPDX-License-Identifier: Apache-2.0 */
/*
 * table - aligning cells
 */
#include "client/cli/table.h"

#include <stdarg.h>
#include <stdio.h>

#define GAP 2 /* spaces between columns */

void
table_deinit(struct table *table)
{
    strv_deinit(&table->cells);
}

/* Nothing in a cell moves the cursor: control characters become spaces, and those that UTF-8 writes
 * with two bytes (C1: U+0080 to U+009F, which terminals obey too) question marks. */
void
table_tame(char *text)
{
    unsigned char *out = (unsigned char *)text;

    for (const unsigned char *c = out; *c; c++) {
        bool c1 = c[0] == 0xc2 && c[1] >= 0x80 && c[1] <= 0x9f;

        *out++ = c1 ? '?' : *c < ' ' || *c == 0x7f ? ' ' : *c;
        c += c1;
    }
    *out = '\0';
}

void
table_add(struct table *table, const char *format, ...)
{
    ks_auto(freep) char *text = NULL;
    va_list args;
    int len;

    va_start(args, format);
    len = vasprintf(&text, format, args);
    va_end(args);
    if (len < 0) {
        text = NULL;
        table->failed = true;
        return;
    }
    table_tame(text);
    if (strv_add(&table->cells, text))
        table->failed = true;
}

/* Characters, not bytes: continuation bytes of UTF-8 take no place of their own. */
static size_t
width_of(const char *text)
{
    size_t width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xc0) != 0x80;
    return width;
}

char *
table_text(const struct table *table)
{
    size_t widths[TABLE_MAX_COLUMNS] = {0};
    char *text = NULL;
    size_t len;
    FILE *out = table->failed ? NULL : open_memstream(&text, &len);

    if (!out)
        return NULL;
    for (size_t i = 0; i < table->cells.n_items; i++) {
        size_t width = width_of(table->cells.items[i]);

        if (width > widths[i % table->n_columns])
            widths[i % table->n_columns] = width;
    }
    for (size_t i = 0; i < table->cells.n_items; i++) {
        const char *cell = table->cells.items[i];
        size_t column = i % table->n_columns;
        bool last = column == table->n_columns - 1;

        fprintf(out, "%s%*s", cell, last ? 0 : (int)(widths[column] - width_of(cell) + GAP), "");
        if (last)
            fputc('\n', out);
    }
    if (fclose(out) != 0) {
        free(text);
        return NULL;
    }
    return text;
}
