/* SPDX-License-Identifier: Apache-2.0 */
/*
 * chain_private - what chain.c and chain_open.c share
 */
#pragma once

#include "base/buf.h"
#include "base/chain.h"
#include "base/clock.h"
#include "base/digest.h"

struct chain {
    int fd;
    char name[CHAIN_NAME_MAX + 1];
    struct digest *digest;

    struct buf pending;
    size_t lead;  /* 1: pending begins with the newline that the file needs */
    uint64_t seq; /* of the last gathered record */
    uint8_t hash[KS_SHA256_LEN];
    uint64_t n_gathered; /* by callers */

    bool in_record;
    size_t record_len; /* of the record that is being put together, behind pending.len */
    bool cut;

    uint64_t file_seq;
    uint8_t file_hash[KS_SHA256_LEN];
    struct buf tail;
    bool needs_newline; /* the last whole record lacks its newline only */
    bool continues;     /* the record "continued" is not yet in the file */
    bool lost;          /* and says that the file before is gone */
    bool failed;
    bool dirty;
    bool named;         /* the file had a name when it was opened */
    uint64_t size;      /* bytes the file has at least: what was there and what was written */
    char blocked[128];  /* why nothing is written; empty: it is */
    uint64_t withdrawn; /* records refused and not yet said so in the file */

    uint64_t second; /* whose text is kept */
    char second_text[CLOCK_TEXT_LEN];
};

/* Drops what was gathered, and gathers what the chain itself has to say first. */
void chain_restart(struct chain *chain);

/* The file has lost its last name or a part of what was in it; *how says which. */
bool chain_lost(const struct chain *chain, const char **how);
