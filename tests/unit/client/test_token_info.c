/* SPDX-License-Identifier: Apache-2.0 */
#include <criterion/criterion.h>

#include <stdio.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

enum { TOKEN_INFO = 28 };

static struct fake_token token;
static ks_err code;
static bool other;
static char asked_for[64];

static struct fake_server *server;
static struct ks_client *client;
static struct ks_error error;
static struct ks_token_info *info;

static void
answer(struct fake_server *from, const struct fake_request *request)
{
    (void)from;
    snprintf(asked_for, sizeof(asked_for), "%s", request->name);
    if (code)
        fake_error(request, code, false);
    else if (other)
        fake_csr(&(struct fake_request){.fd = request->fd, .id = request->id, .operation = 17});
    else
        fake_token_info(request, &token);
}

static void
start(void)
{
    token = (struct fake_token){.n_mechanisms = 2, .n_unsupported = 1};
    server = fake_server_start(NULL, answer, NULL);
    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
}

static void
stop(void)
{
    client = ks_client_free(client);
    fake_server_stop(server, true);
}

TestSuite(token_info, .init = start, .fini = stop);

Test(token_info, all_that_a_token_says_comes_whole_and_printable)
{
    cr_assert_eq(ks_token_info(client, "main", &info, &error), KS_OK, "%s", error.message);
    cr_assert_str_eq(asked_for, "main");
    cr_assert_str_eq(info->label, "key svc", "no escape sequence reaches a terminal");
    cr_assert_str_eq(info->manufacturer, "SoftHSM project");
    cr_assert_str_eq(info->model, "SoftHSM v2");
    cr_assert_str_eq(info->serial, "0123456789abcdef");
    cr_assert_str_eq(info->hardware_version, "2.6");
    cr_assert_str_eq(info->firmware_version, "255.255");
    cr_assert_eq(info->flags, 0x42d);
    cr_assert_eq(info->sessions, 3);
    cr_assert_eq(info->max_sessions, 0);
    cr_assert_eq(info->max_pin_len, 255);
    cr_assert_eq(info->free_public_memory, KS_NUMBER_UNKNOWN);
    cr_assert_eq(info->n_mechanisms, 2);
    cr_assert_str_eq(info->mechanisms[1].name, "CKM_RSA_PKCS");
    cr_assert_eq(info->mechanisms[1].type, 1);
    cr_assert_eq(info->mechanisms[1].max_size, 4096);
    cr_assert_eq(info->n_unsupported, 1);
    cr_assert_str_eq(info->unsupported[0], "import");
    cr_assert_null(ks_token_info_free(info));
    cr_assert_null(ks_token_info_free(NULL));
}

/* One row an answer: what it holds, and what becomes of it. */
struct row {
    const char *name;
    struct fake_token token;
    ks_err wanted;
};

static const struct row ROWS[] = {
    {"nothing", {0}, KS_OK},
    {"the longest label", {.label_len = 32}, KS_OK},
    {"a longer one", {.label_len = 33}, KS_ERR_INTERNAL},
    {"the longest name of a mechanism", {.n_mechanisms = 1, .mechanism_len = 47}, KS_OK},
    {"a longer one", {.n_mechanisms = 3, .mechanism_len = 48}, KS_ERR_INTERNAL},
    {"the most mechanisms", {.n_mechanisms = 1024}, KS_OK},
    {"more", {.n_mechanisms = 1025}, KS_ERR_INTERNAL},
    {"the most words of the profile", {.n_unsupported = 64, .word_len = 64}, KS_OK},
    {"more", {.n_unsupported = 65}, KS_ERR_INTERNAL},
    {"a longer word", {.n_mechanisms = 2, .n_unsupported = 2, .word_len = 65}, KS_ERR_INTERNAL},
};

Test(token_info, what_no_token_can_say_is_refused_and_not_cut)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        ks_err err;

        token = ROWS[i].token;
        err = ks_token_info(client, "main", &info, &error);
        cr_expect_eq(err, ROWS[i].wanted, "%s: %s (%s)", ROWS[i].name, ks_err_name(err),
                     error.message);
        if (!err)
            ks_token_info_free(info);
    }
}

Test(token_info, refusals_and_answers_of_another_kind_come_through)
{
    code = KS_ERR_DENIED;
    cr_assert_eq(ks_token_info(client, "main", &info, &error), KS_ERR_DENIED);
    code = KS_ERR_LOGIN_BLOCKED;
    cr_assert_eq(ks_token_info(client, "main", &info, &error), KS_ERR_LOGIN_BLOCKED);
    code = KS_OK;
    other = true;
    cr_assert_eq(ks_token_info(client, "main", &info, NULL), KS_ERR_INTERNAL);
}
