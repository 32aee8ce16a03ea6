/* SPDX-License-Identifier: Apache-2.0 */
/*
 * request - is what an agent sent one that a CA may be asked to sign?
 *
 * The CA's administrator copies what stands in it (`openssl x509 -copy_extensions copyall`), so an agent
 * that was taken over could ask for a CA's certificate, or for one of names that are another host's.
 */
#pragma once

#include <openssl/x509.h>

#include "client/agent/console/console.h"

/*
 * `subject`: what was asked for, by enum of console.h, NULL each where nothing was. The request has to be
 * signed by its own key, must want to be no CA and nothing but TLS, and has of what was asked for exactly
 * that. BAD_REQUEST: `why` names what it lacks, or has beyond that.
 */
ks_err request_check(X509_REQ *request, const char *const subject[SUBJECT_N_FIELDS],
                     struct fault *why) KS_MUST_CHECK;

/* Whom it names: "CN=a.example; DNS:a.example, IP:10.0.0.1", tamed. */
void request_text(X509_REQ *request, char *out, size_t cap);
