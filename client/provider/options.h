/* SPDX-License-Identifier: Apache-2.0 */
/*
 * options - what the provider's section of openssl.cnf says
 *
 *     socket = /run/keysvc/keysvc.sock
 *     timeout = 10s
 *     errors = stderr
 */
#pragma once

#include <stdbool.h>
#include <stdint.h>

/* A web server's worker waits that long for one signature, and serves nobody meanwhile. */
#define OPTIONS_TIMEOUT_DEFAULT_MS 10000u

struct options {
    const char *socket; /* NULL: the library's own; borrowed */
    uint32_t timeout_ms;
    bool errors_to_stderr; /* for programs that do not show OpenSSL's error stack */
    /* What is wrong with the section; empty: nothing. OpenSSL forgets, without a word, a provider
     * whose init fails. So init succeeds, and each reference is refused with this text. */
    char trouble[256];
};

/* The texts as openssl.cnf has them; NULL: not given. */
void options_parse(const char *socket, const char *timeout, const char *errors,
                   struct options *out);

/* "10s", "500ms", "2m"; without a unit, seconds. False: nonsense, zero, or more than 10 minutes. */
bool options_parse_time(const char *text, uint32_t *ms);
