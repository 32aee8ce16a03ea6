/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - which handler a method and a path lead to: a table, one row a line
 *
 *     {WEB_PUT, "/e/{environment}/api/v1/certificate/{name}", SCOPE_CERTIFICATES, certificate_put}
 *
 * A word in braces stands for one component, of at most ROUTE_WORD_MAX bytes, not empty.
 */
#pragma once

#include "client/web/request.h"

#define ROUTE_MAX_WORDS 4u
#define ROUTE_WORD_MAX 128u

struct route_match {
    char words[ROUTE_MAX_WORDS][ROUTE_WORD_MAX + 1]; /* in the order of the path */
    size_t n_words;
};

struct route {
    enum web_method method;
    const char *path;
    int scope; /* the owner's own meaning */
    void (*handle)(struct web_request *request, const struct route_match *match, void *state);
};

/* The row. NULL: none; *other_method: the path is known, with another method (405). */
const struct route *route_find(const struct route *routes, size_t n_routes, enum web_method method,
                               const char *path, struct route_match *match, bool *other_method);
