/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identical - of many objects the fields that are the same in all of them
 */
#pragma once

#include <jansson.h>

#define IDENTICAL_DIFFER "(differ)"

/* An object with every name that stands in any of `objects`: its value where all have it and the same,
 * else IDENTICAL_DIFFER. In the order of the names. NULL: no memory. */
json_t *identical(const json_t *objects);
