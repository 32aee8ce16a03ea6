/* SPDX-License-Identifier: Apache-2.0 */
/*
 * doctor_rig - a folder, findings, and references to keys that no token has
 */
#include "doctor_rig.h"

#include <criterion/criterion.h>

#include <errno.h>
#include <stdio.h>
#include <sys/stat.h>

#include <openssl/ec.h>
#include <openssl/x509.h>

struct doctor *doctor;
struct cli cli;
char folder[64];

void
rig_start(void)
{
    snprintf(folder, sizeof(folder), "/tmp/keysvc-test-XXXXXX");
    cr_assert_not_null(mkdtemp(folder));
    cr_assert_eq(chmod(folder, 0755), 0);
    doctor = doctor_new();
    memset(&cli, 0, sizeof(cli));
}

void
rig_stop(void)
{
    char command[256];

    doctor = doctor_free(doctor);
    snprintf(command, sizeof(command), "chmod -R u+rwx '%s'; rm -rf '%s'", folder, folder);
    cr_assert_eq(system(command), 0);
}

void
rig_again(void)
{
    doctor_free(doctor);
    doctor = doctor_new();
}

bool
found(enum doctor_verdict verdict, const char *check, const char *text)
{
    const struct doctor_finding *finding;

    for (size_t i = 0; (finding = doctor_finding_at(doctor, i)); i++) {
        if (finding->verdict != verdict || strcmp(finding->check, check) != 0 ||
            !strstr(finding->text, text))
            continue;
        cr_expect(verdict == DOCTOR_FINE || verdict == DOCTOR_SKIPPED || finding->mend[0] != '\0',
                  "nobody is told how to mend: %s", finding->text);
        return true;
    }
    return false;
}

static void
show(void)
{
    const struct doctor_finding *finding;

    for (size_t i = 0; (finding = doctor_finding_at(doctor, i)); i++)
        fprintf(stderr, "%d %s: %s\n", finding->verdict, finding->check, finding->text);
}

void
expect_found(enum doctor_verdict verdict, const char *check, const char *text)
{
    if (found(verdict, check, text))
        return;
    show();
    cr_expect_fail("no such finding: %s: %s", check, text);
}

size_t
n_wrong(void)
{
    const struct doctor_finding *finding;
    size_t n = 0;

    for (size_t i = 0; (finding = doctor_finding_at(doctor, i)); i++)
        n += finding->verdict == DOCTOR_WRONG;
    return n;
}

const char *
at(const char *name)
{
    static char paths[4][256];
    static unsigned int next;
    char *path = paths[next++ % ARRAY_LEN(paths)];

    snprintf(path, sizeof(paths[0]), "%s/%s", folder, name);
    return path;
}

void
make_bytes(const char *name, const void *data, size_t len)
{
    FILE *file = fopen(at(name), "we");

    cr_assert_not_null(file, "%s: %s", at(name), strerror(errno));
    cr_assert_eq(fwrite(data, 1, len, file), len);
    fclose(file);
}

void
make(const char *name, const char *text)
{
    make_bytes(name, text, strlen(text));
}

void
make_folder(const char *name)
{
    cr_assert_eq(mkdir(at(name), 0755), 0);
}

void
link_at(const char *name, const char *target)
{
    cr_assert_eq(symlink(target, at(name)), 0);
}

struct pair
new_pair(const char *name, uint32_t version)
{
    struct pair pair = {.key = EVP_EC_gen("P-256")};
    unsigned char *der = pair.reference.public_key;

    pair.reference.public_key_len = (size_t)i2d_PUBKEY(pair.key, &der);
    snprintf(pair.reference.name, sizeof(pair.reference.name), "%s", name);
    pair.reference.version = version;
    return pair;
}

void
make_reference(const char *name, const struct pair *pair)
{
    ks_auto(freep) char *pem = NULL;

    cr_assert_eq(ks_reference_encode(&pair->reference, &pem, NULL), KS_OK);
    make(name, pem);
}
