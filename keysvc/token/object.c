/* SPDX-License-Identifier: Apache-2.0 */
/*
 * object - searches and attributes
 */
#include "token/object.h"

#include <errno.h>
#include <fcntl.h>

#include "token/ckr.h"

#define FIND_CHUNK 256          /* handles of one C_FindObjects */
#define ATTRIBUTE_VALUE_MAX 640 /* bytes: the modulus of RSA-4096 has 512 */

static ks_err can_look(struct fault *why);
static ks_err find_all(struct slot *slot, struct object_list *out, struct fault *why);
static ks_err read_attributes(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                              CK_ULONG n_attributes, struct fault *why);

void
object_list_deinit(struct object_list *list)
{
    free(list->handles);
    *list = (struct object_list)OBJECT_LIST_INIT;
}

ks_err
object_find(struct slot *slot, CK_OBJECT_CLASS class, const char *label, struct object_list *out,
            struct fault *why)
{
    CK_ATTRIBUTE template[2] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_ULONG n_attributes = 1;

    if (label)
        template[n_attributes++] =
            (CK_ATTRIBUTE){CKA_LABEL, (void *)(uintptr_t)label, strlen(label)};
    return object_find_by(slot, template, n_attributes, out, why);
}

ks_err
object_find_by(struct slot *slot, CK_ATTRIBUTE *template, CK_ULONG n_attributes,
               struct object_list *out, struct fault *why)
{
    ks_err err;
    CK_RV rv;

    rv = p11_find_init(slot_p11(slot), slot_session(slot), template, n_attributes);
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_FindObjectsInit", why);
    err = find_all(slot, out, why);
    /* Also after a failure: a search left open makes every later one fail. */
    rv = p11_find_final(slot_p11(slot), slot_session(slot));
    if (!err && rv != CKR_OK)
        err = ckr_fault(rv, "C_FindObjectsFinal", why);
    if (!err)
        err = can_look(why);
    if (err)
        object_list_deinit(out);
    return err;
}

/* A module that cannot open its files (SoftHSM) shows no objects, and no error, nor ever again what it
 * once did not find: nothing is gone because of that, and another process has to look. */
static ks_err
can_look(struct fault *why)
{
    int fd = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, 0);

    if (fd < 0 && (errno == EMFILE || errno == ENFILE)) {
        fault_set(why,
                  "the token was searched without a descriptor left: what it did not show may be "
                  "there");
        fault_hint(why, "raise LimitNOFILE of keysvcd's unit");
        why->rv = CKR_HOST_MEMORY;
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    closep(&fd);
    return KS_OK;
}

static ks_err
find_all(struct slot *slot, struct object_list *out, struct fault *why)
{
    size_t cap = 0;

    for (;;) {
        CK_ULONG n_found = 0;
        CK_RV rv;

        if (cap - out->n_handles < FIND_CHUNK) {
            CK_OBJECT_HANDLE *handles;

            cap = cap ? cap * 2 : FIND_CHUNK;
            handles = reallocarray(out->handles, cap, sizeof(*handles));
            if (!handles || cap > 2 * OBJECT_MAX) {
                fault_set(why, "the token lists more objects than can be kept");
                out->handles = handles ? handles : out->handles;
                return KS_ERR_TOKEN_UNAVAILABLE;
            }
            out->handles = handles;
        }
        rv = p11_find(slot_p11(slot), slot_session(slot), out->handles + out->n_handles, FIND_CHUNK,
                      &n_found);
        if (rv != CKR_OK)
            return ckr_fault(rv, "C_FindObjects", why);
        if (n_found == 0 || n_found > FIND_CHUNK)
            return KS_OK;
        out->n_handles += n_found;
    }
}

/*
 * OK also if some attributes are missing: those have CK_UNAVAILABLE_INFORMATION as their length.
 * CKR_OBJECT_HANDLE_INVALID is no such answer: the object may have been destroyed since it was found,
 * or the token may fail. Whoever searches again (worker_try) sees which.
 */
static ks_err
read_attributes(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *attributes,
                CK_ULONG n_attributes, struct fault *why)
{
    CK_RV rv =
        p11_get_attributes(slot_p11(slot), slot_session(slot), object, attributes, n_attributes);

    switch (rv) {
    case CKR_OK:
    case CKR_ATTRIBUTE_TYPE_INVALID:
    case CKR_ATTRIBUTE_SENSITIVE:
    case CKR_BUFFER_TOO_SMALL:
        return KS_OK;
    default:
        return ckr_fault(rv, "C_GetAttributeValue", why);
    }
}

/* A length that the call itself could not have written is none. */
static bool
has_value(const CK_ATTRIBUTE *attribute, size_t cap)
{
    return attribute->ulValueLen != CK_UNAVAILABLE_INFORMATION && attribute->ulValueLen > 0 &&
           attribute->ulValueLen <= cap;
}

ks_err
object_label(struct slot *slot, CK_OBJECT_HANDLE object, char out[static KEYNAME_LABEL_MAX + 1],
             struct fault *why)
{
    CK_ATTRIBUTE label = {CKA_LABEL, out, KEYNAME_LABEL_MAX};
    ks_err err;

    memset(out, 0, KEYNAME_LABEL_MAX + 1);
    err = read_attributes(slot, object, &label, 1, why);
    if (err)
        return err;
    if (!has_value(&label, KEYNAME_LABEL_MAX))
        return KS_ERR_NO_KEY;
    out[label.ulValueLen] = '\0';
    return strlen(out) == label.ulValueLen ? KS_OK : KS_ERR_NO_KEY;
}

ks_err
object_spki(struct slot *slot, CK_OBJECT_HANDLE object, struct spki *out, struct fault *why)
{
    /* A module that says a length and writes nothing has said zeros. */
    uint8_t first[ATTRIBUTE_VALUE_MAX] = {0}, second[ATTRIBUTE_VALUE_MAX] = {0};
    CK_KEY_TYPE type = CK_UNAVAILABLE_INFORMATION;
    CK_ATTRIBUTE kind = {CKA_KEY_TYPE, &type, sizeof(type)};
    CK_ATTRIBUTE parts[2] = {{CKA_EC_PARAMS, first, sizeof(first)},
                             {CKA_EC_POINT, second, sizeof(second)}};
    ks_err err;

    err = read_attributes(slot, object, &kind, 1, why);
    if (err)
        return err;
    if (kind.ulValueLen != sizeof(type))
        return KS_ERR_NO_KEY;
    if (type == CKK_RSA) {
        parts[0].type = CKA_MODULUS;
        parts[1].type = CKA_PUBLIC_EXPONENT;
    } else if (type != CKK_EC && type != CKK_EC_EDWARDS) {
        return KS_ERR_NO_KEY;
    }
    err = read_attributes(slot, object, parts, ARRAY_LEN(parts), why);
    if (err)
        return err;
    if (!has_value(&parts[0], sizeof(first)) || !has_value(&parts[1], sizeof(second)))
        return KS_ERR_NO_KEY;
    if (type == CKK_RSA)
        err = spki_from_rsa(first, parts[0].ulValueLen, second, parts[1].ulValueLen, out, why);
    else
        err = spki_from_ec(first, parts[0].ulValueLen, second, parts[1].ulValueLen, out, why);
    return err == KS_ERR_BAD_REQUEST ? KS_ERR_NO_KEY : err;
}

ks_err
object_flag(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, bool *out,
            struct fault *why)
{
    CK_BBOOL value = CK_FALSE;
    CK_ATTRIBUTE attribute = {type, &value, sizeof(value)};
    ks_err err;

    err = read_attributes(slot, object, &attribute, 1, why);
    if (err)
        return err;
    if (attribute.ulValueLen != sizeof(value))
        return KS_ERR_NO_KEY;
    *out = value != CK_FALSE;
    return KS_OK;
}

ks_err
object_create(struct slot *slot, CK_ATTRIBUTE *template, CK_ULONG n_attributes,
              CK_OBJECT_HANDLE *out, struct fault *why)
{
    CK_RV rv = p11_create(slot_p11(slot), slot_session(slot), template, n_attributes, out);

    return rv == CKR_OK ? KS_OK : ckr_fault(rv, "C_CreateObject", why);
}

ks_err
object_destroy(struct slot *slot, CK_OBJECT_HANDLE object, struct fault *why)
{
    CK_RV rv = p11_destroy(slot_p11(slot), slot_session(slot), object);

    return rv == CKR_OK ? KS_OK : ckr_fault(rv, "C_DestroyObject", why);
}

ks_err
object_bytes(struct slot *slot, CK_OBJECT_HANDLE object, CK_ATTRIBUTE_TYPE type, size_t max,
             struct buf *out, struct fault *why)
{
    CK_ATTRIBUTE attribute = {type, NULL, 0};
    ks_err err;

    err = read_attributes(slot, object, &attribute, 1, why);
    if (err)
        return err;
    if (!has_value(&attribute, max))
        return KS_ERR_NO_KEY;
    if (!buf_reserve(out, attribute.ulValueLen)) {
        fault_set(why, "no memory for an attribute");
        return KS_ERR_INTERNAL;
    }
    attribute.pValue = out->data + out->len;
    max = attribute.ulValueLen;
    err = read_attributes(slot, object, &attribute, 1, why);
    if (err)
        return err;
    if (!has_value(&attribute, max))
        return KS_ERR_NO_KEY;
    out->len += attribute.ulValueLen;
    return KS_OK;
}
