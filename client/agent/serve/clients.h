/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients - certificates of clients: in the handshake, and as long as their connection is used
 *
 * By client-ca-file and client-crl-file of agent.conf, as they are now: whoever changes one changes who is
 * let in from the next connection or request on.
 */
#pragma once

#include <openssl/ssl.h>

#include "client/agent/agent.h"

/* What the two files look like; zeros: there is none. Comparable with memcmp(). */
struct clients_seen {
    struct {
        int64_t inode, size, modified_ns, changed_ns;
    } ca, crl;
};
struct clients_seen clients_look(const struct agent_config *config);

/* Clients may show a certificate, if agent.conf says by whom; none is asked of who has none. USAGE: the
 * file of CAs, and nothing was changed. Trouble with the lists is logged, and keeps clients out, not the agent from serving. */
ks_err clients_take(const struct agent_config *config, OSSL_LIB_CTX *libctx, SSL_CTX *context,
                    struct report *report) KS_MUST_CHECK;

/* The same while it serves: without the file of CAs, which is logged, there are no certificates of clients. */
void clients_renew(const struct agent_config *config, OSSL_LIB_CTX *libctx, SSL_CTX *context);

/* Why the certificate that was shown would be refused now by `context`, a constant; NULL: it would not. */
const char *clients_lapsed(SSL_CTX *context, OSSL_LIB_CTX *libctx, const SSL *ssl);
