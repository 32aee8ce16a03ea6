/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_file - files that the command line reads: a program's openssl.cnf, certificates in PEM or DER
 *
 * The first byte chooses. Certificates that were read, written as PEM, are read as the same ones.
 * Whatever an openssl.cnf holds, doctor has something to say, in texts that neither move a terminal's
 * cursor nor break JSON, and a module has an absolute path.
 * Lines that include other files are left out: they would be read.
 */
#include <jansson.h>
#include <openssl/pem.h>

#include "client/cli/certfile.h"
#include "client/cli/doctor_program.h"

#define IS_CONF 1u
#define MODULES "/usr/lib/ossl-modules"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void
require(bool truth)
{
    if (!truth)
        abort();
}

static void
check_text(const char *text)
{
    json_t *value = json_string(text);

    require(value != NULL);
    json_decref(value);
    for (; *text != '\0'; text++)
        require((unsigned char)*text >= ' ' && *text != 0x7f);
}

static void
check_conf(const char *text, size_t len)
{
    struct doctor *doctor = doctor_new();
    struct program_conf conf;

    require(doctor != NULL);
    program_conf(doctor, "/etc/ssl/openssl.cnf", text, len, MODULES, &conf);
    require(doctor_finding_at(doctor, 0) != NULL);
    for (size_t i = 0; doctor_finding_at(doctor, i); i++) {
        check_text(doctor_finding_at(doctor, i)->text);
        check_text(doctor_finding_at(doctor, i)->mend);
    }
    if (conf.has_provider)
        require(conf.module[0] == '/');
    else
        require(conf.module[0] == '\0' && conf.socket[0] == '\0');
    doctor_free(doctor);
}

static void
check_again(const struct certfile *file)
{
    ks_auto(certfile_deinit) struct certfile again = {0};
    struct fault why = FAULT_INIT;
    BIO *out = BIO_new(BIO_s_mem());
    struct buf text = BUF_INIT;
    char *pem;

    require(out != NULL);
    for (size_t i = 0; i < file->n_certificates; i++)
        require(PEM_write_bio(out, PEM_STRING_X509, "", file->certificates[i].data,
                              (long)file->certificates[i].len) > 0);
    text.len = (size_t)BIO_get_mem_data(out, &pem);
    text.data = (uint8_t *)pem;
    require(certfile_parse("again", &text, &again, &why) == KS_OK);
    require(again.n_certificates == file->n_certificates);
    for (size_t i = 0; i < file->n_certificates; i++)
        require(again.certificates[i].len == file->certificates[i].len &&
                memcmp(again.certificates[i].data, file->certificates[i].data,
                       file->certificates[i].len) == 0);
    BIO_free(out);
}

static void
check_certificates(const uint8_t *data, size_t size)
{
    ks_auto(certfile_deinit) struct certfile file = {0};
    ks_auto(buf_deinit) struct buf text = BUF_INIT;
    struct fault why = FAULT_INIT;
    ks_err err;

    buf_append(&text, data, size);
    require(!text.failed);
    err = certfile_parse("chain.pem", &text, &file, &why);
    if (err) {
        require(err == KS_ERR_BAD_REQUEST || err == KS_ERR_TOO_LARGE);
        require(why.text[0] != '\0');
        return;
    }
    require(file.n_certificates > 0 && file.n_certificates <= KS_CHAIN_MAX);
    check_again(&file);
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 1)
        return 0;
    if (!(data[0] & IS_CONF))
        check_certificates(data + 1, size - 1);
    else if (!memmem(data + 1, size - 1, "include", 7))
        check_conf((const char *)data + 1, size - 1);
    return 0;
}
