/* SPDX-License-Identifier: Apache-2.0 */
/*
 * attribute - what programs may know of a key: everything but the key
 */
#include "client/pkcs11/attribute.h"

#include <stdio.h>

#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/session.h"

#define CATEGORY_TOKEN_USER 1u /* CK_CERTIFICATE_CATEGORY_*, which the header does not have */
#define CATEGORY_AUTHORITY 2u

enum form {
    FORM_FLAG,   /* `value` */
    FORM_NUMBER, /* `value` */
    FORM_EMPTY,
    FORM_SECRET,
    FORM_READ,  /* `read` */
    FORM_INFO,  /* the blob at offset `value` of struct key_info, if the key has it */
    FORM_FIELD, /* the blob at offset `value` of struct certificate */
};

typedef CK_RV (*read_function)(const struct object *object, struct attribute *out);

struct row {
    CK_ATTRIBUTE_TYPE type;
    unsigned int kinds; /* enum object_kind */
    enum form form;
    CK_ULONG value;
    read_function read;
};

static CK_RV read_class(const struct object *object, struct attribute *out);
static CK_RV read_label(const struct object *object, struct attribute *out);
static CK_RV read_id(const struct object *object, struct attribute *out);
static CK_RV read_key_type(const struct object *object, struct attribute *out);
static CK_RV read_bits(const struct object *object, struct attribute *out);
static CK_RV read_mechanisms(const struct object *object, struct attribute *out);
static CK_RV read_category(const struct object *object, struct attribute *out);
static CK_RV read_check_value(const struct object *object, struct attribute *out);
static CK_RV read_begins(const struct object *object, struct attribute *out);
static CK_RV read_ends(const struct object *object, struct attribute *out);

#define INFO(field) FORM_INFO, offsetof(struct key_info, field), NULL
#define FIELD(field) FORM_FIELD, offsetof(struct certificate, field), NULL
#define FLAG(value) FORM_FLAG, (value), NULL
#define NUMBER(value) FORM_NUMBER, (value), NULL
#define EMPTY FORM_EMPTY, 0, NULL
#define SECRET FORM_SECRET, 0, NULL
#define READ(function) FORM_READ, 0, (function)

/* clang-format off */
static const struct row ROW[] = {
    {CKA_CLASS,                OBJECT_ALL, READ(read_class)},
    {CKA_TOKEN,                OBJECT_ALL, FLAG(CK_TRUE)},
    {CKA_PRIVATE,              OBJECT_ALL, FLAG(CK_FALSE)}, /* seen without a login */
    {CKA_MODIFIABLE,           OBJECT_ALL, FLAG(CK_FALSE)},
    {CKA_COPYABLE,             OBJECT_ALL, FLAG(CK_FALSE)},
    {CKA_DESTROYABLE,          OBJECT_ALL, FLAG(CK_FALSE)},
    {CKA_LABEL,                OBJECT_ALL, READ(read_label)},
    {CKA_ID,                   OBJECT_ALL, READ(read_id)},

    {CKA_KEY_TYPE,             OBJECT_KEYS, READ(read_key_type)},
    {CKA_SUBJECT,              OBJECT_KEYS, EMPTY},
    {CKA_START_DATE,           OBJECT_KEYS, EMPTY},
    {CKA_END_DATE,             OBJECT_KEYS, EMPTY},
    {CKA_DERIVE,               OBJECT_KEYS, FLAG(CK_FALSE)},
    {CKA_LOCAL,                OBJECT_KEYS, FLAG(CK_FALSE)}, /* not known: it may be imported */
    {CKA_KEY_GEN_MECHANISM,    OBJECT_KEYS, NUMBER(CK_UNAVAILABLE_INFORMATION)},
    {CKA_ALLOWED_MECHANISMS,   OBJECT_KEYS, READ(read_mechanisms)},
    {CKA_MODULUS,              OBJECT_KEYS, INFO(modulus)},
    {CKA_PUBLIC_EXPONENT,      OBJECT_KEYS, INFO(exponent)},
    {CKA_EC_PARAMS,            OBJECT_KEYS, INFO(params)},
    {CKA_EC_POINT,             OBJECT_KEYS, INFO(point)},
    {CKA_PUBLIC_KEY_INFO,      OBJECT_KEYS, INFO(der)},

    {CKA_SENSITIVE,            OBJECT_PRIVATE, FLAG(CK_TRUE)},
    {CKA_ALWAYS_SENSITIVE,     OBJECT_PRIVATE, FLAG(CK_TRUE)},
    {CKA_EXTRACTABLE,          OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_NEVER_EXTRACTABLE,    OBJECT_PRIVATE, FLAG(CK_TRUE)},
    {CKA_SIGN,                 OBJECT_PRIVATE, FLAG(CK_TRUE)},
    {CKA_SIGN_RECOVER,         OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_DECRYPT,              OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_UNWRAP,               OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_WRAP_WITH_TRUSTED,    OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_ALWAYS_AUTHENTICATE,  OBJECT_PRIVATE, FLAG(CK_FALSE)},
    {CKA_VALUE,                OBJECT_PRIVATE, SECRET},
    {CKA_PRIVATE_EXPONENT,     OBJECT_PRIVATE, SECRET},
    {CKA_PRIME_1,              OBJECT_PRIVATE, SECRET},
    {CKA_PRIME_2,              OBJECT_PRIVATE, SECRET},
    {CKA_EXPONENT_1,           OBJECT_PRIVATE, SECRET},
    {CKA_EXPONENT_2,           OBJECT_PRIVATE, SECRET},
    {CKA_COEFFICIENT,          OBJECT_PRIVATE, SECRET},

    {CKA_MODULUS_BITS,         OBJECT_PUBLIC, READ(read_bits)},
    {CKA_VERIFY,               OBJECT_PUBLIC, FLAG(CK_TRUE)},
    {CKA_VERIFY_RECOVER,       OBJECT_PUBLIC, FLAG(CK_FALSE)},
    {CKA_ENCRYPT,              OBJECT_PUBLIC, FLAG(CK_FALSE)},
    {CKA_WRAP,                 OBJECT_PUBLIC, FLAG(CK_FALSE)},
    {CKA_TRUSTED,              OBJECT_PUBLIC | OBJECT_CERTIFICATES, FLAG(CK_FALSE)},

    {CKA_CERTIFICATE_TYPE,     OBJECT_CERTIFICATES, NUMBER(CKC_X_509)},
    {CKA_CERTIFICATE_CATEGORY, OBJECT_CERTIFICATES, READ(read_category)},
    {CKA_CHECK_VALUE,          OBJECT_CERTIFICATES, READ(read_check_value)},
    {CKA_START_DATE,           OBJECT_CERTIFICATES, READ(read_begins)},
    {CKA_END_DATE,             OBJECT_CERTIFICATES, READ(read_ends)},
    {CKA_SUBJECT,              OBJECT_CERTIFICATES, FIELD(subject)},
    {CKA_ISSUER,               OBJECT_CERTIFICATES, FIELD(issuer)},
    {CKA_SERIAL_NUMBER,        OBJECT_CERTIFICATES, FIELD(serial)},
    {CKA_VALUE,                OBJECT_CERTIFICATES, FIELD(der)},
    {CKA_PUBLIC_KEY_INFO,      OBJECT_CERTIFICATES, FIELD(public_key)},
    {CKA_URL,                  OBJECT_CERTIFICATES, EMPTY},
};
/* clang-format on */

static CK_RV get_by_row(const struct row *row, const struct object *object, struct attribute *out);

CK_RV
attribute_get(const struct object *object, CK_ATTRIBUTE_TYPE type, struct attribute *out)
{
    for (size_t i = 0; i < ARRAY_LEN(ROW); i++) {
        if (ROW[i].type == type && ROW[i].kinds & object->kind)
            return get_by_row(&ROW[i], object, out);
    }
    return CKR_ATTRIBUTE_TYPE_INVALID;
}

bool
attribute_costs(CK_ATTRIBUTE_TYPE type)
{
    if (type == CKA_ID)
        return true;
    for (size_t i = 0; i < ARRAY_LEN(ROW); i++) {
        if (ROW[i].type == type && ROW[i].form == FORM_INFO)
            return true;
    }
    return false;
}

CK_RV
attribute_check_template(const CK_ATTRIBUTE *attributes, CK_ULONG n)
{
    return n > ATTRIBUTES_MAX || (!attributes && n > 0) ? CKR_ARGUMENTS_BAD : CKR_OK;
}

/* --- values --- */

static CK_RV
give_number(struct attribute *out, CK_ULONG number)
{
    out->own.number = number;
    out->data = &out->own.number;
    out->len = sizeof(out->own.number);
    return CKR_OK;
}

static CK_RV
give_flag(struct attribute *out, bool flag)
{
    out->own.flag = flag ? CK_TRUE : CK_FALSE;
    out->data = &out->own.flag;
    out->len = sizeof(out->own.flag);
    return CKR_OK;
}

static CK_RV
give(struct attribute *out, const void *data, size_t len)
{
    out->data = data;
    out->len = len;
    return CKR_OK;
}

static CK_RV
give_blob(struct attribute *out, const void *base, size_t offset)
{
    const struct ks_blob *blob = (const void *)((const uint8_t *)base + offset);

    /* A curve has no modulus, and the other way round. */
    return blob->data ? give(out, blob->data, blob->len) : CKR_ATTRIBUTE_TYPE_INVALID;
}

static CK_RV
get_by_row(const struct row *row, const struct object *object, struct attribute *out)
{
    const struct key_info *info;
    CK_RV rv;

    switch (row->form) {
    case FORM_FLAG:
        return give_flag(out, row->value);
    case FORM_NUMBER:
        return give_number(out, row->value);
    case FORM_EMPTY:
        return give(out, "", 0);
    case FORM_SECRET:
        return CKR_ATTRIBUTE_SENSITIVE;
    case FORM_READ:
        return row->read(object, out);
    case FORM_INFO:
        rv = entry_info(object->module, object->entry, object->searching, &info);
        return rv ? rv : give_blob(out, info, row->value);
    case FORM_FIELD:
        return give_blob(out, object->certificate, row->value);
    }
    return CKR_ATTRIBUTE_TYPE_INVALID;
}

static CK_RV
read_class(const struct object *object, struct attribute *out)
{
    return give_number(out, object_class(object->kind));
}

/* An issuer is called after the key in whose chain it is. */
static CK_RV
read_label(const struct object *object, struct attribute *out)
{
    size_t len;

    entry_label(object->entry, out->own.text);
    len = strlen(out->own.text);
    if (object->kind == OBJECT_ISSUER)
        len += (size_t)snprintf(out->own.text + len, sizeof(out->own.text) - len, " issuer %zu",
                                object->place);
    return give(out, out->own.text, len);
}

/* A certificate finds its key by it, and says itself what it is. */
static CK_RV
read_id(const struct object *object, struct attribute *out)
{
    const struct key_info *info;
    CK_RV rv;

    if (object->certificate)
        return give(out, object->certificate->id, sizeof(object->certificate->id));
    rv = entry_info(object->module, object->entry, object->searching, &info);
    return rv ? rv : give(out, info->id, sizeof(info->id));
}

static CK_RV
read_key_type(const struct object *object, struct attribute *out)
{
    return give_number(out, key_info_pkcs11_type(object->entry->type));
}

static CK_RV
read_bits(const struct object *object, struct attribute *out)
{
    if (key_info_pkcs11_type(object->entry->type) != CKK_RSA)
        return CKR_ATTRIBUTE_TYPE_INVALID;
    return give_number(out, key_info_bits(object->entry->type));
}

static CK_RV
read_mechanisms(const struct object *object, struct attribute *out)
{
    enum ks_purpose purpose = entry_purpose(object->entry);
    size_t n = 0;

    for (size_t i = 0; i < mechanism_count() && n < ARRAY_LEN(out->own.mechanisms); i++) {
        if (mechanism_allowed(mechanism_at(i), object->entry->type, purpose))
            out->own.mechanisms[n++] = mechanism_at(i)->type;
    }
    return give(out, out->own.mechanisms, n * sizeof(out->own.mechanisms[0]));
}

static CK_RV
read_category(const struct object *object, struct attribute *out)
{
    return give_number(out, object->kind == OBJECT_CERTIFICATE ? CATEGORY_TOKEN_USER
                                                               : CATEGORY_AUTHORITY);
}

static CK_RV
read_check_value(const struct object *object, struct attribute *out)
{
    return give(out, object->certificate->check_value, sizeof(object->certificate->check_value));
}

static CK_RV
give_date(struct attribute *out, const CK_DATE *date)
{
    return give(out, date, date->year[0] != 0 ? sizeof(*date) : 0);
}

static CK_RV
read_begins(const struct object *object, struct attribute *out)
{
    return give_date(out, &object->certificate->begins);
}

static CK_RV
read_ends(const struct object *object, struct attribute *out)
{
    return give_date(out, &object->certificate->ends);
}

/* --- for programs --- */

static bool
is_answer(CK_RV rv)
{
    return rv == CKR_OK || rv == CKR_ATTRIBUTE_TYPE_INVALID || rv == CKR_ATTRIBUTE_SENSITIVE;
}

/* One of a template. What cannot be given says so in its length, and the others are given. */
static CK_RV
answer(const struct object *object, CK_ATTRIBUTE *wanted)
{
    struct attribute value;
    CK_RV rv;

    rv = attribute_get(object, wanted->type, &value);
    if (rv) {
        wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return rv;
    }
    /* A length that an earlier call left as "none" is no room. */
    if (wanted->pValue &&
        (wanted->ulValueLen < value.len || wanted->ulValueLen == CK_UNAVAILABLE_INFORMATION)) {
        wanted->ulValueLen = CK_UNAVAILABLE_INFORMATION;
        return CKR_BUFFER_TOO_SMALL;
    }
    if (wanted->pValue && value.len > 0)
        memcpy(wanted->pValue, value.data, value.len);
    wanted->ulValueLen = value.len;
    return CKR_OK;
}

CK_RV
C_GetAttributeValue(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object_number,
                    CK_ATTRIBUTE *attributes, CK_ULONG n)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    ks_auto(object_deinit) struct object object = OBJECT_INIT;
    CK_RV rv, first = CKR_OK;

    rv = session_begin(handle, &call);
    if (!rv)
        rv = attribute_check_template(attributes, n);
    if (!rv)
        rv = object_open(call.module, object_number, &object);
    for (CK_ULONG i = 0; !rv && i < n; i++) {
        CK_RV one = answer(&object, &attributes[i]);

        if (!first)
            first = one;
        if (!is_answer(one) && one != CKR_BUFFER_TOO_SMALL)
            rv = one;
    }
    return rv ? rv : first;
}

CK_RV
C_GetObjectSize(CK_SESSION_HANDLE handle, CK_OBJECT_HANDLE object_number, CK_ULONG *size)
{
    ks_auto(session_end) struct call call = CALL_INIT;
    ks_auto(object_deinit) struct object object = OBJECT_INIT;
    CK_RV rv;

    rv = session_begin(handle, &call);
    if (!rv && !size)
        rv = CKR_ARGUMENTS_BAD;
    if (!rv)
        rv = object_open(call.module, object_number, &object);
    if (rv)
        return rv;
    *size = CK_UNAVAILABLE_INFORMATION;
    return CKR_OK;
}
