/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - handles: five bits say which object of the entry, the rest is its number
 */
#include "client/pkcs11/object.h"

#include <assert.h>

#include "client/pkcs11/directory.h"

#define WHICH_BITS 5
#define WHICH_MASK ((1u << WHICH_BITS) - 1)
#define WHICH_PRIVATE 1u
#define WHICH_PUBLIC 2u
#define WHICH_CERTIFICATE 3u /* and behind it the issuers */

static_assert(WHICH_CERTIFICATE + KS_CHAIN_MAX <= WHICH_MASK + 1, "a whole chain has handles");

CK_OBJECT_HANDLE
object_handle(const struct entry *entry, enum object_kind kind, size_t place)
{
    CK_ULONG which = WHICH_CERTIFICATE + place;

    if (kind == OBJECT_PRIVATE)
        which = WHICH_PRIVATE;
    else if (kind == OBJECT_PUBLIC)
        which = WHICH_PUBLIC;
    return entry->number << WHICH_BITS | which;
}

static CK_RV
open_certificate(struct object *out)
{
    CK_RV rv;

    out->kind = out->place == 0 ? OBJECT_CERTIFICATE : OBJECT_ISSUER;
    rv = entry_certificates(out->module, out->entry, false, &out->certificates);
    /* A token that is said to be gone would have its sessions closed; it will be back. */
    if (rv == CKR_TOKEN_NOT_PRESENT)
        return CKR_DEVICE_ERROR;
    if (rv)
        return rv;
    if (out->place >= out->certificates->n)
        return CKR_OBJECT_HANDLE_INVALID;
    out->certificate = out->certificates->at[out->place];
    return CKR_OK;
}

CK_RV
object_open(struct module *module, CK_OBJECT_HANDLE handle, struct object *out)
{
    CK_ULONG which = handle & WHICH_MASK;

    out->module = module;
    out->entry = directory_find(module->directory, handle >> WHICH_BITS);
    if (!out->entry)
        return CKR_OBJECT_HANDLE_INVALID;
    switch (which) {
    case 0:
        return CKR_OBJECT_HANDLE_INVALID;
    case WHICH_PRIVATE:
        out->kind = OBJECT_PRIVATE;
        return CKR_OK;
    case WHICH_PUBLIC:
        out->kind = OBJECT_PUBLIC;
        return CKR_OK;
    default:
        out->place = which - WHICH_CERTIFICATE;
        return open_certificate(out);
    }
}

void
object_deinit(struct object *object)
{
    certificates_putp(&object->certificates);
    entry_put(object->entry);
    object->entry = NULL;
    object->certificates = NULL;
}

CK_OBJECT_CLASS
object_class(enum object_kind kind)
{
    switch (kind) {
    case OBJECT_PRIVATE:
        return CKO_PRIVATE_KEY;
    case OBJECT_PUBLIC:
        return CKO_PUBLIC_KEY;
    default:
        return CKO_CERTIFICATE;
    }
}
