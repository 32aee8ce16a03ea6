/* SPDX-License-Identifier: Apache-2.0 */
/*
 * operations - the handlers in op_*.c, for the table in dispatch.c
 */
#pragma once

#include "front/call.h"
#include "front/directory.h"
#include "front/holders.h"
#include "ipc/job.h"

ks_err op_status(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
ks_err op_list(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
/* Goes on with the lists that are open, so far as one turn of the loop may take. */
void op_list_turn(struct front *front);
ks_err op_get(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
ks_err op_generate(struct call *call, const struct request *request,
                   struct fault *why) KS_MUST_CHECK;
ks_err op_rotate(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
void op_key_made(struct call *call, const struct job_reply *reply);
ks_err op_sign(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
void op_signed(struct call *call, const struct job_reply *reply);
ks_err op_csr(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
void op_csr_made(struct call *call, const struct job_reply *reply);
ks_err op_explain(struct call *call, const struct request *request,
                  struct fault *why) KS_MUST_CHECK;
ks_err op_reload(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
ks_err op_retry_login(struct call *call, const struct request *request,
                      struct fault *why) KS_MUST_CHECK;
ks_err op_rescan(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
ks_err op_self_sign(struct call *call, const struct request *request,
                    struct fault *why) KS_MUST_CHECK;
ks_err op_import(struct call *call, const struct request *request, struct fault *why) KS_MUST_CHECK;
ks_err op_destroy(struct call *call, const struct request *request,
                  struct fault *why) KS_MUST_CHECK;
ks_err op_certificate_put(struct call *call, const struct request *request,
                          struct fault *why) KS_MUST_CHECK;
ks_err op_certificate_get(struct call *call, const struct request *request,
                          struct fault *why) KS_MUST_CHECK;
ks_err op_certificate_delete(struct call *call, const struct request *request,
                             struct fault *why) KS_MUST_CHECK;
ks_err op_token_info(struct call *call, const struct request *request,
                     struct fault *why) KS_MUST_CHECK;
ks_err op_metrics(struct call *call, const struct request *request,
                  struct fault *why) KS_MUST_CHECK;
bool op_is_token_info(const struct job_reply *reply);
void op_token_told(struct call *call, const struct job_reply *reply);

/* --- what several of them share: op_common.c --- */

/* An entry as a reply shows it; class and purpose follow from the configuration in force. False: of
 * a group's key another token's entry is shown. */
bool op_reply_key(const struct front *front, const struct directory_entry *entry,
                  struct reply_key *out);

/* As op_reply_key, with public half and versions; the caller frees *versions. */
struct reply_key op_reply_whole_key(const struct front *front, const struct directory_entry *entry,
                                    uint32_t **versions);

/* The key on the token or group of its class. PURPOSE: no class, or the service's own; NO_KEY,
 * AMBIGUOUS_KEY; TOKEN_UNAVAILABLE: a token's keys are not known yet. */
ks_err op_find_key(const struct call *call, const char *name, uint32_t version, struct holders *out,
                   struct fault *why) KS_MUST_CHECK;

/* As op_find_key, and it is the key the caller means: KEY_CHANGED. For what changes nothing that alone
 * counts, where a group's tokens show different keys under the label. */
ks_err op_find_meant_key(const struct call *call, const struct request *request,
                         struct holders *out, struct fault *why) KS_MUST_CHECK;

/* AMBIGUOUS_KEY: tokens of a group show different keys under the label. */
ks_err op_check_one_key(const struct config_class *class, const struct holders *holders,
                        struct fault *why) KS_MUST_CHECK;

/* The class of the request's key. PURPOSE: none, or the key is the service's own. */
ks_err op_class_for(const struct call *call, const struct request *request,
                    const struct config_class **out, struct fault *why) KS_MUST_CHECK;

/* EXISTS: so far as the directory knows the name is taken. TOKEN_UNAVAILABLE, of a group only: a
 * token that was not heard yet may have it; two keys would then be one too many for good. */
ks_err op_check_new(const struct call *call, const char *name, const struct config_class *class,
                    struct fault *why) KS_MUST_CHECK;

/* The request's version is the newest: EXISTS, and what op_find_key() and op_check_new() say. */
ks_err op_check_newest(const struct call *call, const struct request *request,
                       const struct config_class *class, struct holders *out,
                       struct fault *why) KS_MUST_CHECK;

/* finish() of those that have nothing to say but that it is done. */
void op_done(struct call *call, const struct job_reply *reply);

/* sane() and finish() of an import (op_key.c). */
bool op_is_imported(const struct job_reply *reply);
void op_imported(struct call *call, const struct job_reply *reply);

/* sane() and finish() of those whose answer is a chain (op_certificate.c). */
bool op_is_chain(const struct job_reply *reply);
void op_chain_told(struct call *call, const struct job_reply *reply);

/* An administrator asks about a token: BAD_REQUEST: none is called so (op_admin.c). */
ks_err op_check_token(const struct call *call, const struct request *request,
                      struct fault *why) KS_MUST_CHECK;

/* Hands the request on to the token of the key that it means, which must be the one it names. */
ks_err op_submit_meant(struct call *call, const struct request *request,
                       enum job_operation operation, struct fault *why) KS_MUST_CHECK;

/* A job about the request's key with the caller filled in. */
void op_job_init(struct job *job, const struct call *call, const struct request *request,
                 enum job_operation operation);
