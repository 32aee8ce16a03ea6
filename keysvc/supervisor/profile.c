/* SPDX-License-Identifier: Apache-2.0 */
/*
 * profile - reading hsm-profiles/NAME.conf
 */
#include "supervisor/profile.h"

#include <grp.h>
#include <stdio.h>

#include "conf/confvalue.h"
#include "supervisor/profile_sandbox.h"

#define WORKERS_DEFAULT 1
#define HANG_TIMEOUT_DEFAULT_MS (30 * 1000)      /* no call but key generation takes this long */
#define GENERATE_TIMEOUT_DEFAULT_MS (300 * 1000) /* RSA-4096 on a smart card takes minutes */
#define IDLE_CHECK_DEFAULT_MS (5 * 1000)         /* two calls, which no device minds */
#define COPY_GLOB_MAX_LEN 255                    /* bytes; a few components */
#define TIMEOUT_MIN_MS 100
#define TIMEOUT_MAX_MS (3600 * 1000)

struct profiles {
    const char *dir;
    EVP_MD_CTX *hash;
    bool as_root;
    struct conffile_mistakes *mistakes;
    struct profile_entry {
        char path[CONFIG_PATH_MAX + 1];
        ks_err err; /* it is wrong, and that was recorded */
        struct config_profile profile;
    } entries[CONFIG_MAX_TOKENS];
    size_t n_entries;
};

static cfg_opt_t schema[] = {
    CONFFILE_ONE("module"),
    CONFFILE_ONE("workers"),
    CONFFILE_ONE("hang-timeout"),
    CONFFILE_ONE("generate-timeout"),
    CONFFILE_ONE("idle-check"),
    CONFFILE_ONE("kill-in-login"),
    CONFFILE_ONE("verify"),
    CONFFILE_ONE("set-id"),
    CONFFILE_ONE("rescan"),
    CONFFILE_LIST("public-attributes"),
    CONFFILE_LIST("private-attributes"),
    CONFFILE_LIST("environment"),
    CONFFILE_LIST("unsupported"),
    CONFFILE_LIST("copies"),
    CONFFILE_LIST("groups"),
    PROFILE_SANDBOX_OF_PROFILE,
    CFG_END(),
};

static bool path_of(const struct profiles *profiles, const struct conffile_value *name,
                    char path[static CONFIG_PATH_MAX + 1]);
static struct profile_entry *find_entry(struct profiles *profiles, const char *path);
static ks_err read_profile(struct profiles *profiles, const char *path,
                           struct config_profile *profile);
static ks_err copy_profile(const struct config_profile *from, struct config_profile *out);

ks_err
profiles_new(const char *dir, EVP_MD_CTX *hash, bool as_root, struct conffile_mistakes *mistakes,
             struct profiles **out)
{
    struct profiles *profiles = calloc(1, sizeof(*profiles));

    if (!profiles)
        return KS_ERR_INTERNAL;
    profiles->dir = dir;
    profiles->hash = hash;
    profiles->as_root = as_root;
    profiles->mistakes = mistakes;
    *out = profiles;
    return KS_OK;
}

struct profiles *
profiles_free(struct profiles *profiles)
{
    if (!profiles)
        return NULL;
    for (size_t i = 0; i < profiles->n_entries; i++)
        profile_deinit(&profiles->entries[i].profile);
    free(profiles);
    return NULL;
}

void
profiles_freep(struct profiles **profiles)
{
    *profiles = profiles_free(*profiles);
}

void
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

ks_err
profiles_find(struct profiles *profiles, const struct conffile_value *name,
              struct config_profile *out)
{
    char path[CONFIG_PATH_MAX + 1];
    struct profile_entry *entry;
    unsigned int n_before = profiles->mistakes->n;

    if (!path_of(profiles, name, path))
        return KS_ERR_BAD_REQUEST;
    entry = find_entry(profiles, path);
    if (!entry) {
        /* One entry a token at most, and there are no more tokens. */
        entry = &profiles->entries[profiles->n_entries++];
        text_copy(entry->path, sizeof(entry->path), path);
        entry->err = read_profile(profiles, path, &entry->profile);
        if (!entry->err && profiles->mistakes->n > n_before)
            entry->err = KS_ERR_BAD_REQUEST;
    }
    if (entry->err == KS_ERR_BAD_REQUEST)
        conffile_value_error(name, "profile \"%s\" cannot be used", name->text);
    if (entry->err)
        return entry->err;
    return copy_profile(&entry->profile, out);
}

static bool
path_of(const struct profiles *profiles, const struct conffile_value *name,
        char path[static CONFIG_PATH_MAX + 1])
{
    int len;

    if (strchr(name->text, '/') && name->text[0] != '/') {
        conffile_value_error(name, "\"%s\" is neither a name nor an absolute path", name->text);
        return false;
    }
    if (name->text[0] != '/' && !confvalue_name_valid(name->text, CONFIG_TITLE_MAX)) {
        conffile_value_error(name, "\"%s\" is no profile's name", name->text);
        return false;
    }
    if (name->text[0] == '/')
        len = snprintf(path, CONFIG_PATH_MAX + 1, "%s", name->text);
    else
        len = snprintf(path, CONFIG_PATH_MAX + 1, "%s/%s.conf", profiles->dir, name->text);
    if (len <= CONFIG_PATH_MAX)
        return true;
    conffile_value_error(name, "the profile's path is longer than %d bytes", CONFIG_PATH_MAX);
    return false;
}

static struct profile_entry *
find_entry(struct profiles *profiles, const char *path)
{
    for (size_t i = 0; i < profiles->n_entries; i++) {
        if (strcmp(profiles->entries[i].path, path) == 0)
            return &profiles->entries[i];
    }
    return NULL;
}

/* "web.conf" of "/etc/x/web.conf" gives "web". */
static void
name_from_path(const char *path, char name[static CONFIG_TITLE_MAX + 1])
{
    const char *base = strrchr(path, '/') + 1;
    size_t len = strlen(base);

    if (len > 5 && strcmp(base + len - 5, ".conf") == 0)
        len -= 5;
    snprintf(name, CONFIG_TITLE_MAX + 1, "%.*s", (int)len, base);
}

/* Only what a key may be used for; that it is sensitive and stays on the token is not the profile's
 * to say. */
static bool
attribute_valid(const char *text)
{
    static const char *const usages[] = {"ENCRYPT",      "DECRYPT", "SIGN",
                                         "SIGN_RECOVER", "VERIFY",  "VERIFY_RECOVER",
                                         "WRAP",         "UNWRAP",  "DERIVE"};
    size_t len = strcspn(text, "=");

    if (text[len] != '\0' && strcmp(text + len, "=TRUE") != 0 && strcmp(text + len, "=FALSE") != 0)
        return false;
    for (size_t i = 0; i < ARRAY_LEN(usages); i++) {
        if (strlen(usages[i]) == len && memcmp(usages[i], text, len) == 0)
            return true;
    }
    return false;
}

static bool
is_attribute(const struct conffile_value *value)
{
    if (attribute_valid(value->text))
        return true;
    conffile_value_error(value, "\"%s\" is not a usage as SIGN or DECRYPT=FALSE", value->text);
    return false;
}

static bool
is_group(const struct conffile_value *value, bool as_root)
{
    if (confvalue_name_valid(value->text, CONFIG_TITLE_MAX) && (!as_root || getgrnam(value->text)))
        return true;
    conffile_value_error(value, "there is no group \"%s\"", value->text);
    return false;
}

static bool
is_group_here(const struct conffile_value *value)
{
    return is_group(value, true);
}

static bool
is_group_name(const struct conffile_value *value)
{
    return is_group(value, false);
}

/* What the device cannot do. "import" and the names of key types and algorithms: ipc/config.h. */
static uint64_t
read_lacks(cfg_t *root)
{
    uint64_t lacks = 0;

    for (size_t i = 0; i < conffile_count(root, "unsupported"); i++) {
        const struct conffile_value *value = conffile_get_at(root, "unsupported", i);
        uint64_t bit = config_lack_from_name(value->text);

        if (bit == 0)
            conffile_value_error(value,
                                 "\"%s\" is neither a key type nor a signature algorithm, nor "
                                 "import or certificates",
                                 value->text);
        lacks |= bit;
    }
    return lacks;
}

/* It is searched for below a token's store and must not lead out of it. */
static bool
copy_valid(const char *glob)
{
    size_t len = strlen(glob);

    if (len == 0 || len > COPY_GLOB_MAX_LEN)
        return false;
    while (*glob != '\0') {
        len = strcspn(glob, "/");
        if (len == 0 || (len <= 2 && strspn(glob, ".") == len))
            return false;
        glob += len;
        if (glob[0] == '/' && glob[1] == '\0')
            return false;
        glob += *glob == '/';
    }
    return true;
}

static bool
is_copy(const struct conffile_value *value)
{
    if (copy_valid(value->text))
        return true;
    conffile_value_error(value, "\"%s\" is no path below the token's store, as \"*/state\"",
                         value->text);
    return false;
}

static ks_err
read_lists(cfg_t *root, bool as_root, struct config_profile *profile)
{
    ks_err err =
        confvalue_list(root, "public-attributes", is_attribute, &profile->public_attributes);

    if (!err)
        err =
            confvalue_list(root, "private-attributes", is_attribute, &profile->private_attributes);
    if (!err)
        err = confvalue_environment(root, "environment", &profile->environment);
    if (!err)
        err = confvalue_list(root, "copies", is_copy, &profile->copies);
    if (!err)
        err = confvalue_list(root, "groups", as_root ? is_group_here : is_group_name,
                             &profile->groups);
    if (!err)
        err = profile_sandbox_of_profile(root, profile);
    return err;
}

static ks_err
read_profile(struct profiles *profiles, const char *path, struct config_profile *profile)
{
    static const char *const verify[] = {"rsa", "all"};
    static const char *const rescan[] = {"list", "reinitialize"};
    ks_auto(conffile_freep) struct conffile *file = NULL;
    const char *text;
    size_t len;
    cfg_t *root;
    ks_err err;

    err = conffile_open(path, schema, profiles->mistakes, &file);
    if (err)
        return err;
    text = conffile_text(file, &len);
    if (EVP_DigestUpdate(profiles->hash, text, len) != 1)
        return KS_ERR_INTERNAL;
    root = conffile_root(file);
    name_from_path(path, profile->name);
    confvalue_path(root, "module", profile->module, sizeof(profile->module));
    profile->workers = confvalue_number(root, "workers", 1, CONFIG_MAX_WORKERS, WORKERS_DEFAULT);
    profile->hang_timeout_ms = confvalue_time(root, "hang-timeout", TIMEOUT_MIN_MS, TIMEOUT_MAX_MS,
                                              HANG_TIMEOUT_DEFAULT_MS);
    profile->generate_timeout_ms = confvalue_time(root, "generate-timeout", TIMEOUT_MIN_MS,
                                                  TIMEOUT_MAX_MS, GENERATE_TIMEOUT_DEFAULT_MS);
    profile->idle_check_ms =
        confvalue_time(root, "idle-check", 0, TIMEOUT_MAX_MS, IDLE_CHECK_DEFAULT_MS);
    profile->kill_in_login = confvalue_bool(root, "kill-in-login", false);
    profile->verify_all = confvalue_word(root, "verify", verify, ARRAY_LEN(verify), 0) == 1;
    profile->set_id = confvalue_bool(root, "set-id", false);
    profile->rescan_reinitializes =
        confvalue_word(root, "rescan", rescan, ARRAY_LEN(rescan), 0) == 1;
    profile->lacks = read_lacks(root);
    return read_lists(root, profiles->as_root, profile);
}

static ks_err
copy_list(const struct strv *from, struct strv *out)
{
    *out = (struct strv)STRV_INIT;
    for (size_t i = 0; i < from->n_items; i++) {
        ks_err err = strv_add(out, from->items[i]);

        if (err)
            return err;
    }
    return KS_OK;
}

static ks_err
copy_profile(const struct config_profile *from, struct config_profile *out)
{
    ks_err err;

    *out = *from;
    out->private_attributes = out->environment = out->copies = out->groups = (struct strv)STRV_INIT;
    out->system_calls = out->read = out->write = (struct strv)STRV_INIT;
    err = copy_list(&from->public_attributes, &out->public_attributes);
    if (!err)
        err = copy_list(&from->private_attributes, &out->private_attributes);
    if (!err)
        err = copy_list(&from->environment, &out->environment);
    if (!err)
        err = copy_list(&from->copies, &out->copies);
    if (!err)
        err = copy_list(&from->groups, &out->groups);
    if (!err)
        err = copy_list(&from->system_calls, &out->system_calls);
    if (!err)
        err = copy_list(&from->read, &out->read);
    if (!err)
        err = copy_list(&from->write, &out->write);
    if (err)
        profile_deinit(out);
    return err;
}
