/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identical - comparing field by field
 */
#include "client/agent/console/identical.h"

#include "base/util.h"

static bool
same_in_all(const json_t *objects, const char *name, const json_t *value)
{
    const json_t *one;
    size_t index;

    json_array_foreach(objects, index, one)
    {
        if (!json_equal(json_object_get(one, name), value))
            return false;
    }
    return true;
}

static int
by_text(const void *one, const void *other)
{
    return strcmp(*(const char *const *)one, *(const char *const *)other);
}

/* A copy whose names stand in order. */
static json_t *
sorted(json_t *object)
{
    size_t n = 0, n_names = json_object_size(object);
    ks_auto(freep) const char **names = calloc(n_names + 1, sizeof(*names));
    json_t *result = names ? json_object() : NULL;
    const char *name;
    json_t *value;

    json_object_foreach(object, name, value)
    {
        if (names)
            names[n++] = name;
    }
    if (names)
        qsort(names, n, sizeof(*names), by_text);
    for (size_t i = 0; result && i < n; i++)
        (void)json_object_set(result, names[i], json_object_get(object, names[i]));
    return result;
}

json_t *
identical(const json_t *objects)
{
    json_t *result = json_object();
    json_t *in_order;
    json_t *one, *value;
    const char *name;
    size_t index;

    json_array_foreach(objects, index, one)
    {
        json_object_foreach(one, name, value)
        {
            if (json_object_get(result, name))
                continue;
            if (same_in_all(objects, name, value))
                (void)json_object_set(result, name, value);
            else
                (void)json_object_set_new(result, name, json_string(IDENTICAL_DIFFER));
        }
    }
    in_order = sorted(result);
    json_decref(result);
    return in_order;
}
