/* SPDX-License-Identifier: Apache-2.0 */
/*
 * device - what a real device does and SoftHSM does not: it is pulled out, it is exchanged, it has
 * few sessions, it locks its PIN
 *
 * A device that is away answers CKR_DEVICE_REMOVED to a session and CKR_TOKEN_NOT_PRESENT to a slot,
 * and is in no list of slots with a token. Each removal, return and exchange that a process sees ends
 * its sessions for ever and its login with them: CKR_SESSION_HANDLE_INVALID. A process sees one when
 * it calls; what came and went between two of its calls did not happen to it.
 *
 * Sessions are counted by locks on the bytes of FOLDER/sessions, so that those of a process that
 * died are free again; wrong PINs in FOLDER/pin-tries, for as long as that file is there.
 */
#pragma once

#include <p11-kit/pkcs11.h>
#include <stdbool.h>

#include "tests/fakes/rules.h"

/* Before everything else. Without a folder nothing is counted. False: errno says why. */
bool device_start(CK_FUNCTION_LIST *real, const char *folder);

/* The lines of the rules file have changed, perhaps. */
void device_obey(const struct rules_device *lines);

/* CKR_OK: the call may go on, and *session is the real module's own. */
CK_RV device_session(CK_SESSION_HANDLE *session);
CK_RV device_slot(void);

/* The real module's functions of these names, and what a device adds to them. Sessions that come in
 * are the real module's own, those that go out are not. */
CK_RV device_initialize(void *init_args);
CK_RV device_finalize(void *reserved);
CK_RV device_get_slot_list(CK_BBOOL with_token, CK_SLOT_ID *slots, CK_ULONG *n_slots);
CK_RV device_get_slot_info(CK_SLOT_ID slot, CK_SLOT_INFO *info);
CK_RV device_get_token_info(CK_SLOT_ID slot, CK_TOKEN_INFO *info);
CK_RV device_open_session(CK_SLOT_ID slot, CK_FLAGS flags, void *application, CK_NOTIFY notify,
                          CK_SESSION_HANDLE *session);
CK_RV device_close_session(CK_SESSION_HANDLE session);
CK_RV device_close_all_sessions(CK_SLOT_ID slot);
CK_RV device_login(CK_SESSION_HANDLE session, CK_USER_TYPE user, CK_BYTE *pin, CK_ULONG pin_len);
CK_RV device_init_pin(CK_SESSION_HANDLE session, CK_BYTE *pin, CK_ULONG pin_len);
CK_RV device_set_pin(CK_SESSION_HANDLE session, CK_BYTE *old_pin, CK_ULONG old_len, CK_BYTE *pin,
                     CK_ULONG pin_len);
