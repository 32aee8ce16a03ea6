/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_private - what the handlers of the REST interface share; for rest*.c only
 */
#pragma once

#include <pthread.h>

#include "base/log.h"
#include "client/agent/api_token.h"
#include "client/agent/serve/rest.h"
#include "client/web/route.h"

#define REST_PASSWORD_MAX 1023u

/*
 * What may keep its loop waiting has to get a place: a change waits for the token and for others that
 * work on the identity, for a minute if the token hangs; a verifier of a password takes a processor
 * for 135 ms. There are as many places as half of the loops, so that others are served; who gets none
 * is answered 503.
 */
struct rest {
    const struct agent_config *config;
    pthread_mutex_t lock; /* for all below */
    unsigned int n_slow;  /* requests that have a place now */
    unsigned int max_slow;
};

/* One request on its way. */
struct rest_call {
    struct rest *rest;
    struct agent *agent;
    struct web_request *request;
    const struct route_match *match;
    bool plain; /* errors as text */
};

/* rest_auth.c: who asks. The scopes that he has; 0: nobody, and it is answered. */
unsigned int rest_authenticate(struct rest_call *call);

/* rest_answer.c */
int rest_status_of(ks_err err);
void rest_fail(struct rest_call *call, const struct report *report);
void rest_fail_with(struct rest_call *call, int code, ks_err err, const char *format, ...)
    KS_PRINTF(4, 5);
/* Takes `json`; NULL: no memory. */
void rest_answer_json(struct rest_call *call, json_t *json);
/* With what the report notes of a change that is made. */
void rest_answer_noted(struct rest_call *call, const struct report *report, json_t *json);
/* A JSON object from the body, {} if it is empty and `optional`; its members are among `known` (NULL ends).
 * NULL: it is answered. json_decref. */
json_t *rest_body(struct rest_call *call, const char *const *known, bool optional);

/*
 * rest_password.c: the password of X-Password, else of {"password": ..}; false: it is answered.
 * rest_password_end() wipes it.
 */
struct rest_password {
    char text[REST_PASSWORD_MAX + 1];
};
bool rest_password_begin(struct rest_call *call, bool in_body, struct rest_password *out);
void rest_password_end(struct rest_password *password);

/* The handlers, by the table in rest.c; `state` is struct rest_call. */
void rest_certificate_put(struct web_request *request, const struct route_match *match,
                          void *state);
void rest_certificate_delete(struct web_request *request, const struct route_match *match,
                             void *state);
void rest_certificate_activate(struct web_request *request, const struct route_match *match,
                               void *state);
void rest_certificate_list(struct web_request *request, const struct route_match *match,
                           void *state);
void rest_certificate_describe(struct web_request *request, const struct route_match *match,
                               void *state);
void rest_identity_status(struct web_request *request, const struct route_match *match,
                          void *state);
void rest_identity_certificate(struct web_request *request, const struct route_match *match,
                               void *state);
void rest_identity_csr(struct web_request *request, const struct route_match *match, void *state);
void rest_identity_apply(struct web_request *request, const struct route_match *match, void *state);
void rest_identity_self_signed(struct web_request *request, const struct route_match *match,
                               void *state);
void rest_identity_rollback(struct web_request *request, const struct route_match *match,
                            void *state);
