/* SPDX-License-Identifier: Apache-2.0 */
/*
 * conf_dir - files, and what config_load() makes of them
 */
#include "conf_dir.h"

#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"

char conf_dir[] = "/tmp/keysvc-config-XXXXXX";
char conf_dir_path[64];

void
conf_dir_write(const char *name, const void *text, size_t len)
{
    char file[128];
    FILE *out;

    snprintf(file, sizeof(file), "%s/%s", conf_dir, name);
    out = fopen(file, "w");
    cr_assert_not_null(out);
    cr_assert_eq(fwrite(text, 1, len, out), len);
    fclose(out);
}

void
conf_dir_setup(void)
{
    log_init("test", LOG_LEVEL_ERROR);
    cr_assert_not_null(mkdtemp(conf_dir));
    snprintf(conf_dir_path, sizeof(conf_dir_path), "%s/keysvcd.conf", conf_dir);
    conf_dir_write("plain.conf", CONF_DIR_PROFILE, strlen(CONF_DIR_PROFILE));
}

void
conf_dir_teardown(void)
{
    static const char *const names[] = {"keysvcd.conf", "plain.conf", "other.conf"};
    char file[128];

    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        snprintf(file, sizeof(file), "%s/%s", conf_dir, names[i]);
        unlink(file);
    }
    rmdir(conf_dir);
}

ks_err
conf_dir_load_bytes(const void *text, size_t len, struct config **config, struct fault *why)
{
    conf_dir_write("keysvcd.conf", text, len);
    return config_load(conf_dir_path, conf_dir, false, config, why);
}

ks_err
conf_dir_load(const char *text, struct config **config, struct fault *why)
{
    return conf_dir_load_bytes(text, strlen(text), config, why);
}

struct config *
conf_dir_load_good(const char *text)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(conf_dir_load(text, &config, &why), KS_OK, "%s", why.text);
    return config;
}
