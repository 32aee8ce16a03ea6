/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - loading and finding through libp11
 */
#include "token/module.h"

#include <dlfcn.h>

#include <openssl/err.h>
#include <p11-kit/uri.h>

#include "token/ckr.h"

#define MAX_LISTS 8 /* initialising a token takes three */

/* libp11 gives a new list each time, and releasing one closes all sessions of its slots. */
struct slot_list {
    PKCS11_SLOT *slots;
    unsigned int n_slots;
};

struct module {
    PKCS11_CTX *context;
    CK_FUNCTION_LIST *functions;
    struct pulse *pulse;
    struct slot_list lists[MAX_LISTS];
    size_t n_lists;
};

static ks_err find_functions(const char *path, CK_FUNCTION_LIST **out, struct fault *why);
static bool text_matches(const char *text, const unsigned char *padded, size_t len);

static void
enter(struct module *module)
{
    if (module->pulse)
        pulse_enter(module->pulse, PULSE_CALL);
}

static void
leave(struct module *module)
{
    if (module->pulse)
        pulse_leave(module->pulse);
}

const char *
module_error_text(void)
{
    const char *text = ERR_reason_error_string(ERR_peek_last_error());

    return text ? text : "no reason given";
}

ks_err
module_load(const char *path, struct pulse *pulse, struct module **out, struct fault *why)
{
    ks_auto(freep) struct module *module = calloc(1, sizeof(*module));
    ks_err err;
    int rc;

    if (!module)
        return KS_ERR_INTERNAL;
    module->pulse = pulse;
    enter(module);
    err = find_functions(path, &module->functions, why);
    leave(module);
    if (err)
        return err;
    module->context = PKCS11_CTX_new();
    if (!module->context) {
        fault_set(why, "no memory");
        return KS_ERR_INTERNAL;
    }
    enter(module);
    rc = PKCS11_CTX_load(module->context, path);
    leave(module);
    if (rc != 0) {
        fault_set(why, "the module %s does not initialise: %s", path, module_error_text());
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    *out = ks_steal(&module);
    return KS_OK;
}

struct module *
module_free(struct module *module)
{
    if (!module)
        return NULL;
    module_release_slots(module);
    PKCS11_CTX_unload(module->context);
    PKCS11_CTX_free(module->context);
    free(module);
    return NULL;
}

void
module_release_slots(struct module *module)
{
    enter(module);
    while (module->n_lists > 0) {
        struct slot_list *list = &module->lists[--module->n_lists];

        PKCS11_release_all_slots(module->context, list->slots, list->n_slots);
    }
    leave(module);
}

/* dlopen() gives libp11 the same instance again. */
static ks_err
find_functions(const char *path, CK_FUNCTION_LIST **out, struct fault *why)
{
    CK_C_GetFunctionList get_list;
    void *handle = dlopen(path, RTLD_NOW | RTLD_LOCAL);
    CK_RV rv;

    if (!handle) {
        fault_set(why, "the module cannot be loaded: %s", dlerror());
        fault_hint(why, "check `module` in the token's profile");
        return KS_ERR_BAD_REQUEST;
    }
    *(void **)&get_list = dlsym(handle, "C_GetFunctionList");
    if (!get_list) {
        fault_set(why, "%s is no PKCS#11 module", path);
        return KS_ERR_BAD_REQUEST;
    }
    rv = get_list(out);
    if (rv == CKR_OK)
        return KS_OK;
    (void)!ckr_fault(rv, "C_GetFunctionList", why);
    return KS_ERR_BAD_REQUEST;
}

CK_FUNCTION_LIST *
module_functions(const struct module *module)
{
    return module->functions;
}

ks_err
module_slots(struct module *module, PKCS11_SLOT **slots, unsigned int *n_slots, struct fault *why)
{
    int rc = -1;

    if (module->n_lists < MAX_LISTS) {
        enter(module);
        rc = PKCS11_enumerate_slots(module->context, slots, n_slots);
        leave(module);
    }
    if (rc == 0) {
        module->lists[module->n_lists++] = (struct slot_list){*slots, *n_slots};
        return KS_OK;
    }
    fault_set(why, "the module's slots cannot be listed: %s", module_error_text());
    return KS_ERR_TOKEN_UNAVAILABLE;
}

ks_err
module_find_token(struct module *module, const struct config_token *token, CK_SLOT_ID *slot,
                  struct fault *why)
{
    PKCS11_SLOT *slots = NULL;
    unsigned int n_slots = 0, n_found = 0;
    ks_err err = module_slots(module, &slots, &n_slots, why);

    for (unsigned int i = 0; !err && i < n_slots; i++) {
        CK_SLOT_ID id = PKCS11_get_slotid_from_slot(&slots[i]);
        bool matches = false;
        CK_TOKEN_INFO info;
        CK_RV rv;

        if (!slots[i].token)
            continue;
        enter(module);
        rv = module->functions->C_GetTokenInfo(id, &info);
        leave(module);
        if (rv == CKR_OK)
            err = module_match(token, &info, &matches, why);
        if (matches) {
            *slot = id;
            n_found++;
        }
    }
    if (err || n_found == 1)
        return err;
    if (n_found == 0) {
        fault_set(why, "the token %s is not there", token->name);
        fault_hint(why, "plug it in, or `keysvc token init` if it is new");
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    fault_set(why, "%u tokens fit the section of the token %s", n_found, token->name);
    fault_hint(why, "name it by its serial number or URI");
    return KS_ERR_BAD_REQUEST;
}

ks_err
module_match(const struct config_token *token, const CK_TOKEN_INFO *info, bool *matches,
             struct fault *why)
{
    P11KitUri *uri;
    int rc;

    *matches = false;
    if (!(info->flags & CKF_TOKEN_INITIALIZED))
        return KS_OK;
    if (token->label[0] || token->serial[0]) {
        *matches = (!token->label[0] || text_matches(token->label, info->label, 32)) &&
                   (!token->serial[0] || text_matches(token->serial, info->serialNumber, 16));
        return KS_OK;
    }
    uri = p11_kit_uri_new();
    rc = uri ? p11_kit_uri_parse(token->uri, P11_KIT_URI_FOR_TOKEN, uri) : P11_KIT_URI_NO_MEMORY;
    if (rc == P11_KIT_URI_OK)
        *matches = p11_kit_uri_match_token_info(uri, info) == 1;
    p11_kit_uri_free(uri);
    if (rc == P11_KIT_URI_OK)
        return KS_OK;
    fault_set(why, "the URI of the token %s is none: %s", token->name, p11_kit_uri_message(rc));
    return KS_ERR_BAD_REQUEST;
}

/* PKCS#11 pads with blanks. */
static bool
text_matches(const char *text, const unsigned char *padded, size_t len)
{
    size_t text_len = strlen(text);

    while (len > 0 && (padded[len - 1] == ' ' || padded[len - 1] == '\0'))
        len--;
    return len == text_len && memcmp(text, padded, len) == 0;
}
