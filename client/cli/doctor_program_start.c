/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_program_start - what a program is called elsewhere, and which OPENSSL_CONF it is started with
 *
 * For a program that does not run, or hides its environment. Units, their drop-ins and files of
 * variables are read for this one name and not interpreted: which of them count is for systemd to say.
 */
#include <glob.h>
#include <stdio.h>

#include "client/cli/doctor_program.h"

#define START_FILE_MAX (256 * 1024)
#define VARIABLE "OPENSSL_CONF"

/* clang-format off */
static const struct { const char *name, *process, *folder, *unit; } KNOWN[] = {
    {"apache",     "apache2",  "apache2",    "apache2"},
    {"httpd",      "apache2",  "apache2",    "apache2"},
    {"postgres",   "postgres", "postgresql", "postgresql"},
    {"postgresql", "postgres", "postgresql", "postgresql"},
    {"stunnel",    "stunnel4", "stunnel",    "stunnel"},
    {"stunnel4",   "stunnel4", "stunnel",    "stunnel"},
};

/* The first that has the variable counts: what an administrator adds stands before what a package has. */
static const struct { const char *format; bool by_folder; } PLACE[] = {
    {"%s/etc/systemd/system/%s*.service.d/*.conf", false},
    {"%s/etc/systemd/system/%s*.service",          false},
    {"%s/lib/systemd/system/%s*.service",          false},
    {"%s/etc/default/%s",                          false},
    {"%s/etc/%s/envvars",                          true},
    {"%s/etc/%s/*/*/environment",                  true},
};
/* clang-format on */

struct program_names
program_names(const char *name)
{
    for (size_t i = 0; i < ARRAY_LEN(KNOWN); i++) {
        if (strcmp(KNOWN[i].name, name) == 0)
            return (struct program_names){KNOWN[i].process, KNOWN[i].folder, KNOWN[i].unit};
    }
    return (struct program_names){name, name, name};
}

/* The value behind `at`, where the variable's name stands in the line; false: another name does. */
static bool
take_value(const char *line, const char *at, char value[static PATH_MAX])
{
    size_t len;

    if (at > line && !strchr(" \t\"'=", at[-1]))
        return false;
    at += strlen(VARIABLE);
    at += strspn(at, " \t");
    if (*at++ != '=')
        return false;
    at += strspn(at, " \t\"'");
    len = strcspn(at, " \t\r\"';");
    if (len == 0 || len >= PATH_MAX)
        return false;
    memcpy(value, at, len);
    value[len] = '\0';
    return true;
}

/* Whatever the line says around it, OPENSSL_CONF_INCLUDE=... before it for one; false: it does not set it. */
static bool
line_sets(const char *line, char value[static PATH_MAX])
{
    char first = line[strspn(line, " \t")];
    bool sets = false;

    if (first == '#' || first == ';')
        return false;
    for (const char *at = strstr(line, VARIABLE); at; at = strstr(at + 1, VARIABLE))
        sets |= take_value(line, at, value);
    return sets;
}

static bool
file_sets(const char *path, char value[static PATH_MAX])
{
    ks_auto(closep) int fd = program_open(-1, path);
    ks_auto(freep) char *text = NULL;
    char *saved, *line;
    bool sets = false;
    size_t len;

    if (fd < 0 || !program_read(fd, START_FILE_MAX, &text, &len))
        return false;
    for (line = strtok_r(text, "\n", &saved); line; line = strtok_r(NULL, "\n", &saved))
        sets |= line_sets(line, value);
    return sets;
}

bool
program_start_conf(const char *root, const char *name, char conf[static PATH_MAX],
                   char where[static PATH_MAX])
{
    struct program_names names = program_names(name);
    bool found = false;

    if (strpbrk(name, "*?[\\"))
        return false;
    for (size_t i = 0; !found && i < ARRAY_LEN(PLACE); i++) {
        const char *word = PLACE[i].by_folder ? names.folder : names.unit;
        char pattern[PATH_MAX];
        glob_t files;

        if ((size_t)snprintf(pattern, sizeof(pattern), PLACE[i].format, root, word) >=
                sizeof(pattern) ||
            glob(pattern, 0, NULL, &files) != 0)
            continue;
        for (size_t j = 0; !found && j < files.gl_pathc; j++)
            found =
                file_sets(files.gl_pathv[j], conf) && text_copy(where, PATH_MAX, files.gl_pathv[j]);
        globfree(&files);
    }
    return found;
}
