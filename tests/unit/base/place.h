/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - a file without a name that a chain appends to and the test reads and writes
 */
#pragma once

#include "base/chain.h"
#include "base/verify.h"

struct place {
    int fd;
};

struct place place_new(void);

int place_open(const struct place *place);

void place_append(const struct place *place, const void *data, size_t len);

/* To be freed. */
char *place_text(const struct place *place);

struct verify_result place_verify(const struct place *place, ks_err expected);

/* A chain that goes on where the place ends. */
struct chain *place_chain(const struct place *place);

/* One record, not flushed. */
void place_gather(struct chain *chain, uint64_t request);

void place_flush(struct chain *chain);

/* Number of the last flushed record. */
uint64_t place_head(const struct chain *chain);
