/* SPDX-License-Identifier: Apache-2.0 */
/*
 * place - memory, and what a chain says of it
 */
#include "place.h"

#include <criterion/criterion.h>

#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/stat.h>

struct place
place_new(void)
{
    struct place place = {memfd_create("audit", MFD_CLOEXEC)};

    cr_assert(place.fd >= 0);
    return place;
}

int
place_open(const struct place *place)
{
    char path[64];
    int fd;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", place->fd);
    fd = open(path, O_RDWR | O_APPEND | O_CLOEXEC);
    cr_assert(fd >= 0);
    return fd;
}

void
place_append(const struct place *place, const void *data, size_t len)
{
    struct stat status;

    cr_assert_eq(fstat(place->fd, &status), 0);
    cr_assert_eq(pwrite(place->fd, data, len, status.st_size), (ssize_t)len);
}

char *
place_text(const struct place *place)
{
    struct stat status;
    char *text;

    cr_assert_eq(fstat(place->fd, &status), 0);
    text = calloc(1, (size_t)status.st_size + 1);
    cr_assert_not_null(text);
    cr_assert_eq(pread(place->fd, text, (size_t)status.st_size, 0), status.st_size);
    return text;
}

struct verify_result
place_verify(const struct place *place, ks_err expected)
{
    static const struct verify_options options = {.keys = NULL};
    struct verify_result result;
    struct fault why = FAULT_INIT;
    char path[64];
    FILE *file;
    ks_err err;

    snprintf(path, sizeof(path), "/proc/self/fd/%d", place->fd);
    file = fopen(path, "re");
    cr_assert_not_null(file);
    err = verify_file(file, "main-1", &options, &result, &why);
    fclose(file);
    cr_assert_eq(err, expected, "line %llu: %s", (unsigned long long)result.bad_line, why.text);
    return result;
}

struct chain *
place_chain(const struct place *place)
{
    struct fault why = FAULT_INIT;
    struct chain *chain;

    cr_assert_eq(chain_open(place_open(place), "main-1", &chain, &why), KS_OK, "%s", why.text);
    return chain;
}

void
place_gather(struct chain *chain, uint64_t request)
{
    chain_begin(chain, "sign");
    chain_number(chain, "request", request);
    chain_text(chain, "key", "web/shop@1");
    chain_end(chain);
}

void
place_flush(struct chain *chain)
{
    struct fault why = FAULT_INIT;

    cr_assert_eq(chain_flush(chain, false, &why), KS_OK, "%s", why.text);
}

uint64_t
place_head(const struct chain *chain)
{
    uint8_t hash[KS_SHA256_LEN];
    uint64_t seq;

    chain_head(chain, &seq, hash);
    return seq;
}
