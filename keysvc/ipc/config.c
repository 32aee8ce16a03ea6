/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - freeing, packing and unpacking the configuration, and the two look-ups everybody needs
 *
 * pack_X and unpack_X stand side by side, field by field in the same order.
 */
#include "ipc/config.h"

/* clang-format off */
static const struct { const char *name; uint32_t bit; } OPERATION[] = {
    {"get", OPERATION_GET},
    {"sign", OPERATION_SIGN},
    {"csr", OPERATION_CSR},
    {"self-sign", OPERATION_SELF_SIGN},
    {"certificate", OPERATION_CERTIFICATE},
    {"generate", OPERATION_GENERATE},
    {"rotate", OPERATION_ROTATE},
    {"import", OPERATION_IMPORT},
    {"destroy", OPERATION_DESTROY},
    {"administer", OPERATION_ADMINISTER},
    {"all", OPERATION_ALL},
};
/* clang-format on */

static void *unpack_array(struct unpacker *in, size_t max, size_t item_size, size_t *count);

const char *
config_operation_name(uint32_t operation)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATION); i++) {
        if (OPERATION[i].bit == operation && operation != OPERATION_ALL)
            return OPERATION[i].name;
    }
    return NULL;
}

uint32_t
config_operation_from_name(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(OPERATION); i++) {
        if (strcmp(OPERATION[i].name, name) == 0)
            return OPERATION[i].bit;
    }
    return 0;
}

const char *
config_lack_name(uint64_t bit)
{
    for (unsigned int i = 1; i < KS_KEY_TYPE_COUNT; i++) {
        if (bit == CONFIG_LACKS_TYPE(i))
            return ks_key_type_name(i);
    }
    for (unsigned int i = 1; i < KS_ALGORITHM_COUNT; i++) {
        if (bit == CONFIG_LACKS_ALGORITHM(i))
            return ks_algorithm_name(i);
    }
    if (bit == CONFIG_LACKS_IMPORT)
        return "import";
    return bit == CONFIG_LACKS_CERTIFICATES ? "certificates" : NULL;
}

uint64_t
config_lack_from_name(const char *name)
{
    uint64_t bits = 0;

    for (unsigned int i = 0; i < CONFIG_LACKS_BITS; i++) {
        const char *known = config_lack_name(1ull << i);

        if (known && strcmp(known, name) == 0)
            bits |= 1ull << i;
    }
    return bits;
}

static void
profile_deinit(struct config_profile *profile)
{
    strv_deinit(&profile->public_attributes);
    strv_deinit(&profile->private_attributes);
    strv_deinit(&profile->environment);
    strv_deinit(&profile->copies);
    strv_deinit(&profile->groups);
    strv_deinit(&profile->system_calls);
    strv_deinit(&profile->read);
    strv_deinit(&profile->write);
}

static void
rule_deinit(struct config_rule *rule)
{
    free(rule->uids);
    free(rule->gids);
    strv_deinit(&rule->units);
    strv_deinit(&rule->keys);
}

struct config *
config_free(struct config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < config->n_tokens; i++)
        profile_deinit(&config->tokens[i].profile);
    for (size_t i = 0; i < config->n_groups; i++)
        strv_deinit(&config->groups[i].tokens);
    for (size_t i = 0; i < config->n_classes; i++) {
        strv_deinit(&config->classes[i].usage);
        strv_deinit(&config->classes[i].names);
    }
    for (size_t i = 0; i < config->n_rules; i++)
        rule_deinit(&config->rules[i]);
    free(config->tokens);
    free(config->groups);
    free(config->classes);
    free(config->rules);
    free(config->keys);
    free(config);
    return NULL;
}

void
config_freep(struct config **config)
{
    *config = config_free(*config);
}

static void
limits_pack(struct buf *out, const struct config_limits *limits)
{
    pack_u32(out, limits->max_connections);
    pack_u32(out, limits->max_connections_per_caller);
    pack_u32(out, limits->max_requests_per_caller);
    pack_u32(out, limits->max_bytes_per_caller);
    pack_u32(out, limits->max_queue);
    pack_u32(out, limits->reserved);
    pack_u32(out, limits->handshake_timeout_ms);
    pack_u32(out, limits->frame_timeout_ms);
    pack_u32(out, limits->idle_timeout_ms);
}

static void
limits_unpack(struct unpacker *in, struct config_limits *limits)
{
    limits->max_connections = unpack_u32(in);
    limits->max_connections_per_caller = unpack_u32(in);
    limits->max_requests_per_caller = unpack_u32(in);
    limits->max_bytes_per_caller = unpack_u32(in);
    limits->max_queue = unpack_u32(in);
    limits->reserved = unpack_u32(in);
    limits->handshake_timeout_ms = unpack_u32(in);
    limits->frame_timeout_ms = unpack_u32(in);
    limits->idle_timeout_ms = unpack_u32(in);
}

static void
profile_pack(struct buf *out, const struct config_profile *profile)
{
    pack_text(out, profile->name);
    pack_text(out, profile->module);
    pack_u32(out, profile->workers);
    pack_u32(out, profile->hang_timeout_ms);
    pack_u32(out, profile->generate_timeout_ms);
    pack_u32(out, profile->idle_check_ms);
    pack_bool(out, profile->kill_in_login);
    pack_bool(out, profile->verify_all);
    pack_u64(out, profile->lacks);
    pack_bool(out, profile->rescan_reinitializes);
    pack_bool(out, profile->set_id);
    pack_strv(out, &profile->public_attributes);
    pack_strv(out, &profile->private_attributes);
    pack_strv(out, &profile->environment);
    pack_strv(out, &profile->copies);
    pack_strv(out, &profile->groups);
    pack_u32(out, profile->sandbox);
    pack_u32(out, profile->sockets);
    pack_strv(out, &profile->system_calls);
    pack_strv(out, &profile->read);
    pack_strv(out, &profile->write);
}

static void
profile_unpack(struct unpacker *in, struct config_profile *profile)
{
    unpack_text(in, profile->name, sizeof(profile->name));
    unpack_text(in, profile->module, sizeof(profile->module));
    profile->workers = unpack_u32(in);
    profile->hang_timeout_ms = unpack_u32(in);
    profile->generate_timeout_ms = unpack_u32(in);
    profile->idle_check_ms = unpack_u32(in);
    profile->kill_in_login = unpack_bool(in);
    profile->verify_all = unpack_bool(in);
    profile->lacks = unpack_u64(in);
    profile->rescan_reinitializes = unpack_bool(in);
    profile->set_id = unpack_bool(in);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->public_attributes);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->private_attributes);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->environment);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->copies);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->groups);
    profile->sandbox = unpack_enum(in, CONFIG_SANDBOX_COUNT);
    profile->sockets = unpack_u32(in);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->system_calls);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->read);
    unpack_strv(in, CONFIG_MAX_ITEMS, &profile->write);
}

static void
token_pack(struct buf *out, const struct config_token *token)
{
    pack_text(out, token->name);
    pack_text(out, token->label);
    pack_text(out, token->serial);
    pack_text(out, token->uri);
    pack_text(out, token->pin_file);
    pack_text(out, token->pin_credential);
    pack_text(out, token->store);
    pack_u32(out, token->uid);
    pack_u32(out, token->gid);
    profile_pack(out, &token->profile);
}

static void
token_unpack(struct unpacker *in, struct config_token *token)
{
    unpack_text(in, token->name, sizeof(token->name));
    unpack_text(in, token->label, sizeof(token->label));
    unpack_text(in, token->serial, sizeof(token->serial));
    unpack_text(in, token->uri, sizeof(token->uri));
    unpack_text(in, token->pin_file, sizeof(token->pin_file));
    unpack_text(in, token->pin_credential, sizeof(token->pin_credential));
    unpack_text(in, token->store, sizeof(token->store));
    token->uid = unpack_u32(in);
    token->gid = unpack_u32(in);
    profile_unpack(in, &token->profile);
}

static void
group_pack(struct buf *out, const struct config_group *group)
{
    pack_text(out, group->name);
    pack_strv(out, &group->tokens);
}

static void
group_unpack(struct unpacker *in, struct config_group *group)
{
    unpack_text(in, group->name, sizeof(group->name));
    unpack_strv(in, CONFIG_MAX_TOKENS, &group->tokens);
}

static void
class_pack(struct buf *out, const struct config_class *class)
{
    pack_text(out, class->glob);
    pack_text(out, class->token);
    pack_u32(out, class->type);
    pack_u32(out, class->import_types);
    pack_u32(out, class->purpose);
    pack_bool(out, class->tls13_only);
    pack_strv(out, &class->usage);
    pack_strv(out, &class->names);
}

static void
class_unpack(struct unpacker *in, struct config_class *class)
{
    unpack_text(in, class->glob, sizeof(class->glob));
    unpack_text(in, class->token, sizeof(class->token));
    class->type = unpack_enum(in, KS_KEY_TYPE_COUNT);
    class->import_types = unpack_u32(in);
    class->purpose = unpack_enum(in, KS_PURPOSE_COUNT);
    class->tls13_only = unpack_bool(in);
    unpack_strv(in, CONFIG_MAX_ITEMS, &class->usage);
    unpack_strv(in, CONFIG_MAX_ITEMS, &class->names);
}

static void
ids_pack(struct buf *out, const uint32_t *ids, size_t n_ids)
{
    pack_u32(out, (uint32_t)n_ids);
    for (size_t i = 0; i < n_ids; i++)
        pack_u32(out, ids[i]);
}

static uint32_t *
ids_unpack(struct unpacker *in, size_t *n_ids)
{
    uint32_t *ids = unpack_array(in, CONFIG_MAX_ITEMS, sizeof(*ids), n_ids);

    for (size_t i = 0; i < *n_ids; i++)
        ids[i] = unpack_u32(in);
    return ids;
}

static void
rule_pack(struct buf *out, const struct config_rule *rule)
{
    pack_text(out, rule->name);
    ids_pack(out, rule->uids, rule->n_uids);
    ids_pack(out, rule->gids, rule->n_gids);
    pack_strv(out, &rule->units);
    pack_strv(out, &rule->keys);
    pack_u32(out, rule->operations);
    pack_u32(out, rule->rate_per_s);
}

static void
rule_unpack(struct unpacker *in, struct config_rule *rule)
{
    unpack_text(in, rule->name, sizeof(rule->name));
    rule->uids = ids_unpack(in, &rule->n_uids);
    rule->gids = ids_unpack(in, &rule->n_gids);
    unpack_strv(in, CONFIG_MAX_ITEMS, &rule->units);
    unpack_strv(in, CONFIG_MAX_ITEMS, &rule->keys);
    rule->operations = unpack_u32(in);
    rule->rate_per_s = unpack_u32(in);
}

void
config_pack(struct buf *out, const struct config *config)
{
    pack_u64(out, config->generation);
    pack_raw(out, config->hash, sizeof(config->hash));
    pack_text(out, config->path);
    pack_text(out, config->socket);
    pack_u32(out, config->socket_gid);
    pack_text(out, config->audit_dir);
    pack_text(out, config->state_dir);
    pack_u32(out, config->front_uid);
    pack_u32(out, config->front_gid);
    pack_bool(out, config->audit_sync_always);
    pack_u32(out, config->audit_checkpoint_s);
    limits_pack(out, &config->limits);
    pack_u32(out, (uint32_t)config->n_tokens);
    for (size_t i = 0; i < config->n_tokens; i++)
        token_pack(out, &config->tokens[i]);
    pack_u32(out, (uint32_t)config->n_groups);
    for (size_t i = 0; i < config->n_groups; i++)
        group_pack(out, &config->groups[i]);
    pack_u32(out, (uint32_t)config->n_classes);
    for (size_t i = 0; i < config->n_classes; i++)
        class_pack(out, &config->classes[i]);
    pack_u32(out, (uint32_t)config->n_rules);
    for (size_t i = 0; i < config->n_rules; i++)
        rule_pack(out, &config->rules[i]);
    pack_u32(out, (uint32_t)config->n_keys);
    for (size_t i = 0; i < config->n_keys; i++) {
        pack_text(out, config->keys[i].name);
        pack_text(out, config->keys[i].uri);
    }
}

/* A count that is checked, then that many zeroed items; on a mistake NULL and a count of 0. */
static void *
unpack_array(struct unpacker *in, size_t max, size_t item_size, size_t *count)
{
    uint32_t n = unpack_u32(in);
    void *items;

    *count = 0;
    if (n > max)
        in->bad = true;
    if (in->bad || n == 0)
        return NULL;
    items = calloc(n, item_size);
    if (!items) {
        in->bad = true;
        return NULL;
    }
    *count = n;
    return items;
}

ks_err
config_unpack(const void *data, size_t len, struct config **out)
{
    ks_auto(config_freep) struct config *config = calloc(1, sizeof(*config));
    struct unpacker in = unpack_start(data, len);

    if (!config)
        return KS_ERR_INTERNAL;
    config->generation = unpack_u64(&in);
    unpack_raw(&in, config->hash, sizeof(config->hash));
    unpack_text(&in, config->path, sizeof(config->path));
    unpack_text(&in, config->socket, sizeof(config->socket));
    config->socket_gid = unpack_u32(&in);
    unpack_text(&in, config->audit_dir, sizeof(config->audit_dir));
    unpack_text(&in, config->state_dir, sizeof(config->state_dir));
    config->front_uid = unpack_u32(&in);
    config->front_gid = unpack_u32(&in);
    config->audit_sync_always = unpack_bool(&in);
    config->audit_checkpoint_s = unpack_u32(&in);
    limits_unpack(&in, &config->limits);
    config->tokens =
        unpack_array(&in, CONFIG_MAX_TOKENS, sizeof(*config->tokens), &config->n_tokens);
    for (size_t i = 0; i < config->n_tokens; i++)
        token_unpack(&in, &config->tokens[i]);
    config->groups =
        unpack_array(&in, CONFIG_MAX_GROUPS, sizeof(*config->groups), &config->n_groups);
    for (size_t i = 0; i < config->n_groups; i++)
        group_unpack(&in, &config->groups[i]);
    config->classes =
        unpack_array(&in, CONFIG_MAX_CLASSES, sizeof(*config->classes), &config->n_classes);
    for (size_t i = 0; i < config->n_classes; i++)
        class_unpack(&in, &config->classes[i]);
    config->rules = unpack_array(&in, CONFIG_MAX_RULES, sizeof(*config->rules), &config->n_rules);
    for (size_t i = 0; i < config->n_rules; i++)
        rule_unpack(&in, &config->rules[i]);
    config->keys = unpack_array(&in, CONFIG_MAX_KEYS, sizeof(*config->keys), &config->n_keys);
    for (size_t i = 0; i < config->n_keys; i++) {
        unpack_text(&in, config->keys[i].name, sizeof(config->keys[i].name));
        unpack_text(&in, config->keys[i].uri, sizeof(config->keys[i].uri));
    }
    if (!unpack_done(&in))
        return KS_ERR_BAD_REQUEST;
    *out = ks_steal(&config);
    return KS_OK;
}

const struct config_token *
config_token_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_tokens; i++) {
        if (strcmp(config->tokens[i].name, name) == 0)
            return &config->tokens[i];
    }
    return NULL;
}

const struct config_group *
config_group_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_groups; i++) {
        if (strcmp(config->groups[i].name, name) == 0)
            return &config->groups[i];
    }
    return NULL;
}

const struct config_group *
config_group_of(const struct config *config, const char *token)
{
    for (size_t i = 0; i < config->n_groups; i++) {
        if (strv_contains(&config->groups[i].tokens, token))
            return &config->groups[i];
    }
    return NULL;
}

const char *
config_member(const struct config *config, const char *place, size_t index)
{
    const struct config_group *group = config_group_find(config, place);

    if (!group)
        return index == 0 ? place : NULL;
    return index < group->tokens.n_items ? group->tokens.items[index] : NULL;
}

bool
config_is_member(const struct config *config, const char *place, const char *token)
{
    const struct config_group *group;

    if (strcmp(place, token) == 0)
        return true;
    group = config_group_find(config, place);
    return group && strv_contains(&group->tokens, token);
}

const struct config_key *
config_key_find(const struct config *config, const char *name)
{
    for (size_t i = 0; i < config->n_keys; i++) {
        if (strcmp(config->keys[i].name, name) == 0)
            return &config->keys[i];
    }
    return NULL;
}

bool
config_class_takes(const struct config_class *class, enum ks_key_type type)
{
    uint32_t types = class->import_types ? class->import_types : CONFIG_TYPE_BIT(class->type);

    return type != KS_KEY_TYPE_ANY && (types & CONFIG_TYPE_BIT(type)) != 0;
}

const struct config_class *
config_class_of(const struct config *config, const char *key_name)
{
    const struct config_class *best = NULL;
    size_t best_len = 0;

    if (keyname_reserved(key_name))
        return NULL;
    for (size_t i = 0; i < config->n_classes; i++) {
        size_t len = glob_literal_len(config->classes[i].glob);

        if ((!best || len > best_len) && glob_match(config->classes[i].glob, key_name)) {
            best = &config->classes[i];
            best_len = len;
        }
    }
    return best;
}
