/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/wait.h>

#include "base/buf.h"
#include "base/file.h"
#include "client/cli/cli.h"
#include "client/cli/doctor.h"
#include "fake_server.h"

Test(cli, reads_times)
{
    static const struct {
        const char *text;
        uint32_t ms;
    } TIME[] = {{"30", 30000},   {"1s", 1000}, {"500ms", 500}, {"2m", 120000},
                {"600", 600000}, {"0", 0},     {"", 0},        {"-1", 0},
                {"601", 0},      {"1h", 0},    {"1.5", 0},     {"99999999999999999999", 0},
                {"600001ms", 0}};

    for (size_t i = 0; i < ARRAY_LEN(TIME); i++) {
        uint32_t ms = 0;

        cr_expect_eq(cli_parse_time(TIME[i].text, &ms), TIME[i].ms != 0, "\"%s\"", TIME[i].text);
        cr_expect_eq(ms, TIME[i].ms, "\"%s\" is %u ms", TIME[i].text, ms);
    }
}

Test(cli, finds_commands_by_noun_and_verb)
{
    char *generate[] = {(char *)(uintptr_t) "key", (char *)(uintptr_t) "generate", NULL};
    char *unknown[] = {(char *)(uintptr_t) "key", (char *)(uintptr_t) "eat", NULL};
    char *alone[] = {(char *)(uintptr_t) "key", NULL};
    char *sign[] = {(char *)(uintptr_t) "sign", (char *)(uintptr_t) "web/shop", NULL};
    int n_words = 0;

    cr_assert_eq(cli_find(generate, &n_words)->run, key_generate_run);
    cr_assert_eq(n_words, 2);
    cr_assert_eq(cli_find(sign, &n_words)->run, sign_run);
    cr_assert_eq(n_words, 1);
    cr_assert_null(cli_find(unknown, &n_words));
    cr_assert_null(cli_find(alone, &n_words));
}

/* --- what is written about the commands agrees with the table --- */

static char *
read_source(const char *path)
{
    struct buf data = BUF_INIT;
    struct fault why = FAULT_INIT;

    cr_assert_eq(file_read(path, &data, &why), KS_OK, "%s", why.text);
    buf_append(&data, "", 1);
    return (char *)data.data;
}

Test(cli, the_man_page_and_the_completion_know_every_command)
{
    char *page = read_source(SOURCE_DIR "/docs/keysvc.1.scd");
    char *completion = read_source(SOURCE_DIR "/client/cli/completion/keysvc.bash");
    char name[64];

    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        const struct cli_command *command = &CLI_COMMANDS[i];

        snprintf(name, sizeof(name), "*keysvc %s%s%s*", command->noun, command->verb ? " " : "",
                 command->verb ? command->verb : "");
        cr_expect_not_null(strstr(page, name), "keysvc.1 has no %s", name);
        cr_expect_not_null(strstr(completion, command->verb ? command->verb : command->noun),
                           "the completion has no %s", name);
    }
    free(page);
    free(completion);
}

Test(cli, the_man_page_has_every_exit_code_with_its_words)
{
    char *page = read_source(SOURCE_DIR "/docs/keysvc.1.scd");
    char row[256];

    for (int err = KS_OK; err < KS_ERR_COUNT; err++) {
        const struct err_info *info = err_info((ks_err)err);

        snprintf(row, sizeof(row), "|  %d\n:  %s\n:  %s\n", err, info->name, info->message);
        cr_expect_not_null(strstr(page, row), "keysvc.1 has no row:\n%s", row);
    }
    free(page);
}

Test(cli, reads_the_facts_that_keysvcd_prints)
{
    struct doctor_fact fact;

    cr_assert(doctor_fact_parse("fact token main pin-file /etc/my keys/main.pin", &fact));
    cr_assert_str_eq(fact.section, "token");
    cr_assert_str_eq(fact.name, "main");
    cr_assert_str_eq(fact.option, "pin-file");
    cr_assert_str_eq(fact.value, "/etc/my keys/main.pin");
    cr_assert(!doctor_fact_parse("OK", &fact));
    cr_assert(!doctor_fact_parse("fact token main", &fact));
    cr_assert(!doctor_fact_parse("<4>[keysvcd] file=x", &fact));
}

/* --- the program itself --- */

static void
refuse_all(struct fake_server *server, const struct fake_request *request)
{
    unsigned int *code = fake_server_context(server);

    if (request->operation == 13 && *code == 0)
        fake_key(request, "web/shop", 2);
    else
        fake_error(request, *code ? *code : KS_ERR_DENIED, false);
}

static int
run_program(const struct fake_server *server, const char *arguments, char *out, size_t cap)
{
    char command[1024];
    FILE *program;
    size_t len;

    snprintf(command, sizeof(command), "KEYSVC_SOCKET='%s' '%s' %s 2>&1", fake_server_path(server),
             KEYSVC_PROGRAM, arguments);
    program = popen(command, "re");
    cr_assert_not_null(program);
    len = fread(out, 1, cap - 1, program);
    out[len] = '\0';
    return WEXITSTATUS(pclose(program));
}

Test(cli, the_exit_code_is_the_services_and_the_error_one_line, .timeout = 120)
{
    unsigned int code;
    struct fake_server *server = fake_server_start(NULL, refuse_all, &code);
    char out[4096], wanted[256];

    for (code = KS_ERR_INTERNAL; code < KS_ERR_COUNT; code++) {
        cr_expect_eq(run_program(server, "key generate web/shop", out, sizeof(out)), (int)code);
        snprintf(wanted, sizeof(wanted),
                 "keysvc: key generate web/shop: %s: the test wants it (change the test)\n",
                 ks_err_name((ks_err)code));
        cr_expect_str_eq(out, wanted);
        cr_expect_eq(run_program(server, "--json key show web/shop", out, sizeof(out)), (int)code);
        snprintf(wanted, sizeof(wanted),
                 "{\"error\":{\"code\":\"%s\",\"message\":\"the test wants it\",\"hint\":\"change "
                 "the test\",\"retryable\":false}}\n",
                 ks_err_name((ks_err)code));
        cr_expect_str_eq(out, wanted);
    }
    fake_server_stop(server, true);
}

Test(cli, wrong_usage_exits_with_two_and_asks_nobody, .timeout = 60)
{
    static const char *const WRONG[] = {
        "",
        "eat",
        "key",
        "key eat",
        "key generate",
        "key generate a b",
        "key generate a --type ec-p257",
        "key rotate a",
        "key rotate a --from 0",
        "sign a",
        "sign a --in /dev/null --algorithm md5",
        "sign a --in /dev/null --prehashed md5",
        "csr a --alternative-names shop.example",
        "csr a --format text",
        "csr a --challenge-password secret",
        "self-sign a --days 0",
        "self-sign a --days 3651",
        "self-sign a --algorithm md5",
        "key import a",
        "key import a --pkcs12 x --pkcs8 y",
        "key import a --pkcs12 - --password-file -",
        "key import a --pkcs12 x --from 0",
        "key import a --pkcs12 x --password secret",
        "key destroy a",
        "key destroy a --yes",
        "key destroy a@0 --yes",
        "key certificate a",
        "key certificate a eat",
        "key certificate a put",
        "key certificate a get --in x",
        "key certificate a get --format text",
        "key certificate a delete --format pem",
        "policy explain --key a",
        "policy explain --key a --operation sign --group 0",
        "--timeout soon status",
        "status --nonsense",
    };
    unsigned int code = KS_ERR_DENIED;
    struct fake_server *server = fake_server_start(NULL, refuse_all, &code);
    char out[4096];

    for (size_t i = 0; i < ARRAY_LEN(WRONG); i++) {
        cr_expect_eq(run_program(server, WRONG[i], out, sizeof(out)), KS_ERR_USAGE, "keysvc %s: %s",
                     WRONG[i], out);
        cr_expect_neq(out[0], '\0');
    }
    cr_assert_eq(fake_server_connections(server), 0);
    fake_server_stop(server, true);
}

Test(cli, a_key_is_shown_as_table_json_pem_and_reference, .timeout = 60)
{
    unsigned int code = 0;
    struct fake_server *server = fake_server_start(NULL, refuse_all, &code);
    char out[4096];

    cr_assert_eq(run_program(server, "key show web/shop", out, sizeof(out)), 0);
    cr_assert_not_null(strstr(out, "web/shop@2"));
    cr_assert_eq(run_program(server, "key show web/shop --json", out, sizeof(out)), 0);
    cr_assert_not_null(strstr(out, "\"name\": \"web/shop\""));
    cr_assert_not_null(strstr(out, "\"version\": 2"));
    cr_assert_eq(run_program(server, "key public web/shop", out, sizeof(out)), 0);
    cr_assert_eq(strncmp(out, "-----BEGIN PUBLIC KEY-----\n", 27), 0);
    cr_assert_eq(run_program(server, "key reference web/shop", out, sizeof(out)), 0);
    cr_assert_eq(strncmp(out, "-----BEGIN KEYSVC KEY REFERENCE-----\n", 37), 0);
    cr_assert_eq(run_program(server, "key reference web/shop@2 --json", out, sizeof(out)), 0);
    cr_assert_not_null(strstr(out, "\"version\": 2"));
    cr_assert_not_null(strstr(out, "-----END KEYSVC KEY REFERENCE-----"));
    fake_server_stop(server, true);
}

/* The answer would be lost: of a change, and of a signature that counts. */
Test(cli, asks_nothing_whose_result_could_not_be_kept, .timeout = 60)
{
    unsigned int code = 0;
    struct fake_server *server = fake_server_start(NULL, refuse_all, &code);
    char out[4096];

    cr_assert_eq(run_program(server, "key generate web/shop --out-file /proc/nonexistent/x", out,
                             sizeof(out)),
                 KS_ERR_USAGE);
    cr_assert_not_null(strstr(out, "/proc/nonexistent/x: No such file"), "%s", out);
    cr_assert_eq(run_program(server, "key show web/shop --out-file /tmp", out, sizeof(out)),
                 KS_ERR_USAGE);
    cr_assert_not_null(strstr(out, "Is a directory"), "%s", out);
    cr_assert_eq(fake_server_connections(server), 0);
    /* What can be opened may still take nothing. */
    cr_assert_eq(run_program(server, "key show web/shop --out-file /dev/full", out, sizeof(out)),
                 KS_ERR_INTERNAL);
    fake_server_stop(server, true);
}
