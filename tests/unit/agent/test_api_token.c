/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of the REST interface: what is kept of them, and which hold. */
#include <criterion/criterion.h>
#include <stdio.h>

#include "base/clock.h"
#include "client/agent/api_token.h"
#include "client/agent/store/store.h"

#define SECOND_US (1000ll * 1000)

static char folder[] = "/tmp/keysvc-token-XXXXXX";
static struct agent agent;
static struct report report;

static void
set_up(void)
{
    char path[sizeof(folder) + 16];
    struct fault why = FAULT_INIT;

    cr_assert(mkdtemp(folder));
    snprintf(path, sizeof(path), "%s/agent.db", folder);
    cr_assert_eq(store_open(path, &agent.store, &why), KS_OK, "%s", why.text);
    report = (struct report)REPORT_INIT;
}

static void
tear_down(void)
{
    char command[sizeof(folder) + 16];

    agent.store = store_close(agent.store);
    snprintf(command, sizeof(command), "rm -rf %s", folder);
    cr_assert_eq(system(command), 0);
}

TestSuite(api_token, .init = set_up, .fini = tear_down);

static void
make(unsigned int scopes, int64_t expires_us, char text[static API_TOKEN_TEXT_LEN + 1])
{
    cr_assert_eq(api_token_create(&agent, "backup", scopes, expires_us, text, &report), KS_OK, "%s",
                 report.message);
}

static ks_err
check(const char *text, struct api_token *out)
{
    report = (struct report)REPORT_INIT;
    return api_token_check(&agent, text, out, &report);
}

Test(api_token, holds_and_says_whose_it_is_and_what_it_may)
{
    char text[API_TOKEN_TEXT_LEN + 1], other[API_TOKEN_TEXT_LEN + 1];
    struct api_token token;

    make(SCOPE_READ | SCOPE_CERTIFICATES, 0, text);
    make(SCOPE_READ, 0, other);
    cr_assert_eq(strlen(text), API_TOKEN_TEXT_LEN);
    cr_assert_str_neq(text, other);
    cr_assert_eq(check(text, &token), KS_OK);
    cr_assert_str_eq(token.name, "backup");
    cr_assert_eq(token.scopes, SCOPE_READ | SCOPE_CERTIFICATES);
    cr_assert_eq(strncmp(text + 4, token.id, API_TOKEN_ID_LEN), 0);
    cr_assert_eq(check(other, &token), KS_OK);
    cr_assert_eq(token.scopes, SCOPE_READ);
}

Test(api_token, that_differs_in_any_byte_or_in_length_does_not_hold)
{
    char text[API_TOKEN_TEXT_LEN + 1], longer[API_TOKEN_TEXT_LEN + 2];
    struct api_token token;

    make(SCOPE_READ, 0, text);
    for (size_t i = 0; i < API_TOKEN_TEXT_LEN; i++) {
        char kept = text[i];

        text[i] = kept == 'a' ? 'b' : 'a';
        cr_expect_eq(check(text, &token), KS_ERR_DENIED, "byte %zu", i);
        text[i] = '\0';
        cr_expect_eq(check(text, &token), KS_ERR_DENIED, "cut at %zu", i);
        text[i] = kept;
    }
    snprintf(longer, sizeof(longer), "%sA", text);
    cr_assert_eq(check(longer, &token), KS_ERR_DENIED);
    cr_assert_eq(check("", &token), KS_ERR_DENIED);
    cr_assert_eq(check(text, &token), KS_OK);
}

Test(api_token, is_not_in_the_store)
{
    char text[API_TOKEN_TEXT_LEN + 1], command[300];

    make(SCOPE_READ, 0, text);
    snprintf(command, sizeof(command), "! grep -aqrF -e '%s' %s && grep -aqrF backup %s",
             text + API_TOKEN_TEXT_LEN - API_TOKEN_SECRET_LEN, folder, folder);
    cr_assert_eq(system(command), 0);
}

Test(api_token, ends_when_it_expires_and_when_it_is_revoked)
{
    char text[API_TOKEN_TEXT_LEN + 1], other[API_TOKEN_TEXT_LEN + 1];
    struct api_token token;

    make(SCOPE_READ, (int64_t)clock_wall_us() + 3600 * SECOND_US, text);
    make(SCOPE_READ, 0, other);
    cr_assert_eq(check(text, &token), KS_OK);
    clock_shift(0, 3601 * SECOND_US);
    cr_assert_eq(check(text, &token), KS_ERR_DENIED);
    cr_assert_eq(check(other, &token), KS_OK);
    report = (struct report)REPORT_INIT;
    cr_assert_eq(api_token_revoke(&agent, token.id, &report), KS_OK);
    cr_assert_eq(api_token_revoke(&agent, token.id, &report), KS_OK, "and stays so");
    cr_assert_eq(check(other, &token), KS_ERR_DENIED);
    cr_assert_eq(api_token_revoke(&agent, "000000000000", &report), KS_ERR_NOT_FOUND);
}

Test(api_token, its_last_use_is_written_down_once_a_minute)
{
    ks_auto(freep) struct api_token *list = NULL;
    char text[API_TOKEN_TEXT_LEN + 1];
    struct api_token token;
    int64_t first;
    size_t n;

    make(SCOPE_READ, 0, text);
    cr_assert_eq(api_token_list(&agent, &list, &n, &report), KS_OK);
    cr_assert_eq(n, 1);
    cr_assert_eq(list[0].used_us, 0);
    cr_assert_eq(check(text, &token), KS_OK);
    first = token.used_us;
    cr_assert_gt(first, 0);
    clock_shift(0, 30 * SECOND_US);
    cr_assert_eq(check(text, &token), KS_OK);
    cr_assert_eq(token.used_us, first);
    clock_shift(0, 61 * SECOND_US);
    cr_assert_eq(check(text, &token), KS_OK);
    cr_assert_gt(token.used_us, first);
}

Test(api_token, has_a_name_that_can_be_shown)
{
    char text[API_TOKEN_TEXT_LEN + 1], name[API_TOKEN_NAME_MAX + 2];

    memset(name, 'n', sizeof(name) - 1);
    name[sizeof(name) - 1] = '\0';
    cr_assert_eq(api_token_create(&agent, name, SCOPE_READ, 0, text, &report), KS_ERR_USAGE);
    cr_assert_eq(api_token_create(&agent, "", SCOPE_READ, 0, text, &report), KS_ERR_USAGE);
    cr_assert_eq(api_token_create(&agent, "a\nb", SCOPE_READ, 0, text, &report), KS_ERR_USAGE);
    cr_assert_eq(scope_from_name("everything"), 0);
    cr_assert_null(scope_name(SCOPE_READ | SCOPE_CERTIFICATES));
}
