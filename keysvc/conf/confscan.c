/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confscan - the same few signs as libconfuse's lexer sees, with what it would pass over refused
 */
#include "conf/confscan.h"

#define MAX_GIVEN 64 /* no section of any schema has so many options */

/* A word, or a text in quotes. */
struct word {
    const char *text;
    size_t len;
    unsigned int line;
    unsigned int depth; /* the braces around it */
};

/* Where make_plain is. */
struct scan {
    struct conffile *file;
    char *at;
    unsigned int line;
    unsigned int depth;     /* open braces */
    unsigned int open_line; /* of the outermost */
    char last;              /* what came last: a sign, or 0 for `word` */
    bool in_list;
    struct word word;
    struct word given[MAX_GIVEN]; /* options of the sections that are open */
    size_t n_given;
};

static ks_err
scan_error(struct scan *scan, unsigned int line, const char *what)
{
    conffile_error(scan->file, line, "%s", what);
    return KS_ERR_BAD_REQUEST;
}

static void
end_word(struct scan *scan, const char *text, size_t len)
{
    scan->word = (struct word){text, len, scan->line, scan->depth};
    scan->last = 0;
}

/* libconfuse sees no second value where one of the two is an empty list, and asks nobody at a +=.
 * More options than there is room for cannot all be known ones: it refuses the file. */
static void
scan_option(struct scan *scan)
{
    const struct word *word = &scan->word;

    if (scan->last != 0)
        return;
    for (size_t i = 0; i < scan->n_given; i++) {
        const struct word *given = &scan->given[i];

        if (given->depth != word->depth || given->len != word->len ||
            memcmp(given->text, word->text, word->len) != 0)
            continue;
        conffile_error(scan->file, word->line, "%.*s is given twice, first on line %u",
                       (int)word->len, word->text, given->line);
        return;
    }
    if (scan->n_given < MAX_GIVEN)
        scan->given[scan->n_given++] = *word;
}

static ks_err
scan_string(struct scan *scan)
{
    char quote = *scan->at++;
    const char *text = scan->at;

    for (; *scan->at != quote; scan->at++) {
        if (*scan->at == '\0' || *scan->at == '\n')
            return scan_error(scan, scan->line, "a string does not end on its line");
        if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
            return scan_error(scan, scan->line, "a control character in a string");
        if (*scan->at == '\\') {
            scan->at++;
            if (*scan->at != '\\' && *scan->at != quote)
                return scan_error(scan, scan->line,
                                  "a backslash may only stand before a backslash or a quote");
        }
    }
    end_word(scan, text, (size_t)(scan->at - text));
    scan->at++;
    return KS_OK;
}

static void
scan_line_comment(struct scan *scan)
{
    while (*scan->at != '\0' && *scan->at != '\n')
        *scan->at++ = ' ';
}

static ks_err
scan_block_comment(struct scan *scan)
{
    unsigned int first_line = scan->line;
    char *end = strstr(scan->at + 2, "*/");

    if (!end)
        return scan_error(scan, first_line, "a comment does not end");
    for (; scan->at < end + 2; scan->at++) {
        if (*scan->at == '\n')
            scan->line++;
        else
            *scan->at = ' ';
    }
    return KS_OK;
}

static bool
is_comment(const char *at)
{
    return at[0] == '#' || (at[0] == '/' && (at[1] == '/' || at[1] == '*'));
}

/* A word outside of quotes. What libconfuse would drop or cut off from it silently is refused. */
static ks_err
scan_word(struct scan *scan)
{
    const char *text = scan->at;

    while (*scan->at != '\0' && !strchr(" \t\r\n{}()=+,\"'", *scan->at)) {
        if (is_comment(scan->at) || *scan->at == '*')
            return scan_error(scan, scan->line, "a text with *, #, // or /* must stand in quotes");
        if ((unsigned char)*scan->at < ' ' || *scan->at == 0x7f)
            return scan_error(scan, scan->line, "a control character");
        scan->at++;
    }
    if (*scan->at == '"' || *scan->at == '\'')
        return scan_error(scan, scan->line, "a quote in the middle of a word");
    end_word(scan, text, (size_t)(scan->at - text));
    return KS_OK;
}

/* libconfuse takes the end of the file for the end of a section. */
static ks_err
scan_brace(struct scan *scan)
{
    if (*scan->at == '}' && scan->depth == 0)
        return scan_error(scan, scan->line, "a closing brace that closes nothing");
    if (*scan->at++ == '}') {
        if (!scan->in_list) {
            while (scan->n_given > 0 && scan->given[scan->n_given - 1].depth >= scan->depth)
                scan->n_given--;
        }
        scan->in_list = false;
        scan->depth--;
        scan->last = '}';
        return KS_OK;
    }
    scan->in_list = scan->last == '=';
    scan->last = '{';
    if (scan->depth++ == 0)
        scan->open_line = scan->line;
    return KS_OK;
}

static ks_err
scan_next(struct scan *scan)
{
    char c = *scan->at;

    if (c == '\n') {
        scan->line++;
        scan->at++;
        return KS_OK;
    }
    if (c == '\r')
        return scan_error(scan, scan->line, "a carriage return; lines end with a line feed");
    if (c == '"' || c == '\'')
        return scan_string(scan);
    if (c == '/' && scan->at[1] == '*')
        return scan_block_comment(scan);
    if (is_comment(scan->at)) {
        scan_line_comment(scan);
        return KS_OK;
    }
    if (c == '{' || c == '}')
        return scan_brace(scan);
    if (c == ' ' || c == '\t') {
        scan->at++;
        return KS_OK;
    }
    if (c == '=' || c == ',') {
        if (c == '=')
            scan_option(scan);
        scan->last = *scan->at++;
        return KS_OK;
    }
    if (c == '+' && scan->at[1] == '=')
        return scan_error(scan, scan->line,
                          "+=: an option is given once, with = and all members of its list");
    if (strchr("()+", c))
        return scan_error(scan, scan->line, "a parenthesis or plus sign outside of quotes");
    return scan_word(scan);
}

ks_err
confscan_make_plain(struct conffile *file, const struct conffile_mistakes *mistakes, char *text)
{
    struct scan scan = {.file = file, .at = text, .line = 1};
    unsigned int n_before = mistakes->n;

    while (*scan.at != '\0') {
        ks_err err = scan_next(&scan);

        if (err)
            return err;
    }
    if (scan.depth > 0)
        return scan_error(&scan, scan.open_line, "a brace that is not closed");
    scan.line = 1;
    for (const char *at = text; *at != '\0'; at++) {
        scan.line += *at == '\n';
        if (at[0] == '$' && at[1] == '{')
            return scan_error(&scan, scan.line, "${...}: the environment is not read here");
    }
    return mistakes->n == n_before ? KS_OK : KS_ERR_BAD_REQUEST;
}
