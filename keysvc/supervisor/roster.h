/* SPDX-License-Identifier: Apache-2.0 */
/*
 * roster - all tokens: those of the running configuration and those that are on their way out
 *
 * A token whose section changed is stopped and follows itself: the new one starts when the
 * processes of the old one are gone, since both would write the same audit files and mind the same
 * marker. Who leaves has ROSTER_LEAVE_MS to finalize its module, then it is killed; where a kill
 * could destroy the token it has ROSTER_SPARE_MS more.
 */
#pragma once

#include "supervisor/token.h"

#define ROSTER_LEAVE_MS 10000
#define ROSTER_SPARE_MS 30000

struct roster;

/* `launch` outlives it; the listener hears of tokens of the running configuration and of the last
 * one to leave
 * (`token` NULL, WORKER_IS_DOWN). */
ks_err roster_new(const struct launch *launch, token_listener listener, void *context,
                  struct roster **out) KS_MUST_CHECK;
/* Takes NULL; kills what still runs. */
struct roster *roster_free(struct roster *roster);

/* Takes the tokens of `to` in place of those of `from` (NULL: none yet): new and changed ones
 * start, removed and changed ones leave, the others are sent the configuration. BAD_REQUEST,
 * INTERNAL: nothing has happened. */
ks_err roster_apply(struct roster *roster, struct settings *from, struct settings *to,
                    struct fault *why) KS_MUST_CHECK;

/* Everybody leaves. */
void roster_stop(struct roster *roster);
/* No process is left, and nobody waits for his start. */
bool roster_empty(const struct roster *roster);

/* Every HANG_POLL_MS: hangs, configurations not taken, blocked logins, audit files, those who leave too slowly. */
void roster_tick(struct roster *roster, uint64_t now_ms);
void roster_rotate_audit(struct roster *roster);
/* token_owes_config() of any. */
bool roster_owes_config(const struct roster *roster);

/* Of the running configuration; NULL: none of that name, or past the end. */
struct token *roster_find(const struct roster *roster, const char *name);
struct token *roster_token(const struct roster *roster, size_t i);
