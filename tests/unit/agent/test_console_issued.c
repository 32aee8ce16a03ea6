/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_console_issued - a folder of certificates: whose is which, and what is wrong with it
 */
#include <criterion/criterion.h>

#include <openssl/pem.h>
#include <stdio.h>
#include <sys/stat.h>

#include "client/agent/console/issued.h"
#include "pki.h"

struct world {
    char dir[32], issued_dir[64], ca_file[96];
    struct fleet *fleet;
    X509 *ca;
    struct issued issued;
};

static void
put(const char *dir, const char *name, X509 *certificate, X509_REQ *request)
{
    char path[128];
    FILE *file;

    snprintf(path, sizeof(path), "%s/%s", dir, name);
    file = fopen(path, "w");
    cr_assert_not_null(file);
    if (certificate)
        PEM_write_X509(file, certificate);
    if (request)
        PEM_write_X509_REQ(file, request);
    fclose(file);
}

/* Two agents with keys 0 and 1, their requests, a CA with key 7. */
static void
make_world(struct world *world)
{
    const struct pki_certificate ca = {.subject = "CA",
                                       .key = pki_key(PKI_P256, 7),
                                       .issuer_key = pki_key(PKI_P256, 7),
                                       .constraints = "critical,CA:TRUE"};
    struct fault why = FAULT_INIT;

    memset(world, 0, sizeof(*world));
    strcpy(world->dir, "/tmp/keysvc-unit-XXXXXX");
    cr_assert_not_null(mkdtemp(world->dir));
    cr_assert_eq(fleet_open(world->dir, &world->fleet, &why), KS_OK, "%s", why.text);
    snprintf(world->issued_dir, sizeof(world->issued_dir), "%s/issued", world->dir);
    snprintf(world->ca_file, sizeof(world->ca_file), "%s/ca.crt", world->issued_dir);
    cr_assert_eq(mkdir(world->issued_dir, 0700), 0);
    world->ca = pki_make(&ca);
    put(world->issued_dir, "ca.crt", world->ca, NULL);
    for (unsigned int i = 0; i < 2; i++) {
        const char *names[] = {"A0", "A1"}, *files[] = {"A0.req", "A1.req"};
        X509_REQ *request = pki_request(names[i], pki_key(PKI_P256, i), "DNS:a.example");

        cr_assert_not_null(fleet_add(world->fleet, names[i]));
        put(world->issued_dir, files[i], NULL, request);
        X509_REQ_free(request);
    }
}

static void
issue(const struct world *world, const char *file, unsigned int key, unsigned int signer,
      const char *usage, const char *names, int64_t to_s)
{
    const struct pki_certificate wanted = {.subject = "a.example",
                                           .key = pki_key(PKI_P256, key),
                                           .issuer = world->ca,
                                           .issuer_key = pki_key(PKI_P256, signer),
                                           .usage = usage,
                                           .names = names,
                                           .to_s = to_s};
    X509 *certificate = pki_make(&wanted);

    put(world->issued_dir, file, certificate, NULL);
    X509_free(certificate);
}

static void
end_world(struct world *world)
{
    char command[128];

    issued_deinit(&world->issued);
    fleet_free(world->fleet);
    X509_free(world->ca);
    snprintf(command, sizeof(command), "rm -r %s", world->dir);
    cr_assert_eq(system(command), 0);
}

/* The names of the checks that failed, "key,names". */
static const char *
failed(struct world *world, const char *name)
{
    static char text[128];
    json_t *checks = json_array(), *check;
    struct outcome outcome = {0};
    struct issued_file *file = issued_find(&world->issued, name);
    ks_err err;
    size_t index;

    cr_assert_not_null(file, "%s", name);
    err = issued_check(&world->issued, file, PKI_NOW, checks, &outcome);
    text[0] = '\0';
    json_array_foreach(checks, index, check)
    {
        const char *found = json_string_value(json_object_get(check, "found"));

        /* Whose key it is, of all whose request is there. */
        if (strcmp(json_string_value(json_object_get(check, "check")), "key") == 0)
            cr_assert(strstr(found, "the key of A"), "%s", found);
        if (json_is_true(json_object_get(check, "passed")))
            continue;
        snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", text[0] ? "," : "",
                 json_string_value(json_object_get(check, "check")));
    }
    cr_assert_eq(err, outcome.code);
    if (err && !text[0])
        snprintf(text, sizeof(text), "%s", "file");
    cr_assert_eq(err == KS_OK, text[0] == '\0');
    json_decref(checks);
    outcome_deinit(&outcome);
    return text;
}

static void
read_all(struct world *world)
{
    struct fault why = FAULT_INIT;

    issued_deinit(&world->issued);
    cr_assert_eq(issued_read(world->issued_dir, world->ca_file, world->fleet, &world->issued, &why),
                 KS_OK, "%s", why.text);
}

Test(console_issued, each_check_fails_for_its_own_reason)
{
    struct world world;

    make_world(&world);
    issue(&world, "A0.crt", 0, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, "A1.crt", 1, 7, "serverAuth,clientAuth", "DNS:a.example,DNS:more", 0);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "");
    cr_assert_str_eq(failed(&world, "A1"), "");
    issue(&world, "A0.crt", 1, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, "A1.crt", 1, 6, "serverAuth", "DNS:a.example", 0);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "key");
    cr_assert_str_eq(failed(&world, "A1"), "issuer");
    issue(&world, "A0.crt", 0, 7, "serverAuth", "DNS:b.example", 0);
    issue(&world, "A1.crt", 1, 7, "serverAuth", "DNS:a.example", PKI_NOW - 1);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "names");
    cr_assert_str_eq(failed(&world, "A1"), "validity");
    issue(&world, "A0.crt", 0, 7, NULL, "DNS:a.example", 0);
    put(world.issued_dir, "A1.crt", NULL, NULL);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "usage");
    cr_assert_str_eq(failed(&world, "A1"), "certificate-file");
    end_world(&world);
}

Test(console_issued, files_belong_to_the_agent_they_are_named_after)
{
    struct world world;

    make_world(&world);
    issue(&world, "A0.CER", 0, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, "A1.crt", 1, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, "A1.pem", 1, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, "A10.crt", 1, 7, "serverAuth", "DNS:a.example", 0);
    issue(&world, ".A0.crt", 1, 7, "serverAuth", "DNS:a.example", 0);
    put(world.issued_dir, "A0.txt", world.ca, NULL);
    put(world.issued_dir, "ca.srl", NULL, NULL);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "");
    cr_assert_str_eq(failed(&world, "A1"), "file");
    cr_assert_null(issued_find(&world.issued, "A10"));
    cr_assert_eq(world.issued.surplus.n_items, 1);
    cr_assert(strstr(world.issued.surplus.items[0], "/A10.crt"));
    end_world(&world);
}

Test(console_issued, a_key_is_told_apart_only_where_the_request_is_there)
{
    struct world world;
    char path[128];

    make_world(&world);
    issue(&world, "A0.crt", 1, 7, "serverAuth", "DNS:a.example", 0);
    snprintf(path, sizeof(path), "%s/A0.req", world.issued_dir);
    cr_assert_eq(unlink(path), 0);
    read_all(&world);
    cr_assert_str_eq(failed(&world, "A0"), "");
    end_world(&world);
}

Test(console_issued, without_folder_or_ca_nothing_is_read)
{
    struct world world;
    struct issued issued;
    struct fault why = FAULT_INIT;

    make_world(&world);
    cr_assert_eq(
        issued_read("/tmp/keysvc-unit-not-there", world.ca_file, world.fleet, &issued, &why),
        KS_ERR_USAGE);
    issued_deinit(&issued);
    cr_assert_eq(issued_read(world.issued_dir, "/dev/null", world.fleet, &issued, &why),
                 KS_ERR_USAGE);
    issued_deinit(&issued);
    end_world(&world);
}
