/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ipc - every message between our processes, in both directions; the first byte chooses which
 *
 * What unpacks must pack again into something that unpacks: no value is lost or invented at the
 * edge.
 */
#include "ipc/control.h"
#include "ipc/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
fuzz_job(const uint8_t *data, size_t size)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    ks_auto(buf_deinit) struct buf again_storage = BUF_INIT;
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    ks_auto(job_deinit) struct job job = JOB_INIT;
    ks_auto(job_deinit) struct job again = JOB_INIT;

    if (job_unpack(data, size, &storage, &job) != KS_OK)
        return;
    job_pack(&packed, &job);
    if (job_unpack(packed.data, packed.len, &again_storage, &again) != KS_OK)
        abort();
}

static void
fuzz_reply(const uint8_t *data, size_t size)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct job_reply reply;

    if (job_reply_unpack(data, size, &reply) != KS_OK)
        return;
    job_reply_pack(&packed, &reply);
    if (packed.failed || job_reply_unpack(packed.data, packed.len, &reply) != KS_OK)
        abort();
}

static void
fuzz_config(const uint8_t *data, size_t size)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct control_setup setup;
    struct control_setup again;

    if (control_setup_unpack(data, size, &setup) != KS_OK)
        return;
    control_setup_pack(&packed, &setup);
    if (control_setup_unpack(packed.data, packed.len, &again) != KS_OK)
        abort();
    control_setup_deinit(&again);
    control_setup_deinit(&setup);
}

static void
fuzz_small(uint8_t which, const uint8_t *data, size_t size)
{
    struct job_key key;
    struct control_state state;
    struct control_worker worker;
    struct control_checkpoint checkpoint;
    struct control_admin admin;
    struct control_result result;
    ks_err err;

    switch (which) {
    case 3:
        err = job_key_unpack(data, size, &key);
        break;
    case 4:
        err = control_state_unpack(data, size, &state);
        break;
    case 5:
        err = control_worker_unpack(data, size, &worker);
        break;
    case 6:
        err = control_checkpoint_unpack(data, size, &checkpoint);
        break;
    case 7:
        err = control_admin_unpack(data, size, &admin);
        break;
    default:
        err = control_result_unpack(data, size, &result);
    }
    if (err != KS_OK && err != KS_ERR_BAD_REQUEST)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    if (data[0] == 0)
        fuzz_job(data + 1, size - 1);
    else if (data[0] == 1)
        fuzz_reply(data + 1, size - 1);
    else if (data[0] == 2)
        fuzz_config(data + 1, size - 1);
    else
        fuzz_small(data[0], data + 1, size - 1);
    return 0;
}
