/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - reading keysvcd.conf
 *
 * Sections are read in the order in which they depend on each other: daemon, tokens (with their
 * profiles), groups of them, classes (which name either), rules, adopted keys. A mistake is recorded and reading goes on, so that
 * one run of --check shows them all.
 */
#include "supervisor/config.h"

#include <stdio.h>

#include "build-config.h"
#include "ipc/channel.h"
#include "supervisor/config_parts.h"
#include "conf/confvalue.h"

#define AUDIT_DIR_DEFAULT "/var/log/keysvc"
#define STATE_DIR_DEFAULT "/var/lib/keysvc"
#define FRONT_USER_DEFAULT "keysvc"

#define SECOND 1000
#define MINUTE (60 * SECOND)
#define HOUR (60 * MINUTE)

_Static_assert(CONFVALUE_PATH_MAX == CONFIG_PATH_MAX && CONFVALUE_MAX_ITEMS == CONFIG_MAX_ITEMS,
               "what a file may hold is what our processes take");

static cfg_opt_t daemon_schema[] = {
    CONFFILE_ONE("socket"),
    CONFFILE_ONE("socket-group"),
    CONFFILE_ONE("audit-dir"),
    CONFFILE_ONE("state-dir"),
    CONFFILE_ONE("front-user"),
    CONFFILE_ONE("audit-sync"),
    CONFFILE_ONE("audit-checkpoint"),
    CONFFILE_ONE("max-connections"),
    CONFFILE_ONE("max-connections-per-caller"),
    CONFFILE_ONE("max-requests-per-caller"),
    CONFFILE_ONE("max-bytes-per-caller"),
    CONFFILE_ONE("max-queue"),
    CONFFILE_ONE("reserved"),
    CONFFILE_ONE("handshake-timeout"),
    CONFFILE_ONE("frame-timeout"),
    CONFFILE_ONE("idle-timeout"),
    CFG_END(),
};

static ks_err load(const char *path, const char *profile_dir, bool as_root,
                   struct conffile_mistakes *mistakes, struct config **out, struct fault *why);
static ks_err check_size(const struct config *config, struct fault *why);
static ks_err read_file(const char *path, struct config_reading *reading, const char *profile_dir,
                        struct conffile_mistakes *mistakes, struct config *config);
static ks_err read_sections(struct config_reading *reading, struct config *config);
static void read_daemon(const struct config_reading *reading, struct config *config);
static void read_limits(const struct config_reading *reading, cfg_t *section,
                        struct config_limits *limits);

ks_err
config_load(const char *path, const char *profile_dir, bool as_root, struct config **out,
            struct fault *why)
{
    struct conffile_mistakes mistakes = {.why = why};
    ks_err err = load(path, profile_dir, as_root, &mistakes, out, why);

    if (err == KS_ERR_BAD_REQUEST && mistakes.n > 1)
        fault_hint(why, "%u more mistakes are in the log", mistakes.n - 1);
    return err;
}

ks_err
config_check(const char *path, const char *profile_dir, bool as_root, config_teller *tell,
             struct config **out, struct fault *why)
{
    struct conffile_mistakes mistakes = {.why = why, .tell = tell};
    ks_err err = load(path, profile_dir, as_root, &mistakes, out, why);

    /* What is wrong with the whole was not found in a line. */
    if (err && mistakes.n == 0)
        tell(why->text);
    return err;
}

static ks_err
load(const char *path, const char *profile_dir, bool as_root, struct conffile_mistakes *mistakes,
     struct config **out, struct fault *why)
{
    ks_auto(config_freep) struct config *config = calloc(1, sizeof(*config));
    struct config_reading reading = {.as_root = as_root};
    ks_err err;

    if (!config) {
        fault_set(why, "%s: no memory to read it", path);
        return KS_ERR_INTERNAL;
    }
    if (path[0] != '/' || !text_copy(config->path, sizeof(config->path), path)) {
        fault_set(why, "%s: not an absolute path of at most %d bytes", path, CONFIG_PATH_MAX);
        return KS_ERR_BAD_REQUEST;
    }
    err = read_file(path, &reading, profile_dir, mistakes, config);
    if (!err && mistakes->n > 0)
        err = KS_ERR_BAD_REQUEST;
    if (!err)
        err = check_size(config, why);
    if (err == KS_ERR_INTERNAL)
        fault_set(why, "%s: no memory to read it", path);
    if (err == KS_ERR_BAD_REQUEST)
        fault_hint(why, "mend it and look again with keysvcd --check, see keysvcd.conf(5)");
    if (err)
        return err;
    *out = ks_steal(&config);
    return KS_OK;
}

/* Our processes must be able to take it: profiles are copied into each token that names them. */
static ks_err
check_size(const struct config *config, struct fault *why)
{
    ks_auto(buf_deinit) struct buf packed = {.max = CHANNEL_MAX_CONFIG};

    config_pack(&packed, config);
    if (!packed.failed)
        return KS_OK;
    fault_set(why, "%s: with its profiles, more than our processes take (%d bytes)", config->path,
              CHANNEL_MAX_CONFIG);
    return KS_ERR_BAD_REQUEST;
}

static void
hash_freep(EVP_MD_CTX **hash)
{
    EVP_MD_CTX_free(*hash);
}

static ks_err
read_file(const char *path, struct config_reading *reading, const char *profile_dir,
          struct conffile_mistakes *mistakes, struct config *config)
{
    cfg_opt_t schema[] = {
        CONFFILE_SECTION("daemon", daemon_schema),
        CONFFILE_SECTIONS("token", config_token_schema),
        CONFFILE_SECTIONS("group", config_group_schema),
        CONFFILE_SECTIONS("keys", config_class_schema),
        CONFFILE_SECTIONS("allow", config_rule_schema),
        CONFFILE_SECTIONS("key", config_key_schema),
        CFG_END(),
    };
    ks_auto(conffile_freep) struct conffile *file = NULL;
    ks_auto(hash_freep) EVP_MD_CTX *hash = EVP_MD_CTX_new();
    ks_auto(profiles_freep) struct profiles *profiles = NULL;
    const char *text;
    size_t len;
    ks_err err;

    if (!hash || EVP_DigestInit_ex(hash, EVP_sha256(), NULL) != 1)
        return KS_ERR_INTERNAL;
    err = conffile_open(path, schema, mistakes, &file);
    if (err)
        return err;
    text = conffile_text(file, &len);
    if (EVP_DigestUpdate(hash, text, len) != 1)
        return KS_ERR_INTERNAL;
    err = profiles_new(profile_dir, hash, reading->as_root, mistakes, &profiles);
    if (err)
        return err;
    reading->file = file;
    reading->profiles = profiles;
    err = read_sections(reading, config);
    if (err)
        return err;
    return EVP_DigestFinal_ex(hash, config->hash, NULL) == 1 ? KS_OK : KS_ERR_INTERNAL;
}

/* How many sections of a kind there are; more than `max` is a mistake and gives none. */
static size_t
count_sections(const struct config_reading *reading, const char *kind, size_t max)
{
    cfg_t *root = conffile_root(reading->file);
    size_t n = cfg_size(root, kind);

    if (n <= max)
        return n;
    conffile_error(reading->file,
                   conffile_line(reading->file, cfg_getnsec(root, kind, (unsigned int)max)),
                   "more than %zu sections %s", max, kind);
    return 0;
}

static ks_err
read_tokens(const struct config_reading *reading, struct config *config)
{
    size_t n = count_sections(reading, "token", CONFIG_MAX_TOKENS);

    config->tokens = calloc(n > 0 ? n : 1, sizeof(*config->tokens));
    if (!config->tokens)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        cfg_t *section = cfg_getnsec(conffile_root(reading->file), "token", (unsigned int)i);
        ks_err err;

        config->n_tokens++;
        err = config_token_read(reading, section, &config->tokens[i]);
        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
read_groups(const struct config_reading *reading, struct config *config)
{
    size_t n = count_sections(reading, "group", CONFIG_MAX_GROUPS);

    config->groups = calloc(n > 0 ? n : 1, sizeof(*config->groups));
    if (!config->groups)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        cfg_t *section = cfg_getnsec(conffile_root(reading->file), "group", (unsigned int)i);
        ks_err err = config_group_read(reading, config, section, &config->groups[i]);

        config->n_groups++;
        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
read_classes(const struct config_reading *reading, struct config *config)
{
    size_t n = count_sections(reading, "keys", CONFIG_MAX_CLASSES);

    config->classes = calloc(n > 0 ? n : 1, sizeof(*config->classes));
    if (!config->classes)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        cfg_t *section = cfg_getnsec(conffile_root(reading->file), "keys", (unsigned int)i);
        ks_err err;

        config->n_classes++;
        err = config_class_read(reading, config, section, &config->classes[i]);
        if (err)
            return err;
    }
    config_class_check_ties(reading, config, conffile_root(reading->file));
    return KS_OK;
}

static ks_err
read_rules(const struct config_reading *reading, struct config *config)
{
    size_t n = count_sections(reading, "allow", CONFIG_MAX_RULES);

    config->rules = calloc(n > 0 ? n : 1, sizeof(*config->rules));
    if (!config->rules)
        return KS_ERR_INTERNAL;
    for (size_t i = 0; i < n; i++) {
        cfg_t *section = cfg_getnsec(conffile_root(reading->file), "allow", (unsigned int)i);
        ks_err err;

        config->n_rules++;
        err = config_rule_read(reading, section, &config->rules[i]);
        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
read_keys(const struct config_reading *reading, struct config *config)
{
    size_t n = count_sections(reading, "key", CONFIG_MAX_KEYS);

    config->keys = calloc(n > 0 ? n : 1, sizeof(*config->keys));
    if (!config->keys)
        return KS_ERR_INTERNAL;
    for (; config->n_keys < n; config->n_keys++)
        config_key_read(
            reading, cfg_getnsec(conffile_root(reading->file), "key", (unsigned int)config->n_keys),
            &config->keys[config->n_keys]);
    return KS_OK;
}

static ks_err
read_sections(struct config_reading *reading, struct config *config)
{
    ks_err err;

    read_daemon(reading, config);
    err = read_tokens(reading, config);
    if (!err)
        err = read_groups(reading, config);
    if (!err)
        err = read_classes(reading, config);
    if (!err)
        err = read_rules(reading, config);
    if (!err)
        err = read_keys(reading, config);
    return err;
}

static void
path_or_default(cfg_t *section, const char *option, const char *fallback, char *out, size_t cap)
{
    if (conffile_get(section, option))
        confvalue_path(section, option, out, cap);
    else
        text_copy(out, cap, fallback);
}

static void
read_socket_group(cfg_t *section, struct config *config)
{
    const struct conffile_value *group = conffile_get(section, "socket-group");

    config->socket_gid = CONFIG_NO_ID;
    if (group && !config_gid(group->text, &config->socket_gid))
        conffile_value_error(group, "there is no group \"%s\"", group->text);
}

static void
read_front_user(const struct config_reading *reading, cfg_t *section, struct config *config)
{
    const struct conffile_value *user = conffile_get(section, "front-user");

    config->front_uid = config->front_gid = CONFIG_NO_ID;
    if (!config_account(reading, user ? user->line : conffile_line(reading->file, section),
                        user ? user->text : FRONT_USER_DEFAULT, &config->front_uid,
                        &config->front_gid))
        return;
    if (config->front_uid == 0 && user)
        conffile_value_error(user, "the process that talks to clients must not be root");
}

static void
read_audit(cfg_t *section, struct config *config)
{
    static const char *const sync[] = {"1s", "always"};

    config->audit_sync_always =
        confvalue_word(section, "audit-sync", sync, ARRAY_LEN(sync), 0) == 1;
    config->audit_checkpoint_s = confvalue_seconds(section, "audit-checkpoint", 1, 24 * 3600, 60);
}

static void
read_daemon(const struct config_reading *reading, struct config *config)
{
    cfg_t *root = conffile_root(reading->file), *section;
    size_t n = cfg_size(root, "daemon");

    if (n != 1) {
        conffile_error(
            reading->file, n > 1 ? conffile_line(reading->file, cfg_getnsec(root, "daemon", 1)) : 0,
            n > 1 ? "a second section daemon" : "has no section daemon; `daemon { }` is enough");
        return;
    }
    section = cfg_getnsec(root, "daemon", 0);
    path_or_default(section, "socket", KEYSVC_SOCKET, config->socket, sizeof(config->socket));
    path_or_default(section, "audit-dir", AUDIT_DIR_DEFAULT, config->audit_dir,
                    sizeof(config->audit_dir));
    path_or_default(section, "state-dir", STATE_DIR_DEFAULT, config->state_dir,
                    sizeof(config->state_dir));
    read_socket_group(section, config);
    read_front_user(reading, section, config);
    read_audit(section, config);
    read_limits(reading, section, &config->limits);
}

static void
read_limits(const struct config_reading *reading, cfg_t *section, struct config_limits *limits)
{
    limits->max_connections = confvalue_number(section, "max-connections", 1, 1000000, 10000);
    limits->max_connections_per_caller =
        confvalue_number(section, "max-connections-per-caller", 1, 1000000, 1024);
    limits->max_requests_per_caller =
        confvalue_number(section, "max-requests-per-caller", 1, 1000000, 1024);
    limits->max_bytes_per_caller =
        confvalue_size(section, "max-bytes-per-caller", 64 * 1024, 1u << 30, 16 * 1024 * 1024);
    limits->max_queue = confvalue_number(section, "max-queue", 1, 1000000, 4096);
    limits->reserved = confvalue_number(section, "reserved", 0, 100000, 16);
    limits->handshake_timeout_ms =
        confvalue_time(section, "handshake-timeout", 100, HOUR, 10 * SECOND);
    limits->frame_timeout_ms = confvalue_time(section, "frame-timeout", 100, HOUR, 30 * SECOND);
    limits->idle_timeout_ms = confvalue_time(section, "idle-timeout", 0, 24 * HOUR, 0);
    if (limits->reserved >= limits->max_connections || limits->reserved >= limits->max_queue)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "reserved places (%u) leave none of max-connections or max-queue",
                       limits->reserved);
}
