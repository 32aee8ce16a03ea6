/* SPDX-License-Identifier: Apache-2.0 */
/*
 * adopt - URIs, and the places where other tools keep the public half
 */
#include "token/adopt.h"

#include <openssl/x509.h>
#include <p11-kit/uri.h>

#include "base/log.h"
#include "ipc/job.h"

static ks_err take_attributes(P11KitUri *uri, struct adopted *out, struct fault *why);
static ks_err find_half(struct slot *slot, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE private_key,
                        CK_ATTRIBUTE_TYPE by, struct spki *out, struct fault *why);
static ks_err read_half(struct slot *slot, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE object,
                        struct spki *out, struct fault *why);
static ks_err belongs(struct slot *slot, CK_OBJECT_HANDLE private_key, const struct spki *spki,
                      bool *yes, struct fault *why);

static void
uri_freep(P11KitUri **uri)
{
    p11_kit_uri_free(*uri);
}

void
adopt_list_deinit(struct adopt_list *list)
{
    free(list->items);
    *list = (struct adopt_list)ADOPT_LIST_INIT;
}

static bool
is_ours(const struct config *config, const struct adopted *item)
{
    char name[KEYNAME_MAX + 1];
    uint32_t version;

    return item->has_object &&
           keyname_split((const char *)item->object, item->object_len, false, name, &version) &&
           config_class_of(config, name);
}

ks_err
adopt_list_make(const struct config *config, const struct config_token *token,
                const CK_TOKEN_INFO *info, struct adopt_list *out, struct fault *why)
{
    *out = (struct adopt_list)ADOPT_LIST_INIT;
    if (config->n_keys == 0)
        return KS_OK;
    out->items = calloc(config->n_keys, sizeof(*out->items));
    if (!out->items) {
        fault_set(why, "no memory for the keys of the configuration");
        return KS_ERR_INTERNAL;
    }
    for (size_t i = 0; i < config->n_keys; i++) {
        const struct config_class *class = config_class_of(config, config->keys[i].name);
        struct adopted *item = &out->items[out->n_items];
        struct fault skipped = FAULT_INIT;
        bool matches = false;

        if (class && !config_is_member(config, class->token, token->name))
            continue;
        if (adopt_parse(config->keys[i].uri, info, item, &matches, &skipped) != KS_OK) {
            log_error("event=bad-key-uri token=%s key=%s text=\"%s\"", token->name,
                      config->keys[i].name, skipped.text);
            continue;
        }
        if (is_ours(config, item)) {
            log_error("event=bad-key-uri token=%s key=%s text=\"its object is the label of a key "
                      "that has "
                      "a name already: who may replace that one would replace this one\"",
                      token->name, config->keys[i].name);
            continue;
        }
        if (!matches)
            continue;
        keyname_label(config->keys[i].name, 1, item->label);
        out->n_items++;
    }
    return KS_OK;
}

static bool
same(const struct adopted *a, const struct adopted *b)
{
    return strcmp(a->label, b->label) == 0 && a->has_object == b->has_object &&
           a->has_id == b->has_id && a->object_len == b->object_len && a->id_len == b->id_len &&
           memcmp(a->object, b->object, a->object_len) == 0 && memcmp(a->id, b->id, a->id_len) == 0;
}

bool
adopt_list_same(const struct adopt_list *a, const struct adopt_list *b)
{
    if (a->n_items != b->n_items)
        return false;
    for (size_t i = 0; i < a->n_items; i++) {
        if (!same(&a->items[i], &b->items[i]))
            return false;
    }
    return true;
}

const struct adopted *
adopt_find(const struct adopt_list *list, const char *label)
{
    for (size_t i = 0; i < list->n_items; i++) {
        if (strcmp(list->items[i].label, label) == 0)
            return &list->items[i];
    }
    return NULL;
}

/* Attributes that p11-kit does not know, or that name a slot or a module, would be passed over by
 * its comparisons: the URI would mean more than its writer wanted. */
ks_err
adopt_parse(const char *text, const CK_TOKEN_INFO *info, struct adopted *out, bool *matches,
            struct fault *why)
{
    ks_auto(uri_freep) P11KitUri *uri = p11_kit_uri_new();
    int rc = P11_KIT_URI_NO_MEMORY;

    *out = (struct adopted){.has_object = false};
    *matches = false;
    if (uri)
        rc = p11_kit_uri_parse(text, P11_KIT_URI_FOR_OBJECT_ON_TOKEN, uri);
    if (rc != P11_KIT_URI_OK) {
        fault_set(why, "the key's URI is none: %s", p11_kit_uri_message(rc));
        return KS_ERR_BAD_REQUEST;
    }
    if (p11_kit_uri_any_unrecognized(uri)) {
        fault_set(why, "the key's URI has an attribute that means no key on a token");
        return KS_ERR_BAD_REQUEST;
    }
    *matches = p11_kit_uri_match_token_info(uri, info) == 1;
    return take_attributes(uri, out, why);
}

static ks_err
take_bytes(const CK_ATTRIBUTE *attribute, uint8_t out[static ADOPT_ATTRIBUTE_MAX], size_t *len,
           bool *has, struct fault *why)
{
    if (!attribute)
        return KS_OK;
    if (attribute->ulValueLen == 0 || attribute->ulValueLen > ADOPT_ATTRIBUTE_MAX) {
        fault_set(why, "the key's URI has an object or id of %lu bytes; 1 to %d can be",
                  attribute->ulValueLen, ADOPT_ATTRIBUTE_MAX);
        return KS_ERR_BAD_REQUEST;
    }
    memcpy(out, attribute->pValue, attribute->ulValueLen);
    *len = attribute->ulValueLen;
    *has = true;
    return KS_OK;
}

static ks_err
take_attributes(P11KitUri *uri, struct adopted *out, struct fault *why)
{
    const CK_ATTRIBUTE *class = p11_kit_uri_get_attribute(uri, CKA_CLASS);
    CK_OBJECT_CLASS private_key = CKO_PRIVATE_KEY;
    ks_err err;

    if (class && (class->ulValueLen != sizeof(private_key) ||
                  memcmp(class->pValue, &private_key, sizeof(private_key)) != 0)) {
        fault_set(why, "the key's URI says type, and not type=private");
        return KS_ERR_BAD_REQUEST;
    }
    err = take_bytes(p11_kit_uri_get_attribute(uri, CKA_LABEL), out->object, &out->object_len,
                     &out->has_object, why);
    if (!err)
        err = take_bytes(p11_kit_uri_get_attribute(uri, CKA_ID), out->id, &out->id_len,
                         &out->has_id, why);
    if (!err && !out->has_object && !out->has_id) {
        fault_set(why, "the key's URI has neither object nor id");
        return KS_ERR_BAD_REQUEST;
    }
    return err;
}

static void *
borrow(const void *bytes)
{
    return (void *)(uintptr_t)bytes;
}

ks_err
adopt_private(struct slot *slot, const struct adopted *adopted, struct object_list *out,
              struct fault *why)
{
    CK_OBJECT_CLASS class = CKO_PRIVATE_KEY;
    CK_ATTRIBUTE template[3] = {{CKA_CLASS, &class, sizeof(class)}};
    CK_ULONG n = 1;

    if (adopted->has_object)
        template[n++] = (CK_ATTRIBUTE){CKA_LABEL, borrow(adopted->object), adopted->object_len};
    if (adopted->has_id)
        template[n++] = (CK_ATTRIBUTE){CKA_ID, borrow(adopted->id), adopted->id_len};
    return object_find_by(slot, template, n, out, why);
}

/*
 * Where the private key itself shows its public half there is nothing to search. Else the public
 * object with its CKA_ID, else the one with its CKA_LABEL, else a certificate with its CKA_ID. What
 * is wrong all the same shows in the key's first signature, which is verified before it leaves.
 */
ks_err
adopt_public(struct slot *slot, CK_OBJECT_HANDLE private_key, struct spki *out, struct fault *why)
{
    static const struct {
        CK_OBJECT_CLASS class;
        CK_ATTRIBUTE_TYPE by;
    } places[] = {
        {CKO_PUBLIC_KEY, CKA_ID},
        {CKO_PUBLIC_KEY, CKA_LABEL},
        {CKO_CERTIFICATE, CKA_ID},
    };
    ks_err err = object_spki(slot, private_key, out, why);

    if (err != KS_ERR_NO_KEY)
        return err;
    for (size_t i = 0; i < ARRAY_LEN(places); i++) {
        err = find_half(slot, places[i].class, private_key, places[i].by, out, why);
        if (err != KS_ERR_NO_KEY)
            return err;
    }
    *out = (struct spki){.type = KS_KEY_TYPE_ANY};
    return KS_OK;
}

/* NO_KEY: none that belongs. */
static ks_err
find_half(struct slot *slot, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE private_key,
          CK_ATTRIBUTE_TYPE by, struct spki *out, struct fault *why)
{
    ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
    ks_auto(buf_deinit) struct buf value = BUF_INIT;
    CK_ATTRIBUTE template[2] = {{CKA_CLASS, &class, sizeof(class)}};
    ks_err err;

    err = object_bytes(slot, private_key, by, ADOPT_ATTRIBUTE_MAX, &value, why);
    if (err)
        return err;
    template[1] = (CK_ATTRIBUTE){by, value.data, value.len};
    err = object_find_by(slot, template, ARRAY_LEN(template), &found, why);
    if (err)
        return err;
    for (size_t i = 0; i < found.n_handles; i++) {
        bool yes = false;

        err = read_half(slot, class, found.handles[i], out, why);
        if (!err && out->len > 0)
            err = belongs(slot, private_key, out, &yes, why);
        if (yes || (err && err != KS_ERR_NO_KEY))
            return err;
    }
    return KS_ERR_NO_KEY;
}

static ks_err
read_half(struct slot *slot, CK_OBJECT_CLASS class, CK_OBJECT_HANDLE object, struct spki *out,
          struct fault *why)
{
    ks_auto(buf_deinit) struct buf value = BUF_INIT;
    ks_err err;

    if (class == CKO_PUBLIC_KEY)
        return object_spki(slot, object, out, why);
    err = object_bytes(slot, object, CKA_VALUE, JOB_MAX_CERTIFICATE, &value, why);
    if (!err)
        err = spki_from_certificate(value.data, value.len, out, why);
    return err == KS_ERR_BAD_REQUEST ? KS_ERR_NO_KEY : err;
}

/* As far as the private object says anything: its type, and RSA keys their modulus. */
static ks_err
belongs(struct slot *slot, CK_OBJECT_HANDLE private_key, const struct spki *spki, bool *yes,
        struct fault *why)
{
    ks_auto(buf_deinit) struct buf type = BUF_INIT;
    ks_auto(buf_deinit) struct buf modulus = BUF_INIT;
    CK_KEY_TYPE wanted = CKK_EC, is = 0;
    ks_err err;

    *yes = false;
    if (spki->type >= KS_KEY_TYPE_RSA_2048)
        wanted = CKK_RSA;
    else if (spki->type == KS_KEY_TYPE_ED25519)
        wanted = CKK_EC_EDWARDS;
    err = object_bytes(slot, private_key, CKA_KEY_TYPE, sizeof(is), &type, why);
    if (err)
        return err;
    if (type.len == sizeof(is))
        memcpy(&is, type.data, sizeof(is));
    if (type.len != sizeof(is) || is != wanted)
        return KS_OK;
    if (wanted == CKK_RSA)
        err = object_bytes(slot, private_key, CKA_MODULUS, KS_PUBLIC_KEY_MAX_LEN, &modulus, why);
    *yes = !err && (modulus.len == 0 || spki_has_modulus(spki, modulus.data, modulus.len));
    if (err == KS_ERR_NO_KEY) { /* it does not show one */
        *yes = true;
        err = KS_OK;
    }
    return err;
}

ks_err
adopt_is_weak(struct slot *slot, CK_OBJECT_HANDLE private_key, bool *weak, struct fault *why)
{
    bool is_sensitive = true, is_extractable = false;
    ks_err err;

    *weak = false;
    err = object_flag(slot, private_key, CKA_SENSITIVE, &is_sensitive, why);
    if (!err || err == KS_ERR_NO_KEY)
        err = object_flag(slot, private_key, CKA_EXTRACTABLE, &is_extractable, why);
    if (err && err != KS_ERR_NO_KEY)
        return err;
    *weak = !is_sensitive || is_extractable;
    return KS_OK;
}
