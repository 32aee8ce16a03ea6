/* SPDX-License-Identifier: Apache-2.0 */
/*
 * administer - initialising tokens and changing PINs, as far as it goes through libp11
 *
 * libp11 keeps PINs in clear memory for as long as it lives, which here is this short process. The
 * service may run beside us: what could meet its logins is done inside of the store's gate, and the
 * PINs are asked for outside of it.
 */
#include "token/administer.h"

#include <stdio.h>
#include <sys/stat.h>

#include <p11-kit/uri.h>

#include "base/secret.h"
#include "token/ckr.h"
#include "token/module.h"
#include "token/p11.h"
#include "token/parent.h"
#include "token/pin.h"
#include "token/sandbox.h"
#include "token/store.h"

#define LABEL_LEN 32 /* bytes of a token's label */

struct administration {
    const struct config_token *token;
    char label[LABEL_LEN + 1];
    struct module *module;
    int fds[CONTROL_PIN_COUNT];
    bool force;
};

static ks_err init_token(struct administration *a, struct fault *why);
static ks_err change_pin(struct administration *a, struct fault *why);
static ks_err run(int argc, char **argv, struct fault *why);
static ks_err load_module(struct administration *a, struct fault *why);

static const struct {
    const char *name;
    ks_err (*run)(struct administration *a, struct fault *why);
} actions[] = {
    {"change-pin", change_pin},
    {"init", init_token},
};

int
administer_run(int argc, char **argv)
{
    struct fault why = FAULT_INIT;
    ks_err err = run(argc, argv, &why);

    if (err)
        fprintf(stderr, "keysvc-token: %s%s%s\n", why.text[0] ? why.text : err_info(err)->message,
                why.hint[0] ? "; " : "", why.hint);
    return (int)err;
}

static ks_err
find_action(int argc, char **argv, size_t *action, bool *force)
{
    *force = argc == 2 && strcmp(argv[1], "--force") == 0;
    if (argc < 1 || argc > 2 || (argc == 2 && !*force))
        return KS_ERR_USAGE;
    for (*action = 0; *action < ARRAY_LEN(actions); (*action)++) {
        if (strcmp(actions[*action].name, argv[0]) == 0)
            return *force && actions[*action].run != init_token ? KS_ERR_USAGE : KS_OK;
    }
    return KS_ERR_USAGE;
}

/* A token that is to be made needs a name: its label, or the one in its URI. */
static ks_err
choose_label(struct administration *a, struct fault *why)
{
    P11KitUri *uri = p11_kit_uri_new();
    const CK_TOKEN_INFO *info;
    size_t len = LABEL_LEN;

    (void)text_copy(a->label, sizeof(a->label), a->token->label);
    if (!a->label[0] && uri &&
        p11_kit_uri_parse(a->token->uri, P11_KIT_URI_FOR_TOKEN, uri) == P11_KIT_URI_OK) {
        info = p11_kit_uri_get_token_info(uri);
        while (len > 0 && (info->label[len - 1] == ' ' || info->label[len - 1] == '\0' ||
                           info->label[len - 1] == 0xff))
            len--;
        memcpy(a->label, info->label, len);
        a->label[len] = '\0';
    }
    p11_kit_uri_free(uri);
    if (a->label[0])
        return KS_OK;
    fault_set(why, "the section of the token %s does not say its label", a->token->name);
    return KS_ERR_USAGE;
}

static ks_err
run(int argc, char **argv, struct fault *why)
{
    ks_auto(parent_freep) struct parent *parent = NULL;
    struct control_setup setup = {.config = NULL};
    struct administration a = {.fds = {-1, -1, -1}};
    size_t action = 0;
    ks_err err;

    err = find_action(argc, argv, &action, &a.force);
    if (err) {
        fault_set(why, "usage: --administer init [--force] | --administer change-pin");
        return err;
    }
    err = parent_new(CONTROL_FD, &parent, why);
    if (!err)
        err = parent_setup(parent, &setup, a.fds, ARRAY_LEN(a.fds), why);
    if (!err) {
        a.token = &setup.config->tokens[setup.token_index];
        err = choose_label(&a, why);
    }
    if (!err)
        err = load_module(&a, why);
    if (!err)
        err = actions[action].run(&a, why);
    for (size_t i = 0; i < ARRAY_LEN(a.fds); i++)
        closep(&a.fds[i]);
    control_setup_deinit(&setup);
    a.module = module_free(a.module);
    return err;
}

static ks_err
load_module(struct administration *a, struct fault *why)
{
    ks_auto(closep) int gate = -1;
    size_t n_restored = 0;
    struct sandbox_state state;
    ks_err err = store_gate(a->token, &gate, why);

    if (!err)
        err = store_restore(a->token, &n_restored, why);
    if (!err)
        err = token_sandbox_enter(a->token, TOKEN_SANDBOX_ADMINISTER, &state, why);
    return err ? err : module_load(a->token->profile.module, NULL, &a->module, why);
}

static ks_err
failed(const struct administration *a, const char *what, struct fault *why)
{
    fault_set(why, "token %s: %s: %s", a->token->name, what, module_error_text());
    return KS_ERR_TOKEN_UNAVAILABLE;
}

static ks_err
call_failed(const struct administration *a, CK_RV rv, const char *call, const char *what,
            struct fault *why)
{
    ks_err err = ckr_fault(rv, call, why);

    fault_prefix(why, "token %s: %s", a->token->name, what);
    return err;
}

/* The token is as it was wanted; that its copy is not is said and fails nothing. */
static void
keep_store(const struct administration *a)
{
    struct fault why = FAULT_INIT;

    if (store_keep(a->token, &why) != KS_OK)
        fprintf(stderr, "keysvc-token: %s\n", why.text);
}

/* The slot with our label, or a free one; NULL: none. */
static ks_err
find_slot(struct administration *a, bool want_free, PKCS11_SLOT **out, struct fault *why)
{
    PKCS11_SLOT *slots = NULL;
    unsigned int n_slots = 0;
    ks_err err = module_slots(a->module, &slots, &n_slots, why);

    *out = NULL;
    for (unsigned int i = 0; !err && !*out && i < n_slots; i++) {
        const PKCS11_TOKEN *token = slots[i].token;

        if (!token)
            continue;
        if (want_free ? !token->initialized
                      : token->initialized && strcmp(token->label, a->label) == 0)
            *out = &slots[i];
    }
    return err;
}

static ks_err
choose_slot(struct administration *a, PKCS11_SLOT **slot, struct fault *why)
{
    ks_err err = find_slot(a, false, slot, why);

    if (err)
        return err;
    if (*slot && !a->force) {
        fault_set(why, "token %s: there is a token with the label %s already", a->token->name,
                  a->label);
        fault_hint(why, "--force destroys it and all its keys");
        return KS_ERR_EXISTS;
    }
    if (*slot)
        return KS_OK;
    err = find_slot(a, true, slot, why);
    if (!err && !*slot) {
        fault_set(why, "token %s: the module has no slot with an uninitialised token",
                  a->token->name);
        return KS_ERR_TOKEN_UNAVAILABLE;
    }
    return err;
}

static ks_err
set_pins(struct administration *a, const char *old_so_pin, const char *so_pin, const char *pin,
         struct fault *why)
{
    PKCS11_SLOT *slot = NULL;
    ks_err err = find_slot(a, false, &slot, why);

    if (err)
        return err;
    if (!slot) {
        fault_set(why, "token %s: it is not there after its initialisation", a->token->name);
        return KS_ERR_OUTCOME_UNKNOWN;
    }
    if (PKCS11_open_session(slot, 1) != 0)
        return failed(a, "no session", why);
    if (PKCS11_login(slot, 1, old_so_pin) != 0)
        return failed(a, "the security officer's login", why);
    if (strcmp(old_so_pin, so_pin) != 0 && PKCS11_change_pin(slot, old_so_pin, so_pin) != 0)
        return failed(a, "the new SO PIN is not accepted", why);
    if (PKCS11_init_pin(slot->token, pin) != 0)
        return failed(a, "the user PIN is not accepted", why);
    (void)PKCS11_logout(slot); /* all is set; the end of this process logs out, too */
    return KS_OK;
}

/* Not asked for: a token that is new, or keeps its SO PIN, wants none. */
static ks_err
read_old_so_pin(struct administration *a, struct secret **out, struct fault *why)
{
    struct stat status;

    if (fstat(a->fds[CONTROL_PIN_OLD_SO], &status) == 0 && !S_ISREG(status.st_mode))
        return KS_OK;
    return pin_read(a->fds[CONTROL_PIN_OLD_SO], out, why);
}

/* A module that does not know says 0, or the largest number there is. */
static ks_err
check_length(const struct administration *a, const CK_TOKEN_INFO *info, const struct secret *pin,
             const char *what, struct fault *why)
{
    CK_ULONG min = info->ulMinPinLen, max = info->ulMaxPinLen;

    if (max == 0 || max == CK_UNAVAILABLE_INFORMATION || min > max)
        return KS_OK;
    if (pin->len >= min && pin->len <= max)
        return KS_OK;
    fault_set(why, "token %s: %s: this token takes %lu to %lu bytes", a->token->name, what, min,
              max);
    return KS_ERR_BAD_REQUEST;
}

/* While nothing is destroyed yet. */
static ks_err
check_lengths(const struct administration *a, struct p11 *p11, CK_SLOT_ID slot,
              const struct secret *so_pin, const struct secret *pin, struct fault *why)
{
    CK_TOKEN_INFO info;
    CK_RV rv = p11_get_token_info(p11, slot, &info);
    ks_err err;

    if (rv != CKR_OK)
        return call_failed(a, rv, "C_GetTokenInfo", "the token is not initialised", why);
    err = check_length(a, &info, so_pin, "Security officer's PIN", why);
    return err ? err : check_length(a, &info, pin, "User PIN", why);
}

/* Modules answer a PIN of the wrong length as they answer a wrong one. */
static ks_err
so_pin_refused(bool has_old, struct fault *why)
{
    fault_hint(why, has_old
                        ? "is the old SO PIN the one that the token knows?"
                        : "is the SO PIN as long as this kind of token wants it (SoftHSM: at least "
                          "4 characters)? A token that has one already wants it in "
                          "--old-so-pin-file");
    return KS_ERR_TOKEN_UNAVAILABLE;
}

/* Not by libp11, which looks at the token once more and answers with what came of that. */
static ks_err
erase(const struct administration *a, struct p11 *p11, CK_SLOT_ID slot, const struct secret *so_pin,
      bool has_old, struct fault *why)
{
    char padded[LABEL_LEN + 1];
    CK_RV rv;

    snprintf(padded, sizeof(padded), "%-*s", LABEL_LEN, a->label);
    rv = p11_init_token(p11, slot, so_pin->text, so_pin->len, padded);
    if (rv == CKR_OK)
        return KS_OK;
    if (ckr_is_refused_pin(rv)) {
        (void)!call_failed(a, rv, "C_InitToken", "the token is not initialised", why);
        return so_pin_refused(has_old, why);
    }
    (void)!call_failed(a, rv, "C_InitToken", "what was on the token may be gone", why);
    fault_hint(why, "do the same again, with --force if it is initialised by now");
    return KS_ERR_OUTCOME_UNKNOWN;
}

static ks_err
half_done(bool has_old, struct fault *why)
{
    fault_prefix(why, "the token is initialised, and what was on it is gone, but it has no user "
                      "PIN yet");
    fault_hint(why, has_old ? "do the same again with --force and PINs that the token takes; if it "
                              "refuses the old SO PIN, it has the new one by now: then without "
                              "--old-so-pin-file"
                            : "do the same again with --force and PINs that the token takes");
    return KS_ERR_OUTCOME_UNKNOWN;
}

static ks_err
init_token(struct administration *a, struct fault *why)
{
    ks_auto(secret_freep) struct secret *old_so_pin = NULL;
    ks_auto(secret_freep) struct secret *so_pin = NULL;
    ks_auto(secret_freep) struct secret *pin = NULL;
    struct p11 p11 = {.list = module_functions(a->module)};
    const struct secret *first_so_pin;
    PKCS11_SLOT *slot = NULL;
    CK_SLOT_ID id;
    ks_auto(closep) int gate = -1;
    ks_err err;

    err = choose_slot(a, &slot, why);
    if (!err)
        err = pin_get(a->fds[CONTROL_PIN_FIRST], "Security officer's PIN", true, &so_pin, why);
    if (!err)
        err = pin_get(a->fds[CONTROL_PIN_SECOND], "User PIN", true, &pin, why);
    if (!err)
        err = read_old_so_pin(a, &old_so_pin, why);
    if (!err)
        err = store_gate(a->token, &gate, why);
    if (err)
        return err;
    id = PKCS11_get_slotid_from_slot(slot);
    first_so_pin = old_so_pin ? old_so_pin : so_pin;
    err = check_lengths(a, &p11, id, so_pin, pin, why);
    if (!err)
        err = erase(a, &p11, id, first_so_pin, old_so_pin, why);
    if (err)
        return err;
    err = set_pins(a, first_so_pin->text, so_pin->text, pin->text, why);
    keep_store(a); /* half done, too: the copy is of keys that are destroyed */
    if (err)
        return half_done(old_so_pin, why);
    printf("token %s is ready: label %s\n", a->token->name, a->label);
    return KS_OK;
}

/* That is said of nothing else: by it a person learns that the token has the new one. */
static ks_err
old_refused(const struct administration *a, CK_RV rv, const char *call, struct fault *why)
{
    ks_err err = call_failed(a, rv, call, "the old PIN is refused", why);

    fault_hint(why,
               "a change that was cut off may have set the new PIN already: put its file in the "
               "place of the PIN file, then `keysvc token retry-login %s`",
               a->token->name);
    return err;
}

static ks_err
log_in(const struct administration *a, struct p11 *p11, CK_SLOT_ID slot, const struct secret *pin,
       CK_SESSION_HANDLE *session, bool *expired, struct fault *why)
{
    CK_RV rv = p11_open_session(p11, slot, session);

    if (rv != CKR_OK)
        return call_failed(a, rv, "C_OpenSession", "no session", why);
    rv = p11_login(p11, *session, pin->text, pin->len);
    /* C_SetPIN without a login is for the user's, too. That is a second use of a PIN which may be
     * wrong, where a token says so of any; nothing has refused it yet, and no third comes. */
    *expired = rv == CKR_PIN_EXPIRED;
    if (rv == CKR_OK || *expired)
        return KS_OK;
    if (rv != CKR_PIN_INCORRECT && rv != CKR_PIN_INVALID && rv != CKR_PIN_LEN_RANGE)
        return call_failed(a, rv, "C_Login", "no login", why);
    return old_refused(a, rv, "C_Login", why);
}

/* Not by libp11, which looks at the token once more and answers with what came of that. */
static ks_err
set_new_pin(const struct administration *a, struct p11 *p11, CK_SESSION_HANDLE session,
            bool expired, const struct secret *old, const struct secret *new, struct fault *why)
{
    CK_RV rv = p11_set_pin(p11, session, old->text, old->len, new->text, new->len);
    ks_err err;

    if (rv == CKR_OK)
        return KS_OK;
    if (expired && rv == CKR_PIN_INCORRECT) /* a token may say so of any PIN */
        return old_refused(a, rv, "C_SetPIN", why);
    if (ckr_is_refused_pin(rv)) {
        err = call_failed(a, rv, "C_SetPIN", "the new PIN is not accepted", why);
        /* The old one was right a moment ago. */
        return err == KS_ERR_LOGIN_BLOCKED ? KS_ERR_BAD_REQUEST : err;
    }
    (void)!call_failed(a, rv, "C_SetPIN", "it has the new PIN or the old one", why);
    fault_hint(why,
               "do the same again: it ends when the old PIN is refused for the first time, and "
               "says how to go on then; `keysvc doctor` reminds of it until then");
    return KS_ERR_OUTCOME_UNKNOWN;
}

static ks_err
change_pin(struct administration *a, struct fault *why)
{
    ks_auto(secret_freep) struct secret *old = NULL;
    ks_auto(secret_freep) struct secret *new = NULL;
    struct p11 p11 = {.list = module_functions(a->module)};
    CK_SESSION_HANDLE session = CK_INVALID_HANDLE;
    PKCS11_SLOT *slot = NULL;
    ks_auto(closep) int gate = -1;
    bool expired = false;
    ks_err err;

    err = find_slot(a, false, &slot, why);
    if (!err && !slot) {
        fault_set(why, "token %s: no token with the label %s is there", a->token->name, a->label);
        err = KS_ERR_TOKEN_UNAVAILABLE;
    }
    if (!err)
        err = pin_get(a->fds[CONTROL_PIN_FIRST], "Old user PIN", false, &old, why);
    if (!err)
        err = pin_get(a->fds[CONTROL_PIN_SECOND], "New user PIN", true, &new, why);
    if (!err)
        err = store_gate(a->token, &gate, why);
    if (!err)
        err = log_in(a, &p11, PKCS11_get_slotid_from_slot(slot), old, &session, &expired, why);
    /* With a copy that cannot be renewed a crash would bring the old PIN back. */
    if (!err)
        err = store_renew(a->token, why);
    if (!err)
        err = set_new_pin(a, &p11, session, expired, old, new, why);
    if (err)
        return err;
    keep_store(a);
    printf("token %s has a new PIN\n", a->token->name);
    return KS_OK;
}
