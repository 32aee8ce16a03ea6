/* SPDX-License-Identifier: Apache-2.0 */
/*
 * look - all keys listed anew, or one of them found again
 */
#include "token/look.h"

#include "token/tell.h"

ks_err
look_again(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    ks_err err = KS_OK;

    (void)job;
    (void)answer;
    if (worker->token->profile.rescan_reinitializes)
        err = worker_reinitialize(worker, why);
    if (!err)
        err = worker_list_keys(worker, why);
    if (err)
        return err;
    tell_purposes(worker);
    tell_directory(worker);
    return KS_OK;
}

ks_err
look_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    char label[KEYNAME_LABEL_MAX + 1];
    struct key *key;
    ks_err err;

    (void)answer;
    keyname_label(job->name, job->version, label);
    key = keys_known(worker->keys, label);
    if (key)
        keys_forget(key);
    err = worker_find_key(worker, label, NULL, &key, why);
    return err == KS_ERR_TOKEN_UNAVAILABLE || err == KS_ERR_LOGIN_BLOCKED ? err : KS_OK;
}
