/* SPDX-License-Identifier: Apache-2.0 */
/*
 * import_rig - a front with one worker, a key file and its password, for imports that come through it
 */
#pragma once

#include "harness.h"

struct import_rig {
    struct harness h;
    struct channel *worker;
    int sealed[2]; /* a file and a password */
    size_t n_open_before;
};

extern struct import_rig rig;

int import_rig_file(const char *text);

/* Wants of the process, sooner or later (discard.h), no more to be open than at import_rig_begin()
 * and both ends of so many connections. */
void import_rig_expect_open(uint32_t n_connections);

/* Connects a worker that lists its key, web/shop@1. */
void import_rig_worker(void);

void import_rig_begin(void);

/* The front has closed what it had: also what discard() closes in its own time. */
void import_rig_end(void);

void import_rig_setup(void);

/* The frame, to be freed. */
uint8_t *import_rig_pack(uint64_t id, const char *name, bool has_password, size_t *len);

void import_rig_send(int fd, uint64_t id, const char *name, const int *files, size_t n_files);

bool import_rig_same_file(int one, int two);

/* The worker has this import with the files that were sent; it answers that the key is made. */
void import_rig_make(const char *name, size_t n_files);

void import_rig_send_status(int fd, const int *files, size_t n_files);
