/* SPDX-License-Identifier: Apache-2.0 */
/*
 * op_token - what a token says of itself, and what its profile says it cannot do
 */
#include "front/decode_field.h"
#include "front/front.h"
#include "front/operations.h"
#include "front/route.h"

static void make_printable(struct job_token_info *info);
static size_t list_lacks(uint64_t lacks, const char *names[static CONFIG_LACKS_BITS]);

ks_err
op_token_info(struct call *call, const struct request *request, struct fault *why)
{
    struct job job;
    ks_err err = op_check_token(call, request, why);

    if (err)
        return err;
    op_job_init(&job, call, request, JOB_TOKEN_INFO);
    call_start_deadline(call, request->deadline_ms);
    return route_submit(call->front->route, call, request->token, ROUTE_ANY, &job, why);
}

bool
op_is_token_info(const struct job_reply *reply)
{
    ks_auto(job_token_info_deinit) struct job_token_info info = {0};

    return job_token_info_unpack(reply->data, reply->data_len, &info) == KS_OK;
}

void
op_token_told(struct call *call, const struct job_reply *reply)
{
    const struct config_token *token =
        config_token_find(call->front->config, route_token_name(call->token));
    ks_auto(job_token_info_deinit) struct job_token_info info = {0};
    const char *unsupported[CONFIG_LACKS_BITS];
    struct reply answer = {0};
    ks_err err = job_token_info_unpack(reply->data, reply->data_len, &info);

    if (err) { /* what op_is_token_info() has not let in */
        call_fail(call, KS_ERR_INTERNAL, NULL);
        return;
    }
    make_printable(&info);
    answer.token_info.info = &info;
    answer.token_info.unsupported = unsupported;
    if (token)
        answer.token_info.n_unsupported = list_lacks(token->profile.lacks, unsupported);
    call_answer(call, &answer);
}

/* A token's texts are whatever its maker wrote; a client's protobuf takes none but UTF-8, and its
 * terminal obeys control characters. */
static void
clean(char *text)
{
    for (size_t n; *text; text += n) {
        n = field_char_len(text);
        if (n == 0) {
            *text = '?';
            n = 1;
        }
    }
}

static void
make_printable(struct job_token_info *info)
{
    clean(info->label);
    clean(info->manufacturer);
    clean(info->model);
    clean(info->serial);
    clean(info->hardware_version);
    clean(info->firmware_version);
    for (size_t i = 0; i < info->n_mechanisms; i++)
        clean(info->mechanisms[i].name);
}

/* A key type and its algorithm may have one name: it is said once. */
static size_t
list_lacks(uint64_t lacks, const char *names[static CONFIG_LACKS_BITS])
{
    size_t n = 0;

    for (unsigned int bit = 0; bit < CONFIG_LACKS_BITS; bit++) {
        const char *name = lacks & 1ull << bit ? config_lack_name(1ull << bit) : NULL;
        bool said = !name;

        for (size_t i = 0; i < n && !said; i++)
            said = strcmp(names[i], name) == 0;
        if (!said)
            names[n++] = name;
    }
    return n;
}
