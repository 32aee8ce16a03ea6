/* SPDX-License-Identifier: Apache-2.0 */
/*
 * clientca - by whose word clients are let in: the CAs of client-ca-file, the revocation lists of client-crl-file
 *
 * With a file of lists every certificate of a client's chain needs a list of its issuer that holds now,
 * the root's too; without one it is refused. So is everybody if the file cannot be read: whoever takes a
 * list away lets nobody in.
 */
#pragma once

#include <openssl/x509_vfy.h>

#include "base/err.h"
#include "base/fault.h"

/* A handshake hashes the whole list before it looks whether its CA has signed the stranger's certificate. */
#define CLIENTCA_LISTS_MAX_LEN (4u * 1024 * 1024)

/* `crl_file` may be empty: no lists are looked at. X509_STORE_free. `lists` says what is wrong with the
 * lists now, else it stays empty. USAGE: no certificates can be read. */
ks_err clientca_load(const char *ca_file, const char *crl_file, OSSL_LIB_CTX *libctx,
                     X509_STORE **out, struct fault *lists, struct fault *why) KS_MUST_CHECK;

/* The certificate verifies now; NULL. Else why not, a constant. `purpose` as X509_VERIFY_PARAM_lookup()
 * has them, or NULL: any. */
const char *clientca_refuses(X509_STORE *store, OSSL_LIB_CTX *libctx, X509 *certificate,
                             STACK_OF(X509) * chain, const char *purpose);
