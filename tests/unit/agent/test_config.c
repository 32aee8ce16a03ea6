/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>
#include <unistd.h>

#include "client/agent/config.h"

static char path[64];

static void
make_file(void)
{
    int fd;

    snprintf(path, sizeof(path), "/tmp/keysvc-unit-XXXXXX");
    fd = mkstemp(path);
    cr_assert_geq(fd, 0);
    close(fd);
}

static void
remove_file(void)
{
    unlink(path);
}

TestSuite(agent_config, .init = make_file, .fini = remove_file);

static void
write_text(const char *text)
{
    FILE *file = fopen(path, "w");

    cr_assert_not_null(file);
    fputs(text, file);
    cr_assert_eq(fclose(file), 0);
}

static struct agent_config *
loaded(const char *text)
{
    struct agent_config *config = NULL;
    struct fault why = FAULT_INIT;

    write_text(text);
    cr_assert_eq(config_load(path, &config, &why), KS_OK, "%s", why.text);
    return config;
}

Test(agent_config, an_empty_file_means_the_defaults)
{
    struct agent_config *config = loaded("");

    cr_assert_str_eq(config->path, path);
    cr_assert_str_eq(config->state_dir, "/var/lib/keysvc-agent");
    cr_assert_str_eq(config->socket, "");
    cr_assert_str_eq(config->keys, "agents/{user}");
    cr_assert_str_eq(config->environment, "default");
    cr_assert_str_eq(config->address, "127.0.0.1");
    cr_assert_eq(config->port, 9999);
    cr_assert_eq(config->max_connections_per_address, 128);
    cr_assert_eq(config->handshake_rate, 50);
    cr_assert_eq(config->handshake_burst, 500);
    cr_assert_eq(config->request_timeout_ms, 30000);
    cr_assert_eq(config->key_type, KS_KEY_TYPE_ANY);
    cr_assert_null(config->client_names[0]);
    cr_assert_null(config->certificate_password);
    config_free(config);
}

Test(agent_config, every_option_is_read)
{
    struct agent_config *config = loaded(
        "agent {\n state-dir = /srv/agent\n socket = /run/x.sock\n keys = \"a/{user}/b\"\n"
        " key-type = ed25519\n environment = prod-1\n}\n"
        "listener {\n address = \"::1\"\n port = 0\n threads = 2\n max-connections = 7\n"
        " max-connections-per-address = 6\n handshake-rate-per-address = \"7/s\"\n"
        " handshake-burst-per-address = 8\n request-timeout = 5s\n client-ca-file = /etc/ca.pem\n"
        " client-crl-file = /etc/crl.pem\n client-names = {\"console.example\", \"second\"}\n"
        " client-scopes = {\"certificate management\"}\n certificate-file = /etc/x.p12\n"
        " certificate-password = \"s3cret\"\n certificate-alias = shop\n}\n");

    cr_assert_str_eq(config->state_dir, "/srv/agent");
    cr_assert_str_eq(config->socket, "/run/x.sock");
    cr_assert_str_eq(config->keys, "a/{user}/b");
    cr_assert_eq(config->key_type, KS_KEY_TYPE_ED25519);
    cr_assert_str_eq(config->environment, "prod-1");
    cr_assert_str_eq(config->address, "::1");
    cr_assert_eq(config->port, 0);
    cr_assert_eq(config->threads, 2);
    cr_assert_eq(config->max_connections, 7);
    cr_assert_eq(config->max_connections_per_address, 6);
    cr_assert_eq(config->handshake_rate, 7);
    cr_assert_eq(config->handshake_burst, 8);
    cr_assert_eq(config->request_timeout_ms, 5000);
    cr_assert_str_eq(config->client_ca_file, "/etc/ca.pem");
    cr_assert_str_eq(config->client_crl_file, "/etc/crl.pem");
    cr_assert_str_eq(config->client_names[1], "second");
    cr_assert_null(config->client_names[2]);
    cr_assert_str_eq(config->client_scopes[0], "certificate management");
    cr_assert_str_eq(config->certificate_file, "/etc/x.p12");
    cr_assert_str_eq(config->certificate_password->text, "s3cret");
    cr_assert_eq(config->certificate_password->len, 6);
    cr_assert_str_eq(config->certificate_alias, "shop");
    config_free(config);
}

Test(agent_config, a_password_that_was_taken_is_none)
{
    struct agent_config *config =
        loaded("listener {\n certificate-file = /etc/x.p12\n"
               " certificate-password = \"" CONFIG_PASSWORD_TAKEN "ln=15$c2FsdA$aGFzaA\"\n}\n");

    cr_assert_str_eq(config->certificate_file, "/etc/x.p12");
    cr_assert_null(config->certificate_password);
    config_free(config);
}

#define LONG_TEXT                                                                                  \
    "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa" \
    "aaaa"                                                                                         \
    "aaaaaaaaaaaa"
#define ALL_THREE                                                                                  \
    "client-ca-file = /etc/ca.pem\n client-names = {a}\n client-scopes = {\"certificate "          \
    "reading\"}\n"

/* What is wrong, on which line, and the same without the mistake. */
static const struct {
    const char *text;
    const char *line;
    const char *said;
} MISTAKE[] = {
    {"agent {\n colour = red\n}\n", ":2:", "no such option"},
    {"colour = red\n", ":1:", "no such option"},
    {"hub {\n}\n", ":1:", "no such option"},
    {"agent {\n state-dir = relative\n}\n", ":2:", "not an absolute path"},
    {"agent {\n state-dir = /a/../b\n}\n", ":2:", "empty component"},
    {"agent {\n\n keys = \"/a\"\n}\n", ":3:", "no beginning of a key's name"},
    {"agent {\n keys = \"a/{host}\"\n}\n", ":2:", "no beginning of a key's name"},
    {"agent {\n keys = \"keysvc/x\"\n}\n", ":2:", "no beginning of a key's name"},
    {"agent {\n keys = \"" LONG_TEXT "\"\n}\n", ":2:", "no beginning of a key's name"},
    {"agent {\n key-type = dsa\n}\n", ":2:", "no type of key"},
    {"agent {\n environment = \"a/b\"\n}\n", ":2:", "is not of letters"},
    {"agent {\n environment = x\n environment = y\n}\n", ":3:", "given twice"},
    {"agent {\n}\nagent {\n}\n", ":3:", "a second section agent"},
    {"listener {\n address = localhost\n}\n", ":2:", "no IP address"},
    {"listener {\n port = 65536\n}\n", ":2:", "port"},
    {"listener {\n port = -1\n}\n", ":2:", "port"},
    {"listener {\n threads = 0\n}\n", ":2:", "threads"},
    {"listener {\n max-connections = 8193\n}\n", ":2:", "max-connections"},
    {"listener {\n handshake-rate-per-address = 50\n}\n", ":2:", "handshake-rate-per-address"},
    {"listener {\n handshake-rate-per-address = \"0/s\"\n}\n", ":2:", "handshake-rate-per-address"},
    {"listener {\n handshake-burst-per-address = 0\n}\n", ":2:", "handshake-burst-per-address"},
    {"listener {\n request-timeout = 11m\n}\n", ":2:", "request-timeout"},
    {"listener {\n request-timeout = 30\n}\n", ":2:", "request-timeout"},
    {"listener {\n client-ca-file = /etc/ca.pem\n}\n", ":1:", "go together"},
    {"listener {\n client-ca-file = /etc/ca.pem\n client-names = {a}\n}\n", ":1:", "go together"},
    {"listener {\n client-names = {a}\n client-scopes = {\"certificate reading\"}\n}\n",
     ":1:", "go together"},
    {"listener {\n client-scopes = {\"certificate reading\"}\n}\n", ":1:", "go together"},
    {"listener {\n " ALL_THREE " client-names = {c}\n}\n", ":5:", "given twice"},
    {"listener {\n client-crl-file = /etc/crl.pem\n}\n", ":2:", "no client-ca-file"},
    {"listener {\n client-names = {\"\"}\n}\n", ":2:", "a member is empty"},
    {"listener {\n client-ca-file = /etc/ca.pem\n client-names = {a}\n"
     " client-scopes = {\"certificate reading\", \"certificate managment\"}\n}\n",
     ":4:", "\"certificate managment\" is no scope"},
    {"listener {\n certificate-password = \"x\"\n}\n", ":2:", "certificate-file only"},
    {"listener {\n certificate-alias = x\n}\n", ":2:", "certificate-file only"},
    {"listener {\n certificate-file = /x\n certificate-alias = shop\n}\n",
     ":2:", "needs certificate-password"},
    {"listener {\n certificate-file = /x\n certificate-password = p\n certificate-alias = "
     "Shop\n}\n",
     ":4:", "lower case"},
    {"agent {\n", ":1:", "a brace that is not closed"},
};

Test(agent_config, each_mistake_is_told_with_file_and_line)
{
    for (size_t i = 0; i < ARRAY_LEN(MISTAKE); i++) {
        struct agent_config *config = NULL;
        struct fault why = FAULT_INIT;
        char place[80];

        write_text(MISTAKE[i].text);
        snprintf(place, sizeof(place), "%s%s", path, MISTAKE[i].line);
        cr_expect_eq(config_load(path, &config, &why), KS_ERR_USAGE, "passed: %s", MISTAKE[i].text);
        cr_expect_null(config);
        cr_expect(strstr(why.text, place) && strstr(why.text, MISTAKE[i].said), "%s gives %s",
                  MISTAKE[i].text, why.text);
    }
    config_free(loaded("listener {\n " ALL_THREE "}\n"));
}

Test(agent_config, a_password_is_not_in_the_text_of_a_mistake)
{
    struct agent_config *config = NULL;
    struct fault why = FAULT_INIT;

    write_text("listener {\n certificate-password = \"hunter2\"\n}\n");
    cr_assert_eq(config_load(path, &config, &why), KS_ERR_USAGE);
    cr_assert_null(strstr(why.text, "hunter2"), "%s", why.text);
}

Test(agent_config, a_file_that_was_named_must_be_there)
{
    struct agent_config *config = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(config_load("/proc/nonexistent/agent.conf", &config, &why), KS_ERR_USAGE);
    cr_assert_not_null(strstr(why.text, "/proc/nonexistent/agent.conf"), "%s", why.text);
    cr_assert_eq(config_load("/tmp", &config, &why), KS_ERR_USAGE);
}

Test(agent_config, as_many_names_as_fit_and_one_more)
{
    char text[4096] = "listener {\n client-ca-file = /x\n client-scopes = {\"certificate "
                      "reading\"}\n client-names = {a";
    struct agent_config *config = NULL;
    struct fault why = FAULT_INIT;
    size_t len;

    for (unsigned int i = 2; i < CONFIG_MAX_LIST; i++)
        strcat(text, ", a");
    len = strlen(text);
    strcpy(text + len, "}\n}\n");
    config = loaded(text);
    cr_assert_not_null(config->client_names[CONFIG_MAX_LIST - 2]);
    cr_assert_null(config->client_names[CONFIG_MAX_LIST - 1]);
    config_free(config);
    strcpy(text + len, ", a}\n}\n");
    write_text(text);
    cr_assert_eq(config_load(path, &config, &why), KS_ERR_USAGE);
    cr_assert_not_null(strstr(why.text, "more than 63 members"), "%s", why.text);
}

/* As it is, and with each line that shows a default or an example. */
Test(agent_config, the_example_is_one)
{
    FILE *example = fopen(SOURCE_DIR "/docs/agent.conf.example", "r"), *out;
    char line[512];
    unsigned int n = 0;
    struct agent_config *config = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_not_null(example);
    cr_assert_eq(config_load(SOURCE_DIR "/docs/agent.conf.example", &config, &why), KS_OK, "%s",
                 why.text);
    config_free(config);
    out = fopen(path, "w");
    while (fgets(line, sizeof(line), example)) {
        bool option = strncmp(line, "    # ", 6) == 0 && line[6 + strcspn(line + 6, " ")] == ' ' &&
                      strncmp(line + 6 + strcspn(line + 6, " "), " = ", 3) == 0;

        n += option;
        fputs(option ? line + 6 : line, out);
    }
    fclose(example);
    fclose(out);
    cr_assert_eq(n, 17, "%u options", n);
    cr_assert_eq(config_load(path, &config, &why), KS_OK, "%s", why.text);
    cr_assert_eq(config->key_type, KS_KEY_TYPE_EC_P256);
    cr_assert_str_eq(config->client_names[0], "console.example");
    config_free(config);
}
