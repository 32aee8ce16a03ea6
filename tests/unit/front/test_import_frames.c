/* SPDX-License-Identifier: Apache-2.0 */
#include "import_rig.h"

#include <unistd.h>

#include "hold.h"

/* More frames before and after it than are looked at in one turn, in one read with it. */
Test(import, finds_its_descriptors_among_many_other_frames)
{
    enum { BEFORE = 20, AFTER = 20 };
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    hold_begin(&rig.h);
    for (uint64_t i = 1; i <= BEFORE; i++)
        client_send_status(fd, i);
    import_rig_send(fd, 100, "web/new", rig.sealed, 2);
    for (uint64_t i = 1; i <= AFTER; i++)
        client_send_status(fd, BEFORE + i);
    hold_let_go();
    for (uint64_t i = 1; i <= BEFORE + AFTER; i++)
        client_expect(fd, i, KS_OK);
    import_rig_make("web/new", 2);
    client_expect(fd, 100, KS_OK);
    close(fd);
    hold_end();
    import_rig_end();
}

/* The same in one message, its descriptors beside the first byte of all: who is so lax is served. */
Test(import, may_come_in_one_message_with_frames_before_and_after_it)
{
    uint8_t data[4096], *packed;
    size_t len = 0, packed_len;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    for (uint64_t i = 1; i <= 3; i++) {
        Keysvc__V1__Request request = KEYSVC__V1__REQUEST__INIT;
        Keysvc__V1__StatusRequest status = KEYSVC__V1__STATUS_REQUEST__INIT;

        request.id = i;
        request.operation_case = KEYSVC__V1__REQUEST__OPERATION_STATUS;
        request.status = &status;
        packed = i == 2 ? import_rig_pack(i, "web/new", true, &packed_len)
                        : client_pack(&request, &packed_len);
        memcpy(data + len, packed, packed_len);
        len += packed_len;
        free(packed);
    }
    client_send_files(fd, data, len, rig.sealed, 2);
    client_expect(fd, 1, KS_OK);
    client_expect(fd, 3, KS_OK);
    import_rig_make("web/new", 2);
    client_expect(fd, 2, KS_OK);
    close(fd);
    import_rig_end();
}

Test(import, may_be_cut_into_single_bytes)
{
    uint8_t *data;
    size_t len;
    int fd;

    import_rig_begin();
    fd = client_hello(&rig.h);
    data = import_rig_pack(1, "web/new", true, &len);
    client_send_files(fd, data, 1, rig.sealed, 2);
    for (size_t i = 1; i < len; i++)
        client_send_bytes(fd, data + i, 1);
    import_rig_make("web/new", 2);
    client_expect(fd, 1, KS_OK);
    free(data);
    close(fd);
    import_rig_end();
}

Test(import, several_at_once_have_each_their_own)
{
    int fd, swapped[2];
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job job;

    import_rig_begin();
    swapped[0] = rig.sealed[1];
    swapped[1] = rig.sealed[0];
    fd = client_hello(&rig.h);
    hold_begin(&rig.h);
    import_rig_send(fd, 1, "web/a", rig.sealed, 2);
    import_rig_send(fd, 2, "web/b", swapped, 2);
    import_rig_send(fd, 3, "web/c", rig.sealed, 1);
    hold_let_go();
    import_rig_make("web/a", 2);
    client_expect(fd, 1, KS_OK);
    worker_take(rig.worker, &storage, &job);
    cr_assert_str_eq(job.name, "web/b");
    cr_assert_eq(job.n_fds, 2);
    for (size_t i = 0; i < 2; i++) {
        cr_assert(import_rig_same_file(job.fds[i], swapped[i]));
        close(job.fds[i]);
    }
    worker_answer(rig.worker, job.id, KS_ERR_BAD_REQUEST, NULL);
    client_expect(fd, 2, KS_ERR_BAD_REQUEST);
    import_rig_make("web/c", 1);
    client_expect(fd, 3, KS_OK);
    close(fd);
    hold_end();
    import_rig_end();
}

Test(import, descriptors_with_what_takes_none_end_the_connection)
{
    int fd, many[253];

    import_rig_begin();
    for (size_t i = 0; i < ARRAY_LEN(many); i++)
        many[i] = rig.sealed[0];
    fd = client_hello(&rig.h);
    import_rig_send_status(fd, rig.sealed, 1);
    client_expect_end(fd);
    fd = client_connect(&rig.h); /* Hello takes none either */
    import_rig_send_status(fd, rig.sealed, 1);
    client_expect_end(fd);
    fd = client_hello(&rig.h);
    import_rig_send(fd, 1, "web/new", many, 3);
    client_expect_end(fd);
    fd = client_hello(&rig.h);
    import_rig_send(fd, 1, "web/new", many, ARRAY_LEN(many));
    client_expect_end(fd);
    fd = client_connect(&rig.h);
    import_rig_send(fd, 1, "web/new", rig.sealed, 2);
    client_expect_end(fd);
    import_rig_end();
}

Test(import, half_a_frame_that_ends_with_its_connection_keeps_nothing)
{
    uint8_t *data;
    size_t len;

    import_rig_begin();
    data = import_rig_pack(1, "web/new", true, &len);
    for (int i = 0; i < 20; i++) {
        int fd = client_hello(&rig.h);

        client_send_files(fd, data, i % 2 ? 1 : len - 1, rig.sealed, 2);
        close(fd);
    }
    free(data);
    import_rig_end();
}
