/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_uri - the URI of a section `key NAME { uri = ... }`, as a token process reads it
 *
 * What a URI means can be written as a plain one with nothing but object and id, and that means the
 * same, on any token.
 */
#include <stdio.h>

#include "token/adopt.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
pad(unsigned char *out, size_t cap, const char *text)
{
    memset(out, ' ', cap);
    memcpy(out, text, strlen(text));
}

static CK_TOKEN_INFO
token_info(void)
{
    CK_TOKEN_INFO info = {.flags = 0};

    pad(info.label, sizeof(info.label), "keysvc");
    pad(info.manufacturerID, sizeof(info.manufacturerID), "SoftHSM project");
    pad(info.model, sizeof(info.model), "SoftHSM v2");
    pad(info.serialNumber, sizeof(info.serialNumber), "0123456789abcdef");
    return info;
}

static void
append_bytes(char *out, size_t cap, const char *name, const uint8_t *data, size_t len)
{
    size_t at = strlen(out);

    at += (size_t)snprintf(out + at, cap - at, "%s=", name);
    for (size_t i = 0; i < len; i++)
        at += (size_t)snprintf(out + at, cap - at, "%%%02x", data[i]);
}

static void
check_plain(const struct adopted *adopted, const CK_TOKEN_INFO *info)
{
    char text[8 * ADOPT_ATTRIBUTE_MAX] = "pkcs11:";
    struct fault why = FAULT_INIT;
    struct adopted again;
    bool matches;

    if (adopted->has_object)
        append_bytes(text, sizeof(text), "object", adopted->object, adopted->object_len);
    if (adopted->has_object && adopted->has_id)
        strcat(text, ";");
    if (adopted->has_id)
        append_bytes(text, sizeof(text), "id", adopted->id, adopted->id_len);
    require(adopt_parse(text, info, &again, &matches, &why) == KS_OK);
    require(matches); /* it says nothing of a token */
    require(memcmp(adopted, &again, sizeof(again)) == 0);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    CK_TOKEN_INFO info = token_info();
    struct fault why = FAULT_INIT;
    struct adopted adopted;
    bool matches = true;
    char *text;
    ks_err err;

    if (size > CONFIG_PATH_MAX)
        return 0;
    text = strndup((const char *)data, size);
    require(text != NULL);
    err = adopt_parse(text, &info, &adopted, &matches, &why);
    require(err == KS_OK || (err == KS_ERR_BAD_REQUEST && why.text[0] != '\0'));
    if (!err) {
        require(adopted.has_object || adopted.has_id);
        require(adopted.has_object == (adopted.object_len > 0));
        require(adopted.has_id == (adopted.id_len > 0));
        require(adopted.object_len <= ADOPT_ATTRIBUTE_MAX && adopted.id_len <= ADOPT_ATTRIBUTE_MAX);
        check_plain(&adopted, &info);
    }
    free(text);
    return 0;
}
