/* SPDX-License-Identifier: Apache-2.0 */
/*
 * builtin - the provider's entry under a name that no other provider has
 */
#include "client/provider/builtin.h"

/* provider.c; libcrypto finds it by this name where the provider is a file. */
extern OSSL_provider_init_fn OSSL_provider_init;

int
builtin_provider_init(const OSSL_CORE_HANDLE *handle, const OSSL_DISPATCH *in,
                      const OSSL_DISPATCH **out, void **context)
{
    return OSSL_provider_init(handle, in, out, context);
}
