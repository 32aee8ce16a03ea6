/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clients - the two files, and OpenSSL's judgement by them
 */
#include "client/agent/serve/clients.h"

#include <sys/stat.h>

#include "base/log.h"
#include "client/agent/certificate/clientca.h"

#define SECOND_NS 1000000000ll

struct clients_seen
clients_look(const struct agent_config *config)
{
    const char *const file[] = {config->client_ca_file, config->client_crl_file};
    struct clients_seen seen = {0};
    struct stat st;

    for (size_t i = 0; i < ARRAY_LEN(file); i++) {
        if (file[i][0] == '\0' || stat(file[i], &st))
            continue;
        *(i == 0 ? &seen.ca : &seen.crl) = (typeof(seen.ca)){
            .inode = (int64_t)st.st_ino,
            .size = st.st_size,
            .modified_ns = st.st_mtim.tv_sec * SECOND_NS + st.st_mtim.tv_nsec,
            .changed_ns = st.st_ctim.tv_sec * SECOND_NS + st.st_ctim.tv_nsec,
        };
    }
    return seen;
}

ks_err
clients_take(const struct agent_config *config, OSSL_LIB_CTX *libctx, SSL_CTX *context,
             struct report *report)
{
    const char *file = config->client_ca_file;
    struct fault lists = FAULT_INIT, why = FAULT_INIT;
    X509_STORE *store;
    ks_err err;

    if (file[0] == '\0')
        return KS_OK;
    err = clientca_load(file, config->client_crl_file, libctx, &store, &lists, &why);
    if (err)
        return report_fault(report, err, &why);
    if (lists.text[0] != '\0')
        log_error("event=client-certificates-refused why=\"%s\"", LOG_TEXT(lists.text));
    SSL_CTX_set_cert_store(context, store);
    SSL_CTX_set_client_CA_list(context, SSL_load_client_CA_file_ex(file, libctx, NULL));
    SSL_CTX_set_verify(context, SSL_VERIFY_PEER, NULL);
    return KS_OK;
}

void
clients_renew(const struct agent_config *config, OSSL_LIB_CTX *libctx, SSL_CTX *context)
{
    struct report report = REPORT_INIT;

    if (clients_take(config, libctx, context, &report) == KS_OK)
        return;
    log_error("event=client-certificates-refused why=\"%s\"", LOG_TEXT(report.message));
    SSL_CTX_set_cert_store(context, X509_STORE_new());
    SSL_CTX_set_client_CA_list(context, NULL);
    SSL_CTX_set_verify(context, SSL_VERIFY_NONE, NULL);
}

const char *
clients_lapsed(SSL_CTX *context, OSSL_LIB_CTX *libctx, const SSL *ssl)
{
    return clientca_refuses(SSL_CTX_get_cert_store(context), libctx, SSL_get0_peer_certificate(ssl),
                            SSL_get_peer_cert_chain(ssl), "ssl_client");
}
