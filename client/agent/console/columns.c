/* SPDX-License-Identifier: Apache-2.0 */
/*
 * columns - rows of text in columns as wide as they need
 */
#include <stdarg.h>
#include <stdio.h>

#include "client/agent/console/work.h"
#include "client/agent/tame.h"

#define GAP 2

void
columns_add(struct columns *columns, const char *format, ...)
{
    char **grown = reallocarray(columns->cells, columns->n_cells + 1, sizeof(char *));
    char *cell = NULL;
    va_list args;

    if (!grown)
        return;
    columns->cells = grown;
    va_start(args, format);
    if (vasprintf(&cell, format, args) < 0)
        cell = NULL;
    va_end(args);
    if (cell)
        tame_text(cell);
    columns->cells[columns->n_cells++] = cell;
}

/* Characters, not bytes: the cells are UTF-8. */
static size_t
width_of(const char *cell)
{
    size_t width = 0;

    for (; cell && *cell; cell++)
        width += ((unsigned char)*cell & 0xc0) != 0x80;
    return width;
}

static size_t
column_width(const struct columns *columns, size_t column)
{
    size_t width = 0;

    for (size_t i = column; i < columns->n_cells; i += columns->n_columns) {
        if (width_of(columns->cells[i]) > width)
            width = width_of(columns->cells[i]);
    }
    return width;
}

void
columns_print(struct columns *columns, FILE *out)
{
    for (size_t i = 0; i < columns->n_cells; i++) {
        const char *cell = columns->cells[i] ? columns->cells[i] : "";
        bool last = (i + 1) % columns->n_columns == 0;

        fputs(cell, out);
        if (last)
            fputc('\n', out);
        else
            fprintf(out, "%*s",
                    (int)(column_width(columns, i % columns->n_columns) - width_of(cell) + GAP),
                    "");
    }
    for (size_t i = 0; i < columns->n_cells; i++)
        free(columns->cells[i]);
    free(columns->cells);
    columns->cells = NULL;
    columns->n_cells = 0;
}
