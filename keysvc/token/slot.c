/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - session and login
 */
#include "token/slot.h"

#include <time.h>

#include "base/secret.h"
#include "token/ckr.h"
#include "token/pin.h"

#define INFO_PAUSE_NS (100l * 1000 * 1000) /* behind a vague answer to C_GetTokenInfo */

struct slot {
    struct p11 *p11;
    CK_SLOT_ID id;
    CK_SESSION_HANDLE session;
    bool is_open;
    bool login_override;
    uint64_t generation;
    struct slot_broker broker;
};

static ks_err login_asked(struct slot *slot, int pin_fd, struct fault *why);
static ks_err check_pin_count(struct slot *slot, struct fault *why);
static ks_err is_logged_in(struct slot *slot, bool *yes, struct fault *why);

ks_err
slot_new(struct p11 *p11, CK_SLOT_ID id, const struct slot_broker *broker, bool login_override,
         struct slot **out)
{
    struct slot *slot = calloc(1, sizeof(*slot));

    if (!slot)
        return KS_ERR_INTERNAL;
    slot->p11 = p11;
    slot->id = id;
    slot->broker = *broker;
    slot->login_override = login_override;
    *out = slot;
    return KS_OK;
}

struct slot *
slot_free(struct slot *slot)
{
    free(slot);
    return NULL;
}

CK_SESSION_HANDLE
slot_session(const struct slot *slot)
{
    return slot->session;
}

struct p11 *
slot_p11(const struct slot *slot)
{
    return slot->p11;
}

CK_SLOT_ID
slot_id(const struct slot *slot)
{
    return slot->id;
}

uint64_t
slot_generation(const struct slot *slot)
{
    return slot->generation;
}

ks_err
slot_token_info(struct slot *slot, CK_TOKEN_INFO *info, struct fault *why)
{
    const struct timespec pause = {.tv_nsec = INFO_PAUSE_NS};
    CK_RV rv = p11_get_token_info(slot->p11, slot->id, info);

    for (int i = 1; ckr_is_vague(rv) && i < SLOT_INFO_TRIES; i++) {
        nanosleep(&pause, NULL);
        rv = p11_get_token_info(slot->p11, slot->id, info);
    }
    return rv == CKR_OK ? KS_OK : ckr_fault(rv, "C_GetTokenInfo", why);
}

void
slot_reset(struct slot *slot, CK_SLOT_ID id)
{
    slot->id = id;
    slot->is_open = false;
    slot->generation++;
}

ks_err
slot_open(struct slot *slot, struct fault *why)
{
    CK_RV rv;

    /* The old one may be half alive, with an operation that will never end. */
    if (slot->is_open)
        (void)p11_close_session(slot->p11, slot->session);
    slot->is_open = false;
    slot->generation++;
    rv = p11_open_session(slot->p11, slot->id, &slot->session);
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_OpenSession", why);
    slot->is_open = true;
    return KS_OK;
}

ks_err
slot_login(struct slot *slot, struct fault *why)
{
    ks_auto(closep) int pin_fd = -1;
    ks_err err;

    err = slot->broker.ask(slot->broker.context, &pin_fd, why);
    if (err)
        return err;
    err = login_asked(slot, pin_fd, why);
    slot->generation++;
    slot->broker.tell(slot->broker.context, err, why);
    return err;
}

static ks_err
login_asked(struct slot *slot, int pin_fd, struct fault *why)
{
    ks_auto(secret_freep) struct secret *pin = NULL;
    ks_err err;
    CK_RV rv;

    err = check_pin_count(slot, why);
    if (err)
        return err;
    err = pin_read(pin_fd, &pin, why);
    if (err)
        return err == KS_ERR_BAD_REQUEST ? KS_ERR_LOGIN_BLOCKED : err;
    rv = p11_login(slot->p11, slot->session, pin->text, pin->len);
    pin = secret_free(pin);
    if (rv == CKR_OK || rv == CKR_USER_ALREADY_LOGGED_IN)
        return KS_OK;
    err = ckr_fault(rv, "C_Login", why);
    if (rv == CKR_PIN_LOCKED) {
        /* A TPM does not say so by a flag before. No PIN helps now, the right one neither. */
        fault_set(why, "C_Login: CKR_PIN_LOCKED: the token has locked its PIN, have it unlocked");
        fault_hint(why, "let the security officer unlock it (a TPM: `tpm2_dictionarylockout "
                        "--clear-lockout`), then `keysvc token retry-login`");
        why->rv = rv;
    } else if (err == KS_ERR_LOGIN_BLOCKED) {
        fault_hint(why,
                   "put the right PIN into the PIN file; nothing logs in before it changes, with "
                   "pin-credential not before `keysvc token retry-login`");
    }
    return err;
}

/* An override is good for one login: the next one must be allowed again. */
static ks_err
check_pin_count(struct slot *slot, struct fault *why)
{
    bool override = slot->login_override;
    CK_TOKEN_INFO info;
    ks_err err;

    slot->login_override = false;
    err = slot_token_info(slot, &info, why);
    if (err)
        return err;
    if (info.flags & CKF_USER_PIN_LOCKED) {
        fault_set(why, "the token says that its user PIN is locked");
        fault_hint(why, "let the security officer set a new PIN, then `keysvc token retry-login`");
        return KS_ERR_LOGIN_BLOCKED;
    }
    if (info.flags & CKF_USER_PIN_FINAL_TRY) {
        fault_set(why, "the token says that one more wrong PIN locks it");
        fault_hint(why, "log in once by hand with the right PIN, then `keysvc token retry-login`");
        return KS_ERR_LOGIN_BLOCKED;
    }
    if ((info.flags & CKF_USER_PIN_COUNT_LOW) && !override) {
        fault_set(why, "the token says that a wrong PIN was entered since the last login");
        fault_hint(why, "check the PIN file or credential, then `keysvc token retry-login`");
        return KS_ERR_LOGIN_BLOCKED;
    }
    return KS_OK;
}

ks_err
slot_recover(struct slot *slot, CK_RV rv, struct fault *why)
{
    bool logged_in = false;
    ks_err err;

    if (ckr_action(rv) == CKR_ACTION_REOPEN) {
        err = slot_open(slot, why);
        if (err)
            return err;
        err = is_logged_in(slot, &logged_in, why);
        if (err || logged_in)
            return err;
    }
    return slot_login(slot, why);
}

/* The login belongs to the token: it ends with the last session, and only then. */
static ks_err
is_logged_in(struct slot *slot, bool *yes, struct fault *why)
{
    CK_SESSION_INFO info;
    CK_RV rv = p11_get_session_info(slot->p11, slot->session, &info);

    if (rv != CKR_OK)
        return ckr_fault(rv, "C_GetSessionInfo", why);
    *yes = info.state == CKS_RW_USER_FUNCTIONS;
    return KS_OK;
}
