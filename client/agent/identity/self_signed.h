/* SPDX-License-Identifier: Apache-2.0 */
/*
 * self_signed - keys of identities, and the certificates that they sign for themselves
 *
 * For identity.c at the first use, and for certificate_self_signed().
 */
#pragma once

#include "client/agent/identity/identity.h"

/* The key of that name: its newest version, or a new one if there is none. */
ks_err self_signed_key(struct agent *agent, const char *key_name, struct ks_key *out,
                       struct report *report) KS_MUST_CHECK;

/* A certificate by set->key on the host's own names, as set->chain. Names that the key's class does
 * not allow are left out, and noted in the report; NAME_NOT_ALLOWED: the common name is one of them. */
ks_err self_signed_make(struct agent *agent, struct identity_set *set,
                        struct report *report) KS_MUST_CHECK;
