/* SPDX-License-Identifier: Apache-2.0 */
/*
 * control - packing and unpacking what the supervisor and its children tell each other
 */
#include "ipc/control.h"

/* clang-format off */
static const char *const STATE_NAME[TOKEN_STATE_COUNT] = {
    [TOKEN_STATE_STARTING]      = "starting",
    [TOKEN_STATE_READY]         = "ready",
    [TOKEN_STATE_ABSENT]        = "absent",
    [TOKEN_STATE_LOGIN_BLOCKED] = "login-blocked",
    [TOKEN_STATE_FAILED]        = "failed",
};
/* clang-format on */

const char *
token_state_name(enum token_state state)
{
    return (unsigned int)state < TOKEN_STATE_COUNT ? STATE_NAME[state] : "unknown";
}

static ks_err
finish(const struct unpacker *in)
{
    return unpack_done(in) ? KS_OK : KS_ERR_BAD_REQUEST;
}

void
control_setup_deinit(struct control_setup *setup)
{
    setup->config = config_free(setup->config);
}

void
control_setup_pack(struct buf *out, const struct control_setup *setup)
{
    pack_u32(out, setup->token_index);
    pack_u32(out, setup->worker_index);
    pack_bool(out, setup->login_override);
    pack_bool(out, setup->has_before);
    pack_blob(out, setup->audit_key, setup->audit_key_len);
    config_pack(out, setup->config);
}

static void
unpack_bounded(struct unpacker *in, uint8_t *out, size_t cap, size_t *len)
{
    const uint8_t *data = unpack_blob(in, cap, len);

    if (data)
        memcpy(out, data, *len);
}

ks_err
control_setup_unpack(const void *data, size_t len, struct control_setup *out)
{
    struct unpacker in = unpack_start(data, len);
    ks_err err;

    memset(out, 0, sizeof(*out));
    out->token_index = unpack_u32(&in);
    out->worker_index = unpack_u32(&in);
    out->login_override = unpack_bool(&in);
    out->has_before = unpack_bool(&in);
    unpack_bounded(&in, out->audit_key, sizeof(out->audit_key), &out->audit_key_len);
    if (in.bad || out->worker_index > CONFIG_MAX_WORKERS)
        return KS_ERR_BAD_REQUEST;
    err = config_unpack(in.at, (size_t)(in.end - in.at), &out->config);
    if (err)
        return err;
    if (out->config->n_tokens > 0 && out->token_index >= out->config->n_tokens) {
        control_setup_deinit(out);
        return KS_ERR_BAD_REQUEST;
    }
    return KS_OK;
}

enum control_sandbox
control_sandbox(bool calls, bool files)
{
    if (calls)
        return files ? CONTROL_SANDBOX_ON : CONTROL_SANDBOX_CALLS;
    return files ? CONTROL_SANDBOX_FILES : CONTROL_SANDBOX_OFF;
}

const char *
control_sandbox_name(enum control_sandbox sandbox)
{
    static const char *const names[CONTROL_SANDBOX_COUNT] = {
        [CONTROL_SANDBOX_UNKNOWN] = "",    [CONTROL_SANDBOX_OFF] = "off",
        [CONTROL_SANDBOX_FILES] = "files", [CONTROL_SANDBOX_CALLS] = "calls",
        [CONTROL_SANDBOX_ON] = "on",
    };

    return names[sandbox];
}

void
control_state_pack(struct buf *out, const struct control_state *state)
{
    pack_text(out, state->token);
    pack_u32(out, state->worker_index);
    pack_u32(out, state->state);
    pack_u64(out, state->n_restarts);
    pack_u32(out, state->sandbox);
    pack_text(out, state->model);
    pack_text(out, state->serial);
    pack_text(out, state->label);
    pack_text(out, state->text);
}

ks_err
control_state_unpack(const void *data, size_t len, struct control_state *out)
{
    struct unpacker in = unpack_start(data, len);

    unpack_text(&in, out->token, sizeof(out->token));
    out->worker_index = unpack_enum(&in, CONFIG_MAX_WORKERS + 1);
    out->state = unpack_enum(&in, TOKEN_STATE_COUNT);
    out->n_restarts = unpack_u64(&in);
    out->sandbox = unpack_enum(&in, CONTROL_SANDBOX_COUNT);
    unpack_text(&in, out->model, sizeof(out->model));
    unpack_text(&in, out->serial, sizeof(out->serial));
    unpack_text(&in, out->label, sizeof(out->label));
    unpack_text(&in, out->text, sizeof(out->text));
    return finish(&in);
}

void
control_tally_pack(struct buf *out, const struct control_tally *tally)
{
    pack_u64(out, tally->started_us);
    pack_u64(out, tally->n_front_restarts);
    pack_u64(out, tally->n_reloads);
    pack_u64(out, tally->n_reloads_failed);
    pack_bool(out, tally->last_reload_failed);
    pack_u64(out, tally->configured_us);
    pack_u32(out, tally->sandbox);
    pack_u64(out, tally->n_audit_failures);
}

ks_err
control_tally_unpack(const void *data, size_t len, struct control_tally *out)
{
    struct unpacker in = unpack_start(data, len);

    out->started_us = unpack_u64(&in);
    out->n_front_restarts = unpack_u64(&in);
    out->n_reloads = unpack_u64(&in);
    out->n_reloads_failed = unpack_u64(&in);
    out->last_reload_failed = unpack_bool(&in);
    out->configured_us = unpack_u64(&in);
    out->sandbox = unpack_enum(&in, CONTROL_SANDBOX_COUNT);
    out->n_audit_failures = unpack_u64(&in);
    return finish(&in);
}

void
control_worker_pack(struct buf *out, const struct control_worker *worker)
{
    pack_text(out, worker->token);
    pack_u32(out, worker->worker_index);
}

ks_err
control_worker_unpack(const void *data, size_t len, struct control_worker *out)
{
    struct unpacker in = unpack_start(data, len);

    unpack_text(&in, out->token, sizeof(out->token));
    out->worker_index = unpack_enum(&in, CONFIG_MAX_WORKERS + 1);
    return finish(&in);
}

void
control_checkpoint_pack(struct buf *out, const struct control_checkpoint *checkpoint)
{
    pack_text(out, checkpoint->text);
    pack_text(out, checkpoint->token);
    pack_blob(out, checkpoint->signature, checkpoint->signature_len);
    pack_blob(out, checkpoint->public_key, checkpoint->public_key_len);
}

ks_err
control_checkpoint_unpack(const void *data, size_t len, struct control_checkpoint *out)
{
    struct unpacker in = unpack_start(data, len);

    unpack_text(&in, out->text, sizeof(out->text));
    unpack_text(&in, out->token, sizeof(out->token));
    unpack_bounded(&in, out->signature, sizeof(out->signature), &out->signature_len);
    unpack_bounded(&in, out->public_key, sizeof(out->public_key), &out->public_key_len);
    return finish(&in);
}

void
control_admin_pack(struct buf *out, const struct control_admin *admin)
{
    pack_u64(out, admin->cookie);
    pack_u32(out, admin->action);
    pack_text(out, admin->token);
}

ks_err
control_admin_unpack(const void *data, size_t len, struct control_admin *out)
{
    struct unpacker in = unpack_start(data, len);

    out->cookie = unpack_u64(&in);
    out->action = unpack_enum(&in, CONTROL_ADMIN_ACTION_COUNT);
    unpack_text(&in, out->token, sizeof(out->token));
    return finish(&in);
}

void
control_result_pack(struct buf *out, const struct control_result *result)
{
    pack_u64(out, result->cookie);
    pack_u32(out, result->err);
    pack_text(out, result->why.text);
    pack_text(out, result->why.hint);
    pack_u64(out, result->why.rv);
}

ks_err
control_result_unpack(const void *data, size_t len, struct control_result *out)
{
    struct unpacker in = unpack_start(data, len);

    out->cookie = unpack_u64(&in);
    out->err = unpack_enum(&in, KS_ERR_COUNT);
    unpack_text(&in, out->why.text, sizeof(out->why.text));
    unpack_text(&in, out->why.hint, sizeof(out->why.hint));
    out->why.rv = unpack_u64(&in);
    return finish(&in);
}
