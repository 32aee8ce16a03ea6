/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtin - this provider inside of a program of ours, instead of as keysvc.so
 *
 *     OSSL_PROVIDER_add_builtin(libctx, BUILTIN_PROVIDER_NAME, builtin_provider_init)
 *
 * Its options (options.h) are parameters of the provider's section in the context's configuration,
 * here as there.
 */
#pragma once

#include <openssl/provider.h>

#define BUILTIN_PROVIDER_NAME "keysvc"

OSSL_provider_init_fn builtin_provider_init;
