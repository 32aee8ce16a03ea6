/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_object - objects in an array
 */
#include "fake_object.h"

#include <criterion/criterion.h>

struct fake_object fake_objects[FAKE_MAX_OBJECTS];
static CK_OBJECT_HANDLE last_handle = 100;

struct fake_attribute *
fake_object_attribute(struct fake_object *object, CK_ATTRIBUTE_TYPE type)
{
    for (size_t i = 0; i < object->n_attributes; i++) {
        if (object->attributes[i].type == type)
            return &object->attributes[i];
    }
    return NULL;
}

void
fake_object_set(struct fake_object *object, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    struct fake_attribute *attribute = fake_object_attribute(object, type);

    cr_assert(len <= FAKE_MAX_VALUE && (attribute || object->n_attributes < FAKE_MAX_ATTRIBUTES));
    if (!attribute)
        attribute = &object->attributes[object->n_attributes++];
    attribute->type = type;
    attribute->len = len;
    memcpy(attribute->value, value, len);
}

void
fake_object_set_flag(struct fake_object *object, CK_ATTRIBUTE_TYPE type, bool value)
{
    CK_BBOOL byte = value ? CK_TRUE : CK_FALSE;

    fake_object_set(object, type, &byte, sizeof(byte));
}

bool
fake_object_has_flag(struct fake_object *object, CK_ATTRIBUTE_TYPE type)
{
    struct fake_attribute *attribute = fake_object_attribute(object, type);

    return attribute && attribute->len == 1 && attribute->value[0] == CK_TRUE;
}

struct fake_object *
fake_object_new(CK_OBJECT_CLASS class, EVP_PKEY *pkey)
{
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++) {
        struct fake_object *object = &fake_objects[i];

        if (object->exists)
            continue;
        *object = (struct fake_object){.exists = true, .handle = ++last_handle, .pkey = pkey};
        if (pkey)
            EVP_PKEY_up_ref(pkey);
        fake_object_set(object, CKA_CLASS, &class, sizeof(class));
        return object;
    }
    cr_assert(false, "the fake token is full");
    return NULL;
}

struct fake_object *
fake_object_by(CK_OBJECT_HANDLE handle)
{
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++) {
        if (fake_objects[i].exists && fake_objects[i].handle == handle)
            return &fake_objects[i];
    }
    return NULL;
}

void
fake_object_free(struct fake_object *object)
{
    EVP_PKEY_free(object->pkey);
    *object = (struct fake_object){.exists = false};
}

static bool
is_labelled(struct fake_object *object, const char *label)
{
    const struct fake_attribute *attribute = fake_object_attribute(object, CKA_LABEL);

    return object->exists && attribute && attribute->len == strlen(label) &&
           memcmp(attribute->value, label, attribute->len) == 0;
}

struct fake_object *
fake_object_labelled(const char *label, CK_OBJECT_CLASS class)
{
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++) {
        struct fake_object *object = &fake_objects[i];
        const struct fake_attribute *kind = fake_object_attribute(object, CKA_CLASS);

        if (is_labelled(object, label) && kind && memcmp(kind->value, &class, sizeof(class)) == 0)
            return object;
    }
    return NULL;
}

const CK_ATTRIBUTE *
fake_object_wanted(const CK_ATTRIBUTE *template, CK_ULONG n, CK_ATTRIBUTE_TYPE type)
{
    for (CK_ULONG i = 0; i < n; i++) {
        if (template[i].type == type)
            return &template[i];
    }
    return NULL;
}

void
fake_remove(const char *label)
{
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++) {
        if (is_labelled(&fake_objects[i], label))
            fake_object_free(&fake_objects[i]);
    }
}

unsigned int
fake_count(const char *label)
{
    unsigned int n = 0;

    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++)
        n += is_labelled(&fake_objects[i], label);
    return n;
}

bool
fake_flag(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
    struct fake_object *object = fake_object_labelled(label, class);

    return object && fake_object_has_flag(object, type);
}

size_t
fake_bytes(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, uint8_t *out,
           size_t cap)
{
    struct fake_object *object = fake_object_labelled(label, class);
    const struct fake_attribute *attribute = object ? fake_object_attribute(object, type) : NULL;

    if (!attribute)
        return 0;
    cr_assert(attribute->len <= cap);
    memcpy(out, attribute->value, attribute->len);
    return attribute->len;
}

void
fake_set(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, const void *value,
         size_t len)
{
    struct fake_object *object = fake_object_labelled(label, class);

    cr_assert(object);
    fake_object_set(object, type, value, len);
}

void
fake_unset(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type)
{
    struct fake_object *object = fake_object_labelled(label, class);
    struct fake_attribute *attribute = object ? fake_object_attribute(object, type) : NULL;

    cr_assert(attribute);
    *attribute = object->attributes[--object->n_attributes];
}

void
fake_remove_object(const char *label, CK_OBJECT_CLASS class)
{
    struct fake_object *object = fake_object_labelled(label, class);

    cr_assert(object);
    fake_object_free(object);
}

void
fake_free(void)
{
    for (size_t i = 0; i < FAKE_MAX_OBJECTS; i++)
        fake_object_free(&fake_objects[i]);
}
