/* SPDX-License-Identifier: Apache-2.0 */
/*
 * unsupported - what this module does not do, as functions that say so
 *
 * Programs call what stands in the list without a look, so nothing in it is NULL. Keys are made and
 * removed with keysvc(1) or the library, by those whom a rule lets; nothing is encrypted.
 */
#include <p11-kit/pkcs11.h>

#define UNSUPPORTED(name, arguments)                                                               \
    CK_RV name arguments                                                                           \
    {                                                                                              \
        return CKR_FUNCTION_NOT_SUPPORTED;                                                         \
    }

#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"

UNSUPPORTED(C_InitToken,
            (CK_SLOT_ID slot_id, unsigned char *pin, CK_ULONG pin_len, unsigned char *label))
UNSUPPORTED(C_InitPIN, (CK_SESSION_HANDLE session, unsigned char *pin, CK_ULONG pin_len))
UNSUPPORTED(C_SetPIN, (CK_SESSION_HANDLE session, unsigned char *old_pin, CK_ULONG old_len,
                       unsigned char *new_pin, CK_ULONG new_len))
UNSUPPORTED(C_GetOperationState, (CK_SESSION_HANDLE session, unsigned char *operation_state,
                                  CK_ULONG *operation_state_len))
UNSUPPORTED(C_SetOperationState, (CK_SESSION_HANDLE session, unsigned char *operation_state,
                                  CK_ULONG operation_state_len, CK_OBJECT_HANDLE encryption_key,
                                  CK_OBJECT_HANDLE authentication_key))
UNSUPPORTED(C_CreateObject, (CK_SESSION_HANDLE session, CK_ATTRIBUTE *templ, CK_ULONG count,
                             CK_OBJECT_HANDLE *object))
UNSUPPORTED(C_CopyObject, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object, CK_ATTRIBUTE *templ,
                           CK_ULONG count, CK_OBJECT_HANDLE *new_object))
UNSUPPORTED(C_DestroyObject, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object))
UNSUPPORTED(C_SetAttributeValue, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                                  CK_ATTRIBUTE *templ, CK_ULONG count))
UNSUPPORTED(C_EncryptInit,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key))
UNSUPPORTED(C_Encrypt, (CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG data_len,
                        unsigned char *encrypted_data, CK_ULONG *encrypted_data_len))
UNSUPPORTED(C_EncryptUpdate, (CK_SESSION_HANDLE session, unsigned char *part, CK_ULONG part_len,
                              unsigned char *encrypted_part, CK_ULONG *encrypted_part_len))
UNSUPPORTED(C_EncryptFinal, (CK_SESSION_HANDLE session, unsigned char *last_encrypted_part,
                             CK_ULONG *last_encrypted_part_len))
UNSUPPORTED(C_DecryptInit,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key))
UNSUPPORTED(C_Decrypt, (CK_SESSION_HANDLE session, unsigned char *encrypted_data,
                        CK_ULONG encrypted_data_len, unsigned char *data, CK_ULONG *data_len))
UNSUPPORTED(C_DecryptUpdate, (CK_SESSION_HANDLE session, unsigned char *encrypted_part,
                              CK_ULONG encrypted_part_len, unsigned char *part, CK_ULONG *part_len))
UNSUPPORTED(C_DecryptFinal,
            (CK_SESSION_HANDLE session, unsigned char *last_part, CK_ULONG *last_part_len))
UNSUPPORTED(C_DigestKey, (CK_SESSION_HANDLE session, CK_OBJECT_HANDLE key))
UNSUPPORTED(C_SignRecoverInit,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key))
UNSUPPORTED(C_SignRecover, (CK_SESSION_HANDLE session, unsigned char *data, CK_ULONG data_len,
                            unsigned char *signature, CK_ULONG *signature_len))
UNSUPPORTED(C_VerifyRecoverInit,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE key))
UNSUPPORTED(C_VerifyRecover, (CK_SESSION_HANDLE session, unsigned char *signature,
                              CK_ULONG signature_len, unsigned char *data, CK_ULONG *data_len))
UNSUPPORTED(C_DigestEncryptUpdate,
            (CK_SESSION_HANDLE session, unsigned char *part, CK_ULONG part_len,
             unsigned char *encrypted_part, CK_ULONG *encrypted_part_len))
UNSUPPORTED(C_DecryptDigestUpdate,
            (CK_SESSION_HANDLE session, unsigned char *encrypted_part, CK_ULONG encrypted_part_len,
             unsigned char *part, CK_ULONG *part_len))
UNSUPPORTED(C_SignEncryptUpdate, (CK_SESSION_HANDLE session, unsigned char *part, CK_ULONG part_len,
                                  unsigned char *encrypted_part, CK_ULONG *encrypted_part_len))
UNSUPPORTED(C_DecryptVerifyUpdate,
            (CK_SESSION_HANDLE session, unsigned char *encrypted_part, CK_ULONG encrypted_part_len,
             unsigned char *part, CK_ULONG *part_len))
UNSUPPORTED(C_GenerateKey, (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *templ,
                            CK_ULONG count, CK_OBJECT_HANDLE *key))
UNSUPPORTED(C_GenerateKeyPair,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_ATTRIBUTE *public_key_template,
             CK_ULONG public_key_attribute_count, CK_ATTRIBUTE *private_key_template,
             CK_ULONG private_key_attribute_count, CK_OBJECT_HANDLE *public_key,
             CK_OBJECT_HANDLE *private_key))
UNSUPPORTED(C_WrapKey,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE wrapping_key,
             CK_OBJECT_HANDLE key, unsigned char *wrapped_key, CK_ULONG *wrapped_key_len))
UNSUPPORTED(C_UnwrapKey,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE unwrapping_key,
             unsigned char *wrapped_key, CK_ULONG wrapped_key_len, CK_ATTRIBUTE *templ,
             CK_ULONG attribute_count, CK_OBJECT_HANDLE *key))
UNSUPPORTED(C_DeriveKey,
            (CK_SESSION_HANDLE session, CK_MECHANISM *mechanism, CK_OBJECT_HANDLE base_key,
             CK_ATTRIBUTE *templ, CK_ULONG attribute_count, CK_OBJECT_HANDLE *key))

/* Calls in parallel are older than threads; the standard wants this answer. */
CK_RV
C_GetFunctionStatus(CK_SESSION_HANDLE session)
{
    return CKR_FUNCTION_NOT_PARALLEL;
}

CK_RV
C_CancelFunction(CK_SESSION_HANDLE session)
{
    return CKR_FUNCTION_NOT_PARALLEL;
}

#pragma GCC diagnostic pop
