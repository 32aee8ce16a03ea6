/* SPDX-License-Identifier: Apache-2.0 */
/*
 * purpose_tls - what a TLS handshake asks a private key to sign, told from everything else
 *
 * Each purpose_tls_*() check gives NULL when the message has exactly that form, or a constant text
 * that says where it departs from it. Used by purpose.c, which decides what follows. Pure.
 */
#pragma once

#include "base/crypto.h"
#include "base/util.h"

/*
 * Could some parser take this for one ASN.1 SEQUENCE or SET over its whole length? Lenient on
 * purpose: lengths that are not minimal, indefinite ones, a SEQUENCE that does not say that it is
 * constructed, and bytes left over after the third element count as ASN.1, because some parser
 * accepts them. Asked before all other checks.
 */
bool purpose_tls_resembles_der(const uint8_t *data, size_t len);

/* Begins with 64 spaces. */
bool purpose_tls_resembles_13(const uint8_t *data, size_t len);

/* TLS 1.3 CertificateVerify (RFC 8446, 4.4.3) of a side that is allowed. */
const char *purpose_tls_13(bool server, bool client, enum ks_algorithm algorithm,
                           const uint8_t *data, size_t len);

/* TLS 1.2 ServerKeyExchange (RFC 8422, 5.4): both randoms and ServerECDHParams. */
const char *purpose_tls_12_server(const uint8_t *data, size_t len);

/* Begins like a ClientHello. */
bool purpose_tls_resembles_12_client(const uint8_t *data, size_t len);

/* TLS 1.2 client CertificateVerify (RFC 5246, 7.4.8): all handshake messages until then. */
const char *purpose_tls_12_client(const uint8_t *data, size_t len);
