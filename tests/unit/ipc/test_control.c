/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "ipc/control.h"

Test(control, a_setup_reads_back_and_its_token_must_exist)
{
    struct config config = {.generation = 2, .n_tokens = 0};
    struct control_setup out, setup = {.worker_index = 1,
                                       .login_override = true,
                                       .audit_key_len = 3,
                                       .audit_key = {1, 2, 3},
                                       .config = &config};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    control_setup_pack(&packed, &setup);
    cr_assert_eq(control_setup_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert(out.login_override);
    cr_assert_eq(out.config->generation, 2);
    cr_assert_eq(out.audit_key_len, 3);
    cr_assert_eq(memcmp(out.audit_key, setup.audit_key, 3), 0);
    control_setup_deinit(&out);

    config.tokens = calloc(1, sizeof(*config.tokens));
    config.n_tokens = 1;
    setup.token_index = 1;
    packed.len = 0;
    control_setup_pack(&packed, &setup);
    cr_assert_eq(control_setup_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
    free(config.tokens);
}

Test(control, a_state_reads_back_and_an_unknown_one_is_refused)
{
    struct control_state out, state = {.token = "main",
                                       .worker_index = 2,
                                       .state = TOKEN_STATE_ABSENT,
                                       .n_restarts = 3,
                                       .sandbox = CONTROL_SANDBOX_CALLS,
                                       .text = "why"};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    control_state_pack(&packed, &state);
    cr_assert_eq(control_state_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_str_eq(out.token, "main");
    cr_assert_eq(out.state, TOKEN_STATE_ABSENT);
    cr_assert_eq(out.n_restarts, 3);
    cr_assert_eq(out.sandbox, CONTROL_SANDBOX_CALLS);
    cr_assert_str_eq(out.text, "why");
    state.state = TOKEN_STATE_COUNT;
    packed.len = 0;
    control_state_pack(&packed, &state);
    cr_assert_eq(control_state_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

Test(control, a_tally_reads_back_whole_or_not_at_all)
{
    struct control_tally out, tally = {.started_us = 1,
                                       .n_front_restarts = 2,
                                       .n_reloads = 3,
                                       .n_reloads_failed = 4,
                                       .last_reload_failed = true,
                                       .configured_us = 5,
                                       .sandbox = CONTROL_SANDBOX_OFF,
                                       .n_audit_failures = 6};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    control_tally_pack(&packed, &tally);
    cr_assert_eq(control_tally_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out.started_us, 1);
    cr_assert_eq(out.n_front_restarts, 2);
    cr_assert_eq(out.n_reloads, 3);
    cr_assert_eq(out.n_reloads_failed, 4);
    cr_assert(out.last_reload_failed);
    cr_assert_eq(out.configured_us, 5);
    cr_assert_eq(out.sandbox, CONTROL_SANDBOX_OFF);
    cr_assert_eq(out.n_audit_failures, 6);
    for (size_t len = 0; len < packed.len; len++)
        cr_assert_eq(control_tally_unpack(packed.data, len, &out), KS_ERR_BAD_REQUEST);
}

Test(control, a_checkpoint_reads_back_and_an_oversized_signature_is_refused)
{
    struct control_checkpoint out,
        checkpoint = {.text = "text", .token = "main", .signature_len = 3};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    memcpy(checkpoint.signature, "sig", 3);
    control_checkpoint_pack(&packed, &checkpoint);
    cr_assert_eq(control_checkpoint_unpack(packed.data, packed.len, &out), KS_OK);
    cr_assert_eq(out.signature_len, 3);
    cr_assert_arr_eq(out.signature, "sig", 3);

    packed.len = 0;
    pack_text(&packed, "text");
    pack_text(&packed, "main");
    pack_u32(&packed, KS_SIGNATURE_MAX_LEN + 1);
    for (int i = 0; i < KS_SIGNATURE_MAX_LEN + 1; i++)
        pack_u8(&packed, 0);
    pack_blob(&packed, "", 0);
    cr_assert_eq(control_checkpoint_unpack(packed.data, packed.len, &out), KS_ERR_BAD_REQUEST);
}

Test(control, results_workers_and_requests_of_administrators_read_back)
{
    struct control_result result_out,
        result = {.cookie = 7, .err = KS_ERR_BAD_REQUEST, .why = FAULT_INIT};
    struct control_worker worker_out, worker = {.token = "main", .worker_index = 1};
    struct control_admin admin_out,
        admin = {.cookie = 7, .action = CONTROL_ADMIN_RETRY_LOGIN, .token = "main"};
    ks_auto(buf_deinit) struct buf packed = BUF_INIT;

    fault_set(&result.why, "keysvcd.conf:3: no such option");
    control_result_pack(&packed, &result);
    cr_assert_eq(control_result_unpack(packed.data, packed.len, &result_out), KS_OK);
    cr_assert_str_eq(result_out.why.text, result.why.text);
    packed.len = 0;
    control_worker_pack(&packed, &worker);
    cr_assert_eq(control_worker_unpack(packed.data, packed.len, &worker_out), KS_OK);
    cr_assert_eq(worker_out.worker_index, 1);
    packed.len = 0;
    control_admin_pack(&packed, &admin);
    cr_assert_eq(control_admin_unpack(packed.data, packed.len, &admin_out), KS_OK);
    cr_assert_eq(admin_out.action, CONTROL_ADMIN_RETRY_LOGIN);
    cr_assert_eq(control_admin_unpack(packed.data, packed.len - 1, &admin_out), KS_ERR_BAD_REQUEST);
}
