/* SPDX-License-Identifier: Apache-2.0 */
/*
 * certobject - CKO_CERTIFICATE objects
 */
#include "token/certobject.h"

#include <stdio.h>

#include "token/certchain.h"

static ks_err remove_place(struct slot *slot, const struct object_list *place,
                           const struct object_list *keep, size_t *n_removed, struct fault *why);

void
certobject_set_deinit(struct certobject_set *set)
{
    for (size_t i = 0; i < ARRAY_LEN(set->places); i++)
        object_list_deinit(&set->places[i]);
}

size_t
certobject_count(const struct certobject_set *set)
{
    size_t n = 0;

    for (size_t i = 0; i < ARRAY_LEN(set->places); i++)
        n += set->places[i].n_handles;
    return n;
}

static void
make_label(const char *key_label, size_t position, char out[static CERTOBJECT_LABEL_MAX + 1])
{
    if (position == 0)
        snprintf(out, CERTOBJECT_LABEL_MAX + 1, "%s", key_label);
    else
        snprintf(out, CERTOBJECT_LABEL_MAX + 1, "%s:%zu", key_label, position);
}

ks_err
certobject_find_at(struct slot *slot, const char *key_label, size_t position,
                   struct object_list *out, struct fault *why)
{
    char label[CERTOBJECT_LABEL_MAX + 1];

    make_label(key_label, position, label);
    return object_find(slot, CKO_CERTIFICATE, label, out, why);
}

/* Ends behind the own one at the first place that is empty: a search costs a token as much as it
 * has objects. */
ks_err
certobject_find(struct slot *slot, const char *key_label, struct certobject_set *set,
                struct fault *why)
{
    for (size_t i = 0; i < ARRAY_LEN(set->places); i++) {
        ks_err err = certobject_find_at(slot, key_label, i, &set->places[i], why);

        if (err)
            return err;
        if (i > 0 && set->places[i].n_handles == 0)
            break;
    }
    return KS_OK;
}

/* DER of what is asked for by name and number, and of the whole. */
struct encoding {
    uint8_t *subject, *issuer, *serial, *value;
    int subject_len, issuer_len, serial_len, value_len;
};

static void
encoding_deinit(struct encoding *encoding)
{
    OPENSSL_free(encoding->subject);
    OPENSSL_free(encoding->issuer);
    OPENSSL_free(encoding->serial);
    OPENSSL_free(encoding->value);
}

static bool
encode(X509 *certificate, struct encoding *out)
{
    out->subject_len = i2d_X509_NAME(X509_get_subject_name(certificate), &out->subject);
    out->issuer_len = i2d_X509_NAME(X509_get_issuer_name(certificate), &out->issuer);
    out->serial_len = i2d_ASN1_INTEGER(X509_get0_serialNumber(certificate), &out->serial);
    out->value_len = i2d_X509(certificate, &out->value);
    return out->subject_len > 0 && out->issuer_len > 0 && out->serial_len > 0 && out->value_len > 0;
}

ks_err
certobject_create(struct slot *slot, const char *key_label, size_t position, X509 *certificate,
                  const uint8_t *id, struct fault *why)
{
    ks_auto(encoding_deinit) struct encoding der = {NULL};
    char label[CERTOBJECT_LABEL_MAX + 1];
    CK_OBJECT_CLASS class = CKO_CERTIFICATE;
    CK_CERTIFICATE_TYPE type = CKC_X_509;
    CK_BBOOL yes = CK_TRUE, no = CK_FALSE;
    CK_OBJECT_HANDLE object;
    ks_err err;

    make_label(key_label, position, label);
    if (!encode(certificate, &der)) {
        fault_set(why, "no memory for a certificate");
        return KS_ERR_INTERNAL;
    }
    CK_ATTRIBUTE template[] = {
        {CKA_CLASS, &class, sizeof(class)},
        {CKA_CERTIFICATE_TYPE, &type, sizeof(type)},
        {CKA_TOKEN, &yes, sizeof(yes)},
        {CKA_PRIVATE, &no, sizeof(no)},
        {CKA_LABEL, label, strlen(label)},
        {CKA_SUBJECT, der.subject, (CK_ULONG)der.subject_len},
        {CKA_ISSUER, der.issuer, (CK_ULONG)der.issuer_len},
        {CKA_SERIAL_NUMBER, der.serial, (CK_ULONG)der.serial_len},
        {CKA_VALUE, der.value, (CK_ULONG)der.value_len},
        {CKA_ID, (void *)(uintptr_t)id, SPKI_KEY_ID_LEN},
    };

    err = object_create(slot, template, ARRAY_LEN(template) - (id ? 0 : 1), &object, why);
    if (err)
        fault_prefix(why, "the certificate %s", label);
    return err;
}

ks_err
certobject_read(struct slot *slot, CK_OBJECT_HANDLE object, X509 **out, struct fault *why)
{
    ks_auto(buf_deinit) struct buf value = BUF_INIT;
    struct fault unused = FAULT_INIT;
    ks_err err = object_bytes(slot, object, CKA_VALUE, JOB_MAX_CERTIFICATE, &value, &unused);

    *out = NULL;
    if (err == KS_ERR_NO_KEY)
        return KS_OK;
    if (err)
        *why = unused;
    else
        *out = certchain_certificate(value.data, value.len);
    return err;
}

ks_err
certobject_remove(struct slot *slot, const struct certobject_set *set,
                  const struct certobject_set *keep, size_t *n_removed, struct fault *why)
{
    static const struct certobject_set nothing;
    ks_err err;

    if (!keep)
        keep = &nothing;
    err = remove_place(slot, &set->places[0], &keep->places[0], n_removed, why);
    for (size_t i = ARRAY_LEN(set->places) - 1; !err && i > 0; i--)
        err = remove_place(slot, &set->places[i], &keep->places[i], n_removed, why);
    return err;
}

static bool
contains(const struct object_list *list, CK_OBJECT_HANDLE handle)
{
    for (size_t i = 0; i < list->n_handles; i++) {
        if (list->handles[i] == handle)
            return true;
    }
    return false;
}

bool
certobject_has_all(const struct certobject_set *set, const struct certobject_set *part)
{
    for (size_t i = 0; i < ARRAY_LEN(part->places); i++) {
        for (size_t n = 0; n < part->places[i].n_handles; n++) {
            if (!contains(&set->places[i], part->places[i].handles[n]))
                return false;
        }
    }
    return true;
}

static ks_err
remove_place(struct slot *slot, const struct object_list *place, const struct object_list *keep,
             size_t *n_removed, struct fault *why)
{
    for (size_t i = 0; i < place->n_handles; i++) {
        ks_err err;

        if (contains(keep, place->handles[i]))
            continue;
        err = object_destroy(slot, place->handles[i], why);
        if (err)
            return err;
        (*n_removed)++;
    }
    return KS_OK;
}
