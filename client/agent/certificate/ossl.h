/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ossl - libcrypto's objects under ks_auto
 */
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/util.h"

void ossl_x509_freep(X509 **certificate);
void ossl_request_freep(X509_REQ **request);
void ossl_stack_freep(STACK_OF(X509) * *list);
void ossl_names_freep(GENERAL_NAMES **names);
void ossl_memory_freep(uint8_t **data);

/* The alternative names; NULL: none, or none that can be read. GENERAL_NAMES_free. */
GENERAL_NAMES *ossl_names_of_request(X509_REQ *request);
