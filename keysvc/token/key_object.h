/* SPDX-License-Identifier: Apache-2.0 */
/*
 * key_object - a private key that came from outside becomes two objects of the token
 *
 * The public half first, then the private one: a crash between the two leaves nothing that anybody
 * could use or mistake for a key. Both carry the label and, as CKA_ID, the public key's identifier.
 */
#pragma once

#include "token/private_key.h"
#include "token/worker.h"

/*
 * Creates both, tries once more after a lost session, and reads back what the private one is. The
 * label is free. UNSUPPORTED: the token does not take it, or makes it readable; OUTCOME_UNKNOWN: the
 * token failed and may hold one of them; otherwise nothing is left after a failure.
 */
ks_err key_object_create(struct worker *worker, const char *label, const struct private_key *key,
                         struct fault *why) KS_MUST_CHECK;

/* Removes what key_object_create() made, and nothing that has another public key. */
ks_err key_object_remove(struct worker *worker, const char *label, const struct spki *spki,
                         struct fault *why) KS_MUST_CHECK;
