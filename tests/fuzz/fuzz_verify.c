/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_verify - an audit file of any bytes, verified, then opened by the chain and gone on with
 *
 * A file that was whole can be opened, and is whole after the next records. A file that is not is
 * never made whole by that, unless all that was wrong with it was an end that had been torn and not
 * yet closed.
 */
#include <stdio.h>
#include <sys/mman.h>

#include "base/chain.h"
#include "base/verify.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static FILE *
stream_of(int fd, const char *mode)
{
    char path[64];
    FILE *stream;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
    stream = fopen(path, mode);
    require(stream != NULL);
    return stream;
}

static ks_err
verified(int fd, struct verify_result *result)
{
    static const struct verify_options options = {.keys = NULL};
    struct fault why = FAULT_INIT;
    FILE *stream = stream_of(fd, "re");
    ks_err err = verify_file(stream, "main-1", &options, result, &why);

    fclose(stream);
    require((err == KS_ERR_BAD_REQUEST) == (result->bad_line > 0));
    require(err == KS_OK || why.text[0] != '\0');
    return err;
}

/* Opens it as a token process does, which appends whatever the bytes are. */
static bool
gone_on(int fd)
{
    FILE *stream = stream_of(fd, "a+e");
    struct fault why = FAULT_INIT;
    struct chain *chain;
    bool opened;

    opened = chain_open(dup(fileno(stream)), "main-1", &chain, &why) == KS_OK;
    fclose(stream);
    if (!opened)
        return false;
    chain_begin(chain, "start");
    chain_text(chain, "note", "gone on");
    chain_end(chain);
    require(chain_flush(chain, false, &why) == KS_OK);
    require(!chain_failed(chain) && chain_pending(chain) == 0);
    chain_free(chain);
    return true;
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct verify_result before, after;
    int fd = memfd_create("audit", MFD_CLOEXEC);
    ks_err err;

    require(fd >= 0 && write(fd, data, size) == (ssize_t)size);
    err = verified(fd, &before);
    if (gone_on(fd)) {
        ks_err err_after = verified(fd, &after);

        require(err != KS_OK || err_after == KS_OK);
        require(err == KS_OK || err_after != KS_OK || after.n_torn > before.n_torn);
    } else {
        require(err != KS_OK);
    }
    close(fd);
    return 0;
}
