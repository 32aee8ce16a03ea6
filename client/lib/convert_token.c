/* SPDX-License-Identifier: Apache-2.0 */
/*
 * convert_token - one token, between our structs and the wire's: retry-login, rescan, token info
 */
#include "client/lib/convert_wire.h"
#include "client/lib/error.h"

#define MAX_MECHANISMS 1024u /* of one token; real ones have a few hundred */
#define MAX_UNSUPPORTED 64u  /* words of a profile */
#define WORD_MAX 64          /* bytes of one */

ks_err
convert_pack_retry_login(const struct request *request, pb_request *message, struct buf *out,
                         struct ks_error *error)
{
    Keysvc__V1__RetryLoginRequest retry_login = KEYSVC__V1__RETRY_LOGIN_REQUEST__INIT;

    retry_login.token = convert_text(request->token);
    message->retry_login = &retry_login;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_rescan(const struct request *request, pb_request *message, struct buf *out,
                    struct ks_error *error)
{
    Keysvc__V1__RescanRequest rescan = KEYSVC__V1__RESCAN_REQUEST__INIT;

    rescan.token = convert_text(request->token);
    message->rescan = &rescan;
    return convert_frame(request, message, out, error);
}

ks_err
convert_pack_token_info(const struct request *request, pb_request *message, struct buf *out,
                        struct ks_error *error)
{
    Keysvc__V1__TokenInfoRequest token_info = KEYSVC__V1__TOKEN_INFO_REQUEST__INIT;

    token_info.token = convert_text(request->token);
    message->token_info = &token_info;
    return convert_frame(request, message, out, error);
}

/* --- answers --- */

/* PKCS#11 bounds these texts: a longer one was not the token's. What a token wrote into one may
 * still be anything. */
static bool
copy_whole(char *out, size_t cap, const char *text)
{
    if (strlen(text) >= cap)
        return false;
    convert_copy_text(out, cap, text);
    return true;
}

static bool
copy_texts(const Keysvc__V1__TokenInfo *wire, struct ks_token_info *out)
{
    return copy_whole(out->label, sizeof(out->label), wire->label) &&
           copy_whole(out->manufacturer, sizeof(out->manufacturer), wire->manufacturer) &&
           copy_whole(out->model, sizeof(out->model), wire->model) &&
           copy_whole(out->serial, sizeof(out->serial), wire->serial) &&
           copy_whole(out->hardware_version, sizeof(out->hardware_version),
                      wire->hardware_version) &&
           copy_whole(out->firmware_version, sizeof(out->firmware_version), wire->firmware_version);
}

static void
copy_numbers(const Keysvc__V1__TokenInfo *wire, struct ks_token_info *out)
{
    out->flags = wire->flags;
    out->sessions = wire->sessions;
    out->max_sessions = wire->max_sessions;
    out->rw_sessions = wire->rw_sessions;
    out->max_rw_sessions = wire->max_rw_sessions;
    out->min_pin_len = wire->min_pin_len;
    out->max_pin_len = wire->max_pin_len;
    out->free_public_memory = wire->free_public_memory;
    out->total_public_memory = wire->total_public_memory;
    out->free_private_memory = wire->free_private_memory;
    out->total_private_memory = wire->total_private_memory;
}

static ks_err
copy_mechanisms(const Keysvc__V1__TokenInfo *wire, struct ks_token_info *out,
                struct ks_error *error)
{
    if (wire->n_mechanisms > MAX_MECHANISMS)
        return convert_unexpected(error, "%zu mechanisms of one token; at most %u can be",
                                  wire->n_mechanisms, MAX_MECHANISMS);
    out->mechanisms = calloc(wire->n_mechanisms + 1, sizeof(*out->mechanisms));
    if (!out->mechanisms)
        return error_set(error, KS_ERR_INTERNAL, "no memory for %zu mechanisms",
                         wire->n_mechanisms);
    out->n_mechanisms = wire->n_mechanisms;
    for (size_t i = 0; i < wire->n_mechanisms; i++) {
        const Keysvc__V1__Mechanism *from = wire->mechanisms[i];
        struct ks_mechanism *to = &out->mechanisms[i];

        if (!copy_whole(to->name, sizeof(to->name), from->name))
            return convert_unexpected(error, "a mechanism whose name is longer than one can be");
        to->type = from->type;
        to->min_size = from->min_size;
        to->max_size = from->max_size;
        to->flags = from->flags;
    }
    return KS_OK;
}

static ks_err
copy_unsupported(const Keysvc__V1__TokenInfo *wire, struct ks_token_info *out,
                 struct ks_error *error)
{
    if (wire->n_unsupported > MAX_UNSUPPORTED)
        return convert_unexpected(error, "%zu things that a token cannot do; at most %u can be",
                                  wire->n_unsupported, MAX_UNSUPPORTED);
    out->unsupported = calloc(wire->n_unsupported + 1, sizeof(char *));
    if (!out->unsupported)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a token's profile");
    for (size_t i = 0; i < wire->n_unsupported; i++) {
        char word[WORD_MAX + 1];

        if (!copy_whole(word, sizeof(word), wire->unsupported[i]))
            return convert_unexpected(error, "a word that no profile has");
        out->unsupported[i] = strdup(word);
        if (!out->unsupported[i])
            return error_set(error, KS_ERR_INTERNAL, "no memory for a token's profile");
        out->n_unsupported++;
    }
    return KS_OK;
}

static void
token_info_freep(struct ks_token_info **info)
{
    *info = ks_token_info_free(*info);
}

ks_err
response_token_info(const struct response *response, struct ks_token_info **out,
                    struct ks_error *error)
{
    const Keysvc__V1__TokenInfo *wire = response->message->token_info;
    ks_auto(token_info_freep) struct ks_token_info *info = calloc(1, sizeof(*info));
    ks_err err;

    if (!info)
        return error_set(error, KS_ERR_INTERNAL, "no memory for a token");
    if (!copy_texts(wire, info))
        return convert_unexpected(error, "a token whose texts are longer than a token's can be");
    copy_numbers(wire, info);
    err = copy_mechanisms(wire, info, error);
    if (!err)
        err = copy_unsupported(wire, info, error);
    if (err)
        return err;
    *out = ks_steal(&info);
    return KS_OK;
}
