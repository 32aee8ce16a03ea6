/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11 - PKCS#11 calls between pulse_enter and pulse_leave
 */
#include "token/p11.h"

static void enter(struct p11 *p11, enum pulse_phase phase);
static CK_RV leave(struct p11 *p11, CK_RV rv);

static void
enter(struct p11 *p11, enum pulse_phase phase)
{
    if (p11->pulse)
        pulse_enter(p11->pulse, phase);
}

static CK_RV
leave(struct p11 *p11, CK_RV rv)
{
    if (p11->pulse)
        pulse_leave(p11->pulse);
    return rv;
}

CK_RV
p11_initialize(struct p11 *p11)
{
    CK_C_INITIALIZE_ARGS arguments = {.flags = CKF_OS_LOCKING_OK};

    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_Initialize(&arguments));
}

CK_RV
p11_finalize(struct p11 *p11)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_Finalize(NULL));
}

CK_RV
p11_get_token_info(struct p11 *p11, CK_SLOT_ID slot, CK_TOKEN_INFO *info)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GetTokenInfo(slot, info));
}

CK_RV
p11_init_token(struct p11 *p11, CK_SLOT_ID slot, const char *so_pin, size_t so_pin_len,
               const char *label)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_InitToken(slot, (CK_UTF8CHAR_PTR)(uintptr_t)so_pin, so_pin_len,
                                             (CK_UTF8CHAR_PTR)(uintptr_t)label));
}

CK_RV
p11_open_session(struct p11 *p11, CK_SLOT_ID slot, CK_SESSION_HANDLE *session)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_OpenSession(slot, CKF_SERIAL_SESSION | CKF_RW_SESSION, NULL,
                                               NULL, session));
}

CK_RV
p11_close_session(struct p11 *p11, CK_SESSION_HANDLE session)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_CloseSession(session));
}

CK_RV
p11_get_session_info(struct p11 *p11, CK_SESSION_HANDLE session, CK_SESSION_INFO *info)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GetSessionInfo(session, info));
}

CK_RV
p11_login(struct p11 *p11, CK_SESSION_HANDLE session, const char *pin, size_t pin_len)
{
    enter(p11, PULSE_LOGIN);
    return leave(p11,
                 p11->list->C_Login(session, CKU_USER, (CK_UTF8CHAR_PTR)(uintptr_t)pin, pin_len));
}

CK_RV
p11_set_pin(struct p11 *p11, CK_SESSION_HANDLE session, const char *old_pin, size_t old_len,
            const char *new_pin, size_t new_len)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_SetPIN(session, (CK_UTF8CHAR_PTR)(uintptr_t)old_pin, old_len,
                                          (CK_UTF8CHAR_PTR)(uintptr_t)new_pin, new_len));
}

CK_RV
p11_find_init(struct p11 *p11, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
              CK_ULONG n_attributes)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_FindObjectsInit(session, template, n_attributes));
}

CK_RV
p11_find(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG max,
         CK_ULONG *n_found)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_FindObjects(session, handles, max, n_found));
}

CK_RV
p11_find_final(struct p11 *p11, CK_SESSION_HANDLE session)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_FindObjectsFinal(session));
}

CK_RV
p11_get_attributes(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                   CK_ATTRIBUTE *attributes, CK_ULONG n_attributes)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GetAttributeValue(session, object, attributes, n_attributes));
}

CK_RV
p11_set_attributes(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                   CK_ATTRIBUTE *attributes, CK_ULONG n_attributes)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_SetAttributeValue(session, object, attributes, n_attributes));
}

CK_RV
p11_destroy(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_DestroyObject(session, object));
}

CK_RV
p11_sign_init(struct p11 *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
              CK_OBJECT_HANDLE key)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_SignInit(session, mechanism, key));
}

CK_RV
p11_sign(struct p11 *p11, CK_SESSION_HANDLE session, const uint8_t *data, size_t len,
         uint8_t *signature, CK_ULONG *signature_len)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_Sign(session, (CK_BYTE_PTR)(uintptr_t)data, len, signature,
                                        signature_len));
}

CK_RV
p11_generate(struct p11 *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
             CK_ATTRIBUTE *public_template, CK_ULONG n_public, CK_ATTRIBUTE *private_template,
             CK_ULONG n_private, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key)
{
    enter(p11, PULSE_GENERATE);
    return leave(p11, p11->list->C_GenerateKeyPair(session, mechanism, public_template, n_public,
                                                   private_template, n_private, public_key,
                                                   private_key));
}

CK_RV
p11_create(struct p11 *p11, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
           CK_ULONG n_attributes, CK_OBJECT_HANDLE *object)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_CreateObject(session, template, n_attributes, object));
}

CK_RV
p11_get_mechanisms(struct p11 *p11, CK_SLOT_ID slot, CK_MECHANISM_TYPE *types, CK_ULONG *n_types)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GetMechanismList(slot, types, n_types));
}

CK_RV
p11_get_mechanism_info(struct p11 *p11, CK_SLOT_ID slot, CK_MECHANISM_TYPE type,
                       CK_MECHANISM_INFO *info)
{
    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GetMechanismInfo(slot, type, info));
}

CK_RV
p11_probe(struct p11 *p11, CK_SESSION_HANDLE session)
{
    CK_BYTE byte;

    enter(p11, PULSE_CALL);
    return leave(p11, p11->list->C_GenerateRandom(session, &byte, sizeof(byte)));
}
