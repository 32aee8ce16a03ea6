/* SPDX-License-Identifier: Apache-2.0 */
/*
 * token - one configured token: its workers and its login
 *
 * Worker 1 starts alone, the others when it is ready; while the login is blocked none starts. What
 * the listener hears of its workers it hears after the token has drawn its own conclusions.
 */
#pragma once

#include "supervisor/worker.h"

struct token;

/* `worker` is NULL for WORKER_CHANGED of the token as a whole. */
typedef void (*token_listener)(void *context, struct token *token, struct worker *worker,
                               enum worker_event event);

/* `name` is a token of `settings`. Nothing starts before token_start(). BAD_REQUEST: see
 * login_new(). */
ks_err token_new(const struct launch *launch, struct settings *settings, const char *name,
                 token_listener listener, void *context, struct token **out,
                 struct fault *why) KS_MUST_CHECK;
/* Takes NULL; kills what still runs. */
struct token *token_free(struct token *token);

void token_start(struct token *token);
bool token_started(const struct token *token);

/* Asks all workers to finish. */
void token_stop(struct token *token);
/* Asked to stop; and no process is left. */
bool token_stopping(const struct token *token);
bool token_gone(const struct token *token);
/* SIGKILL for what is left; true when nothing had to be spared. */
bool token_kill(struct token *token, bool force, const char *why);

/* Each second: has the PIN file of a blocked login changed? */
void token_poll(struct token *token);
/* Every HANG_POLL_MS: workers that hang, and those that do not take their configuration. */
void token_check(struct token *token, uint64_t now_ms);
void token_rotate_audit(struct token *token);

/* An administrator's retry-login. */
ks_err token_retry_login(struct token *token, struct fault *why) KS_MUST_CHECK;

/* A new generation in which this token's section is the same. */
void token_send_config(struct token *token, struct settings *settings);
/* One in which it is another, or none: it leaves. Its jobs of the generations before are not begun. */
void token_end_before(struct token *token, uint64_t generation);
/* A ready worker has not answered it. */
bool token_owes_config(const struct token *token);

const char *token_name(const struct token *token);
/* As the front is told, worker_index 0. */
const struct control_state *token_status(const struct token *token);
/* It was once ready, absent, blocked or failed: the service manager need not wait for it. */
bool token_settled(const struct token *token);
size_t token_n_workers(const struct token *token);
struct worker *token_worker(const struct token *token, size_t i);
