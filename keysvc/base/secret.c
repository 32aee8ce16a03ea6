/* SPDX-License-Identifier: Apache-2.0 */
/*
 * secret - locked pages for one secret each
 */
#include "base/secret.h"

#include <sys/mman.h>

ks_err
secret_new(struct secret **out)
{
    struct secret *secret;

    secret =
        mmap(NULL, sizeof(*secret), PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
    if (secret == MAP_FAILED)
        return KS_ERR_INTERNAL;
    if (mlock(secret, sizeof(*secret)) < 0 || madvise(secret, sizeof(*secret), MADV_DONTDUMP) < 0) {
        munmap(secret, sizeof(*secret));
        return KS_ERR_INTERNAL;
    }
    *out = secret;
    return KS_OK;
}

struct secret *
secret_free(struct secret *secret)
{
    if (secret) {
        explicit_bzero(secret, sizeof(*secret));
        munmap(secret, sizeof(*secret));
    }
    return NULL;
}

void
secret_freep(struct secret **secret)
{
    *secret = secret_free(*secret);
}
