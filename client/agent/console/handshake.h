/* SPDX-License-Identifier: Apache-2.0 */
/*
 * handshake - the TLS of one connection to an agent: who it must be, and who the console is
 *
 * OpenSSL asks handshake.c about the agent's certificate in the middle of the handshake, before the
 * console has sent its own certificate or a byte of a request. What is not trusted ends there.
 */
#pragma once

#include <curl/curl.h>

#include "client/agent/console/trust.h"

struct handshake {
    const struct trust *trust;    /* NULL: only looked at; the caller sends nothing */
    const char *certificate_file; /* the console's own; NULL: none */
    const char *key_file;
    /* Afterwards; nothing, if who was trusted did not end the handshake: */
    bool judged;
    bool unreadable; /* its certificate is none that could be kept; never trusted */
    struct trust_verdict verdict;
    X509 *leaf;             /* as it was shown; NULL: it did not come so far */
    STACK_OF(X509) * chain; /* without those that could not be kept */
    char own_failed[256];   /* the console's own certificate or key cannot be used; empty: it can */
};

/* For CURLOPT_SSL_CTX_FUNCTION; `state` is the struct handshake. */
CURLcode handshake_set_up(CURL *curl, void *context, void *state);

void handshake_deinit(struct handshake *handshake);

/* Once, behind the last one: gives back what signing with the console's own key took. */
void handshake_end(void);
