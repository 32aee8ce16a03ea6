/* SPDX-License-Identifier: Apache-2.0 */
/*
 * mechanism - what PKCS#11 calls its mechanisms, for people
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/err.h"
#include "base/fault.h"

#define MECHANISM_NAME_MAX 47 /* bytes; job_mechanism.name holds it */

/* "CKM_RSA_PKCS"; "0x80000001" for a vendor's, and what is not in the table. */
void mechanism_name(CK_MECHANISM_TYPE type, char out[static MECHANISM_NAME_MAX + 1]);

/* As ckr_fault(); what this token does not do names token and mechanism: "token main does not do
 * CKM_EDDSA: C_SignInit: CKR_MECHANISM_INVALID (0x70)". */
ks_err mechanism_fault(const char *token, CK_MECHANISM_TYPE type, const char *call, CK_RV rv,
                       struct fault *why) KS_MUST_CHECK;
