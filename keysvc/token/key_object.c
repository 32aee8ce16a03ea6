/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_object - templates for C_CreateObject, and the way back
 */
#include "token/key_object.h"

#include "base/log.h"
#include "token/change.h"
#include "token/ckr.h"
#include "token/object.h"
#include "token/ossl.h"
#include "token/template.h"

#define POINT_MAX (KS_PUBLIC_KEY_MAX_LEN + 8) /* bytes: in its OCTET STRING */

/* What the attributes of both templates point to; only `key` is secret, and is borrowed. */
struct draft {
    const struct private_key *key;
    const char *label;
    CK_OBJECT_CLASS class;
    CK_KEY_TYPE type;
    uint8_t id[SPKI_KEY_ID_LEN];
    const uint8_t *params; /* CKA_EC_PARAMS; len 0 for RSA */
    size_t params_len;
    uint8_t point[POINT_MAX]; /* CKA_EC_POINT */
    size_t point_len;
    CK_ATTRIBUTE attributes[TEMPLATE_MAX];
    CK_ULONG n_attributes;
    unsigned int n_tries;
    CK_OBJECT_HANDLE public_key, private_key; /* CK_INVALID_HANDLE: not made */
    bool is_unread; /* the token did not say what it keeps: nothing may be found by its label */
    bool is_left;   /* one of them could not be destroyed by its handle */
};

static ks_err draft_init(struct draft *draft, const char *label, const struct private_key *key,
                         struct fault *why);
static ks_err draft_public(struct draft *draft, const struct config_profile *profile,
                           struct fault *why);
static ks_err draft_private(struct draft *draft, const struct config_profile *profile,
                            struct fault *why);
static ks_err create(struct worker *worker, void *context, struct fault *why);
static ks_err create_both(struct worker *worker, struct draft *draft, struct fault *why);
static ks_err check(struct worker *worker, struct draft *draft, struct fault *why);
static void destroy_both(struct worker *worker, struct draft *draft);
static ks_err remove_all(struct worker *worker, void *context, struct fault *why);

static CK_BBOOL yes = CK_TRUE;
static CK_BBOOL no = CK_FALSE;

ks_err
key_object_create(struct worker *worker, const char *label, const struct private_key *key,
                  struct fault *why)
{
    struct fault undoing = FAULT_INIT;
    struct change_tries tries = change_tries_begin();
    struct draft draft;
    ks_err err = draft_init(&draft, label, key, why);
    bool is_removed = true;

    if (err)
        return err;
    do {
        err = worker_try(worker, create, &draft, why);
        if (!err || draft.n_tries == 0)
            return err;
        is_removed = key_object_remove(worker, label, &key->spki, &undoing) == KS_OK;
    } while (is_removed && !draft.is_left && (draft.is_unread || worker_excuse(worker, why)) &&
             change_once_more(worker, label, &tries, why));
    if (is_removed && draft.is_left && draft.is_unread) {
        fault_hint(why, "a part of it may be on the token without a label: look for objects of "
                        "today with the vendor's tools");
        return KS_ERR_OUTCOME_UNKNOWN;
    }
    if (is_removed)
        return err;
    fault_hint(why,
               "`keysvc key show` says whether the key is there; what is left of it goes with "
               "`keysvc key destroy %s`",
               label);
    return KS_ERR_OUTCOME_UNKNOWN;
}

ks_err
key_object_remove(struct worker *worker, const char *label, const struct spki *spki,
                  struct fault *why)
{
    struct draft draft = {.label = label};
    ks_err err = spki_key_id(spki, draft.id);

    return err ? err : worker_try(worker, remove_all, &draft, why);
}

/* CKA_EC_POINT is the BIT STRING's contents as an OCTET STRING; SPKI ends with them. */
static ks_err
set_point(struct draft *draft)
{
    static const size_t lengths[KS_KEY_TYPE_COUNT] = {[KS_KEY_TYPE_EC_P256] = 65,
                                                      [KS_KEY_TYPE_EC_P384] = 97,
                                                      [KS_KEY_TYPE_EC_P521] = 133,
                                                      [KS_KEY_TYPE_ED25519] = 32};
    const struct spki *spki = &draft->key->spki;
    size_t len = lengths[spki->type];
    uint8_t *at = draft->point;

    if (len == 0 || len > spki->len)
        return KS_ERR_INTERNAL;
    ASN1_put_object(&at, 0, (int)len, V_ASN1_OCTET_STRING, V_ASN1_UNIVERSAL);
    memcpy(at, spki->der + spki->len - len, len);
    draft->point_len = (size_t)(at - draft->point) + len;
    return KS_OK;
}

static ks_err
draft_init(struct draft *draft, const char *label, const struct private_key *key, struct fault *why)
{
    unsigned long bits;
    ks_err err;

    *draft = (struct draft){.key = key, .label = label, .type = CKK_RSA};
    if (!spki_parameters(key->spki.type, &draft->params, &draft->params_len, &bits)) {
        fault_set(why, "keys of the type %s are not imported", ks_key_type_name(key->spki.type));
        return KS_ERR_UNSUPPORTED;
    }
    err = spki_key_id(&key->spki, draft->id);
    if (err || draft->params_len == 0)
        return err;
    draft->type = key->spki.type == KS_KEY_TYPE_ED25519 ? CKK_EC_EDWARDS : CKK_EC;
    return set_point(draft);
}

static void
add(struct draft *draft, CK_ATTRIBUTE_TYPE type, const void *value, size_t len)
{
    draft->attributes[draft->n_attributes++] = (CK_ATTRIBUTE){type, (void *)(uintptr_t)value, len};
}

static void
add_flag(struct draft *draft, CK_ATTRIBUTE_TYPE type, bool value)
{
    add(draft, type, value ? &yes : &no, sizeof(yes));
}

static void
add_part(struct draft *draft, CK_ATTRIBUTE_TYPE type, enum private_key_part part)
{
    add(draft, type, draft->key->parts[part].data, draft->key->parts[part].len);
}

static void
add_common(struct draft *draft, CK_OBJECT_CLASS class, bool is_private)
{
    draft->n_attributes = 0;
    draft->class = class;
    add(draft, CKA_CLASS, &draft->class, sizeof(draft->class));
    add(draft, CKA_KEY_TYPE, &draft->type, sizeof(draft->type));
    add_flag(draft, CKA_TOKEN, true);
    add_flag(draft, CKA_PRIVATE, is_private);
    add(draft, CKA_LABEL, draft->label, strlen(draft->label));
    add(draft, CKA_ID, draft->id, sizeof(draft->id));
}

static ks_err
draft_public(struct draft *draft, const struct config_profile *profile, struct fault *why)
{
    add_common(draft, CKO_PUBLIC_KEY, false);
    if (draft->type == CKK_RSA) {
        add_part(draft, CKA_MODULUS, PRIVATE_KEY_MODULUS);
        add_part(draft, CKA_PUBLIC_EXPONENT, PRIVATE_KEY_EXPONENT);
    } else {
        add(draft, CKA_EC_PARAMS, draft->params, draft->params_len);
        add(draft, CKA_EC_POINT, draft->point, draft->point_len);
    }
    return template_usage(draft->attributes, &draft->n_attributes, &profile->public_attributes,
                          why);
}

static ks_err
draft_private(struct draft *draft, const struct config_profile *profile, struct fault *why)
{
    static const struct {
        CK_ATTRIBUTE_TYPE type;
        enum private_key_part part;
    } rsa[] = {
        {CKA_MODULUS, PRIVATE_KEY_MODULUS},         {CKA_PUBLIC_EXPONENT, PRIVATE_KEY_EXPONENT},
        {CKA_PRIVATE_EXPONENT, PRIVATE_KEY_SECRET}, {CKA_PRIME_1, PRIVATE_KEY_PRIME_1},
        {CKA_PRIME_2, PRIVATE_KEY_PRIME_2},         {CKA_EXPONENT_1, PRIVATE_KEY_EXPONENT_1},
        {CKA_EXPONENT_2, PRIVATE_KEY_EXPONENT_2},   {CKA_COEFFICIENT, PRIVATE_KEY_COEFFICIENT},
    };

    add_common(draft, CKO_PRIVATE_KEY, true);
    add_flag(draft, CKA_SENSITIVE, true);
    add_flag(draft, CKA_EXTRACTABLE, false);
    if (draft->type == CKK_RSA) {
        for (size_t i = 0; i < ARRAY_LEN(rsa); i++)
            add_part(draft, rsa[i].type, rsa[i].part);
    } else {
        add(draft, CKA_EC_PARAMS, draft->params, draft->params_len);
        add_part(draft, CKA_VALUE, PRIVATE_KEY_SECRET);
    }
    return template_usage(draft->attributes, &draft->n_attributes, &profile->private_attributes,
                          why);
}

/* A worker_step; what an earlier try left behind is taken away first. */
static ks_err
create(struct worker *worker, void *context, struct fault *why)
{
    struct draft *draft = context;
    ks_err err = KS_OK;

    draft->public_key = draft->private_key = CK_INVALID_HANDLE;
    draft->is_unread = draft->is_left = false;
    if (draft->n_tries > 0)
        err = remove_all(worker, draft, why);
    if (!err)
        err = create_both(worker, draft, why);
    if (!err)
        err = check(worker, draft, why);
    if (err)
        destroy_both(worker, draft);
    return err;
}

static ks_err
create_both(struct worker *worker, struct draft *draft, struct fault *why)
{
    const struct config_profile *profile = &worker->token->profile;
    ks_err err = draft_public(draft, profile, why);

    if (err)
        return err;
    draft->n_tries++;
    err = object_create(worker->slot, draft->attributes, draft->n_attributes, &draft->public_key,
                        why);
    if (!err)
        err = draft_private(draft, profile, why);
    if (!err)
        err = object_create(worker->slot, draft->attributes, draft->n_attributes,
                            &draft->private_key, why);
    if (err == KS_ERR_UNSUPPORTED) {
        fault_prefix(why, "token %s does not take a private key of type %s", worker->token->name,
                     ks_key_type_name(draft->key->spki.type));
        fault_hint(why, "see `keysvc token show %s`; generate the key there instead",
                   worker->token->name);
    }
    return err;
}

static ks_err
destroy_half(struct worker *worker, CK_OBJECT_HANDLE object, struct fault *why)
{
    ks_err err = object == CK_INVALID_HANDLE ? KS_OK : object_destroy(worker->slot, object, why);

    /* It is gone, or has another handle: key_object_remove() finds it. */
    return err && ckr_action(why->rv) == CKR_ACTION_FIND ? KS_OK : err;
}

/* By their handles: one that shows nothing of itself is not found by its label. The private half
 * first, as in remove_all(), which says whether nothing is left. */
static void
destroy_both(struct worker *worker, struct draft *draft)
{
    struct fault why = FAULT_INIT;
    ks_err err = destroy_half(worker, draft->private_key, &why);

    if (!err)
        err = destroy_half(worker, draft->public_key, &why);
    draft->is_left = err != KS_OK;
    if (err)
        log_error("event=destroy-failed token=%s key=%s reason=\"%s\"", worker->token->name,
                  draft->label, LOG_TEXT(why.text));
}

/* Not what we asked for, but what the token says it keeps. */
static ks_err
check(struct worker *worker, struct draft *draft, struct fault *why)
{
    const struct spki *spki = &draft->key->spki;
    bool is_sensitive = false, is_extractable = true;
    struct spki shown = {.len = 0};
    ks_err err;

    err = object_flag(worker->slot, draft->private_key, CKA_SENSITIVE, &is_sensitive, why);
    if (!err)
        err = object_flag(worker->slot, draft->private_key, CKA_EXTRACTABLE, &is_extractable, why);
    if (!err)
        err = object_spki(worker->slot, draft->public_key, &shown, why);
    draft->is_unread = (err == KS_ERR_NO_KEY && why->text[0] == '\0') ||
                       (err && ckr_action(why->rv) == CKR_ACTION_FIND);
    if (draft->is_unread && why->rv == CKR_OK) {
        fault_set(why, "the token does not show the key that was imported");
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (err && err != KS_ERR_NO_KEY)
        return err;
    if (!is_sensitive || is_extractable) {
        fault_set(why,
                  "the token would give the imported key out again (CKA_SENSITIVE %s, "
                  "CKA_EXTRACTABLE %s); it was destroyed",
                  is_sensitive ? "true" : "false", is_extractable ? "true" : "false");
        return KS_ERR_UNSUPPORTED;
    }
    if (shown.len != spki->len || memcmp(shown.der, spki->der, spki->len) != 0) {
        fault_set(why,
                  "the token shows another public key than the imported one; it was destroyed");
        return KS_ERR_UNSUPPORTED;
    }
    return KS_OK;
}

/* A worker_step. The private half first: it must never stand alone without the public one. */
static ks_err
remove_all(struct worker *worker, void *context, struct fault *why)
{
    static const CK_OBJECT_CLASS classes[] = {CKO_PRIVATE_KEY, CKO_PUBLIC_KEY};
    struct draft *draft = context;
    ks_err err = KS_OK;

    for (size_t i = 0; !err && i < ARRAY_LEN(classes); i++) {
        ks_auto(object_list_deinit) struct object_list found = OBJECT_LIST_INIT;
        CK_OBJECT_CLASS class = classes[i];
        CK_ATTRIBUTE template[] = {
            {CKA_CLASS, &class, sizeof(class)},
            {CKA_LABEL, (void *)(uintptr_t)draft->label, strlen(draft->label)},
            {CKA_ID, draft->id, sizeof(draft->id)},
        };

        err = object_find_by(worker->slot, template, ARRAY_LEN(template), &found, why);
        for (size_t n = 0; !err && n < found.n_handles; n++)
            err = object_destroy(worker->slot, found.handles[n], why);
    }
    return err;
}
