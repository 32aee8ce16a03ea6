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

#include "build-config.h"
#include "client/cli/doctor_program.h"

#define OWN_NAME "keysvc"
#define OWN_FILE "keysvc.so"

/* Not to write into the file: it may be the machine's, and there a few programs crash on us. */
#define POINT                                                                                      \
    "Point OPENSSL_CONF to " KEYSVC_OPENSSL_CONF                                                   \
    ", for this program alone. A file of its own needs openssl_conf before the first section, "    \
    "and "                                                                                         \
    "the sections as they are there."

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
static void read_options(struct reading *reading, const char *section);
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
        wrong(&reading, "Correct it, or point OPENSSL_CONF to " KEYSVC_OPENSSL_CONF ".",
              "libcrypto cannot read it, line ", number);
        ERR_clear_error();
    } else {
        init = value(&reading, NULL, "openssl_conf");
        providers = init ? value(&reading, init, "providers") : NULL;
        if (providers)
            read_providers(&reading, providers, modules, out);
        else
            wrong(&reading, POINT, "no providers are configured", "");
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
        wrong(reading, POINT, "no section is keysvc's; looked at [", section);
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
    read_options(reading, section);
}

static bool
is_path(const char *value)
{
    return value[0] == '/';
}

static bool
is_time(const char *value)
{
    uint32_t ms;

    return cli_parse_time(value, &ms);
}

static bool
is_stderr(const char *value)
{
    return strcmp(value, "stderr") == 0;
}

/* The provider asks libcrypto for its options by their names: one that is misspelt it never sees. A
 * wrong value it tells with each reference, by the same rules. */
static void
read_options(struct reading *reading, const char *section)
{
    /* clang-format off */
    static const struct { const char *name; bool (*is)(const char *value); const char *what; } OPTION[] = {
        {"identity", NULL,      NULL},
        {"module",   NULL,      NULL},
        {"activate", NULL,      NULL},
        {"socket",   is_path,   "socket is no absolute path: "},
        {"timeout",  is_time,   "timeout is no time from 1ms to 10m, like 10s: "},
        {"errors",   is_stderr, "errors can only be stderr, not "},
    };
    /* clang-format on */
    STACK_OF(CONF_VALUE) *list = NCONF_get_section(reading->conf, section);

    ERR_clear_error();
    for (int i = 0; i < sk_CONF_VALUE_num(list); i++) {
        const CONF_VALUE *entry = sk_CONF_VALUE_value(list, i);
        size_t at = 0;

        while (at < ARRAY_LEN(OPTION) && strcmp(OPTION[at].name, entry->name) != 0)
            at++;
        if (at == ARRAY_LEN(OPTION))
            wrong(
                reading,
                "Correct its name, or remove it: keysvc's options are socket, timeout and errors.",
                "no option of keysvc's section, and nobody reads it: ", entry->name);
        else if (OPTION[at].is && !OPTION[at].is(entry->value))
            wrong(reading, "Correct it in keysvc's section.", OPTION[at].what, entry->value);
    }
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
