/* SPDX-License-Identifier: Apache-2.0 */
/*
 * decode_field - lengths, characters, ranges
 */
#include "front/decode_field.h"

#include "proto/wire/arena.h"

#define TOKEN_NAME_CHARS "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789._-"

static size_t utf8_len(const unsigned char *text);
static bool is_control(const unsigned char *text);

size_t
field_char_len(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    size_t len = utf8_len(at);

    return len > 0 && is_control(at) ? 0 : len;
}

static size_t
utf8_len(const unsigned char *text)
{
    size_t len = 4;

    if (text[0] < 0x80)
        return 1;
    if (text[0] < 0xc2 || text[0] > 0xf4)
        return 0;
    if (text[0] < 0xf0)
        len = text[0] < 0xe0 ? 2 : 3;
    for (size_t i = 1; i < len; i++) {
        if ((text[i] & 0xc0) != 0x80)
            return 0;
    }
    if ((text[0] == 0xe0 && text[1] < 0xa0) || (text[0] == 0xed && text[1] > 0x9f) ||
        (text[0] == 0xf0 && text[1] < 0x90) || (text[0] == 0xf4 && text[1] > 0x8f))
        return 0;
    return len;
}

static bool
is_control(const unsigned char *text)
{
    return text[0] < 0x20 || text[0] == 0x7f || (text[0] == 0xc2 && text[1] < 0xa0);
}

/* protobuf-c ends a text at its first NUL; only the arena knows how long it was on the wire. */
ks_err
field_check_text(const char *text, size_t max, const char *field, struct fault *why)
{
    size_t len = strlen(text);

    if (text != protobuf_c_empty_string && arena_len(text) != len + 1) {
        fault_set(why, "%s: a NUL inside", field);
        return KS_ERR_BAD_REQUEST;
    }
    if (len > max) {
        fault_set(why, "%s: %zu bytes; at most %zu are allowed", field, len, max);
        return KS_ERR_BAD_REQUEST;
    }
    for (size_t i = 0, n; i < len; i += n) {
        n = field_char_len(text + i);
        if (n == 0) {
            fault_set(why, "%s: %s", field,
                      utf8_len((const unsigned char *)text + i) ? "a control character"
                                                                : "not UTF-8");
            return KS_ERR_BAD_REQUEST;
        }
    }
    return KS_OK;
}

ks_err
field_text(const char *text, char *out, size_t cap, const char *field, struct fault *why)
{
    ks_err err = field_check_text(text, cap - 1, field, why);

    if (err)
        return err;
    memcpy(out, text, strlen(text) + 1);
    return KS_OK;
}

ks_err
field_enum(int value, int count, const char *field, struct fault *why)
{
    if (value >= 0 && value < count)
        return KS_OK;
    fault_set(why, "%s: %d is not known to this keysvcd", field, value);
    return KS_ERR_BAD_REQUEST;
}

ks_err
field_token(const char *name, struct request *out, struct fault *why)
{
    ks_err err = field_text(name, out->token, sizeof(out->token), "token", why);

    if (err)
        return err;
    if (out->token[0] == '\0') {
        fault_set(why, "token: a name is wanted");
        return KS_ERR_BAD_REQUEST;
    }
    /* It stands in log lines without quotes. */
    if (out->token[strspn(out->token, TOKEN_NAME_CHARS)] != '\0') {
        fault_set(why, "token: \"%s\" is not a token's name (letters, digits, `. _ -`)",
                  out->token);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

ks_err
field_name(const char *name, struct request *out, struct fault *why)
{
    ks_err err = field_text(name, out->name, sizeof(out->name), "name", why);

    if (err)
        return err;
    if (!keyname_valid(out->name)) {
        fault_set(
            why,
            "name: \"%s\" is not a key's name (letters, digits, `. _ - /`; no empty component)",
            out->name);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

ks_err
field_version(uint32_t version, bool zero_allowed, const char *field, struct request *out,
              struct fault *why)
{
    if ((version == 0 && !zero_allowed) || version > KEYNAME_VERSION_MAX) {
        fault_set(why, "%s: %u is not a key's version%s", field, version,
                  version == 0 ? "; ask for the newest one with a GetRequest first" : "");
        return KS_ERR_BAD_REQUEST;
    }
    out->version = version;
    return KS_OK;
}

ks_err
field_sha256(const uint8_t *data, size_t len, struct request *out, struct fault *why)
{
    if (len != KS_SHA256_LEN) {
        fault_set(why, "public_key_sha256: %zu bytes instead of %d", len, KS_SHA256_LEN);
        return KS_ERR_BAD_REQUEST;
    }
    memcpy(out->public_key_sha256, data, KS_SHA256_LEN);
    return KS_OK;
}
