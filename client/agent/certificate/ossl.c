/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ossl - freeing, and what a request names
 */
#include "client/agent/certificate/ossl.h"

void
ossl_x509_freep(X509 **certificate)
{
    X509_free(*certificate);
    *certificate = NULL;
}

void
ossl_request_freep(X509_REQ **request)
{
    X509_REQ_free(*request);
    *request = NULL;
}

void
ossl_stack_freep(STACK_OF(X509) * *list)
{
    sk_X509_pop_free(*list, X509_free);
    *list = NULL;
}

void
ossl_names_freep(GENERAL_NAMES **names)
{
    GENERAL_NAMES_free(*names);
    *names = NULL;
}

void
ossl_memory_freep(uint8_t **data)
{
    OPENSSL_free(*data);
    *data = NULL;
}

GENERAL_NAMES *
ossl_names_of_request(X509_REQ *request)
{
    STACK_OF(X509_EXTENSION) *extensions = X509_REQ_get_extensions(request);
    GENERAL_NAMES *names = X509V3_get_d2i(extensions, NID_subject_alt_name, NULL, NULL);

    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
    return names;
}
