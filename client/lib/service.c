/* SPDX-License-Identifier: Apache-2.0 */
/*
 * service - the service itself, its tokens and its rules: status, metrics, reload, retry-login,
 * rescan, token info, explain
 */
#include "client/lib/call.h"
#include "client/lib/error.h"

#define MAX_GIDS 65536 /* more than Linux gives a process */

ks_err
ks_status(struct ks_client *client, struct ks_status **out, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_STATUS};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_status(response, out, error);
}

struct ks_status *
ks_status_free(struct ks_status *status)
{
    if (!status)
        return NULL;
    for (size_t i = 0; i < status->n_groups; i++)
        free(status->groups[i].tokens);
    free(status->groups);
    free(status->tokens);
    free(status);
    return NULL;
}

ks_err
ks_metrics(struct ks_client *client, struct ks_metrics **out, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_METRICS};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_metrics(response, out, error);
}

struct ks_metrics *
ks_metrics_free(struct ks_metrics *metrics)
{
    if (!metrics)
        return NULL;
    free(metrics->requests);
    free(metrics->refusals);
    free(metrics->times);
    free(metrics->tokens);
    free(metrics->workers);
    free(metrics->chains);
    free(metrics);
    return NULL;
}

ks_err
ks_reload(struct ks_client *client, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_RELOAD};

    error_clear(error);
    return call_for_done(client, &request, error);
}

ks_err
ks_retry_login(struct ks_client *client, const char *token, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_RETRY_LOGIN, .token = token};

    error_clear(error);
    return call_for_done(client, &request, error);
}

ks_err
ks_rescan(struct ks_client *client, const char *token, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_RESCAN, .token = token};

    error_clear(error);
    return call_for_done(client, &request, error);
}

ks_err
ks_token_info(struct ks_client *client, const char *token, struct ks_token_info **out,
              struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_TOKEN_INFO, .token = token};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_token_info(response, out, error);
}

struct ks_token_info *
ks_token_info_free(struct ks_token_info *info)
{
    if (!info)
        return NULL;
    for (size_t i = 0; i < info->n_unsupported; i++)
        free(info->unsupported[i]);
    free(info->unsupported);
    free(info->mechanisms);
    free(info);
    return NULL;
}

ks_err
ks_explain(struct ks_client *client, const struct ks_explain_request *question,
           struct ks_explanation **out, struct ks_error *error)
{
    const struct request request = {.operation = OPERATION_EXPLAIN, .explain = question};
    ks_auto(response_freep) struct response *response = NULL;
    ks_err err;

    error_clear(error);
    if (question->for_other && question->n_gids > MAX_GIDS)
        return error_set(error, KS_ERR_TOO_LARGE, "%zu groups; at most %d fit", question->n_gids,
                         MAX_GIDS);
    err = call_run(client, &request, &response, error);
    if (err)
        return err;
    return response_explanation(response, out, error);
}

struct ks_explanation *
ks_explanation_free(struct ks_explanation *explanation)
{
    if (!explanation)
        return NULL;
    for (size_t i = 0; i < explanation->n_reasons; i++)
        free(explanation->reasons[i]);
    free(explanation->reasons);
    free(explanation->missing);
    free(explanation);
    return NULL;
}
