/* SPDX-License-Identifier: Apache-2.0 */
/*
 * p11 - the PKCS#11 calls this process makes, each shown on the pulse while it is inside the module
 *
 * The only file that calls through a CK_FUNCTION_LIST; tests put their own list there. Each
 * function is the PKCS#11 function of that name and answers its CK_RV, for ckr.h to judge.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/util.h"
#include "ipc/pulse.h"

struct p11 {
    CK_FUNCTION_LIST *list;
    struct pulse *pulse; /* NULL: nobody watches (administration) */
};

/* Threads of the module may lock as the system does; we have one. */
CK_RV p11_initialize(struct p11 *p11);
CK_RV p11_finalize(struct p11 *p11);
CK_RV p11_get_token_info(struct p11 *p11, CK_SLOT_ID slot, CK_TOKEN_INFO *info);
/* `label` has 32 bytes, padded with blanks. */
CK_RV p11_init_token(struct p11 *p11, CK_SLOT_ID slot, const char *so_pin, size_t so_pin_len,
                     const char *label);
CK_RV p11_open_session(struct p11 *p11, CK_SLOT_ID slot, CK_SESSION_HANDLE *session);
CK_RV p11_close_session(struct p11 *p11, CK_SESSION_HANDLE session);
CK_RV p11_get_session_info(struct p11 *p11, CK_SESSION_HANDLE session, CK_SESSION_INFO *info);
CK_RV p11_login(struct p11 *p11, CK_SESSION_HANDLE session, const char *pin, size_t pin_len);
CK_RV p11_set_pin(struct p11 *p11, CK_SESSION_HANDLE session, const char *old_pin, size_t old_len,
                  const char *new_pin, size_t new_len);
CK_RV p11_find_init(struct p11 *p11, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                    CK_ULONG n_attributes);
CK_RV p11_find(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE *handles, CK_ULONG max,
               CK_ULONG *n_found);
CK_RV p11_find_final(struct p11 *p11, CK_SESSION_HANDLE session);
CK_RV p11_get_attributes(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         CK_ATTRIBUTE *attributes, CK_ULONG n_attributes);
CK_RV p11_set_attributes(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object,
                         CK_ATTRIBUTE *attributes, CK_ULONG n_attributes);
CK_RV p11_destroy(struct p11 *p11, CK_SESSION_HANDLE session, CK_OBJECT_HANDLE object);
CK_RV p11_sign_init(struct p11 *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                    CK_OBJECT_HANDLE key);
CK_RV p11_sign(struct p11 *p11, CK_SESSION_HANDLE session, const uint8_t *data, size_t len,
               uint8_t *signature, CK_ULONG *signature_len);
CK_RV p11_create(struct p11 *p11, CK_SESSION_HANDLE session, CK_ATTRIBUTE *template,
                 CK_ULONG n_attributes, CK_OBJECT_HANDLE *object);
CK_RV p11_get_mechanisms(struct p11 *p11, CK_SLOT_ID slot, CK_MECHANISM_TYPE *types,
                         CK_ULONG *n_types);
CK_RV p11_get_mechanism_info(struct p11 *p11, CK_SLOT_ID slot, CK_MECHANISM_TYPE type,
                             CK_MECHANISM_INFO *info);
/* One byte, which nobody needs: it shows that the token works. */
CK_RV p11_probe(struct p11 *p11, CK_SESSION_HANDLE session);
CK_RV p11_generate(struct p11 *p11, CK_SESSION_HANDLE session, CK_MECHANISM *mechanism,
                   CK_ATTRIBUTE *public_template, CK_ULONG n_public, CK_ATTRIBUTE *private_template,
                   CK_ULONG n_private, CK_OBJECT_HANDLE *public_key, CK_OBJECT_HANDLE *private_key);
