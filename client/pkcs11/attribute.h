/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attribute - the attributes of each kind of object, one row each
 */
#pragma once

#include "client/pkcs11/object.h"

#define ATTRIBUTES_MAX 1024u /* in one template of a program; there are some 40 */

/* Points into the object, or into itself: not to be copied, and used while the object is open. */
struct attribute {
    const void *data;
    CK_ULONG len;
    union {
        CK_BBOOL flag;
        CK_ULONG number;
        char text[KEYNAME_LABEL_MAX + 16];
        CK_MECHANISM_TYPE mechanisms[16];
    } own;
};

/*
 * CKR_ATTRIBUTE_TYPE_INVALID: such an object has none; CKR_ATTRIBUTE_SENSITIVE: nobody sees it;
 * else the service was asked and did not answer.
 */
CK_RV attribute_get(const struct object *object, CK_ATTRIBUTE_TYPE type,
                    struct attribute *out) KS_MUST_CHECK;

/* Does it take a call to the service to know it? */
bool attribute_costs(CK_ATTRIBUTE_TYPE type);

/* A template of a program: CKR_ARGUMENTS_BAD. */
CK_RV attribute_check_template(const CK_ATTRIBUTE *attributes, CK_ULONG n) KS_MUST_CHECK;
