/* SPDX-License-Identifier: Apache-2.0 */
/*
 * fuzz_request - a frame's bytes are a request within its bounds, or refused with a reason
 */
#include "front/decode.h"
#include "proto/wire/frame.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t len);

static void
check_csr(const struct job_csr *csr)
{
    if (csr->n_alternatives > JOB_MAX_ALTERNATIVES || strlen(csr->common_name) > JOB_SUBJECT_MAX ||
        strlen(csr->challenge_password) > JOB_SUBJECT_MAX)
        abort();
    for (size_t i = 0; i < csr->n_alternatives; i++) {
        if (strlen(csr->alternatives[i].value) > CERTNAME_MAX_LEN)
            abort();
    }
}

static void
check_chain(const struct job_chain *chain)
{
    if (chain->n_items == 0 || chain->n_items > JOB_MAX_CHAIN)
        abort();
    for (size_t i = 0; i < chain->n_items; i++) {
        if (chain->items[i].len == 0 || chain->items[i].len > JOB_MAX_CERTIFICATE)
            abort();
    }
}

static void
check_import(const struct job_import *import)
{
    if (import->format == 0 || import->format >= JOB_IMPORT_FORMAT_COUNT ||
        strlen(import->select) > JOB_MAX_SELECT)
        abort();
}

int
LLVMFuzzerTestOneInput(const uint8_t *data, size_t len)
{
    ks_auto(arena_freep) struct arena *arena = NULL;
    struct fault why = FAULT_INIT;
    struct request request;

    if (len > FRAME_MAX_LEN || arena_new(&arena) != KS_OK)
        return 0;
    if (decode_request(arena, data, len, &request, &why) != KS_OK) {
        if (!why.text[0])
            abort();
        return 0;
    }
    if (request.id == 0 || request.operation == REQUEST_NONE || request.deadline_ms == 0 ||
        request.deadline_ms > REQUEST_MAX_DEADLINE_MS ||
        (request.name[0] && !keyname_valid(request.name)))
        abort();
    if (request.operation == REQUEST_CSR || request.operation == REQUEST_SELF_SIGN)
        check_csr(&request.csr);
    if (request.operation == REQUEST_SELF_SIGN &&
        (request.days == 0 || request.days > JOB_MAX_DAYS || request.csr.challenge_password[0]))
        abort();
    if (request.operation == REQUEST_CERTIFICATE_PUT)
        check_chain(&request.chain);
    if (request.operation == REQUEST_IMPORT)
        check_import(&request.import);
    if (request.operation == REQUEST_DESTROY && request.version == 0)
        abort();
    return 0;
}
