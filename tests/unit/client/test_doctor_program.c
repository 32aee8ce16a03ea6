/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>

#include "build-config.h"
#include "doctor_rig.h"

TestSuite(doctor_program, .init = rig_start, .fini = rig_stop);

/* --- processes --- */

struct made_process {
    int pid, parent;
    const char *comm, *exe;
    unsigned int uid, gid;
    const char *maps, *root, *cgroup;
    const char *environment;
    size_t environment_len;
    bool secure, ended;
};

#define in_process(name) (snprintf(path, sizeof(path), "proc/%d/" name, made->pid), path)

static void
make_process(const struct made_process *made)
{
    const unsigned long auxiliary[] = {AT_PAGESZ, 4096, AT_SECURE, made->secure, AT_NULL, 0};
    char path[64], text[512];

    if (access(at("proc"), F_OK) != 0)
        make_folder("proc");
    snprintf(path, sizeof(path), "proc/%d", made->pid);
    make_folder(path);
    snprintf(text, sizeof(text), "%s\n", made->comm);
    make(in_process("comm"), text);
    snprintf(text, sizeof(text),
             "Name:\tx\nState:\t%s\nPPid:\t%d\nUid:\t7\t%u\t7\t7\nGid:\t7\t%u\t7\t7\nGroups:\t71 "
             "72 \nSeccomp:\t0\n",
             made->ended ? "Z (zombie)" : "S (sleeping)", made->parent, made->uid, made->gid);
    make(in_process("status"), text);
    make(in_process("maps"),
         made->maps ? made->maps : "00-01 r-xp 0 0:0 1 /usr/lib/libcrypto.so.3\n");
    make(in_process("cgroup"), made->cgroup ? made->cgroup : "0::/\n");
    make_bytes(in_process("environ"), made->environment ? made->environment : "",
               made->environment_len);
    make_bytes(in_process("auxv"), auxiliary, sizeof(auxiliary));
    link_at(in_process("exe"), made->exe ? made->exe : "/usr/bin/other");
    link_at(in_process("root"), made->root ? made->root : "/");
}

#define ENVIRONMENT(text) .environment = (text), .environment_len = sizeof(text)

Test(doctor_program, finds_processes_by_name_and_by_executable)
{
    struct program_processes processes;

    make_process(&(struct made_process){.pid = 30, .comm = "shopd"});
    make_process(&(struct made_process){.pid = 9, .comm = "main", .exe = "/opt/shopd (deleted)"});
    make_process(&(struct made_process){.pid = 40, .comm = "shopd2", .exe = "/opt/shopd2"});
    make_process(&(struct made_process){.pid = 41, .comm = "shop", .exe = "/opt/xshopd"});
    program_find(at("proc"), "shopd", &processes);
    cr_assert_eq(processes.n, 2);
    cr_expect_eq(processes.list[0].pid, 9);
    cr_expect_eq(processes.list[1].pid, 30);
    cr_expect_not(processes.more);
    program_processes_deinit(&processes);
    program_find("/proc/nonexistent", "shopd", &processes);
    cr_assert_eq(processes.n, 0);
    cr_assert_null(program_lead(&processes));
}

Test(doctor_program, a_process_that_has_ended_is_none)
{
    struct program_processes processes;

    make_process(&(struct made_process){.pid = 30, .comm = "shopd"});
    make_process(&(struct made_process){.pid = 31, .comm = "shopd", .ended = true});
    program_find(at("proc"), "shopd", &processes);
    cr_assert_eq(processes.n, 1);
    cr_expect_eq(processes.list[0].pid, 30);
    program_processes_deinit(&processes);
}

Test(doctor_program, reads_user_groups_unit_environment_and_libraries_of_a_process)
{
    static const char environment[] = "A=1\0OPENSSL_CONF=/etc/o.cnf\0KEYSVC_SOCKET=/run/s";
    struct program_processes processes;
    const struct program_process *one;

    make_process(&(struct made_process){
        .pid = 5,
        .comm = "shopd",
        .uid = 1234567,
        .gid = 70,
        .cgroup = "1:cpu:/\n0::/system.slice/shop.service/part\n",
        .maps =
            "00 r 0 0:0 1 /usr/lib/libcrypto.so.3\n01 r 0 0:0 2 /usr/lib/ossl-modules/keysvc.so "
            "(deleted)\n02 r 0 0:0 2 [heap]\n",
        ENVIRONMENT(environment),
    });
    program_find(at("proc"), "shopd", &processes);
    cr_assert_eq(processes.n, 1);
    one = &processes.list[0];
    cr_expect_eq(one->user.uid, 1234567);
    cr_expect_eq(one->user.gid, 70);
    cr_expect_eq(one->user.n_groups, 2);
    cr_expect_eq(one->user.groups[1], 72);
    cr_expect_str_eq(one->unit, "shop.service");
    cr_expect_eq(one->environment, ENVIRONMENT_SEEN);
    cr_expect_str_eq(one->conf, "/etc/o.cnf");
    cr_expect_str_eq(one->socket, "/run/s");
    cr_expect_str_eq(one->root, "/");
    cr_expect(one->has_libcrypto && one->has_provider && one->replaced && !one->has_pkcs11);
    cr_expect_not(one->secure);
    program_processes_deinit(&processes);
}

Test(doctor_program, a_unit_is_the_first_part_below_the_slices)
{
    static const struct {
        const char *cgroup, *unit;
    } cases[] = {
        {"0::/user.slice/user-7.slice/user@7.service/app.slice/nginx.service\n", "user@7.service"},
        {"0::/a.slice/session-3.scope\n", "session-3.scope"},
        {"0::/docker/nginx.service\n", ""},
        {"0::/\n", ""},
        {"1:name=systemd:/system.slice/nginx.service\n", ""},
        {"", ""},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct program_processes processes;
        char name[16];

        snprintf(name, sizeof(name), "p%zu", i);
        make_process(
            &(struct made_process){.pid = (int)i + 1, .comm = name, .cgroup = cases[i].cgroup});
        program_find(at("proc"), name, &processes);
        cr_assert_eq(processes.n, 1);
        cr_expect_str_eq(processes.list[0].unit, cases[i].unit, "%s", cases[i].cgroup);
        program_processes_deinit(&processes);
    }
}

Test(doctor_program, a_master_of_roots_does_not_sign_and_is_the_one_that_reads)
{
    struct program_processes processes;

    make_process(&(struct made_process){.pid = 8, .parent = 1, .comm = "shopd"});
    make_process(&(struct made_process){.pid = 3, .parent = 8, .comm = "shopd", .uid = 33});
    make_process(&(struct made_process){.pid = 12, .parent = 8, .comm = "shopd", .uid = 33});
    program_find(at("proc"), "shopd", &processes);
    cr_assert_eq(program_lead(&processes)->pid, 8);
    cr_expect(program_works(&processes, 0));
    cr_expect_not(program_works(&processes, 1));
    processes.list[0].user.uid = processes.list[2].user.uid = 0;
    cr_expect(program_works(&processes, 1), "all are root's");
    program_processes_deinit(&processes);
}

Test(doctor_program, of_several_instances_one_can_be_told_with_its_children)
{
    static const int tree[][2] = {{8, 1}, {3, 8}, {12, 3}, {20, 1}, {21, 20}};
    struct program_processes processes;

    for (size_t i = 0; i < ARRAY_LEN(tree); i++)
        make_process(
            &(struct made_process){.pid = tree[i][0], .parent = tree[i][1], .comm = "shopd"});
    program_find(at("proc"), "shopd", &processes);
    cr_assert_eq(processes.n, 5);
    cr_expect_eq(program_instances(&processes), 2);
    program_keep(&processes, 8);
    cr_assert_eq(processes.n, 3);
    cr_expect_eq(processes.list[0].pid, 3);
    cr_expect_eq(processes.list[2].pid, 12);
    cr_expect_eq(program_instances(&processes), 1);
    cr_expect_eq(program_lead(&processes)->pid, 8);
    program_keep(&processes, 99);
    cr_expect_eq(processes.n, 0);
    program_processes_deinit(&processes);
}

Test(doctor_program, an_environment_under_a_title_is_gone_and_an_empty_one_is_not)
{
    static const struct {
        const char *text;
        size_t len;
        enum program_environment environment;
    } cases[] = {
        {"", 0, ENVIRONMENT_SEEN},
        {"A=1", 4, ENVIRONMENT_SEEN},
        {"A=1\0B=\0", 7, ENVIRONMENT_SEEN},
        {"\0\0\0\0", 4, ENVIRONMENT_GONE},
        {"ss /usr/sbin/nginx\0\0\0", 21, ENVIRONMENT_GONE},
        {"ss x\0OPENSSL_CONF=/x", 21, ENVIRONMENT_SEEN},
    };

    for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
        struct program_processes processes;
        char name[16];

        snprintf(name, sizeof(name), "p%zu", i);
        make_process(&(struct made_process){.pid = (int)i + 1,
                                            .comm = name,
                                            .environment = cases[i].text,
                                            .environment_len = cases[i].len});
        program_find(at("proc"), name, &processes);
        cr_expect_eq(processes.list[0].environment, cases[i].environment, "case %zu", i);
        program_processes_deinit(&processes);
    }
}

/* --- the module --- */

static void
make_module(uint16_t machine, uint16_t type, const char *name, uint64_t section_headers)
{
    struct {
        Elf64_Ehdr header;
        char names[32];
    } module = {.header = {.e_type = type, .e_machine = machine, .e_shoff = section_headers}};
    Elf64_Ehdr own;
    int fd = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);

    cr_assert_eq(read(fd, &own, sizeof(own)), (ssize_t)sizeof(own));
    close(fd);
    memcpy(module.header.e_ident, own.e_ident, sizeof(own.e_ident));
    if (machine == 0)
        module.header.e_machine = own.e_machine;
    snprintf(module.names, sizeof(module.names), "%s", name);
    make_bytes("keysvc.so", &module, sizeof(module));
}

static bool
module(void)
{
    rig_again();
    return program_module(doctor, -1, NULL, at("keysvc.so"));
}

Test(doctor_program, tells_a_module_from_what_cannot_be_loaded)
{
    cr_expect_not(module());
    expect_found(DOCTOR_WRONG, "module", "No such file");
    make_module(0, ET_DYN, "OSSL_provider_init", 0);
    cr_expect(module());
    expect_found(DOCTOR_FINE, "module", "is a provider");
    make_module(EM_S390, ET_DYN, "OSSL_provider_init", 0);
    cr_expect_not(module());
    expect_found(DOCTOR_WRONG, "module", "another kind of machine");
    make_module(0, ET_EXEC, "OSSL_provider_init", 0);
    cr_expect_not(module());
    make_module(0, ET_DYN, "OSSL_provider_initial", 0);
    cr_expect_not(module());
    expect_found(DOCTOR_WRONG, "module", "is no OpenSSL provider");
    make_module(0, ET_DYN, "OSSL_provider_init", 1 << 20);
    cr_expect_not(module());
    expect_found(DOCTOR_WRONG, "module", "is cut off");
    make("keysvc.so", "text");
    cr_expect_not(module());
    expect_found(DOCTOR_WRONG, "module", "is no shared object");
    make("keysvc.so", "");
    cr_expect_not(module());
}

Test(doctor_program, a_module_that_the_programs_user_may_not_read_is_wrong)
{
    const struct doctor_user user = {.uid = 64799, .gid = 64799};

    make_module(0, ET_DYN, "OSSL_provider_init", 0);
    cr_assert_eq(chmod(at("keysvc.so"), 0640), 0);
    cr_expect_not(program_module(doctor, -1, &user, at("keysvc.so")));
    expect_found(DOCTOR_WRONG, "module", "Permission denied");
}

/* --- paths and the socket, from another root --- */

Test(doctor_program, links_inside_of_a_root_do_not_lead_out_of_it)
{
    struct program_stop stop;
    int root;

    make_folder("jail");
    make_folder("jail/etc");
    make("jail/etc/in", "inside");
    link_at("jail/link", "/etc/in");
    link_at("jail/out", "/etc/passwd");
    root = open(at("jail"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    cr_expect(program_reach(root, NULL, "/link", S_IROTH, &stop));
    cr_expect_not(program_reach(root, NULL, "/out", S_IROTH, &stop));
    cr_expect_eq(errno, ENOENT);
    cr_expect(program_reach(-1, NULL, "/etc/passwd", S_IROTH, &stop));
    close(root);
}

Test(doctor_program, says_at_which_folder_a_user_is_stopped)
{
    const struct doctor_user user = {.uid = 64799, .gid = 64799};
    struct program_stop stop;

    make_folder("a");
    make_folder("a/b");
    make("a/b/c", "");
    cr_expect(program_reach(-1, &user, at("a/b/c"), S_IROTH, &stop));
    cr_assert_eq(chmod(at("a"), 0750), 0);
    cr_expect_not(program_reach(-1, &user, at("a/b/c"), S_IROTH, &stop));
    cr_expect_eq(errno, EACCES);
    cr_expect_str_eq(stop.path, at("a"));
    cr_assert_eq(chmod(at("a"), 0710), 0);
    cr_expect(program_reach(-1, &(struct doctor_user){.uid = 64799, .gid = stop.st.st_gid},
                            at("a/b/c"), S_IROTH, &stop));
}

static int
listen_at(const char *name)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};
    int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);

    snprintf(address.sun_path, sizeof(address.sun_path), "%s/%s", folder, name);
    cr_assert_eq(bind(fd, (const struct sockaddr *)&address, sizeof(address)), 0);
    cr_assert_eq(chmod(address.sun_path, 0666), 0);
    cr_assert_eq(listen(fd, 1), 0);
    return fd;
}

Test(doctor_program, a_socket_is_reached_or_not_from_a_jail)
{
    struct program_process jailed = {.pid = 7, .user = {.uid = 64799, .gid = 64799}};
    int fd;

    make_folder("jail");
    make_folder("jail/run");
    snprintf(jailed.root, sizeof(jailed.root), "%s", at("jail"));
    jailed.root_fd = open(at("jail"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    program_socket(doctor, &jailed, "/run/s");
    expect_found(DOCTOR_WRONG, "socket", "in its root");
    fd = listen_at("jail/run/s");
    program_socket(doctor, &jailed, "/run/s");
    expect_found(DOCTOR_FINE, "socket", "reaches /run/s");
    cr_assert_eq(chmod(at("jail/run/s"), 0660), 0);
    program_socket(doctor, &jailed, "/run/s");
    expect_found(DOCTOR_WRONG, "socket", "/run/s has mode 660");
    cr_assert_eq(chmod(at("jail/run/s"), 0666), 0);
    close(fd);
    program_socket(doctor, &jailed, "/run/s");
    expect_found(DOCTOR_WRONG, "socket", "nobody listens there");
    make("jail/run/file", "");
    cr_assert_eq(chmod(at("jail/run/file"), 0666), 0);
    program_socket(doctor, &jailed, "/run/file");
    expect_found(DOCTOR_WRONG, "socket", "is no socket");
    program_socket(doctor, &jailed, "run/s");
    expect_found(DOCTOR_WRONG, "socket", "no absolute path");
    close(jailed.root_fd);
    jailed.root_fd = -1;
    program_socket(doctor, &jailed, "/run/s");
    expect_found(DOCTOR_SKIPPED, "socket", "ask as root");
}

/* --- all of it --- */

static void
all(const struct program_options *options)
{
    struct program_options asked = *options;

    asked.name = "shopd";
    asked.proc = at("proc");
    asked.root = folder;
    rig_again();
    doctor_program(doctor, &cli, &asked);
}

Test(doctor_program, a_program_without_openssl_conf_or_with_gained_rights_is_told_so)
{
    static const char environment[] = "HOME=/";

    make_process(&(struct made_process){.pid = 7, .comm = "shopd", ENVIRONMENT(environment)});
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_WRONG, "environment", "has no OPENSSL_CONF");
    expect_found(DOCTOR_WRONG, "module", "has not loaded keysvc.so");
    make_process(&(struct made_process){
        .pid = 6, .comm = "shopd", .secure = true, ENVIRONMENT(environment)});
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_WRONG, "environment", "AT_SECURE");
}

Test(doctor_program, a_program_with_the_pkcs11_module_needs_no_openssl_conf)
{
    static const char environment[] = "HOME=/";

    make_process(&(struct made_process){.pid = 7,
                                        .comm = "shopd",
                                        .maps = "0 r 0 0:0 1 /usr/lib/pkcs11/libkeysvc-pkcs11.so\n",
                                        ENVIRONMENT(environment)});
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_FINE, "program", "needs no OPENSSL_CONF");
    cr_expect_not(found(DOCTOR_WRONG, "environment", ""));
    cr_expect_not(found(DOCTOR_WRONG, "module", ""));
}

Test(doctor_program, a_missing_openssl_cnf_and_one_outside_of_the_root_are_wrong)
{
    char environment[256], jail[256];
    struct made_process made = {.pid = 7, .comm = "shopd", .environment = environment};

    make_folder("jail");
    make_folder("etc");
    snprintf(jail, sizeof(jail), "%s", at("jail"));
    snprintf(environment, sizeof(environment), "OPENSSL_CONF=%s/o.cnf", folder);
    made.environment_len = strlen(environment) + 1;
    make_process(&made);
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_WRONG, "openssl.cnf", "No such file");
    make("o.cnf", GOOD_CONF);
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_FINE, "openssl.cnf", "configures keysvc");
    expect_found(DOCTOR_WRONG, "module", "/x/keysvc.so cannot be loaded");
    made.pid = 5;
    made.root = jail;
    make_process(&made);
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_WRONG, "openssl.cnf", "No such file");
}

Test(doctor_program, a_program_that_does_not_run_is_looked_at_by_its_files)
{
    struct pair shop = new_pair("web/shop", 1);

    make_folder("proc");
    make_reference("shop.pem", &shop);
    make("o.cnf", GOOD_CONF);
    all(&(struct program_options){
        .openssl_conf = at("o.cnf"), .files = {at("shop.pem")}, .n_files = 1});
    expect_found(DOCTOR_SKIPPED, "program", "no process is called shopd");
    expect_found(DOCTOR_FINE, "openssl.cnf", "configures keysvc");
    expect_found(DOCTOR_WRONG, "socket", "/x/socket");
    expect_found(DOCTOR_SKIPPED, "reference", "names web/shop@1");
    EVP_PKEY_free(shop.key);
}

Test(doctor_program, a_pid_of_none_of_its_processes_is_wrong)
{
    make_process(&(struct made_process){.pid = 7, .comm = "shopd"});
    all(&(struct program_options){.config_dir = at("etc"), .pid = 7});
    expect_found(DOCTOR_FINE, "program", "the first is 7");
    all(&(struct program_options){.config_dir = at("etc"), .pid = 8});
    expect_found(DOCTOR_WRONG, "program", "--pid 8: no such process is called shopd");
}

Test(doctor_program, an_environment_that_is_gone_is_skipped_with_what_to_say)
{
    make_process(&(struct made_process){
        .pid = 7, .comm = "shopd", .environment = "\0\0\0\0", .environment_len = 4});
    all(&(struct program_options){.config_dir = at("etc")});
    expect_found(DOCTOR_SKIPPED, "environment", "say --openssl-conf");
}

/* --- how it is started --- */

Test(doctor_program, a_reference_for_a_program_that_nothing_gives_openssl_conf_is_wrong)
{
    struct pair shop = new_pair("web/shop", 1);
    const struct doctor_finding *finding = NULL;
    char text[256];

    make_folder("proc");
    make_folder("etc");
    make_folder("etc/shopd");
    make_folder("etc/default");
    snprintf(text, sizeof(text), "key %s/shop.pem\n", folder);
    make("etc/shopd/main.conf", text);
    make("shop.pem", "");
    all(&(struct program_options){0});
    expect_found(DOCTOR_SKIPPED, "environment", "is not known: say --openssl-conf");
    make_reference("shop.pem", &shop);
    all(&(struct program_options){0});
    expect_found(DOCTOR_WRONG, "environment", "nothing that would start it sets OPENSSL_CONF");
    for (size_t i = 0; (finding = doctor_finding_at(doctor, i)); i++) {
        if (strcmp(finding->check, "environment") == 0)
            cr_expect_not_null(strstr(finding->mend, "OPENSSL_CONF=" KEYSVC_OPENSSL_CONF));
    }
    snprintf(text, sizeof(text), "OPENSSL_CONF=%s/o.cnf\n", folder);
    make("etc/default/shopd", text);
    make("o.cnf", GOOD_CONF);
    all(&(struct program_options){0});
    expect_found(DOCTOR_FINE, "environment", "etc/default/shopd gives it OPENSSL_CONF=");
    expect_found(DOCTOR_FINE, "openssl.cnf", "configures keysvc");
    EVP_PKEY_free(shop.key);
}

Test(doctor_program, a_jail_without_the_folder_of_the_socket_is_told_to_make_it)
{
    struct program_process jailed = {.pid = 7};
    char made[256];

    make_folder("jail");
    snprintf(jailed.root, sizeof(jailed.root), "%s", at("jail"));
    jailed.root_fd = open(at("jail"), O_PATH | O_DIRECTORY | O_CLOEXEC);
    program_socket(doctor, &jailed, "/run/s");
    snprintf(made, sizeof(made), "mkdir -p %s/jail/run && mount --bind /run ", folder);
    cr_expect_not_null(strstr(doctor_finding_at(doctor, 0)->mend, made));
    close(jailed.root_fd);
}
