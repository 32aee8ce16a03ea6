/* SPDX-License-Identifier: Apache-2.0 */
/*
 * template - key pair templates
 */
#include "token/template.h"

#include "token/spki.h"

static const struct {
    const char *name;
    CK_ATTRIBUTE_TYPE type;
} usage_attributes[] = {
    {"COPYABLE", CKA_COPYABLE},
    {"DECRYPT", CKA_DECRYPT},
    {"DERIVE", CKA_DERIVE},
    {"ENCRYPT", CKA_ENCRYPT},
    {"MODIFIABLE", CKA_MODIFIABLE},
    {"SIGN", CKA_SIGN},
    {"SIGN_RECOVER", CKA_SIGN_RECOVER},
    {"UNWRAP", CKA_UNWRAP},
    {"VERIFY", CKA_VERIFY},
    {"VERIFY_RECOVER", CKA_VERIFY_RECOVER},
    {"WRAP", CKA_WRAP},
    {"WRAP_WITH_TRUSTED", CKA_WRAP_WITH_TRUSTED},
};

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;
static CK_BYTE f4[] = {0x01, 0x00, 0x01};

static void
add(CK_ATTRIBUTE *attributes, CK_ULONG *n, CK_ATTRIBUTE_TYPE type, void *value, size_t len)
{
    attributes[*n] = (CK_ATTRIBUTE){type, value, len};
    (*n)++;
}

static void
add_flag(CK_ATTRIBUTE *attributes, CK_ULONG *n, CK_ATTRIBUTE_TYPE type, bool value)
{
    add(attributes, n, type, value ? &yes : &no, sizeof(yes));
}

ks_err
template_make(enum ks_key_type type, const char *label, const struct config_profile *profile,
              struct template *out, struct fault *why)
{
    const uint8_t *params = NULL;
    size_t params_len = 0;
    ks_err err;

    out->n_public = out->n_private = 0;
    if (!spki_parameters(type, &params, &params_len, &out->bits) ||
        !text_copy(out->label, sizeof(out->label), label)) {
        fault_set(why, "keys of the type %s are not generated", ks_key_type_name(type));
        return KS_ERR_UNSUPPORTED;
    }
    if (params_len == 0) {
        out->mechanism = (CK_MECHANISM){CKM_RSA_PKCS_KEY_PAIR_GEN, NULL, 0};
        add(out->public_attributes, &out->n_public, CKA_MODULUS_BITS, &out->bits,
            sizeof(out->bits));
        add(out->public_attributes, &out->n_public, CKA_PUBLIC_EXPONENT, f4, sizeof(f4));
    } else {
        out->mechanism = (CK_MECHANISM){CKM_EC_KEY_PAIR_GEN, NULL, 0};
        if (type == KS_KEY_TYPE_ED25519)
            out->mechanism.mechanism = CKM_EC_EDWARDS_KEY_PAIR_GEN;
        add(out->public_attributes, &out->n_public, CKA_EC_PARAMS, (void *)(uintptr_t)params,
            params_len);
    }
    add_flag(out->public_attributes, &out->n_public, CKA_TOKEN, true);
    add(out->public_attributes, &out->n_public, CKA_LABEL, out->label, strlen(out->label));
    add_flag(out->private_attributes, &out->n_private, CKA_TOKEN, true);
    add_flag(out->private_attributes, &out->n_private, CKA_PRIVATE, true);
    add_flag(out->private_attributes, &out->n_private, CKA_SENSITIVE, true);
    add_flag(out->private_attributes, &out->n_private, CKA_EXTRACTABLE, false);
    add(out->private_attributes, &out->n_private, CKA_LABEL, out->label, strlen(out->label));
    err = template_usage(out->public_attributes, &out->n_public, &profile->public_attributes, why);
    if (!err)
        err = template_usage(out->private_attributes, &out->n_private, &profile->private_attributes,
                             why);
    return err;
}

/* "SIGN", "DECRYPT=FALSE" */
static bool
parse_usage(const char *text, CK_ATTRIBUTE_TYPE *type, bool *value)
{
    size_t len = strcspn(text, "=");
    const char *rest = text + len;

    if (strcmp(rest, "") != 0 && strcmp(rest, "=TRUE") != 0 && strcmp(rest, "=FALSE") != 0)
        return false;
    *value = strcmp(rest, "=FALSE") != 0;
    for (size_t i = 0; i < ARRAY_LEN(usage_attributes); i++) {
        if (strlen(usage_attributes[i].name) == len &&
            memcmp(usage_attributes[i].name, text, len) == 0) {
            *type = usage_attributes[i].type;
            return true;
        }
    }
    return false;
}

ks_err
template_usage(CK_ATTRIBUTE *attributes, CK_ULONG *n, const struct strv *list, struct fault *why)
{
    for (size_t i = 0; i < list->n_items; i++) {
        CK_ATTRIBUTE_TYPE type = 0;
        bool value = false;

        if (*n == TEMPLATE_MAX || !parse_usage(list->items[i], &type, &value)) {
            fault_set(why, "the profile's key attribute \"%s\" is not known, or one too many",
                      list->items[i]);
            return KS_ERR_UNSUPPORTED;
        }
        add_flag(attributes, n, type, value);
    }
    return KS_OK;
}
