/* SPDX-License-Identifier: Apache-2.0 */
/*
 * info - CK_TOKEN_INFO and the list of mechanisms
 *
 * A number that the token does not know (CK_UNAVAILABLE_INFORMATION) and "no limit"
 * (CK_EFFECTIVELY_INFINITE) are told apart here, once.
 */
#include "token/info.h"

#include <stdio.h>

#include "token/ckr.h"
#include "token/mechanism.h"

_Static_assert(sizeof(((struct job_mechanism *)0)->name) == MECHANISM_NAME_MAX + 1,
               "a mechanism's name fits");

static ks_err ask_token(struct worker *worker, void *context, struct fault *why);
static void take_info(const CK_TOKEN_INFO *info, struct job_token_info *out);
static ks_err list_mechanisms(struct worker *worker, struct job_token_info *out, struct fault *why);
static void describe(struct worker *worker, CK_MECHANISM_TYPE type, struct job_mechanism *out);

ks_err
info_run(struct worker *worker, const struct job *job, struct answer *answer, struct fault *why)
{
    ks_auto(job_token_info_deinit) struct job_token_info info = {.flags = 0};
    ks_err err;

    (void)job;
    err = worker_try(worker, ask_token, &info, why);
    if (err)
        return err;
    job_token_info_pack(&answer->data, &info);
    return answer->data.failed ? KS_ERR_INTERNAL : KS_OK;
}

/* The second try begins anew. */
static ks_err
ask_token(struct worker *worker, void *context, struct fault *why)
{
    struct job_token_info *out = context;
    CK_TOKEN_INFO info;
    ks_err err;

    job_token_info_deinit(out);
    err = slot_token_info(worker->slot, &info, why);
    if (err)
        return err;
    take_info(&info, out);
    return list_mechanisms(worker, out, why);
}

static uint64_t
number(CK_ULONG value)
{
    return value == CK_UNAVAILABLE_INFORMATION ? JOB_NUMBER_UNKNOWN : value;
}

static void
version(const CK_VERSION *value, char out[static 8])
{
    snprintf(out, 8, "%u.%u", value->major, value->minor);
}

/* CK_EFFECTIVELY_INFINITE is 0, as "no limit" is in job.h. */
_Static_assert(CK_EFFECTIVELY_INFINITE == 0, "no limit is 0");

static void
take_info(const CK_TOKEN_INFO *info, struct job_token_info *out)
{
    worker_text(out->label, info->label, sizeof(info->label));
    worker_text(out->manufacturer, info->manufacturerID, sizeof(info->manufacturerID));
    worker_text(out->model, info->model, sizeof(info->model));
    worker_text(out->serial, info->serialNumber, sizeof(info->serialNumber));
    version(&info->hardwareVersion, out->hardware_version);
    version(&info->firmwareVersion, out->firmware_version);
    out->flags = info->flags;
    out->sessions = number(info->ulSessionCount);
    out->max_sessions = number(info->ulMaxSessionCount);
    out->rw_sessions = number(info->ulRwSessionCount);
    out->max_rw_sessions = number(info->ulMaxRwSessionCount);
    out->min_pin_len = number(info->ulMinPinLen);
    out->max_pin_len = number(info->ulMaxPinLen);
    out->free_public_memory = number(info->ulFreePublicMemory);
    out->total_public_memory = number(info->ulTotalPublicMemory);
    out->free_private_memory = number(info->ulFreePrivateMemory);
    out->total_private_memory = number(info->ulTotalPrivateMemory);
}

static int
compare(const void *left, const void *right)
{
    const CK_MECHANISM_TYPE *a = left, *b = right;

    return *a < *b ? -1 : *a > *b;
}

/*
 * Asked for once, with room for as many as are shown: a count that is asked for first is one more
 * thing that a module could have wrong. A longer list is refused by the module itself.
 */
static ks_err
list_mechanisms(struct worker *worker, struct job_token_info *out, struct fault *why)
{
    ks_auto(freep) CK_MECHANISM_TYPE *types = calloc(JOB_MAX_MECHANISMS, sizeof(*types));
    CK_ULONG n = JOB_MAX_MECHANISMS;
    CK_RV rv;

    if (!types)
        return KS_ERR_INTERNAL;
    rv = p11_get_mechanisms(&worker->p11, slot_id(worker->slot), types, &n);
    if (rv == CKR_BUFFER_TOO_SMALL || (rv == CKR_OK && n > JOB_MAX_MECHANISMS)) {
        fault_set(why, "token %s lists %lu mechanisms, more than %d cannot be shown",
                  worker->token->name, n, JOB_MAX_MECHANISMS);
        return KS_ERR_UNSUPPORTED;
    }
    if (rv != CKR_OK)
        return ckr_fault(rv, "C_GetMechanismList", why);
    out->mechanisms = calloc(n ? n : 1, sizeof(*out->mechanisms));
    if (!out->mechanisms)
        return KS_ERR_INTERNAL;
    qsort(types, n, sizeof(*types), compare);
    for (CK_ULONG i = 0; i < n; i++)
        describe(worker, types[i], &out->mechanisms[out->n_mechanisms++]);
    return KS_OK;
}

/* Zeros where the token does not say. */
static void
describe(struct worker *worker, CK_MECHANISM_TYPE type, struct job_mechanism *out)
{
    CK_MECHANISM_INFO info;

    *out = (struct job_mechanism){.type = type};
    mechanism_name(type, out->name);
    if (p11_get_mechanism_info(&worker->p11, slot_id(worker->slot), type, &info) != CKR_OK)
        return;
    out->min_size = info.ulMinKeySize;
    out->max_size = info.ulMaxKeySize;
    out->flags = info.flags;
}
