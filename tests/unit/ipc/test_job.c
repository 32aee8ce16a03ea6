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
                .challenge_password = "once",
                .alternatives = alternatives,
                .n_alternatives = ARRAY_LEN(alternatives)},
        .days = 90,
        .import = {.format = JOB_IMPORT_PKCS12, .has_password = true, .select = "shop"},
        .chain = {.n_items = 2,
                  .items = {{(const uint8_t *)"leaf", 4}, {(const uint8_t *)"ca", 2}}},
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
            cr_assert_str_eq(out.csr.challenge_password, "once");
        }
        if (operation == JOB_SELF_SIGN) {
            cr_assert_eq(out.days, 90);
            cr_assert_str_eq(out.csr.common_name, "shop.example");
            cr_assert_eq(out.csr.n_alternatives, 2);
        }
        if (operation == JOB_IMPORT) {
            cr_assert_eq(out.import.format, JOB_IMPORT_PKCS12);
            cr_assert(out.import.has_password && !out.import.certificates);
            cr_assert_str_eq(out.import.select, "shop");
            cr_assert_eq(out.n_fds, 0, "descriptors travel beside the message");
        }
        if (operation == JOB_CERTIFICATE_PUT) {
            cr_assert_eq(out.chain.n_items, 2);
            cr_assert_eq(out.chain.items[0].len, 4);
            cr_assert_arr_eq(out.chain.items[1].data, "ca", 2);
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
        .id = 9,
        .err = KS_ERR_PURPOSE,
        .data = (const uint8_t *)"sig",
        .data_len = 3,
        .execution_us = 90,
        .n_unsynced = 7,
    };
    struct job_reply out;

    fault_set(&reply.why, "no");
    cr_assert(text_copy(reply.why.refused_name, sizeof(reply.why.refused_name), "a.example"));
    job_reply_pack(&packed, &reply);
    cr_assert_eq(job_reply_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out.err, KS_ERR_PURPOSE);
    cr_assert_str_eq(out.why.text, "no");
    cr_assert_str_eq(out.why.refused_name, "a.example");
    cr_assert_arr_eq(out.data, "sig", 3);
    cr_assert_eq(out.execution_us, 90);
    cr_assert_eq(out.n_unsynced, 7);
    packed.len = 0;
    reply.err = KS_ERR_COUNT;
    job_reply_pack(&packed, &reply);
    cr_assert_eq(job_reply_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

Test(job, stats_read_back_and_no_more_can_wait_for_the_disk_than_was_written)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_stats out,
        stats = {.n_records = 9, .n_unsynced = 9, .n_syncs = 2, .n_failures = UINT64_MAX};

    job_stats_pack(&packed, &stats);
    cr_assert_eq(job_stats_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_arr_eq(&out, &stats, sizeof(out));
    for (size_t len = 0; len < packed.len; len++)
        cr_assert_eq(job_stats_unpack(packed.data, len, &out), KS_ERR_BAD_REQUEST);
    packed.len = 0;
    stats.n_unsynced = 10;
    job_stats_pack(&packed, &stats);
    cr_assert_eq(job_stats_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

/* Packs the job and says what unpacking it gives. */
static ks_err
unpacked(const struct job *job)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    ks_auto(job_deinit) struct job out = JOB_INIT;

    job_pack(&packed, job);
    return job_unpack(packed.data, packed.len, &storage, &out);
}

Test(job, the_days_of_a_self_signed_certificate_are_bounded)
{
    struct job job = some_job(JOB_SELF_SIGN);

    job.days = JOB_MAX_DAYS;
    cr_assert_eq(unpacked(&job), KS_OK);
    job.days = JOB_MAX_DAYS + 1;
    cr_assert_eq(unpacked(&job), KS_ERR_BAD_REQUEST);
    job.days = 0;
    cr_assert_eq(unpacked(&job), KS_ERR_BAD_REQUEST);
}

Test(job, an_import_has_a_known_format_and_a_bounded_name)
{
    struct job job = some_job(JOB_IMPORT);
    char select[JOB_MAX_SELECT + 2];

    memset(select, 'x', sizeof(select));
    select[JOB_MAX_SELECT] = '\0';
    job.import.select = select;
    cr_assert_eq(unpacked(&job), KS_OK);
    select[JOB_MAX_SELECT] = 'x';
    select[JOB_MAX_SELECT + 1] = '\0';
    cr_assert_eq(unpacked(&job), KS_ERR_BAD_REQUEST);
    job.import.select = "";
    job.import.format = (enum job_import_format)0;
    cr_assert_eq(unpacked(&job), KS_ERR_BAD_REQUEST);
    job.import.format = JOB_IMPORT_FORMAT_COUNT;
    cr_assert_eq(unpacked(&job), KS_ERR_BAD_REQUEST);
}

/* What job_chain_unpack() says of this chain. */
static ks_err
chain_unpacked(const struct job_chain *chain, size_t cut, size_t extra)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_chain out;

    job_chain_pack(&packed, chain);
    for (size_t i = 0; i < extra; i++)
        pack_u8(&packed, 0);
    return job_chain_unpack(packed.data, packed.len - cut, &out);
}

Test(job, a_chain_has_1_to_16_certificates_of_bounded_length_and_nothing_behind_them)
{
    ks_auto(freep) uint8_t *large = calloc(1, JOB_MAX_CERTIFICATE + 1);
    struct job_chain chain = {.n_items = JOB_MAX_CHAIN};

    for (size_t i = 0; i < JOB_MAX_CHAIN; i++)
        chain.items[i] = (struct job_blob){large, JOB_MAX_CERTIFICATE};
    cr_assert_eq(chain_unpacked(&chain, 0, 0), KS_OK);
    cr_assert_eq(chain_unpacked(&chain, 1, 0), KS_ERR_BAD_REQUEST);
    cr_assert_eq(chain_unpacked(&chain, 0, 1), KS_ERR_BAD_REQUEST);
    chain.n_items = 1;
    chain.items[0].len = JOB_MAX_CERTIFICATE + 1;
    cr_assert_eq(chain_unpacked(&chain, 0, 0), KS_ERR_BAD_REQUEST);
    chain.items[0].len = 0;
    cr_assert_eq(chain_unpacked(&chain, 0, 0), KS_ERR_BAD_REQUEST);
    chain.n_items = 0;
    cr_assert_eq(chain_unpacked(&chain, 0, 0), KS_ERR_BAD_REQUEST);
}

Test(job, a_chain_that_claims_more_than_16_writes_past_nothing)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_chain out;

    pack_u32(&packed, JOB_MAX_CHAIN + 1);
    for (size_t i = 0; i <= JOB_MAX_CHAIN; i++)
        pack_blob(&packed, "x", 1);
    cr_assert_eq(job_chain_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
    cr_assert_eq(job_chain_unpack(NULL, 0, &out), KS_ERR_BAD_REQUEST);
}

static struct job_token_info
some_token_info(struct job_mechanism *mechanisms, size_t n)
{
    return (struct job_token_info){
        .label = "keysvc",
        .manufacturer = "SoftHSM project",
        .firmware_version = "2.6",
        .flags = 0x405,
        .max_sessions = JOB_NUMBER_UNKNOWN,
        .free_private_memory = 7,
        .mechanisms = mechanisms,
        .n_mechanisms = n,
    };
}

Test(job, a_tokens_information_reads_back_with_its_mechanisms)
{
    struct job_mechanism mechanisms[2] = {{.name = "CKM_ECDSA", .type = 0x1041, .max_size = 521},
                                          {.name = "0x80000001", .type = 0x80000001}};
    struct job_token_info info = some_token_info(mechanisms, 2);
    ks_auto(job_token_info_deinit) struct job_token_info out = {.n_mechanisms = 0};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    job_token_info_pack(&packed, &info);
    cr_assert_eq(job_token_info_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_str_eq(out.label, "keysvc");
    cr_assert_str_eq(out.manufacturer, "SoftHSM project");
    cr_assert_str_eq(out.firmware_version, "2.6");
    cr_assert_eq(out.flags, 0x405);
    cr_assert_eq(out.max_sessions, JOB_NUMBER_UNKNOWN);
    cr_assert_eq(out.free_private_memory, 7);
    cr_assert_eq(out.n_mechanisms, 2);
    cr_assert_str_eq(out.mechanisms[0].name, "CKM_ECDSA");
    cr_assert_eq(out.mechanisms[0].max_size, 521);
    cr_assert_eq(out.mechanisms[1].type, 0x80000001);
}

Test(job, every_cut_of_a_tokens_information_is_refused_and_leaves_nothing)
{
    struct job_mechanism mechanisms[1] = {{.name = "CKM_ECDSA", .type = 0x1041}};
    struct job_token_info info = some_token_info(mechanisms, 1);
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    job_token_info_pack(&packed, &info);
    pack_u8(&packed, 0);
    for (size_t len = 0; len <= packed.len; len++) {
        struct job_token_info out;

        if (len == packed.len - 1)
            continue;
        cr_assert_eq(job_token_info_unpack(packed.data, len, &out), KS_ERR_BAD_REQUEST, "%zu", len);
        cr_assert_null(out.mechanisms);
    }
}

Test(job, a_token_that_claims_too_many_mechanisms_allocates_nothing)
{
    struct job_token_info out, info = some_token_info(NULL, 0);
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    job_token_info_pack(&packed, &info);
    for (size_t i = 1; i <= 4; i++)
        packed.data[packed.len - i] = 0xff;
    cr_assert_eq(job_token_info_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
    cr_assert_null(out.mechanisms);
}

Test(job, what_a_file_gave_reads_back_with_and_without_certificates)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_imported imported = {.alias = "shop"}, out;

    job_imported_pack(&packed, &imported);
    cr_assert_eq(job_imported_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_str_eq(out.alias, "shop");
    cr_assert_eq(out.chain.n_items, 0);
    packed.len = 0;
    imported.chain.n_items = 1;
    imported.chain.items[0] = (struct job_blob){(const uint8_t *)"der", 3};
    job_imported_pack(&packed, &imported);
    cr_assert_eq(job_imported_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out.chain.n_items, 1);
    cr_assert_arr_eq(out.chain.items[0].data, "der", 3);
    cr_assert_eq(job_imported_unpack(packed.data, packed.len - 1, &out), KS_ERR_BAD_REQUEST);
    cr_assert_eq(job_imported_unpack(packed.data, 0, &out), KS_ERR_BAD_REQUEST);
    buf_append(&packed, "x", 1);
    cr_assert_eq(job_imported_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
    packed.len = 0;
    imported.chain.items[0].len = 0;
    job_imported_pack(&packed, &imported);
    cr_assert_eq(job_imported_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}
