/* SPDX-License-Identifier: Apache-2.0 */
/*
 * test_import - keys of every common maker through a real token process onto SoftHSM, and what is
 * left of them in its memory
 */
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/mman.h>

#include <criterion/criterion.h>
#include <criterion/parameterized.h>
#include <openssl/bn.h>
#include <openssl/core_names.h>
#include <openssl/evp.h>
#include <openssl/pem.h>

#include "token_rig.h"

#define PASSWORD "a Secret of some length"
#define FILE_MAX (512 * 1024) /* bytes */

#define EC_KEY "openssl genpkey -algorithm EC -pkeyopt ec_paramgen_curve:P-256 -out key.pem; "
#define RSA_KEY "cp '" RSA_KEY_FILE "' key.pem; "
#define ED_KEY "openssl genpkey -algorithm ED25519 -out key.pem; "
#define CERTIFICATE "openssl req -x509 -new -key key.pem -subj /CN=shop.example -out crt.pem; "
#define EXPORT "openssl pkcs12 -export -inkey key.pem -in crt.pem -out file -passout pass:\"$PW\" "
/* A virtual machine starts for each: in the way that is short for who ends at once. */
#define GENKEYPAIR "keytool -J-XX:TieredStopAtLevel=1 -J-XX:+UseSerialGC -genkeypair "
#define KEYTOOL                                                                                    \
    GENKEYPAIR "-alias shop -dname CN=shop.example -keystore file -storetype PKCS12 "              \
               "-storepass \"$PW\" "
#define KEYTOOL_CRT "; openssl pkcs12 -legacy -in file -passin pass:\"$PW\" -nokeys -out crt.pem"
#define CERTTOOL                                                                                   \
    "certtool --to-p12 --load-privkey key.pem --load-certificate crt.pem --p12-name shop "         \
    "--outder --outfile file --password \"$PW\" "
#define TOPK8 "openssl pkcs8 -topk8 -in key.pem -out file -passout pass:\"$PW\" "

static struct rig *rig;

/* A file of a maker: `script` leaves `file` and the certificate of its key, `crt.pem`. */
struct maker {
    const char *name, *script;
    enum ks_key_type type;
    enum job_import_format format;
    const char *password;
};

/* clang-format off */
static const struct maker makers[] = {
    {"openssl-ec", EC_KEY CERTIFICATE EXPORT, KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-rsa", RSA_KEY CERTIFICATE EXPORT "-name shop", KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-ed", ED_KEY CERTIFICATE EXPORT, KS_KEY_TYPE_ED25519, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-old-ec", EC_KEY CERTIFICATE EXPORT "-legacy", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-old-rsa", RSA_KEY CERTIFICATE EXPORT "-legacy", KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-many-rounds", EC_KEY CERTIFICATE EXPORT "-iter 600000 -macalg sha512", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"openssl-bare", EC_KEY CERTIFICATE EXPORT "-keypbe NONE -certpbe NONE -nomac", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, NULL},
    {"openssl-empty-password", EC_KEY CERTIFICATE "PW=; " EXPORT, KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, ""},
    {"keytool-ec", KEYTOOL "-keyalg EC -groupname secp256r1" KEYTOOL_CRT, KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"keytool-rsa", KEYTOOL "-keyalg RSA -keysize 2048" KEYTOOL_CRT, KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"keytool-ed", KEYTOOL "-keyalg Ed25519" KEYTOOL_CRT, KS_KEY_TYPE_ED25519, JOB_IMPORT_PKCS12, PASSWORD},
    {"keytool-old", KEYTOOL "-keyalg RSA -keysize 2048 -J-Dkeystore.pkcs12.legacy=true" KEYTOOL_CRT, KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-ec", EC_KEY CERTIFICATE CERTTOOL, KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-rsa", RSA_KEY CERTIFICATE CERTTOOL, KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-ed", ED_KEY CERTIFICATE CERTTOOL, KS_KEY_TYPE_ED25519, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-3des", RSA_KEY CERTIFICATE CERTTOOL "--pkcs-cipher 3des-pkcs12", KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-rc2", EC_KEY CERTIFICATE CERTTOOL "--pkcs-cipher rc2-40", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, PASSWORD},
    {"certtool-no-password", EC_KEY CERTIFICATE "certtool --to-p12 --load-privkey key.pem --load-certificate crt.pem --p12-name shop --outder --outfile file --null-password --empty-password", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS12, NULL},
    {"pkcs8-aes", RSA_KEY CERTIFICATE TOPK8, KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS8, PASSWORD},
    {"pkcs8-scrypt", ED_KEY CERTIFICATE TOPK8 "-scrypt -outform DER", KS_KEY_TYPE_ED25519, JOB_IMPORT_PKCS8, PASSWORD},
    {"pkcs8-3des", EC_KEY CERTIFICATE TOPK8 "-v1 PBE-SHA1-3DES", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS8, PASSWORD},
    {"pkcs8-old-des", EC_KEY CERTIFICATE TOPK8 "-v1 PBE-MD5-DES -provider legacy -provider default", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS8, PASSWORD},
    {"pkcs8-der", EC_KEY CERTIFICATE "openssl pkcs8 -topk8 -nocrypt -in key.pem -outform DER -out file", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS8, NULL},
    {"pkcs8-certtool", EC_KEY CERTIFICATE "certtool --to-p8 --load-privkey key.pem --outfile file --password \"$PW\"", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS8, PASSWORD},
    {"pem-rsa", RSA_KEY CERTIFICATE "openssl rsa -traditional -in key.pem -out file", KS_KEY_TYPE_RSA_2048, JOB_IMPORT_PKCS8, NULL},
    {"pem-ec", "openssl ecparam -name prime256v1 -genkey -out file; cp file key.pem; " CERTIFICATE "true", KS_KEY_TYPE_EC_P256, JOB_IMPORT_PKCS8, NULL},
};
/* clang-format on */

static void
set_up(void)
{
    rig = rig_new();
}

static void
tear_down(void)
{
    rig = rig_free(rig);
}

TestSuite(import, .init = set_up, .fini = tear_down, .timeout = 300);

/* Class doc/... with keys of this type, the process, a front. */
static void
start(enum ks_key_type type)
{
    rig->classes[2].type = type;
    cr_assert(rig_start(rig));
    rig_front(rig);
}

/* A shell script in the rig's folder; PW is the password. */
static void
run(const char *script)
{
    char command[4096];
    int n = snprintf(command, sizeof(command),
                     "set -e; cd %s; PW='%s'; { %s ; } >>makers.log 2>&1 </dev/null", rig->folder,
                     PASSWORD, script);

    cr_assert(n > 0 && (size_t)n < sizeof(command));
    cr_assert_eq(system(command), 0, "%s", command);
}

static size_t
slurp(const char *name, uint8_t out[static FILE_MAX])
{
    char path[128];
    FILE *file;
    size_t len;

    rig_path(rig, name, path, sizeof(path));
    file = fopen(path, "r");
    cr_assert(file, "%s", path);
    len = fread(out, 1, FILE_MAX, file);
    fclose(file);
    cr_assert(len > 0 && len < FILE_MAX);
    return len;
}

static int
sealed(const void *data, size_t len)
{
    int fd = memfd_create("import", MFD_CLOEXEC | MFD_ALLOW_SEALING);

    cr_assert(fd >= 0 && write(fd, data, len) == (ssize_t)len);
    cr_assert_eq(fcntl(fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_WRITE), 0);
    return fd;
}

/* Sends a prepared job with these descriptors, which are closed. */
static struct job_reply
ask(struct job *job, int file, int password)
{
    struct job_reply reply;

    job->fds[0] = file;
    job->fds[1] = password;
    job->n_fds = password >= 0 ? 2 : 1;
    job->import.has_password = password >= 0;
    reply = rig_job(rig, job);
    close(file);
    if (password >= 0)
        close(password);
    return reply;
}

static struct job
import_job(const char *name, enum job_import_format format)
{
    struct job job = {.operation = JOB_IMPORT};

    text_copy(job.name, sizeof(job.name), name);
    job.import.format = format;
    job.import.select = "";
    return job;
}

/* The whole file of a rig, by that password (NULL: none). */
static struct job_reply
import_file(const char *name, const char *file, enum job_import_format format, const char *password)
{
    static uint8_t data[FILE_MAX];
    struct job job = import_job(name, format);
    size_t len = slurp(file, data);

    return ask(&job, sealed(data, len), password ? sealed(password, strlen(password)) : -1);
}

/* Signs with the token's key and verifies with the certificate that the maker made. */
static void
check_signs(const char *name, uint32_t version, const char *certificate)
{
    static const char message[] = "a message";
    struct job job = rig_job_for(rig, JOB_SIGN, name, version);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    struct job_reply reply;
    char path[128];
    EVP_PKEY *pkey;
    FILE *file;
    X509 *x509;

    rig_path(rig, certificate, path, sizeof(path));
    file = fopen(path, "r");
    x509 = file ? PEM_read_X509(file, NULL, NULL, NULL) : NULL;
    cr_assert(x509, "%s", path);
    fclose(file);
    pkey = X509_get_pubkey(x509);
    job.sign = (struct job_sign){.data = (const uint8_t *)message, .data_len = sizeof(message)};
    reply = rig_job(rig, &job);
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    cr_assert_eq(EVP_DigestVerifyInit(context, NULL,
                                      reply.algorithm == KS_ALGORITHM_ED25519 ? NULL : EVP_sha256(),
                                      NULL, pkey),
                 1);
    cr_assert_eq(EVP_DigestVerify(context, reply.data, reply.data_len, (const uint8_t *)message,
                                  sizeof(message)),
                 1);
    EVP_MD_CTX_free(context);
    EVP_PKEY_free(pkey);
    X509_free(x509);
}

/* Objects with any label below doc/ are as many as the directory says after a rescan. */
static void
check_nothing_left(const char *name)
{
    struct job rescan = {.operation = JOB_RESCAN};
    struct job_reply reply;

    cr_assert_eq(rig_job(rig, &rescan).err, KS_OK);
    cr_assert_null(rig_key(rig, name, 1));
    reply = rig_generate(rig, name); /* says EXISTS for a public half alone, too */
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
}

ParameterizedTestParameters(import, takes_the_files_of_every_common_maker)
{
    static size_t indices[ARRAY_LEN(makers)];

    for (size_t i = 0; i < ARRAY_LEN(makers); i++)
        indices[i] = i;
    return cr_make_param_array(size_t, indices, ARRAY_LEN(makers));
}

ParameterizedTest(const size_t *index, import, takes_the_files_of_every_common_maker)
{
    const struct maker *maker = &makers[*index];
    struct job_reply reply;
    char *audit;

    run(maker->script);
    start(maker->type);
    reply = import_file("doc/a", "file", maker->format, maker->password);
    cr_assert_eq(reply.err, KS_OK, "%s: %s", maker->name, reply.why.text);
    cr_assert_eq(reply.key.type, maker->type, "%s", maker->name);
    cr_assert_eq(reply.key.version, 1);
    check_signs("doc/a", 1, "crt.pem");
    cr_assert_eq(rig_stop(rig), 0);
    audit = rig_audit(rig);
    cr_assert_not_null(strstr(audit, "\"event\":\"intent\""));
    cr_assert_not_null(strstr(audit, "\"event\":\"result\""));
    cr_assert_null(strstr(audit, PASSWORD));
    free(audit);
}

Test(import, keeps_the_key_over_a_restart_and_from_getting_out)
{
    run(RSA_KEY CERTIFICATE EXPORT);
    start(KS_KEY_TYPE_RSA_2048);
    cr_assert_eq(import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD).err, KS_OK);
    cr_assert_eq(rig_stop(rig), 0);
    start(KS_KEY_TYPE_RSA_2048);
    cr_assert_not_null(rig_key(rig, "doc/a", 1));
    check_signs("doc/a", 1, "crt.pem");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, makes_the_next_version_only_when_it_is_told_the_newest)
{
    struct job job = import_job("doc/a", JOB_IMPORT_PKCS12);
    static uint8_t data[FILE_MAX];
    size_t len;

    run(EC_KEY CERTIFICATE EXPORT);
    len = slurp("file", data);
    start(KS_KEY_TYPE_EC_P256);
    cr_assert_eq(rig_generate(rig, "doc/a").err, KS_OK);
    cr_assert_eq(import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD).err, KS_ERR_EXISTS);
    job.version = 2;
    cr_assert_eq(ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD))).err,
                 KS_ERR_BAD_REQUEST);
    job.version = 1;
    cr_assert_eq(ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD))).err, KS_OK);
    check_signs("doc/a", 2, "crt.pem");
    cr_assert_eq(ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD))).err,
                 KS_ERR_EXISTS);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, takes_the_key_of_several_that_is_selected)
{
    static uint8_t data[FILE_MAX];
    struct job job = import_job("doc/a", JOB_IMPORT_PKCS12);
    struct job_reply reply;
    size_t len;

    run(KEYTOOL
        "-keyalg EC -groupname secp256r1" KEYTOOL_CRT "; " GENKEYPAIR "-alias other "
        "-dname CN=other -keystore file -storepass \"$PW\" -keyalg EC -groupname secp256r1");
    len = slurp("file", data);
    start(KS_KEY_TYPE_EC_P256);
    reply = ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD)));
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    cr_assert(strstr(reply.why.text, "shop") && strstr(reply.why.text, "other"), "%s",
              reply.why.text);
    job.import.select = "nobody";
    reply = ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD)));
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    job.import.select = "shop";
    reply = ask(&job, sealed(data, len), sealed(PASSWORD, strlen(PASSWORD)));
    cr_assert_eq(reply.err, KS_OK, "%s", reply.why.text);
    check_signs("doc/a", 1, "crt.pem");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, says_so_when_openssl_has_no_legacy_provider)
{
    struct job_reply reply;

    run(EC_KEY CERTIFICATE EXPORT "-legacy; cp file old; " EXPORT);
    setenv("OPENSSL_MODULES", rig->folder, 1);
    start(KS_KEY_TYPE_EC_P256);
    reply = import_file("doc/a", "old", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    cr_assert(strstr(reply.why.hint, "legacy"), "%s", reply.why.hint);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_eq(reply.err, KS_OK, "what is newer needs none: %s", reply.why.text);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, refuses_what_it_cannot_open)
{
    static const uint8_t junk[] = {0x30, 0x03, 0x02, 0x01, 0x03};
    struct job job = import_job("doc/a", JOB_IMPORT_PKCS12);
    struct job_reply reply;

    run(EC_KEY CERTIFICATE EXPORT);
    start(KS_KEY_TYPE_EC_P256);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, "another");
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    cr_assert(strstr(reply.why.text, "password"), "%s", reply.why.text);
    cr_assert(reply.why.hint[0]);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, NULL);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST);
    cr_assert(strstr(reply.why.text, "no password was given"), "%s", reply.why.text);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS8, PASSWORD);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST, "another format");
    cr_assert_eq(ask(&job, sealed(junk, sizeof(junk)), -1).err, KS_ERR_BAD_REQUEST);
    reply = import_file("code/a", "file", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_eq(reply.err, KS_ERR_BAD_REQUEST, "a key of another type than the class");
    cr_assert(strstr(reply.why.text, "ec-p256") && strstr(reply.why.text, "rsa-2048"), "%s",
              reply.why.text);
    check_nothing_left("doc/a");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, refuses_what_is_not_sealed_memory_of_a_sane_size)
{
    static uint8_t data[FILE_MAX];
    struct job job = import_job("doc/a", JOB_IMPORT_PKCS12);
    char path[128];
    int unsealed;
    size_t len;

    run(EC_KEY CERTIFICATE EXPORT);
    len = slurp("file", data);
    start(KS_KEY_TYPE_EC_P256);
    rig_path(rig, "file", path, sizeof(path));
    cr_assert_eq(ask(&job, open(path, O_RDONLY | O_CLOEXEC), -1).err, KS_ERR_BAD_REQUEST);
    unsealed = memfd_create("import", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    cr_assert_eq(write(unsealed, data, len), (ssize_t)len);
    cr_assert_eq(ask(&job, unsealed, sealed(PASSWORD, strlen(PASSWORD))).err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(ask(&job, sealed(data, JOB_MAX_IMPORT + 1), -1).err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(ask(&job, sealed(data, 0), -1).err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(ask(&job, sealed(data, len), sealed(data, 1025)).err, KS_ERR_BAD_REQUEST);
    cr_assert_eq(ask(&job, sealed(data, len), sealed(PASSWORD "\n", strlen(PASSWORD) + 1)).err,
                 KS_OK, "one newline is no part of a password");
    cr_assert_eq(rig_stop(rig), 0);
}

/* The module that breaks on purpose in front of SoftHSM. */
static void
use_break(const char *rule)
{
    rig_break_module(rig, PKCS11_BREAK);
    rig_break(rig, rule);
}

Test(import, leaves_nothing_when_the_private_half_cannot_be_created)
{
    struct job_reply reply;

    run(EC_KEY CERTIFICATE EXPORT);
    use_break("C_CreateObject:2:CKR_TEMPLATE_INCONSISTENT\n");
    start(KS_KEY_TYPE_EC_P256);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_neq(reply.err, KS_OK);
    cr_assert_neq(reply.err, KS_ERR_OUTCOME_UNKNOWN, "%s", reply.why.text);
    cr_assert(strstr(reply.why.text, "C_CreateObject"), "%s", reply.why.text);
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_eq(reply.err, KS_OK, "the name is free again: %s", reply.why.text);
    check_signs("doc/a", 1, "crt.pem");
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, leaves_nothing_when_the_token_s_first_signature_is_wrong)
{
    struct job_reply reply;

    run(EC_KEY CERTIFICATE EXPORT);
    use_break("# nothing yet\n");
    start(KS_KEY_TYPE_EC_P256);
    rig_break(rig, "C_Sign:*:wrong\n");
    reply = import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD);
    cr_assert_neq(reply.err, KS_OK);
    rig_break(rig, "# all is well again\n");
    cr_assert(strstr(reply.why.text, "does not sign"), "%s", reply.why.text);
    check_nothing_left("doc/a");
    cr_assert_eq(rig_stop(rig), 0);
}

#ifndef __SANITIZE_ADDRESS__ /* its heap is another, keeps what was freed, and is slow to look through */

/* What is looked for: a stretch of a secret number, in either byte order, or the password. */
struct needle {
    uint8_t bytes[2][24];
    size_t len;
};

#define MAX_NEEDLES 8

static size_t
add_needle(struct needle *needles, size_t n, const uint8_t *bytes, size_t len)
{
    struct needle *needle = &needles[n];

    needle->len = len < sizeof(needle->bytes[0]) ? len : sizeof(needle->bytes[0]);
    memcpy(needle->bytes[0], bytes + (len - needle->len) / 2, needle->len);
    for (size_t i = 0; i < needle->len; i++)
        needle->bytes[1][i] = needle->bytes[0][needle->len - 1 - i];
    return n + 1;
}

static size_t
needles_of_key(struct needle needles[static MAX_NEEDLES])
{
    static const char *const names[] = {OSSL_PKEY_PARAM_RSA_D, OSSL_PKEY_PARAM_RSA_FACTOR1,
                                        OSSL_PKEY_PARAM_RSA_FACTOR2, OSSL_PKEY_PARAM_RSA_EXPONENT1,
                                        OSSL_PKEY_PARAM_PRIV_KEY};
    char path[128];
    EVP_PKEY *pkey;
    FILE *file;
    size_t n = 0;

    rig_path(rig, "key.pem", path, sizeof(path));
    file = fopen(path, "r");
    pkey = file ? PEM_read_PrivateKey(file, NULL, NULL, NULL) : NULL;
    cr_assert(pkey);
    fclose(file);
    for (size_t i = 0; i < ARRAY_LEN(names); i++) {
        BIGNUM *number = NULL;
        uint8_t bytes[512];

        if (EVP_PKEY_get_bn_param(pkey, names[i], &number) != 1)
            continue;
        n = add_needle(needles, n, bytes, (size_t)BN_bn2bin(number, bytes));
        BN_free(number);
    }
    EVP_PKEY_free(pkey);
    cr_assert(n > 0);
    return n;
}

static size_t
count_in(const uint8_t *data, size_t len, const struct needle *needles, size_t n_needles)
{
    size_t n = 0;

    for (size_t i = 0; i < n_needles * 2; i++) {
        const struct needle *needle = &needles[i / 2];
        const uint8_t *at = data, *end = data + len;

        while ((at = memmem(at, (size_t)(end - at), needle->bytes[i % 2], needle->len))) {
            n++;
            at++;
        }
    }
    return n;
}

/* How often any needle is in memory that the process can write; SIZE_MAX: we may not look. */
static size_t
scan(pid_t pid, const struct needle *needles, size_t n_needles)
{
    char path[64], line[512];
    size_t n = 0;
    FILE *maps;
    int mem;

    snprintf(path, sizeof(path), "/proc/%d/mem", (int)pid);
    mem = open(path, O_RDONLY | O_CLOEXEC);
    snprintf(path, sizeof(path), "/proc/%d/maps", (int)pid);
    maps = fopen(path, "r");
    if (mem < 0 || !maps)
        return SIZE_MAX;
    while (fgets(line, sizeof(line), maps)) {
        unsigned long from, to;
        char rights[5];
        uint8_t *data;
        ssize_t len;

        cr_assert_eq(sscanf(line, "%lx-%lx %4s", &from, &to, rights), 3);
        if (rights[1] != 'w' || to - from > (1ul << 32))
            continue;
        data = malloc(to - from);
        cr_assert(data);
        len = pread(mem, data, to - from, (off_t)from);
        if (len > 0)
            n += count_in(data, (size_t)len, needles, n_needles);
        free(data);
    }
    close(mem);
    fclose(maps);
    return n;
}

static void
check_memory(const char *script)
{
    static const char password[] = PASSWORD;
    struct needle needles[MAX_NEEDLES];
    size_t n, found;

    run(script);
    n = needles_of_key(needles);
    n = add_needle(needles, n, (const uint8_t *)password, strlen(password));
    cr_assert(scan(getpid(), needles, n) >= n, "the scanner finds what is there: itself");
    if (scan(rig->pid, needles, n) == SIZE_MAX) {
        /* What is skipped is not torn down. */
        tear_down();
        cr_skip_test("only root may read the memory of a process that is not dumpable");
    }
    cr_assert_eq(scan(rig->pid, needles, n), 0);
    cr_assert_neq(import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD).err, KS_OK);
    found = scan(rig->pid, needles, n);
    cr_assert_eq(found, 0, "%zu copies after a key that the module never saw", found);
    cr_assert_eq(import_file("doc/a", "file", JOB_IMPORT_PKCS12, PASSWORD).err, KS_OK);
    found = scan(rig->pid, needles, n);
    cr_assert_eq(found, 0, "%zu copies after an import", found);
    cr_assert_eq(rig_stop(rig), 0);
}

Test(import, leaves_no_copy_of_an_ec_key_or_its_password_in_memory)
{
    use_break("C_CreateObject:2:CKR_TEMPLATE_INCONSISTENT\n");
    start(KS_KEY_TYPE_EC_P256);
    check_memory(EC_KEY CERTIFICATE EXPORT);
}

Test(import, leaves_no_copy_of_an_rsa_key_or_its_password_in_memory)
{
    use_break("C_CreateObject:2:CKR_TEMPLATE_INCONSISTENT\n");
    start(KS_KEY_TYPE_RSA_2048);
    check_memory(RSA_KEY CERTIFICATE EXPORT);
}

Test(import, leaves_no_copy_of_a_key_that_was_never_encrypted)
{
    use_break("C_CreateObject:2:CKR_TEMPLATE_INCONSISTENT\n");
    start(KS_KEY_TYPE_RSA_2048);
    check_memory(RSA_KEY CERTIFICATE EXPORT "-keypbe NONE -certpbe NONE");
}

#endif
