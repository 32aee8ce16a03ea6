/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fake_pkcs11 - a token in memory behind a CK_FUNCTION_LIST, which fails when it is told to
 *
 * One slot, one token, one session at a time; EC P-256 and RSA-2048, generated or created from
 * their numbers; other objects are bags of attributes. The real counterpart of what
 * these tests say is tests/integration/test_token.c, on SoftHSM.
 */
#pragma once

#include <p11-kit/pkcs11.h>

#include "base/util.h"

#define FAKE_SLOT 7
#define FAKE_PIN "1234"

enum fake_call {
    FAKE_OPEN_SESSION,
    FAKE_LOGIN,
    FAKE_FIND_INIT,
    FAKE_GET_ATTRIBUTES,
    FAKE_SIGN_INIT,
    FAKE_SIGN,
    FAKE_GENERATE,
    FAKE_CREATE,
    FAKE_DESTROY,
    FAKE_SET_ATTRIBUTES,
    FAKE_TOKEN_INFO,
    FAKE_MECHANISMS,
    FAKE_MECHANISM_INFO,
    FAKE_RANDOM,
    FAKE_CALL_COUNT,
};

/* An empty token; the list is static. */
CK_FUNCTION_LIST *fake_new(void);
void fake_free(void);

/* The next call of this kind answers `rv` instead of doing anything. */
void fake_fail_next(enum fake_call call, CK_RV rv);
/* The one after the next `n_passes` calls of this kind does. */
void fake_fail_after(enum fake_call call, unsigned int n_passes, CK_RV rv);
/* The next `n_times` of them do. */
void fake_fail_times(enum fake_call call, unsigned int n_times, CK_RV rv);
/* The next generation makes its pair and answers `rv`, as if it had not; CKR_SESSION_CLOSED: and it
 * loses the session. */
void fake_lie_after_generate(CK_RV rv);
unsigned int fake_n_calls(enum fake_call call);

void fake_token_flags(CK_FLAGS flags); /* beside CKF_TOKEN_INITIALIZED */
void fake_token_info(const CK_TOKEN_INFO *info);
void fake_add_mechanism(CK_MECHANISM_TYPE type, CK_MECHANISM_INFO info); /* to the list only */
void fake_lose_session(void); /* the session's handle is invalid, nobody is logged in */
void fake_log_out(void);
void fake_break_signatures(bool broken); /* one bit is wrong */
void fake_make_extractable(bool yes);    /* generated keys ignore the template there */
void fake_hide_points(bool yes);         /* no object shows CKA_EC_POINT */

/* A pair with that label, as another program would make it. `with_public`: and a public object. */
void fake_add_pair(const char *label, bool is_rsa, bool with_public);
/* Takes all objects with that label away, and with them their handles. */
void fake_remove(const char *label);
unsigned int fake_count(const char *label);
bool fake_flag(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type);
/* An attribute's bytes; 0: none. */
size_t fake_bytes(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, uint8_t *out,
                  size_t cap);
/* As another program would change it: CKA_LABEL and CKA_ID too. The object is there. */
void fake_set(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type, const void *value,
              size_t len);
void fake_unset(const char *label, CK_OBJECT_CLASS class, CK_ATTRIBUTE_TYPE type);
/* Takes one object away. */
void fake_remove_object(const char *label, CK_OBJECT_CLASS class);
