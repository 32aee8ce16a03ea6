/* SPDX-License-Identifier: Apache-2.0 */
/*
 * quota - what one caller, a (uid, unit), may hold and how fast it may ask
 *
 * A user has as many login sessions as he likes, and units of his own manager: they are all one caller.
 *
 * Accounts appear with a caller's first connection and go with its last; a rate's bucket outlives
 * them by a minute so that reconnecting does not refill it. Times are clock_mono_ms().
 */
#pragma once

#include "base/err.h"
#include "base/fault.h"
#include "front/peer.h"
#include "ipc/config.h"

/* Of status, list and explain, which need no rule: more than monitors, agents and the pages of a
 * list of 100000 keys ask for, and little enough that a caller without any rule keeps the one
 * thread of the front from others only for a small part of each second. */
#define QUOTA_OPEN_PER_SECOND 200

/* Jobs of a caller that failed in a token process. Each stands in two audit files and costs no
 * signature, so a program that may sign could fill the disk with what the key's purpose refuses. A
 * program that works has next to none. */
#define QUOTA_FAILED_PER_SECOND 100

/* Descriptors that clients have passed to us and no token process has yet: of one caller, of all,
 * and how many of these are kept for administrators. An import has two. listener.c keeps as many
 * from the connections. */
#define QUOTA_FILES_PER_CALLER 32
#define QUOTA_FILES 128
#define QUOTA_FILES_RESERVED 32

struct quota;         /* all accounts */
struct quota_account; /* one caller's, counted by its connections */

ks_err quota_new(struct quota **out) KS_MUST_CHECK;
struct quota *quota_free(struct quota *quota);

/*
 * Counts one more connection of this caller. BUSY: too many, of this caller or of all (the
 * `reserved` last places are given to administrators only); `why` says which limit.
 */
ks_err quota_connect(struct quota *quota, const struct config_limits *limits,
                     const struct peer *peer, bool administrator, struct quota_account **out,
                     struct fault *why) KS_MUST_CHECK;
void quota_disconnect(struct quota *quota, struct quota_account *account);
uint32_t quota_n_connections(const struct quota *quota);

/* One more open request that holds `bytes`; BUSY or TOO_LARGE says which limit. Every take has its
 * put. */
ks_err quota_take(struct quota_account *account, const struct config_limits *limits, size_t bytes,
                  struct fault *why) KS_MUST_CHECK;
void quota_put(struct quota_account *account, size_t bytes);

/* So many more descriptors are held for this caller. BUSY: too many, of this caller or of all. */
ks_err quota_files_take(struct quota *quota, struct quota_account *account, bool administrator,
                        size_t n_files, struct fault *why) KS_MUST_CHECK;
void quota_files_put(struct quota *quota, struct quota_account *account, size_t n_files);

/* Copies of taken ones lie in a worker's socket, whatever becomes of the caller. */
void quota_files_lend(struct quota *quota, size_t n_files);
void quota_files_return(struct quota *quota, size_t n_files);

/* Charges one operation to the rule that allowed it: a bucket of rate_per_s a second, full at the
 * start. BUSY: too fast. */
ks_err quota_rate(struct quota *quota, struct quota_account *account,
                  const struct config_rule *rule, uint64_t now_ms, struct fault *why) KS_MUST_CHECK;

/* The same for an operation that needs no rule. */
ks_err quota_open_rate(struct quota_account *account, uint64_t now_ms,
                       struct fault *why) KS_MUST_CHECK;

/* A job of this caller has failed in a token process, or nobody has waited for its end. */
void quota_job_failed(struct quota_account *account, uint64_t now_ms);

/* May one more job be begun? BUSY: too many have failed just now. */
ks_err quota_may_fail(struct quota_account *account, uint64_t now_ms,
                      struct fault *why) KS_MUST_CHECK;

/* For taking turns: was it served in this round (not 0) before? Now it is. */
bool quota_served(struct quota_account *account, uint64_t round);

/*
 * In a turn of the loop a caller has QUOTA_TURN units, on however many connections: each read costs
 * one, each request one, and each QUOTA_TURN_BYTES of either one more. What others have to say waits
 * for no more than that of each caller. A program that waits for its answers sends less.
 */
#define QUOTA_TURN 48
#define QUOTA_TURN_BYTES (16 * 1024)
bool quota_turn_left(struct quota_account *account, uint64_t turn);
void quota_turn_use(struct quota_account *account, uint64_t turn, size_t bytes);

/* One of its connections waits to be read. Shall it be in this turn? */
bool quota_turn_wake(struct quota_account *account, uint64_t turn);

/*
 * This caller was refused more often than is written down (refusals.h). After QUOTA_REFUSED of that no
 * turn has anything left for him until all are forgiven, after QUOTA_FORGIVE_US or the next step of
 * libevent's clock, which may be 4 ms: whoever sends what is refused without waiting for the answers
 * would keep the front busy with nothing else.
 */
#define QUOTA_REFUSED 8
#define QUOTA_FORGIVE_US 1000
void quota_refused(struct quota *quota, struct quota_account *account);
void quota_forgive(struct quota *quota);

/* Of one caller only, as long as quota_free(); never 0. */
uint64_t quota_id(const struct quota_account *account);
