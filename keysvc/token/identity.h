/* SPDX-License-Identifier: Apache-2.0 */
/*
 * identity - is this the token that the service knows?
 *
 * Label and serial do not say so: a token that was copied, restored or initialised anew has them too.
 * The audit key does: keysvcd keeps its public half as first seen and hands it to each process. A
 * token that shows another one, or none any more, is used for nothing: it gets no PIN where it shows
 * that much without one, nothing is listed, told to the front, generated (an audit key neither) or
 * forgotten. It is asked again at each session that is opened after a loss.
 *
 * Whether the token has the private half, too, shows in signatures: each key's first one is verified.
 */
#pragma once

#include "token/worker.h"

/* Another session: whose it is has to be seen again. */
void identity_doubt(struct worker *worker);

/* Before C_Login, which need not show anything yet. KEY_CHANGED: another token. */
ks_err identity_check_early(struct worker *worker, struct fault *why) KS_MUST_CHECK;

/* After it. KEY_CHANGED: another token, or one without its audit key; `why` says what to do if that is
 * meant. Asks the token once after each doubt, and not at all while no audit key is known. */
ks_err identity_check(struct worker *worker, struct fault *why) KS_MUST_CHECK;

/* The keys are listed: an audit key that nobody knew is known from now on. */
void identity_learn(struct worker *worker);
