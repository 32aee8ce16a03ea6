/* SPDX-License-Identifier: Apache-2.0 */
/*
 * ossl - libcrypto's objects under ks_auto, and its times as text
 */
#pragma once

#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "base/util.h"

#define OSSL_TIME_LEN sizeof("2026-01-02T03:04:05Z")

void ossl_x509_freep(X509 **certificate);
void ossl_request_freep(X509_REQ **request);
void ossl_stack_freep(STACK_OF(X509) * *list);
void ossl_names_freep(GENERAL_NAMES **names);
void ossl_memory_freep(uint8_t **data);

/* "2026-01-02T03:04:05Z"; "?" for what is no time. */
void ossl_time_text(const ASN1_TIME *time, char out[static OSSL_TIME_LEN]);

/* The alternative names; NULL: none, or none that can be read. GENERAL_NAMES_free. */
GENERAL_NAMES *ossl_names_of_request(X509_REQ *request);
