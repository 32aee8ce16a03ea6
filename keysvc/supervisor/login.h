/* SPDX-License-Identifier: Apache-2.0 */
/*
 * login - one try for each version of a token's PIN file, whatever crashes in between
 *
 * Before a worker may call C_Login the marker STATE-DIR/TOKEN.login-tried is written durably; it
 * holds the identity of the PIN file as it was tried. It goes away when the login succeeded, or
 * failed for a reason that says nothing about the PIN. While it stands for the same identity
 * nothing logs in: the PIN file must change, or an administrator must say retry-login. Of a
 * credential, which is a new file at each start, only the latter helps. We never read the PIN.
 *
 *   login_begin() -> LOGIN_GO -> login_end(), or login_interrupted() when the process died inside
 * C_Login
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "ipc/config.h"

struct login;

/* `token` is read and not kept. BAD_REQUEST: a credential is named and there are none. */
ks_err login_new(const char *state_dir, const struct config_token *token, struct login **out,
                 struct fault *why) KS_MUST_CHECK;
struct login *login_free(struct login *login);

/* Reads the marker that an earlier run, or an earlier configuration of this token, may have left.
 */
void login_open(struct login *login);

/* Nothing may log in, so no worker need be started. `why` then says which file and what to do.
 * Looks at the PIN file again: true becomes false when it has changed. */
bool login_blocked(struct login *login, struct fault *why);

/*
 * The PIN file, opened afresh, with the marker on disk. LOGIN_BLOCKED: the marker stands; BUSY:
 * another login of this token is under way; TOKEN_UNAVAILABLE: there is no usable PIN file, which
 * blocks until there is another; INTERNAL: the marker cannot be written.
 */
ks_err login_begin(struct login *login, int *pin_fd, struct fault *why) KS_MUST_CHECK;

/* What the worker said: OK, LOGIN_BLOCKED (the PIN's fault), or anything else (not the PIN's
 * fault). */
void login_end(struct login *login, ks_err outcome, const struct fault *said);

/*
 * The process died inside C_Login. The marker stays, unless this very version of the PIN file has
 * logged in before in this run: then one more try is allowed, so that a crash while logging in
 * again after a lost session is survived.
 */
void login_interrupted(struct login *login);

/* A worker says by its exit code that the token refuses its PIN, and was neither denied a login nor
 * refused one, which blocks by itself. Blocks the PIN file that it has logged in with: one that was
 * written since then is tried. */
void login_block(struct login *login, const struct fault *said);

/* An administrator said so: removes the marker. This, like another PIN file, gives the next start
 * the override, once: a low PIN count, which the refused try has left, does not forbid it. */
ks_err login_retry(struct login *login, struct fault *why) KS_MUST_CHECK;
bool login_take_override(struct login *login);
