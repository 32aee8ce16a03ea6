/* SPDX-License-Identifier: Apache-2.0 */
/*
 * module - the PKCS#11 module, loaded and initialised by libp11, and the token found in it
 *
 * libp11 loads, initialises and lists slots; the serving process makes all its other calls through
 * the function list of the same instance. libp11's slots are never released while a session is open
 * (it would close ours too), and the module is never unloaded: the process ends instead.
 */
#pragma once

#include <libp11.h>
#include <p11-kit/pkcs11.h>

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"
#include "ipc/pulse.h"

struct module;

/* BAD_REQUEST: there is no such module; TOKEN_UNAVAILABLE: it does not initialise (its daemon, its
 * device). `pulse` may be NULL. */
ks_err module_load(const char *path, struct pulse *pulse, struct module **out,
                   struct fault *why) KS_MUST_CHECK;

/* Closes all sessions and finalises the module; takes NULL; returns NULL. A serving process ends
 * without it (serve.c): not every module survives. */
struct module *module_free(struct module *module);

CK_FUNCTION_LIST *module_functions(const struct module *module);

/* All slots as libp11 sees them now; they live until module_release_slots(). TOKEN_UNAVAILABLE. */
ks_err module_slots(struct module *module, PKCS11_SLOT **slots, unsigned int *n_slots,
                    struct fault *why) KS_MUST_CHECK;

/* Closes all sessions: for when the module was initialised anew and there is none. */
void module_release_slots(struct module *module);

/* The slot of the configured token. TOKEN_UNAVAILABLE: not there; BAD_REQUEST: a URI that is none,
 * or several tokens that fit. */
ks_err module_find_token(struct module *module, const struct config_token *token, CK_SLOT_ID *slot,
                         struct fault *why) KS_MUST_CHECK;

/* Is this token the configured one? Pure. BAD_REQUEST: the URI is none. */
ks_err module_match(const struct config_token *token, const CK_TOKEN_INFO *info, bool *matches,
                    struct fault *why) KS_MUST_CHECK;

/* What libp11 said last, for a fault's text. */
const char *module_error_text(void);
