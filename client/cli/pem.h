/* SPDX-License-Identifier: Apache-2.0 */
/*
 * pem - DER as PEM and as base64
 */
#pragma once

#include "base/util.h"

/* "-----BEGIN LABEL-----..."; free(). NULL: no memory. */
char *pem_text(const char *label, const uint8_t *der, size_t len);

/* One line without a line break; free(). NULL: no memory. */
char *pem_base64(const uint8_t *data, size_t len);
