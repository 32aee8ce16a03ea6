/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conffile - one file in libconfuse's syntax, read with bounds, each value with its line
 *
 * Every option is a text with the line it stands on; confvalue.h turns texts into numbers, times
 * and paths. Stricter than libconfuse where that would go on silently: a comment or string that
 * never ends, a star outside of quotes (it is dropped), ${VARIABLE} (the environment is no
 * configuration), an option that is given twice. conffile_open() -> conffile_root() -> ...
 * conffile_error() ... -> conffile_free() One at a time is read in a process; any number may be
 * open.
 */
#pragma once

#include <confuse.h>

#include "base/err.h"
#include "base/fault.h"

#define CONFFILE_MAX_LEN (1024 * 1024) /* bytes of a file */

/* Mistakes of several files: the first stays in `why`; all are told as "FILE:LINE: what", or, where
 * `tell` is NULL, logged as errors. */
struct conffile_mistakes {
    struct fault *why;
    void (*tell)(const char *text);
    unsigned int n;
};

struct conffile;

struct conffile_value {
    struct conffile *file;
    const char *option; /* lives as long as the section */
    unsigned int line;
    char text[];
};

/* Rows of a schema: an option with one value, and one with a list. */
#define CONFFILE_ONE(name)                                                                         \
    CFG_PTR_CB(name, NULL, CFGF_NODEFAULT, conffile_parse_value, conffile_free_value)
#define CONFFILE_LIST(name)                                                                        \
    CFG_PTR_LIST_CB(name, NULL, CFGF_NODEFAULT, conffile_parse_value, conffile_free_value)
#define CONFFILE_SECTIONS(name, options)                                                           \
    CFG_SEC(name, options, CFGF_MULTI | CFGF_TITLE | CFGF_NO_TITLE_DUPES | CFGF_NODEFAULT)
#define CONFFILE_SECTION(name, options) CFG_SEC(name, options, CFGF_MULTI | CFGF_NODEFAULT)

int conffile_parse_value(cfg_t *section, cfg_opt_t *option, const char *text, void *result);
void conffile_free_value(void *value);

/*
 * Reads and parses. BAD_REQUEST: it cannot be read or is malformed, the mistake is recorded;
 * INTERNAL: no memory. Both `schema` and `mistakes` must outlive the file.
 */
ks_err conffile_open(const char *path, cfg_opt_t *schema, struct conffile_mistakes *mistakes,
                     struct conffile **out) KS_MUST_CHECK;
struct conffile *conffile_free(struct conffile *file);
void conffile_freep(struct conffile **file);

cfg_t *conffile_root(struct conffile *file);

/* The bytes as read, for hashing. */
const char *conffile_text(const struct conffile *file, size_t *len);

/* The value of an option, NULL if it is not given; of a list the first, and the one at `index`. */
const struct conffile_value *conffile_get(cfg_t *section, const char *option);
const struct conffile_value *conffile_get_at(cfg_t *section, const char *option, size_t index);
size_t conffile_count(cfg_t *section, const char *option);

/* It is given, and empty: "OPTION = {}". */
bool conffile_emptied(cfg_t *section, const char *option);

/* The line on which a section begins. */
unsigned int conffile_line(const struct conffile *file, cfg_t *section);

/* Records a mistake; line 0: of the file as a whole. */
void conffile_error(struct conffile *file, unsigned int line, const char *format, ...)
    KS_PRINTF(3, 4);

/* Records a mistake in a value: "FILE:LINE: OPTION: what". */
void conffile_value_error(const struct conffile_value *value, const char *format, ...)
    KS_PRINTF(2, 3);
