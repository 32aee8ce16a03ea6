/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "ipc/pack.h"

Test(pack, reads_back_what_was_written)
{
    ks_auto(buf_deinit) struct buf buf = BUF_INIT;
    ks_auto(strv_deinit) struct strv list = STRV_INIT;
    char one[] = "one", two[] = "two";
    struct strv words = {(char *[]){one, two}, 2};
    const uint8_t *blob;
    struct unpacker in;
    char text[16];
    size_t len;

    pack_u8(&buf, 0xab);
    pack_u16(&buf, 0xabcd);
    pack_u32(&buf, 0xdeadbeef);
    pack_u64(&buf, UINT64_MAX - 1);
    pack_bool(&buf, true);
    pack_text(&buf, "web/shop");
    pack_blob(&buf, "\0\1\2", 3);
    pack_strv(&buf, &words);
    cr_assert_not(buf.failed);

    in = unpack_start(buf.data, buf.len);
    cr_assert_eq(unpack_u8(&in), 0xab);
    cr_assert_eq(unpack_u16(&in), 0xabcd);
    cr_assert_eq(unpack_u32(&in), 0xdeadbeef);
    cr_assert_eq(unpack_u64(&in), UINT64_MAX - 1);
    cr_assert(unpack_bool(&in));
    unpack_text(&in, text, sizeof(text));
    cr_assert_str_eq(text, "web/shop");
    blob = unpack_blob(&in, 3, &len);
    cr_assert_eq(len, 3);
    cr_assert_arr_eq(blob, "\0\1\2", 3);
    unpack_strv(&in, 2, &list);
    cr_assert_eq(list.n_items, 2);
    cr_assert_str_eq(list.items[1], "two");
    cr_assert(unpack_done(&in));
}

Test(pack, every_cut_of_a_message_is_noticed)
{
    ks_auto(buf_deinit) struct buf buf = BUF_INIT;

    pack_u32(&buf, 7);
    pack_text(&buf, "name");
    pack_blob(&buf, "data", 4);
    for (size_t len = 0; len < buf.len; len++) {
        struct unpacker in = unpack_start(buf.data, len);
        char text[8];
        size_t blob_len;

        unpack_u32(&in);
        unpack_text(&in, text, sizeof(text));
        unpack_blob(&in, 4, &blob_len);
        cr_assert_not(unpack_done(&in), "cut at %zu", len);
    }
}

Test(pack, bytes_left_over_are_noticed)
{
    struct unpacker in = unpack_start("\0\0", 2);

    unpack_u8(&in);
    cr_assert_not(unpack_done(&in));
}

Test(pack, refuses_values_out_of_bounds)
{
    char small[4];
    size_t len;
    struct unpacker in;

    in = unpack_start("\2", 1);
    unpack_bool(&in);
    cr_assert(in.bad, "2 is no boolean");
    in = unpack_start("\0\4four", 6);
    unpack_text(&in, small, sizeof(small));
    cr_assert(in.bad, "a text as long as its buffer leaves no room for NUL");
    cr_assert_str_empty(small);
    in = unpack_start("\0\3a\0b", 5);
    unpack_text(&in, small, sizeof(small));
    cr_assert(in.bad, "a NUL inside of a text");
    in = unpack_start("\0\0\0\5hello", 9);
    cr_assert_null(unpack_blob(&in, 4, &len));
    cr_assert(in.bad);
    in = unpack_start("\0\0\0\3", 4);
    unpack_enum(&in, 3);
    cr_assert(in.bad);
}

Test(pack, a_text_too_long_for_its_length_fails_the_buffer)
{
    ks_auto(buf_deinit) struct buf buf = BUF_INIT;
    ks_auto(freep) char *text = malloc(70001);

    memset(text, 'x', 70000);
    text[70000] = '\0';
    pack_text(&buf, text);
    cr_assert(buf.failed);
}
