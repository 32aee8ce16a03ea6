/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "client/web/reader.h"

#define MAX_HEADERS 512u
#define MAX_BODY 64u
#define PUT "PUT /a HTTP/1.1\r\nHost: x\r\n"
#define CHUNKED PUT "Transfer-Encoding: chunked\r\n\r\n"

/* What a connection's bytes are: each request as "body|", or its status at the end. */
static void
read_all(const char *bytes, size_t len, size_t piece, char out[static 256])
{
    struct reader *reader = reader_new(MAX_HEADERS, MAX_BODY);
    enum reader_result result = READER_MORE;
    size_t done = 0;

    out[0] = '\0';
    while (result != READER_REFUSED && (done < len || result == READER_WHOLE)) {
        size_t n = len - done < piece ? len - done : piece;
        const void *body;

        if (result == READER_MORE) {
            memcpy(reader_space(reader), bytes + done, n);
            reader_filled(reader, n);
            done += n;
        }
        result = reader_step(reader);
        if (result == READER_WHOLE) {
            body = reader_body(reader, &n);
            snprintf(out + strlen(out), 256 - strlen(out), "%.*s|", (int)n, (const char *)body);
            reader_next(reader);
        }
    }
    if (result == READER_REFUSED)
        snprintf(out + strlen(out), 256 - strlen(out), "%d", reader_code(reader));
    else if (reader_begun(reader))
        strcat(out, "more");
    reader_free(reader);
}

/* clang-format off */
static const struct { const char *bytes, *expected; } CASES[] = {
    {"", ""},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r", "more"},
    {"GET / HTTP/1.1\r\nHost: x\r\n\r\n", "|"},
    {"\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "|"},
    {"\r\n\r\nGET / HTTP/1.1\r\nHost: x\r\n\r\n", "400"},
    {"GET / HTTP/1.1\nHost: x\n\n", "400"},
    {"\026\003\001\001\n", "400"},
    {PUT "Content-Length: 3\r\n\r\nabc", "abc|"},
    {PUT "Content-Length: 3\r\n\r\nab", "more"},
    {PUT "Content-Length: 3\r\n\r\nabc" PUT "Content-Length: 2\r\n\r\ndeGET / HTTP/1.1\r\nHost: y\r\n\r\n", "abc|de||"},
    {PUT "Content-Length: 65\r\n\r\n", "413"},
    {PUT "Content-Length: 104857600\r\n\r\n", "413"},
    {CHUNKED "3\r\nabc\r\n0\r\n\r\n", "abc|"},
    {CHUNKED "3\r\nabc\r\nA;x=y\r\n0123456789\r\n00\r\nTrailer: 1\r\n\r\n" PUT "Content-Length: 1\r\n\r\nz", "abc0123456789|z|"},
    {CHUNKED "30\r\n123456781234567812345678123456781234567812345678\r\n11\r\n", "413"},
    {CHUNKED "ffffffff\r\n", "413"},
    {CHUNKED "fffffffff\r\n", "400"},
    {CHUNKED "\r\n", "400"},
    {CHUNKED " 3\r\nabc\r\n", "400"},
    {CHUNKED "-3\r\n", "400"},
    {CHUNKED "0x3\r\n", "400"},
    {CHUNKED "3\nabc\r\n", "400"},
    {CHUNKED "3\r\nabcd\r\n", "400"},
    {CHUNKED "3\r\nabc\n0\r\n\r\n", "400"},
    {CHUNKED "3;a\nb\r\nabc\r\n", "400"},
    {CHUNKED "0\r\nTrailer: 1\n\r\n", "400"},
    {CHUNKED "0\r\n\rx", "400"},
    {PUT "Content-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\nGET /x HTTP/1.1\r\nHost: y\r\n\r\n", "400"},
};
/* clang-format on */

Test(reader, means_the_same_however_the_bytes_are_cut)
{
    for (size_t i = 0; i < ARRAY_LEN(CASES); i++) {
        char found[256];

        for (size_t piece = 1; piece < 80; piece++) {
            read_all(CASES[i].bytes, strlen(CASES[i].bytes), piece, found);
            cr_assert_str_eq(found, CASES[i].expected, "%zu by %zu: %s", i, piece, found);
        }
        read_all(CASES[i].bytes, strlen(CASES[i].bytes), READER_SPACE, found);
        cr_assert_str_eq(found, CASES[i].expected, "%zu: %s", i, found);
    }
}

Test(reader, a_head_that_does_not_end)
{
    char bytes[2 * MAX_HEADERS];
    char found[256];

    memset(bytes, 'a', sizeof(bytes));
    for (size_t piece = 1; piece < sizeof(bytes); piece += 37) {
        read_all(bytes, MAX_HEADERS, piece, found);
        cr_assert_str_eq(found, "more");
        read_all(bytes, sizeof(bytes), piece, found);
        cr_assert_str_eq(found, "414");
    }
    memcpy(bytes, "GET / HTTP/1.1\r\n", strlen("GET / HTTP/1.1\r\n"));
    for (size_t piece = 1; piece < sizeof(bytes); piece += 37) {
        read_all(bytes, sizeof(bytes), piece, found);
        cr_assert_str_eq(found, "431");
    }
}

Test(reader, waste_in_a_body_is_bounded)
{
    static char bytes[16384];
    char found[256];
    size_t len = strlen(CHUNKED "1;");

    memset(bytes, 'x', sizeof(bytes));
    memcpy(bytes, CHUNKED "1;", len);
    read_all(bytes, sizeof(bytes), 1000, found);
    cr_assert_str_eq(found, "431");
    len = strlen(CHUNKED "0\r\n");
    memcpy(bytes, CHUNKED "0\r\n", len);
    for (; len + 3 < sizeof(bytes); len += 3)
        memcpy(bytes + len, "x\r\n", 3);
    read_all(bytes, sizeof(bytes), 1000, found);
    cr_assert_str_eq(found, "431");
}

Test(reader, says_once_that_the_client_may_go_on)
{
    static const char BYTES[] = PUT "Content-Length: 3\r\nExpect: 100-continue\r\n\r\n";
    struct reader *reader = reader_new(MAX_HEADERS, MAX_BODY);

    cr_assert_not(reader_continue(reader));
    memcpy(reader_space(reader), BYTES, sizeof(BYTES) - 1);
    reader_filled(reader, sizeof(BYTES) - 1);
    cr_assert_eq(reader_step(reader), READER_MORE);
    cr_assert(reader_continue(reader));
    cr_assert_not(reader_continue(reader));
    memcpy(reader_space(reader), "abc", 3);
    reader_filled(reader, 3);
    cr_assert_eq(reader_step(reader), READER_WHOLE);
    reader_next(reader);
    cr_assert_not(reader_continue(reader));
    cr_assert_not(reader_begun(reader));
    reader_free(reader);
}
