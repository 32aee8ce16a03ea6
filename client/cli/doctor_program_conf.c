/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_conf - a program's openssl.cnf, as libcrypto reads it
 *
 *   openssl_conf = SECTION; there: providers = SECTION, alg_section = SECTION; under providers each
 *   NAME = SECTION with identity, module, activate.
 *
 * libcrypto passes over almost every mistake without a word, and the program then finds no way to
 * read its key.
 */
#include <errno.h>
#include <stdio.h>

#include <openssl/bio.h>
#include <openssl/conf.h>
#include <openssl/err.h>

#include "client/cli/doctor_program.h"

#define OWN_NAME "keysvc"
#define OWN_FILE "keysvc.so"

struct reading {
    struct doctor *doctor;
    const char *path;
    CONF *conf;
    int n_wrong;
};

static void read_providers(struct reading *reading, const char *section, const char *modules,
                           struct program_conf *out);
static void read_own(struct reading *reading, const char *section, const char *modules,
                     struct program_conf *out);
static void read_properties(struct reading *reading, const char *section);

/* An option's value; NULL: not there. A section of NULL is what stands before the first. */
static const char *
value(const struct reading *reading, const char *section, const char *option)
{
    const char *found = NCONF_get_string(reading->conf, section, option);

    ERR_clear_error();
    return found;
}

static void
wrong(struct reading *reading, const char *mend, const char *text, const char *about)
{
    reading->n_wrong++;
    doctor_wrong(reading->doctor, KS_ERR_USAGE, "openssl.cnf", mend, "%.200s: %s%.100s",
                 reading->path, text, about);
}

void
program_conf(struct doctor *doctor, const char *path, const char *text, size_t len,
             const char *modules, struct program_conf *out)
{
    struct reading reading = {doctor, path, NCONF_new(NULL), 0};
    BIO *in = len <= INT_MAX ? BIO_new_mem_buf(text, (int)len) : NULL;
    const char *init = NULL, *providers = NULL;
    char number[32];
    long line = 0;

    memset(out, 0, sizeof(*out));
    if (!reading.conf || !in || NCONF_load_bio(reading.conf, in, &line) <= 0) {
        snprintf(number, sizeof(number), "%ld", line);
        wrong(&reading, "Correct it, or take keysvc's own openssl.cnf.",
              "libcrypto cannot read it, line ", number);
        ERR_clear_error();
    } else {
        init = value(&reading, NULL, "openssl_conf");
        providers = init ? value(&reading, init, "providers") : NULL;
        if (providers)
            read_providers(&reading, providers, modules, out);
        else
            wrong(&reading,
                  "Set openssl_conf before the first section, and `providers` in the section that "
                  "it names; keysvc's own openssl.cnf shows how.",
                  "no providers are configured", "");
        if (out->has_provider)
            read_properties(&reading, init);
        if (reading.n_wrong == 0)
            doctor_fine(doctor, "openssl.cnf", "%.300s configures keysvc", path);
    }
    BIO_free(in);
    NCONF_free(reading.conf);
}

static const char *
base_name(const char *path)
{
    const char *slash = strrchr(path, '/');

    return slash ? slash + 1 : path;
}

/* By its name, its identity or its file. */
static bool
is_own(const struct reading *reading, const CONF_VALUE *entry)
{
    const char *identity = value(reading, entry->value, "identity");
    const char *module = value(reading, entry->value, "module");

    return strcmp(identity ? identity : entry->name, OWN_NAME) == 0 ||
           (module && strcmp(base_name(module), OWN_FILE) == 0);
}

/* `default` as libcrypto has it built in: an identity may stand under another name. */
static bool
is_default(const struct reading *reading, const CONF_VALUE *entry)
{
    const char *identity = value(reading, entry->value, "identity");

    return strcmp(identity ? identity : entry->name, "default") == 0;
}

static void
read_providers(struct reading *reading, const char *section, const char *modules,
               struct program_conf *out)
{
    STACK_OF(CONF_VALUE) *list = NCONF_get_section(reading->conf, section);
    const char *own = NULL, *other = NULL;
    int own_at = 0, other_at = 0;

    ERR_clear_error();
    for (int i = 0; i < sk_CONF_VALUE_num(list); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(list, i);

        if (is_own(reading, entry)) {
            own = entry->value;
            own_at = i;
        } else if (is_default(reading, entry)) {
            other = entry->value;
            other_at = i;
        }
    }
    if (!own) {
        wrong(reading, "Add the lines of keysvc's own openssl.cnf, or have the program use that.",
              "no section is keysvc's; looked at [", section);
        return;
    }
    if (!other || !value(reading, other, "activate"))
        wrong(reading,
              "Add `default = default_provider` before keysvc, and `activate = 1` in its "
              "section.",
              "the default provider is not activated: the program has no algorithms of its own",
              "");
    else if (own_at < other_at)
        wrong(reading, "Put `default` before `keysvc` in that section.",
              "keysvc stands before default, so the program cannot make session keys: [", section);
    read_own(reading, own, modules, out);
}

static void
read_own(struct reading *reading, const char *section, const char *modules,
         struct program_conf *out)
{
    const char *module = value(reading, section, "module");
    const char *socket = value(reading, section, "socket");

    out->has_provider = true;
    if (!value(reading, section, "activate"))
        wrong(reading, "Add `activate = 1` to that section.",
              "keysvc is configured, but not activated: [", section);
    if (!module)
        module = OWN_FILE;
    snprintf(out->module, sizeof(out->module), "%s%s%s", module[0] == '/' ? "" : modules,
             module[0] == '/' ? "" : "/", module);
    if (socket)
        snprintf(out->socket, sizeof(out->socket), "%s", socket);
}

/* With `provider=keysvc` wanted everywhere, key generation goes to who can make no keys. */
static void
read_properties(struct reading *reading, const char *section)
{
    const char *algorithms = value(reading, section, "alg_section");
    const char *properties = algorithms ? value(reading, algorithms, "default_properties") : NULL;

    if (properties && strstr(properties, "provider=" OWN_NAME))
        wrong(reading, "Remove default_properties: keys of keysvc are found without it.",
              "the default properties prefer keysvc, so the program cannot make session keys: ",
              properties);
}
