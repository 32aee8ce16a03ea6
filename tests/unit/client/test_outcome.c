/* SPDX-License-Identifier: Apache-2.0 */
/* What becomes of each call when the connection ends or the token is away: one row a call. */
#include <criterion/criterion.h>

#include <stdio.h>
#include <sys/socket.h>

#include "client/lib/keysvc.h"
#include "fake_server.h"

#define N_AWAY 2 /* refusals before it goes well */

struct script {
    bool lost;
    unsigned int n_away;
};

static struct script script;

static const struct ks_key KEY = {
    .name = "web/shop", .version = 2, .type = KS_KEY_TYPE_EC_P256, .purpose = KS_PURPOSE_TLS};

static void
answer(struct fake_server *server, const struct fake_request *request)
{
    static const size_t LEN = 10;
    static const struct fake_token TOKEN = {.n_mechanisms = 1};

    (void)server;
    if (script.lost) {
        script.lost = false;
        shutdown(request->fd, SHUT_RDWR);
        return;
    }
    if (script.n_away > 0) {
        script.n_away--;
        fake_error(request, KS_ERR_TOKEN_UNAVAILABLE, true);
        return;
    }
    switch (request->operation) {
    case 14:
    case 15:
    case 23:
        fake_key(request, "web/shop", 3);
        break;
    case 17:
        fake_csr(request);
        break;
    case 22:
    case 26:
        fake_chain(request, &LEN, 1);
        break;
    case 28:
        fake_token_info(request, &TOKEN);
        break;
    case 29:
        fake_metrics(request, &(struct fake_metrics){.n_counts = 1});
        break;
    default:
        fake_done(request);
    }
}

/* --- one function a call --- */

static ks_err
run_self_sign(struct ks_client *client, struct ks_error *error)
{
    const struct ks_csr_request wanted = {.common_name = "a"};
    struct ks_chain *chain = NULL;
    ks_err err = ks_self_sign(client, &KEY, &wanted, 1, &chain, error);

    ks_chain_free(chain);
    return err;
}

static ks_err
run_csr(struct ks_client *client, struct ks_error *error)
{
    const struct ks_csr_request wanted = {.common_name = "a", .challenge_password = "b"};
    uint8_t *der = NULL;
    size_t len;
    ks_err err = ks_csr(client, &KEY, &wanted, &der, &len, error);

    free(der);
    return err;
}

static ks_err
run_put(struct ks_client *client, struct ks_error *error)
{
    uint8_t der[] = {0x30, 0x00};
    const struct ks_blob certificate = {der, sizeof(der)};

    return ks_certificate_put(client, &KEY, &certificate, 1, error);
}

static ks_err
run_get(struct ks_client *client, struct ks_error *error)
{
    struct ks_chain *chain = NULL;
    ks_err err = ks_certificate_get(client, &KEY, &chain, error);

    ks_chain_free(chain);
    return err;
}

static ks_err
run_delete(struct ks_client *client, struct ks_error *error)
{
    return ks_certificate_delete(client, &KEY, error);
}

static ks_err
run_import(struct ks_client *client, struct ks_error *error)
{
    const struct ks_import_request wanted = {.format = KS_IMPORT_PKCS8, .data = "x", .len = 1};

    return ks_import(client, "web/shop", &wanted, NULL, error);
}

static ks_err
run_destroy(struct ks_client *client, struct ks_error *error)
{
    return ks_destroy(client, &KEY, error);
}

static ks_err
run_metrics(struct ks_client *client, struct ks_error *error)
{
    struct ks_metrics *metrics = NULL;
    ks_err err = ks_metrics(client, &metrics, error);

    ks_metrics_free(metrics);
    return err;
}

static ks_err
run_token_info(struct ks_client *client, struct ks_error *error)
{
    struct ks_token_info *info = NULL;
    ks_err err = ks_token_info(client, "main", &info, error);

    ks_token_info_free(info);
    return err;
}

static ks_err
run_generate(struct ks_client *client, struct ks_error *error)
{
    return ks_generate(client, "web/shop", KS_KEY_TYPE_ANY, NULL, error);
}

static ks_err
run_rotate(struct ks_client *client, struct ks_error *error)
{
    return ks_rotate(client, "web/shop", 2, NULL, error);
}

static ks_err
run_retry_login(struct ks_client *client, struct ks_error *error)
{
    return ks_retry_login(client, "main", error);
}

static ks_err
run_reload(struct ks_client *client, struct ks_error *error)
{
    return ks_reload(client, error);
}

struct row {
    int operation;
    bool repeatable;
    ks_err (*run)(struct ks_client *client, struct ks_error *error);
    const char *said; /* not repeatable: begins the message of OUTCOME_UNKNOWN */
    const char *hint; /* and stands in its hint */
};

static const struct row ROWS[] = {
    {17, true, run_csr, NULL, NULL},
    {22, true, run_self_sign, NULL, NULL},
    {26, true, run_get, NULL, NULL},
    {28, true, run_token_info, NULL, NULL},
    {29, true, run_metrics, NULL, NULL},
    {14, false, run_generate, "generate of web/shop was sent", "keysvc key show"},
    {15, false, run_rotate, "rotate of web/shop was sent", "keysvc key show"},
    {23, false, run_import, "import of web/shop was sent", "keysvc key show"},
    {24, false, run_destroy, "destroy of web/shop@2 was sent", "keysvc key show"},
    {25, false, run_put, "certificate put of web/shop@2 was sent",
     "keysvc key certificate web/shop@2 get"},
    {27, false, run_delete, "certificate delete of web/shop@2 was sent",
     "keysvc key certificate web/shop@2 get"},
    {20, false, run_retry_login, "retry-login of main was sent", "keysvc token list"},
    {19, false, run_reload, "reload was sent", "keysvc status"},
};

static ks_err
run_row(const struct row *row, struct ks_error *error, unsigned int *n_sent)
{
    struct fake_server *server = fake_server_start(NULL, answer, NULL);
    struct ks_client *client;
    ks_err err;

    cr_assert_eq(ks_client_new(fake_server_path(server), &client, NULL), KS_OK);
    err = row->run(client, error);
    *n_sent = fake_server_requests(server, row->operation);
    ks_client_free(client);
    fake_server_stop(server, true);
    return err;
}

Test(outcome, a_change_whose_connection_was_lost_is_unknown_and_says_where_to_look)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const struct row *row = &ROWS[i];
        struct ks_error error;
        unsigned int n_sent;
        ks_err err;

        script = (struct script){.lost = true};
        err = run_row(row, &error, &n_sent);
        cr_expect_eq(error.code, err);
        cr_expect_eq(n_sent, row->repeatable ? 2 : 1, "row %zu: sent %u times", i, n_sent);
        if (row->repeatable) {
            cr_expect_eq(err, KS_OK, "row %zu: %s", i, error.message);
            continue;
        }
        cr_expect_eq(err, KS_ERR_OUTCOME_UNKNOWN, "row %zu: %s", i, error.message);
        cr_expect(!error.retryable);
        cr_expect_eq(strncmp(error.message, row->said, strlen(row->said)), 0, "row %zu: %s", i,
                     error.message);
        cr_expect(strstr(error.hint, row->hint), "row %zu: %s", i, error.hint);
    }
}

Test(outcome, a_token_that_is_away_is_waited_for_only_where_nothing_changes)
{
    for (size_t i = 0; i < sizeof(ROWS) / sizeof(ROWS[0]); i++) {
        const struct row *row = &ROWS[i];
        struct ks_error error;
        unsigned int n_sent;
        ks_err err;

        script = (struct script){.n_away = N_AWAY};
        err = run_row(row, &error, &n_sent);
        cr_expect_eq(err, row->repeatable ? KS_OK : KS_ERR_TOKEN_UNAVAILABLE, "row %zu: %s", i,
                     error.message);
        cr_expect_eq(n_sent, row->repeatable ? N_AWAY + 1 : 1, "row %zu: sent %u times", i, n_sent);
    }
}
