/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "build-config.h"
#include "doctor_rig.h"

TestSuite(doctor_program_conf, .init = rig_start, .fini = rig_stop);

static struct program_conf
conf(const char *text)
{
    struct program_conf out;

    rig_again();
    program_conf(doctor, "the.cnf", text, strlen(text), "/modules", &out);
    return out;
}

/* GOOD_CONF with one line another. */
static const char *
changed(const char *line, const char *instead)
{
    static char text[1024];
    const char *place = strstr(GOOD_CONF, line);

    cr_assert_not_null(place, "%s", line);
    snprintf(text, sizeof(text), "%.*s%s%s", (int)(place - GOOD_CONF), GOOD_CONF, instead,
             place + strlen(line));
    return text;
}

Test(doctor_program_conf, a_good_configuration_is_fine)
{
    struct program_conf out = conf(GOOD_CONF);

    cr_expect(out.has_provider);
    cr_expect_str_eq(out.module, "/x/keysvc.so");
    cr_expect_str_eq(out.socket, "/x/socket");
    cr_expect_eq(n_wrong(), 0);
    expect_found(DOCTOR_FINE, "openssl.cnf", "the.cnf configures keysvc");
}

Test(doctor_program_conf, a_module_without_a_folder_is_where_openssl_looks)
{
    cr_expect_str_eq(conf(changed("module = /x/keysvc.so\n", "")).module, "/modules/keysvc.so");
    cr_expect_str_eq(conf(changed("/x/keysvc.so", "other.so")).module, "/modules/other.so");
}

Test(doctor_program_conf, each_mistake_of_a_configuration_is_named)
{
    static const struct {
        const char *line, *instead, *text;
        bool has_provider;
    } cases[] = {
        {"default = d\nkeysvc = k\n", "keysvc = k\ndefault = d\n", "stands before default", true},
        {"default = d\n", "", "default provider is not activated", true},
        {"[d]\nactivate = 1\n", "[d]\n", "default provider is not activated", true},
        {"[k]\nactivate = 1\n", "[k]\n", "not activated: [k", true},
        {"keysvc = k\n", "", "no section is keysvc's", false},
        {"[list]", "[lost]", "no section is keysvc's", false},
        {"providers = list\n", "", "no providers are configured", false},
        {"openssl_conf = init\n", "", "no providers are configured", false},
        {"[init]\n", "[init\n", "cannot read it, line 2", false},
        {"providers = list\n",
         "providers = list\nalg_section = a\n[a]\ndefault_properties = ?provider=keysvc\n[lost]\n",
         "default properties prefer keysvc", true},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct program_conf out = conf(changed(cases[i].line, cases[i].instead));

        expect_found(DOCTOR_WRONG, "openssl.cnf", cases[i].text);
        cr_expect_eq(n_wrong(), 1, "%s", cases[i].text);
        cr_expect_eq(out.has_provider, cases[i].has_provider, "%s", cases[i].text);
        cr_expect_not(found(DOCTOR_FINE, "openssl.cnf", ""), "%s", cases[i].text);
    }
}

Test(doctor_program_conf, options_that_nobody_reads_and_values_that_nobody_takes_are_named)
{
    static const struct {
        const char *lines, *text;
    } cases[] = {
        {"timout = 3\n", "nobody reads it: timout"},
        {"timeout = 3h\n", "timeout is no time from 1ms to 10m, like 10s: 3h"},
        {"timeout = 0\n", "timeout is no time"},
        {"timeout = 601s\n", "timeout is no time"},
        {"errors = stdout\n", "errors can only be stderr, not stdout"},
        {"socket = run/s\n", "socket is no absolute path: run/s"},
        {"timeout = 10min\nerrors = stderr\nidentity = keysvc\n", NULL},
        {"timeout = 500ms\n", NULL},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char text[128];

        snprintf(text, sizeof(text), "[k]\n%s", cases[i].lines);
        conf(changed("[k]\n", text + 0));
        /* A later line would win over that of GOOD_CONF. */
        if (strncmp(cases[i].lines, "socket", 6) == 0)
            conf(changed("socket = /x/socket\n", cases[i].lines));
        if (cases[i].text)
            expect_found(DOCTOR_WRONG, "openssl.cnf", cases[i].text);
        cr_expect_eq(n_wrong(), cases[i].text ? 1 : 0, "%s", cases[i].lines);
    }
}

Test(doctor_program_conf, who_has_a_file_without_keysvc_is_sent_to_ours_and_not_to_mend_it)
{
    const struct doctor_finding *finding;

    conf("[default]\nx = y\n");
    finding = doctor_finding_at(doctor, 0);
    cr_assert_not_null(strstr(finding->mend, "Point OPENSSL_CONF to " KEYSVC_OPENSSL_CONF), "%s",
                       finding->mend);
}

Test(doctor_program_conf, a_section_is_ours_by_identity_or_file_too)
{
    cr_expect(conf(changed("keysvc = k\n", "mine = k\n")).has_provider, "by its file");
    cr_expect(conf(changed("/x/keysvc.so\n", "/x/y.so\nidentity = keysvc\n")).has_provider);
    cr_expect_not(conf(changed("/x/keysvc.so\n", "/x/y.so\nidentity = z\n")).has_provider);
}

/* --- how it is started --- */

static void
make_way(const char *path)
{
    char part[256];

    for (const char *slash = strchr(path, '/'); slash; slash = strchr(slash + 1, '/')) {
        snprintf(part, sizeof(part), "%.*s", (int)(slash - path), path);
        if (access(at(part), F_OK) != 0)
            make_folder(part);
    }
}

Test(doctor_program_conf, finds_the_openssl_conf_that_a_program_is_started_with)
{
    static const struct {
        const char *name, *file, *text, *conf;
    } cases[] = {
        {"one", "etc/systemd/system/one.service.d/k.conf",
         "[Service]\nEnvironment=OPENSSL_CONF=/k.cnf\n", "/k.cnf"},
        {"two", "lib/systemd/system/two@.service",
         "Environment=\"A=1\" \"OPENSSL_CONF=/k.cnf\" B=2\n", "/k.cnf"},
        {"three", "etc/default/three", "# OPENSSL_CONF=/no\nOPENSSL_CONF='/k.cnf'\n", "/k.cnf"},
        {"postgresql", "etc/postgresql/15/main/environment", "OPENSSL_CONF = '/k.cnf'\n", "/k.cnf"},
        {"apache2", "etc/apache2/envvars", "export OPENSSL_CONF=/k.cnf;\n", "/k.cnf"},
        {"six", "etc/default/six", "; OPENSSL_CONF=/no\nMY_OPENSSL_CONF=/no\nOPENSSL_CONF=\n",
         NULL},
        {"seven", "etc/default/seven2", "OPENSSL_CONF=/no\n", NULL},
        {"eight", "lib/systemd/system/eight.service",
         "Environment=OPENSSL_CONF_INCLUDE=/etc/ssl OPENSSL_CONF=/k.cnf\n", "/k.cnf"},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        char path[PATH_MAX] = "", where[PATH_MAX] = "";
        bool is;

        make_way(cases[i].file);
        make(cases[i].file, cases[i].text);
        is = program_start_conf(folder, cases[i].name, path, where);
        cr_expect_eq(is, cases[i].conf != NULL, "%s", cases[i].name);
        if (is && cases[i].conf) {
            cr_expect_str_eq(path, cases[i].conf);
            cr_expect_str_eq(where, at(cases[i].file));
        }
    }
    cr_expect_not(program_start_conf(folder, "o*", (char[PATH_MAX]){""}, (char[PATH_MAX]){""}));
}

Test(doctor_program_conf, names_a_program_as_debian_calls_its_processes)
{
    cr_expect_str_eq(program_names("postgresql").process, "postgres");
    cr_expect_str_eq(program_names("postgres").folder, "postgresql");
    cr_expect_str_eq(program_names("postgres").unit, "postgresql");
    cr_expect_str_eq(program_names("nginx").process, "nginx");
    cr_expect_str_eq(program_names("nginx").folder, "nginx");
}
