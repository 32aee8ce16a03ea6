/* SPDX-License-Identifier: Apache-2.0 */
/*
 * config_key - sections `key NAME { ... }`: names for keys that other tools made
 *
 * The URI is only looked at as a text here. The token's process parses it: this process gives
 * nothing that was written by hand to a parser that it can leave to a less trusted one.
 */
#include "supervisor/config_parts.h"
#include "conf/confvalue.h"

#define SCHEME "pkcs11:"

cfg_opt_t config_key_schema[] = {
    CONFFILE_ONE("uri"),
    CFG_END(),
};

static void check_name(const struct config_reading *reading, cfg_t *section,
                       struct config_key *key);
static void read_uri(const struct config_reading *reading, cfg_t *section, struct config_key *key);
static bool has_attribute(const char *uri, const char *name);

void
config_key_read(const struct config_reading *reading, cfg_t *section, struct config_key *key)
{
    check_name(reading, section, key);
    read_uri(reading, section, key);
}

static void
check_name(const struct config_reading *reading, cfg_t *section, struct config_key *key)
{
    const char *name = cfg_title(section);
    unsigned int line = conffile_line(reading->file, section);

    if (!keyname_valid(name))
        conffile_error(reading->file, line, "key \"%s\": not a key's name, as web/shop", name);
    else if (keyname_reserved(name))
        conffile_error(reading->file, line, "key \"%s\": names under keysvc/ are the service's own",
                       name);
    else
        text_copy(key->name, sizeof(key->name), name);
}

static void
read_uri(const struct config_reading *reading, cfg_t *section, struct config_key *key)
{
    const struct conffile_value *uri = conffile_get(section, "uri");

    confvalue_text(section, "uri", key->uri, sizeof(key->uri));
    if (!uri)
        conffile_error(reading->file, conffile_line(reading->file, section),
                       "key \"%s\": uri is missing", cfg_title(section));
    else if (strncmp(uri->text, SCHEME, strlen(SCHEME)) != 0)
        conffile_value_error(uri, "\"%s\" is no pkcs11: URI", uri->text);
    /* A secret in a file that is no secret, or a place where one is. */
    else if (strstr(uri->text, "pin-value") || strstr(uri->text, "pin-source"))
        conffile_value_error(uri, "a PIN does not belong here; use the token's pin-file");
    else if (!has_attribute(uri->text, "object=") && !has_attribute(uri->text, "id="))
        conffile_value_error(uri, "\"%s\" says neither object nor id", uri->text);
}

/* Attributes of the path stand between the scheme and a question mark, with semicolons between. */
static bool
has_attribute(const char *uri, const char *name)
{
    const char *at = uri + strlen(SCHEME);

    for (;;) {
        size_t len = strcspn(at, ";?");

        if (len > strlen(name) && strncmp(at, name, strlen(name)) == 0)
            return true;
        if (at[len] != ';')
            return false;
        at += len + 1;
    }
}
