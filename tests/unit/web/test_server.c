/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "web_rig.h"

#define HOST "Host: localhost\r\n"

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

TestSuite(server, .init = begin, .fini = end, .timeout = 60);

Test(server, requests_follow_one_another_on_one_connection)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer;

    answer = rig_ask(ssl, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 5\r\n\r\nhello");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", answer);
    cr_assert(strstr(answer, "\r\nContent-Length: 5\r\n"));
    cr_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\nhello");
    answer = rig_ask(ssl, "GET /peer HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\nnobody\n");
    answer = rig_ask(ssl, "GET /a%20b HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 404 ", 13), 0);
    cr_assert(strstr(answer, "nothing at /a b\n"));
    rig_hang_up(ssl);
}

Test(server, answers_say_not_to_be_kept_and_not_whose_they_are)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer = rig_ask(ssl, "GET /header HTTP/1.1\r\n" HOST "\r\n");

    cr_assert(strstr(answer, "\r\nCache-Control: no-store\r\n"));
    cr_assert(strstr(answer, "\r\nX-Content-Type-Options: nosniff\r\n"));
    cr_assert(strstr(answer, "\r\nX-Good: 1\r\n"));
    cr_assert_not(strstr(answer, "X-Worse"));
    cr_assert_not(strstr(answer, "\r\nServer:"));
    cr_assert_not(strstr(answer, "\r\nConnection:"));
    rig_hang_up(ssl);
}

Test(server, pipelined_requests_are_answered_in_their_order)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer = rig_ask(ssl, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\none"
                                      "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n\r\ntwo"
                                      "PUT /echo HTTP/1.1\r\n" HOST "Connection: close\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n3\r\nend\r\n0\r\n\r\n");

    cr_assert(strstr(answer, "\r\n\r\none"));
    cr_assert(strstr(rig_answer(ssl), "\r\n\r\ntwo"));
    answer = rig_answer(ssl);
    cr_assert(strstr(answer, "\r\n\r\nend"));
    cr_assert(strstr(answer, "\r\nConnection: close\r\n"));
    cr_assert(rig_closed(ssl));
    rig_hang_up(ssl);
}

Test(server, head_has_headers_only_and_the_connection_stays_in_step)
{
    SSL *ssl = rig_connect(&rig, 0);
    char text[512];
    const char *answer;
    int n;

    cr_assert_eq(SSL_write(ssl, "HEAD /peer HTTP/1.1\r\n" HOST "\r\n", 40), 40);
    n = SSL_read(ssl, text, sizeof(text) - 1);
    cr_assert(n > 0);
    text[n] = '\0';
    cr_assert(strstr(text, "\r\nContent-Length: 7\r\n"));
    cr_assert_str_eq(strstr(text, "\r\n\r\n"), "\r\n\r\n");
    answer = rig_ask(ssl, "GET /peer HTTP/1.1\r\n" HOST "\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0, "%s", answer);
    rig_hang_up(ssl);
}

Test(server, an_old_client_gets_one_answer)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer = rig_ask(ssl, "GET /peer HTTP/1.0\r\nConnection: keep-alive\r\n\r\n");

    cr_assert_eq(strncmp(answer, "HTTP/1.1 200 OK\r\n", 17), 0);
    cr_assert(strstr(answer, "\r\nConnection: close\r\n"));
    cr_assert(rig_closed(ssl));
    rig_hang_up(ssl);
}

Test(server, a_client_that_waits_is_told_to_go_on)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer;

    answer = rig_ask(ssl, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 3\r\n"
                          "Expect: 100-continue\r\n\r\n");
    cr_assert_str_eq(answer, "HTTP/1.1 100 Continue\r\n\r\n");
    cr_assert(strstr(rig_ask(ssl, "abc"), "\r\n\r\nabc"));
    /* And again on the same connection; too much is refused before it was sent. */
    answer = rig_ask(ssl, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 104857600\r\n"
                          "Expect: 100-continue\r\n\r\n");
    cr_assert_eq(strncmp(answer, "HTTP/1.1 413 ", 13), 0, "%s", answer);
    cr_assert(rig_closed(ssl));
    rig_hang_up(ssl);
}

Test(server, what_is_no_request_is_answered_as_text_and_ends_the_connection)
{
    SSL *ssl = rig_connect(&rig, 0);
    const char *answer = rig_ask(ssl, "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 1\r\n"
                                      "Transfer-Encoding: chunked\r\n\r\n0\r\n\r\n"
                                      "GET /smuggled HTTP/1.1\r\n" HOST "\r\n");

    cr_assert_eq(strncmp(answer, "HTTP/1.1 400 ", 13), 0);
    cr_assert(strstr(answer, "\r\nContent-Type: text/plain; charset=utf-8\r\n"));
    cr_assert(strstr(answer, "\r\nConnection: close\r\n"));
    cr_assert_str_eq(strstr(answer, "\r\n\r\n"), "\r\n\r\nBad Request\n");
    cr_assert_str_eq(rig_answer(ssl), "");
    rig_hang_up(ssl);
    cr_assert_eq(rig_status(&rig, "BREW /peer HTTP/1.1\r\n" HOST "\r\n"), 501);
    cr_assert_eq(rig_status(&rig, "GET /peer HTTP/3.0\r\n" HOST "\r\n"), 505);
    cr_assert_eq(rig_status(&rig, "GET /a/../b HTTP/1.1\r\n" HOST "\r\n"), 400);
    cr_assert_eq(rig_status(&rig, "GET https://x/peer HTTP/1.1\r\n" HOST "\r\n"), 200);
    cr_assert_eq(rig_status(&rig, "OPTIONS /peer HTTP/1.1\r\n" HOST "\r\n"), 200);
}

Test(server, a_handler_that_does_not_answer)
{
    cr_assert_eq(rig_status(&rig, "GET /none HTTP/1.1\r\n" HOST "\r\n"), 500);
}

Test(server, a_hundred_megabytes_are_refused_though_the_client_does_not_listen)
{
    static const char HEAD[] = "PUT /echo HTTP/1.1\r\n" HOST "Content-Length: 104857600\r\n\r\n";
    static char block[65536];
    SSL *ssl = rig_connect(&rig, 0);
    int sent = 0;

    cr_assert_eq(SSL_write(ssl, HEAD, (int)strlen(HEAD)), (int)strlen(HEAD));
    while (sent < 104857600 && SSL_write(ssl, block, sizeof(block)) == sizeof(block))
        sent += (int)sizeof(block);
    cr_assert_eq(strncmp(rig_answer(ssl), "HTTP/1.1 413 ", 13), 0);
    rig_hang_up(ssl);
}

Test(server, bodies_up_to_the_limit)
{
    size_t len = 1024 * 1024;
    char head[128];
    char *body = malloc(len);
    char *back = malloc(len + 4096);
    SSL *ssl = rig_connect(&rig, 0);
    size_t done = 0;
    int n;

    for (size_t i = 0; i < len; i++)
        body[i] = (char)(i * 7 >> 3);
    snprintf(head, sizeof(head),
             "PUT /echo HTTP/1.1\r\n" HOST "Connection: close\r\nContent-Length: %zu\r\n\r\n", len);
    cr_assert_eq(SSL_write(ssl, head, (int)strlen(head)), (int)strlen(head));
    cr_assert_eq(SSL_write(ssl, body, (int)len), (int)len);
    while ((n = SSL_read(ssl, back + done, (int)(len + 4096 - done))) > 0)
        done += (size_t)n;
    cr_assert(done > len);
    cr_assert_arr_eq(back + done - len, body, len);
    free(body);
    free(back);
    rig_hang_up(ssl);
}
