/* SPDX-License-Identifier: Apache-2.0 */
/*
 * stage - a whole supervisor with fake children in a folder of its own, for tests that read as a
 * script
 *
 *   stage_open() -> stage_script() ... -> stage_start() -> stage_expect() ... -> stage_stop() ->
 * stage_close()
 *
 * A failed expectation fails the test.
 */
#pragma once

#include <sys/types.h>

#include "base/util.h"

struct stage {
    char folder[64];
    pid_t supervisor;
};

/* One token `main` with `workers` workers and a PIN file. */
void stage_open(struct stage *stage, unsigned int workers);

/* keysvcd.conf: what stands behind the section daemon. */
void stage_config(struct stage *stage, const char *sections);
/* A token section: profile options such as "workers = 2\n" go into its profile. */
void stage_token(struct stage *stage, char *out, size_t cap, const char *name,
                 const char *profile_options, const char *label);

void stage_script(struct stage *stage, const char *child, const char *lines);
void stage_write(struct stage *stage, const char *name, const char *text, unsigned int mode);
bool stage_exists(struct stage *stage, const char *name);
void stage_read(struct stage *stage, const char *name, char *out, size_t cap);
void stage_path(const struct stage *stage, const char *name, char *out, size_t cap);

void stage_start(struct stage *stage);
void stage_signal(struct stage *stage, int number);
/* SIGTERM, and the exit code. */
int stage_stop(struct stage *stage);
void stage_close(struct stage *stage);

/* Waits until the children's log holds `text` `n` times. */
void stage_expect(struct stage *stage, const char *text, size_t n);
size_t stage_count(struct stage *stage, const char *text);
/* Waits until the file is there, or is not. */
void stage_expect_file(struct stage *stage, const char *name, bool there);
/* `first` stands before `second` in the log. */
bool stage_in_order(struct stage *stage, const char *first, const char *second);
/* The process id in the last "CHILD began". */
pid_t stage_pid(struct stage *stage, const char *child);
