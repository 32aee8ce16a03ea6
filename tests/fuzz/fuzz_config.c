/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_config - keysvcd.conf and profiles from arbitrary bytes
 *
 * The bytes are a configuration once, and once a profile that a good configuration names. What
 * loads must survive being packed, unpacked and asked for a class, and its facts being read by
 * `keysvc doctor`.
 */
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include "base/log.h"
#include "client/cli/doctor.h"
#include "supervisor/config.h"
#include "supervisor/facts.h"

int LLVMFuzzerInitialize(int *argc, char ***argv);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

/* Configurations of the corpus name the profile `plain`: this folder holds it. */
static char profile_dir[] = "/tmp/keysvc-fuzz-XXXXXX";
static char profile_path[sizeof(profile_dir) + 16];

static void
remove_profile(void)
{
    unlink(profile_path);
    rmdir(profile_dir);
}

int
LLVMFuzzerInitialize(int *argc, char ***argv)
{
    static const char text[] = "module = /plain.so\nworkers = 2\n";
    FILE *file;

    (void)argc;
    (void)argv;
    log_init("fuzz", (enum log_level)0);
    if (!mkdtemp(profile_dir))
        abort();
    snprintf(profile_path, sizeof(profile_path), "%s/plain.conf", profile_dir);
    atexit(remove_profile);
    file = fopen(profile_path, "w");
    if (!file || fputs(text, file) < 0 || fclose(file) != 0)
        abort();
    return 0;
}

/* A file in memory, and a path to it. */
static int
memory_file(const void *data, size_t len, char path[static 32])
{
    int fd = memfd_create("fuzz", MFD_CLOEXEC);

    if (fd < 0 || write(fd, data, len) != (ssize_t)len)
        abort();
    snprintf(path, 32, "/proc/self/fd/%d", fd);
    return fd;
}

static void
check_facts(const struct config *config)
{
    ks_auto(freep) char *text = NULL;
    struct doctor_fact fact;
    char *rest, *line;
    size_t len;
    FILE *out = open_memstream(&text, &len);

    if (!out)
        abort();
    facts_print(out, config);
    fclose(out);
    for (rest = text; (line = strsep(&rest, "\n")) && rest;) {
        if (!doctor_fact_parse(line, &fact) ||
            strcmp(line + strlen(line) - strlen(fact.value), fact.value) != 0)
            abort();
    }
}

static void
load(const char *path)
{
    ks_auto(config_freep) struct config *config = NULL;
    ks_auto(config_freep) struct config *copy = NULL;
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;
    struct fault why = FAULT_INIT;

    if (config_load(path, profile_dir, false, &config, &why) != KS_OK) {
        if (why.text[0] == '\0')
            abort();
        return;
    }
    (void)config_class_of(config, "web/shop");
    (void)config_key_find(config, "web/shop");
    check_facts(config);
    config_pack(&packed, config);
    if (packed.failed || config_unpack(packed.data, packed.len, &copy) != KS_OK)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    char input_path[32], text[200], path[32];
    ks_auto(closep) int input = memory_file(data, len, input_path);
    ks_auto(closep) int config = -1;

    (void)input;
    load(input_path);
    snprintf(text, sizeof(text),
             "daemon { }\ntoken a { profile = %s module = /m.so label = a pin-file = /p }\n"
             "keys \"web/*\" { token = a }\n",
             input_path);
    config = memory_file(text, strlen(text), path);
    load(path);
    return 0;
}
