/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_ipc - every message between our processes, in both directions; the first byte chooses which
 *
 * There is one way to write a message: what unpacks packs again into the same bytes, so that no
 * value is lost or invented at the edge.
 */
#include "ipc/control.h"
#include "ipc/job.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

/* True: it was a message, and is in `out` again. */
typedef bool (*repack_fn)(const uint8_t *data, size_t size, struct buf *out);

static bool
repack_job(const uint8_t *data, size_t size, struct buf *out)
{
    ks_auto(buf_deinit) struct buf storage = BUF_INIT;
    ks_auto(job_deinit) struct job job = JOB_INIT;

    if (job_unpack(data, size, &storage, &job) != KS_OK)
        return false;
    require(job.name[0] == '\0' || keyname_valid(job.name));
    job_pack(out, &job);
    return true;
}

static bool
repack_reply(const uint8_t *data, size_t size, struct buf *out)
{
    struct job_reply reply;

    if (job_reply_unpack(data, size, &reply) != KS_OK)
        return false;
    job_reply_pack(out, &reply);
    return true;
}

static bool
repack_setup(const uint8_t *data, size_t size, struct buf *out)
{
    struct control_setup setup;

    if (control_setup_unpack(data, size, &setup) != KS_OK)
        return false;
    require(setup.config->n_tokens == 0 || setup.token_index < setup.config->n_tokens);
    control_setup_pack(out, &setup);
    control_setup_deinit(&setup);
    return true;
}

static bool
repack_config(const uint8_t *data, size_t size, struct buf *out)
{
    struct config *config;

    if (config_unpack(data, size, &config) != KS_OK)
        return false;
    config_pack(out, config);
    config_free(config);
    return true;
}

static bool
repack_chain(const uint8_t *data, size_t size, struct buf *out)
{
    struct job_chain chain;

    if (job_chain_unpack(data, size, &chain) != KS_OK)
        return false;
    require(chain.n_items > 0 && chain.n_items <= JOB_MAX_CHAIN);
    job_chain_pack(out, &chain);
    return true;
}

static bool
repack_imported(const uint8_t *data, size_t size, struct buf *out)
{
    struct job_imported imported;

    if (job_imported_unpack(data, size, &imported) != KS_OK)
        return false;
    require(imported.chain.n_items <= JOB_MAX_CHAIN);
    job_imported_pack(out, &imported);
    return true;
}

static bool
repack_token_info(const uint8_t *data, size_t size, struct buf *out)
{
    struct job_token_info info;

    if (job_token_info_unpack(data, size, &info) != KS_OK)
        return false;
    job_token_info_pack(out, &info);
    job_token_info_deinit(&info);
    return true;
}

#define REPACK(message)                                                                            \
    static bool repack_##message(const uint8_t *data, size_t size, struct buf *out)                \
    {                                                                                              \
        struct message value;                                                                      \
                                                                                                   \
        if (message##_unpack(data, size, &value) != KS_OK)                                         \
            return false;                                                                          \
        message##_pack(out, &value);                                                               \
        return true;                                                                               \
    }
REPACK(job_key)
REPACK(job_stats)
REPACK(control_tally)
REPACK(control_state)
REPACK(control_worker)
REPACK(control_checkpoint)
REPACK(control_admin)
REPACK(control_result)

/* clang-format off */
static const repack_fn MESSAGE[] = {
    repack_job,
    repack_reply,
    repack_setup,
    repack_job_key,
    repack_control_state,
    repack_control_worker,
    repack_control_checkpoint,
    repack_control_admin,
    repack_control_result,
    repack_config,
    repack_chain,
    repack_token_info,
    repack_job_stats,
    repack_control_tally,
    repack_imported,
};
/* clang-format on */

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    if (size == 0)
        return 0;
    if (MESSAGE[data[0] % ARRAY_LEN(MESSAGE)](data + 1, size - 1, &packed))
        require(!packed.failed && packed.len == size - 1 &&
                memcmp(packed.data, data + 1, packed.len) == 0);
    return 0;
}
