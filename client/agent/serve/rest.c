/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest - the table of routes, and the order of the checks: who, which route, which scope, which environment
 */
#include "client/agent/serve/rest.h"

#include <malloc.h>
#include <stdio.h>

#include "base/clock.h"
#include "client/agent/serve/rest_private.h"

#define READ (SCOPE_READ | SCOPE_CERTIFICATES)
#define MANAGE SCOPE_CERTIFICATES
#define SLOW (1 << 8) /* no scope: it takes a place, see rest_private.h */
#define E "/e/{environment}/api/v1/certificate"
#define I "/api/v1/identity/{identity}"

/* clang-format off */
static const struct route ROUTES[] = {
    {WEB_GET,    E "/list",            READ,          rest_certificate_list},
    {WEB_PUT,    E "/{name}",          MANAGE | SLOW, rest_certificate_put},
    {WEB_DELETE, E "/{name}",          MANAGE | SLOW, rest_certificate_delete},
    {WEB_POST,   E "/{name}/activate", MANAGE | SLOW, rest_certificate_activate},
    {WEB_GET,    E "/{name}/list",     READ | SLOW,   rest_certificate_describe},
    {WEB_POST,   E "/{name}/list",     READ | SLOW,   rest_certificate_describe},
    {WEB_GET,    I "/status",          READ,          rest_identity_status},
    {WEB_GET,    I "/certificate",     READ,          rest_identity_certificate},
    {WEB_POST,   I "/csr",             MANAGE | SLOW, rest_identity_csr},
    {WEB_POST,   I "/apply",           MANAGE | SLOW, rest_identity_apply},
    {WEB_POST,   I "/self-signed",     MANAGE | SLOW, rest_identity_self_signed},
    {WEB_POST,   I "/rollback",        MANAGE | SLOW, rest_identity_rollback},
};
/* clang-format on */

static void wiping_free(void *memory);

ks_err
rest_new(const struct agent_config *config, struct rest **out, struct fault *why)
{
    struct rest *rest = calloc(1, sizeof(*rest));

    if (!rest) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    rest->config = config;
    rest->max_slow = config->threads > 1 ? config->threads / 2 : 1;
    pthread_mutex_init(&rest->lock, NULL);
    json_set_alloc_funcs(malloc, wiping_free);
    *out = rest;
    return KS_OK;
}

static void
wiping_free(void *memory)
{
    if (memory)
        explicit_bzero(memory, malloc_usable_size(memory));
    free(memory);
}

struct rest *
rest_free(struct rest *rest)
{
    if (!rest)
        return NULL;
    pthread_mutex_destroy(&rest->lock);
    free(rest);
    return NULL;
}

static const struct route *
find(struct rest_call *call, struct route_match *match)
{
    enum web_method method = web_method(call->request);
    const char *path = web_path(call->request);
    const struct route *route;
    bool other_method;

    route = route_find(ROUTES, ARRAY_LEN(ROUTES), method == WEB_HEAD ? WEB_GET : method, path,
                       match, &other_method);
    if (route && (!call->plain || strcmp(match->words[0], call->rest->config->environment) == 0))
        return route;
    if (other_method)
        rest_fail_with(call, 405, KS_ERR_BAD_REQUEST, "%s does not take this method", path);
    else
        rest_fail_with(
            call, 404, KS_ERR_NOT_FOUND,
            "nothing is at %s; docs/openapi.yaml has every path, agent.conf the environment", path);
    return NULL;
}

static bool
take_place(struct rest_call *call)
{
    struct rest *rest = call->rest;
    bool free_place;

    pthread_mutex_lock(&rest->lock);
    free_place = rest->n_slow < rest->max_slow;
    rest->n_slow += free_place;
    pthread_mutex_unlock(&rest->lock);
    if (!free_place)
        rest_fail_with(call, 503, KS_ERR_BUSY,
                       "too many changes and passwords are being worked on; try again");
    return free_place;
}

static void
put_place(struct rest *rest)
{
    pthread_mutex_lock(&rest->lock);
    rest->n_slow--;
    pthread_mutex_unlock(&rest->lock);
}

/* Strangers learn nothing, not even which paths there are. */
static void
dispatch(struct rest_call *call)
{
    struct route_match match;
    const struct route *route;
    unsigned int scopes = rest_authenticate(call);

    if (scopes == 0)
        return;
    route = find(call, &match);
    if (!route)
        return;
    if (!(scopes & (unsigned int)route->scope)) {
        rest_fail_with(call, 403, KS_ERR_DENIED, "%s has not the scope \"%s\"", call->agent->who,
                       scope_name(SCOPE_CERTIFICATES));
        return;
    }
    call->match = &match;
    if ((route->scope & SLOW) && !take_place(call))
        return;
    route->handle(call->request, &match, call);
    if (route->scope & SLOW)
        put_place(call->rest);
}

static struct rest_call
call_of(struct rest *rest, struct agent *agent, struct web_request *request)
{
    return (struct rest_call){.rest = rest,
                              .agent = agent,
                              .request = request,
                              .plain = strncmp(web_path(request), "/e/", 3) == 0};
}

void
rest_admit(struct rest *rest, struct agent *agent, struct web_request *request)
{
    struct rest_call call = call_of(rest, agent, request);
    char who[AGENT_WHO_MAX];

    memcpy(who, agent->who, sizeof(who));
    (void)rest_authenticate(&call);
    memcpy(agent->who, who, sizeof(who));
}

void
rest_handle(struct rest *rest, struct agent *agent, struct web_request *request)
{
    struct rest_call call = call_of(rest, agent, request);
    char who[AGENT_WHO_MAX];

    memcpy(who, agent->who, sizeof(who));
    dispatch(&call);
    memcpy(agent->who, who, sizeof(who));
}
