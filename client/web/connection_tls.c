/* SPDX-License-Identifier: Apache-2.0 */
/*
 * connection_tls - what a connection asks of OpenSSL, and what its refusals mean
 */
#include <stdio.h>

#include <openssl/err.h>

#include "client/web/connection_private.h"

#define WHY_MAX 384u

static bool first_error(const SSL *ssl, char out[static WHY_MAX]);

bool
connection_tls_start(struct connection *connection)
{
    const struct server_options *options = connection->loop->options;
    SSL_CTX *context = options->tls(connection->loop->state);

    if (!context)
        return false; /* whoever has none has said why */
    connection->ssl = SSL_new(context);
    SSL_CTX_free(context);
    if (!connection->ssl || !SSL_set_fd(connection->ssl, connection->fd) ||
        !SSL_set_min_proto_version(connection->ssl, TLS1_2_VERSION)) {
        ERR_clear_error();
        return false;
    }
    /* Cleansed: what was deciphered is wiped from OpenSSL's own buffers once we have it. */
    SSL_set_options(connection->ssl, SSL_OP_CLEANSE_PLAINTEXT | SSL_OP_NO_RENEGOTIATION |
                                         SSL_OP_NO_COMPRESSION | SSL_OP_IGNORE_UNEXPECTED_EOF);
    SSL_set_mode(connection->ssl, SSL_MODE_ENABLE_PARTIAL_WRITE |
                                      SSL_MODE_ACCEPT_MOVING_WRITE_BUFFER |
                                      SSL_MODE_RELEASE_BUFFERS);
    /* Or SSL_read() goes on for as long as records without data come, as new keys by the thousand. */
    SSL_clear_mode(connection->ssl, SSL_MODE_AUTO_RETRY);
    SSL_set_accept_state(connection->ssl);
    return true;
}

enum step
connection_tls_failed(struct connection *connection, int result)
{
    char why[WHY_MAX];

    switch (SSL_get_error(connection->ssl, result)) {
    case SSL_ERROR_WANT_READ:
        return STEP_READ;
    case SSL_ERROR_WANT_WRITE:
        return STEP_WRITE;
    case SSL_ERROR_ZERO_RETURN:
        return STEP_END;
    default:
        break;
    }
    connection->failed = true;
    if (connection->state == STATE_HANDSHAKE && first_error(connection->ssl, why) &&
        loop_may_log(connection->loop, connection->peer))
        log_info("event=handshake-failed peer=%s why=\"%s\"", connection->peer, LOG_TEXT(why));
    return STEP_END;
}

/* The first is the cause, with what a provider says of it, or what is wrong with the client's certificate.
 * False: the client has just gone. */
static bool
first_error(const SSL *ssl, char out[static WHY_MAX])
{
    const char *data = NULL;
    int flags = 0;
    unsigned long code = ERR_peek_error_all(NULL, NULL, NULL, &data, &flags);
    const char *reason = ERR_reason_error_string(code);
    bool text = data && (flags & ERR_TXT_STRING) && data[0] != '\0';
    long verified = SSL_get_verify_result(ssl);

    if (!text && verified != X509_V_OK) {
        data = X509_verify_cert_error_string(verified);
        text = true;
    }
    snprintf(out, WHY_MAX, "%s%s%s", reason ? reason : "?", text ? ": " : "", text ? data : "");
    return code != 0;
}
