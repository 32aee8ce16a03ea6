/* SPDX-License-Identifier: Apache-2.0 */
/*
 * slot - one slot, and in it one token that is always there: the keys of this host, behind keysvcd
 *
 * Nothing here asks the service: programs look at slots when they start, and a service that is down
 * shows in the first look for objects. There is no login (the service knows who calls), so no flag
 * asks for one.
 */
#include "client/pkcs11/answer.h"
#include "client/pkcs11/mechanism.h"
#include "client/pkcs11/module.h"
#include "client/pkcs11/session.h"

#define PIN_MAX_LEN 255 /* any is taken, and not looked at */

CK_RV
C_GetSlotList(CK_BBOOL token_present, CK_SLOT_ID *list, CK_ULONG *count)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    (void)token_present;
    rv = module_enter(&module);
    if (rv)
        return rv;
    if (!count)
        return CKR_ARGUMENTS_BAD;
    if (answer_room(list, 1, count, &rv))
        list[0] = SLOT_ID;
    return rv;
}

static CK_RV
check_slot(CK_SLOT_ID slot, const void *out)
{
    if (slot != SLOT_ID)
        return CKR_SLOT_ID_INVALID;
    return out ? CKR_OK : CKR_ARGUMENTS_BAD;
}

CK_RV
C_GetSlotInfo(CK_SLOT_ID slot, CK_SLOT_INFO *info)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    rv = module_enter(&module);
    if (!rv)
        rv = check_slot(slot, info);
    if (rv)
        return rv;
    memset(info, 0, sizeof(*info));
    answer_text(info->slotDescription, sizeof(info->slotDescription), "keysvcd on this host");
    answer_text(info->manufacturerID, sizeof(info->manufacturerID), "keysvc");
    info->flags = CKF_TOKEN_PRESENT;
    return CKR_OK;
}

/* Write-protected is what it is; read-write sessions are opened all the same, since OpenSSH and
 * others ask for no other kind. */
CK_RV
C_GetTokenInfo(CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    rv = module_enter(&module);
    if (!rv)
        rv = check_slot(slot, info);
    if (rv)
        return rv;
    memset(info, 0, sizeof(*info));
    answer_text(info->label, sizeof(info->label), "keysvc");
    answer_text(info->manufacturerID, sizeof(info->manufacturerID), "keysvc");
    answer_text(info->model, sizeof(info->model), "keysvcd");
    answer_text(info->serialNumber, sizeof(info->serialNumber), "1");
    answer_text(info->utcTime, sizeof(info->utcTime), "");
    info->flags = CKF_RNG | CKF_WRITE_PROTECTED | CKF_USER_PIN_INITIALIZED | CKF_TOKEN_INITIALIZED;
    info->ulMaxSessionCount = SESSIONS_MAX;
    info->ulMaxRwSessionCount = SESSIONS_MAX;
    sessions_count(module->sessions, &info->ulSessionCount, &info->ulRwSessionCount);
    info->ulMaxPinLen = PIN_MAX_LEN;
    info->ulTotalPublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulFreePublicMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulTotalPrivateMemory = CK_UNAVAILABLE_INFORMATION;
    info->ulFreePrivateMemory = CK_UNAVAILABLE_INFORMATION;
    return CKR_OK;
}

CK_RV
C_GetMechanismList(CK_SLOT_ID slot, CK_MECHANISM_TYPE *list, CK_ULONG *count)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    rv = module_enter(&module);
    if (!rv)
        rv = check_slot(slot, count);
    if (rv)
        return rv;
    if (!answer_room(list, mechanism_count(), count, &rv))
        return rv;
    for (size_t i = 0; i < mechanism_count(); i++)
        list[i] = mechanism_at(i)->type;
    return CKR_OK;
}

CK_RV
C_GetMechanismInfo(CK_SLOT_ID slot, CK_MECHANISM_TYPE type, CK_MECHANISM_INFO *info)
{
    ks_auto(module_leave) struct module *module = NULL;
    const struct mechanism *mechanism;
    CK_RV rv;

    rv = module_enter(&module);
    if (!rv)
        rv = check_slot(slot, info);
    if (rv)
        return rv;
    mechanism = mechanism_find(type);
    if (!mechanism)
        return CKR_MECHANISM_INVALID;
    mechanism_info(mechanism, info);
    return CKR_OK;
}

/* The token never comes nor goes. */
CK_RV
C_WaitForSlotEvent(CK_FLAGS flags, CK_SLOT_ID *slot, void *reserved)
{
    ks_auto(module_leave) struct module *module = NULL;
    CK_RV rv;

    rv = module_enter(&module);
    if (rv)
        return rv;
    if (!slot || reserved)
        return CKR_ARGUMENTS_BAD;
    return flags & CKF_DONT_BLOCK ? CKR_NO_EVENT : CKR_FUNCTION_NOT_SUPPORTED;
}
