/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_class - sections `keys "GLOB" { ... }`
 *
 * Names under keysvc/ are the service's own (keysvc/audit signs the audit's checkpoints): no class
 * may name them, and the policy keeps clients from them where a glob like ** matches them.
 */
#include <openssl/objects.h>

#include "supervisor/config_parts.h"
#include "conf/confvalue.h"

cfg_opt_t config_class_schema[] = {
    CONFFILE_ONE("token"),         CONFFILE_ONE("type"),
    CONFFILE_LIST("import-types"), CONFFILE_ONE("purpose"),
    CONFFILE_ONE("tls"),           CONFFILE_LIST("usage"),
    CONFFILE_LIST("names"),        CFG_END(),
};

static void check_glob(const struct config_reading *reading, cfg_t *section,
                       struct config_class *class);
static void read_token(const struct config_reading *reading, const struct config *config,
                       cfg_t *section, struct config_class *class);
static void read_type(cfg_t *section, struct config_class *class);
static void read_import_types(cfg_t *section, struct config_class *class);
static void check_type(const struct config_reading *reading, const struct config *config,
                       cfg_t *section, const struct conffile_value *value, enum ks_key_type type);
static void check_types(const struct config_reading *reading, const struct config *config,
                        cfg_t *section, const struct config_class *class);
static void read_purpose(cfg_t *section, struct config_class *class);
static void read_tls(cfg_t *section, struct config_class *class);
static ks_err read_usage(cfg_t *section, struct config_class *class);
static bool is_name(const struct conffile_value *value);

ks_err
config_class_read(const struct config_reading *reading, const struct config *config, cfg_t *section,
                  struct config_class *class)
{
    ks_err err;

    check_glob(reading, section, class);
    read_token(reading, config, section, class);
    read_type(section, class);
    read_import_types(section, class);
    check_types(reading, config, section, class);
    read_purpose(section, class);
    read_tls(section, class);
    err = read_usage(section, class);
    if (!err)
        err = confvalue_list(section, "names", is_name, &class->names);
    return err;
}

static void
check_glob(const struct config_reading *reading, cfg_t *section, struct config_class *class)
{
    const char *glob = cfg_title(section);
    unsigned int line = conffile_line(reading->file, section);
    struct fault fault = FAULT_INIT;

    if (glob_check(glob, &fault) != KS_OK)
        conffile_error(reading->file, line, "keys: %s", fault.text);
    else if (keyname_reserved(glob))
        conffile_error(reading->file, line,
                       "keys \"%s\": names under keysvc/ are the service's own", glob);
    else
        text_copy(class->glob, sizeof(class->glob), glob);
}

static void
read_token(const struct config_reading *reading, const struct config *config, cfg_t *section,
           struct config_class *class)
{
    const struct conffile_value *token = conffile_get(section, "token");

    if (!token)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "keys \"%s\": token is missing", cfg_title(section));
    else if (!config_token_find(config, token->text) && !config_group_find(config, token->text))
        conffile_value_error(token, "there is no section token or group %s", token->text);
    else
        text_copy(class->token, sizeof(class->token), token->text);
}

/* ANY: none, which is recorded. */
static enum ks_key_type
type_of(const struct conffile_value *value)
{
    enum ks_key_type type = ks_key_type_from_name(value->text);

    if (type != KS_KEY_TYPE_COUNT && type != KS_KEY_TYPE_ANY)
        return type;
    conffile_value_error(value,
                         "\"%s\" is none of ec-p256, ec-p384, ec-p521, ed25519, rsa-2048, "
                         "rsa-3072, rsa-4096",
                         value->text);
    return KS_KEY_TYPE_ANY;
}

static void
read_type(cfg_t *section, struct config_class *class)
{
    const struct conffile_value *type = conffile_get(section, "type");

    class->type = type ? type_of(type) : KS_KEY_TYPE_EC_P256;
    if (class->type == KS_KEY_TYPE_ANY)
        class->type = KS_KEY_TYPE_EC_P256;
}

static void
read_import_types(cfg_t *section, struct config_class *class)
{
    for (size_t i = 0; i < conffile_count(section, "import-types"); i++) {
        enum ks_key_type type = type_of(conffile_get_at(section, "import-types", i));

        if (type != KS_KEY_TYPE_ANY)
            class->import_types |= CONFIG_TYPE_BIT(type);
    }
}

/* What a token could never have is no class: said now, not to the first who asks for a key. */
static void
check_type(const struct config_reading *reading, const struct config *config, cfg_t *section,
           const struct conffile_value *value, enum ks_key_type type)
{
    const struct conffile_value *place = conffile_get(section, "token");
    const char *name;

    for (size_t i = 0; place && (name = config_member(config, place->text, i)); i++) {
        const struct config_token *token = config_token_find(config, name);

        if (!token || !(token->profile.lacks & CONFIG_LACKS_TYPE(type)))
            continue;
        conffile_error(reading->file, value ? value->line : conffile_line(reading->file, section),
                       "keys \"%s\": token %s (profile %s) cannot make %s keys", cfg_title(section),
                       token->name, token->profile.name, ks_key_type_name(type));
    }
}

static void
check_types(const struct config_reading *reading, const struct config *config, cfg_t *section,
            const struct config_class *class)
{
    check_type(reading, config, section, conffile_get(section, "type"), class->type);
    for (size_t i = 0; i < conffile_count(section, "import-types"); i++) {
        const struct conffile_value *value = conffile_get_at(section, "import-types", i);
        enum ks_key_type type = ks_key_type_from_name(value->text);

        if (type < KS_KEY_TYPE_COUNT && type != KS_KEY_TYPE_ANY && type != class->type)
            check_type(reading, config, section, value, type);
    }
}

static void
read_purpose(cfg_t *section, struct config_class *class)
{
    const struct conffile_value *purpose = conffile_get(section, "purpose");

    class->purpose = KS_PURPOSE_TLS_SERVER;
    if (!purpose)
        return;
    if (strcmp(purpose->text, "ca") == 0 || strcmp(purpose->text, "decrypt") == 0) {
        conffile_value_error(purpose, "%s is reserved, no key can have it yet", purpose->text);
        return;
    }
    if (strcmp(purpose->text, "audit") == 0) {
        conffile_value_error(purpose, "audit is for the service's own key keysvc/audit only");
        return;
    }
    class->purpose = ks_purpose_from_name(purpose->text);
    if (class->purpose != KS_PURPOSE_COUNT && class->purpose != KS_PURPOSE_NONE)
        return;
    conffile_value_error(purpose, "\"%s\" is none of tls-server, tls-client, tls, sign",
                         purpose->text);
    class->purpose = KS_PURPOSE_TLS_SERVER;
}

static void
read_tls(cfg_t *section, struct config_class *class)
{
    static const char *const versions[] = {"1.2", "1.3"};
    const struct conffile_value *tls = conffile_get(section, "tls");

    class->tls13_only = confvalue_word(section, "tls", versions, ARRAY_LEN(versions), 0) == 1;
    if (tls && class->purpose == KS_PURPOSE_SIGN)
        conffile_value_error(tls, "has no meaning with purpose = sign");
}

/* A short name of an extended key usage, or an object identifier in dotted form. */
static bool
usage_valid(const char *text)
{
    static const char *const known[] = {"serverAuth",      "clientAuth",   "codeSigning",
                                        "emailProtection", "timeStamping", "OCSPSigning"};
    ASN1_OBJECT *object;

    for (size_t i = 0; i < ARRAY_LEN(known); i++) {
        if (strcmp(text, known[i]) == 0)
            return true;
    }
    if (strlen(text) > 128 || strspn(text, "0123456789.") != strlen(text) || !strchr(text, '.'))
        return false;
    object = OBJ_txt2obj(text, 1);
    ASN1_OBJECT_free(object);
    return object != NULL;
}

static bool
is_usage(const struct conffile_value *value)
{
    if (usage_valid(value->text))
        return true;
    conffile_value_error(value,
                         "\"%s\" is neither serverAuth, clientAuth, codeSigning, "
                         "emailProtection, timeStamping, OCSPSigning nor an OID",
                         value->text);
    return false;
}

static ks_err
read_usage(cfg_t *section, struct config_class *class)
{
    const struct conffile_value *first = conffile_get(section, "usage");

    if (!first || class->purpose == KS_PURPOSE_SIGN)
        return confvalue_list(section, "usage", is_usage, &class->usage);
    conffile_value_error(first, "only purpose = sign has one; the others say it themselves");
    return KS_OK;
}

static bool
is_name(const struct conffile_value *value)
{
    struct fault fault = FAULT_INIT;

    if (certname_pattern_check(value->text, &fault) == KS_OK)
        return true;
    conffile_value_error(value, "%s", fault.text);
    return false;
}

/*
 * The longest literal prefix decides between two globs that match one name, so two of equal length
 * are the same text there, and tie if anything both match can follow it.
 */
static bool
is_tie(const struct config_class *a, const struct config_class *b)
{
    size_t len = glob_literal_len(a->glob);

    return len == glob_literal_len(b->glob) && memcmp(a->glob, b->glob, len) == 0 &&
           glob_overlap(a->glob + len, b->glob + len);
}

void
config_class_check_ties(const struct config_reading *reading, const struct config *config,
                        cfg_t *root)
{
    for (size_t i = 0; i < config->n_classes; i++) {
        const struct config_class *class = &config->classes[i];

        for (size_t j = 0; j < i; j++) {
            const struct config_class *other = &config->classes[j];

            if (class->glob[0] == '\0' || other->glob[0] == '\0' || !is_tie(class, other))
                continue;
            conffile_error(
                reading->file,
                conffile_line(reading->file, cfg_getnsec(root, "keys", (unsigned int)i)),
                "keys \"%s\" and keys \"%s\" (line %u) can match one name, and neither has the "
                "longer "
                "beginning without stars",
                class->glob, other->glob,
                conffile_line(reading->file, cfg_getnsec(root, "keys", (unsigned int)j)));
            break;
        }
    }
}
