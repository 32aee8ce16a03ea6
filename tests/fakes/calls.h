/* SPDX-License-Identifier: Apache-2.0 */
/*
 * calls - how often each PKCS#11 function was called, counted in one file by every process that
 * shares it
 */
#pragma once

#include <stddef.h>
#include <stdint.h>

#define FORWARD(scope, name, parameters, arguments) FUNCTION_##name,
#define OWN FORWARD
enum function {
#include "tests/fakes/functions.h"
    FUNCTION_COUNT
};
#undef FORWARD
#undef OWN

/* FUNCTION_COUNT: no such function. */
enum function calls_function(const char *name);
const char *calls_name(enum function function);

/* The counters in FOLDER/calls, mapped; the file is made if there is none. NULL: errno says why. */
struct calls *calls_open(const char *folder);
struct calls *calls_close(struct calls *calls);

/* The number of this call: 1 for the first. */
uint64_t calls_count(struct calls *calls, enum function function);
uint64_t calls_get(const struct calls *calls, enum function function);

/* The bytes of FOLDER/NAME, mapped and shared; zeros where the file was shorter. NULL: errno. */
void *calls_map(const char *folder, const char *name, size_t len);
