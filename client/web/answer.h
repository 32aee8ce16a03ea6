/* SPDX-License-Identifier: Apache-2.0 */
/*
 * answer - struct web_request as the server sees it, and the bytes of an answer
 */
#pragma once

#include "client/web/head.h"
#include "client/web/wiped.h"

#define ANSWER_MAX_LEN (16u * 1024u * 1024u) /* a hundred times the longest list */

/* What the handler is given. */
struct web_request {
    const struct head *head;
    const void *body;
    size_t body_len;
    const X509 *client;  /* verified, or NULL */
    const char *lapsed;  /* web_client_lapsed() */
    struct wiped *out;   /* where the answer goes */
    struct wiped fields; /* of the answer, from web_answer_header() */
    const char *why;     /* for the log, or NULL; web_log_why() */
    int code;            /* 0: not answered yet */
    bool close;          /* the answer says that the connection ends */
};

void answer_init(struct web_request *request, const struct head *head, struct wiped *out);
void answer_deinit(struct web_request *request);

/* The server's own answer: the status in words, as text. */
void answer_status(struct web_request *request, int code);

/* "HTTP/1.1 100 Continue" */
bool answer_continue(struct wiped *out) KS_MUST_CHECK;
