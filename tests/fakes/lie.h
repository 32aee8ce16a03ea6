/* SPDX-License-Identifier: Apache-2.0 */
/*
 * lie - another public key in the place of the one that was read
 *
 * A valid one of the same kind and size, and the same one each time, so that nothing but a
 * signature tells.
 */
#pragma once

#include <p11-kit/pkcs11.h>

/* Changes CKA_EC_POINT and CKA_MODULUS among them, as the real module has filled them in. */
void lie_about(CK_ATTRIBUTE *attributes, CK_ULONG n_attributes);
