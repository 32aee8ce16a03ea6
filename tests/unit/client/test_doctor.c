/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <fcntl.h>
#include <grp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "client/cli/doctor_files.h"

static struct doctor *doctor;
static char folder[64];

static void
start(void)
{
    snprintf(folder, sizeof(folder), "/tmp/keysvc-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    doctor = doctor_new();
}

static void
stop(void)
{
    char command[128];

    doctor = doctor_free(doctor);
    snprintf(command, sizeof(command), "rm -rf '%s'", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(doctor, .init = start, .fini = stop);

static void
fact(const char *option, const char *format, const char *value)
{
    struct doctor_fact fact = {.section = "token", .name = "main"};

    snprintf(fact.option, sizeof(fact.option), "%s", option);
    snprintf(fact.value, sizeof(fact.value), format, value);
    doctor_fact_add(doctor, &fact);
}

/* Is there such a finding, with that text? */
static bool
found(enum doctor_verdict verdict, const char *check, const char *text)
{
    const struct doctor_finding *finding;

    for (size_t i = 0; (finding = doctor_finding_at(doctor, i)); i++) {
        if (finding->verdict == verdict && strcmp(finding->check, check) == 0 &&
            strstr(finding->text, text)) {
            cr_expect(verdict == DOCTOR_FINE || verdict == DOCTOR_SKIPPED ||
                          finding->mend[0] != '\0',
                      "nobody is told how to mend: %s", finding->text);
            return true;
        }
    }
    return false;
}

static void
make(const char *name, const char *content)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", folder, name);
    if (!content) {
        cr_assert_eq(mkdir(path, 0700), 0);
        return;
    }
    file = fopen(path, "we");
    cr_assert_not_null(file);
    fputs(content, file);
    fclose(file);
}

/* --- stores --- */

Test(doctor, a_whole_store_is_fine)
{
    make("one", NULL);
    make("one/token.object", "x");
    make("one/token.object.keysvc-copy", "x");
    fact("store", "%s", folder);
    doctor_stores(doctor);
    cr_assert(found(DOCTOR_FINE, "store", "tokens: 1, with a copy: 1"));
}

Test(doctor, an_empty_token_file_is_lost_without_a_copy_and_put_back_with_one)
{
    make("one", NULL);
    make("one/token.object", "");
    make("two", NULL);
    make("two/token.object", "");
    make("two/token.object.keysvc-copy", "x");
    fact("store", "%s", folder);
    doctor_stores(doctor);
    cr_assert(found(DOCTOR_WRONG, "store", "one/token.object is empty and has no copy"));
    cr_assert(found(DOCTOR_NOTE, "store", "two/token.object is empty"));
    cr_assert_not(found(DOCTOR_FINE, "store", ""));
}

Test(doctor, a_store_that_is_not_there_is_wrong)
{
    fact("store", "%s/none", folder);
    doctor_stores(doctor);
    cr_assert(found(DOCTOR_WRONG, "store", "/none: No such file"));
}

/* --- modules and folders --- */

Test(doctor, says_why_a_module_cannot_be_opened)
{
    fact("module", "%s/nope.so", folder);
    fact("uid", "64799%s", "");
    fact("gid", "64799%s", "");
    doctor_tokens(doctor);
    cr_assert(found(DOCTOR_WRONG, "module", "/nope.so: No such file or directory"));
}

/* Any that a package's folder might belong to. */
static const struct group *
some_group(void)
{
    const struct group *group;

    setgrent();
    while ((group = getgrent()) && group->gr_gid == 0)
        ;
    endgrent();
    cr_assert_not_null(group);
    return group;
}

Test(doctor, a_group_of_the_profile_opens_a_packages_folder)
{
    const struct group *group = some_group();
    const struct stat folder_of_package = {.st_mode = S_IFDIR | 0770, .st_gid = group->gr_gid};
    struct doctor_user user;
    char mend[256], wanted[128];

    fact("uid", "64799%s", "");
    fact("gid", "64799%s", "");
    user = doctor_token_user(doctor, "main");
    cr_assert_not(doctor_may(&folder_of_package, &user, S_IRWXO));
    snprintf(wanted, sizeof(wanted), "groups = {%s}", group->gr_name);
    doctor_mend_folder(&folder_of_package, S_IRWXO, mend, sizeof(mend));
    cr_assert(strstr(mend, wanted) && !strstr(mend, "chown"), "%s", mend);
    fact("group", "%s", group->gr_name);
    user = doctor_token_user(doctor, "main");
    cr_assert(doctor_may(&folder_of_package, &user, S_IRWXO));
}

Test(doctor, a_folder_whose_group_may_nothing_is_to_be_owned)
{
    const struct stat private = {.st_mode = S_IFDIR | 0700, .st_gid = some_group()->gr_gid};
    const struct stat of_root = {.st_mode = S_IFDIR | 0770, .st_gid = 0};
    char mend[256];

    cr_assert_not_null(strstr(doctor_mend_folder(&private, S_IRWXO, mend, sizeof(mend)), "chown"));
    cr_assert_not_null(strstr(doctor_mend_folder(&of_root, S_IRWXO, mend, sizeof(mend)), "chown"));
}

static void
check_token_folder(void)
{
    doctor_free(doctor);
    doctor = doctor_new();
    fact("uid", "64799%s", "");
    fact("gid", "64799%s", "");
    fact("environment", "SOFTHSM2_CONF=%s/softhsm2.conf", folder);
    doctor_tokens(doctor);
}

Test(doctor, a_token_folder_behind_a_closed_one_is_wrong)
{
    char tokens[128], text[160];

    snprintf(tokens, sizeof(tokens), "%s/tokens", folder);
    snprintf(text, sizeof(text), "directories.tokendir = %s\n", tokens);
    make("softhsm2.conf", text);
    make("tokens", NULL);
    cr_assert_eq(chmod(tokens, 0777), 0);
    check_token_folder();
    snprintf(text, sizeof(text), "%s has mode 700", folder);
    cr_assert(found(DOCTOR_WRONG, "token-folder", text));
    cr_assert_eq(chmod(folder, 0711), 0);
    check_token_folder();
    cr_assert_not(found(DOCTOR_WRONG, "token-folder", text));
    cr_assert(found(DOCTOR_WRONG, "token-folder", "everybody can look"));
}

Test(doctor, reads_the_token_folder_as_softhsm_does)
{
    char tokens[128], text[512];

    snprintf(tokens, sizeof(tokens), "%s/tokens", folder);
    snprintf(text, sizeof(text),
             "directories.tokendir = /none\n# directories.tokendir = /nor/here\n"
             "  directories.tokendir =\t%s \t # of the service\nlog.level = INFO\n",
             tokens);
    make("softhsm2.conf", text);
    make("tokens", NULL);
    cr_assert_eq(chmod(folder, 0711), 0);
    cr_assert_eq(chmod(tokens, 0777), 0);
    check_token_folder();
    snprintf(text, sizeof(text), "everybody can look into %s (mode 777)", tokens);
    cr_assert(found(DOCTOR_WRONG, "token-folder", text));
}

Test(doctor, a_pipe_in_place_of_a_file_is_not_waited_for, .timeout = 20)
{
    struct doctor_fact audit = {.section = "daemon", .name = "-", .option = "audit-dir"};
    char path[128];

    snprintf(path, sizeof(path), "%s/softhsm2.conf", folder);
    cr_assert_eq(mkfifo(path, 0644), 0);
    check_token_folder();
    cr_assert(found(DOCTOR_WRONG, "softhsm2.conf", "is no regular file"));
    snprintf(path, sizeof(path), "%s/main-1.log", folder);
    cr_assert_eq(mkfifo(path, 0640), 0);
    snprintf(audit.value, sizeof(audit.value), "%s", folder);
    doctor_fact_add(doctor, &audit);
    doctor_audit(doctor);
    cr_assert(found(DOCTOR_WRONG, "audit-file", "main-1.log is no regular file"));
}

/* --- devices --- */

static int
listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

static void
tpm_facts(void)
{
    fact("module", "%s/libtpm2_pkcs11.so", folder);
    fact("environment", "TPM2_PKCS11_STORE=%s", folder);
    fact("environment", "TPM2_PKCS11_TCTI=tabrmd:bus_type=session%s", "");
    fact("environment", "DBUS_SESSION_BUS_ADDRESS=unix:path=%s/bus,guid=0", folder);
}

Test(doctor, a_tpm_bus_that_answers_is_fine_and_one_that_does_not_is_wrong)
{
    int fd = listen_at("bus");

    tpm_facts();
    doctor_devices(doctor);
    cr_expect(found(DOCTOR_FINE, "tpm", "a D-Bus answers at"));
    cr_expect(found(DOCTOR_FINE, "tpm-store", folder));
    close(fd);
    doctor_free(doctor);
    doctor = doctor_new();
    tpm_facts();
    doctor_devices(doctor);
    cr_assert(found(DOCTOR_WRONG, "tpm", "Connection refused"));
}

Test(doctor, a_session_bus_without_address_is_wrong)
{
    fact("module", "%s/libtpm2_pkcs11.so", folder);
    fact("environment", "TPM2_PKCS11_TCTI=tabrmd:bus_type=session%s", "");
    doctor_devices(doctor);
    cr_assert(found(DOCTOR_WRONG, "tpm", "no address of that bus"));
}

Test(doctor, a_missing_tpm_device_or_store_is_wrong)
{
    fact("module", "%s/libtpm2_pkcs11.so", folder);
    fact("environment", "TPM2_PKCS11_STORE=%s/none", folder);
    fact("environment", "TPM2_PKCS11_TCTI=device:%s/tpmrm0", folder);
    doctor_devices(doctor);
    cr_assert(found(DOCTOR_WRONG, "tpm", "tpmrm0: No such file"));
    cr_assert(found(DOCTOR_WRONG, "tpm-store", "none: No such file"));
}

Test(doctor, other_modules_have_no_device)
{
    fact("module", "%s/libsofthsm2.so", folder);
    doctor_devices(doctor);
    cr_assert_null(doctor_finding_at(doctor, 0));
}

Test(doctor, a_user_who_is_not_in_group_pkcs11_is_wrong)
{
    fact("module", "%s/libopencryptoki.so.0", folder);
    fact("uid", "64799%s", "");
    fact("gid", "64799%s", "");
    doctor_devices(doctor);
    cr_assert(found(DOCTOR_WRONG, "pkcsslotd", "not in group pkcs11"));
}

/* --- what a token says of itself --- */

Test(doctor, a_pin_near_its_end_is_wrong_and_a_good_one_fine)
{
    struct ks_token_info info = {.flags = 0x8,
                                 .free_private_memory = KS_NUMBER_UNKNOWN,
                                 .free_public_memory = KS_NUMBER_UNKNOWN};

    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_FINE, "pin-counter", "main"));
    info.flags = 0x10008;
    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_NOTE, "pin-counter", "tries are left"));
    info.flags = 0x30008;
    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_WRONG, "pin-counter", "one try"));
    info.flags = 0x70008;
    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_WRONG, "pin-counter", "locked"));
    info.flags = 0x400008;
    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_NOTE, "pin-counter", "the SO PIN is locked"));
    cr_expect_not(found(DOCTOR_WRONG, "token-memory", ""));
}

Test(doctor, a_token_without_memory_or_sessions_is_told)
{
    struct ks_token_info info = {.flags = 0x8,
                                 .free_private_memory = 0,
                                 .free_public_memory = 100,
                                 .sessions = 4,
                                 .max_sessions = 4};

    doctor_info_check(doctor, "main", &info);
    cr_expect(found(DOCTOR_WRONG, "token-memory", "no memory"));
    cr_expect(found(DOCTOR_NOTE, "token-sessions", "4 of 4"));
    doctor_free(doctor);
    doctor = doctor_new();
    info.free_private_memory = 1;
    info.sessions = 3;
    doctor_info_check(doctor, "main", &info);
    cr_expect_not(found(DOCTOR_WRONG, "token-memory", ""));
    cr_expect_not(found(DOCTOR_NOTE, "token-sessions", ""));
}

Test(doctor, tokens_of_a_group_that_do_not_show_the_same_keys_are_told)
{
    struct ks_group group = {
        .name = "both", .n_tokens = 2, .ready_tokens = 2, .keys = 3, .keys_everywhere = 3};

    doctor_group(doctor, &group);
    cr_expect(found(DOCTOR_FINE, "group", "both: 3 keys, all on each of 2 tokens"));
    group.keys_everywhere = 1;
    doctor_group(doctor, &group);
    cr_expect(found(DOCTOR_NOTE, "group", "2 of 3 keys are not on all tokens"));
    cr_expect_not(found(DOCTOR_WRONG, "group", ""));
    group.keys_differing = 1;
    doctor_group(doctor, &group);
    cr_expect(found(DOCTOR_WRONG, "group", "1 keys are not the same"));
}

Test(doctor, a_group_of_which_no_token_is_ready_is_not_called_right)
{
    struct ks_group group = {.name = "both", .n_tokens = 2};

    doctor_group(doctor, &group);
    cr_expect(found(DOCTOR_SKIPPED, "group", "both: none of its 2 tokens is ready"));
    cr_expect_not(found(DOCTOR_FINE, "group", ""));
}

Test(doctor, knows_what_to_do_about_known_texts_only)
{
    cr_expect_not_null(
        strstr(doctor_known_trouble("C_Login: CKR_PIN_LOCKED (0xa4)", "?"), "dictionarylockout"));
    cr_expect_not_null(
        strstr(doctor_known_trouble("the store /x is used by another keysvcd", "?"), "Stop"));
    cr_expect_not_null(strstr(
        doctor_known_trouble("no login was tried: the PIN file /x does not exist", "?"), "Write"));
    cr_expect_str_eq(doctor_known_trouble("something new", "?"), "?");
}

Test(doctor, what_other_peoples_files_say_moves_no_cursor_and_is_json)
{
    doctor_note(doctor, "openssl.cnf", "Mend \x1b]0;it\a.", "%s", "[\x1b[2J] and \xfc, line\n2");
    cr_assert_str_eq(doctor_finding_at(doctor, 0)->text, "[ [2J] and ?, line 2");
    cr_assert_str_eq(doctor_finding_at(doctor, 0)->mend, "Mend  ]0;it .");
    doctor_note(doctor, "openssl.cnf", "", "%s", "[schl\xc3\xbcssel]\xc2\x9b");
    cr_assert_str_eq(doctor_finding_at(doctor, 1)->text, "[schl\xc3\xbcssel]?");
}
