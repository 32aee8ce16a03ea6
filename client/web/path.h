/* SPDX-License-Identifier: Apache-2.0 */
/*
 * path - a request's target becomes a path that can be compared with a table
 *
 * One path has one spelling: what could be read in two ways is refused.
 */
#pragma once

#include <stdbool.h>

/*
 * Decodes `target` in place: *path is inside of it and begins with '/', *query is what stands behind
 * '?', as it came (empty: none). "https://host/path" is "/path". False, to be answered with 400: no
 * path at all, a byte that belongs into no target, a bad or needless escape of '/', a NUL or another
 * control character, "." or ".." as a component, or what is not UTF-8 once decoded.
 */
bool path_parse(char *target, const char **path, const char **query);
