/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_object - the objects of the token in memory, and the keys behind them
 */
#pragma once

#include <openssl/evp.h>

#include "fake_pkcs11.h"

#define FAKE_MAX_OBJECTS 64
#define FAKE_MAX_ATTRIBUTES 28
#define FAKE_MAX_VALUE 4096 /* a certificate, too */

struct fake_attribute {
    CK_ATTRIBUTE_TYPE type;
    size_t len;
    uint8_t value[FAKE_MAX_VALUE];
};

struct fake_object {
    bool exists;
    CK_OBJECT_HANDLE handle;
    struct fake_attribute attributes[FAKE_MAX_ATTRIBUTES];
    size_t n_attributes;
    EVP_PKEY *pkey;
};

extern struct fake_object fake_objects[FAKE_MAX_OBJECTS];

/* Takes a reference of the key, which may be NULL. */
struct fake_object *fake_object_new(CK_OBJECT_CLASS class, EVP_PKEY *pkey);
void fake_object_free(struct fake_object *object);

/* NULL: none. */
struct fake_object *fake_object_by(CK_OBJECT_HANDLE handle);
struct fake_object *fake_object_labelled(const char *label, CK_OBJECT_CLASS class);
struct fake_attribute *fake_object_attribute(struct fake_object *object, CK_ATTRIBUTE_TYPE type);
const CK_ATTRIBUTE *fake_object_wanted(const CK_ATTRIBUTE *template, CK_ULONG n,
                                       CK_ATTRIBUTE_TYPE type);

void fake_object_set(struct fake_object *object, CK_ATTRIBUTE_TYPE type, const void *value,
                     size_t len);
void fake_object_set_flag(struct fake_object *object, CK_ATTRIBUTE_TYPE type, bool value);
bool fake_object_has_flag(struct fake_object *object, CK_ATTRIBUTE_TYPE type);

/* fake_key.c: a private key of its numbers; NULL: they are none. */
EVP_PKEY *fake_key_rsa(const CK_ATTRIBUTE *template, CK_ULONG n);
EVP_PKEY *fake_key_ec(const CK_ATTRIBUTE *template, CK_ULONG n);

/* The private object; it shows its public half if there is no public object. */
struct fake_object *fake_key_pair(bool is_rsa, bool with_public,
                                  struct fake_object **public_object);
