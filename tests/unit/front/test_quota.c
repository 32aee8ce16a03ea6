/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include "base/clock.h"
#include "front/quota.h"

static const struct config_limits limits = {
    .max_connections = 6,
    .max_connections_per_caller = 3,
    .max_requests_per_caller = 2,
    .max_bytes_per_caller = 1000,
    .reserved = 2,
};

static struct peer
caller(uint32_t uid, const char *unit)
{
    struct peer peer = PEER_INIT;

    peer.uid = uid;
    text_copy(peer.unit, sizeof(peer.unit), unit);
    return peer;
}

static struct quota *
quota_made(void)
{
    struct quota *quota;

    cr_assert_eq(quota_new(&quota), KS_OK);
    return quota;
}

static struct quota_account *
connected(struct quota *quota, uint32_t uid, const char *unit)
{
    const struct peer peer = caller(uid, unit);
    struct quota_account *account = NULL;
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_connect(quota, &limits, &peer, false, &account, &why), KS_OK, "%s",
                 why.text);
    return account;
}

static ks_err
connects(struct quota *quota, uint32_t uid, const char *unit, bool administrator, struct fault *why)
{
    const struct peer peer = caller(uid, unit);
    struct quota_account *account;

    return quota_connect(quota, &limits, &peer, administrator, &account, why);
}

Test(quota, a_caller_is_a_uid_in_a_unit)
{
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "nginx.service");

    cr_assert_eq(connected(quota, 33, "nginx.service"), account);
    cr_assert_neq(connected(quota, 33, "other.service"), account);
    cr_assert_neq(connected(quota, 34, "nginx.service"), account);
    cr_assert_eq(quota_n_connections(quota), 4);
    quota_free(quota);
    cr_assert_null(quota_free(NULL));
}

/* Otherwise ten logins fill all places. */
Test(quota, all_sessions_of_a_user_are_one_caller)
{
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 1000, "session-4.scope");

    cr_assert_eq(connected(quota, 1000, "session-5.scope"), account);
    cr_assert_eq(connected(quota, 1000, "user@1000.service"), account);
    cr_assert_neq(connected(quota, 1001, "session-6.scope"), account);
    quota_free(quota);
}

Test(quota, refuses_one_connection_too_many_of_a_caller)
{
    struct quota *quota = quota_made();
    struct quota_account *account = NULL;
    struct fault why = FAULT_INIT;

    for (int i = 0; i < 3; i++)
        account = connected(quota, 33, "nginx.service");
    cr_assert_eq(connects(quota, 33, "nginx.service", false, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "uid 33 in nginx.service"), "%s", why.text);
    cr_assert_not_null(strstr(why.text, "the limit is 3"), "%s", why.text);
    /* An administrator's own limit is the same. */
    cr_assert_eq(connects(quota, 33, "nginx.service", true, &why), KS_ERR_BUSY);
    quota_disconnect(quota, account);
    cr_assert_eq(connects(quota, 33, "nginx.service", false, &why), KS_OK);
    quota_free(quota);
}

Test(quota, the_last_places_are_for_administrators)
{
    struct quota *quota = quota_made();
    struct fault why = FAULT_INIT;

    for (uint32_t uid = 1; uid <= 4; uid++)
        cr_assert_eq(connects(quota, uid, "", false, &why), KS_OK);
    cr_assert_eq(connects(quota, 5, "", false, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "of all callers"), "%s", why.text);
    cr_assert_eq(connects(quota, 0, "", true, &why), KS_OK);
    cr_assert_eq(connects(quota, 0, "", true, &why), KS_OK);
    cr_assert_eq(connects(quota, 0, "", true, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_n_connections(quota), 6);
    quota_free(quota);
}

Test(quota, charges_open_requests_and_their_bytes)
{
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_take(account, &limits, 1001, &why), KS_ERR_TOO_LARGE);
    cr_assert_eq(quota_take(account, &limits, SIZE_MAX, &why), KS_ERR_TOO_LARGE);
    cr_assert_eq(quota_take(account, &limits, 600, &why), KS_OK);
    cr_assert_eq(quota_take(account, &limits, 401, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "bytes"), "%s", why.text);
    cr_assert_eq(quota_take(account, &limits, 400, &why), KS_OK);
    cr_assert_eq(quota_take(account, &limits, 0, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "open requests"), "%s", why.text);
    quota_put(account, 600);
    cr_assert_eq(quota_take(account, &limits, 600, &why), KS_OK);
    quota_put(account, 600);
    quota_put(account, 400);
    quota_free(quota);
}

Test(quota, a_lowered_limit_holds_for_what_is_already_taken)
{
    struct config_limits lower = limits;
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_take(account, &limits, 900, &why), KS_OK);
    lower.max_bytes_per_caller = 100;
    cr_assert_eq(quota_take(account, &lower, 50, &why), KS_ERR_BUSY);
    quota_put(account, 900);
    cr_assert_eq(quota_take(account, &lower, 50, &why), KS_OK);
    quota_free(quota);
}

Test(quota, a_request_may_outlive_its_connection)
{
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_take(account, &limits, 900, &why), KS_OK);
    quota_disconnect(quota, account);
    clock_shift(1000000000, 0);
    connected(quota, 34, "");
    cr_assert_eq(connected(quota, 33, ""), account);
    cr_assert_eq(quota_take(account, &limits, 200, &why), KS_ERR_BUSY);
    quota_put(account, 900);
    cr_assert_eq(quota_take(account, &limits, 200, &why), KS_OK);
    quota_free(quota);
}

Test(quota, a_rate_is_a_bucket_full_at_the_start)
{
    const struct config_rule rule = {.name = "nginx", .rate_per_s = 10};
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "nginx.service");
    struct fault why = FAULT_INIT;

    for (int i = 0; i < 10; i++)
        cr_assert_eq(quota_rate(quota, account, &rule, 5000, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, account, &rule, 5000, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "rule nginx"), "%s", why.text);
    cr_assert_eq(quota_rate(quota, account, &rule, 5099, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_rate(quota, account, &rule, 5100, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, account, &rule, 5100, &why), KS_ERR_BUSY);
    /* A clock that goes back gives nothing and takes nothing. */
    cr_assert_eq(quota_rate(quota, account, &rule, 1, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_rate(quota, account, &rule, 5200, &why), KS_OK);
    /* However long it waits, no more than a second's worth. */
    for (int i = 0; i < 10; i++)
        cr_assert_eq(quota_rate(quota, account, &rule, UINT64_MAX, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, account, &rule, UINT64_MAX, &why), KS_ERR_BUSY);
    quota_free(quota);
}

Test(quota, rules_and_callers_have_buckets_of_their_own)
{
    const struct config_rule one = {.name = "one", .rate_per_s = 1},
                             two = {.name = "two", .rate_per_s = 1}, free = {.name = "free"};
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_rate(quota, a, &one, 1, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, a, &one, 1, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_rate(quota, a, &two, 1, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, b, &one, 1, &why), KS_OK);
    for (int i = 0; i < 1000; i++)
        cr_assert_eq(quota_rate(quota, a, &free, 1, &why), KS_OK);
    quota_free(quota);
}

Test(quota, a_rate_lowered_by_a_reload_holds_at_once)
{
    struct config_rule rule = {.name = "nginx", .rate_per_s = 1000};
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_rate(quota, account, &rule, 1, &why), KS_OK);
    rule.rate_per_s = 1;
    cr_assert_eq(quota_rate(quota, account, &rule, 1, &why), KS_OK);
    cr_assert_eq(quota_rate(quota, account, &rule, 1, &why), KS_ERR_BUSY);
    quota_free(quota);
}

Test(quota, reconnecting_does_not_fill_a_bucket_for_a_minute)
{
    const struct config_rule rule = {.name = "nginx", .rate_per_s = 1};
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    uint64_t now_ms = clock_mono_ms();
    struct fault why = FAULT_INIT;

    cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_OK);
    quota_disconnect(quota, account);
    account = connected(quota, 33, "");
    cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_ERR_BUSY);
    quota_disconnect(quota, account);
    /* After it the account is a new one. */
    clock_shift(61 * 1000000ll, 0);
    account = connected(quota, 33, "");
    cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_OK);
    quota_free(quota);
}

Test(quota, idle_accounts_are_bounded)
{
    const struct config_rule rule = {.name = "nginx", .rate_per_s = 1};
    struct quota *quota = quota_made();
    uint64_t now_ms = clock_mono_ms();
    struct fault why = FAULT_INIT;
    struct quota_account *account;

    for (uint32_t uid = 0; uid < 10000; uid++) {
        account = connected(quota, uid, "");
        cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_OK);
        quota_disconnect(quota, account);
    }
    /* The first was dropped, the last is remembered. */
    account = connected(quota, 9999, "");
    cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_ERR_BUSY);
    account = connected(quota, 0, "");
    cr_assert_eq(quota_rate(quota, account, &rule, now_ms, &why), KS_OK);
    quota_free(quota);
}

Test(quota, what_needs_no_rule_has_a_rate_too)
{
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");
    struct fault why = FAULT_INIT;

    for (int i = 0; i < QUOTA_OPEN_PER_SECOND; i++)
        cr_assert_eq(quota_open_rate(a, 5000, &why), KS_OK);
    cr_assert_eq(quota_open_rate(a, 5000, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "uid 1"), "%s", why.text);
    cr_assert_eq(quota_open_rate(b, 5000, &why), KS_OK);
    cr_assert_eq(quota_open_rate(a, 5100, &why), KS_OK);
    quota_free(quota);
}

Test(quota, failed_jobs_are_counted_and_a_new_connection_does_not_forget_them)
{
    struct quota *quota = quota_made();
    struct quota_account *account = connected(quota, 33, "");
    uint64_t now_ms = clock_mono_ms();
    struct fault why = FAULT_INIT;

    for (int i = 0; i < QUOTA_FAILED_PER_SECOND; i++) {
        cr_assert_eq(quota_may_fail(account, now_ms, &why), KS_OK);
        quota_job_failed(account, now_ms);
    }
    cr_assert_eq(quota_may_fail(account, now_ms, &why), KS_ERR_BUSY);
    /* Those that were open already fail too. */
    quota_job_failed(account, now_ms);
    quota_disconnect(quota, account);
    account = connected(quota, 33, "");
    cr_assert_eq(quota_may_fail(account, now_ms, &why), KS_ERR_BUSY);
    cr_assert_not_null(strstr(why.text, "failed"), "%s", why.text);
    cr_assert_eq(quota_may_fail(connected(quota, 34, ""), now_ms, &why), KS_OK);
    cr_assert_eq(quota_may_fail(account, now_ms + 1000, &why), KS_OK);
    quota_free(quota);
}

Test(quota, a_caller_is_served_once_a_round)
{
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");

    cr_assert_not(quota_served(a, 1));
    cr_assert(quota_served(a, 1));
    cr_assert_not(quota_served(b, 1));
    cr_assert_not(quota_served(a, 2));
    quota_free(quota);
}

Test(quota, a_turn_is_shared_by_callers_not_by_connections)
{
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");

    cr_assert_eq(connected(quota, 1, ""), a);
    for (int i = 0; i < QUOTA_TURN; i++) {
        cr_assert(quota_turn_left(a, 1));
        quota_turn_use(a, 1, 100);
    }
    cr_assert_not(quota_turn_left(a, 1));
    cr_assert(quota_turn_left(b, 1));
    cr_assert(quota_turn_left(a, 2));
    /* Many bytes are as much as many requests. */
    quota_turn_use(a, 2, QUOTA_TURN * QUOTA_TURN_BYTES);
    cr_assert_not(quota_turn_left(a, 2));
    quota_free(quota);
}

Test(quota, no_more_connections_are_woken_than_could_be_served)
{
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");
    int n_woken = 0;

    while (quota_turn_wake(a, 1))
        cr_assert_lt(++n_woken, QUOTA_TURN);
    cr_assert_gt(n_woken, 0);
    cr_assert(quota_turn_wake(b, 1));
    cr_assert(quota_turn_wake(a, 2));
    cr_assert_neq(quota_id(a), quota_id(b));
    quota_free(quota);
}

Test(quota, who_is_refused_too_often_waits_until_all_are_forgiven)
{
    struct quota *quota = quota_made();
    struct quota_account *a = connected(quota, 1, ""), *b = connected(quota, 2, "");

    for (int i = 0; i < QUOTA_REFUSED; i++) {
        cr_assert(quota_turn_left(a, 1));
        cr_assert(quota_turn_wake(a, 1));
        quota_refused(quota, a);
    }
    cr_assert_not(quota_turn_left(a, 1));
    cr_assert_not(quota_turn_left(a, 2));
    cr_assert_not(quota_turn_wake(a, 2));
    cr_assert(quota_turn_left(b, 2));
    cr_assert(quota_turn_wake(b, 2));
    /* Who has gone meanwhile is forgotten. */
    quota_refused(quota, b);
    quota_disconnect(quota, b);
    quota_forgive(quota);
    cr_assert(quota_turn_left(a, 2));
    cr_assert(quota_turn_wake(a, 2));
    quota_refused(quota, a);
    cr_assert(quota_turn_left(a, 2));
    quota_free(quota);
}

Test(quota, descriptors_are_bounded_for_one_caller_and_for_all)
{
    enum { CALLERS = (QUOTA_FILES - QUOTA_FILES_RESERVED) / QUOTA_FILES_PER_CALLER };
    static const struct config_limits many = {.max_connections = 100,
                                              .max_connections_per_caller = 10};
    struct quota *quota = quota_made();
    struct quota_account *accounts[CALLERS + 1];
    struct fault why = FAULT_INIT;

    for (uint32_t i = 0; i <= CALLERS; i++) {
        const struct peer peer = caller(i, "");

        cr_assert_eq(quota_connect(quota, &many, &peer, false, &accounts[i], &why), KS_OK);
    }
    for (size_t i = 0; i < CALLERS; i++)
        cr_assert_eq(quota_files_take(quota, accounts[i], false, QUOTA_FILES_PER_CALLER, &why),
                     KS_OK, "%s", why.text);
    cr_assert_eq(quota_files_take(quota, accounts[0], true, 1, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_files_take(quota, accounts[CALLERS], false, 1, &why), KS_ERR_BUSY);
    cr_assert_eq(quota_files_take(quota, accounts[CALLERS], true, 2, &why), KS_OK);
    /* What lies in a worker's socket counts, whoever's it was. */
    quota_files_put(quota, accounts[0], QUOTA_FILES_PER_CALLER);
    quota_files_lend(quota, QUOTA_FILES_PER_CALLER);
    cr_assert_eq(quota_files_take(quota, accounts[0], false, 2, &why), KS_ERR_BUSY);
    quota_files_return(quota, QUOTA_FILES_PER_CALLER);
    cr_assert_eq(quota_files_take(quota, accounts[0], false, 2, &why), KS_OK);
    quota_files_put(quota, accounts[0], 2);
    quota_files_put(quota, accounts[CALLERS], 2);
    quota_free(quota);
}
