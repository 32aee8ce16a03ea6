/* SPDX-License-Identifier: Apache-2.0 */
/*
 * hex - bytes as lower-case hexadecimal digits, and strictly back
 */
#pragma once

#include "base/util.h"

/* Writes 2 * len digits and no NUL. */
void hex_put(char *out, const uint8_t *data, size_t len);

/* Writes 2 * len digits and a NUL. */
void hex_text(char *out, const uint8_t *data, size_t len);

/* Exactly `len` bytes from 2 * len lower-case digits; false: other characters. */
bool hex_parse(const char *text, uint8_t *out, size_t len);
