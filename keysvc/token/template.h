/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template - the attributes of a key pair that is to be generated
 *
 * What a private key must be (on the token, private, sensitive, never extractable) is fixed here;
 * which usage attributes a kind of token wants to see is the profile's business.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/err.h"
#include "base/fault.h"
#include "base/keyname.h"
#include "ipc/config.h"

#define TEMPLATE_MAX 32 /* attributes of one object */

struct template
{
    CK_MECHANISM mechanism;
    CK_ATTRIBUTE public_attributes[TEMPLATE_MAX];
    CK_ULONG n_public;
    CK_ATTRIBUTE private_attributes[TEMPLATE_MAX];
    CK_ULONG n_private;
    char label[KEYNAME_LABEL_MAX + 1]; /* the attributes point to it: never copy a template */
    CK_ULONG bits;
};

/* UNSUPPORTED: not a type we generate, or an attribute in the profile that we do not know. */
ks_err template_make(enum ks_key_type type, const char *label, const struct config_profile *profile,
                     struct template *out, struct fault *why) KS_MUST_CHECK;

/*
 * Appends a profile's usage attributes ("SIGN", "DECRYPT=FALSE") to an array of TEMPLATE_MAX, for
 * objects that are not generated. UNSUPPORTED: one that we do not know, or too many.
 */
ks_err template_usage(CK_ATTRIBUTE *attributes, CK_ULONG *n, const struct strv *list,
                      struct fault *why) KS_MUST_CHECK;
