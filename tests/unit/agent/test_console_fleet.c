/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_console_fleet - the list of agents: kept whole, merged, closed to others; and fields that are the same
 */
#include <criterion/criterion.h>

#include <dirent.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "base/file.h"
#include "client/agent/console/fleet.h"
#include "client/agent/console/identical.h"
#include "client/agent/console/outcome.h"
#include "pki.h"

static char dir[32];

static void
make_dir(void)
{
    strcpy(dir, "/tmp/keysvc-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(dir));
}

static void
remove_dir(void)
{
    char command[64];

    snprintf(command, sizeof(command), "rm -r %s", dir);
    cr_assert_eq(system(command), 0);
}

TestSuite(console_fleet, .init = make_dir, .fini = remove_dir);

static struct fleet *
open_fleet(void)
{
    struct fleet *fleet;
    struct fault why = FAULT_INIT;

    cr_assert_eq(fleet_open(dir, &fleet, &why), KS_OK, "%s", why.text);
    return fleet;
}

static ks_err
save(struct fleet *fleet)
{
    struct fault why = FAULT_INIT;

    return fleet_save(fleet, &why);
}

static struct peer *
add(struct fleet *fleet, const char *name)
{
    struct peer *peer = fleet_add(fleet, name);

    cr_assert_not_null(peer);
    cr_assert(peer_parse_address(peer, "a.example:1"));
    return peer;
}

static X509 *
certificate_of(EVP_PKEY *key)
{
    const struct pki_certificate wanted = {.subject = "a.example", .key = key, .issuer_key = key};

    return pki_make(&wanted);
}

static X509 *
certificate(void)
{
    return certificate_of(pki_key(PKI_P256, 0));
}

Test(console_fleet, everything_of_an_agent_comes_back)
{
    struct fleet *fleet = open_fleet();
    struct peer *peer = add(fleet, "B-1.x_y");
    X509 *pinned = certificate(), *expected = certificate();
    X509 *other = certificate_of(pki_key(PKI_P256, 1));

    cr_assert(peer_parse_address(peer, "[2001:db8::1]:99"));
    peer->token = strdup("secret");
    peer->certificate_file = strdup("/c");
    peer->key_file = strdup("/k");
    strcpy(peer->trust.server_name, "b.example");
    cr_assert_eq(trust_pin(&peer->trust, pinned), KS_OK);
    cr_assert_eq(trust_expect(&peer->trust, expected), KS_OK);
    cr_assert_eq(trust_expect(&peer->trust, other), KS_OK);
    peer_saw(peer, "trusted");
    add(fleet, "A");
    cr_assert_eq(save(fleet), KS_OK);
    fleet_free(fleet);

    fleet = open_fleet();
    cr_assert_eq(fleet_n(fleet), 2);
    cr_assert_str_eq(fleet_at(fleet, 0)->name, "A");
    peer = fleet_find(fleet, "B-1.x_y");
    cr_assert_str_eq(peer->host, "2001:db8::1");
    cr_assert_eq(peer->port, 99);
    cr_assert_str_eq(peer->token, "secret");
    cr_assert_str_eq(peer->certificate_file, "/c");
    cr_assert_str_eq(peer->key_file, "/k");
    cr_assert_str_eq(peer->trust.server_name, "b.example");
    cr_assert_eq(peer->trust.kind, TRUST_PINNED);
    cr_assert(peercert_same(sk_X509_value(peer->trust.certificates, 0), pinned));
    cr_assert_eq(sk_X509_num(peer->trust.expected), 2);
    cr_assert(peercert_same(sk_X509_value(peer->trust.expected, 0), expected));
    cr_assert(peercert_same(sk_X509_value(peer->trust.expected, 1), other));
    cr_assert_str_eq(peer->status, "trusted");
    cr_assert_gt(peer->seen_s, 0);
    fleet_free(fleet);
    X509_free(pinned);
    X509_free(expected);
    X509_free(other);
}

Test(console_fleet, two_consoles_change_only_what_each_changed)
{
    struct fleet *one = open_fleet(), *other;

    add(one, "A");
    add(one, "B");
    add(one, "C");
    cr_assert_eq(save(one), KS_OK);
    other = open_fleet();
    peer_saw(fleet_find(one, "A"), "trusted");
    fleet_find(one, "C")->removed = true;
    peer_saw(fleet_find(other, "B"), "untrusted");
    peer_saw(fleet_find(other, "C"), "trusted"); /* and is not brought back */
    add(other, "D");
    cr_assert_eq(save(one), KS_OK);
    cr_assert_eq(save(other), KS_OK);
    fleet_free(other);
    other = open_fleet();
    cr_assert_eq(fleet_n(other), 3);
    cr_assert_str_eq(fleet_find(other, "A")->status, "trusted");
    cr_assert_str_eq(fleet_find(other, "B")->status, "untrusted");
    cr_assert_null(fleet_find(other, "C"));
    add(one, "D");
    cr_assert_eq(save(one), KS_ERR_EXISTS);
    fleet_free(one);
    fleet_free(other);
}

static size_t
n_files(void)
{
    DIR *folder = opendir(dir);
    size_t n = 0;

    while (readdir(folder))
        n++;
    closedir(folder);
    return n - 2;
}

/* A writer that is killed again and again: whoever reads finds a whole file, and no rubbish piles up
 * that would be taken for one. */
Test(console_fleet, a_reader_never_meets_half_a_file, .timeout = 60)
{
    struct fleet *fleet = open_fleet();
    X509 *pinned = certificate();

    for (int i = 0; i < 20; i++) {
        char name[8];

        snprintf(name, sizeof(name), "A%d", i);
        cr_assert_eq(trust_pin(&add(fleet, name)->trust, pinned), KS_OK);
    }
    cr_assert_eq(save(fleet), KS_OK);
    for (int i = 0; i < 10; i++) {
        pid_t writer = fork();

        if (writer == 0) {
            prctl(PR_SET_PDEATHSIG, SIGKILL); /* it must not outlive a failure of this one */
            for (;;) {
                peer_saw(fleet_at(fleet, 0), "trusted");
                if (save(fleet))
                    _exit(1);
            }
        }
        for (int reads = 0; reads < 10; reads++) {
            struct fleet *read = open_fleet();

            cr_assert_eq(fleet_n(read), 20);
            fleet_free(read);
        }
        kill(writer, SIGKILL);
        waitpid(writer, NULL, 0);
    }
    cr_assert_eq(save(fleet), KS_OK);
    fleet_free(fleet);
    X509_free(pinned);
}

Test(console_fleet, a_file_that_cannot_be_written_leaves_the_old_one)
{
    struct fleet *fleet = open_fleet();
    struct fault why = FAULT_INIT;
    char path[128];
    size_t files;

    add(fleet, "A");
    cr_assert_eq(save(fleet), KS_OK);
    files = n_files();
    /* Where it should go there is a folder. */
    snprintf(path, sizeof(path), "%s/busy", dir);
    cr_assert_eq(mkdir(path, 0700), 0);
    cr_assert_eq(file_replace(path, 0600, "x", 1, &why), KS_ERR_INTERNAL);
    cr_assert_eq(n_files(), files + 1); /* the folder: no temporary file stays */
    fleet_free(fleet);
    fleet = open_fleet();
    cr_assert_eq(fleet_n(fleet), 1);
    fleet_free(fleet);
}

Test(console_fleet, of_whom_the_trust_cannot_be_read_nothing_is_trusted_and_what_stands_there_stays)
{
    static const char *const ROWS[] = {
        "{}",
        "{\"kind\": \"pinned\"}",
        "{\"kind\": \"of tomorrow\", \"pem\": \"x\"}",
        "{\"kind\": \"ca\", \"pem\": \"no\"}",
        "{\"kind\": \"none\", \"expected\": \"no\"}",
        "{\"kind\": \"none\", \"told_sha256\": \"no\"}",
    };

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        json_t *trust = json_loads(ROWS[i], 0, NULL);
        json_t *row =
            json_pack("{s:s, s:s, s:i, s:o}", "name", "x", "host", "a", "port", 1, "trust", trust);
        struct trust_verdict verdict;
        struct peer peer = {.port = 0};
        X509 *shown = certificate();
        json_t *back;

        cr_assert_eq(peer_from_json(&peer, row), KS_OK, "%s", ROWS[i]);
        cr_assert_eq(peer.trust.kind, TRUST_NONE);
        trust_judge(&peer.trust, shown, NULL, PKI_NOW, &verdict);
        cr_assert(!verdict.trusted && strstr(verdict.why, "cannot be read"), "%s", verdict.why);
        cr_assert_eq(trust_expect(&peer.trust, shown), KS_OK);
        trust_judge(&peer.trust, shown, NULL, PKI_NOW, &verdict);
        cr_assert(!verdict.trusted, "%s", ROWS[i]);
        back = peer_json(&peer);
        cr_assert(json_equal(json_object_get(back, "trust"), trust), "%s", ROWS[i]);
        json_decref(back);
        cr_assert_eq(trust_pin(&peer.trust, shown), KS_OK);
        back = peer_json(&peer);
        cr_assert_str_eq(json_string_value(json_object_get(json_object_get(back, "trust"), "kind")),
                         "pinned");
        json_decref(back);
        peer_deinit(&peer);
        X509_free(shown);
        json_decref(row);
    }
}

Test(console_fleet, what_an_agent_told_is_expected_until_the_next_thing_is_known)
{
    X509 *shown = certificate(), *pinned = certificate();
    uint8_t sha256[PEERCERT_SHA256_LEN];
    struct trust_verdict verdict;
    struct peer peer = {.name = "x", .host = "a", .port = 1}, back = {.port = 0};
    json_t *json;

    peercert_sha256(shown, sha256);
    cr_assert_eq(trust_pin(&peer.trust, pinned), KS_OK);
    trust_judge(&peer.trust, shown, NULL, PKI_NOW, &verdict);
    cr_assert(!verdict.trusted);
    trust_expect_told(&peer.trust, sha256);
    /* What an apply expects and gives up is another thing. */
    cr_assert_eq(trust_expect(&peer.trust, pinned), KS_OK);
    trust_expect_nothing(&peer.trust);
    json = peer_json(&peer);
    cr_assert_eq(peer_from_json(&back, json), KS_OK);
    trust_judge(&back.trust, shown, NULL, PKI_NOW, &verdict);
    cr_assert(verdict.trusted && verdict.expected);
    cr_assert_eq(trust_pin(&back.trust, pinned), KS_OK);
    trust_judge(&back.trust, shown, NULL, PKI_NOW, &verdict);
    cr_assert(!verdict.trusted);
    json_decref(json);
    peer_deinit(&peer);
    peer_deinit(&back);
    X509_free(shown);
    X509_free(pinned);
}

Test(console_fleet, nonsense_in_the_file_is_named_and_not_overwritten)
{
    static const char *const ROWS[] = {
        "",
        "{",
        "{}",
        "{\"agents\": {}}",
        "{\"agents\": [{}]}",
        "{\"agents\": [{\"name\": \"../x\", \"host\": \"a\", \"port\": 1, \"trust\": {\"kind\": "
        "\"none\"}}]}",
        "{\"agents\": [{\"name\": \"x\", \"host\": \"a\", \"port\": 0, \"trust\": {\"kind\": "
        "\"none\"}}]}",
        "{\"agents\": [{\"name\": \"x\", \"host\": \"a\", \"port\": 1}]}",
    };
    struct fleet *fleet;
    struct fault why = FAULT_INIT;
    char path[64];

    snprintf(path, sizeof(path), "%s/agents.json", dir);
    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        cr_assert_eq(file_replace(path, 0600, ROWS[i], strlen(ROWS[i]), &why), KS_OK);
        cr_assert_eq(fleet_open(dir, &fleet, &why), KS_ERR_USAGE, "%s", ROWS[i]);
        cr_assert(strstr(why.text, "agents.json"), "%s", why.text);
    }
}

/* --- names and addresses --- */

Test(console_fleet, names_are_file_names)
{
    static const char *const GOOD[] = {"AGENT01", "a", "web-1.example_x", "0"};
    static const char *const BAD[] = {
        "",         ".",
        "..",       ".a",
        "-a",       "a/b",
        "a b",      "a*",
        "\xc3\xa4", "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"};

    for (size_t i = 0; i < ARRAY_LEN(GOOD); i++)
        cr_assert(peer_name_valid(GOOD[i]), "%s", GOOD[i]);
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        cr_assert_not(peer_name_valid(BAD[i]), "%s", BAD[i]);
}

Test(console_fleet, addresses_are_host_and_port_and_nothing_that_changes_a_url)
{
    static const char *const ROWS[][2] = {
        {"a.example", "a.example:9999"},        {"a.example:1", "a.example:1"},
        {"192.0.2.1:65535", "192.0.2.1:65535"}, {"[::1]", "[::1]:9999"},
        {"[2001:db8::1]:1", "[2001:db8::1]:1"},
    };
    static const char *const BAD[] = {"",     ":1",     "a:",      "a:0",  "a:65536", "a:1x",
                                      "a/b",  "a@b",    "a?b",     "a#b",  "::1",     "[::1",
                                      "[]:1", "[::1]x", "[a.b]:z", "-a:1", "a b",     "a:+1"};
    char text[PEER_ADDRESS_LEN];
    struct peer peer;

    for (size_t i = 0; i < ARRAY_LEN(ROWS); i++) {
        cr_assert(peer_parse_address(&peer, ROWS[i][0]), "%s", ROWS[i][0]);
        peer_address(&peer, text, sizeof(text));
        cr_assert_str_eq(text, ROWS[i][1]);
    }
    for (size_t i = 0; i < ARRAY_LEN(BAD); i++)
        cr_assert_not(peer_parse_address(&peer, BAD[i]), "%s", BAD[i]);
}

/* --- the same in all --- */

Test(console_identical, only_what_all_have_and_the_same_is_shown)
{
    json_t *all =
        json_pack("[{s:s, s:i, s:[s], s:n}, {s:s, s:i, s:[s], s:s}, {s:s, s:i, s:[s]}]", "same",
                  "x", "number", 1, "list", "a", "missing", "same", "x", "number", 2, "list", "a",
                  "missing", "here", "same", "x", "number", 1, "list", "a");
    json_t *wanted = json_pack("{s:[s], s:s, s:s, s:s}", "list", "a", "missing", IDENTICAL_DIFFER,
                               "number", IDENTICAL_DIFFER, "same", "x");
    json_t *found = identical(all);

    cr_assert(json_equal(found, wanted));
    json_decref(found);
    json_decref(wanted);
    json_decref(all);
}

Test(console_identical, of_none_there_is_nothing)
{
    json_t *none = json_array();
    json_t *found = identical(none);

    cr_assert_eq(json_object_size(found), 0);
    json_decref(found);
    json_decref(none);
}

/* --- outcomes --- */

Test(console_outcome, a_failure_is_an_error_as_every_command_has_it)
{
    struct outcome outcome = {0};
    json_t *json, *error;

    outcome_fail(&outcome, KS_ERR_BUSY, "%s", "full\x1b");
    outcome_field(&outcome, "file", json_string("f"));
    json = outcome_json(&outcome, "A");
    error = json_object_get(json, "error");
    cr_assert_str_eq(json_string_value(json_object_get(error, "code")), "BUSY");
    cr_assert_str_eq(json_string_value(json_object_get(error, "message")), "full?");
    cr_assert_str_eq(json_string_value(json_object_get(error, "hint")),
                     err_info(KS_ERR_BUSY)->hint);
    cr_assert(json_is_true(json_object_get(error, "retryable")));
    cr_assert(json_is_false(json_object_get(json, "ok")));
    cr_assert_str_eq(json_string_value(json_object_get(json, "file")), "f");
    json_decref(json);
    outcome_deinit(&outcome);
}
