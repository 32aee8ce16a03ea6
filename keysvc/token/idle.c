/* SPDX-License-Identifier: Apache-2.0 */
/*
 * idle - when to look, and the look
 *
 * Not asked: whether the session is still logged in, since some modules lie about that, and each
 * look would then be a C_Login; and whether the audit key is there, since a search costs as much as
 * there are keys. A token that was exchanged has ended the session, which leads to both.
 */
#include "token/idle.h"

#include "base/clock.h"
#include "token/ckr.h"

static uint64_t
due_ms(const struct worker *worker)
{
    const struct pulse *pulse = worker->p11.pulse;
    uint32_t every_ms = worker->token->profile.idle_check_ms;

    if (!pulse || every_ms == 0)
        return UINT64_MAX;
    return atomic_load(&pulse->since_ms) + (worker->n_vague > 0 ? IDLE_AGAIN_MS : every_ms);
}

int
idle_timeout_ms(const struct worker *worker, int ms)
{
    uint64_t due = due_ms(worker), now = clock_mono_ms(), left;

    if (due == UINT64_MAX)
        return ms;
    left = due > now ? due - now : 0;
    return ms < 0 || left < (uint64_t)ms ? (int)left : ms;
}

static ks_err
look_once(struct worker *worker, void *context, struct fault *why)
{
    CK_SESSION_INFO session;
    CK_TOKEN_INFO token;
    CK_RV rv = p11_get_session_info(&worker->p11, slot_session(worker->slot), &session);

    (void)context;
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_GetSessionInfo", why);
    /* Not slot_token_info(): a vague answer is asked about again by the next look, and meanwhile jobs
     * are done. */
    rv = p11_get_token_info(&worker->p11, slot_id(worker->slot), &token);
    return rv == CKR_OK ? KS_OK : ckr_fault(rv, "C_GetTokenInfo", why);
}

void
idle_check(struct worker *worker)
{
    struct fault why = FAULT_INIT;
    ks_err err;

    if (due_ms(worker) > clock_mono_ms())
        return;
    err = worker_try(worker, look_once, NULL, &why);
    if (err && ckr_is_vague(why.rv) && ++worker->n_vague < IDLE_VAGUE_MAX)
        return;
    worker->n_vague = 0;
    worker_judge(worker, err, &why);
}
