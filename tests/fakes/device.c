/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - what a real device does and SoftHSM does not
 *
 * A session's handle carries in its upper half how often the device had changed when it was opened:
 * one from before is told from one that the real module gave the same number since.
 */
#include "tests/fakes/device.h"

#include <errno.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "tests/fakes/calls.h"
#include "tests/fakes/sessions.h"

#define CHANGES_SHIFT 32
#define SLOTS_MAX 32

static void change(void);
static bool exchange(const char *folder);
static CK_RV judge_pin(CK_RV rv);

static CK_FUNCTION_LIST *real;
static struct rules_device obeyed;
static _Atomic uint64_t *tries;
static uint64_t n_changes;
static bool is_initialized, is_away;
static CK_C_INITIALIZE_ARGS init_args_given;
static bool has_init_args;
static char *own_config; /* $SOFTHSM2_CONF as it was */

bool
device_start(CK_FUNCTION_LIST *list, const char *folder)
{
    static _Atomic uint64_t uncounted;
    const char *config = getenv("SOFTHSM2_CONF");

    real = list;
    tries = &uncounted;
    if (!folder)
        return true;
    if (config)
        own_config = strdup(config);
    tries = calls_map(folder, "pin-tries", sizeof(*tries));
    return tries && (!config || own_config) && sessions_start(folder);
}

void
device_obey(const struct rules_device *lines)
{
    bool same_token = strcmp(lines->other, obeyed.other) == 0;
    bool was_removed = obeyed.is_removed;

    obeyed = *lines;
    if (same_token && was_removed == lines->is_removed)
        return;
    change();
    if (!same_token)
        is_away = !exchange(lines->other);
}

/* Whatever this process had on the device is gone. */
static void
change(void)
{
    CK_SLOT_ID slots[SLOTS_MAX];
    CK_ULONG n_slots = SLOTS_MAX;

    n_changes++;
    sessions_put_all();
    if (!is_initialized || real->C_GetSlotList(CK_TRUE, slots, &n_slots) != CKR_OK)
        return;
    for (CK_ULONG i = 0; i < n_slots; i++)
        (void)real->C_CloseAllSessions(slots[i]);
}

/* SoftHSM looks for its tokens when it is initialised, and nowhere else. */
static bool
exchange(const char *folder)
{
    char config[RULES_PATH_MAX + sizeof("/softhsm2.conf")];
    CK_RV rv = CKR_OK;

    snprintf(config, sizeof(config), "%s/softhsm2.conf", folder);
    if (is_initialized)
        (void)real->C_Finalize(NULL);
    if (folder[0] != '\0')
        setenv("SOFTHSM2_CONF", config, 1);
    else if (own_config)
        setenv("SOFTHSM2_CONF", own_config, 1);
    else
        unsetenv("SOFTHSM2_CONF");
    if (is_initialized)
        rv = real->C_Initialize(has_init_args ? &init_args_given : NULL);
    if (rv != CKR_OK)
        fprintf(stderr, "pkcs11-break: %s: C_Initialize: 0x%lx\n", config, rv);
    return rv == CKR_OK;
}

CK_RV
device_session(CK_SESSION_HANDLE *session)
{
    if (obeyed.is_removed || is_away)
        return CKR_DEVICE_REMOVED;
    if (*session >> CHANGES_SHIFT != n_changes)
        return CKR_SESSION_HANDLE_INVALID;
    *session &= UINT32_MAX;
    return CKR_OK;
}

CK_RV
device_slot(void)
{
    return obeyed.is_removed || is_away ? CKR_TOKEN_NOT_PRESENT : CKR_OK;
}

CK_RV
device_initialize(void *init_args)
{
    CK_RV rv = real->C_Initialize(init_args);

    if (rv != CKR_OK)
        return rv;
    is_initialized = true;
    is_away = false;
    has_init_args = init_args != NULL;
    if (has_init_args)
        init_args_given = *(CK_C_INITIALIZE_ARGS *)init_args;
    return rv;
}

CK_RV
device_finalize(void *reserved)
{
    CK_RV rv = real->C_Finalize(reserved);

    if (rv != CKR_OK)
        return rv;
    is_initialized = false;
    sessions_put_all();
    return rv;
}

CK_RV
device_get_slot_list(CK_BBOOL with_token, CK_SLOT_ID *slots, CK_ULONG *n_slots)
{
    if (!with_token || device_slot() == CKR_OK || !n_slots)
        return real->C_GetSlotList(with_token, slots, n_slots);
    *n_slots = 0;
    return CKR_OK;
}

CK_RV
device_get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    CK_RV rv = real->C_GetSlotInfo(slot, info);

    if (rv == CKR_OK && device_slot() != CKR_OK)
        info->flags &= ~(CK_FLAGS)CKF_TOKEN_PRESENT;
    return rv;
}

CK_RV
device_get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    CK_RV rv = real->C_GetTokenInfo(slot, info);
    uint64_t n_tries = *tries;

    if (rv != CKR_OK || obeyed.max_tries == 0)
        return rv;
    if (n_tries > 0)
        info->flags |= CKF_USER_PIN_COUNT_LOW;
    if (n_tries + 1 == obeyed.max_tries)
        info->flags |= CKF_USER_PIN_FINAL_TRY;
    if (n_tries >= obeyed.max_tries)
        info->flags |= CKF_USER_PIN_LOCKED;
    return rv;
}

CK_RV
device_open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                    CK_SESSION_HANDLE *session)
{
    int place = sessions_take(obeyed.max_sessions);
    CK_RV rv;

    if (place < 0 && obeyed.max_sessions > 0)
        return CKR_SESSION_COUNT;
    rv = real->C_OpenSession(slot, flags, application, notify, session);
    if (rv != CKR_OK) {
        sessions_put(place);
        return rv;
    }
    sessions_name(place, slot, *session);
    *session |= n_changes << CHANGES_SHIFT;
    return CKR_OK;
}

CK_RV
device_close_session(CK_SESSION_HANDLE session)
{
    CK_RV rv = real->C_CloseSession(session);

    if (rv == CKR_OK)
        sessions_put_one(session);
    return rv;
}

CK_RV
device_close_all_sessions(CK_SLOT_ID slot)
{
    CK_RV rv = real->C_CloseAllSessions(slot);

    if (rv == CKR_OK)
        sessions_put_slot(slot);
    return rv;
}

static bool
is_locked(void)
{
    return obeyed.max_tries > 0 && *tries >= obeyed.max_tries;
}

/* A right PIN forgives the wrong ones before it. */
static CK_RV
judge_pin(CK_RV rv)
{
    if (rv == CKR_PIN_INCORRECT && obeyed.max_tries > 0)
        ++*tries;
    if (rv == CKR_OK)
        *tries = 0;
    return rv;
}

CK_RV
device_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG pin_len)
{
    if (user == CKU_SO)
        return real->C_Login(session, user, pin, pin_len);
    return is_locked() ? CKR_PIN_LOCKED : judge_pin(real->C_Login(session, user, pin, pin_len));
}

CK_RV
device_init_pin(CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG pin_len)
{
    return judge_pin(real->C_InitPIN(session, pin, pin_len));
}

CK_RV
device_set_pin(CK_SESSION_HANDLE session, CK_BYTE *old_pin, CK_ULONG old_len, CK_BYTE *pin,
               CK_ULONG pin_len)
{
    CK_SESSION_INFO info;

    if (real->C_GetSessionInfo(session, &info) == CKR_OK && info.state == CKS_RW_SO_FUNCTIONS)
        return real->C_SetPIN(session, old_pin, old_len, pin, pin_len);
    return is_locked() ? CKR_PIN_LOCKED
                       : judge_pin(real->C_SetPIN(session, old_pin, old_len, pin, pin_len));
}
