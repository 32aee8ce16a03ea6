/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config - reading agent.conf
 *
 * Every mistake is an error with file and line, and none of the file is used then. What stands in it
 * belongs to the administrator; the password of a PKCS#12 is in it only until the agent has started
 * once, and is wiped from memory with the text it stood in.
 */
#include "client/agent/config.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdio.h>

#include "base/keyname.h"
#include "build-config.h"
#include "client/agent/api_token.h"
#include "conf/confvalue.h"

#define STATE_DIR_DEFAULT "/var/lib/keysvc-agent"
#define KEYS_DEFAULT "agents/{user}"
#define USER_WORD "{user}"
#define ENVIRONMENT_DEFAULT "default"
#define ENVIRONMENT_MAX 64 /* bytes */
#define ADDRESS_DEFAULT "127.0.0.1"
#define PORT_DEFAULT 9999
#define PORT_MAX 65535
#define THREADS_DEFAULT 4
#define THREADS_MAX 64
#define CONNECTIONS_DEFAULT 256
#define CONNECTIONS_MAX 8192
/* A console of a hundred agents, a script of some hundred calls are not held up; who goes on without
 * pause has a tenth of what the slower tokens sign. */
#define HANDSHAKE_RATE_DEFAULT 50
#define HANDSHAKE_BURST_DEFAULT 500
#define HANDSHAKE_BURST_MAX 1000000
#define SECOND 1000
#define REQUEST_TIMEOUT_DEFAULT (30 * SECOND)
#define REQUEST_TIMEOUT_MAX (600 * SECOND)

static cfg_opt_t agent_schema[] = {
    CONFFILE_ONE("state-dir"), CONFFILE_ONE("socket"),      CONFFILE_ONE("keys"),
    CONFFILE_ONE("key-type"),  CONFFILE_ONE("environment"), CFG_END(),
};

static cfg_opt_t listener_schema[] = {
    CONFFILE_ONE("address"),
    CONFFILE_ONE("port"),
    CONFFILE_ONE("threads"),
    CONFFILE_ONE("max-connections"),
    CONFFILE_ONE("max-connections-per-address"),
    CONFFILE_ONE("handshake-rate-per-address"),
    CONFFILE_ONE("handshake-burst-per-address"),
    CONFFILE_ONE("request-timeout"),
    CONFFILE_ONE("client-ca-file"),
    CONFFILE_ONE("client-crl-file"),
    CONFFILE_LIST("client-names"),
    CONFFILE_LIST("client-scopes"),
    CONFFILE_ONE("certificate-file"),
    CONFFILE_ONE("certificate-password"),
    CONFFILE_ONE("certificate-alias"),
    CFG_END(),
};

/* What is read, and where mistakes go. A section that is not there is NULL: its defaults stand. */
struct reading {
    struct conffile *file;
    struct agent_config *config;
};

static void set_defaults(struct agent_config *config);
static ks_err read_file(struct agent_config *config, struct fault *why);
static void read_agent(const struct reading *reading, cfg_t *section);
static ks_err read_listener(const struct reading *reading, cfg_t *section);
static void read_keys(const struct reading *reading, cfg_t *section);
static void check_scopes(cfg_t *section);
static ks_err read_clients(const struct reading *reading, cfg_t *section);
static ks_err read_upload(const struct reading *reading, cfg_t *section);

static void
config_freep(struct agent_config **config)
{
    *config = config_free(*config);
}

ks_err
config_load(const char *path, struct agent_config **out, struct fault *why)
{
    ks_auto(config_freep) struct agent_config *config = calloc(1, sizeof(*config));
    ks_err err = KS_OK;

    if (!config) {
        fault_set(why, "no memory to read the configuration");
        return KS_ERR_INTERNAL;
    }
    set_defaults(config);
    if (!text_copy(config->path, sizeof(config->path), path ? path : KEYSVC_AGENT_CONFIG_FILE)) {
        fault_set(why, "%s: the path is too long", path);
        return KS_ERR_USAGE;
    }
    if (!path && access(config->path, F_OK) != 0 && errno == ENOENT)
        config->path[0] = '\0';
    else
        err = read_file(config, why);
    if (err == KS_ERR_USAGE)
        fault_hint(why, access(config->path, R_OK) != 0 && errno == EACCES
                            ? "the agent's user must be able to read it; ask as that user or root"
                            : "mend it, see agent.conf(5)");
    if (err)
        return err;
    *out = ks_steal(&config);
    return KS_OK;
}

struct agent_config *
config_free(struct agent_config *config)
{
    if (!config)
        return NULL;
    for (size_t i = 0; i < CONFIG_MAX_LIST; i++) {
        free(config->client_names[i]);
        free(config->client_scopes[i]);
    }
    config->certificate_password = secret_free(config->certificate_password);
    free(config);
    return NULL;
}

static void
set_defaults(struct agent_config *config)
{
    (void)text_copy(config->state_dir, sizeof(config->state_dir), STATE_DIR_DEFAULT);
    (void)text_copy(config->keys, sizeof(config->keys), KEYS_DEFAULT);
    (void)text_copy(config->environment, sizeof(config->environment), ENVIRONMENT_DEFAULT);
    (void)text_copy(config->address, sizeof(config->address), ADDRESS_DEFAULT);
    config->key_type = KS_KEY_TYPE_ANY;
    config->port = PORT_DEFAULT;
    config->threads = THREADS_DEFAULT;
    config->max_connections = CONNECTIONS_DEFAULT;
    config->max_connections_per_address = CONNECTIONS_DEFAULT / 2;
    config->handshake_rate = HANDSHAKE_RATE_DEFAULT;
    config->handshake_burst = HANDSHAKE_BURST_DEFAULT;
    config->request_timeout_ms = REQUEST_TIMEOUT_DEFAULT;
}

/* The first mistake is in `why`; it is an error in JSON that is printed, and no log. */
static void
tell_nobody(const char *text)
{
    (void)text;
}

/* The one section of that name, or NULL. */
static cfg_t *
section_of(const struct reading *reading, const char *name)
{
    cfg_t *root = conffile_root(reading->file);
    unsigned int n = cfg_size(root, name);

    if (n > 1)
        conffile_error(reading->file, conffile_line(reading->file, cfg_getnsec(root, name, n - 1)),
                       "a second section %s", name);
    return n > 0 ? cfg_getnsec(root, name, 0) : NULL;
}

static ks_err
read_file(struct agent_config *config, struct fault *why)
{
    cfg_opt_t schema[] = {
        CONFFILE_SECTION("agent", agent_schema),
        CONFFILE_SECTION("listener", listener_schema),
        CFG_END(),
    };
    struct conffile_mistakes mistakes = {.why = why, .tell = tell_nobody};
    ks_auto(conffile_freep) struct conffile *file = NULL;
    struct reading reading = {.config = config};
    ks_err err = conffile_open(config->path, schema, &mistakes, &file);
    cfg_t *section;

    if (!err) {
        reading.file = file;
        section = section_of(&reading, "agent");
        if (section)
            read_agent(&reading, section);
        section = section_of(&reading, "listener");
        if (section)
            err = read_listener(&reading, section);
    }
    if (err == KS_ERR_INTERNAL)
        fault_set(why, "%s: no memory to read it", config->path);
    if (err == KS_ERR_INTERNAL)
        return err;
    return err || mistakes.n > 0 ? KS_ERR_USAGE : KS_OK;
}

/* An option that is not given leaves the default. */
static void
read_path(cfg_t *section, const char *option, char *out, size_t cap)
{
    if (conffile_get(section, option))
        confvalue_path(section, option, out, cap);
}

static void
read_agent(const struct reading *reading, cfg_t *section)
{
    struct agent_config *config = reading->config;
    const struct conffile_value *value = conffile_get(section, "key-type");

    read_path(section, "state-dir", config->state_dir, sizeof(config->state_dir));
    read_path(section, "socket", config->socket, sizeof(config->socket));
    read_keys(reading, section);
    if (value)
        config->key_type = ks_key_type_from_name(value->text);
    if (config->key_type == KS_KEY_TYPE_COUNT)
        conffile_value_error(value, "\"%s\" is no type of key, as ec-p256, rsa-2048, ed25519",
                             value->text);
    value = conffile_get(section, "environment");
    if (value && !confvalue_name_valid(value->text, ENVIRONMENT_MAX))
        conffile_value_error(value,
                             "\"%s\" is not of letters, digits, . _ - (at most %d, the first "
                             "neither . nor -)",
                             value->text, ENVIRONMENT_MAX);
    else if (value)
        (void)text_copy(config->environment, sizeof(config->environment), value->text);
}

/* Room for "/upload/" and the longest name of an identity behind it. */
static void
read_keys(const struct reading *reading, cfg_t *section)
{
    const struct conffile_value *value = conffile_get(section, "keys");
    const char *user;
    char name[KS_NAME_MAX + 1];
    int len;

    if (!value)
        return;
    user = strstr(value->text, USER_WORD);
    if (user)
        len = snprintf(name, sizeof(name), "%.*su%s", (int)(user - value->text), value->text,
                       user + strlen(USER_WORD));
    else
        len = snprintf(name, sizeof(name), "%s", value->text);
    if (len < 0 || (size_t)len >= sizeof(name) || !keyname_valid(name) || keyname_reserved(name))
        conffile_value_error(value,
                             "\"%s\" is no beginning of a key's name, as \"agents/{user}\" "
                             "(letters, digits, . _ - /, no slash at either end)",
                             value->text);
    else
        (void)text_copy(reading->config->keys, sizeof(reading->config->keys), value->text);
}

static ks_err
read_listener(const struct reading *reading, cfg_t *section)
{
    struct agent_config *config = reading->config;
    const struct conffile_value *value = conffile_get(section, "address");
    uint8_t binary[sizeof(struct in6_addr)];
    ks_err err;

    if (value && inet_pton(AF_INET, value->text, binary) != 1 &&
        inet_pton(AF_INET6, value->text, binary) != 1)
        conffile_value_error(value, "\"%s\" is no IP address", value->text);
    else if (value)
        (void)text_copy(config->address, sizeof(config->address), value->text);
    config->port = (uint16_t)confvalue_number(section, "port", 0, PORT_MAX, config->port);
    config->threads = confvalue_number(section, "threads", 1, THREADS_MAX, config->threads);
    config->max_connections =
        confvalue_number(section, "max-connections", 1, CONNECTIONS_MAX, config->max_connections);
    config->max_connections_per_address =
        confvalue_number(section, "max-connections-per-address", 1, CONNECTIONS_MAX,
                         (config->max_connections + 1) / 2);
    if (conffile_get(section, "handshake-rate-per-address"))
        config->handshake_rate = confvalue_rate(section, "handshake-rate-per-address");
    config->handshake_burst = confvalue_number(section, "handshake-burst-per-address", 1,
                                               HANDSHAKE_BURST_MAX, config->handshake_burst);
    config->request_timeout_ms = confvalue_time(section, "request-timeout", SECOND,
                                                REQUEST_TIMEOUT_MAX, config->request_timeout_ms);
    err = read_clients(reading, section);
    return err ? err : read_upload(reading, section);
}

/* A list of texts of at most CONFIG_TEXT_MAX - 1 bytes, NULL behind the last. */
static ks_err
read_list(cfg_t *section, const char *option, char **out)
{
    size_t n = conffile_count(section, option);

    if (n >= CONFIG_MAX_LIST) {
        conffile_value_error(conffile_get(section, option), "has more than %u members",
                             CONFIG_MAX_LIST - 1);
        return KS_OK;
    }
    for (size_t i = 0; i < n; i++) {
        const struct conffile_value *value = conffile_get_at(section, option, i);

        if (value->text[0] == '\0' || strlen(value->text) >= CONFIG_TEXT_MAX)
            conffile_value_error(value, "a member is empty or longer than %u bytes",
                                 CONFIG_TEXT_MAX - 1);
        out[i] = strdup(value->text);
        if (!out[i])
            return KS_ERR_INTERNAL;
    }
    return KS_OK;
}

/* A word that means nothing would leave clients without what was meant, which nobody sees at the start. */
static void
check_scopes(cfg_t *section)
{
    size_t n = conffile_count(section, "client-scopes");

    for (size_t i = 0; i < n; i++) {
        const struct conffile_value *value = conffile_get_at(section, "client-scopes", i);

        if (scope_from_name(value->text) == 0)
            conffile_value_error(value, "\"%s\" is no scope; there are \"%s\" and \"%s\"",
                                 value->text, scope_name(SCOPE_READ),
                                 scope_name(SCOPE_CERTIFICATES));
    }
}

/* Half of it would let in everybody whom the CA knows, or nobody; neither is what was meant. */
static ks_err
read_clients(const struct reading *reading, cfg_t *section)
{
    struct agent_config *config = reading->config;
    ks_err err;

    read_path(section, "client-ca-file", config->client_ca_file, sizeof(config->client_ca_file));
    read_path(section, "client-crl-file", config->client_crl_file, sizeof(config->client_crl_file));
    if (config->client_crl_file[0] && !conffile_get(section, "client-ca-file"))
        conffile_value_error(conffile_get(section, "client-crl-file"),
                             "there is no client-ca-file, of whose certificates it is");
    err = read_list(section, "client-names", config->client_names);
    if (!err)
        err = read_list(section, "client-scopes", config->client_scopes);
    if (err)
        return err;
    check_scopes(section);
    if (!conffile_get(section, "client-ca-file") != !config->client_names[0] ||
        !config->client_names[0] != !config->client_scopes[0])
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "client-ca-file, client-names and client-scopes go together");
    return KS_OK;
}

/* A PKCS#12 that is taken at start. What became of its password later is told apart by the text. */
static ks_err
read_upload(const struct reading *reading, cfg_t *section)
{
    struct agent_config *config = reading->config;
    const struct conffile_value *password = conffile_get(section, "certificate-password");
    const struct conffile_value *alias = conffile_get(section, "certificate-alias");
    ks_err err;

    read_path(section, "certificate-file", config->certificate_file,
              sizeof(config->certificate_file));
    if (!password && conffile_get(section, "certificate-file"))
        conffile_value_error(conffile_get(section, "certificate-file"),
                             "needs certificate-password; \"\" for a file without one");
    if ((password || alias) && !conffile_get(section, "certificate-file"))
        conffile_value_error(password ? password : alias, "goes with certificate-file only");
    if (alias) {
        confvalue_text(section, "certificate-alias", config->certificate_alias,
                       sizeof(config->certificate_alias));
        for (const char *at = alias->text; *at != '\0'; at++) {
            if (*at < 'A' || *at > 'Z')
                continue;
            conffile_value_error(alias, "\"%s\" is not in lower case", alias->text);
            break;
        }
    }
    if (!password ||
        strncmp(password->text, CONFIG_PASSWORD_TAKEN, strlen(CONFIG_PASSWORD_TAKEN)) == 0)
        return KS_OK;
    if (strlen(password->text) > SECRET_MAX_LEN) {
        conffile_value_error(password, "is longer than %d bytes", SECRET_MAX_LEN);
        return KS_OK;
    }
    err = secret_new(&config->certificate_password);
    if (err)
        return err;
    config->certificate_password->len = strlen(password->text);
    memcpy(config->certificate_password->text, password->text, strlen(password->text) + 1);
    return KS_OK;
}
