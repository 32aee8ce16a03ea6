/* SPDX-License-Identifier: Apache-2.0 */
/*
 * digest - hashing, here in the process
 */
#pragma once

struct digest;

/* Takes NULL; returns NULL. */
struct digest *digest_free(struct digest *digest);
