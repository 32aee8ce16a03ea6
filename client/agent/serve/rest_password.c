/* SPDX-License-Identifier: Apache-2.0 */
/*
 * rest_password - the password of an uploaded file: from where, in which form
 *
 * X-Password is taken as the bytes that came, which have to be UTF-8, as those of JSON are: a client that
 * sends Latin-1 would otherwise make a password that is another one in JSON.
 */
#include <openssl/asn1.h>
#include <openssl/crypto.h>
#include <stdio.h>

#include "client/agent/serve/rest_private.h"

static bool
is_utf8(const char *text)
{
    const unsigned char *at = (const unsigned char *)text;
    int left = (int)strlen(text);

    while (left > 0) {
        unsigned long c;
        int n = UTF8_getc(at, left, &c);

        if (n <= 0)
            return false;
        at += n;
        left -= n;
    }
    return true;
}

static bool
take(struct rest_call *call, const char *text, struct rest_password *out)
{
    if (!is_utf8(text)) {
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the password is no UTF-8");
        return false;
    }
    if (text_copy(out->text, sizeof(out->text), text))
        return true;
    rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the password has more than %u bytes",
                   REST_PASSWORD_MAX);
    return false;
}

static bool
from_body(struct rest_call *call, struct rest_password *out)
{
    static const char *const KNOWN[] = {"password", NULL};
    json_t *body = rest_body(call, KNOWN, true);
    json_t *value = body ? json_object_get(body, "password") : NULL;
    bool taken = false;

    if (!body)
        return false;
    if (!json_is_string(value))
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST,
                       "the password is missing: X-Password, or {\"password\": ...}");
    else if (strlen(json_string_value(value)) != json_string_length(value))
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the password holds a zero");
    else
        taken = take(call, json_string_value(value), out);
    json_decref(body);
    return taken;
}

bool
rest_password_begin(struct rest_call *call, bool in_body, struct rest_password *out)
{
    const char *header = web_header(call->request, "X-Password");
    bool taken = false;

    if (header)
        taken = take(call, header, out);
    else if (in_body)
        taken = from_body(call, out);
    else
        rest_fail_with(call, 400, KS_ERR_BAD_REQUEST, "the password is missing: X-Password");
    if (!taken)
        OPENSSL_cleanse(out->text, sizeof(out->text));
    return taken;
}

void
rest_password_end(struct rest_password *password)
{
    OPENSSL_cleanse(password->text, sizeof(password->text));
}
