/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "ipc/job.h"

static struct job_alternative alternatives[] = {{CERTNAME_DNS, "shop.example"},
                                                {CERTNAME_IP, "10.0.0.7"}};

static struct job
some_job(enum job_operation operation)
{
    struct job job = {
        .id = 0x1122334455667788,
        .generation = 3,
        .operation = operation,
        .caller = {.uid = 33, .gid = 44, .pid = 55, .unit = "nginx.service", .rule = "nginx"},
        .name = "web/shop",
        .version = 2,
        .sign = {KS_ALGORITHM_ECDSA_SHA256, KS_HASH_NONE, (const uint8_t *)"message", 7},
        .csr = {.algorithm = KS_ALGORITHM_DEFAULT,
                .common_name = "shop.example",
                .country = "CH",
                .alternatives = alternatives,
                .n_alternatives = ARRAY_LEN(alternatives)},
        .checkpoint = CHAIN_CHECKPOINT_PREFIX "chain=front seq=1",
    };

    memset(job.public_key_sha256, 0x5a, sizeof(job.public_key_sha256));
    return job;
}

Test(job, each_operation_reads_back_as_it_was_written)
{
    for (int operation = JOB_SIGN; operation < JOB_OPERATION_COUNT; operation++) {
        ks_auto(buf_deinit) struct buf packed = BUF_INIT;
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        ks_auto(job_deinit) struct job out = JOB_INIT;
        struct job job = some_job((enum job_operation)operation);

        job_pack(&packed, &job);
        cr_assert_eq(job_unpack(packed.data, packed.len, &storage, &out), KS_OK, "operation %d",
                     operation);
        cr_assert_eq(out.id, job.id);
        cr_assert_eq(out.caller.pid, 55);
        cr_assert_str_eq(out.caller.unit, "nginx.service");
        cr_assert_str_eq(out.name, "web/shop");
        cr_assert_arr_eq(out.public_key_sha256, job.public_key_sha256, KS_SHA256_LEN);
        if (operation == JOB_SIGN) {
            cr_assert_eq(out.sign.data_len, 7);
            cr_assert_arr_eq(out.sign.data, "message", 7);
        }
        if (operation == JOB_CSR) {
            cr_assert_str_eq(out.csr.common_name, "shop.example");
            cr_assert_str_eq(out.csr.locality, "");
            cr_assert_eq(out.csr.n_alternatives, 2);
            cr_assert_eq(out.csr.alternatives[1].kind, CERTNAME_IP);
            cr_assert_str_eq(out.csr.alternatives[1].value, "10.0.0.7");
        }
        if (operation == JOB_CHECKPOINT)
            cr_assert_str_eq(out.checkpoint, job.checkpoint);
    }
}

Test(job, every_cut_and_every_extra_byte_is_refused)
{
    for (int operation = JOB_SIGN; operation < JOB_OPERATION_COUNT; operation++) {
        ks_auto(buf_deinit) struct buf packed = BUF_INIT;
        ks_auto(buf_deinit) struct buf storage = BUF_INIT;
        struct job out, job = some_job((enum job_operation)operation);

        job_pack(&packed, &job);
        pack_u8(&packed, 0);
        for (size_t len = 0; len <= packed.len; len++) {
            if (len != packed.len - 1)
                cr_assert_eq(job_unpack(packed.data, len, &storage, &out), KS_ERR_BAD_REQUEST,
                             "%d cut at %zu", operation, len);
        }
    }
}

Test(job, a_name_that_is_none_and_an_unknown_operation_are_refused)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    struct job out, job = some_job(JOB_SIGN);

    text_copy(job.name, sizeof(job.name), "../shop");
    job_pack(&packed, &job);
    cr_assert_eq(job_unpack(packed.data, packed.len, &storage, &out), KS_ERR_BAD_REQUEST);
    packed.len = 0;
    job = some_job((enum job_operation)0);
    job_pack(&packed, &job);
    cr_assert_eq(job_unpack(packed.data, packed.len, &storage, &out), KS_ERR_BAD_REQUEST);
}

Test(job, a_directory_entry_reads_back_and_a_version_of_0_is_refused)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_key key = {
        .name = "web/shop", .version = 1, .type = KS_KEY_TYPE_EC_P256, .public_key_len = 3};
    struct job_key out;

    memcpy(key.public_key, "abc", 3);
    job_key_pack(&packed, &key);
    cr_assert_eq(job_key_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_str_eq(out.name, "web/shop");
    cr_assert_eq(out.public_key_len, 3);
    packed.len = 0;
    key.version = 0;
    job_key_pack(&packed, &key);
    cr_assert_eq(job_key_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

Test(job, a_reply_reads_back_and_an_unknown_outcome_is_refused)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_reply reply = {
        .id = 9, .err = KS_ERR_PURPOSE, .data = (const uint8_t *)"sig", .data_len = 3};
    struct job_reply out;

    fault_set(&reply.why, "no");
    job_reply_pack(&packed, &reply);
    cr_assert_eq(job_reply_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out.err, KS_ERR_PURPOSE);
    cr_assert_str_eq(out.why.text, "no");
    cr_assert_arr_eq(out.data, "sig", 3);
    packed.len = 0;
    reply.err = KS_ERR_COUNT;
    job_reply_pack(&packed, &reply);
    cr_assert_eq(job_reply_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}
