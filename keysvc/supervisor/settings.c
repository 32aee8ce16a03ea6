/* SPDX-License-Identifier: Apache-2.0 */
/*
 * settings - reference counts and comparisons of configurations
 */
#include "supervisor/settings.h"

struct settings {
    unsigned int refs;
    struct config *config;
    struct buf packed;
};

static void pack_token(const struct config_token *token, struct buf *out);

ks_err
settings_new(struct config *config, struct settings **out)
{
    struct settings *settings = calloc(1, sizeof(*settings));

    if (!settings) {
        config_free(config);
        return KS_ERR_INTERNAL;
    }
    settings->refs = 1;
    settings->config = config;
    config_pack(&settings->packed, config);
    if (settings->packed.failed) {
        settings_unref(settings);
        return KS_ERR_INTERNAL;
    }
    *out = settings;
    return KS_OK;
}

struct settings *
settings_ref(struct settings *settings)
{
    settings->refs++;
    return settings;
}

struct settings *
settings_unref(struct settings *settings)
{
    if (!settings || --settings->refs > 0)
        return NULL;
    config_free(settings->config);
    buf_deinit(&settings->packed);
    free(settings);
    return NULL;
}

const struct config *
settings_config(const struct settings *settings)
{
    return settings->config;
}

const struct buf *
settings_packed(const struct settings *settings)
{
    return &settings->packed;
}

bool
settings_same_token(const struct settings *a, const struct settings *b, const char *token)
{
    const struct config_token *in_a = config_token_find(a->config, token);
    const struct config_token *in_b = config_token_find(b->config, token);
    ks_auto(buf_deinit) struct buf bytes_a = BUF_INIT;
    ks_auto(buf_deinit) struct buf bytes_b = BUF_INIT;

    if (!in_a || !in_b)
        return false;
    pack_token(in_a, &bytes_a);
    pack_token(in_b, &bytes_b);
    return !bytes_a.failed && !bytes_b.failed && bytes_a.len == bytes_b.len &&
           memcmp(bytes_a.data, bytes_b.data, bytes_a.len) == 0;
}

/* A configuration of nothing but this token, so that an option added later is compared without
 * being named here. */
static void
pack_token(const struct config_token *token, struct buf *out)
{
    struct config_token copy = *token;
    struct config only;

    memset(&only, 0, sizeof(only));
    only.tokens = &copy;
    only.n_tokens = 1;
    config_pack(out, &only);
}

const char *
settings_needs_restart(const struct config *old, const struct config *new)
{
    if (strcmp(old->socket, new->socket) != 0)
        return "socket";
    if (old->socket_gid != new->socket_gid)
        return "socket-group";
    if (strcmp(old->audit_dir, new->audit_dir) != 0)
        return "audit-dir";
    if (strcmp(old->state_dir, new->state_dir) != 0)
        return "state-dir";
    if (old->front_uid != new->front_uid || old->front_gid != new->front_gid)
        return "front-user";
    return NULL;
}
