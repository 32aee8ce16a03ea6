/* SPDX-License-Identifier: Apache-2.0 */
/*
 * random - random bytes from the kernel
 *
 * NSS asks a token for them. They do not come from libcrypto, whose generator may be the very
 * program's that asks.
 */
#include <errno.h>
#include <sys/random.h>

#include "client/pkcs11/session.h"

/* The kernel's generator needs nobody's seed. */
CK_RV
C_SeedRandom(CK_SESSION_HANDLE handle, unsigned char *seed, CK_ULONG seed_len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (!rv && !seed && seed_len > 0)
        rv = CKR_ARGUMENTS_BAD;
    return rv;
}

CK_RV
C_GenerateRandom(CK_SESSION_HANDLE handle, unsigned char *out, CK_ULONG len)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (!rv && !out && len > 0)
        rv = CKR_ARGUMENTS_BAD;
    if (rv)
        return rv;
    while (len > 0) {
        ssize_t n = getrandom(out, len, 0);

        if (n < 0 && errno != EINTR)
            return CKR_DEVICE_ERROR;
        if (n > 0) {
            out += n;
            len -= (CK_ULONG)n;
        }
    }
    return CKR_OK;
}
