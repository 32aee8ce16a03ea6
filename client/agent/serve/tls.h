/* SPDX-License-Identifier: Apache-2.0 */
/*
 * tls - what new connections are served with: the current certificate of identity `agent`
 *
 * The private key is a reference: the provider of keysvc, linked in, asks keysvcd for each
 * handshake's signature, for at most TLS_SIGN_TIMEOUT. One for each thread, in a library context of
 * its own. Nothing is resumed: a client that comes again proves nothing by an old ticket, and sees
 * the certificate that is in force now.
 */
#pragma once

#include <openssl/ssl.h>

#include "client/agent/identity/identity.h"

#define TLS_SIGN_TIMEOUT "10s" /* its loop serves nobody meanwhile */

struct tls;

/* `agent` is borrowed, and used by tls_context(). Makes the first context: USAGE for the file of
 * client CAs; identity_current()'s; INTERNAL. */
ks_err tls_new(struct agent *agent, struct tls **out, struct report *report) KS_MUST_CHECK;
/* Takes NULL, returns NULL. Contexts that were given live on. */
struct tls *tls_free(struct tls *tls);

/*
 * For one new connection, up-ref'd (SSL_CTX_free); made anew if another set became current, or the files of
 * agent.conf about clients changed. Never NULL: a set that cannot be loaded is logged, once, and the one before
 * goes on serving; without the CAs of clients there are no certificates of clients.
 */
SSL_CTX *tls_context(struct tls *tls);

/* Why the certificate that a client showed would be refused now, a constant; NULL: it would not. */
const char *tls_client_lapsed(struct tls *tls, const SSL *ssl);
