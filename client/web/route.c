/* SPDX-License-Identifier: Apache-2.0 */
/*
 * route - comparing a path with each row, component by component
 */
#include "client/web/route.h"

#include <string.h>

static bool route_matches(const char *pattern, const char *path, struct route_match *match);
static bool take_word(const char *path, size_t len, struct route_match *match);

const struct route *
route_find(const struct route *routes, size_t n_routes, enum web_method method, const char *path,
           struct route_match *match, bool *other_method)
{
    *other_method = false;
    for (size_t i = 0; i < n_routes; i++) {
        if (!route_matches(routes[i].path, path, match))
            continue;
        if (routes[i].method == method) {
            *other_method = false;
            return &routes[i];
        }
        *other_method = true;
    }
    *match = (struct route_match){.n_words = 0};
    return NULL;
}

static bool
route_matches(const char *pattern, const char *path, struct route_match *match)
{
    *match = (struct route_match){.n_words = 0};
    while (*pattern == '/' && *path == '/') {
        size_t pattern_len = strcspn(++pattern, "/");
        size_t path_len = strcspn(++path, "/");

        if (*pattern == '{') {
            if (!take_word(path, path_len, match))
                return false;
        } else if (pattern_len != path_len || memcmp(pattern, path, path_len) != 0) {
            return false;
        }
        pattern += pattern_len;
        path += path_len;
    }
    return *pattern == '\0' && *path == '\0';
}

static bool
take_word(const char *path, size_t len, struct route_match *match)
{
    if (len == 0 || len > ROUTE_WORD_MAX || match->n_words == ROUTE_MAX_WORDS)
        return false;
    memcpy(match->words[match->n_words++], path, len); /* the rest is zeros */
    return true;
}
