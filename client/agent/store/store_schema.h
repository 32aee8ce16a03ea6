/* SPDX-License-Identifier: Apache-2.0 */
/*
 * store_schema - the tables, and their version
 */
#pragma once

#define STORE_VERSION 2 /* PRAGMA user_version */

/* Makes all of it in an empty file. */
extern const char STORE_SCHEMA[];
/* [N] makes version N into N + 1; from 1 on. */
extern const char *const STORE_STEPS[STORE_VERSION];
