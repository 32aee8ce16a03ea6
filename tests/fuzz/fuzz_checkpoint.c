/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_checkpoint - what an auditor kept outside of the service: a checkpoint, its signature, a key
 *
 * The first byte chooses between a public key in PEM form and the line of a checkpoint, which is
 * taken only to the byte. A line that was invented is signed by nobody.
 */
#include <inttypes.h>

#include "base/checkpoint.h"
#include "base/hex.h"

#define IS_KEY 1u

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* P-256's generator, which is the public key of the private key 1. */
static const char *const KEY =
    "3059301306072a8648ce3d020106082a8648ce3d030107034200046b17d1f2e12c4247f8bce6e563a440f277037d81"
    "2d"
    "eb33a0f4a13945d898c2964fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5";

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
check_key(const uint8_t *data, size_t size)
{
    ks_auto(checkpoint_keys_freep) struct checkpoint_keys *keys = NULL;
    FILE *pem = fmemopen((void *)(uintptr_t)data, size, "r");
    struct fault why = FAULT_INIT;
    struct verify_key key;

    require(pem != NULL);
    if (verify_key_read(pem, &key, &why) == KS_OK) {
        require(key.der_len > 0 && key.der_len <= sizeof(key.der));
        require(checkpoint_keys_new(&key, 1, &keys, &why) == KS_OK);
    } else {
        require(why.text[0] != '\0');
    }
    fclose(pem);
}

/* What was understood is all that is in the text. */
static void
check_text(const char *text)
{
    char hash[2 * KS_SHA256_LEN + 1], again[CHAIN_CHECKPOINT_MAX];
    struct checkpoint checkpoint;

    if (!checkpoint_parse(text, &checkpoint))
        return;
    hex_text(hash, checkpoint.hash, sizeof(checkpoint.hash));
    snprintf(again, sizeof(again),
             CHAIN_CHECKPOINT_PREFIX "chain=%s seq=%" PRIu64 " hash=%s time=", checkpoint.chain,
             checkpoint.seq, hash);
    require(strncmp(text, again, strlen(again)) == 0);
}

static void
check_line(const char *line)
{
    struct verify_options options = {.n_keys = 1, .last_checkpoint = line};
    ks_auto(verify_freep) struct verify *verify = NULL;
    struct fault why = FAULT_INIT;
    struct verify_key key = {.der_len = strlen(KEY) / 2};

    require(hex_parse(KEY, key.der, key.der_len));
    options.keys = &key;
    check_text(line);
    require(verify_new("main-1", &options, &verify, &why) == KS_ERR_BAD_REQUEST);
    require(why.text[0] != '\0');
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    char *line;

    if (size < 2)
        return 0;
    if (data[0] & IS_KEY) {
        check_key(data + 1, size - 1);
        return 0;
    }
    line = strndup((const char *)data + 1, size - 1);
    require(line != NULL);
    check_line(line);
    free(line);
    return 0;
}
