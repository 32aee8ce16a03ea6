/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <ctype.h>
#include <jansson.h>
#include <stdio.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "client/cli/cli.h"
#include "fake_server.h"

/* Wire numbers of the operations that are answered here. */
enum {
    OP_STATUS = 11,
    OP_GET = 13,
};

static int
run_program(const char *socket, const char *arguments, char *out, size_t cap)
{
    char command[2048];
    FILE *program;
    size_t len;

    snprintf(command, sizeof(command), "KEYSVC_SOCKET='%s' '%s' %s 2>&1 </dev/null", socket,
             KEYSVC_PROGRAM, arguments);
    program = popen(command, "re");
    cr_assert_not_null(program);
    len = fread(out, 1, cap - 1, program);
    out[len] = '\0';
    return WEXITSTATUS(pclose(program));
}

/* --- every verb --- */

/* A right command line for each row of CLI_COMMANDS, and how it ends where nothing is there. */
static const struct {
    const char *name, *arguments;
    ks_err code;
} VERB[] = {
    {"status", "", KS_ERR_NO_SERVICE},
    {"token list", "", KS_ERR_NO_SERVICE},
    {"token show", "main", KS_ERR_NO_SERVICE},
    {"token init", "main --keysvcd /proc/nonexistent/keysvcd", KS_ERR_USAGE},
    {"token change-pin", "main --keysvcd /proc/nonexistent/keysvcd", KS_ERR_USAGE},
    {"token retry-login", "main", KS_ERR_NO_SERVICE},
    {"token rescan", "main", KS_ERR_NO_SERVICE},
    {"key generate", "web/shop", KS_ERR_NO_SERVICE},
    {"key list", "", KS_ERR_NO_SERVICE},
    {"key show", "web/shop", KS_ERR_NO_SERVICE},
    {"key rotate", "web/shop --from 1", KS_ERR_NO_SERVICE},
    {"key import", "web/shop --pkcs8 /etc/passwd", KS_ERR_NO_SERVICE},
    {"key destroy", "web/shop@1 --yes", KS_ERR_NO_SERVICE},
    {"key certificate", "web/shop get", KS_ERR_NO_SERVICE},
    {"key public", "web/shop", KS_ERR_NO_SERVICE},
    {"key reference", "web/shop", KS_ERR_NO_SERVICE},
    {"sign", "web/shop --in /etc/passwd --out-file /dev/null", KS_ERR_NO_SERVICE},
    {"csr", "web/shop", KS_ERR_NO_SERVICE},
    {"self-sign", "web/shop", KS_ERR_NO_SERVICE},
    {"policy explain", "--key web/shop --operation sign", KS_ERR_NO_SERVICE},
    {"audit show", "--audit-dir /proc/nonexistent", KS_ERR_INTERNAL},
    {"audit verify", "--audit-dir /proc/nonexistent", KS_ERR_INTERNAL},
    {"metrics", "", KS_ERR_NO_SERVICE},
    {"reload", "", KS_ERR_NO_SERVICE},
    {"doctor", "--config /proc/nonexistent/x --keysvcd /proc/nonexistent/keysvcd",
     KS_ERR_NO_SERVICE},
};

static void
name_of(const struct cli_command *command, char *out, size_t cap)
{
    snprintf(out, cap, "%s%s%s", command->noun, command->verb ? " " : "",
             command->verb ? command->verb : "");
}

static void
expect_error_object(const char *text, ks_err code, const char *command)
{
    json_error_t why;
    json_t *object = json_loads(text, 0, &why);
    json_t *error = json_object_get(object, "error");

    cr_assert_not_null(object, "keysvc %s: %s: %s", command, why.text, text);
    cr_expect_str_eq(json_string_value(json_object_get(error, "code")), ks_err_name(code),
                     "keysvc %s: %s", command, text);
    cr_expect_gt(json_string_length(json_object_get(error, "message")), 0, "keysvc %s", command);
    cr_expect_not_null(json_object_get(error, "hint"), "keysvc %s", command);
    cr_expect_not_null(json_object_get(error, "retryable"), "keysvc %s", command);
    json_decref(object);
}

static void
expect_one_line(const char *text, ks_err code, const char *command)
{
    char begin[128];

    snprintf(begin, sizeof(begin), "keysvc: %s", command);
    cr_expect_eq(strncmp(text, begin, strlen(begin)), 0, "%s", text);
    cr_expect_not_null(strstr(text, ks_err_name(code)), "%s", text);
    cr_expect_eq(strchr(text, '\n'), text + strlen(text) - 1, "keysvc %s: no single line: %s",
                 command, text);
}

/* Doctor's result is its findings, also when all of them are bad. */
static void
expect_findings(const char *text)
{
    json_t *object = json_loads(text, 0, NULL);

    cr_assert_not_null(object, "%s", text);
    cr_expect(json_is_false(json_object_get(object, "fine")));
    cr_expect_gt(json_array_size(json_object_get(object, "findings")), 0);
    json_decref(object);
}

Test(commands, each_verb_has_a_line_and_an_object_for_its_error, .timeout = 120)
{
    char name[64], arguments[256], out[16384];

    cr_assert_eq(ARRAY_LEN(VERB), CLI_N_COMMANDS, "a verb without a row in this test");
    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        bool is_doctor = CLI_COMMANDS[i].run == doctor_run;

        name_of(&CLI_COMMANDS[i], name, sizeof(name));
        cr_assert_str_eq(name, VERB[i].name, "not in the order of the table");
        snprintf(arguments, sizeof(arguments), "%s %s", name, VERB[i].arguments);
        cr_expect_eq(run_program("/proc/nonexistent/keysvc.sock", arguments, out, sizeof(out)),
                     (int)VERB[i].code, "%s", out);
        if (!is_doctor)
            expect_one_line(out, VERB[i].code, name);
        snprintf(arguments, sizeof(arguments), "%s %s --json", name, VERB[i].arguments);
        cr_expect_eq(run_program("/proc/nonexistent/keysvc.sock", arguments, out, sizeof(out)),
                     (int)VERB[i].code, "%s", out);
        if (is_doctor)
            expect_findings(out);
        else
            expect_error_object(out, VERB[i].code, name);
    }
}

Test(commands, each_verb_says_wrong_usage_in_one_line_and_in_an_object, .timeout = 120)
{
    char name[64], arguments[256], out[16384];

    for (size_t i = 0; i < CLI_N_COMMANDS; i++) {
        name_of(&CLI_COMMANDS[i], name, sizeof(name));
        snprintf(arguments, sizeof(arguments), "%s --nonsense", name);
        cr_expect_eq(run_program("/proc/nonexistent/keysvc.sock", arguments, out, sizeof(out)), 2);
        expect_one_line(out, KS_ERR_USAGE, name);
        snprintf(arguments, sizeof(arguments), "%s --nonsense --json", name);
        cr_expect_eq(run_program("/proc/nonexistent/keysvc.sock", arguments, out, sizeof(out)), 2);
        expect_error_object(out, KS_ERR_USAGE, name);
        snprintf(arguments, sizeof(arguments), "%s --help", name);
        cr_expect_eq(run_program("/proc/nonexistent/keysvc.sock", arguments, out, sizeof(out)), 0);
        cr_expect_not_null(strstr(out, "Usage: keysvc"), "%s", out);
    }
}

/* --- what the verbs ask for --- */

struct asked {
    struct fake_server *server;
    char folder[64];
    unsigned int code; /* the answer to what changes something; 0: done */
    uint32_t version, days;
    int sha256_first, format;
    char common_name[64], challenge[64], select[64], file[64], password[64];
    bool has_password, keep_certificates;
    size_t n_certificates;
};

static void
keep_text(char *out, size_t cap, const char *text)
{
    snprintf(out, cap, "%s", text ? text : "");
}

static void
keep_file(char *out, size_t cap, int fd)
{
    ssize_t n = pread(fd, out, cap - 1, 0);

    out[n > 0 ? n : 0] = '\0';
}

static void
answer(struct fake_server *server, const struct fake_request *request)
{
    struct asked *asked = fake_server_context(server);
    static const size_t LENS[] = {100, 200};

    if (request->operation == OP_STATUS) {
        fake_status(request);
        return;
    }
    if (request->operation == OP_GET) {
        fake_key(request, "web/shop", 2);
        return;
    }
    asked->version = request->version;
    asked->days = request->days;
    asked->sha256_first = request->sha256_first;
    asked->format = request->format;
    asked->has_password = request->has_password;
    asked->keep_certificates = request->keep_certificates;
    asked->n_certificates = request->n_certificates;
    keep_text(asked->common_name, sizeof(asked->common_name), request->common_name);
    keep_text(asked->challenge, sizeof(asked->challenge), request->challenge_password);
    keep_text(asked->select, sizeof(asked->select), request->select);
    if (request->n_fds > 0)
        keep_file(asked->file, sizeof(asked->file), request->fds[0]);
    if (request->n_fds > 1)
        keep_file(asked->password, sizeof(asked->password), request->fds[1]);
    if (asked->code)
        fake_error(request, asked->code, false);
    else
        switch (request->operation) {
        case 17:
            fake_csr(request);
            break;
        case 22:
            fake_chain(request, LENS, 1);
            break;
        case 23:
            fake_key(request, "web/shop", request->version + 1);
            break;
        case 26:
            fake_chain(request, LENS, 2);
            break;
        case 28:
            fake_token_info(request, &(struct fake_token){.n_mechanisms = 2, .n_unsupported = 1});
            break;
        default:
            fake_done(request);
            break;
        }
}

static struct asked asked;

static void
start(void)
{
    memset(&asked, 0, sizeof(asked));
    snprintf(asked.folder, sizeof(asked.folder), "/tmp/keysvc-test-XXXXXX");
    cr_assert_not_null(mkdtemp(asked.folder));
    asked.server = fake_server_start(NULL, answer, &asked);
}

static void
stop(void)
{
    char command[128];

    fake_server_stop(asked.server, true);
    snprintf(command, sizeof(command), "rm -rf '%s'", asked.folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(verbs, .init = start, .fini = stop, .timeout = 60);

/* Runs in the folder of this test. */
static int
keysvc(const char *arguments, char *out, size_t cap)
{
    cr_assert_eq(chdir(asked.folder), 0);
    return run_program(fake_server_path(asked.server), arguments, out, cap);
}

static void
write_file(const char *name, const char *content, mode_t mode)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", asked.folder, name);
    file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(content, file);
    cr_assert_eq(fclose(file), 0);
    cr_assert_eq(chmod(path, mode), 0);
}

Test(verbs, import_sends_file_password_and_wishes)
{
    char out[4096];

    write_file("key.p12", "the file", 0600);
    write_file("password", "horse\n", 0600);
    cr_assert_eq(keysvc("key import web/shop --pkcs12 key.p12 --password-file password --select "
                        "'my key' --from 3",
                        out, sizeof(out)),
                 0, "%s", out);
    cr_expect_str_eq(asked.file, "the file");
    cr_expect_str_eq(asked.password, "horse");
    cr_expect_str_eq(asked.select, "my key");
    cr_expect_eq(asked.version, 3);
    cr_expect_eq(asked.format, KS_IMPORT_PKCS12);
    cr_expect(asked.keep_certificates);
    cr_expect_not_null(strstr(out, "web/shop@4"), "%s", out);
    cr_expect_null(strstr(out, "warning"), "%s", out);
}

Test(verbs, import_without_password_from_standard_input)
{
    char out[4096];

    cr_assert_eq(
        keysvc("key import web/shop --pkcs8 - --no-certificates < /dev/null", out, sizeof(out)),
        KS_ERR_USAGE, "%s", out);
    cr_assert_not_null(strstr(out, "is empty"), "%s", out);
    write_file("key.pem", "pem", 0600);
    cr_assert_eq(keysvc("key import web/shop --pkcs8 key.pem --no-certificates", out, sizeof(out)),
                 0, "%s", out);
    cr_expect_not(asked.has_password);
    cr_expect_not(asked.keep_certificates);
    cr_expect_eq(asked.format, KS_IMPORT_PKCS8);
}

Test(verbs, import_warns_of_a_password_that_others_can_read)
{
    char out[4096];

    write_file("key.p12", "the file", 0600);
    write_file("password", "horse\n", 0644);
    cr_assert_eq(
        keysvc("key import web/shop --pkcs12 key.p12 --password-file password", out, sizeof(out)),
        0, "%s", out);
    cr_expect_not_null(strstr(out, "warning: password has mode 644"), "%s", out);
    cr_expect_null(strstr(out, "horse"));
}

Test(verbs, import_refuses_a_file_above_the_limit_and_says_what_the_service_says)
{
    char out[4096];

    write_file("key.p12", "the file", 0600);
    asked.code = KS_ERR_BAD_REQUEST;
    cr_assert_eq(keysvc("key import web/shop --pkcs12 key.p12", out, sizeof(out)),
                 KS_ERR_BAD_REQUEST);
    cr_assert_eq(keysvc("key import web/shop --pkcs12 /dev/zero", out, sizeof(out)),
                 KS_ERR_TOO_LARGE);
    cr_expect_not_null(strstr(out, "262144"), "%s", out);
}

Test(verbs, destroy_says_what_it_would_do_and_does_it_with_yes)
{
    char out[4096];

    cr_assert_eq(keysvc("key destroy web/shop@2", out, sizeof(out)), KS_ERR_USAGE);
    cr_expect_not_null(strstr(out, "this would destroy web/shop@2 on token"), "%s", out);
    cr_expect_not_null(strstr(out, "--yes"), "%s", out);
    cr_expect_eq(fake_server_requests(asked.server, 24), 0);
    cr_assert_eq(keysvc("key destroy web/shop@2 --yes", out, sizeof(out)), 0, "%s", out);
    cr_expect_eq(fake_server_requests(asked.server, 24), 1);
    cr_expect_eq(asked.version, 2);
    cr_expect_geq(asked.sha256_first, 0, "which key is meant was not said");
    asked.code = KS_ERR_KEY_CHANGED;
    cr_assert_eq(keysvc("key destroy web/shop@2 --yes", out, sizeof(out)), KS_ERR_KEY_CHANGED);
}

Test(verbs, certificates_are_got_as_pem_der_and_objects)
{
    char out[8192];
    json_t *object;
    struct stat st;

    cr_assert_eq(keysvc("key certificate web/shop get", out, sizeof(out)), 0, "%s", out);
    cr_expect_not_null(strstr(strstr(out, "BEGIN CERTIFICATE") + 1, "BEGIN CERTIFICATE"));
    cr_assert_eq(
        keysvc("key certificate web/shop get --format der --out-file own.der", out, sizeof(out)), 0,
        "%s", out);
    cr_assert_eq(stat("own.der", &st), 0);
    cr_expect_eq(st.st_size, 100);
    cr_assert_eq(keysvc("key certificate web/shop get --json", out, sizeof(out)), 0);
    object = json_loads(out, 0, NULL);
    cr_assert_not_null(object, "%s", out);
    cr_expect_eq(json_array_size(json_object_get(object, "certificates")), 2);
    json_decref(object);
    asked.code = KS_ERR_NO_KEY;
    cr_expect_eq(keysvc("key certificate web/shop get", out, sizeof(out)), KS_ERR_NO_KEY);
    cr_expect_eq(keysvc("key certificate web/shop delete", out, sizeof(out)), KS_ERR_NO_KEY);
    asked.code = 0;
    cr_expect_eq(keysvc("key certificate web/shop delete", out, sizeof(out)), 0);
    cr_expect_eq(fake_server_requests(asked.server, 27), 2);
}

Test(verbs, a_file_that_holds_no_certificates_is_not_put)
{
    char out[4096];

    write_file("chain.pem", "nothing", 0600);
    cr_assert_eq(keysvc("key certificate web/shop put --in chain.pem", out, sizeof(out)),
                 KS_ERR_BAD_REQUEST);
    cr_expect_not_null(strstr(out, "chain.pem: holds no certificate"), "%s", out);
    cr_expect_eq(fake_server_requests(asked.server, 25), 0);
}

Test(verbs, self_sign_takes_the_options_of_csr_and_days)
{
    char out[4096];

    cr_assert_eq(
        keysvc("self-sign web/shop --common-name shop.example --days 30", out, sizeof(out)), 0,
        "%s", out);
    cr_expect_str_eq(asked.common_name, "shop.example");
    cr_expect_eq(asked.days, 30);
    cr_expect_not_null(strstr(out, "BEGIN CERTIFICATE"));
    asked.code = KS_ERR_NAME_NOT_ALLOWED;
    cr_expect_eq(keysvc("self-sign web/shop --common-name x", out, sizeof(out)),
                 KS_ERR_NAME_NOT_ALLOWED);
}

Test(verbs, the_challenge_password_is_the_first_line_of_its_file)
{
    char out[4096];

    write_file("challenge", "horse\nsecond\n", 0600);
    cr_assert_eq(keysvc("csr web/shop --common-name x --challenge-password-file challenge", out,
                        sizeof(out)),
                 0, "%s", out);
    cr_expect_str_eq(asked.challenge, "horse");
    cr_expect_eq(keysvc("csr web/shop --challenge-password-file none", out, sizeof(out)),
                 KS_ERR_USAGE);
}

Test(verbs, a_token_is_shown_with_what_it_says_or_with_why_it_does_not)
{
    char out[16384];
    json_t *object;

    cr_assert_eq(keysvc("token show main", out, sizeof(out)), 0, "%s", out);
    cr_expect_not_null(strstr(out, "user PIN"), "%s", out);
    cr_expect_not_null(strstr(out, "MECHANISM"), "%s", out);
    cr_assert_eq(keysvc("token show main --json", out, sizeof(out)), 0);
    object = json_loads(out, 0, NULL);
    cr_expect_eq(json_array_size(json_object_get(json_object_get(object, "info"), "mechanisms")),
                 2);
    json_decref(object);
    asked.code = KS_ERR_TOKEN_UNAVAILABLE;
    cr_assert_eq(keysvc("--timeout 200ms token show main", out, sizeof(out)), 0, "%s", out);
    cr_expect_not_null(strstr(out, "login-blocked"), "%s", out);
    cr_expect_not_null(strstr(out, "nothing: TOKEN_UNAVAILABLE"), "%s", out);
    cr_expect_null(strstr(out, "MECHANISM"));
    cr_assert_eq(keysvc("token show none", out, sizeof(out)), KS_ERR_BAD_REQUEST);
}
