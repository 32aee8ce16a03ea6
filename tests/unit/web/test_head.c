/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <stdio.h>

#include "client/web/head.h"

#define HOST "Host: a\r\n"

/* clang-format off */
static const struct { int code; const char *text; } BAD[] = {
    /* the line */
    {400, "\r\n\r\n"},
    {400, "GET\r\n" HOST "\r\n"},
    {400, "GET /\r\n" HOST "\r\n"},
    {400, "GET  / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /  HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET / HTTP/1.1 x\r\n" HOST "\r\n"},
    {400, " GET / HTTP/1.1\r\n" HOST "\r\n"},
    {400, "GET /../a HTTP/1.1\r\n" HOST "\r\n"},
    {400, "G\tT / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "BREW / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "get / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "TRACE / HTTP/1.1\r\n" HOST "\r\n"},
    {501, "CONNECT a:1 HTTP/1.1\r\n" HOST "\r\n"},
    {505, "GET / HTTP/2.0\r\n" HOST "\r\n"},
    {505, "GET / HTTP/1.2\r\n" HOST "\r\n"},
    {400, "GET / http/1.1\r\n" HOST "\r\n"},
    {400, "GET / SIP/2.0\r\n" HOST "\r\n"},
    /* headers */
    {400, "GET / HTTP/1.1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST HOST "\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A: 1\r\na: 2\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST ": 1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A : 1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST " A: 1\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A: 1\r\n 2\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A: 1\0013\r\n\r\n"},
    {400, "GET / HTTP/1.1\r\n" HOST "A: 1\177\r\n\r\n"},
    /* where the body ends */
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 5\r\nContent-Length: 5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 5, 5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: +5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: -5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 0x5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 5 \t5\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length:\r\n\r\n"},
    {400, "PUT / HTTP/1.1\r\n" HOST "Content-Length: 18446744073709551621\r\n\r\n"},
    {501, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip\r\n\r\n"},
    {501, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: gzip, chunked\r\n\r\n"},
    {501, "PUT / HTTP/1.1\r\n" HOST "Transfer-Encoding: chunked, identity\r\n\r\n"},
    {400, "PUT / HTTP/1.0\r\n" HOST "Transfer-Encoding: chunked\r\n\r\n"},
    {417, "PUT / HTTP/1.1\r\n" HOST "Expect: a cake\r\n\r\n"},
};
/* clang-format on */

static int
parse(const char *text, struct head *head)
{
    static char copy[4096];

    snprintf(copy, sizeof(copy), "%s", text);
    return head_parse(copy, strlen(copy), head);
}

Test(head, line_fields_and_framing)
{
    struct head head;

    cr_assert_eq(parse("PUT /a%20b?c HTTP/1.1\r\nHost: x\r\nX-Password: \t a b \t\r\n"
                       "Content-Length: 17\r\nExpect: 100-Continue\r\nEmpty:\r\n\r\n",
                       &head),
                 0);
    cr_assert_eq(head.method, WEB_PUT);
    cr_assert_str_eq(head.method_text, "PUT");
    cr_assert_str_eq(head.path, "/a b");
    cr_assert_str_eq(head.query, "c");
    cr_assert_eq(head.n_fields, 5);
    cr_assert_str_eq(head_get(&head, "x-password"), "a b");
    cr_assert_str_eq(head_get(&head, "EMPTY"), "");
    cr_assert_null(head_get(&head, "X"));
    cr_assert_eq(head.content_length, 17);
    cr_assert(head.waits && !head.chunked && !head.close && !head.old);
}

Test(head, who_ends_the_connection)
{
    struct head head;

    cr_assert_eq(parse("GET / HTTP/1.0\r\nConnection: keep-alive\r\n\r\n", &head), 0);
    cr_assert(head.old && head.close);
    cr_assert_eq(parse("GET / HTTP/1.1\r\nHost:\r\nConnection: foo ,CLOSE\r\n\r\n", &head), 0);
    cr_assert(head.close && !head.old);
    cr_assert_eq(parse("GET / HTTP/1.1\r\nHost:\r\nConnection: closed\r\n\r\n", &head), 0);
    cr_assert_not(head.close);
    cr_assert_eq(parse("PUT / HTTP/1.1\r\nHost:\r\nTransfer-Encoding: Chunked\r\n\r\n", &head), 0);
    cr_assert(head.chunked);
}

Test(head, what_two_readers_could_read_in_two_ways_is_refused)
{
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++) {
        struct head head;

        cr_assert_eq(parse(BAD[i].text, &head), BAD[i].code, "%zu: %s", i, BAD[i].text);
    }
}

Test(head, more_fields_than_there_is_room_for)
{
    char text[4096] = "GET / HTTP/1.1\r\nHost: x\r\n";
    struct head head;

    for (unsigned int i = 1; i < HEAD_MAX_FIELDS; i++)
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "X-%u: 1\r\n", i);
    strcat(text, "\r\n");
    cr_assert_eq(parse(text, &head), 0);
    strcpy(text + strlen(text) - 2, "Y: 1\r\n\r\n");
    cr_assert_eq(parse(text, &head), 431);
}

Test(head, its_end_is_an_empty_line_and_no_line_ends_otherwise)
{
    size_t looked = 0;

    cr_assert_eq(head_find_end((const uint8_t *)"a\r\n\r", 4, &looked), HEAD_MORE);
    cr_assert_eq(looked, 4);
    cr_assert_eq(head_find_end((const uint8_t *)"a\r\n\r\nxyz", 8, &looked), HEAD_WHOLE);
    cr_assert_eq(looked, 5);
    looked = 0;
    cr_assert_eq(head_find_end((const uint8_t *)"a\n\n", 3, &looked), HEAD_BAD);
    cr_assert_eq(head_find_end((const uint8_t *)"a\rb\r\n", 5, &looked), HEAD_BAD);
    cr_assert_eq(head_find_end((const uint8_t *)"a\r\r\n", 4, &looked), HEAD_BAD);
    cr_assert_eq(head_find_end((const uint8_t *)"a\0b", 3, &looked), HEAD_BAD);
}
