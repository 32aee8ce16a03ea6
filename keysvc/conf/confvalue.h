/* SPDX-License-Identifier: Apache-2.0 */
/*
 * confvalue - the texts of a configuration file as numbers, times, sizes, words and paths
 *
 * Each reader takes a section and an option's name. An option that is not given yields what stands
 * as `fallback`, or an empty text; a wrong value is recorded as a mistake (conffile.h) and yields
 * the same, so that reading goes on and finds the next one.
 */
#pragma once

#include "base/strv.h"
#include "base/util.h"
#include "conf/conffile.h"

#define CONFVALUE_PATH_MAX 1023  /* bytes */
#define CONFVALUE_MAX_ITEMS 1024 /* members of one list option */

uint32_t confvalue_number(cfg_t *section, const char *option, uint32_t min, uint32_t max,
                          uint32_t fallback);

/* "10s", "500ms", "5m", "1h", and 0 where `min_ms` is 0. Milliseconds. */
uint32_t confvalue_time(cfg_t *section, const char *option, uint32_t min_ms, uint32_t max_ms,
                        uint32_t fallback_ms);

/* "60", "60s", "5m", "1h". Seconds. */
uint32_t confvalue_seconds(cfg_t *section, const char *option, uint32_t min, uint32_t max,
                           uint32_t fallback);

/* "65536", "64KiB", "16MiB". Bytes. */
uint32_t confvalue_size(cfg_t *section, const char *option, uint32_t min, uint32_t max,
                        uint32_t fallback);

/* "500/s"; 0: not given. */
uint32_t confvalue_rate(cfg_t *section, const char *option);

/* true, false, yes, no, on, off. */
bool confvalue_bool(cfg_t *section, const char *option, bool fallback);

/* Index of the value among `n` words. */
size_t confvalue_word(cfg_t *section, const char *option, const char *const *words, size_t n,
                      size_t fallback);

/* Printable text of at most cap - 1 bytes. */
void confvalue_text(cfg_t *section, const char *option, char *out, size_t cap);

/* An absolute path without `.` and `..` components. */
void confvalue_path(cfg_t *section, const char *option, char *out, size_t cap);

/* Is one of a list such a path? If not, that is recorded: a confvalue_check. */
bool confvalue_path_valid(const struct conffile_value *value);

/* Appends "NAME=value" texts; one whose NAME stands in the list already replaces it. */
ks_err confvalue_environment(cfg_t *section, const char *option, struct strv *list) KS_MUST_CHECK;

/* A name for tokens, rules, profiles and credentials: letters, digits, `. _ -`, not first a dot or
 * dash.
 */
bool confvalue_name_valid(const char *name, size_t max_len);

/* Is the list longer than a list may be (CONFVALUE_MAX_ITEMS)? Then that is recorded. */
bool confvalue_list_too_long(cfg_t *section, const char *option);

/* Appends the texts of a list that `check` takes; of the others it has recorded what is wrong. */
typedef bool (*confvalue_check)(const struct conffile_value *value);
ks_err confvalue_list(cfg_t *section, const char *option, confvalue_check check,
                      struct strv *list) KS_MUST_CHECK;
