/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - the one session of this process on its token, opened, logged in, brought back when lost
 *
 * One slot per token process, one thread. The login asks the supervisor through the broker (it
 * writes its marker first and hands over the PIN file), so that a wrong PIN is tried once, however
 * often processes start. Handles found in a session live as long as slot_generation() stays.
 *
 *   slot_new() -> slot_open() -> slot_login() -> work -> slot_recover() -> work ... -> slot_free()
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "token/p11.h"

/* Who gives leave to log in. Tests have their own. */
struct slot_broker {
    /* OK: *pin_fd is the caller's to close. LOGIN_BLOCKED: denied; other errors: nobody answers. */
    ks_err (*ask)(void *context, int *pin_fd, struct fault *why);
    /* What became of it; never fails the login. */
    void (*tell)(void *context, ks_err result, const struct fault *why);
    void *context;
};

struct slot;

ks_err slot_new(struct p11 *p11, CK_SLOT_ID id, const struct slot_broker *broker,
                bool login_override, struct slot **out) KS_MUST_CHECK;

/* Closes nothing on the token: C_Finalize does, or the end of the process. Takes NULL. */
struct slot *slot_free(struct slot *slot);

ks_err slot_open(struct slot *slot, struct fault *why) KS_MUST_CHECK;

/*
 * LOGIN_BLOCKED: denied, the PIN was refused, the PIN file holds no PIN, or the token's count is
 * low (which only login_override overlooks, once), final or locked: do not try again in this
 * process. TOKEN_UNAVAILABLE: something else, that says nothing about the PIN.
 */
ks_err slot_login(struct slot *slot, struct fault *why) KS_MUST_CHECK;

/* After a call that failed with CKR_ACTION_LOGIN or _REOPEN: a session that is logged in; all
 * handles are dead. */
ks_err slot_recover(struct slot *slot, CK_RV rv, struct fault *why) KS_MUST_CHECK;

/* After C_Finalize and C_Initialize: no session, perhaps another slot. Then slot_open, slot_login. */
void slot_reset(struct slot *slot, CK_SLOT_ID id);

CK_SESSION_HANDLE slot_session(const struct slot *slot);
CK_SLOT_ID slot_id(const struct slot *slot);
struct p11 *slot_p11(const struct slot *slot);
uint64_t slot_generation(const struct slot *slot);

/*
 * A vague answer (ckr.h) is none: a SoftHSM that reads the token's file while another process logs in
 * gives one. It is asked again after a tenth of a second, and the SLOT_INFO_TRIES-th answer counts.
 */
#define SLOT_INFO_TRIES 3
ks_err slot_token_info(struct slot *slot, CK_TOKEN_INFO *info, struct fault *why) KS_MUST_CHECK;
