/* SPDX-License-Identifier: Apache-2.0 */
/*
 * find - searches; what one found is fixed when it begins
 */
#pragma once

#include "client/pkcs11/object.h"

struct find;

/* Takes NULL; returns NULL. */
struct find *find_free(struct find *find);
