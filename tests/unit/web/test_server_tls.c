/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <poll.h>

#include "web_rig.h"

#define GET "GET /peer HTTP/1.1\r\nHost: x\r\n\r\n"

static struct rig rig;

static void
begin(void)
{
    rig_init(&rig);
    rig_start(&rig);
}

static void
end(void)
{
    rig_deinit(&rig);
}

TestSuite(server_tls, .init = begin, .fini = end, .timeout = 60);

Test(server_tls, speaks_1_2_and_1_3_and_nothing_older)
{
    static const int VERSIONS[] = {TLS1_2_VERSION, TLS1_3_VERSION};
    SSL *ssl;

    for (size_t i = 0; i < ARRAY_LEN(VERSIONS); i++) {
        ssl = rig_connect(&rig, VERSIONS[i]);
        cr_assert_not_null(ssl);
        cr_assert_eq(SSL_version(ssl), VERSIONS[i]);
        cr_assert(strstr(rig_ask(ssl, GET), " 200 "));
        rig_hang_up(ssl);
    }
    SSL_CTX_set_security_level(rig.contexts[0], 0);
    SSL_CTX_set_min_proto_version(rig.contexts[0], TLS1_VERSION); /* the server knows better */
    cr_assert_null(rig_connect(&rig, TLS1_1_VERSION));
}

Test(server_tls, another_certificate_is_for_new_connections_and_ends_no_open_one)
{
    SSL *before = rig_connect(&rig, 0), *after;

    cr_assert_str_eq(rig_server_name(before), "one");
    rig.current = 1;
    after = rig_connect(&rig, 0);
    cr_assert_str_eq(rig_server_name(after), "two");
    cr_assert(strstr(rig_ask(after, GET), " 200 "));
    cr_assert(strstr(rig_ask(before, GET), " 200 "));
    rig_hang_up(before);
    rig_hang_up(after);
}

Test(server_tls, without_a_certificate_the_connection_is_closed_and_nothing_else)
{
    SSL *before = rig_connect(&rig, 0);

    rig.current = -1;
    cr_assert_null(rig_connect(&rig, 0));
    rig.current = 0;
    cr_assert(strstr(rig_ask(before, GET), " 200 "));
    rig_hang_up(before);
    cr_assert_eq(rig_status(&rig, GET), 200);
}

Test(server_tls, plain_http_and_garbage_get_no_answer_in_clear)
{
    static const char *const BYTES[] = {GET, "\026\003\001\000\005garbage",
                                        "\377\377\377\377\377\377"};

    for (size_t i = 0; i < ARRAY_LEN(BYTES); i++) {
        int fd = rig_dial(&rig);
        char answer[512] = "";
        ssize_t n;

        cr_assert(send(fd, BYTES[i], strlen(BYTES[i]), 0) > 0);
        shutdown(fd, SHUT_WR);
        n = recv(fd, answer, sizeof(answer) - 1, 0);
        cr_assert_not(n > 0 && strstr(answer, "HTTP"), "%s", answer);
        close(fd);
    }
    cr_assert_eq(rig_status(&rig, GET), 200);
}

/* With its own certificate as the only one that is trusted, or the other's. */
static SSL *
connect_as(SSL_CTX *client)
{
    SSL *ssl = SSL_new(client);

    SSL_set_fd(ssl, rig_dial(&rig));
    cr_assert_eq(SSL_connect(ssl), 1);
    return ssl;
}

Test(server_tls, a_verified_client_certificate_is_shown_to_the_handler)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    rig_certify(client, "console");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(rig.contexts[0]), SSL_CTX_get0_certificate(client));
    SSL_CTX_set_verify(rig.contexts[0], SSL_VERIFY_PEER, NULL);
    ssl = connect_as(client);
    cr_assert(strstr(rig_ask(ssl, GET), "\r\n\r\n/CN=console\n"));
    rig_hang_up(ssl);
    cr_assert_eq(rig_status(&rig, GET), 200); /* without one, as nobody */
    SSL_CTX_free(client);
}

Test(server_tls, a_client_certificate_that_holds_no_longer_is_none_on_an_open_connection)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *ssl, *without;

    rig_certify(client, "console");
    X509_STORE_add_cert(SSL_CTX_get_cert_store(rig.contexts[0]), SSL_CTX_get0_certificate(client));
    SSL_CTX_set_verify(rig.contexts[0], SSL_VERIFY_PEER, NULL);
    without = rig_connect(&rig, 0);
    ssl = connect_as(client);
    cr_assert(strstr(rig_ask(ssl, GET), "\r\n\r\n/CN=console\n"));
    rig.lapsed = "it was revoked";
    cr_assert(strstr(rig_ask(ssl, GET), "\r\n\r\nnobody: it was revoked\n"));
    cr_assert(strstr(rig_ask(without, GET), "\r\n\r\nnobody\n"));
    rig.lapsed = NULL;
    cr_assert(strstr(rig_ask(ssl, GET), "\r\n\r\n/CN=console\n"));
    rig_hang_up(without);
    rig_hang_up(ssl);
    SSL_CTX_free(client);
}

Test(server_tls, a_client_certificate_of_a_stranger_ends_the_handshake)
{
    SSL_CTX *client = SSL_CTX_new(TLS_client_method());
    SSL *ssl;

    rig_certify(client, "stranger");
    SSL_CTX_set_verify(rig.contexts[0], SSL_VERIFY_PEER, NULL);
    ssl = connect_as(client); /* TLS 1.3: the client hears of it with the first answer */
    cr_assert_str_eq(rig_ask(ssl, GET), "");
    rig_hang_up(ssl);
    SSL_CTX_free(client);
}
