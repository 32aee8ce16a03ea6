/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/evp.h>
#include <pwd.h>
#include <stdio.h>
#include <sys/stat.h>

#include "base/log.h"

#include "conf_dir.h"

#define TOKEN "token main { profile = plain label = keysvc pin-file = /etc/keysvc/pin }\n"
#define HEAD "daemon { }\n" TOKEN

TestSuite(config, .init = conf_dir_setup, .fini = conf_dir_teardown);

Test(config, reads_a_whole_file)
{
    ks_auto(config_freep) struct config *config = conf_dir_load_good(
        "# a comment\n"
        "daemon {\n"
        "  socket = /run/x/x.sock  audit-dir = /a  state-dir = '/s p'\n"
        "  audit-sync = always  audit-checkpoint = 5m  max-connections = 100\n"
        "  max-bytes-per-caller = 1MiB  handshake-timeout = 500ms  idle-timeout = 1h\n"
        "}\n"
        "token main {\n"
        "  profile = plain  label = keysvc  pin-file = /etc/keysvc/main.pin\n"
        "  environment = {\"B=3\", \"C=4\"}  workers = 1\n"
        "}\n"
        "token usb { profile = plain serial = 12ab pin-credential = usb.pin\n"
        "  module = /opt/usb.so }\n"
        "/* two\n lines */\n"
        "keys \"web/**\" { token = main type = rsa-2048 purpose = tls tls = 1.3\n"
        "  names = {shop.example, \".shop.example\", \"10.0.0.0/8\"} }\n"
        "keys \"sig/*\" { token = usb purpose = sign usage = {emailProtection, 1.2.3} }\n"
        "allow a { user = {root, 4711} unit = {nginx.service} keys = {\"web/**\"}\n"
        "  operations = {get, sign} rate = 500/s }\n"
        "allow b { group = root keys = \"u/{user}/{uid}-*/**\" operations = all }\n"
        "allow c { user = \"*\" operations = administer }\n"
        "key web/old { uri = \"pkcs11:type=private;object=old%20key\" }\n"
        "key sig/old { uri = \"pkcs11:id=%01%02?module-name=x\" }\n");
    struct config_token *main_token = &config->tokens[0], *usb = &config->tokens[1];
    struct config_rule *a = &config->rules[0];

    cr_assert_str_eq(config->path, conf_dir_path);
    cr_assert_str_eq(config->socket, "/run/x/x.sock");
    cr_assert_str_eq(config->state_dir, "/s p");
    cr_assert_eq(config->socket_gid, CONFIG_NO_ID);
    cr_assert_eq(config->front_uid, CONFIG_NO_ID);
    cr_assert(config->audit_sync_always);
    cr_assert_eq(config->audit_checkpoint_s, 300);
    cr_assert_eq(config->limits.max_connections, 100);
    cr_assert_eq(config->limits.max_bytes_per_caller, 1024 * 1024);
    cr_assert_eq(config->limits.handshake_timeout_ms, 500);
    cr_assert_eq(config->limits.idle_timeout_ms, 3600 * 1000);

    cr_assert_eq(config->n_tokens, 2);
    cr_assert_str_eq(main_token->label, "keysvc");
    cr_assert_str_eq(main_token->pin_file, "/etc/keysvc/main.pin");
    cr_assert_str_eq(main_token->profile.name, "plain");
    cr_assert_str_eq(main_token->profile.module, "/usr/lib/nowhere.so");
    cr_assert_eq(main_token->profile.workers, 1);
    cr_assert_eq(main_token->profile.environment.n_items, 3);
    cr_assert_str_eq(main_token->profile.environment.items[0], "A=1");
    cr_assert_str_eq(main_token->profile.environment.items[1], "B=3");
    cr_assert_str_eq(usb->serial, "12ab");
    cr_assert_str_eq(usb->pin_credential, "usb.pin");
    cr_assert_str_eq(usb->profile.module, "/opt/usb.so");
    cr_assert_eq(usb->profile.workers, 3);
    cr_assert_str_eq(usb->profile.environment.items[1], "B=2");

    cr_assert_eq(config->n_classes, 2);
    cr_assert_eq(config->classes[0].type, KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(config->classes[0].purpose, KS_PURPOSE_TLS);
    cr_assert(config->classes[0].tls13_only);
    cr_assert_eq(config->classes[0].names.n_items, 3);
    cr_assert_str_eq(config->classes[1].usage.items[1], "1.2.3");

    cr_assert_eq(config->n_rules, 3);
    cr_assert_eq(a->n_uids, 2);
    cr_assert_eq(a->uids[0], 0);
    cr_assert_eq(a->uids[1], 4711);
    cr_assert_str_eq(a->units.items[0], "nginx.service");
    cr_assert_eq(a->operations, OPERATION_GET | OPERATION_SIGN);
    cr_assert_eq(a->rate_per_s, 500);
    cr_assert_eq(config->rules[1].gids[0], 0);
    cr_assert_eq(config->rules[1].operations, OPERATION_ALL);
    cr_assert_eq(config->rules[2].n_uids, 0);
    cr_assert_eq(config->rules[2].operations, OPERATION_ADMINISTER);

    cr_assert_eq(config->n_keys, 2);
    cr_assert_str_eq(config_key_find(config, "web/old")->uri,
                     "pkcs11:type=private;object=old%20key");
    cr_assert_str_eq(config->keys[1].name, "sig/old");
}

Test(config, has_defaults)
{
    ks_auto(config_freep) struct config *config =
        conf_dir_load_good(HEAD "keys \"a\" { token = main }\n");

    cr_assert_str_eq(config->socket, "/run/keysvc/keysvc.sock");
    cr_assert_str_eq(config->audit_dir, "/var/log/keysvc");
    cr_assert_str_eq(config->state_dir, "/var/lib/keysvc");
    cr_assert_not(config->audit_sync_always);
    cr_assert_eq(config->audit_checkpoint_s, 60);
    cr_assert_eq(config->limits.max_connections, 10000);
    cr_assert_eq(config->limits.max_connections_per_caller, 1024);
    cr_assert_eq(config->limits.max_requests_per_caller, 1024);
    cr_assert_eq(config->limits.max_bytes_per_caller, 16 * 1024 * 1024);
    cr_assert_eq(config->limits.max_queue, 4096);
    cr_assert_eq(config->limits.reserved, 16);
    cr_assert_eq(config->classes[0].type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(config->classes[0].purpose, KS_PURPOSE_TLS_SERVER);
    cr_assert_not(config->classes[0].tls13_only);
    cr_assert_eq(config->tokens[0].profile.hang_timeout_ms, 30000);
    cr_assert_eq(config->tokens[0].profile.idle_check_ms, 5000);
    cr_assert_not(config->tokens[0].profile.kill_in_login);
}

struct bad_case {
    char text[384];
    unsigned int line; /* of the first mistake; 0: of the file */
    char about[64];
};

ParameterizedTestParameters(config, names_file_and_line_of_a_mistake)
{
    static struct bad_case cases[] = {
        /* the syntax */
        {"", 0, "no section daemon"},
        {"\ndaemon { socket = /x.sock\n", 2, "not closed"},
        {"daemon { } }\n", 1, "closes nothing"},
        {"daemon { }\ntoken", 2, "premature end"},
        {"daemon { }\n/* never\nends", 2, "comment does not end"},
        {"daemon { socket = \"/x\n\" }", 1, "does not end on its line"},
        {"daemon { socket = \"/x\\n\" }", 1, "backslash"},
        {"daemon {\n socket = \"/${HOME}\" }", 2, "environment"},
        {HEAD "allow a { user = {root} keys = {web-*} operations = get }", 3, "quotes"},
        {HEAD "allow a { user = {root} keys = {web/**} operations = get }", 3, "quotes"},
        {"daemon { }\ninclude(\"/etc/passwd\")", 2, "parenthesis"},
        {"daemon { }\r\n", 1, "carriage return"},
        {"daemon { }\nsurprise = 1\n", 2, "surprise"},
        {"daemon {\n surprise = 1\n}\n", 2, "surprise"},
        {"daemon {\n socket = /a\n socket = /b\n}", 3, "socket is given twice, first on line 2"},
        {HEAD "keys \"a\" { token = main\n names = {a}\n names = {}\n}", 5, "given twice"},
        {"daemon { }\ndaemon { }\n", 2, "second section daemon"},
        {HEAD TOKEN, 3, "duplicate"},
        {HEAD "keys \"a\" { token = main }\nkeys \"a\" { token = main }", 4, "duplicate"},
        /* daemon */
        {"daemon {\n socket = x.sock }", 2, "not an absolute path"},
        {"daemon {\n audit-dir = /var/../etc }", 2, "audit-dir"},
        {"daemon {\n state-dir = /var/ }", 2, "state-dir"},
        {"daemon {\n socket-group = no-such-group }", 2, "no group"},
        {"daemon {\n audit-sync = sometimes }", 2, "1s, always"},
        {"daemon {\n audit-checkpoint = 0 }", 2, "audit-checkpoint"},
        {"daemon {\n max-connections = 0 }", 2, "max-connections"},
        {"daemon {\n max-connections = -1 }", 2, "max-connections"},
        {"daemon {\n max-connections = 99999999999999999999 }", 2, "max-connections"},
        {"daemon {\n max-bytes-per-caller = 16MB }", 2, "not a size"},
        {"daemon {\n frame-timeout = 10 }", 2, "not a time"},
        {"daemon {\n frame-timeout = 0 }", 2, "frame-timeout"},
        {"\ndaemon {\n reserved = 10\n max-queue = 10 }", 2, "reserved"},
        /* token */
        {"daemon { }\ntoken \"a b\" { profile = plain label = x pin-file = /x }", 2, "a b"},
        {"daemon { }\ntoken front { profile = plain label = x pin-file = /x }", 2, "front"},
        {"daemon { }\ntoken a {\n label = x pin-file = /x\n}", 2, "profile is missing"},
        {"daemon { }\ntoken a { profile = plain pin-file = /x }", 2, "one of label, serial, uri"},
        {"daemon { }\ntoken a { profile = plain label = x serial = y pin-file = /x }", 2,
         "there "
         "are 2"},
        {"daemon { }\ntoken a { profile = plain label = x }", 2, "one of pin-file"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = pin }", 2, "absolute"},
        {"daemon { }\ntoken a { profile = plain label = x pin-credential = a/b }", 2, "credential"},
        {"daemon { }\ntoken a { profile = plain uri = \"pkcs11:token=a?pin-value=1\" pin-file = /x "
         "}",
         2, "PIN"},
        {"daemon { }\ntoken a { profile = plain uri = http pin-file = /x }", 2, "pkcs11:"},
        {"daemon { }\ntoken a { profile = none label = x pin-file = /x }", 0, "cannot be opened"},
        {"daemon { }\ntoken a { profile = ../plain label = x pin-file = /x }", 2, "../plain"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = /x\n workers = 17 }", 3, "16"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = /x\n module = a.so }", 3,
         "absolute"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = /x\n environment = {\"1=2\"} "
         "}",
         3, "NAME=value"},
        {"daemon { }\ntoken a { profile = plain pin-file = /x\n label = "
         "\"123456789012345678901234567890123\" }",
         3, "32 bytes"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = /x\n store = tokens }", 3,
         "absolute"},
        {"daemon { }\ntoken a { profile = plain label = x pin-file = /x\n store = /a/../b }", 3,
         "store"},
        /* key */
        {HEAD "key \"a b\" { uri = \"pkcs11:id=%01\" }", 3, "not a key's name"},
        {HEAD "key \"a@1\" { uri = \"pkcs11:id=%01\" }", 3, "not a key's name"},
        {HEAD "key keysvc/audit { uri = \"pkcs11:id=%01\" }", 3, "service's own"},
        {HEAD "key a { }", 3, "uri is missing"},
        {HEAD "key a {\n uri = \"\" }", 4, "empty"},
        {HEAD "key a {\n uri = \"object=a\" }", 4, "no pkcs11: URI"},
        {HEAD "key a {\n uri = \"pkcs11:token=t;type=private\" }", 4, "neither object nor id"},
        {HEAD "key a {\n uri = \"pkcs11:token=t?id=%01\" }", 4, "neither object nor id"},
        {HEAD "key a {\n uri = \"pkcs11:object=;xid=%01\" }", 4, "neither object nor id"},
        {HEAD "key a {\n uri = \"pkcs11:object=a?pin-value=1\" }", 4, "PIN"},
        {HEAD "key a {\n uri = \"pkcs11:object=a?pin-source=/x\" }", 4, "PIN"},
        {HEAD "key a { uri = \"pkcs11:id=%01\" }\nkey a { uri = \"pkcs11:id=%02\" }", 4,
         "duplicate"},
        {HEAD "key a { uri = \"pkcs11:id=%01\"\n label = x }", 4, "label"},
        /* keys */
        {HEAD "keys \"a/?\" { token = main }", 3, "character"},
        {HEAD "keys \"\" { token = main }", 3, "empty"},
        {HEAD "keys \"keysvc/x\" { token = main }", 3, "service's own"},
        {HEAD "\nkeys \"a\" {\n}", 4, "token is missing"},
        {HEAD "keys \"a\" {\n token = other }", 4, "no section token or group other"},
        {HEAD "group g {\n tokens = {main, other} }", 4, "no section token other"},
        {HEAD "group g {\n tokens = {main,\n main} }", 5, "token main is named twice"},
        {HEAD "group g { tokens = main }\ngroup h {\n tokens = main }", 5,
         "token main is in group g already"},
        {HEAD "group g { }", 3, "tokens is missing"},
        {HEAD "group g { tokens = {} }", 3, "tokens is missing"},
        {HEAD "group main { tokens = main }", 3, "a token is called so"},
        {HEAD "group \"a b\" { tokens = main }", 3, "a name has 1 to"},
        {HEAD "group g { tokens = main }\ngroup g { tokens = main }", 4, "g"},
        {HEAD "group g { tokens = main store = /x }", 3, "store"},
        {HEAD "keys \"a\" { token = main\n type = dsa }", 4, "dsa"},
        {HEAD "keys \"a\" { token = main\n type = any }", 4, "any"},
        {HEAD "keys \"a\" { token = main\n purpose = ca }", 4, "reserved"},
        {HEAD "keys \"a\" { token = main\n purpose = decrypt }", 4, "reserved"},
        {HEAD "keys \"a\" { token = main\n purpose = audit }", 4, "keysvc/audit"},
        {HEAD "keys \"a\" { token = main\n purpose = none }", 4, "tls-server"},
        {HEAD "keys \"a\" { token = main\n tls = 1.1 }", 4, "1.2, 1.3"},
        {HEAD "keys \"a\" { token = main purpose = sign\n tls = 1.3 }", 4, "no meaning"},
        {HEAD "keys \"a\" { token = main\n usage = {serverAuth} }", 4, "only purpose = sign"},
        {HEAD "keys \"a\" { token = main purpose = sign\n usage = {anything} }", 4, "anything"},
        {HEAD "keys \"a\" { token = main purpose = sign\n usage = {9.9.9} }", 4, "OID"},
        {HEAD "keys \"a\" { token = main purpose = sign\n usage = {serverauth} }", 4, "serverauth"},
        {HEAD "keys \"a\" { token = main purpose = sign\n usage = {\"1.\"} }", 4, "OID"},
        {HEAD "keys \"a\" { token = main names = {b,\n \"10.0.0.1/8\"} }", 4, "behind its prefix"},
        {HEAD "keys \"a/*\" { token = main }\nkeys \"a/**\" {\n token = main }", 4, "(line 3)"},
        {HEAD "keys \"a\" { token = main }\nkeys \"a*\" { token = main }", 4, "can match one"},
        /* allow */
        {HEAD "allow \"a b\" { user = root keys = a operations = get }", 3, "a b"},
        {HEAD "allow a {\n keys = a operations = get }", 3, "for whom"},
        {HEAD "allow a { user = {} keys = a operations = get }", 3, "user is empty"},
        {HEAD "allow a { user = {} group = 0 keys = a operations = get }", 3, "user is empty"},
        {HEAD "allow a { user = 0 unit = {} keys = a operations = get }", 3, "unit is empty"},
        {HEAD "allow a { user = 0 group = {} keys = a operations = get }", 3, "group is empty"},
        {HEAD "allow a { user = {root,\n nobody-here} keys = a operations = get }", 4,
         "no user \"nobody-here\""},
        {HEAD "allow a { user = 4294967295 keys = a operations = get }", 3, "no user"},
        {HEAD "allow a { user = {root, \"*\"} keys = a operations = get }", 3, "everybody"},
        {HEAD "allow a { group = nobody-here keys = a operations = get }", 3, "no group"},
        {HEAD "allow a { unit = nginx keys = a operations = get }", 3, "no unit"},
        {HEAD "allow a { user = root operations = {get} }", 3, "keys is missing"},
        {HEAD "allow a { user = root keys = a }", 3, "operations is missing"},
        {HEAD "allow a { user = root keys = a operations = {get,\n decrypt} }", 4, "decrypt"},
        {HEAD "allow a { user = root keys = \"{group}/x\" operations = get }", 3, "character"},
        {HEAD "allow a { user = root keys = \"{user/x\" operations = get }", 3, "character"},
        {HEAD "allow a { user = root keys = \"keysvc/audit\" operations = get }", 3, "own"},
        {HEAD "allow a { user = root keys = a operations = get\n rate = 500 }", 4, "rate"},
        {HEAD "allow a { user = root keys = a operations = get\n rate = 0/s }", 4, "rate"},
    };

    return cr_make_param_array(struct bad_case, cases, ARRAY_LEN(cases));
}

ParameterizedTest(struct bad_case *c, config, names_file_and_line_of_a_mistake)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char place[128];

    cr_assert_eq(conf_dir_load(c->text, &config, &why), KS_ERR_BAD_REQUEST, "%s", c->text);
    cr_assert_null(config);
    if (c->line > 0) {
        snprintf(place, sizeof(place), "%s:%u: ", conf_dir_path, c->line);
        cr_assert_eq(strncmp(why.text, place, strlen(place)), 0, "%s\n%s", c->text, why.text);
    }
    cr_assert_not_null(strstr(why.text, c->about), "%s\n%s", c->text, why.text);
}

Test(config, a_file_that_failed_does_not_confuse_the_next_one)
{
    static const char *const broken[] = {
        "daemon { socket = \"",        "/*",      "daemon { socket = '", "}",
        "daemon { socket = \"\\9\" }", "allow {", "daemon { {"};

    for (size_t i = 0; i < ARRAY_LEN(broken); i++) {
        struct config *config = NULL;
        struct fault why = FAULT_INIT;

        cr_assert_eq(conf_dir_load(broken[i], &config, &why), KS_ERR_BAD_REQUEST, "%s", broken[i]);
        config_free(conf_dir_load_good(HEAD "keys \"a\" { token = main }\n"));
    }
}

Test(config, globs_of_equal_beginning_that_share_no_name_are_no_tie)
{
    config_free(
        conf_dir_load_good(HEAD "keys \"a/*\" { token = main }\nkeys \"a/*/b\" { token = main }\n"
                                "keys \"a/x*\" { token = main }\nkeys \"**\" { token = main }\n"));
}

Test(config, reports_how_many_mistakes_there_are)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(
        conf_dir_load("daemon { socket = a\n audit-dir = b\n state-dir = c }", &config, &why),
        KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":1: socket"), "%s", why.text);
    cr_assert_not_null(strstr(why.hint, "2 more mistakes"), "%s", why.hint);
}

Test(config, refuses_what_is_no_text_file_of_its_size)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    size_t len = 1024 * 1024 + 1;
    ks_auto(freep) char *text = malloc(len);

    cr_assert_eq(conf_dir_load_bytes("daemon { }\0", 11, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "NUL"), "%s", why.text);

    memset(text, ' ', len);
    memcpy(text, HEAD, strlen(HEAD));
    cr_assert_eq(conf_dir_load_bytes(text, len - 1, &config, &why), KS_OK);
    config = config_free(config);
    cr_assert_eq(conf_dir_load_bytes(text, len, &config, &why), KS_ERR_BAD_REQUEST);

    cr_assert_eq(config_load(conf_dir, conf_dir, false, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(config_load("/dev/null", conf_dir, false, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_eq(config_load("keysvcd.conf", conf_dir, false, &config, &why), KS_ERR_BAD_REQUEST);
    unlink(conf_dir_path);
    cr_assert_eq(config_load(conf_dir_path, conf_dir, false, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "cannot be opened"), "%s", why.text);
}

Test(config, counts_are_bounded)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    ks_auto(freep) char *text = malloc(1024 * 1024);
    size_t len = (size_t)sprintf(text, HEAD);

    for (int i = 0; i < CONFIG_MAX_CLASSES; i++)
        len += (size_t)sprintf(text + len, "keys \"k%d\" { token = main }\n", i);
    config_free(conf_dir_load_good(text));
    sprintf(text + len, "keys \"last\" { token = main }\n");
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":1027: more than 1024"), "%s", why.text);

    len = (size_t)sprintf(text, HEAD "keys \"a\" { token = main names = {x");
    for (int i = 0; i < CONFIG_MAX_ITEMS; i++)
        len += (size_t)sprintf(text + len, ", x%d", i);
    sprintf(text + len, "} }");
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "more than 1024 members"), "%s", why.text);
}

Test(config, what_is_too_large_for_our_processes_is_refused)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    ks_auto(freep) char *text = malloc(1024 * 1024);
    size_t len;

    len = (size_t)sprintf(text, "module = /m.so\nenvironment = {\"A=1\"");
    for (int i = 0; i < 200; i++)
        len += (size_t)sprintf(text + len, ", \"A%d=%04000d\"", i, 1);
    len += (size_t)sprintf(text + len, "}\n");
    conf_dir_write("other.conf", text, len);
    len = (size_t)sprintf(text, "daemon { }\n");
    for (int i = 0; i < CONFIG_MAX_TOKENS; i++)
        len += (size_t)sprintf(text + len,
                               "token t%d { profile = other label = x pin-file = /x }\n", i);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "more than our processes take"), "%s", why.text);

    sprintf(text,
            HEAD "token b { profile = plain label = x pin-file = /x\n"
                 "environment = {\"A=%05000d\"} }\n",
            1);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":4: environment: a variable longer"), "%s", why.text);
}

Test(config, hash_is_of_the_file_and_each_profile_once)
{
    static const char text[] = HEAD "token b { profile = other label = x pin-file = /x }\n"
                                    "token c { profile = plain label = x pin-file = /x }\n";
    static const char other[] = "module = /other.so\n";
    char all[1024];
    uint8_t hash[KS_SHA256_LEN];
    ks_auto(config_freep) struct config *config = NULL;

    conf_dir_write("other.conf", other, strlen(other));
    config = conf_dir_load_good(text);
    snprintf(all, sizeof(all), "%s%s%s", text, CONF_DIR_PROFILE, other);
    cr_assert_eq(EVP_Digest(all, strlen(all), hash, NULL, EVP_sha256(), NULL), 1);
    cr_assert_eq(memcmp(hash, config->hash, sizeof(hash)), 0);
}

Test(config, a_class_whose_type_its_token_cannot_make_is_refused_where_it_stands)
{
    static const char other[] = "module = /m.so\nunsupported = {ed25519, ec-p256}\n";
    static const char head[] =
        "daemon { }\ntoken main { profile = other label = x pin-file = /x }\n";
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char text[512];

    conf_dir_write("other.conf", other, strlen(other));
    snprintf(text, sizeof(text), "%skeys \"a\" {\n token = main\n type = ed25519\n}\n", head);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert(
        strstr(why.text, ":5: keys \"a\": token main (profile other) cannot make ed25519 keys"),
        "%s", why.text);
    /* The type that is not given is not better. */
    why = (struct fault)FAULT_INIT;
    snprintf(text, sizeof(text), "%s\nkeys \"a\" { token = main }\n", head);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, ":4: ") && strstr(why.text, "ec-p256"), "%s", why.text);
    snprintf(text, sizeof(text), "%skeys \"a\" { token = main type = ec-p384 }\n", head);
    config_free(conf_dir_load_good(text));
    /* Of a group each member must be able to. */
    why = (struct fault)FAULT_INIT;
    snprintf(text, sizeof(text),
             "%stoken west { profile = plain label = w pin-file = /w }\n"
             "group g { tokens = {west, main} }\nkeys \"a\" { token = g type = ed25519 }\n",
             head);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, ":5: keys \"a\": token main"), "%s", why.text);
}

Test(config, types_of_keys_from_files_are_listed_and_each_must_be_possible)
{
    static const char other[] = "module = /m.so\nunsupported = {ed25519}\n";
    static const char head[] =
        "daemon { }\ntoken main { profile = other label = x pin-file = /x }\n";
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    char text[512];

    conf_dir_write("other.conf", other, strlen(other));
    snprintf(text, sizeof(text),
             "%skeys \"a\" { token = main import-types = {ec-p256, rsa-3072} }\n"
             "keys \"b\" { token = main }\n",
             head);
    config = conf_dir_load_good(text);
    cr_assert_eq(config->classes[0].type, KS_KEY_TYPE_EC_P256);
    cr_assert_eq(config->classes[0].import_types,
                 CONFIG_TYPE_BIT(KS_KEY_TYPE_EC_P256) | CONFIG_TYPE_BIT(KS_KEY_TYPE_RSA_3072));
    cr_assert_eq(config->classes[1].import_types, 0);
    config = config_free(config);
    snprintf(text, sizeof(text), "%skeys \"a\" { token = main\n import-types = {ec-p256, dsa} }\n",
             head);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, ":4: ") && strstr(why.text, "\"dsa\" is none of"), "%s", why.text);
    why = (struct fault)FAULT_INIT;
    snprintf(text, sizeof(text), "%skeys \"a\" { token = main\n import-types = {ed25519} }\n",
             head);
    cr_assert_eq(conf_dir_load(text, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert(strstr(why.text, ":4: ") && strstr(why.text, "cannot make ed25519 keys"), "%s",
              why.text);
}

Test(config, a_group_stands_where_a_token_may_in_any_order_of_sections)
{
    ks_auto(config_freep) struct config *config = conf_dir_load_good(
        "keys \"web/**\" { token = both }\n"
        "group both { tokens = {west, main} }\n" HEAD
        "token west { profile = plain label = west pin-file = /etc/keysvc/pin }\n");

    cr_assert_eq(config->n_groups, 1);
    cr_assert_str_eq(config->groups[0].name, "both");
    cr_assert_str_eq(config->classes[0].token, "both");
    cr_assert_str_eq(config_member(config, config->classes[0].token, 0), "west");
    cr_assert_str_eq(config_member(config, config->classes[0].token, 1), "main");
    cr_assert_null(config_member(config, config->classes[0].token, 2));
}

/* What config_warn() writes to the log. */
static void
warnings(const struct config *config, char *out, size_t cap)
{
    int saved = dup(STDERR_FILENO), ends[2];
    ssize_t len;

    cr_assert(saved >= 0 && pipe(ends) == 0);
    log_init("test", LOG_LEVEL_WARNING);
    dup2(ends[1], STDERR_FILENO);
    config_warn(config, NULL);
    dup2(saved, STDERR_FILENO);
    close(ends[1]);
    len = read(ends[0], out, cap - 1);
    out[len > 0 ? len : 0] = '\0';
    close(ends[0]);
    close(saved);
}

Test(config, warns_of_copies_without_a_store_and_of_a_key_in_no_class)
{
    static const char other[] = "module = /m.so\ncopies = {\"*/x\"}\n";
    ks_auto(config_freep) struct config *config = NULL;
    char text[4096];

    conf_dir_write("other.conf", other, strlen(other));
    config = conf_dir_load_good(
        "daemon { }\n"
        "token bare { profile = other label = x pin-file = /x }\n"
        "token good { profile = other label = y pin-file = /x store = \"/tmp\" }\n"
        "keys \"a/*\" { token = bare }\n"
        "key a/b { uri = \"pkcs11:id=%01\" }\n"
        "key b { uri = \"pkcs11:id=%02\" }\n");
    warnings(config, text, sizeof(text));
    cr_assert_not_null(strstr(text, "token bare: its profile other names files"), "%s", text);
    cr_assert_null(strstr(text, "token good: its profile"), "%s", text);
    cr_assert_not_null(strstr(text, "key b: in no class"), "%s", text);
    cr_assert_null(strstr(text, "key a/b"), "%s", text);
}

Test(config, warns_of_a_sandbox_that_is_off_and_of_files_that_stay_open)
{
    ks_auto(config_freep) struct config *config = conf_dir_load_good(
        "daemon { }\n"
        "token none { profile = plain label = x pin-file = /x sandbox = off store = /tmp }\n"
        "token open { profile = plain label = y pin-file = /x }\n"
        "token good { profile = plain label = z pin-file = /x write = /dev/null }\n");
    char text[4096];

    warnings(config, text, sizeof(text));
    cr_assert_not_null(strstr(text, "token none: its sandbox is off"), "%s", text);
    cr_assert_null(strstr(text, "token none: nothing says"), "%s", text);
    cr_assert_not_null(strstr(text, "token open: nothing says which files"), "%s", text);
    cr_assert_null(strstr(text, "token open: its sandbox"), "%s", text);
    cr_assert_null(strstr(text, "token good: its sandbox"), "%s", text);
    cr_assert_null(strstr(text, "token good: nothing"), "%s", text);
}

Test(config, for_root_the_accounts_of_our_processes_must_exist)
{
    struct config *config = NULL;
    struct fault why = FAULT_INIT;
    const struct passwd *nobody = getpwnam("nobody");

    cr_assert_not_null(nobody);
    conf_dir_write("keysvcd.conf",
                   "daemon { front-user = nobody }\n"
                   "token a { profile = plain label = x pin-file = /x user = 4242 }\n",
                   strlen("daemon { front-user = nobody }\n"
                          "token a { profile = plain label = x pin-file = /x user = 4242 }\n"));
    cr_assert_eq(config_load(conf_dir_path, conf_dir, true, &config, &why), KS_OK, "%s", why.text);
    cr_assert_eq(config->front_uid, nobody->pw_uid);
    cr_assert_eq(config->front_gid, nobody->pw_gid);
    cr_assert_eq(config->tokens[0].uid, 4242);
    cr_assert_eq(config->tokens[0].gid, 4242);
    config_warn(config, NULL);
    config = config_free(config);

    conf_dir_write("keysvcd.conf", "daemon {\n front-user = nobody-here }", 36);
    cr_assert_eq(config_load(conf_dir_path, conf_dir, true, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, ":2: there is no user \"nobody-here\""), "%s", why.text);
    conf_dir_write("keysvcd.conf", "daemon {\n front-user = root }", 29);
    why = (struct fault)FAULT_INIT;
    cr_assert_eq(config_load(conf_dir_path, conf_dir, true, &config, &why), KS_ERR_BAD_REQUEST);
    cr_assert_not_null(strstr(why.text, "must not be root"), "%s", why.text);
}
